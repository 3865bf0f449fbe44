"""The hub: which pages are there, and what each of them gets."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import OrderedDict
from typing import Any

from ppo_scope.probes.frame import PROTOCOL
from ppo_scope.runs.run import LATEST, Run
from ppo_scope.runs.supervisor import Supervisor
from ppo_scope.server.client import Client
from ppo_scope.server.codes import CloseCode
from ppo_scope.server.lease import Lease
from ppo_scope.server.messages import Resume
from ppo_scope.server.room import Room
from ppo_scope.server.watching import WATCHABLE, Pace

HEARTBEAT = 5.0
"""Seconds between two signs of life towards the pages."""
RETURN_WITHIN = 3.0
"""Seconds that a page whose connection broke has to come back before another one gets its lease."""
RELOADED_WITHIN = 10.0
"""Seconds in which a page that was followed, as in a reload, gets its lease back from who leads meanwhile."""
TABS, REPLIES = 64, 256
"""Tabs, and replies for each of them, that are remembered so that no command is applied twice."""


def error(id: str | None, code: str, message: str, detail: str = "") -> dict[str, Any]:
    """An `error` message; `detail` is for who wants to know more, such as the end of a traceback."""
    return {"type": "error", "id": id, "code": code, "message": message, "detail": detail or None}


class Hub:
    """Everything here happens on the event loop, without waiting: no page sees a gap or anything twice."""

    def __init__(self, *, worker: str, stall_after: float, room: Room) -> None:
        self.server_epoch = secrets.token_hex(4)
        self.supervisor = Supervisor(self, worker=worker, stall_after=stall_after)
        self.lease = Lease()
        self._room = room
        self._clients: dict[Client, None] = {}  # in order of arrival; not all have resumed
        self._tabs: dict[str, Client] = {}
        self._replies: OrderedDict[str, OrderedDict[str, dict[str, Any] | None]] = OrderedDict()
        self._forwarded: dict[str, tuple[Client, str]] = {}
        self._watched: tuple[frozenset[str], int | None] | None = None  # what the current run was told
        self._watching = Pace(self._tell_what_is_watched)
        self._freeing: asyncio.TimerHandle | None = None

    # Pages

    def has_place(self, *, known: bool) -> bool:
        """Whether one more page may come; a few more for those that bring the cookie and are `known` by it."""
        return len(self._clients) < self._room.pages + (self._room.controllers if known else 0)

    @property
    def full(self) -> bool:
        """All places are taken but those that are kept for who may control."""
        return len(self._clients) > self._room.pages

    def join(self, client: Client) -> None:
        """A page connected: greet it. Its stream starts when it resumes."""
        self._clients[client] = None
        run = self.supervisor.current
        client.run = run.id if run else None
        client.post(
            {
                "type": "hello",
                "protocol": PROTOCOL,
                "server_epoch": self.server_epoch,
                "run": run.describe() if run else None,
                "lease": {"holder": False, "generation": self.lease.generation},
            }
        )

    def resume(self, client: Client, message: Resume) -> None:
        """Start a page's stream: what is newest now, then everything that follows.

        A page that connects anew before its old connection is known to be dead takes that one's place.
        """
        client.tab = message.client
        client.post({"type": "role", "role": client.role.value})
        if message.sequence is None:  # a page that was loaded anew counts its identifiers anew
            self._replies.pop(self._tab(client), None)
        if (before := self._tabs.get(self._tab(client))) is not None:
            before.close(CloseCode.POLICY, "This page has connected anew.")
        self._tabs[self._tab(client)] = client
        if self.lease.arrive(client):
            self._lease_changed()
        else:
            self._post_lease(client)
        run = self.supervisor.current
        if run is None:
            return
        if client.run != run.id:
            client.post({"type": "run", "run": run.describe()})
        client.post({"type": "state", **run.status()})
        known = message.server_epoch == self.server_epoch and message.run == run.id
        seen = message.sequence if known and message.sequence is not None else -1
        for kind in LATEST:
            if kind not in run.latest:
                continue
            header, frame = run.latest[kind]
            # Pictures come from a process of their own and have numbers of their own.
            if header["sequence"] > seen or kind == "picture":
                client.show(kind, frame)

    def leave(self, client: Client, *, returning: bool) -> None:
        """A page's connection closed; `returning` if it broke, and its tab may be back in a moment.

        One that left on purpose is followed at once: it may have been closed. If it was loaded anew, it leads again.
        """
        self._clients.pop(client, None)
        if self._tabs.get(self._tab(client)) is client:
            del self._tabs[self._tab(client)]
        if self.lease.leave(client):
            self._keep_lease_for(RETURN_WITHIN if returning else 0.0)
        self.update_watch()

    def take_lease(self, client: Client) -> None:
        """This page leads from now on."""
        self.lease.take(client)
        self._lease_changed()
        self.update_watch()

    def update_watch(self) -> None:
        """What the pages want may have changed: the run is told soon, and not more often than it is good for it."""
        self._watching.soon()

    def _tell_what_is_watched(self) -> None:
        probes = WATCHABLE & frozenset[str]().union(*(client.probes for client in self._clients))
        wanted = probes, self.lease.holder.environment if self.lease.holder is not None else None
        run = self.supervisor.current
        if run is not None and wanted != self._watched:  # a finished run is drawn, too
            run.watch(*wanted)
            self._watched = wanted

    async def beat(self) -> None:
        """Send signs of life for ever."""
        while True:
            await asyncio.sleep(HEARTBEAT)
            for client in self._clients:
                client.show("heartbeat", '{"type":"heartbeat"}')

    def dismiss(self) -> None:
        """Tell every page that the server leaves."""
        for client in self._clients:
            client.close(CloseCode.GOING_AWAY, "The server was ended.")

    # Replies

    def known(self, client: Client, command: str) -> bool:
        """Whether this page has sent this command before; a reply that was given is given again."""
        replies = self._remembered(client)
        if command not in replies:
            replies[command] = None
            if len(replies) > REPLIES:
                replies.popitem(last=False)
            return False
        if (reply := replies[command]) is not None:
            client.post(reply)
        return True

    def answer(
        self, client: Client, command: str, code: str | None = None, message: str = "", detail: str = ""
    ) -> None:
        """Answer a command: `code` is None for yes. It reaches the page even where it has reconnected meanwhile."""
        reply = {"type": "ack", "id": command} if code is None else error(command, code, message, detail)
        replies = self._remembered(client)
        if command in replies:
            replies[command] = reply
        self._tabs.get(self._tab(client), client).post(reply)

    def forward(self, client: Client, command: str, fields: dict[str, Any]) -> None:
        """Hand a command of a page to the run, which answers it.

        Raises:
            NotReading: the training process takes no commands.
        """
        assert self.supervisor.current is not None
        internal = secrets.token_hex(8)
        self.supervisor.current.send({**fields, "id": internal})
        self._forwarded[internal] = (client, command)

    def _tab(self, client: Client) -> str:
        return f"{client.role.value} {client.tab}"  # a viewer cannot speak for a controller

    def _remembered(self, client: Client) -> OrderedDict[str, dict[str, Any] | None]:
        tab = self._tab(client)
        replies = self._replies.setdefault(tab, OrderedDict())
        self._replies.move_to_end(tab)
        if len(self._replies) > TABS:
            self._replies.popitem(last=False)
        return replies

    # What runs tell (runs.supervisor.Listener)

    def frame(self, run: Run, header: dict[str, Any], message: bytes) -> None:
        """A frame for every page. Of a run on trial, how far it is."""
        on_trial = header["kind"] == "progress" and (header.get("activity") or {}).get("name") == "trial"
        if run is self.supervisor.current or on_trial:
            for client in self._streaming():
                client.show("trial" if on_trial else header["kind"], message)

    def state(self, run: Run) -> None:
        """The run's state changed."""
        self._broadcast(run, {"type": "state", **run.status()})

    def change(self, run: Run, change: dict[str, Any]) -> None:
        """A setting took effect."""
        self._broadcast(run, {"type": "change", "run": run.id, **change})

    def reply(self, run: Run, command: str, code: str | None, message: str) -> None:
        """The training process answered a command."""
        if command in self._forwarded:
            client, original = self._forwarded.pop(command)
            self.answer(client, original, code, message)

    def current(self, run: Run) -> None:
        """A new run is shown from now on."""
        for client in self._streaming():
            client.forget()
            client.run = run.id
        self._broadcast(run, {"type": "run", "run": run.describe()})
        self._watched = None
        self.update_watch()

    # Inside

    def _streaming(self) -> list[Client]:
        """Every connection whose stream has started."""
        return [client for client in self._clients if client.tab is not None]

    def _broadcast(self, run: Run, message: dict[str, Any]) -> None:
        if run is self.supervisor.current:
            text = json.dumps(message, allow_nan=False)  # once for all, in time and in memory
            for client in self._streaming():
                client.post_text(text)

    def _keep_lease_for(self, seconds: float) -> None:
        """Free the lease after so long, unless its page is back; one that leaves anew has the whole time again."""
        if self._freeing is not None:
            self._freeing.cancel()
        self._freeing = asyncio.get_running_loop().call_later(seconds, self._free_lease) if seconds else None
        if not seconds:
            self._free_lease()

    def _free_lease(self) -> None:
        if self.lease.free(self._streaming()):
            self._lease_changed()
        asyncio.get_running_loop().call_later(RELOADED_WITHIN, self.lease.forget, self.lease.generation)

    def _lease_changed(self) -> None:
        for client in self._streaming():
            self._post_lease(client)

    def _post_lease(self, client: Client) -> None:
        holder = client is self.lease.holder
        client.post({"type": "lease", "holder": holder, "generation": self.lease.generation})
