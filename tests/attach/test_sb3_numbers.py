"""The numbers of a PPO of Stable-Baselines3, watched: ours, whatever its policy is asked with."""

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from ppo_scope.attach.record import Phase
from ppo_scope.attach.sb3.stable_baselines import Watched
from ppo_scope.ppo import by_hand, losses
from ppo_scope.ppo.engine import Rule, in_numpy, packed
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import measure
from ppo_scope.probes.record import PhaseKind
from ppo_scope.probes.trainers import TrainerSubject
from tests.attach import sb3_loop
from tests.attach.elsewhere import nowhere, set_nowhere
from tests.ppo.test_parity import as_stable_baselines

pytestmark = pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")

COUNTS_AND_ANGLES = {"entropy_counts", "gradient_cosines"}
"""What rounding may move by more: a sample at the edge of a bin, the direction of a gradient of almost nothing."""


def test_its_numbers_and_our_engines_on_the_same_weights_and_batch(monkeypatch):
    """At each minibatch of an update, after ratios have left 1: terms, gradients by term, policies and V."""
    set_nowhere(monkeypatch)
    trainer = Trainer(Settings.parse({"num_envs": 1, "rollout_steps": 128}))
    model = PPO(
        "MlpPolicy", "CartPole-v1", n_steps=128, n_epochs=3, learning_rate=0.01, ent_coef=0.01, seed=5, device="cpu"
    )
    watched = Watched(model, nowhere(), False)
    ours = TrainerSubject(trainer)
    compared = []

    def compare(phase: Phase):
        if phase.kind is not PhaseKind.LOSS:
            return
        take_weights(trainer, model.policy)
        update, one = phase.update, phase.update.minibatches[-1]
        samples = packed(update.batch, one.samples, one.advantages, losses.mean_weights(one.trained))
        terms = by_hand.forward(
            trainer.network.dense(), trainer.distribution, in_numpy(samples), Rule.of(update.settings)
        )
        theirs = [one.policy_loss, one.value_loss, one.entropy, one.loss]
        assert [float(term) for term in theirs] == pytest.approx(terms.scalars.tolist(), rel=1e-6, abs=1e-6)
        assert one.logratio.numpy() == pytest.approx(terms.logratio, abs=1e-6)
        found = {}
        for name, subject in (("theirs", watched), ("ours", ours)):
            found[name] = measure(Moment(subject, phase), frozenset({"gradients", "policy", "direction"}))
            assert {"gradients", "policy", "direction"} <= set(found[name].measured), found[name].lacks
        for name, array in found["ours"].arrays.items():
            if name in COUNTS_AND_ANGLES:
                continue
            off = np.abs(found["theirs"].arrays[name].astype(float) - array).max()
            assert off <= 1e-6 * max(1.0, np.abs(array).max()), name
        compared.append(float(one.logratio.abs().max()))

    watched.watcher.reached = compare
    try:
        model.learn(256)
    finally:
        trainer.close()
        watched.watcher.close()
    assert len(compared) == 2 * 3 * 2
    assert max(compared) > 0.05, "the ratios must have moved for this to mean anything"


@torch.no_grad()
def take_weights(trainer, policy):
    """Our network becomes theirs."""
    theirs, _ = as_stable_baselines(trainer)
    names = [name for name, _ in theirs.named_parameters()]
    found = dict(policy.named_parameters())
    ours = dict(trainer.network.layers.named_parameters())
    places = {
        "mlp_extractor.policy_net": "policy_trunk",
        "mlp_extractor.value_net": "value_trunk",
        "action_net": "policy_head",
        "value_net": "value_head",
    }
    for name in names:
        theirs_place = next(place for place in places if name.startswith(place))
        ours[places[theirs_place] + name.removeprefix(theirs_place)].copy_(found[name])


