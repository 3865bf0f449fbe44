"""A run that is shown from the disk: nothing is trained, and every phase of every update that is kept can be looked at.

What is kept of an update is the state before it and what was collected in it. From these it is made again when somebody
comes to it, phase by phase as it was, and measured like a run that is stepped.
"""

from __future__ import annotations

import contextlib
import math
from multiprocessing.connection import Connection
from pathlib import Path

from ppo_scope.pictures.weights import Weights
from ppo_scope.ppo.allocation import keep_memory
from ppo_scope.ppo.failures import EnvironmentFault, UnusableEnvironment
from ppo_scope.ppo.phases import PhaseKind, Update
from ppo_scope.ppo.rollout import Rollout
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.threads import use_one_thread
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import PROBES, series_row
from ppo_scope.probes.record import Phase
from ppo_scope.records import trees
from ppo_scope.records.store import Store
from ppo_scope.wire.activity import STARTING, Activity
from ppo_scope.wire.codes import ErrorCode, Kind, RunState
from ppo_scope.wire.headers import MadeAgain
from ppo_scope.wire.metrics import SERIES_COLUMNS
from ppo_scope.wire.told import Cause
from ppo_scope.worker.between import Receive
from ppo_scope.worker.causes import in_a_line
from ppo_scope.worker.ear import Command, Ear, ServerGone
from ppo_scope.worker.facts import facts_of
from ppo_scope.worker.looking import Looking
from ppo_scope.worker.loop import SIGN_OF_LIFE_SECONDS
from ppo_scope.worker.outlet import Outlet, Send, position_of
from ppo_scope.worker.worker import sender

NOT_TRAINED = "This run is shown from the disk. Go on with it, or let another one branch off, to train."
NOTHING_KEPT = "None of its updates is kept with all that is needed to look into it: its series are all that there is."
NOT_MADE = "The environment of this run cannot be made here, so nobody can look into its updates: {}"
TIMES = "seconds_"
"""Before the names of what a part of an update has taken:"""
PARTS = ("advantages", "shuffle", "forward", "backward", "step")
"""those parts; the rollout's are kept with it."""


def main(frames: Connection[bytes, bytes], commands: Connection[bytes, bytes], run: str, folder: str) -> None:
    """Show the run in that folder until told to stop or until the server is gone."""
    ear = Ear(commands)
    ear.listen(lambda: None)
    use_one_thread()
    keep_memory()
    with contextlib.closing(Store(Path(folder))) as store, contextlib.suppress(ServerGone):
        Reader(sender(frames), run, store).show(ear.receive)


