"""The probes on a training loop that is not ours: frames hold what is computed beside it, and say what is lacking."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, kl_divergence

from ppo_scope.diagnosis.health import Health
from ppo_scope.diagnosis.indicators import indicators
from ppo_scope.ppo.losses import Region
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.probes.cost import Budget
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import PROBES, measure, series_row
from ppo_scope.probes.subject import WORDS, Abilities, Lacking
from ppo_scope.probes.trainers import TrainerSubject
from ppo_scope.wire import frame
from ppo_scope.wire.metrics import MINIBATCH_COLUMNS, SERIES_COLUMNS
from tests.probes import plain_loop
from tests.probes.plain_loop import M, N, PlainLoop

ALL = frozenset(PROBES)


def seen(kind, *, judges=True, epoch=2, minibatch=3, index=2):
    """(the loop, the moment, its frame as a page gets it) of its second update."""
    loop = PlainLoop(judges=judges)
    for phase in loop.phases():
        if phase.kind is kind and (phase.update.index, phase.epoch, phase.minibatch) == (index, epoch, minibatch):
            moment = Moment(loop, phase)
            found = measure(moment, ALL, budget := Budget())
            assert not budget.failed
            header = {"kind": "snapshot", "scalars": found.scalars, "notes": found.notes, "lacks": found.lacks}
            return loop, moment, frame.decode(frame.encode(header, found.arrays))
    raise AssertionError


def by_row(flat):
    """[S] time first → [N, M]."""
    return np.asarray(flat).reshape(M, N).T


@pytest.fixture(scope="module")
def at_a_loss():
    return seen(PhaseKind.LOSS)


@pytest.fixture(scope="module")
def at_the_end():
    return seen(PhaseKind.UPDATE)


def minibatch_beside(moment):
    """(samples, r, Â as used) of the minibatch at hand, from its record."""
    last = moment.phase.update.minibatches[-1]
    return last.samples.numpy(), last.logratio.exp().numpy(), last.advantages.numpy()


def test_it_knows_nothing_of_our_trainer():
    source = Path(plain_loop.__file__).read_text()
    assert len(source.splitlines()) <= 120
    assert "ppo_scope.ppo" not in source


def test_ratios(at_a_loss):
    _, moment, (header, arrays) = at_a_loss
    samples, ratio, _ = minibatch_beside(moment)
    assert np.abs(ratio - 1).max() > 0.1, "the ratios must have moved for this to mean anything"
    shown = arrays["ratio"].T.reshape(-1)[samples]
    assert shown == pytest.approx(ratio, rel=1e-5)
    limit = header["scalars"]["ratio_limit"]
    expected, _ = np.histogram(np.log(ratio), 64, (-limit, limit))
    assert np.array_equal(arrays["ratio_counts"].sum(0), expected)
    assert header["scalars"]["ratio_clip_fraction"] == pytest.approx(np.mean(np.abs(ratio - 1) > 0.1))
    assert header["scalars"]["ratio_max"] == pytest.approx(ratio.max(), rel=1e-5)


@pytest.mark.parametrize("kind", [PhaseKind.LOSS, PhaseKind.UPDATE])
@pytest.mark.parametrize("judges", [True, False])
def test_the_smallest_and_the_largest_ratio_are_those_of_the_samples_that_are_counted(kind, judges):
    _, _, (header, arrays) = seen(kind, judges=judges, index=1)
    counted = arrays["ratio"][(arrays["in_minibatch"] == 1) & (arrays["region"] != 0)]
    scalars = header["scalars"]
    assert (scalars["ratio_counted_min"], scalars["ratio_counted_max"]) == (counted.min(), counted.max())
    if kind is PhaseKind.UPDATE and not judges:  # an earlier epoch saw a larger one
        assert scalars["ratio_max"] > 1.03 * counted.max() and "final_ratio_max" not in scalars


def test_the_mask(at_a_loss):
    _, moment, (_, arrays) = at_a_loss
    samples, ratio, used = minibatch_beside(moment)
    beyond = np.where(ratio > 1.1, 1, np.where(ratio < 0.9, -1, 0)) * np.sign(used)
    expected = np.select([beyond > 0, beyond < 0], [Region.HELD, Region.PULLED_BACK], Region.INSIDE)
    assert np.array_equal(arrays["region"].T.reshape(-1)[samples], expected)
    assert (expected == Region.HELD).any() and (expected == Region.PULLED_BACK).any()
    assert np.array_equal(np.flatnonzero(arrays["in_minibatch"].T), np.sort(samples))
    ends = moment.phase.update.rollout.terminated
    assert np.array_equal(arrays["episode_end"], ends.T.astype(np.uint8))


def test_advantages(at_a_loss):
    _, moment, (header, arrays) = at_a_loss
    samples, _, used = minibatch_beside(moment)
    raw = moment.phase.update.batch.advantages.numpy()
    assert np.array_equal(arrays["advantage"], by_row(raw))
    assert np.array_equal(arrays["advantage_used"].T.reshape(-1)[samples], used)
    assert header["scalars"]["advantage_mean"] == pytest.approx(raw[samples].mean(), rel=1e-4)
    assert header["scalars"]["advantage_std"] == pytest.approx(raw[samples].std(ddof=1), rel=1e-4)
    assert arrays["advantage_counts"].sum() == arrays["advantage_used_counts"].sum() == len(samples)


def test_losses_and_kl_of_every_minibatch(at_the_end):
    _, moment, (_, arrays) = at_the_end
    update, columns = moment.phase.update, list(MINIBATCH_COLUMNS)
    assert arrays["minibatches"].shape == (6, len(columns))
    for row, minibatch in zip(arrays["minibatches"], update.minibatches, strict=True):
        shown = dict(zip(columns, row.tolist(), strict=True))
        old = Categorical(logits=update.batch.outputs[minibatch.samples])
        log_r = minibatch.logratio.double()
        expected = {
            "policy_loss": minibatch.policy_loss,
            "value_loss": minibatch.value_loss,
            "entropy": Categorical(logits=minibatch.outputs).entropy().mean(),
            "loss": minibatch.policy_loss + 0.5 * minibatch.value_loss - 0.01 * minibatch.entropy,
            "value_term": 0.5 * minibatch.value_loss,
            "entropy_term": -0.01 * minibatch.entropy,
            "kl_k1": -log_r.mean(),
            "kl_k3": (log_r.exp() - 1 - log_r).mean(),
            "kl_exact": kl_divergence(old, Categorical(logits=minibatch.outputs)).mean(),
            "clip_fraction": ((log_r.exp() - 1).abs() > 0.1).double().mean(),
            "gradient_norm": minibatch.gradient_norm,
        }
        for name, value in expected.items():
            assert shown[name] == pytest.approx(float(value), rel=1e-4, abs=1e-6), name


def test_values(at_a_loss):
    _, moment, (_, arrays) = at_a_loss
    update, last = moment.phase.update, moment.phase.update.minibatches[-1]
    assert np.array_equal(arrays["reward"], update.rollout.rewards.T)
    assert np.array_equal(arrays["value"], by_row(update.batch.values))
    assert np.array_equal(arrays["value_target"], by_row(update.batch.targets))
    assert np.array_equal(arrays["delta"], update.deltas.T)
    assert np.array_equal(arrays["value_now"].T.reshape(-1)[last.samples], last.values.numpy())


@torch.no_grad()
def test_after_the_last_step(at_the_end):
    """Under the weights as they are: what only a loop that can judge tells."""
    loop, moment, (header, arrays) = at_the_end
    batch = moment.phase.update.batch
    now, v = Categorical(logits=loop.policy(batch.observations)), loop.critic(batch.observations).squeeze(-1)
    ratio = (now.log_prob(batch.actions) - batch.log_probs).exp()
    assert arrays["ratio"] == pytest.approx(by_row(ratio), rel=1e-5)
    assert arrays["value_now"] == pytest.approx(by_row(v), rel=1e-5, abs=1e-6)
    scalars = header["scalars"]
    assert scalars["final_kl_exact"] == pytest.approx(
        float(kl_divergence(Categorical(logits=batch.outputs), now).mean()), rel=1e-4
    )
    assert scalars["final_entropy"] == pytest.approx(float(now.entropy().mean()), rel=1e-5)
    assert scalars["final_value_loss"] == pytest.approx(float((v - batch.targets).square().mean()), rel=1e-4)
    assert scalars["steps"] == 2 * M * N and scalars["episodic_return_mean"] == 1.0


def test_what_it_cannot_do_is_said_in_a_sentence_and_fails_nothing(at_the_end):
    _, _, (header, _) = at_the_end
    assert header["lacks"].keys() == {"policy", "gradients", "direction", "transitions"}
    assert header["lacks"]["gradients"] == (
        "Not shown for this run: its training loop does not tell which weights belong to which layer."
    )
    for sentence in header["lacks"].values():
        assert sentence.startswith("Not shown for this run: ") and sentence.endswith(".")


def test_a_loop_that_cannot_judge_shows_what_its_minibatches_saw_last():
    _, moment, (header, arrays) = seen(PhaseKind.UPDATE, judges=False)
    assert {"policy", "transitions"} <= header["lacks"].keys()
    assert not any(name.startswith("final_") for name in header["scalars"])
    latest = np.ones(M * N, np.float32)
    for minibatch in moment.phase.update.minibatches:
        latest[minibatch.samples.numpy()] = minibatch.logratio.exp().numpy()
    assert arrays["ratio"] == pytest.approx(by_row(latest), rel=1e-6)
    assert header["scalars"]["kl_exact"] > 0


@pytest.mark.parametrize("judges", [False, True])
def test_its_health_is_judged_as_far_as_it_can_be(judges):
    _, moment, _ = seen(PhaseKind.UPDATE, judges=judges)
    health = Health()
    row = dict(zip(SERIES_COLUMNS, series_row(moment, 0.0), strict=True))
    health.take_in(moment, row)
    assert indicators(moment)["episodes"] == 6
    assert indicators(moment)["entropy_share"] > 0, "of the policy that collected, where no other is known"
    assert ("critic_error_share" in indicators(moment)) == judges
    json.dumps(health.findings(), allow_nan=False)
    assert row["kl_exact"] > 0


def test_our_own_trainer_can_do_all_of_it(make):
    abilities = TrainerSubject(make({"num_envs": 2, "rollout_steps": 8, "minibatches": 2})).abilities
    missing = {name for name, ability in vars(abilities).items() if ability is None}
    others = {"losses_told", "observations_counted", "enters", "text"}
    assert missing == others, "what a loop of others gets wrong, or tells"


def test_every_ability_has_words():
    assert set(vars(Abilities())) <= WORDS.keys()
    for what in WORDS:
        assert str(Lacking(what)).endswith(f"{WORDS[what]}.")


def test_probes_reach_into_no_trainer():
    """Neither they nor the checks import it, but for the file that makes a subject of it."""
    script = (
        "import sys; sys.modules['ppo_scope.ppo.trainer'] = None\n"
        "import ppo_scope.probes.probes, ppo_scope.diagnosis.health"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
