"""Models of Stable-Baselines3 that their users have changed: each does what it did, and what is shown is theirs."""

import json
import pickle
import types

import numpy as np
import pytest
import torch
from sb3_contrib import MaskablePPO
from sb3_contrib.common.envs import InvalidActionEnvMultiBinary
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from torch.nn.utils import parameters_to_vector

from ppo_scope.attach.sb3.stable_baselines import ITS_OWN, Watched
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import PROBES, measure
from ppo_scope.probes.record import PhaseKind
from tests.attach import sb3_loop
from tests.attach.elsewhere import nowhere, set_nowhere

SIZES = {"n_steps": 64, "batch_size": 32, "n_epochs": 2, "seed": 1, "device": "cpu"}


def made(kind=PPO, **settings):
    return kind("MlpPolicy", "CartPole-v1", **{**SIZES, **settings})


def learned(model, steps=256, **named):
    model.learn(steps, **named)
    return sb3_loop.digest(model)


def updates_of(watched):
    """Those that its watcher is told of as they end."""
    told, reached = [], watched.watcher.reached

    def tell(phase):
        if phase.kind is PhaseKind.UPDATE:
            told.append(phase.update)
        reached(phase)

    watched.watcher.reached = tell
    return told


class Counting(BaseCallback):
    count = steps = 0

    def _on_step(self):
        self.steps += 1
        return True


class Asking(PPO):
    """Its `collect_rollouts` asks what its callback is, and notes something on it."""

    def collect_rollouts(self, env, callback, *arguments, **named):
        assert isinstance(callback, BaseCallback)
        callback.count += 1
        return super().collect_rollouts(env, callback, *arguments, **named)


def test_its_callback_is_what_it_was(monkeypatch):
    set_nowhere(monkeypatch)
    model, callback = made(Asking), Counting()
    watched = Watched(model, nowhere(), False)
    told = updates_of(watched)
    assert learned(model, callback=callback) == learned(made(Asking), callback=Counting())
    assert callback.count == 4 and callback.steps == 256 and "update_locals" not in vars(callback)
    assert sum(len(one.rollout.episodes) for one in told) > 5
    watched.watcher.close()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_pickled_as_what_it_is_without_us(protocol, monkeypatch):
    set_nowhere(monkeypatch)
    model = made()
    watched = Watched(model, nowhere(), False)
    model.learn(64)
    again = pickle.loads(pickle.dumps(model, protocol))
    assert type(again) is PPO and sb3_loop.digest(again) == sb3_loop.digest(model)
    assert learned(again, 64) and watched._index == 1
    watched.watcher.close()


def test_a_train_that_is_set_on_it_makes_its_updates(monkeypatch):
    set_nowhere(monkeypatch)

    def with_its_own():
        model, calls = made(), []

        def train(self):
            calls.append(self.num_timesteps)
            PPO.train(self)

        model.train = types.MethodType(train, model)
        return model, calls

    model, calls = with_its_own()
    watched = Watched(model, nowhere(), False)
    told, own = updates_of(watched), vars(model)["train"]
    assert learned(model) == learned(with_its_own()[0]) == learned(made())
    assert calls == [64, 128, 192, 256] and vars(model)["train"] is own
    assert [len(one.minibatches) for one in told] == [4] * 4
    watched.watcher.close()


class Trains(PPO):
    def train(self):
        super().train()


@pytest.mark.parametrize(("kind", "loss"), [(PPO, ""), (Asking, ""), (Trains, ITS_OWN)])
def test_a_train_of_its_own_is_said_beside_its_run(kind, loss, monkeypatch):
    set_nowhere(monkeypatch)
    model = made(kind)
    for _ in range(2):  # watched once more, too
        watched = Watched(model, nowhere(), False)
        assert json.loads(watched.watcher._open._greeting())["loss"] == loss
        watched.watcher.close()


def test_a_masked_choice_of_several_bits_is_measured(monkeypatch):
    set_nowhere(monkeypatch)
    model = MaskablePPO("MlpPolicy", InvalidActionEnvMultiBinary(dims=3, n_invalid_actions=2), **SIZES)
    watched, lacking = Watched(model, nowhere(), False), []

    def tell(phase):
        watched.watcher.next_look = 0.0
        if phase.kind in (PhaseKind.LOSS, PhaseKind.UPDATE):
            found = measure(Moment(watched, phase), frozenset(PROBES))
            lacking.append(set(PROBES) - set(found.measured))
            one = phase.update.minibatches[0]
            assert float(one.entropy) < 3 * np.log(2) and np.isfinite(float(one.loss))

    watched.watcher.reached = tell
    watched.watcher.next_look = 0.0  # each phase is looked at, whatever the time
    model.learn(128)
    assert len(lacking) == 2 * 5
    assert set.intersection(*lacking) <= {"environment", "sample"}, "what is never measured"
    watched.watcher.close()


