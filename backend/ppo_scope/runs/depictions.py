"""Pictures of single samples: asked for over HTTP, drawn from what the trainer noted, kept for who asks again."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ppo_scope.processes.process import NotReading

KEPT = 512
"""Pictures, of some kilobytes each."""
WAITING = 16
"""Pictures that may be asked for at the same time: whoever watches must not keep the trainer busy."""
PATIENCE = 3.0
"""Seconds that the trainer has to hand out its note; how long drawing may take, the studio says."""

MANY = "Many pictures are being asked for at this moment. Ask again when they are drawn."
SILENT = "The training process is within something long and has not answered yet. Ask again in a moment."

GIVEN_UP = "This update was given up, and another one has its number now."

Place = tuple[int, int, int]


class Depictions:
    """Of one run. `send` hands a command to its trainer."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._kept: OrderedDict[Place, bytes] = OrderedDict()
        self._waiting: dict[Place, asyncio.Future[bytes | str]] = {}
        self._noted: set[Place] = set()  # of those that wait: what the trainer has handed out its note of
        self._commands: dict[str, Place] = {}

    def kept(self, place: Place) -> bytes | None:
        """One that was drawn before."""
        return self._kept.get(place)

    async def ask(self, place: Place) -> bytes | str:
        """The picture, or why there is none."""
        if place not in self._waiting:
            refusal = self._begin(place)
            if refusal is not None:
                return refusal
        future = self._waiting[place]
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(future), PATIENCE)
        if place not in self._noted:
            self._settle(place, SILENT)
        return await asyncio.shield(future)

    def noted(self, place: Place) -> bool:
        """The trainer has handed out its note; whether somebody still waits for the picture."""
        if place in self._waiting:
            self._noted.add(place)
        return place in self._waiting

    def drawn(self, place: Place, image: bytes) -> None:
        """Here it is."""
        if place not in self._waiting:
            return  # its update may have been given up
        self._kept[place] = image
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        self._settle(place, image)

    def forget(self, update: int) -> None:
        """Its rollout was given up; another one takes its number."""
        for place in [place for place in self._kept if place[0] == update]:
            del self._kept[place]
        for place in [place for place in self._waiting if place[0] == update]:
            self._settle(place, GIVEN_UP)

    def replied(self, command: str, code: str | None, message: str) -> bool:
        """The trainer has answered a command; whether it was one of these."""
        place = self._commands.pop(command, None)
        if place is not None and code is not None:
            self._settle(place, message)
        return place is not None

    def refuse(self, place: Place, why: str) -> None:
        """It cannot be drawn."""
        self._settle(place, why)

    def refuse_all(self, why: str) -> None:
        """None that is waited for comes any more."""
        for place in list(self._waiting):
            self._settle(place, why)

    def _begin(self, place: Place) -> str | None:
        if len(self._waiting) >= WAITING:
            return MANY
        command = f"look-{secrets.token_hex(8)}"
        update, environment, step = place
        try:
            self._send({"type": "look", "id": command, "update": update, "environment": environment, "step": step})
        except NotReading:
            return SILENT
        self._waiting[place] = asyncio.get_running_loop().create_future()
        self._commands[command] = place
        return None

    def _settle(self, place: Place, answer: bytes | str) -> None:
        self._noted.discard(place)
        future = self._waiting.pop(place, None)
        if future is not None and not future.done():
            future.set_result(answer)
