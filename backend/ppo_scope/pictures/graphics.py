"""Drawing without a screen: which back ends are tried."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping

VARIABLE = "MUJOCO_GL"
WITHOUT_A_DISPLAY = ("egl", "osmesa")
"""Back ends of OpenGL that need no display, in the order in which they are tried."""
NO_CHOICE: tuple[None] = (None,)
_WORDS = re.compile(r"mujoco|opengl|egl|osmesa|glfw", re.IGNORECASE)


def backends(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> tuple[str | None, ...]:
    """The values of MUJOCO_GL to try, one after the other, each in a process of its own: it is read at an import.

    None leaves the variable alone: where somebody has set it, or there is a display.
    """
    if environment.get(VARIABLE) or platform != "linux":
        return NO_CHOICE
    if environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"):
        return NO_CHOICE
    return WITHOUT_A_DISPLAY


def prepare(backend: str | None) -> None:
    """Set this process up to draw without a screen; before anything that draws is imported."""
    # Some environments draw with SDL, which looks for a screen unless it is told that there is none.
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    if backend is not None:
        os.environ[VARIABLE] = backend


def concerned(text: str) -> bool:
    """Whether a failure, by its words, may come from the back end."""
    return _WORDS.search(text) is not None


def advice(backends: tuple[str | None, ...]) -> str:
    """What to do where none of these draws."""
    tried = " nor ".join(f"{VARIABLE}={name}" for name in backends if name)
    found = (
        f"There is no display, and neither {tried} draws here" if tried else f"The back end {VARIABLE} does not draw"
    )
    return f"{found}: install EGL or OSMesa, or set {VARIABLE} to one that works, and start the server again."
