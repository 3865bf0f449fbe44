"""The training loop, as a generator of phases.

Whoever drives it decides when the next phase happens: pausing is not asking for it. Running at full speed and
stepping by hand execute the same code and produce the same bits.
"""

from __future__ import annotations

import copy
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np

from ppo_scope.ppo import finite, leashes, memory
from ppo_scope.ppo.devices import be_repeatable, device_of
from ppo_scope.ppo.environments import Environments, Spread
from ppo_scope.ppo.failures import UnusableEnvironment
from ppo_scope.ppo.inference import Inference, inference_of
from ppo_scope.ppo.learner import Learner
from ppo_scope.ppo.objects import Tree
from ppo_scope.ppo.outcome import Outcome
from ppo_scope.ppo.phases import Change, Phase, PhaseKind, Update
from ppo_scope.ppo.rollout import Collector, Episode, Rollout, episodes_in
from ppo_scope.ppo.seeding import return_shared_generators, shared_generators
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.standing import Collected, Start, seed_of, tree_of

EPISODES_AVERAGED = 100


class Trainer:
    """PPO on one environment.

    `between_steps` is called after every step of a rollout, the one phase whose length the environment decides: for
    signs of life, not for anything that takes time. It may raise, which abandons the update (see `phases`).
    `asynchronous` is explained at `Optimisation`; by default all devices but the CPU are. `spread` is explained at
    `Environments`.

    Raises:
        UnusableEnvironment: the environment cannot be trained on.
        DoesNotFit: there is not enough memory for it.
    """

    def __init__(
        self,
        settings: Settings,
        between_steps: Callable[[], None] = lambda: None,
        *,
        asynchronous: bool | None = None,
        spread: Spread | None = None,
    ) -> None:
        self.settings = settings
        streams = np.random.SeedSequence(settings.seed).spawn(3)
        self._acting, shuffling = (np.random.default_rng(stream) for stream in streams[:2])
        self.environments = Environments(settings, spread)
        self.spaces = spaces = self.environments.spaces
        if spaces.is_image and settings.normalize_observations:
            raise UnusableEnvironment("normalize_observations: not for images, which are shares of 255 already")
        self.device = device_of(settings, spaces.is_image)
        be_repeatable()
        masked = self.environments.masks is not None
        memory.check(settings, spaces, self.device.type == "cpu", masked=masked)
        self.distribution = spaces.distribution
        with memory.of_the_device():
            self.learner = Learner(
                settings,
                spaces,
                self.device,
                weights=int(streams[2].generate_state(1)[0]),
                shuffling=shuffling,
                asynchronous=self.device.type != "cpu" if asynchronous is None else asynchronous,
            )
        self.network, self.optimisation = self.learner.network, self.learner.optimisation
        self._collector = Collector(self.environments, between_steps)
        # Two, in turn: what is shown of an update stays whole while the next rollout is collected, even where it fails.
        self._room = partial(Rollout.empty, settings.rollout_steps, settings.num_envs, spaces, masked=masked)
        self._rollouts = [self._room(), self._room()]
        self._pending: dict[str, Any] = {}
        self.changes: list[Change] = []
        self.episodes: deque[Episode] = deque(maxlen=EPISODES_AVERAGED)
        self.updates = 0
        self.steps = 0
        self._attempt = 0
        self._start: Start | None = None
        """Where the update under way began; None between two updates."""
        self._collected: Collected | None = None
        """Of the update under way, once its rollout is whole; or of the next one, which another process had begun."""
        self._last: Update | None = None
        self._whole: tuple[Start, Update] | None = None  # the update that ended last, and where it began

    @property
    def pending(self) -> dict[str, Any]:
        """Changes that wait for the next update, or for the one behind that, where its rollout is there already."""
        return {**self._waiting, **self._pending}

    @property
    def finished(self) -> bool:
        """Whether total_steps is reached, and the update that reached it is done."""
        total = self.settings.total_steps
        return total is not None and self.steps >= total and not self.under_way

    @property
    def keepable(self) -> bool:
        """Whether there is a state to go on from: always but while a rollout is collected."""
        return not self.under_way or self._collected is not None

    @property
    def under_way(self) -> bool:
        """Whether an update has begun and is not over."""
        return self._start is not None

    @property
    def last(self) -> Update | None:
        """The update that ended last; None before the first, and once the next one was abandoned."""
        return self._last

    @property
    def rollout_step(self) -> int:
        """How many of its M vector steps the latest rollout has made: 0 … M."""
        return self._collector.step

    def change(self, name: str, value: Any) -> None:
        """Change a live setting from the next update on.

        Raises:
            ValueError: there is no such setting, it is not live, or the value does not fit the others.
        """
        if name not in self.settings.live():
            known = name in type(self.settings).model_fields
            raise ValueError(f"{name}: {'changes only with a new run' if known else 'there is no such setting'}")
        wanted = self.settings.changed(**{**self.pending, name: value})
        new, old = wanted.live()[name], self.standing()[name]
        self._waiting.pop(name, None)
        if new == old:
            self._pending.pop(name, None)
        else:
            self._pending[name] = new

    def standing(self) -> dict[str, Any]:
        """Name → value of the live settings; β and α where the KL has brought them, if it moves them."""
        return {**self.settings.live(), **leashes.moved(self.settings, self.learner.adapted)}

    def weights_sha256(self) -> str:
        """A fingerprint of θ: equal if and only if all weights are equal bit for bit."""
        return hashlib.sha256(self.network.theta.detach().cpu().numpy().tobytes()).hexdigest()

    def inference(self) -> Inference:
        """The present policy, to act by."""
        return inference_of(self.network)

    def phases(self) -> Iterator[Phase]:
        """The run, phase by phase, until total_steps is reached.

        Whatever is raised meanwhile, by the environments, by `between_steps` or by numbers that are not finite,
        abandons the update: weights, Adam, the generator of orders, running statistics, steps and episodes are as they
        were at its start. What stays: the environments and the generator of acting have moved on, and settings that
        changed with it stay changed, and recorded once. Asking for phases anew goes on with the next rollout. An update
        whose phases are not asked for to its end stays as far as it came, to be looked at, and is abandoned when they
        are asked for anew.

        Raises:
            NotFiniteError: before the weights would be touched by what is not finite.
            DoesNotFit: the device has run out of memory.
        """
        if self._start is not None:
            self._abandon(self._start)
        while not self.finished:
            try:
                with memory.of_the_device():
                    yield from self._update()
            except GeneratorExit:
                raise
            except BaseException:
                if self._start is not None:
                    self._abandon(self._start)
                raise

    def replay(
        self, rollout: Rollout, settings: dict[str, Any], by_hand: Iterable[str] = (), attempt: int = 1
    ) -> Iterator[Phase]:
        """The next update, phase by phase, on a rollout that was collected by these very weights before.

        `settings`: the live ones that it was made with, of which those `by_hand` were changed as it began; `attempt`:
        which one of its index it was.

        Raises:
            ValueError: the settings do not fit.
            NotFiniteError: before the weights would be touched by what is not finite.
        """
        live, by_hand = self.settings.live(), set(by_hand)
        self._pending = {name: value for name, value in settings.items() if name in by_hand or live.get(name) != value}
        self._attempt = attempt - 1
        update = self._open(rollout)
        yield from self._train_on(update)

    def redo(self, values: dict[str, Any], on_phase: Callable[[Phase], None] = lambda phase: None) -> Outcome:
        """The last update made anew from its start, on the same rollout, with other live settings.

        The trainer stays as it is: see `visit` and `adopt` for what can be done with the outcome. `on_phase` is called
        after every phase but the rollout, which is not made anew; it may raise, which leaves the trainer as it is too.

        Raises:
            LookupError: there is no finished update, or the next one has begun or was abandoned.
            ValueError: a value does not fit.
            NotFiniteError: the update cannot be made with these settings.
        """
        if self._last is None or self._whole is None or self.under_way:
            raise LookupError("only an update that has just ended can be made anew")
        start, last = self._whole
        return self.learner.redo(last, start.position, start.steps, values, on_phase)

    def visit(self, outcome: Outcome) -> AbstractContextManager[None]:
        """The weights as that outcome left them, for as long as somebody looks."""
        return self.learner.visit(outcome.position)

    def adopt(self, outcome: Outcome) -> list[Change]:
        """Go on from this outcome instead, with its settings; which of them have changed."""
        self.learner.return_to(outcome.position)
        old, new = self.settings.live(), outcome.update.set_to.live()
        changes = [Change(outcome.update.index, name, old[name], new[name]) for name in new if new[name] != old[name]]
        self.changes += changes
        self.settings = outcome.update.set_to
        self._pending = {name: value for name, value in self._pending.items() if value != new[name]}
        self._last = outcome.update
        if self._whole is not None:
            self._whole = self._whole[0], outcome.update
        return changes

    def state(self) -> Tree:
        """All that its future depends on, as plain values; what it does later leaves it as it is. Within an update: as
        that one began, and with its rollout, so that it begins again there.

        `environments` is None where the state of its environments cannot be taken.

        Raises:
            RuntimeError: a rollout is being collected.
        """
        if not self.keepable:
            raise RuntimeError("there is no state to go on from within a rollout")
        between = Start(self.learner.position(), self.learner.observation_statistics, self.steps, self.episodes)
        waiting, pending = (self._pending, {}) if self.under_way else (self._waiting, self._pending)
        return {
            **tree_of(self._start or between, self.settings, self._acting),
            "pending": dict(pending),
            "changes": [asdict(change) for change in self.changes],
            "updates": self.updates,
            "begun": self._collected.tree(dict(waiting)) if self._collected is not None else None,
            "collector": self._collector.state(),
            "environments": self.environments.state(),
            "shared_generators": shared_generators(),
        }

    def state_before(self) -> tuple[Tree, Update] | None:
        """(the state before the update that ended last, that update), to make it again; None: there was none.

        Environments and what was drawn to act have moved on: nobody goes on from it, see `replay`.
        """
        if self._whole is None:
            return None
        start, update = self._whole
        changes = [asdict(change) for change in self.changes if change.update < update.index]
        then = {"settings": update.set_to.model_dump(mode="json"), "changes": changes, "updates": update.index - 1}
        return {**tree_of(start, self.settings, self._acting), **then, "pending": {}}, update

    def go_on_from(self, state: Tree, *, anew: bool, reseeded: bool = False) -> None:
        """Become the trainer whose state this is, of the same settings. `anew`: its environments begin new episodes.
        `reseeded`: what is drawn from now on is of this trainer's own seed.

        Raises:
            NotKept: its environments are others. They are of no use any more.
        """
        self.stand_at(state, reseeded=reseeded)
        if not reseeded and state.get("begun") is not None:
            self._collected = Collected.of(state["begun"])
        if anew:
            self.environments.begin_anew(seed_of(self.settings.seed, self.steps))
            return
        self.environments.return_to(state["environments"])
        self._collector.return_to(state["collector"])
        return_shared_generators(state["shared_generators"])

    def stand_at(self, state: Tree, *, reseeded: bool = False) -> None:
        """The same, but for its environments, which stay where they are; also where live settings were others."""
        self.settings = Settings.parse(state["settings"])
        self._start, self._last, self._whole, self._attempt, self._collected = None, None, None, 0, None
        self.learner.stand_at(state, self.settings, reseeded=reseeded)
        if not reseeded:
            self._acting.bit_generator.state = state["acting"]
        self.changes = [Change(**change) for change in state["changes"]]
        self.updates, self.steps, self._pending = state["updates"], state["steps"], dict(state["pending"])
        self.episodes = deque(episodes_in(state["episodes"]), EPISODES_AVERAGED)

    def leave(self, rollout: Rollout) -> None:
        """Whoever looks on keeps this rollout: those that follow are collected elsewhere."""
        self._rollouts = [self._room() if one is rollout else one for one in self._rollouts]

    def close(self) -> None:
        """Release the environments."""
        self.environments.close()

    @property
    def _waiting(self) -> dict[str, Any]:
        return self._collected.waiting if self._collected is not None else {}

    def _update(self) -> Iterator[Phase]:
        if (begun := self._collected) is not None:
            self._collected, self._attempt = None, begun.attempt - 1
            update = self._open(begun.rollout)
            update.by_hand |= begun.by_hand
            self._pending = {**begun.waiting, **self._pending}
            yield from self._train_on(update)
            return
        update = self._open(self._rollouts[self.updates % 2])
        self._collector.collect(self.learner.inference, update.rollout, self._acting, self.steps)
        yield from self._train_on(update)

    def _open(self, rollout: Rollout) -> Update:
        """Begin the next update."""
        changed = frozenset(self._pending)
        settings = self._apply_changes()
        theta = self.network.theta.detach().clone()
        self._attempt += 1
        update = self.learner.begin(self.updates + 1, settings, self.steps, rollout, theta)
        update.attempt, update.by_hand = self._attempt, changed
        statistics = copy.deepcopy(self.learner.observation_statistics)
        self._start = Start(self.learner.position(), statistics, self.steps, self.episodes.copy())
        self.learner.inference.refresh()
        return update

    def _train_on(self, update: Update) -> Iterator[Phase]:
        """All that follows once its rollout is there."""
        finite.check_rollout(update.rollout)
        self._collected = Collected(update.rollout, frozenset(update.by_hand), update.attempt, {})
        self.steps += update.rollout.transitions
        self.episodes.extend(update.rollout.episodes)
        phase = Phase(PhaseKind.ROLLOUT, update)
        yield phase
        for phase in self.learner.learn(update):
            yield phase
        self.learner.take_in(update.rollout, update.set_to)
        self.updates += 1
        self._last = update
        self._whole = (self._start, update) if self._start is not None else None
        self._attempt = 0
        # Not under way any more before it is yielded: whoever looks now finds the run finished if it is.
        self._start = self._collected = None
        yield replace(phase, kind=PhaseKind.UPDATE)

    def _abandon(self, start: Start) -> None:
        """Become what it was at the update's start."""
        self.learner.return_to(start.position)
        self.learner.observation_statistics = start.observation_statistics
        self.steps, self.episodes = start.steps, start.episodes
        self._start = self._collected = None
        self._last = None  # where that one began has been forgotten: it cannot be made anew any more

    def _apply_changes(self) -> Settings:
        pending, self._pending = self._pending, {}  # first: another thread may ask for a change meanwhile
        if not pending:
            return self.settings
        old = self.standing()
        for name, new in pending.items():
            self.changes.append(Change(self.updates + 1, name, old[name], new))
        self.settings = self.settings.changed(**pending)
        self.learner.adapted = self.learner.adapted.set_by_hand(self.settings, set(pending))
        return self.settings
