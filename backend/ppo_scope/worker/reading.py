"""A run that is shown from the disk: nothing is trained, and every phase of every update that is kept can be looked at.

What is kept of an update is the state before it and what was collected in it. From these it is made again when somebody
comes to it, phase by phase as it was, and measured like a run that is stepped.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ppo_scope.diagnosis.health import Health
from ppo_scope.pictures.weights import Weights
from ppo_scope.ppo.allocation import keep_memory
from ppo_scope.ppo.failures import EnvironmentFault, UnusableEnvironment
from ppo_scope.ppo.finite import NotFiniteError
from ppo_scope.ppo.phases import PhaseKind, Update
from ppo_scope.ppo.rollout import Rollout
from ppo_scope.ppo.settings import LIVE, Settings
from ppo_scope.ppo.threads import use_one_thread
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import PROBES, series_row
from ppo_scope.probes.record import Phase
from ppo_scope.records import trees
from ppo_scope.records.store import KeptState, Store
from ppo_scope.wire.activity import STARTING, Activity
from ppo_scope.wire.codes import ErrorCode, Kind, RunState
from ppo_scope.wire.headers import MadeAgain
from ppo_scope.wire.metrics import SERIES_COLUMNS
from ppo_scope.wire.run import Cause
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
NO_GOOD = (ValueError, LookupError, TypeError)
"""What comes of bytes that are damaged, or that say nonsense of themselves."""
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
    """Of one run. `probes`: that measure from the beginning."""

    def __init__(self, send: Send, run: str, store: Store, probes: Iterable[str] = ()) -> None:
        self._store = store
        self._first = frozenset(probes)
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
        why = self._begin()
        place = {} if why is None else self._show_the_row(why)
        said: dict[str, Any] = {"state": RunState.KEPT, "snapshot": None, "pending": {}, "cause": _cause(why)}
        self._outlet.event("state", **said, **place)
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
        self._activity.begin(STARTING)
        try:
            self._trainer = Trainer(Settings.parse(self._newest_settings(kept)))
        except (UnusableEnvironment, EnvironmentFault) as error:
            return NOT_MADE.format(in_a_line(error))
        except LookupError:
            return NOTHING_KEPT
        self._activity.begin(None)
        self._weights = Weights(self._trainer)
        self._looking.begin(self._trainer, None)
        self._watch(self._first, None)
        self._outlet.event("started", **facts_of(self._trainer))
        settings = self._trainer.settings
        for state in kept[:-1]:
            place = {"phase": PhaseKind.UPDATE, "epoch": settings.epochs, "minibatch": settings.minibatches}
            self._updates[self._outlet.passed({"update": state.update, **place})] = state.update
        for state in reversed(kept):
            try:
                self._make_again(state.update)
                self._updates[self._looking.sequence] = state.update  # it may be asked for again, too
                return None
            except NO_GOOD as error:
                self._give_up(state.update, error)
        return NOTHING_KEPT

    def _show_the_row(self, why: str) -> dict[str, Any]:
        """Nothing can be looked into: the newest row is all that a snapshot can tell; where that is in the run."""
        last = self._store.last()
        row, settings = self._row(last), self._settings()
        if not row or settings is None:
            return {}
        epochs, minibatches = settings.get("epochs", 0), settings.get("minibatches", 0)
        after, told = self._store.judgement(last) or (None, Health().told({}))
        place: dict[str, Any] = {
            "update": last,
            "phase": PhaseKind.UPDATE,
            "epoch": epochs,
            "epochs": epochs,
        }
        place |= {"minibatch": minibatches, "minibatches": minibatches}
        about: dict[str, Any] = {
            "scope": "rollout",
            "settings": {name: value for name, value in settings.items() if name in LIVE},
            "stopped_by_kl": None if settings.get("target_kl") is not None else False,  # no row tells of it
            "steps": row["steps"],
        }
        known: dict[str, Any] = {
            "measured": [],
            "failed": {},
            "lacks": dict.fromkeys(PROBES, why),
            "judged_after": after,
            **told,
        }
        self._outlet.send(Kind.SNAPSHOT, {}, scalars=row, **place, **about, **known)
        return place

    def _settings(self) -> dict[str, Any] | None:
        """As they were last; None: nothing is known of them. Of a loop that is not ours those that it has told, which
        need not be what ours could be.
        """
        about = self._store.about()
        if (values := about.get("settings")) is None:
            return None
        values = {**values, **{change["name"]: change["new"] for change in self._store.changes()}}
        return values if "attached" in (about.get("facts") or {}) else Settings.parse(values).model_dump(mode="json")

    def _newest_settings(self, kept: list[KeptState]) -> dict[str, Any]:
        """Of the newest state that can be read.

        Raises:
            LookupError: none can.
        """
        for state in reversed(kept):
            with contextlib.suppress(*NO_GOOD):
                found: dict[str, Any] = self._kept(state.update)["state"]["settings"]
                return found
        raise LookupError

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
        if number not in self._updates:
            self._looking.later.want(number)
            self._looking.later.measure_wanted()
            return
        newest = self._outlet.phase
        try:
            self._make_again(self._updates[number], number)
        except NO_GOOD as error:
            self._outlet.phase = newest
            self._give_up(self._updates.pop(number), error)

    def _make_again(self, index: int, number: int | None = None) -> None:
        """All phases of an update; the last is measured, under that number, the others when somebody comes to them.

        Raises:
            ValueError, LookupError, TypeError: what is kept of it is not what was written.
        """
        newest, row = self._outlet.phase, self._row(index)
        last = self._walk(index, row)
        judged, again = self._store.judgement(index), None
        moment = self._looking.moment_at(last)
        if last.kind is PhaseKind.UPDATE:
            again = _compared(row, moment)
        else:  # it halted here, since something was not finite: what was said then was said after the one before
            judged = self._store.judgement(index - 1)
        self._looking.as_told(judged, **({} if again is None else {"made_again": again}))
        self._made = last
        if self._weights is not None:
            self._weights.changed()
        if number is None:
            self._looking.show(moment)
        else:
            self._outlet.phase = newest  # the run stays where it is
            self._looking.measure(number, moment)

    def _walk(self, index: int, row: dict[str, float]) -> Phase:
        """Announce the phases of an update; its end, or where it halted since something was not finite."""
        assert self._trainer is not None
        trainer, looking = self._trainer, self._looking
        kept = self._kept(index)
        trainer.stand_at(kept["state"])
        looking.later.forget(index)
        looking.as_told(self._store.judgement(index - 1))
        last: Phase | None = None
        with contextlib.suppress(NotFiniteError):
            for phase in trainer.replay(Rollout.of(kept["rollout"]), **kept["made"]):
                assert phase.update is not None
                ended = phase.kind is PhaseKind.UPDATE
                self._outlet.phase = last = phase
                _tell_times(phase.update, row if ended else {})
                if not ended:
                    looking.keep(looking.moment_at(phase), whole=True)
        if last is None:
            raise LookupError("its rollout is not finite")
        return last

    def _give_up(self, index: int, error: Exception) -> None:
        """What is kept of an update is no good: it is not offered any more."""
        print(f"Update {index} cannot be looked into: {in_a_line(error)}", flush=True)
        self._outlet.event("abandoned", abandoned=index)

    def _hand_on_weights(self) -> None:
        """To whoever acts: the policy that the update left which was looked at last."""
        if self._weights is not None and (arrays := self._weights.due()) is not None:
            self._outlet.send(Kind.WEIGHTS, arrays, **position_of(self._made))

    def _row(self, index: int) -> dict[str, float]:
        columns, _, rows = self._store.series(index, index)
        return dict(zip(columns, rows[0].tolist(), strict=True)) if len(rows) else {}

    def _kept(self, index: int) -> trees.Tree:
        """What an update is made again from: the state before it, its rollout, and how it was made."""
        if (packed := self._store.rollout(index)) is None:
            raise LookupError("what was collected in it is not kept")
        kept = trees.decode(trees.opened(packed))
        if kept["state"] is None:
            found = self._store.state(index)
            if found is None or found[0] != index:
                raise LookupError("the state before it is not kept")
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
