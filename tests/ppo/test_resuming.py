"""A trainer that goes on where another one was: to the same bits where the environment's state can be kept."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from ppo_scope.ppo import objects, resuming, tapes
from ppo_scope.ppo.environments import Environments
from ppo_scope.ppo.objects import NotKept
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.resuming import resumed, try_out
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.records import trees

SMALL: dict[str, Any] = {"num_envs": 3, "rollout_steps": 40, "minibatches": 4, "epochs": 2}


def go_on(trainer: Trainer, updates: int) -> Trainer:
    """Until so many updates are done."""
    for phase in trainer.phases():
        if phase.kind is PhaseKind.UPDATE and trainer.updates >= updates:
            break
    return trainer


@pytest.mark.parametrize(
    ("env", "values"),
    [
        ("CartPole-v1", {}),
        ("CartPole-v1", {"frame_stack": 2}),  # many single copies, with a wrapper that remembers
        ("Acrobot-v1", {"target_kl": 0.01}),
        ("MountainCarContinuous-v0", {"shared_network": True}),
        ("Pendulum-v1", {"normalize_observations": True}),
        ("CartPole-v1", {"objective": "kl_penalty", "kl_coef_target": 1e-4}),  # β follows the KL, and so does α:
        ("CartPole-v1", {"desired_kl": 1e-4}),
        ("Taxi-v4", {}),  # with its masks
        ("FrozenLake-v1", {"normalize_rewards": False}),
        ("Blackjack-v1", {}),
        ("CliffWalking-v1", {}),
    ],
)
def test_a_trainer_goes_on_to_the_same_bits(env: str, values: dict[str, Any]) -> None:
    settings = Settings(env=env, **SMALL, **values)
    whole = go_on(Trainer(settings), 3)
    whole.change("clip_range", 0.3)  # waits for the next update
    state = whole.state()
    go_on(whole, 7)  # moves on: what was kept must not
    other, why = resumed(state)
    assert why is None
    go_on(other, 7)
    assert other.weights_sha256() == whole.weights_sha256()
    assert (other.steps, other.settings, list(other.episodes)) == (whole.steps, whole.settings, list(whole.episodes))


@pytest.mark.parametrize("phases", [1, 2, 6, 12])
@pytest.mark.parametrize("values", [{}, {"objective": "kl_penalty", "kl_coef_target": 1e-4, "normalize_rewards": True}])
def test_an_update_that_had_begun_begins_again_on_the_rollout_that_was_there(
    values: dict[str, Any], phases: int
) -> None:
    """Kept within the update, with a change that came with it and one that waits for the next."""
    whole = go_on(Trainer(Settings(normalize_observations=True, **SMALL, **values)), 3)
    whole.change("clip_range", 0.3)
    coming = whole.phases()
    for _ in range(phases):
        next(coming)
    whole.change("entropy_coef", 0.05)
    state = trees.decode(trees.encode(whole.state()))
    for phase in coming:
        if phase.kind is PhaseKind.UPDATE and whole.updates == 6:
            break
    other, why = resumed(state)
    assert why is None and other.updates == 3 and other.pending == {"entropy_coef": 0.05}
    twice, _ = resumed(other.state())  # kept again before it has begun
    for one in (other, twice):
        first = go_on(one, 4).last
        assert first is not None and "clip_range" in first.by_hand and first.set_to.entropy_coef == 0.01
        go_on(one, 6)
        assert one.weights_sha256() == whole.weights_sha256()
        assert (one.steps, one.settings, one.changes) == (whole.steps, whole.settings, whole.changes)
        assert list(one.episodes) == list(whole.episodes)


class Opaque:
    """Holds what nobody can express."""

    def __init__(self) -> None:
        self.position = memoryview(bytearray(1))


class Foreign(gym.Env[Any, Any]):
    """Its state lies in something that is no plain value, as in a physics engine."""

    observation_space = gym.spaces.Box(0.0, 255.0, (1,))
    action_space = gym.spaces.Discrete(2)

    def __init__(self) -> None:
        self.world = Opaque().position

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.world[0] = int(self.np_random.integers(100))
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        self.world[0] = (self.world[0] + int(action) + 1) % 256
        return self._seen(), 1.0, self.world[0] > 200, False, {}

    def _seen(self) -> Any:
        return np.array([self.world[0]], np.float32)


class Aging(Foreign):
    """What it cannot express outlives its episodes."""

    def __init__(self) -> None:
        super().__init__()
        self.age = Opaque().position

    def step(self, action: Any) -> Any:
        self.age[0] = (self.age[0] + 1) % 256
        return super().step(action)

    def _seen(self) -> Any:
        return np.array([self.world[0] ^ self.age[0]], np.float32)


class Deck:
    """A part of an environment's own making."""

    def __init__(self) -> None:
        self.cards = list(range(5))
        self.owner: Dealer | None = None