class Warming(PPO):
    """α by a rule of its own."""

    def _update_learning_rate(self, optimizers):
        for group in optimizers.param_groups:
            group["lr"] = 1e-5 * self.num_timesteps


def test_the_learning_rate_is_that_of_its_optimizer(monkeypatch):
    set_nowhere(monkeypatch)
    model = made(Warming)
    watched = Watched(model, nowhere(), False)
    told = updates_of(watched)
    model.learn(192)
    assert [one.learning_rate for one in told] == pytest.approx([64e-5, 128e-5, 192e-5])
    watched.watcher.close()


class Backwards(RolloutBuffer):
    def get(self, batch_size=None):
        yield from reversed(list(super().get(batch_size)))


class InOrder(RolloutBuffer):
    def get(self, batch_size=None):
        if not self.generator_ready:
            for name in ("observations", "actions", "values", "log_probs", "advantages", "returns"):
                self.__dict__[name] = self.swap_and_flatten(self.__dict__[name])
            self.generator_ready = True
        for start in range(0, self.buffer_size * self.n_envs, batch_size):
            yield self._get_samples(np.arange(start, start + batch_size))


@pytest.mark.parametrize("buffer", [InOrder, Backwards])
def test_a_buffer_that_draws_otherwise_is_named(buffer, monkeypatch, capfd):
    set_nowhere(monkeypatch)
    model = made(rollout_buffer_class=buffer)
    Watched(model, nowhere(), False)
    assert learned(model) == learned(made(rollout_buffer_class=buffer))
    said = capfd.readouterr().err
    assert f"{buffer.__name__} draws them otherwise" in said and "report" not in said and "Traceback" not in said


def test_what_ends_an_update_is_its_target_kl_alone(monkeypatch):
    """A loop without a limit of the norm makes its steps all the same."""
    set_nowhere(monkeypatch)

    class Unlimited(PPO):
        def train(self):
            limit, torch.nn.utils.clip_grad_norm_ = torch.nn.utils.clip_grad_norm_, lambda *_: torch.zeros(())
            try:
                super().train()
            finally:
                torch.nn.utils.clip_grad_norm_ = limit

    model = made(Unlimited)
    watched = Watched(model, nowhere(), False)
    told = updates_of(watched)
    model.learn(128)
    assert [one.stopped_by_kl for one in told] == [False, False]
    watched.watcher.close()


def swapped(model):
    model.policy = made(seed=2).policy


def with_another_head(model):
    policy = model.policy
    torch.manual_seed(5)
    policy.action_net = torch.nn.Linear(64, 2)
    policy.optimizer = torch.optim.Adam(policy.parameters(), lr=3e-4)


def frozen(model):
    for one in model.policy.mlp_extractor.parameters():
        one.requires_grad = False


def thawed(model):
    for one in model.policy.parameters():
        one.requires_grad = True


@pytest.mark.parametrize("change", [swapped, with_another_head, thawed], ids=lambda one: one.__name__)
def test_another_policy_is_asked_from_then_on(change, monkeypatch):
    set_nowhere(monkeypatch)

    def learned_with(watching):
        model, moved = made(), []
        if change is thawed:
            frozen(model)
        watched = watching(model)
        told = updates_of(watched) if watched else []
        model.learn(128)
        change(model)
        for _ in range(2):
            model.policy.train()
            before = parameters_to_vector(model.policy.parameters()).detach()
            model.learn(64, reset_num_timesteps=False)
            after = parameters_to_vector(model.policy.parameters()).detach()
            moved.append(float((after - before).norm()))
            if watched:
                update, theta = told[-1], watched.abilities.theta()
                assert float((theta - update.theta_before).norm()) == pytest.approx(moved[-1], rel=1e-5)
                assert torch.equal(watched.policy.judge(update.batch)[0], asked(model, update.batch))
        return sb3_loop.digest(model)

    assert learned_with(lambda model: Watched(model, nowhere(), False)) == learned_with(lambda _: None)


def asked(model, batch):
    with torch.no_grad():
        return model.policy.get_distribution(batch.observations).distribution.logits
