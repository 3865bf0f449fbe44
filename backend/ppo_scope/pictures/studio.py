"""The main function of the process that draws; what takes seconds to import is imported here, in its own time."""

from __future__ import annotations

import os
from multiprocessing.connection import Connection
from typing import Any

from ppo_scope.pictures import graphics
from ppo_scope.pictures.limits import NICE, Patience


def main(
    frames: Connection[bytes, bytes],
    commands: Connection[bytes, bytes],
    run: str,
    given: dict[str, Any],
) -> None:
    """Draw until the server is gone or ends it.

    `given`: `settings` of the run, `backend` of OpenGL to draw with (or None), the `sequence` number of the first
    picture, and `patience` [seconds, seconds].
    """
    graphics.prepare(given["backend"])
    _leave_the_pipes_out_of_forks(frames, commands)
    from ppo_scope.pictures.drawing import Drawing
    from ppo_scope.ppo.settings import Settings
    from ppo_scope.ppo.threads import use_one_thread

    use_one_thread()
    os.nice(NICE)

    def receive(timeout: float | None) -> bytes | None:
        return commands.recv_bytes() if commands.poll(timeout) else None

    patience = Patience(*given["patience"])
    settings = Settings.parse(given["settings"])
    drawing = Drawing(frames.send_bytes, receive, run, settings, sequence=given["sequence"], patience=patience)
    try:
        while True:
            drawing.turn()
    except (EOFError, BrokenPipeError):
        return  # nobody is left to draw for


def _leave_the_pipes_out_of_forks(*pipes: Connection[Any, Any]) -> None:
    """What an environment forks must neither draw on in our name nor keep the pipes open."""

    def close() -> None:
        for pipe in pipes:
            pipe.close()

    os.register_at_fork(after_in_child=close)
