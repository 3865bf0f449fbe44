"""What draws for one run: a process of its own, begun with the first watcher, ended when it hangs or its run ends.

Drawing is somebody else's code. It may raise, exit, crash or never come back; then it is said why, once, and nothing
is tried again in this run but the next back end of OpenGL.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ppo_scope.pictures import failures, graphics
from ppo_scope.pictures.limits import Patience
from ppo_scope.processes.process import NotReading, TrainingProcess
from ppo_scope.runs.depictions import Depictions, Place
from ppo_scope.runs.inbox import Inbox
from ppo_scope.wire import frame

logger = logging.getLogger(__name__)

WORKER = "ppo_scope.pictures.studio:main"
START = {"update": 0, "phase": "ready", "epoch": 0, "epochs": 0, "minibatch": 0, "minibatches": 0}
STARTING = "The run is still starting. Ask again in a moment."
STALLED = "The training process gives no sign of life, and it has the note that this picture is drawn from."
ENDED = "The training process has ended, and the states that it had noted are gone with it."

Show = Callable[[dict[str, Any], bytes], None]


class Sitter(Protocol):
    """A run that is drawn."""

    @property
    def id(self) -> str:
        """Its name."""
        ...

    @property
    def settings(self) -> dict[str, Any]:
        """Those in use."""
        ...

    @property
    def state(self) -> str:
        """One of the protocol's states."""
        ...

    @property
    def goes_on(self) -> bool:
        """Whether it trains, or will."""
        ...

    def send(self, command: dict[str, Any]) -> None:
        """Hand a command to its trainer."""
        ...

    def want_weights(self, wanted: bool) -> None:
        """Have its trainer send its weights, as often as is good, or not any more."""
        ...


