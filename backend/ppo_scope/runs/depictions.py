"""Pictures of single samples: asked for over HTTP, drawn in the training process, kept for who asks again."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from typing import Any, Protocol

from ppo_scope.runs.process import NotReading

KEPT = 512
"""Pictures, of some kilobytes each."""
WAITING = 16
"""Pictures that may be asked for at the same time: whoever watches must not keep the trainer busy."""
PATIENCE = 3.0
"""Seconds."""

BUSY = "The training process is busy. Pause the run and try again."

Place = tuple[int, int, int]


class Asked(Protocol):
    """A run that takes commands."""

    @property
    def state(self) -> str:
        """One of the protocol's states."""
        ...

    def send(self, command: dict[str, Any]) -> None:
        """Hand a command to the process."""
        ...


class Depictions:
    """Of one run."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Place, bytes] = OrderedDict()
        self._waiting: dict[Place, asyncio.Future[bytes | str]] = {}
        self._commands: dict[str, Place] = {}

    async def ask(self, run: Asked, update: int, environment: int, step: int) -> bytes | str:
        """The picture, or why there is none."""
        place = (update, environment, step)
        if place in self._kept:
            return self._kept[place]
        if place not in self._waiting:
            if run.state not in {"paused", "running"} or len(self._waiting) >= WAITING:
                return BUSY
            command = f"depict-{secrets.token_hex(8)}"
            try:
                run.send({"type": "depict", "id": command, "update": update, "environment": environment, "step": step})
            except NotReading:
                return BUSY
            self._waiting[place] = asyncio.get_running_loop().create_future()
            self._commands[command] = place
        try:
            return await asyncio.wait_for(asyncio.shield(self._waiting[place]), PATIENCE)
        except TimeoutError:
            self._waiting.pop(place, None)
            return BUSY

    def answer(self, where: dict[str, int], image: bytes) -> None:
        """The process has drawn one."""
        place = (where["update"], where["environment"], where["step"])
        self._kept[place] = image
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        self._settle(place, image)

    def forget(self, update: int) -> None:
        """Its rollout was given up; another one takes its number."""
        for place in [place for place in self._kept if place[0] == update]:
            del self._kept[place]

    def refused(self, command: str, reason: str) -> bool:
        """The process has answered a command; whether it was one of these."""
        place = self._commands.pop(command, None)
        if place is None:
            return False
        self._settle(place, reason)
        return True

    def _settle(self, place: Place, answer: bytes | str) -> None:
        future = self._waiting.pop(place, None)
        if future is not None and not future.done():
            future.set_result(answer)