class Dealer(gym.Env[Any, Any]):
    """Keeps its state in objects of its own, that refer to one another and to one generator."""

    observation_space = gym.spaces.Box(0.0, 10.0, (2,))
    action_space = gym.spaces.Discrete(2)

    def __init__(self) -> None:
        self.deck = Deck()
        self.deck.owner = self
        self.table = {n: [n] * 10 for n in range(1000)}  # too large to be anything that changes

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.deck.cards = list(range(5))
        self.np_random.shuffle(self.deck.cards)
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        drawn = self.deck.cards.pop()
        return self._seen(), float(drawn == action), not self.deck.cards, False, {}

    def _seen(self) -> Any:
        return np.array([len(self.deck.cards), self.np_random.random()], np.float32)


@pytest.fixture(autouse=True)
def registered() -> Any:
    names = {"Foreign-v0": Foreign, "Aging-v0": Aging, "Dealer-v0": Dealer}
    for name, kind in names.items():
        gym.register(name, kind)
    yield
    for name in names:
        del gym.registry[name]


def test_objects_of_an_environments_own_are_kept() -> None:
    settings = Settings(env="Dealer-v0", **SMALL)
    whole = go_on(Trainer(settings), 2)
    state = whole.state()
    other, why = resumed(state)
    assert why is None
    assert go_on(other, 4).weights_sha256() == go_on(whole, 4).weights_sha256()
    copies = [one.unwrapped for one in other.environments.vector.envs]  # type: ignore[attr-defined]
    assert all(one.deck.owner is one for one in copies)


@pytest.mark.parametrize("updates", [0, 1, 3])
def test_what_cannot_be_expressed_is_reached_again_by_what_was_done(updates: int) -> None:
    whole = go_on(Trainer(Settings(env="Foreign-v0", **SMALL)), updates)
    for later in (updates + 2, updates + 4):  # also of one that has gone on itself
        state = trees.decode(trees.encode(whole.state()))
        other, why = resumed(state)
        assert why is None
        assert go_on(other, later).weights_sha256() == go_on(whole, later).weights_sha256()
        whole = other


def test_an_episode_that_was_too_long_to_be_noted_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tapes, "LONGEST", 65)
    state = go_on(Trainer(Settings(env="Foreign-v0", **SMALL)), 2).state()
    assert tapes.LOST in state["environments"]["tape"]
    other, why = resumed(state)
    assert why is not None and "too many steps" in why
    go_on(other, 3)


@pytest.mark.parametrize(("env", "package"), [("LunarLander-v3", "Box2D"), ("HalfCheetah-v5", "mujoco")])
def test_engines_of_physics_go_on_to_the_same_bits(env: str, package: str) -> None:
    pytest.importorskip(package)
    whole = go_on(Trainer(Settings(env=env, **SMALL)), 3)
    other, why = resumed(whole.state())
    assert why is None
    assert go_on(other, 6).weights_sha256() == go_on(whole, 6).weights_sha256()


def test_where_the_state_cannot_be_kept_new_episodes_begin_and_it_is_said() -> None:
    whole = go_on(Trainer(Settings(env="Aging-v0", **SMALL)), 3)
    first = Trainer(Settings(env="Aging-v0", **SMALL)).environments.observations
    other, why = resumed(whole.state())
    assert why is not None and "went another way" in why
    assert other.weights_sha256() == whole.weights_sha256()
    assert (other.updates, other.steps) == (whole.updates, whole.steps)
    assert not np.array_equal(other.environments.observations, first)  # others than those of the run's beginning
    go_on(other, 5)


def test_trying_out_draws_from_no_generator_that_others_share() -> None:
    np.random.seed(3)
    try_out(Settings(env="CartPole-v1"))
    drawn = np.random.random()
    np.random.seed(3)
    assert np.random.random() == drawn


def test_a_slow_environment_is_tried_out_by_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    step = Environments.step
    monkeypatch.setattr(resuming, "SECONDS_BEFORE", 0.0)
    monkeypatch.setattr(resuming, "SECONDS_AFTER", 0.0)
    monkeypatch.setattr(Environments, "step", lambda self, actions: made.append(1) or step(self, actions))
    try_out(Settings(env="Acrobot-v1"))
    assert len(made) == 3, "one before, and one of each after"


def test_no_state_is_taken_within_a_rollout() -> None:
    trainer = Trainer(Settings(**SMALL), between_steps=lambda: trainer.state() and None)
    with pytest.raises(RuntimeError, match="within a rollout"):
        next(trainer.phases())


def test_what_is_taken_refers_to_itself_as_the_object_did() -> None:
    environments = Environments(Settings(env="Blackjack-v1", num_envs=2))
    one = environments.vector.envs[0]  # type: ignore[attr-defined]
    shared = [1, 2]
    one.unwrapped.extra = {"first": shared, "second": (shared, np.float32(2.5))}
    tree = objects.taken(one)
    other = copy.deepcopy(one)
    other.unwrapped.extra = None
    objects.put(other, tree)
    extra = other.unwrapped.extra
    assert extra == one.unwrapped.extra
    assert extra["first"] is extra["second"][0] is not shared
    assert type(extra["second"][1]) is np.float32


def test_a_state_of_another_environment_is_refused() -> None:
    tree = Environments(Settings(env="Blackjack-v1", num_envs=2)).vector
    with pytest.raises(NotKept, match="was kept where there is"):
        objects.put(Environments(Settings(env="CartPole-v1")).vector, objects.taken(tree))