class Studio:
    """Everything here happens on the event loop, without waiting; `check` is to be called every now and then.

    `show` is given each picture for the pages: header and frame.
    """

    def __init__(
        self,
        run: Sitter,
        show: Show,
        *,
        patience: Patience | None = None,
        backends: tuple[str | None, ...] | None = None,
    ) -> None:
        self._run, self._show_picture, self._patience = run, show, patience or Patience()
        self._backends = graphics.backends() if backends is None else backends
        self._untried = list(self._backends)
        self._depictions = Depictions(run.send)
        self._process: TrainingProcess | None = None
        self._number = 0  # of the process; what an older one still says is not heard
        self._sequence = 0
        self._position: dict[str, Any] = START
        self._watched = self._trains = False
        self._told: tuple[bool, bool] | None = None  # the process: (watched, nothing trains)
        self._weights_wanted = False  # as the trainer was told
        self._weights: bytes | None = None  # the newest
        self._looking: dict[Place, bytes] = {}  # the notes that are being drawn
        self._acting_over = self._shown = self._depicted = False
        self._first_reason: str | None = None
        self._over: str | None = None  # why nothing is drawn any more
        self._unheard: set[str] = set()  # what the process was told and has not answered
        self._come_back = False  # whether the process has said anything yet
        self._due_by: float | None = None

    @property
    def pid(self) -> int | None:
        """The number of the process, where there is one."""
        return self._process.pid if self._process else None

    def watch(self, wanted: bool) -> None:
        """Whether somebody looks at the acting policy. Who begins is served at once, who ends is noticed by `check`."""
        self._watched = wanted
        if wanted:
            self._settle()

    def trains(self, training: bool) -> None:
        """Whether the run trains: while it rests, pictures may cost more."""
        self._trains = training

    def weights(self, header: dict[str, Any], message: bytes) -> None:
        """The trainer has sent its weights."""
        self._position = {name: header[name] for name in START}
        self._weights = message
        if self._process is not None:
            self._tell("weights", message)

    async def ask(self, update: int, environment: int, step: int) -> bytes | str:
        """The picture of an environment at a step of a rollout, as JPEG; or why there is none."""
        place = (update, environment, step)
        kept = self._depictions.kept(place)
        return kept if kept is not None else self._refusal() or await self._depictions.ask(place)

    def look(self, header: dict[str, Any], message: bytes) -> None:
        """The trainer has handed out a note: have it drawn."""
        place = _place(header["where"])
        if self._over is not None or not self._depictions.noted(place):
            return
        self._looking[place] = message
        if self._process is None:
            self._begin()
        else:
            self._have_drawn(message)

    def replied(self, command: str, code: str | None, message: str) -> bool:
        """The trainer has answered a command; whether it was one of the studio's."""
        return self._depictions.replied(command, code, message)

    def forget(self, update: int) -> None:
        """It was given up; another one takes its number."""
        self._depictions.forget(update)

    def check(self) -> None:
        """Tell who is to be told, and notice drawing that does not come back."""
        self._settle()
        if self._process is not None and self._due_by is not None and time.monotonic() > self._due_by:
            output = self._process.output
            self._fail(failures.hung(self._run.settings["env"], self._limit(), output), output)

    def retire(self) -> None:
        """The run's process is gone, and with it all that could be drawn."""
        self._end(ENDED)

    def close(self) -> None:
        """End the process at once, with all that it started. Safe in a signal handler's situation."""
        if self._process is not None:
            self._process.kill(signal.SIGKILL)

    def _refusal(self) -> str | None:
        if self._over is not None:
            return self._over
        state = self._run.state
        if state in {"running", "paused", "finished"}:
            return None
        return {"starting": STARTING, "stalled": STALLED}.get(state, ENDED)

    def _settle(self) -> None:
        """Bring process and trainer up to date on who watches."""
        acting = self._watched and not self._acting_over and self._over is None
        if acting and self._process is None:
            self._begin()
        if acting != self._weights_wanted:
            self._run.want_weights(acting)
            self._weights_wanted = acting
        if self._process is not None and (acting, not self._trains) != self._told:
            self._told = (acting, not self._trains)
            self._tell("show", frame.encode({"kind": "show", "wanted": acting, "free": not self._trains}))

    def _begin(self) -> None:
        given = {
            "settings": self._run.settings,
            "backend": self._untried.pop(0),
            "sequence": self._sequence,
            "patience": [self._patience.first, self._patience.later],
        }
        self._number += 1
        inbox = Inbox(
            asyncio.get_running_loop(), partial(self._receive, self._number), partial(self._exited, self._number)
        )
        try:
            name, arguments = f"{self._run.id} drawn", (self._run.id, given)
            self._process = TrainingProcess(name, WORKER, arguments, receiver=inbox, expendable=True)
        except (OSError, RuntimeError) as error:
            self._end(self._in_full(f"No process could be started to draw in: {error}.", ""), said=True)
            return
        self._told, self._unheard, self._come_back = None, set(), False
        self._due_by = time.monotonic() + self._patience.first
        if self._weights is not None:
            self._tell("weights", self._weights)
        for message in self._looking.values():
            self._have_drawn(message)

    def _tell(self, what: str, message: bytes) -> None:
        """How something is now: the process need not hear of what it was before."""
        if self._process is not None:
            self._unheard.add(what)
            self._process.tell(what, message)
            self._await_answer()

    def _have_drawn(self, message: bytes) -> None:
        if self._process is not None:
            with contextlib.suppress(NotReading):  # it hangs, which is noticed in its time
                self._process.send(message)
            self._await_answer()

    def _await_answer(self) -> None:
        limit = time.monotonic() + self._limit()
        self._due_by = limit if self._due_by is None else min(self._due_by, limit)

    def _limit(self) -> float:
        """Seconds that it has to come back: more where something is drawn for the first time."""
        starting = not self._come_back
        first = starting or (self._watched and not self._shown) or (bool(self._looking) and not self._depicted)
        return self._patience.first if first else self._patience.later

    def _receive(self, number: int, messages: list[bytes]) -> None:
        for message in messages:
            if number != self._number or self._over is not None:
                return
            try:
                self._read(frame.header(message), message)
            except (ValueError, KeyError, TypeError):
                logger.exception("The process that draws run %s has sent what is no frame of its.", self._run.id)
                self._fail(f"What draws {self._run.settings['env']} has sent something that is no picture.", "")

    def _read(self, header: dict[str, Any], message: bytes) -> None:
        kind, good = header["kind"], "reason" not in header
        self._come_back = True
        self._shown |= kind == "picture" and good
        self._depicted |= kind == "depiction" and good
        self._unheard.discard(header.get("of", ""))
        number = self._number
        match kind:
            case "picture" if good:
                self._sequence = header["sequence"] + 1
                self._show_picture(header, message)
            case "picture":
                self._cannot_act(header["reason"], header["about"])
            case "depiction":
                self._depiction(header, message)
        if number == self._number:
            self._expect(header["rest"])

    def _expect(self, rest: float | None) -> None:
        """It has come back; `rest`: the seconds until it goes to work by itself."""
        limit = time.monotonic() + self._limit()
        if self._unheard or self._looking:
            self._due_by = limit
        else:
            self._due_by = None if rest is None else limit + rest

    def _depiction(self, header: dict[str, Any], message: bytes) -> None:
        place = _place(header["where"])
        if "reason" in header and self._try_next(header["reason"], header["about"]):
            return
        self._looking.pop(place, None)
        if "reason" in header:
            self._depictions.refuse(place, self._in_full(header["reason"], header["about"]))
            return
        _, arrays = frame.decode(message)
        self._depictions.drawn(place, arrays["image"].tobytes())

    def _cannot_act(self, reason: str, about: str) -> None:
        if not self._try_next(reason, about):
            self._acting_over = True
            self._say(self._in_full(reason, about))
            self._settle()

    def _fail(self, reason: str, about: str) -> None:
        """The process is no good, or gone."""
        if not self._try_next(reason, about):
            self._end(self._in_full(reason, about), said=True)

    def _try_next(self, reason: str, about: str) -> bool:
        """Begin anew with the next back end of OpenGL where there is one and it may help."""
        self._first_reason = self._first_reason or reason
        if self._shown or self._depicted or not (self._untried and graphics.concerned(about + reason)):
            return False
        self._drop()
        self._begin()
        self._settle()
        return True

    def _in_full(self, reason: str, about: str) -> str:
        """The reason and what to do; of the first attempt, where the back ends are to blame."""
        remedy = failures.REMEDY if self._run.goes_on else failures.REMEDY_AT_REST
        if self._shown or self._depicted or not graphics.concerned(about + reason):
            return f"{reason} {remedy}"
        return f"{self._first_reason or reason} {remedy} {graphics.advice(self._backends)}"

    def _exited(self, number: int, exitcode: int) -> None:
        if number == self._number and self._over is None and self._process is not None:
            output = self._process.output
            self._fail(failures.ended(self._run.settings["env"], exitcode, output), output)

    def _end(self, reason: str, *, said: bool = False) -> None:
        self._drop()
        if self._over is None:
            self._over = reason
            if said and not self._acting_over:
                self._say(reason)
            self._depictions.refuse_all(reason)
            self._looking.clear()

    def _drop(self) -> None:
        self.close()
        self._process, self._due_by = None, None
        self._number += 1

    def _say(self, reason: str) -> None:
        """To the pages, in the place of a picture."""
        header = {"kind": "picture", "run": self._run.id, "sequence": self._sequence, **self._position}
        header |= {"reason": reason, "mime": None}
        self._sequence += 1
        self._show_picture(header, frame.encode(header))


def _place(where: dict[str, int]) -> Place:
    return where["update"], where["environment"], where["step"]
