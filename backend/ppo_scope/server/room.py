"""One run's room: the pages that look at it, who of them leads, and what they watch together."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from ppo_scope.runs.live import LiveRun
from ppo_scope.server.client import Client
from ppo_scope.server.lease import Lease
from ppo_scope.server.watching import WATCHABLE, Pace
from ppo_scope.wire.codes import LATEST, Kind
from ppo_scope.wire.told import Told

BEGUN_PHASES = frozenset({"rollout", "advantages"})
"""Where an update has begun, and no minibatch of it is there yet."""
RETURN_WITHIN = 3.0
"""Seconds that a page whose connection broke has to come back before another one gets its lease."""
RELOADED_WITHIN = 10.0
"""Seconds in which a page that was followed, as in a reload, gets its lease back from who leads meanwhile."""


class Room:
    """Everything here happens on the event loop, without waiting: no page sees a gap or anything twice."""

    def __init__(self, run: LiveRun) -> None:
        self.run = run
        self.lease = Lease()
        self._pages: dict[Client, None] = {}  # in order of arrival; all have resumed
        self._watched: tuple[frozenset[str], int | None] | None = None  # what the run was told
        self._watching = Pace(self._tell_what_is_watched)
        self._freeing: asyncio.TimerHandle | None = None

    @property
    def pages(self) -> list[Client]:
        """Those that are here, in order of arrival."""
        return list(self._pages)

    def enter(self, page: Client, seen: int = -1) -> None:
        """A page comes in: what is newest now, beyond the frame that it has `seen`, then everything that follows."""
        self._pages[page] = None
        page.room = self
        if self.lease.arrive(page):
            self.tell_lease()
        else:
            self._post_lease(page)
        self._show_all(page, seen)
        self.update_watch()

    def _show_all(self, page: Client, seen: int) -> None:
        """How the run is now, and what is newest of it beyond the frame that the page has `seen`."""
        run = self.run
        page.post(run.status())
        for kind in LATEST:
            if kind not in run.record.latest:
                continue
            header, frame = run.record.latest[kind]
            # Pictures come from a process of their own and have numbers of their own.
            if header["sequence"] > seen or kind == "picture":
                page.show(kind, frame)

    def leave(self, page: Client, *, returning: bool) -> None:
        """A page goes; `returning` where its connection broke, and its tab may be back in a moment.

        One that left on purpose is followed at once: it may have been closed. If it was loaded anew, it leads again.
        """
        del self._pages[page]
        page.room = None
        if self.lease.leave(page):
            self._keep_lease_for(RETURN_WITHIN if returning else 0.0)
        self.update_watch()

    def take(self, run: LiveRun) -> None:
        """Another run takes the place of this room's: the pages stay, and who leads goes on leading."""
        self.run = run
        self._watched = None
        self.broadcast({"type": "run", "run": run.describe()})
        for page in self._pages:
            page.forget()
            self._show_all(page, seen=-1)
        self.update_watch()

    def update_watch(self) -> None:
        """What the pages want may have changed: the run is told soon, and not more often than it is good for it."""
        self._watching.soon()

    def settle_watch(self) -> None:
        """The run is told by now: what a command passes on its way is measured as it is wanted."""
        self._watching.now()

    def _tell_what_is_watched(self) -> None:
        probes = WATCHABLE & frozenset[str]().union(*(page.probes for page in self._pages))
        wanted = probes, self.lease.holder.environment if self.lease.holder is not None else None
        if wanted != self._watched:  # a finished run is drawn, too
            self.run.watch(*wanted)
            self._watched = wanted

    def show(self, header: dict[str, Any], message: bytes) -> None:
        """A frame for every page here."""
        begun = header["kind"] == Kind.SNAPSHOT and header["phase"] in BEGUN_PHASES
        for page in self._pages:
            page.show(header["kind"], message, begun=begun)

    def broadcast(self, message: Told) -> None:
        """A message for every page here."""
        text = json.dumps(message, allow_nan=False)  # once for all, in time and in memory
        for page in self._pages:
            page.post_text(text)

    def take_lease(self, page: Client) -> None:
        """This page leads from now on."""
        self.lease.take(page)
        self.tell_lease()
        self.update_watch()

    def tell_lease(self) -> None:
        """Say who leads."""
        for page in self._pages:
            self._post_lease(page)

    def _post_lease(self, page: Client) -> None:
        holder = page is self.lease.holder
        page.post({"type": "lease", "holder": holder, "generation": self.lease.generation})

    def _keep_lease_for(self, seconds: float) -> None:
        """Free the lease after so long, unless its page is back; one that leaves anew has the whole time again."""
        if self._freeing is not None:
            self._freeing.cancel()
        self._freeing = asyncio.get_running_loop().call_later(seconds, self._free_lease) if seconds else None
        if not seconds:
            self._free_lease()

    def _free_lease(self) -> None:
        if self.lease.free(self._pages):
            self.tell_lease()
        asyncio.get_running_loop().call_later(RELOADED_WITHIN, self.lease.forget, self.lease.generation)
