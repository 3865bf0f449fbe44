"""How many may be there at once: the numbers behind every cap, from the descriptors that the system grants."""

from __future__ import annotations

import sys
from dataclasses import dataclass

PAGES = 640
"""Pages that may watch at the same time."""
CONTROLLERS = 8
"""Places beyond those, for pages that bring the cookie: who leads comes in, however many watch."""
CONNECTIONS = 1024
"""Connections in all: those of the pages, and the few that a browser opens to load a page or to ask for something."""
DESCRIPTORS = 4096
"""What the system is asked for."""
RESERVE = 320
"""Descriptors that no connection may take: for files, pipes, the processes of two runs, and connections that have been
accepted and are not counted yet."""
ACCEPTED_AT_ONCE = 64
"""Connections that are taken from the system in one turn of the event loop."""


@dataclass(frozen=True)
class Capacity:
    """What there is room for."""

    pages: int = PAGES
    controllers: int = CONTROLLERS
    connections: int = CONNECTIONS

    @classmethod
    def within(cls, descriptors: int) -> Capacity:
        """As much as so many descriptors allow; the shares stay as they are."""
        connections = max(32, min(CONNECTIONS, descriptors - RESERVE))
        return cls(min(PAGES, connections * PAGES // CONNECTIONS), CONTROLLERS, connections)


def make_capacity() -> Capacity:
    """Ask the system for the descriptors that are needed, and find out how many it grants."""
    if sys.platform == "win32":
        return Capacity()
    import resource

    granted, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = DESCRIPTORS if most == unlimited else min(DESCRIPTORS, most)
    if granted != unlimited and granted < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
        except (OSError, ValueError):
            return Capacity.within(granted)
    return Capacity.within(wanted if granted == unlimited else max(granted, wanted))