class Reader:
    """Of one run."""

    def __init__(self, send: Send, run: str, store: Store) -> None:
        self._store = store
        self._activity = Activity()
        self._outlet = Outlet(send, run)
        self._looking = Looking(self._outlet, self._activity)
        self._trainer: Trainer | None = None
        self._weights: Weights | None = None
        self._made: Phase = self._outlet.phase  # the end of the update that the trainer stands at
        self._updates: dict[int, int] = {}  # by the number under which the end of each was announced
        self._stopping = False

    # The loop

    def show(self, receive: Receive) -> None:
        """Say what is there, and measure what somebody comes to.

        Raises:
            ServerGone: nobody is left to show it to.
        """
        self._outlet.event("state", state=RunState.KEPT, snapshot=None, pending={}, cause=_cause(self._begin()))
        while not self._stopping:
            weights = self._weights
            command = receive(weights.seconds_until_due(SIGN_OF_LIFE_SECONDS) if weights else SIGN_OF_LIFE_SECONDS)
            if command is not None:
                self.obey(command)
            self._hand_on_weights()

    def _begin(self) -> str | None:
        """Stand at the newest update that is kept; why there is nothing to look into."""
        kept = [state for state in self._store.states() if state.replayable]
        if not kept:
            return NOTHING_KEPT
        newest = kept[-1].update
        self._activity.begin(STARTING)
        try:
            self._trainer = Trainer(Settings.parse(self._kept(newest)["state"]["settings"]))
        except (UnusableEnvironment, EnvironmentFault) as error:
            return NOT_MADE.format(in_a_line(error))
        self._activity.begin(None)
        self._weights = Weights(self._trainer)
        self._looking.begin(self._trainer, None)
        self._watch(frozenset(), None)
        self._outlet.event("started", **facts_of(self._trainer))
        settings = self._trainer.settings
        for state in kept[:-1]:
            place = {"phase": PhaseKind.UPDATE, "epoch": settings.epochs, "minibatch": settings.minibatches}
            self._updates[self._outlet.passed({"update": state.update, **place})] = state.update
        self._make_again(newest)
        return None

    # What it is told

    def obey(self, command: Command) -> None:
        """Carry a command out, and answer it."""
        match command["type"]:
            case "measure":
                self._measure(command["sequence"])
            case "watch":
                self._watch(frozenset(command["probes"]), command.get("environment"))
            case "stop":
                self._stopping = True
            case "weights":
                if self._weights is not None:
                    self._weights.want(command["wanted"])
            case "states" | "again":
                pass
            case _:
                self._answer(command, ErrorCode.NOT_RUNNING, NOT_TRAINED)
                return
        self._answer(command)

    def _answer(self, command: Command, code: ErrorCode | None = None, message: str | None = None) -> None:
        if command.get("id") is not None:
            self._outlet.event("reply", id=command["id"], code=code, message=message)

    def _watch(self, probes: frozenset[str], environment: int | None) -> None:
        """Who goes back is to find whatever panel he opens: all is measured, unless that takes long."""
        images = self._trainer is not None and self._trainer.spaces.is_image
        self._looking.watch(probes if images else probes | PROBES.keys(), environment)

    # Updates made again

    def _measure(self, number: int) -> None:
        if number in self._updates:
            self._make_again(self._updates[number], number)
        else:
            self._looking.later.want(number)
            self._looking.later.measure_wanted()

    def _make_again(self, index: int, number: int | None = None) -> None:
        """All phases of an update; the last is measured, under that number, the others when somebody comes to them."""
        assert self._trainer is not None
        trainer, looking = self._trainer, self._looking
        kept = self._kept(index)
        trainer.stand_at(kept["state"])
        looking.later.forget(index)
        looking.as_told(self._store.judgement(index - 1))
        newest, row = self._outlet.phase, self._row(index)
        for phase in trainer.replay(Rollout.of(kept["rollout"]), **kept["made"]):
            assert phase.update is not None
            self._outlet.phase = phase
            if phase.kind is not PhaseKind.UPDATE:
                _tell_times(phase.update, {})
                looking.keep(looking.moment_at(phase), whole=True)
                continue
            self._made = phase
            if self._weights is not None:
                self._weights.changed()
            _tell_times(phase.update, row)
            moment = looking.moment_at(phase)
            looking.as_told(self._store.judgement(index), made_again=_compared(row, moment))
            if number is None:
                looking.show(moment)
            else:
                self._outlet.phase = newest  # the run stays where it is
                looking.measure(number, moment)

    def _hand_on_weights(self) -> None:
        """To whoever acts: the policy that the update left which was looked at last."""
        if self._weights is not None and (arrays := self._weights.due()) is not None:
            self._outlet.send(Kind.WEIGHTS, arrays, **position_of(self._made))

    def _row(self, index: int) -> dict[str, float]:
        columns, _, rows = self._store.series(index, index)
        return dict(zip(columns, rows[0].tolist(), strict=True)) if len(rows) else {}

    def _kept(self, index: int) -> trees.Tree:
        """What an update is made again from: the state before it, its rollout, and how it was made."""
        packed = self._store.rollout(index)
        assert packed is not None
        kept = trees.decode(trees.opened(packed))
        if kept["state"] is None:
            found = self._store.state(index)
            assert found is not None and found[0] == index
            kept["state"] = trees.decode(trees.opened(found[1]))
        return kept


def _cause(summary: str | None) -> Cause | None:
    return None if summary is None else {"summary": summary, "detail": None, "remedy": None}


def _tell_times(update: Update, row: dict[str, float]) -> None:
    """What its parts took when the run made it, as its row has it; not what they take now."""
    for name in PARTS:
        setattr(update, TIMES + name, row.get(TIMES + name, math.nan))


def _compared(kept: dict[str, float], moment: Moment) -> MadeAgain:
    """Whether an update that was made again came to the very numbers of its row."""
    now = dict(zip(SERIES_COLUMNS, series_row(moment, 0.0), strict=True))
    compared = [name for name in now if name in kept and not name.startswith(TIMES)]
    differing = {name: [kept[name], now[name]] for name in compared if not _equal(kept[name], now[name])}
    return {"same": not differing if compared else None, "differing": differing}


def _equal(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
