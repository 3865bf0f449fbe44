"""What the process that draws does: act and look when that is due, draw the states that are asked for.

It is sent frames: `show` (whether somebody watches, and whether anything trains), `weights`, and `look` (a noted state
to draw); each is answered. Every frame that it sends says in `rest` how many seconds it means to be silent (null: until
it is told something), so that the server knows when silence means that it hangs.
"""

from __future__ import annotations

import contextlib
import faulthandler
import pickle
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppo_scope.pictures import failures
from ppo_scope.pictures.acting import ActingPolicy, Picture
from ppo_scope.pictures.images import MIME
from ppo_scope.pictures.limits import PICTURES_PER_SECOND, SHARE, Patience
from ppo_scope.pictures.states import Artist
from ppo_scope.ppo.settings import Settings
from ppo_scope.wire import frame
from ppo_scope.wire.headers import POSITION, START

DUMP_AT = 0.9
"""Of the time that drawing may take: then it is noted where it is, for the server to tell."""
STANDARD_ERROR = 2
LONGEST_LEAP = 0.25
"""Seconds of the environment's time between two pictures, at most."""

Send = Callable[[bytes], None]
Receive = Callable[["float | None"], "bytes | None"]
"""The next frame, waited for at most so many seconds; None without end."""


class Drawing:
    """Of one run."""

    def __init__(
        self, send: Send, receive: Receive, run: str, settings: Settings, *, sequence: int = 0, patience: Patience
    ) -> None:
        self._send_bytes, self._receive = send, receive
        self._run, self._settings, self._sequence, self._patience = run, settings, sequence, patience
        self._acting: ActingPolicy | None = None
        self._artist: Artist | None = None
        self._watched = self._free = self._failed = False
        self._weights: tuple[dict[str, Any], dict[str, NDArray[Any]]] | None = None  # not taken over yet
        self._position = START
        self._armed = False  # there are weights to act with
        self._last = self._due = 0.0

    def turn(self) -> None:
        """One thing after the other: what it is told comes first, then the picture that is due."""
        message = self._receive(self._rest())
        if message is not None:
            self._obey(message)
        elif self._rest() == 0.0:
            self._show()

    def _rest(self) -> float | None:
        """Seconds until the next picture; None where there is none to come."""
        if not self._watched or self._failed or (self._acting is not None and not self._armed):
            return None
        return max(0.0, self._due - time.monotonic())

    def _obey(self, message: bytes) -> None:
        header, arrays = frame.decode(message)
        match header["kind"]:
            case "show":
                self._watched, self._free = header["wanted"], header["free"]
                if self._free:
                    self._due = min(self._due, self._last + 1 / PICTURES_PER_SECOND)
            case "weights":
                self._weights, self._armed = (header, arrays), True
            case "look":
                self._draw(header["where"], arrays["state"])
                return
        self._send("heard", of=header["kind"])

    def _show(self) -> None:
        begun = time.process_time()
        try:
            picture = self._picture()
        except (Exception, SystemExit) as error:  # whatever goes wrong in somebody's code is told, and not tried twice
            self._failed = True
            reason = failures.raised(self._settings.env, error)
            self._send_picture({}, {"reason": reason, "about": _words(error), "mime": None})
            return
        cost = time.process_time() - begun
        self._last = time.monotonic()
        self._due = self._last + max(1 / PICTURES_PER_SECOND, 0.0 if self._free else cost / SHARE)
        self._send_picture(*described(picture))

    def _picture(self) -> Picture:
        if self._acting is None:
            with _told_where(self._patience.first):
                self._acting = ActingPolicy(self._settings)
                return self._acting.look()
        with _told_where(self._patience.later):
            if self._weights is not None:
                self._position = {name: self._weights[0][name] for name in POSITION}
                self._acting.take(self._weights[1])
                self._weights = None
            elapsed = min(time.monotonic() - self._last, LONGEST_LEAP)
            return self._acting.advance(max(1, round(elapsed * self._acting.fps)))

    def _draw(self, where: dict[str, int], state: NDArray[Any]) -> None:
        try:
            with _told_where(self._patience.first if self._artist is None else self._patience.later):
                if self._artist is None:
                    self._artist = Artist(self._settings)
                image = self._artist.draw(pickle.loads(state.tobytes()))
        except (Exception, SystemExit) as error:
            reason = failures.raised(self._settings.env, error)
            self._send("depiction", where=where, reason=reason, about=_words(error))
            return
        self._send("depiction", {"image": np.frombuffer(image, np.uint8)}, where=where, mime=MIME)

    def _send_picture(self, arrays: dict[str, NDArray[Any]], header: dict[str, Any]) -> None:
        self._send("picture", arrays, **header)
        self._sequence += 1

    def _send(self, kind: str, arrays: dict[str, NDArray[Any]] | None = None, **header: Any) -> None:
        about = {"kind": kind, "run": self._run, "sequence": self._sequence, **self._position, "rest": self._rest()}
        self._send_bytes(frame.encode({**about, **header}, arrays))


def described(picture: Picture) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """(arrays, header) of a picture as it travels."""
    scalars = {"episode_step": picture.episode_step, "episode_return": picture.episode_return}
    return {"image": np.frombuffer(picture.image, np.uint8)}, {"mime": MIME, "scalars": scalars}


@contextlib.contextmanager
def _told_where(seconds: float) -> Iterator[None]:
    """Where this takes nearly so long, print where it is: no thread of Python's could, where the GIL is held."""
    faulthandler.dump_traceback_later(DUMP_AT * seconds, file=STANDARD_ERROR)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _words(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-4000:]
