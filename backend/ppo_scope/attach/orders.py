"""What each command does to a loop that is somebody else's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ppo_scope.attach.report import Report
from ppo_scope.attach.sb3.again import NONE as NO_TWO
from ppo_scope.attach.sb3.again import RUNNING, Outcomes
from ppo_scope.ppo.settings import Settings
from ppo_scope.wire.codes import ErrorCode, Refused
from ppo_scope.worker.ear import Command
from ppo_scope.worker.goals import goal_of
from ppo_scope.worker.going import Going

FIXED = "This loop does not take {name} from outside: it reads it once, at its start."
CANNOT = "A loop that is somebody else's cannot be told to {what} from here."


class Orders:
    """Carries commands out, and answers them. What takes its time is only noted: `Going`."""

    def __init__(
        self,
        report: Report,
        going: Going,
        outcomes: Outcomes | None,
        changeable: frozenset[str],
        listens: Callable[[], None],
    ) -> None:
        """`outcomes`: None where no update can be made anew. `changeable`: the settings that the loop reads anew at
        every update. `listens`: told when the server is ready for what the run has to say.
        """
        self.changeable = changeable
        self._report, self._going, self._outcomes, self._listens = report, going, outcomes, listens
        self._pending: dict[str, Any] = {}
        self._tried: dict[str, Any] = {}  # of what has two outcomes
        self._handlers: dict[str, Callable[[Command], None]] = {
            "play": self._play,
            "pause": self._pause,
            "step": self._step,
            "set": self._set,
            "watch": self._watch,
            "redo": self._redo,
            "keep": self._keep,
            "again": self._again,
            "stop": self._stop,
            "states": lambda _: None,
            "weights": lambda _: None,
            "measure": lambda _: None,
        }

    def obey(self, command: Command) -> None:
        """Carry a command out, and answer it."""
        handler = self._handlers.get(command["type"])
        try:
            if handler is None:
                raise Refused(ErrorCode.INVALID, CANNOT.format(what=command["type"]))
            handler(command)
        except Refused as refusal:
            self._report.reply(command, refusal.code, str(refusal))
        else:
            self._report.reply(command)

    def taken(self) -> dict[str, Any]:
        """The settings that somebody has changed since this was asked last: they take effect now."""
        changed, self._pending = self._pending, {}
        return changed

    def _play(self, command: Command) -> None:
        self._refuse_when_undecided()
        self._going.play(command.get("pace"))
        self._say_state()

    def _pause(self, _: Command) -> None:
        if not self._going.standing:
            self._going.pausing = True  # at the next hook that the loop comes to
            self._say_state()

    def _step(self, command: Command) -> None:
        going = self._going
        if going.running:
            raise Refused(ErrorCode.CONFLICT, "The run is playing: pause it before you step.")
        self._refuse_when_undecided()
        going.met = None
        going.goals.append(goal_of(command))
        self._say_state()

    def _set(self, command: Command) -> None:
        name, value = command["name"], command["value"]
        if name not in self.changeable:
            raise Refused(ErrorCode.INVALID, FIXED.format(name=name))
        try:
            Settings.parse({name: value})
        except ValueError as error:
            raise Refused(ErrorCode.INVALID, str(error)) from None
        self._pending[name] = value
        self._say_state()

    def _redo(self, command: Command) -> None:
        if self._outcomes is None:
            raise Refused(ErrorCode.INVALID, CANNOT.format(what="make an update anew"))
        if not self._going.standing:
            raise Refused(ErrorCode.CONFLICT, RUNNING)
        self._outcomes.make(command["settings"] or dict(self._pending), self.changeable)
        self._tried = dict(command["settings"] or self._pending)

    def _keep(self, command: Command) -> None:
        if self._outcomes is None:
            raise Refused(ErrorCode.CONFLICT, NO_TWO)
        for change in self._outcomes.choose(command):
            self._report.changed(change)
        for name, value in self._tried.items():  # what was tried waits no longer
            if self._pending.get(name) == value:
                del self._pending[name]
        self._say_state()

    def _watch(self, command: Command) -> None:
        before = self._report.watched
        self._report.watch(command)
        if self._going.standing and self._report.watched - before:
            self._report.show()

    def _again(self, command: Command) -> None:
        """The server is new to this loop, or has missed something."""
        self._listens()
        self._report.introduce()
        self._report.again(command["first"], command["changes"])
        self._report.show()
        self._say_state()

    def _stop(self, _: Command) -> None:
        self._going.stopping = True

    def _say_state(self) -> None:
        self._report.pending = dict(self._pending)
        self._going.say(finished=False)

    def _refuse_when_undecided(self) -> None:
        if self._outcomes is not None:
            self._outcomes.refuse_when_undecided()
