"""How a page leaves: in whatever way its connection ends, the hub and the lease learn of it."""

import asyncio
import json
import logging
import time
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from starlette.requests import HTTPConnection

from ppo_scope.server import room as room_module
from ppo_scope.server import socket
from ppo_scope.server.capacity import Capacity
from ppo_scope.server.client import Client
from ppo_scope.server.commands import Commands
from ppo_scope.server.hub import Hub
from ppo_scope.server.quiet import QUIET, Sparing
from ppo_scope.server.roles import Role
from ppo_scope.server.room import Room
from ppo_scope.server.security import Secrets
from ppo_scope.server.watching import Pace
from ppo_scope.wire.messages import End, Resume


@pytest.fixture
def hub():
    return Hub(worker="none:none", stall_after=10, capacity=Capacity())


class Wire:
    """A websocket that says what it is given, and then nothing."""

    def __init__(self, *messages):
        self.messages = list(messages)
        self.scope = {"type": "websocket", "headers": []}
        self.cookies = HTTPConnection(self.scope).cookies

    async def accept(self):
        pass

    async def receive(self):
        if not self.messages:
            await asyncio.sleep(600)
        message = self.messages.pop(0)
        if isinstance(message, Exception):
            raise message
        return message

    async def send_text(self, text):
        pass

    async def close(self, code, reason):
        pass


class Failing:
    """Commands that fail on purpose."""

    def handle(self, client, message):
        raise LookupError("a mistake of ours")


HEARTBEAT = {"type": "websocket.receive", "text": '{"type":"heartbeat"}'}
FAULTS = {"reading": [RuntimeError("broken")], "acting": [HEARTBEAT], "closing": [{"type": "websocket.disconnect"}]}


@pytest.mark.parametrize("messages", FAULTS.values(), ids=FAULTS)
def test_a_page_leaves_whatever_ends_its_connection(hub, caplog, messages):
    app = FastAPI()
    socket.add_routes(app, hub, Failing(), Secrets(1))
    asyncio.run(app.routes[-1].endpoint(Wire(*messages)))
    assert not hub._clients
    faults = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(faults) == (0 if messages == FAULTS["closing"] else 1)


class Silent:
    """A run that says nothing."""

    record = SimpleNamespace(latest={})

    def describe(self):
        return {}

    def status(self):
        return {"type": "state"}

    def watch(self, probes, environment):
        pass


def enter(room, tab):
    client = Client(Wire(), lambda _: Role.CONTROLLER)
    client.role, client.tab = Role.CONTROLLER, tab
    room.enter(client)
    return client


def test_a_lease_is_kept_anew_each_time_that_its_page_leaves(monkeypatch):
    monkeypatch.setattr(room_module, "RETURN_WITHIN", 1.0)

    async def scenario():
        room = Room(Silent())
        first, other = enter(room, "first"), enter(room, "other")
        room.leave(first, returning=True)
        await asyncio.sleep(0.1)
        again = enter(room, "first")
        assert room.lease.holder is again
        await asyncio.sleep(0.6)
        room.leave(again, returning=True)
        assert room.lease.holder is None
        left = time.monotonic()
        while room.lease.holder is None:  # noqa: ASYNC110  an event of its own would be another way to tell it
            await asyncio.sleep(0.01)
        assert room.lease.holder is other
        assert time.monotonic() - left > 0.9, "that is the second absence: the first would have been over before"

    asyncio.run(asyncio.wait_for(scenario(), 60))


def waiting(client):
    return [message["type"] for message in map(json.loads, iter(client._next, None))]


def test_a_page_whose_run_is_replaced_hears_how_the_new_one_is_and_loses_no_list_of_the_runs():
    async def scenario():
        room = Room(Silent())
        page = enter(room, "page")
        waiting(page)
        page.show("snapshot", b"of the run that was")
        page.show("runs", '{"type": "runs"}')
        room.take(Silent())
        assert waiting(page) == ["run", "state", "runs"]

    asyncio.run(scenario())


def test_a_command_that_fails_by_a_fault_of_the_server_is_answered(hub, caplog):
    class Run(Silent):
        gone = False

        async def stop(self):
            raise LookupError("a mistake of ours")

    async def scenario():
        page = enter(Room(Run()), "page")
        hub._clients[page], hub._tabs[hub._tab(page)] = None, page
        waiting(page)
        commands = Commands(hub)
        commands.handle(page, End(type="end", id="e", lease=page.room.lease.generation))
        await asyncio.gather(*commands._tasks)
        assert waiting(page) == ["error"]
        assert "a mistake of ours" in caplog.text

    asyncio.run(scenario())


def test_nothing_is_remembered_of_pages_that_only_watch(hub):
    async def scenario():
        for number in range(1000):
            client = Client(Wire(), lambda _: Role.VIEWER)
            hub.join(client)
            fields = {"client": f"tab {number}", "server_epoch": None, "run": None, "sequence": None}
            hub.resume(client, Resume(type="resume", protocol=3, **fields))
            hub.leave(client, returning=True)
        assert not hub._replies and not hub._tabs and not hub._clients and not hub._forwarded

    asyncio.run(scenario())


def test_a_pace_calls_at_once_then_now_and_then_and_ends_with_the_last_word():
    async def scenario():
        value, seen, start = [0], [], time.monotonic()
        pace = Pace(lambda: seen.append(value[0]), every=0.1)
        for number in range(50):
            value[0] = number
            pace.soon()
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.15)
        assert seen[0] == 0 and seen[-1] == 49
        assert len(seen) <= 2 + (time.monotonic() - start) / 0.1

    asyncio.run(scenario())


def test_strangers_are_told_of_once_a_minute_and_counted():
    now = [0.0]
    sparing = Sparing(lambda: now[0])

    def say(text, *arguments):
        record = logging.LogRecord("uvicorn.error", logging.WARNING, "", 0, text, arguments, None)
        return record.getMessage() if sparing.filter(record) else None

    assert say("Invalid request from %s", "a") == "Invalid request from a"
    assert [say("Invalid request from %s", name) for name in "bcd"] == [None] * 3
    assert say("Another one") == "Another one"
    now[0] = QUIET + 1
    assert say("Invalid request from %s", "e") == "Invalid request from e (and 3 more like this)"


def test_every_probe_can_be_watched_and_nothing_else():
    from ppo_scope.probes.probes import PROBES
    from ppo_scope.server.watching import WATCHABLE

    assert {*PROBES, "picture"} == WATCHABLE


@pytest.mark.parametrize(("descriptors", "pages"), [(20_000, 640), (1024, 440), (256, 20)])
def test_the_room_leaves_descriptors_for_what_is_not_a_connection(descriptors, pages):
    capacity = Capacity.within(descriptors)
    assert capacity.pages == pages
    assert capacity.pages + capacity.controllers <= capacity.connections
    assert descriptors - capacity.connections >= 200
