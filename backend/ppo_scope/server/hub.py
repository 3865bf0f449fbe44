"""The hub: which pages are there, in which run's room each of them is, and which runs there are."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ppo_scope.records.library import Library
from ppo_scope.records.record import script_in
from ppo_scope.runs.attached import AttachedRun
from ppo_scope.runs.live import LiveRun
from ppo_scope.runs.supervisor import Supervisor
from ppo_scope.server.capacity import Capacity
from ppo_scope.server.client import Client
from ppo_scope.server.roles import Role
from ppo_scope.server.room import Room
from ppo_scope.server.watching import Pace
from ppo_scope.wire.attaching import ScriptNews
from ppo_scope.wire.codes import CloseCode, RunState
from ppo_scope.wire.frame import PROTOCOL
from ppo_scope.wire.messages import Resume
from ppo_scope.wire.run import Change, Evaluation
from ppo_scope.wire.told import Ack, AwaitedTold, ErrorTold, RunsTold

HEARTBEAT = 2.0
"""Seconds between two signs of life towards the pages."""
LISTED = 0.5
"""Seconds between two lists of the runs."""
TABS, REPLIES = 64, 256
"""Tabs, and replies for each of them, that are remembered so that no command is applied twice."""


def error(id: str | None, code: str, message: str, detail: str = "") -> ErrorTold:
    """An `error` message; `detail` is for who wants to know more, such as the end of a traceback."""
    return {"type": "error", "id": id, "code": code, "message": message, "detail": detail or None}


Reply = Ack | ErrorTold
BADLY = frozenset({RunState.FAILED, RunState.KILLED, RunState.OUT_OF_MEMORY})
"""States that a run ends in without anybody having wanted that."""
ENDED = "The server was ended, and what it trained with it. `ppo-scope open` shows the runs that it kept."
WHY = "Run {run}: {summary}. The page has the detail, and says what to do."


class Hub:
    """Everything here happens on the event loop, without waiting: no page sees a gap or anything twice."""

    def __init__(
        self,
        *,
        worker: str,
        stall_after: float,
        capacity: Capacity,
        library: Library | None = None,
        says: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`says`: a line for who has started the server, where a run of its own has ended badly."""
        self._says = says
        self._said: set[str] = set()  # of which runs
        self.server_epoch = secrets.token_hex(4)
        self.supervisor = Supervisor(self, worker=worker, stall_after=stall_after, library=library)
        self._capacity = capacity
        self._clients: dict[Client, None] = {}  # in order of arrival; not all have resumed
        self._tabs: dict[str, Client] = {}
        self._replies: OrderedDict[str, OrderedDict[str, Reply | None]] = OrderedDict()
        self._forwarded: dict[str, tuple[Client, str]] = {}
        self._rooms: dict[str, Room] = {}
        self._followed: dict[str, str] = {}  # a run that was replaced → the one in its place
        self._listing = Pace(self._list_runs, LISTED)
        self._awaited: AwaitedTold | None = None

    # Rooms

    def room(self, run: LiveRun) -> Room:
        """The room of a run."""
        return self._rooms.setdefault(run.id, Room(run))

    def _room_of(self, run: LiveRun) -> Room | None:
        """The room that this very run has: not that of one with its identifier, as it was before or is going to be."""
        room = self._rooms.get(run.id)
        return room if room is not None and room.run is run else None

    def _known(self, run: str | None) -> LiveRun | None:
        """The run of that name, or the one that has taken its place since; None where there is none any more."""
        while run in self._followed and run not in self._rooms:
            run = self._followed[run]
        return self.supervisor.get(run) if run else None

    def open(self, client: Client, run: LiveRun) -> None:
        """Take a page to another run's room."""
        if client.room is not None:
            client.room.leave(client, returning=False)
        client.forget()
        client.post({"type": "run", "run": run.describe()})
        self.room(run).enter(client)

    # Pages

    def has_place(self, *, known: bool) -> bool:
        """Whether one more page may come; a few more for those that bring the cookie and are `known` by it."""
        return len(self._clients) < self._capacity.pages + (self._capacity.controllers if known else 0)

    @property
    def full(self) -> bool:
        """All places are taken but those that are kept for who may control."""
        return len(self._clients) > self._capacity.pages

    def join(self, client: Client) -> None:
        """A page connected: greet it. Its stream starts when it resumes."""
        self._clients[client] = None
        run = self.supervisor.newest
        client.greeted = run.describe() if run else None
        client.post(
            {
                "type": "hello",
                "protocol": PROTOCOL,
                "server_epoch": self.server_epoch,
                "run": client.greeted,
                "lease": {"holder": False, "generation": self.room(run).lease.generation if run else 0},
            }
        )

    def resume(self, client: Client, message: Resume) -> None:
        """Start a page's stream, in the room of the run that it was in, or else of the newest.

        A page that connects anew before its old connection is known to be dead takes that one's place.
        """
        client.tab = message.client
        client.post({"type": "role", "role": "controller" if client.role is Role.CONTROLLER else "viewer"})
        if message.sequence is None:  # a page that was loaded anew counts its identifiers anew
            self._replies.pop(self._tab(client), None)
        if (before := self._tabs.get(self._tab(client))) is not None:
            before.close(CloseCode.POLICY, "This page has connected anew.")
        self._tabs[self._tab(client)] = client
        run = self._known(message.run) or self.supervisor.newest
        if run is None:
            self._post_awaited(client)
            return
        told = run.describe()
        if told != client.greeted or message.run not in {None, run.id}:  # it may have begun since the greeting
            client.post({"type": "run", "run": told})
        client.greeted = None
        known = message.server_epoch == self.server_epoch and message.run == run.id
        self.room(run).enter(client, message.sequence if known and message.sequence is not None else -1)
        self._post_runs(client)

    def leave(self, client: Client, *, returning: bool) -> None:
        """A page's connection closed; `returning` if it broke, and its tab may be back in a moment."""
        self._clients.pop(client, None)
        if self._tabs.get(self._tab(client)) is client:
            del self._tabs[self._tab(client)]
        if client.room is not None:
            client.room.leave(client, returning=returning)

    async def beat(self) -> None:
        """Send signs of life for ever."""
        while True:
            await asyncio.sleep(HEARTBEAT)
            for client in self._clients:
                client.show("heartbeat", '{"type":"heartbeat"}')

    def dismiss(self) -> None:
        """Tell every page that the server leaves."""
        for client in self._clients:
            client.close(CloseCode.GOING_AWAY, ENDED)

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
        reply: Reply = {"type": "ack", "id": command} if code is None else error(command, code, message, detail)
        replies = self._remembered(client)
        if command in replies:
            replies[command] = reply
        self._tabs.get(self._tab(client), client).answer(reply)

    def forward(self, client: Client, command: str, fields: dict[str, Any]) -> None:
        """Hand a command of a page to the run, which answers it.

        Raises:
            NotReading: the training process takes no commands.
        """
        assert client.room is not None
        internal = secrets.token_hex(8)
        client.room.run.send({**fields, "id": internal})
        self._forwarded[internal] = (client, command)

    def _tab(self, client: Client) -> str:
        return f"{client.role.value} {client.tab}"  # a viewer cannot speak for a controller

    def _remembered(self, client: Client) -> OrderedDict[str, Reply | None]:
        tab = self._tab(client)
        replies = self._replies.setdefault(tab, OrderedDict())
        self._replies.move_to_end(tab)
        if len(self._replies) > TABS:
            self._replies.popitem(last=False)
        return replies

    # What runs tell (runs.supervisor.Listener)

    def frame(self, run: LiveRun, header: dict[str, Any], message: bytes) -> None:
        """A frame for every page that looks at the run. Of a run on trial, how far it is, for all pages."""
        if (room := self._room_of(run)) is not None:
            room.show(header, message)
        elif header["kind"] == "progress" and (header.get("activity") or {}).get("name") == "trial":
            for client in self._streaming():
                client.show("trial", message)

    def state(self, run: LiveRun) -> None:
        """The run's state changed."""
        if (room := self._room_of(run)) is not None:
            room.broadcast(run.status())
            self._listing.soon()
            self._say_why(run)
        if run.state == RunState.DELETED and not (room is not None and room.pages):
            self.supervisor.forget(run)

    def _say_why(self, run: LiveRun) -> None:
        """What the page says of a run that has ended badly, for who looks at the terminal; once."""
        if run.state not in BADLY:
            self._said.discard(run.id)  # it goes on
        elif run.id not in self._said and run.cause is not None:
            self._said.add(run.id)
            self._says(WHY.format(run=run.id, summary=run.cause["summary"].rstrip(".")))

    def change(self, run: LiveRun, change: Change) -> None:
        """A setting took effect."""
        if (room := self._room_of(run)) is not None:
            room.broadcast({"type": "change", "run": run.id, **change})

    def evaluated(self, run: LiveRun, evaluations: list[Evaluation]) -> None:
        """Policies of the run were evaluated."""
        if (room := self._room_of(run)) is not None:
            room.broadcast({"type": "evaluations", "run": run.id, "evaluations": evaluations})

    def reply(self, run: LiveRun, command: str, code: str | None, message: str) -> None:
        """The training process answered a command."""
        if command in self._forwarded:
            client, original = self._forwarded.pop(command)
            self.answer(client, original, code, message)

    def begun(self, run: LiveRun, instead: LiveRun | None) -> None:
        """A new run is there; the pages of the one that it replaces stay, and look at the new one."""
        before = self._rooms.pop(run.id, None)  # who looks at how it had ended; it goes on now
        self._followed.pop(run.id, None)
        if instead is not None and instead.id != run.id and instead.id in self._rooms:
            room = self._rooms[run.id] = self._rooms.pop(instead.id)
            room.take(run)
            self._followed[instead.id] = run.id
            for page in before.pages if before is not None else ():
                self.open(page, run)
        elif before is not None:
            self._rooms[run.id] = before
            before.take(run)
        else:
            self.room(run)
            for page in [page for page in self._streaming() if page.room is None]:  # it has waited for a first run
                self.open(page, run)
        for id in [id for id, room in self._rooms.items() if self.supervisor.get(id) is None and not room.pages]:
            del self._rooms[id]
        self._listing.soon()

    def hear_of(self, news: ScriptNews) -> None:
        """Something is new of the script that is run to be shown; what was known besides stays so."""
        known = self._awaited or {"why": None, "detail": None, "lines": None}
        if news.code is not None:
            for run in self.supervisor.runs():
                if isinstance(run, AttachedRun) and news.tells_of(script_in(run.record.facts)):
                    run.script_ended(news.code)
        reason = news.model_dump(include={"why", "detail", "lines"}) if news.why is not None else known
        self._awaited = {
            "type": "awaited",
            "script": news.script,
            "code": news.code,
            "why": reason["why"],
            "detail": reason["detail"],
            "lines": reason["lines"],
        }
        for client in self._streaming():
            self._post_awaited(client)

    # Inside

    def _post_awaited(self, client: Client) -> None:
        if self._awaited is not None:
            client.show("awaited", json.dumps(self._awaited))

    def _streaming(self) -> list[Client]:
        """Every connection whose stream has started."""
        return [client for client in self._clients if client.tab is not None]

    def _list_runs(self) -> None:
        for client in self._streaming():
            self._post_runs(client)

    def _post_runs(self, client: Client) -> None:
        told: RunsTold = {"type": "runs", "runs": [run.brief() for run in self.supervisor.runs()]}
        client.show("runs", json.dumps(told, allow_nan=False))