def test_masks_are_honoured(monkeypatch):
    """What the probes find of policy and entropy is what the loss of sb3-contrib was made of."""
    set_nowhere(monkeypatch)
    model = sb3_loop.made(masked=True, learning_rate=0.01)
    watched = Watched(model, None, False)
    compared = []

    def compare(phase: Phase):
        if phase.kind is PhaseKind.LOSS:
            moment, seen = Moment(watched, phase), phase.update.seen[-1]
            log_prob, entropy = (found[torch.from_numpy(seen.samples)].numpy() for found in moment.now)
            assert seen.log_prob.numpy() == pytest.approx(log_prob, abs=1e-6)
            assert seen.entropy.numpy() == pytest.approx(entropy, abs=1e-6)
            assert float(entropy.max()) <= np.log(3) + 1e-6 and (moment.action_masks.sum(1) == 3).all()
            assert watched.distribution.kl(moment.batch.outputs, moment.judged(moment.batch)[0]).isfinite().all()
            found = measure(moment, frozenset({"gradients", "direction", "policy"}))
            compared.append((float(np.abs(moment.logratio).max()), len(found.measured)))

    watched.watcher.reached = compare
    model.learn(256)
    watched.watcher.close()
    assert len(compared) == 2 * 3 * 3 and {count for _, count in compared} == {3}
    assert max(far for far, _ in compared) > 0.05


def test_padding_counts_for_nothing_and_the_policy_remembers(monkeypatch):
    """Terms of the loss are those that sb3-contrib logs; the policy that is judged is the one that collected."""
    set_nowhere(monkeypatch)
    model = sb3_loop.made(recurrent=True, learning_rate=0.01, ent_coef=0.01, clip_range_vf=0.2)
    watched = Watched(model, None, False)
    gradients, updates = [], []

    def compare(phase: Phase):
        moment, update = Moment(watched, phase), phase.update
        if phase.kind is PhaseKind.ADVANTAGES:
            outputs, values = watched.policy.judge(update.batch)
            log_prob, _ = watched.distribution.evaluate(outputs, update.batch.actions)
            assert log_prob.numpy() == pytest.approx(update.batch.log_probs.numpy(), abs=1e-5)
            assert values.numpy() == pytest.approx(update.batch.values.numpy(), abs=1e-5)
        elif phase.kind is PhaseKind.LOSS:
            one = update.told[-1]
            assert len(one.found[0]) == len(one.samples) <= 48 and len(set(one.samples.tolist())) == len(one.samples)
            found = measure(moment, frozenset({"gradients", "policy", "direction"}))
            assert {"gradients", "policy", "direction"} <= set(found.measured), found.lacks
            terms = watched.policy.differentiate(update, update.minibatches[-1])
            gradients.append(terms[0] + 0.5 * terms[1] - 0.01 * terms[2])
        elif phase.kind is PhaseKind.GRADIENT:  # by their own backward, before it is cut off
            norm = float(update.gradient_norms[len(update.told) - 1])
            assert float(np.linalg.norm(gradients[-1])) == pytest.approx(norm, rel=1e-4)
        elif phase.kind is PhaseKind.UPDATE:
            updates.append(moment.aggregated())

    watched.watcher.reached = compare
    logged = []
    model.learn(128 * 3, callback=lambda found, _: logged.append(dict(model.logger.name_to_value)) or True)
    logged.append(dict(model.logger.name_to_value))
    assert len(updates) == 3 and len(gradients) == 3 * 3 * 3
    theirs = [one for one in logged if "train/policy_gradient_loss" in one][-1]
    last = updates[-1]
    assert last["policy_loss"] == pytest.approx(theirs["train/policy_gradient_loss"], abs=1e-6)
    assert last["value_loss"] == pytest.approx(theirs["train/value_loss"], rel=1e-6, abs=1e-6)
    assert last["entropy"] == pytest.approx(-theirs["train/entropy_loss"], abs=1e-6)
    assert last["clip_fraction"] == pytest.approx(theirs["train/clip_fraction"], abs=1e-6)
    watched.watcher.close()


@pytest.mark.parametrize("recurrent", [False, True])
def test_observations_of_several_parts_are_judged_as_the_policy_judged_them(recurrent, monkeypatch):
    set_nowhere(monkeypatch)
    model = sb3_loop.made(several=True, recurrent=recurrent)
    watched = Watched(model, None, False)
    reached, judged = watched.watcher.reached, []

    def noting(phase):
        reached(phase)
        if phase.kind is PhaseKind.ADVANTAGES:
            batch = phase.update.batch
            outputs, values = watched.policy.judge(batch)
            log_probs, _ = watched.policy.distribution.evaluate(outputs, batch.actions)
            judged.append((values - batch.values, log_probs - batch.log_probs))

    watched.watcher.reached = noting
    model.learn(256)
    assert len(judged) == 2
    assert all(torch.allclose(off, torch.zeros(()), atol=2e-6) for both in judged for off in both)
    bits, choice, *_ = watched.observation_space.spaces
    assert (bits, choice) == ("bits", "choice"), "each number of a row has its name"
