"""What holds the policy near the old one, or says how far it goes: β as in the paper's section 4, α as in rsl_rl, and
schedules of ε and c₂."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ppo_scope.ppo import leashes
from ppo_scope.ppo.leashes import Adapted, next_kl_coef, next_learning_rate
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import KL_COEF_BOUNDS, Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.trainers import TrainerSubject
from tests.ppo.test_by_hand import by_torch
from tests.ppo.test_spaces import ACTIONS, sampled

SMALL = {"num_envs": 4, "rollout_steps": 32, "minibatches": 2, "epochs": 3, "learning_rate": 0.01}
PENALTY = {**SMALL, "objective": "kl_penalty"}


def updates(trainer, count, between=lambda update: None):
    """So many whole updates; `between` is called after each."""
    found = []
    for phase in trainer.phases():
        if phase.kind is PhaseKind.UPDATE:
            found.append(phase.update)
            between(phase.update)
            if len(found) == count:
                break
    return found


def distribution_of(action):
    trainer = Trainer(Settings.parse({**SMALL, "env": sampled("box", action)}))
    trainer.close()
    return trainer.distribution


class Transcribed:
    """Section 4 of Schulman et al. 2017, word for word, a sample at a time, in double precision.

    "Using several epochs of minibatch SGD, optimize the KL-penalized objective
        L(θ) = Ê_t[ π_θ(a_t|s_t)/π_old(a_t|s_t)·Â_t − β·KL[π_old(·|s_t), π_θ(·|s_t)] ].
    Compute d = Ê_t[KL[π_old(·|s_t), π_θ(·|s_t)]]: if d < d_targ/1.5, β ← β/2; if d > d_targ × 1.5, β ← β × 2."
    """

    def __init__(self, beta, target):
        self.beta, self.target = beta, target

    @staticmethod
    def policies(network, theta, batch, i):
        """(log π_old of each action or its parameters, those of π_θ) at sample i."""
        outputs, _ = network.at(theta, batch.observations[i : i + 1].double())
        return batch.outputs[i].double(), outputs[0]

    @staticmethod
    def kl(old, new, gaussian):
        if not gaussian:
            p, q = torch.softmax(old, 0), torch.softmax(new, 0)
            return sum(p[a] * torch.log(p[a] / q[a]) for a in range(len(p)))
        half = len(old) // 2
        total = 0.0
        for mean, other, s, t in zip(old[:half], new[:half], old[half:].exp(), new[half:].exp(), strict=True):
            total = total + torch.log(t / s) + (s**2 + (mean - other) ** 2) / (2 * t**2) - 0.5
        return total

    @staticmethod
    def probability(outputs, action, gaussian):
        if not gaussian:
            return torch.softmax(outputs, 0)[int(action)]
        half, density = len(outputs) // 2, 1.0
        for mean, sigma, a in zip(outputs[:half], outputs[half:].exp(), action.double(), strict=True):
            density = density * torch.exp(-((a - mean) ** 2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
        return density

    def objective(self, network, theta, batch, minibatch, gaussian):
        total, rows = 0.0, minibatch.samples[minibatch.trained].tolist()
        advantages = dict(zip(minibatch.samples.tolist(), minibatch.advantages.double(), strict=True))
        for i in rows:
            old, new = self.policies(network, theta, batch, i)
            r = self.probability(new, batch.actions[i], gaussian) / self.probability(old, batch.actions[i], gaussian)
            total = total + r * advantages[i] - self.beta * self.kl(old, new, gaussian)
        return total / len(rows)

    def after(self, network, theta, batch, gaussian):
        """The rule for β."""
        rows = torch.nonzero(batch.trained).flatten().tolist()
        d = sum(float(self.kl(*self.policies(network, theta, batch, i), gaussian)) for i in rows) / len(rows)
        if d < self.target / 1.5:
            self.beta = self.beta / 2
        elif d > self.target * 1.5:
            self.beta = self.beta * 2


@pytest.mark.parametrize("engine", ["by_hand", "by_torch"])
@pytest.mark.parametrize(("env", "rate"), [("CartPole-v1", 0.004), ("Pendulum-v1", 0.004)])
def test_it_is_the_papers_second_variant(env, rate, engine):
    """Its loss and gradient at every minibatch, and β from update to update."""
    gaussian = env == "Pendulum-v1"
    # No other term: the gradient is that of the paper's objective alone.
    alone = {"value_coef": 0.0, "entropy_coef": 0.0, "kl_coef": 0.5, "kl_coef_target": 0.004}
    trainer = Trainer(Settings.parse({**PENALTY, "env": env, "learning_rate": rate, **alone}))
    if engine == "by_torch":
        by_torch(trainer)
    differentiate = TrainerSubject(trainer).abilities.differentiate
    network, paper, betas = trainer.network, Transcribed(0.5, 0.004), []
    for phase in trainer.phases():
        batch = phase.update.batch
        if phase.kind is PhaseKind.LOSS:
            minibatch = phase.update.minibatches[-1]
            theta = network.theta.detach().double().requires_grad_()
            expected = paper.objective(network, theta, batch, minibatch, gaussian)
            (gradient,) = torch.autograd.grad(-expected, theta)
            assert minibatch.policy_loss.item() == pytest.approx(-expected.item(), rel=1e-6, abs=1e-6)
            assert minibatch.loss.item() == minibatch.policy_loss.item()
            ours = torch.from_numpy(differentiate(phase.update, minibatch)[0]).double()
            assert (ours - gradient).norm() <= 1e-5 * gradient.norm() + 1e-7
        if phase.kind is PhaseKind.UPDATE:
            betas.append(phase.update.settings.kl_coef)
            paper.after(network, network.theta.detach().double(), batch, gaussian)
            if phase.update.index == 4:
                break
            assert trainer.standing()["kl_coef"] == paper.beta
    assert len(set(betas)) > 1, "β must have moved for this to mean anything"
    trainer.close()


LOGITS = st.floats(-30, 30, width=32)


@pytest.mark.parametrize("action", ACTIONS)
def test_the_slopes_of_the_kl_are_what_autograd_finds(action):
    distribution = distribution_of(action)

    @settings(max_examples=40, deadline=None)
    @given(st.integers(1, 5).flatmap(lambda n: arrays(np.float32, (2, n, distribution.outputs), elements=LOGITS)))
    def holds(drawn):
        if distribution.free:  # log σ, of which 30 is no sensible one
            drawn[..., -distribution.free :] /= 15
        old, new = drawn
        kl, slopes = distribution.divergence_in_numpy(old, new)
        exact = torch.from_numpy(new).double().requires_grad_()
        expected = distribution.divergence(torch.from_numpy(old).double(), exact)
        (gradient,) = torch.autograd.grad(expected.sum(), exact)
        scale = 1e-5 * float(1 + np.abs(drawn).max())
        assert kl == pytest.approx(expected.detach().numpy(), rel=1e-5, abs=scale)
        assert slopes == pytest.approx(gradient.numpy(), rel=1e-4, abs=1e-5)
        known = distribution.kl(torch.from_numpy(old), torch.from_numpy(new)).numpy()
        assert known == pytest.approx(np.maximum(expected.detach().numpy(), 0), rel=1e-5, abs=scale)
        assert (distribution.divergence_in_numpy(old, old)[1] == 0).all()

    holds()


@pytest.mark.parametrize(
    ("kl", "expected"),
    [(0.0, 0.5), (0.0066, 0.5), (0.0067, 1.0), (0.01, 1.0), (0.015, 1.0), (0.0151, 2.0), (math.inf, 2.0)],
)
def test_beta_is_halved_and_doubled_outside_of_the_papers_band(kl, expected):
    assert next_kl_coef(1.0, kl, 0.01) == expected


def test_beta_stays_within_its_bounds():
    low, high = KL_COEF_BOUNDS
    assert next_kl_coef(low, 0.0, 0.01) == low
    assert next_kl_coef(high, 1.0, 0.01) == high
    assert next_kl_coef(0.0, 0.0, 0.01) == 0.0
    assert next_kl_coef(0.0, 1.0, 0.01) == low, "no price at all can be raised too"
    assert next_kl_coef(3.0, math.nan, 0.01) == 3.0


@pytest.mark.parametrize(
    ("rate", "kl", "expected"),
    [
        (1e-3, 0.0201, (1e-3 / 1.5, -1)),
        (1e-3, 0.02, (1e-3, 0)),
        (1e-3, 0.005, (1e-3, 0)),
        (1e-3, 0.0049, (1.5e-3, 1)),
        (1e-3, 0.0, (1e-3, 0)),
        (1.2e-5, 1.0, (1e-5, -1)),
        (9e-3, 0.001, (1e-2, 1)),
        (1e-5, 1.0, (1e-5, -1)),
        (1e-2, 0.001, (1e-2, 1)),
        (1e-3, math.nan, (1e-3, 0)),
    ],
)
def test_alpha_is_moved_as_rsl_rl_moves_it(rate, kl, expected):
    assert next_learning_rate(rate, kl, Settings(desired_kl=0.01)) == pytest.approx(expected)


@pytest.mark.parametrize(("rate", "kl", "asked"), [(1e-6, 1.0, -1), (0.1, 1e-4, 1), (0.0, 1.0, -1), (0.0, 1e-4, 1)])
def test_an_alpha_that_was_set_beyond_its_bounds_is_not_moved_against_what_the_kl_asks_for(rate, kl, asked):
    assert next_learning_rate(rate, kl, Settings(desired_kl=0.01)) == (rate, asked)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_each_step_is_made_with_the_alpha_that_its_kl_asks_for(asynchronous):
    trainer = Trainer(Settings.parse({**SMALL, "desired_kl": 0.004}), asynchronous=asynchronous)
    if asynchronous:
        by_torch(trainer)
    rate, moves = 0.01, [0, 0, 0]
    for phase in trainer.phases():
        update = phase.update
        if phase.kind is PhaseKind.LOSS:
            seen = update.minibatches[-1]
            kls = trainer.distribution.kl(update.batch.outputs[seen.samples], seen.outputs)
            kl = kls[seen.trained].mean().item()
            assert seen.kl.item() == pytest.approx(kl, rel=1e-3, abs=1e-7)
            first = len(update.minibatches) == 1
            before, (rate, asked) = rate, next_learning_rate(rate, 0.0 if first else seen.kl.item(), trainer.settings)
            moves = [moves[0] + (rate > before), moves[1] + (rate < before), moves[2] + (asked != 0 and rate == before)]
            assert update.learning_rate == rate
            assert float(trainer.optimisation.coefficients.learning_rate) == pytest.approx(rate)
        if phase.kind is PhaseKind.UPDATE:
            assert moves == [update.learning_rate_raised, update.learning_rate_lowered, update.learning_rate_pinned]
            assert sum(moves[:2]) > 0
            moves = [0, 0, 0]
            if update.index == 4:
                break
    assert trainer.settings.learning_rate == 0.01, "what was set stays what it is"
    trainer.close()


def test_epsilon_and_the_entropy_bonus_fall_to_nothing():
    schedules = {"anneal_clip_range": True, "anneal_entropy_coef": True, "entropy_coef": 0.05, "total_steps": 512}
    trainer = Trainer(Settings.parse({**SMALL, **schedules}))
    made = updates(trainer, 4)
    left = [1 - update * 128 / 512 for update in range(4)]
    # Autoreset rows are no steps: a little more is left than that.
    assert [update.settings.clip_range / 0.2 for update in made] == pytest.approx(left, abs=0.05)
    assert [update.settings.entropy_coef / 0.05 for update in made] == pytest.approx(left, abs=0.05)
    assert made[0].settings.clip_range == 0.2
    assert all(a.settings.clip_range > b.settings.clip_range for a, b in pairwise(made))
    assert {update.set_to.clip_range for update in made} == {0.2} == {trainer.settings.clip_range}
    assert leashes.in_force(trainer.settings, Adapted.of(trainer.settings), 10**6).clip_range == 0.0
    trainer.close()


def test_without_any_of_it_the_settings_in_force_are_the_very_ones_that_were_set():
    plain = Settings.parse(SMALL)
    assert leashes.in_force(plain, Adapted.of(plain), 100) is plain


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"anneal_clip_range": True}, "anneal_clip_range: needs total_steps"),
        ({"anneal_entropy_coef": True}, "anneal_entropy_coef: needs total_steps"),
        ({"desired_kl": 0.01, "anneal_learning_rate": True, "total_steps": 100}, "desired_kl: sets α itself"),
        ({"learning_rate_min": 0.1}, "learning_rate_min: 0.1 is above learning_rate_max = 0.01"),
    ],
)
def test_what_contradicts_itself_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        Settings.parse(wrong)


def test_what_is_set_by_hand_begins_anew_even_where_it_is_what_was_set_before():
    trainer = Trainer(Settings.parse({**PENALTY, "learning_rate": 1e-5, "desired_kl": 1e-9}))
    seen = []

    def between(update):
        seen.append(update.settings.kl_coef)
        if update.index == 3:
            trainer.change("kl_coef", 1.0)
        if update.index == 5:
            trainer.change("clip_range", 0.3)

    made = updates(trainer, 7, between)
    assert seen == [1.0, 0.5, 0.25, 1.0, 0.5, 0.25, 0.125]
    assert next((change.name, change.old, change.new) for change in trainer.changes) == ("kl_coef", 0.125, 1.0)
    assert made[-1].set_to.kl_coef == 1.0
    trainer.change("kl_coef", trainer.standing()["kl_coef"])
    assert not trainer.pending, "where it stands already there is nothing to change"
    trainer.close()


def test_another_objective_takes_the_leash_up_where_it_begins():
    """The KL costs nothing where nobody asks for it; from the update on that has the objective it is there."""
    trainer = Trainer(Settings.parse({**SMALL, "kl_coef": 3.0}))

    def between(update):
        if update.index == 2:
            trainer.change("objective", "kl_penalty")

    made = updates(trainer, 3, between)
    assert all(minibatch.kl is None for update in made[:2] for minibatch in update.minibatches)
    assert all(minibatch.kl is not None for minibatch in made[2].minibatches)
    assert made[2].settings.kl_coef == 3.0
    trainer.close()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_run_by_torch_is_the_same_run(asynchronous):
    def run(engine):
        given = {**PENALTY, "desired_kl": 0.01, "kl_coef_target": 0.003, "env": sampled("box", "box")}
        trainer = Trainer(Settings.parse(given), asynchronous=asynchronous)
        if engine == "torch":
            by_torch(trainer)
        made = updates(trainer, 3)
        trainer.close()
        return trainer.network.theta.detach(), [update.settings.kl_coef for update in made]

    (by_hand, ours), (expected, theirs) = run("numpy"), run("torch")
    assert torch.allclose(by_hand, expected, atol=2e-5)
    assert ours == theirs


def test_an_abandoned_update_leaves_alpha_and_beta_where_they_were():
    hook = {"raise": False}

    def between_steps():
        if hook["raise"]:
            hook["raise"] = False
            raise KeyboardInterrupt

    given = {**PENALTY, "desired_kl": 0.004, "kl_coef_target": 0.002, "learning_rate_max": 1.0}
    trainer = Trainer(Settings.parse(given), between_steps)
    updates(trainer, 3)
    before = trainer.standing()
    assert before["kl_coef"] != 1.0
    assert before["learning_rate"] != 0.01
    phases = trainer.phases()
    for phase in phases:  # given up in the midst of its steps
        if phase.kind is PhaseKind.STEP and (phase.epoch, phase.minibatch) == (2, 2):
            assert phase.update.learning_rate_raised + phase.update.learning_rate_lowered > 0
            break
    phases.close()
    hook["raise"] = True
    with pytest.raises(KeyboardInterrupt):
        updates(trainer, 1)
    assert trainer.standing() == before
    (again,) = updates(trainer, 1)
    assert again.settings.kl_coef == before["kl_coef"]
    trainer.close()


def test_both_clip_ranges_fall_together():
    settings = Settings.parse(
        {"clip_range": 0.2, "clip_range_high": 0.28, "anneal_clip_range": True, "total_steps": 4096}
    )
    half = leashes.in_force(settings, leashes.Adapted.of(settings), 2048)
    assert (half.clip_range, half.clip_range_high) == pytest.approx((0.1, 0.14))
    alike = leashes.in_force(settings.changed(clip_range_high=None), leashes.Adapted.of(settings), 2048)
    assert (alike.clip_range, alike.clip_range_high) == (pytest.approx(0.1), None)
