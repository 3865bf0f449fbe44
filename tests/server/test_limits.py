"""The parts that bound what a page can cost, on clocks and sockets of the test's own."""

import asyncio
import json
import socket

import pytest

from ppo_scope.server import client as client_module
from ppo_scope.server.client import QUEUE, Client
from ppo_scope.server.lease import Lease
from ppo_scope.server.roles import Role
from ppo_scope.server.serve import listen
from ppo_scope.server.throttle import PATIENCE, RATE, Meter, Strikes


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Socket:
    """Takes what is sent while it is open for it."""

    def __init__(self, reads=True):
        self.sent, self.closed, self.scope = [], None, {}
        self.reading = asyncio.Event()
        if reads:
            self.reading.set()

    async def send_text(self, text):
        await self.reading.wait()
        self.sent.append(json.loads(text))

    async def send_bytes(self, data):
        await self.reading.wait()
        self.sent.append(data)

    async def close(self, code, reason):
        await self.reading.wait()
        self.closed = code


def viewing(_):
    return Role.VIEWER


async def settle():
    for _ in range(300):
        await asyncio.sleep(0)


def test_a_slow_page_skips_to_the_newest_of_each_kind_and_loses_no_message():
    async def scenario():
        socket = Socket(reads=False)
        client = Client(socket, viewing)
        writing = asyncio.create_task(client.write())
        client.show("snapshot", b"first")
        await settle()  # the first is on its way and blocks
        for number in range(100):
            client.show("snapshot", b"s%d" % number)
            client.show("series", b"r%d" % number)
        client.post({"type": "state"})
        client.post({"type": "change"})
        socket.reading.set()
        await settle()
        assert socket.sent == [b"first", {"type": "state"}, {"type": "change"}, b"s99", b"r99"]
        writing.cancel()

    asyncio.run(scenario())


def test_an_answer_comes_after_the_frames_that_came_of_its_command():
    async def scenario():
        client = Client(socket := Socket(), viewing)
        client.show("snapshot", b"s1")
        client.show("comparison", b"c1")
        client.answer(answer := {"type": "ack", "id": "keep-1"})
        client.show("snapshot", b"s2")
        client.post({"type": "state"})
        writing = asyncio.create_task(client.write())
        await settle()
        assert socket.sent == [{"type": "state"}, b"s2", b"c1", answer]
        writing.cancel()

    asyncio.run(scenario())


def test_a_snapshot_of_an_update_that_has_begun_leaves_the_last_whole_one():
    async def scenario():
        client = Client(socket := Socket(), viewing)
        for number in range(3):
            client.show("snapshot", b"begun %d" % number, begun=True)
            client.show("snapshot", b"whole %d" % number)
        for number in (3, 4):
            client.show("snapshot", b"begun %d" % number, begun=True)
        writing = asyncio.create_task(client.write())
        await settle()
        assert socket.sent == [b"whole 2", b"begun 4"]
        writing.cancel()

    asyncio.run(scenario())


def test_an_overflowing_queue_closes_with_1013_and_frees_what_waited():
    async def scenario():
        socket = Socket(reads=False)
        client = Client(socket, viewing)
        writing = asyncio.create_task(client.write())
        client.post({"number": -1})
        await settle()
        for number in range(QUEUE):
            client.post({"number": number})
        client.show("snapshot", b"x")
        client.post({"number": QUEUE})
        client.post({"number": QUEUE + 1})
        socket.reading.set()
        await asyncio.wait_for(writing, 1)
        assert socket.closed == 1013
        assert socket.sent == [{"number": -1}]

    asyncio.run(scenario())


def test_a_send_that_takes_too_long_lets_the_page_go(monkeypatch):
    monkeypatch.setattr(client_module, "SEND_LIMIT", 0.05)

    async def scenario():
        client = Client(Socket(reads=False), viewing)
        client.post({})
        await asyncio.wait_for(client.write(), 1)

    asyncio.run(scenario())


def test_messages_that_wait_are_sent_before_the_close():
    async def scenario():
        socket = Socket()
        client = Client(socket, viewing)
        client.post({"type": "error"})
        client.close(1008, "why")
        client.close(1001, "later")
        client.post({"type": "too late"})
        await asyncio.wait_for(client.write(), 1)
        assert socket.sent == [{"type": "error"}]
        assert socket.closed == 1008

    asyncio.run(scenario())


def test_the_meter_admits_a_burst_then_the_rate():
    clock = Clock()
    meter = Meter(clock)
    assert [meter.admit() for _ in range(RATE + 1)] == [True] * RATE + [False]
    clock.now += 0.1
    assert [meter.admit() for _ in range(RATE // 10 + 1)] == [True] * (RATE // 10) + [False]
    assert not meter.exhausted


def test_the_meter_is_exhausted_by_those_who_go_on_and_forgives_those_who_rest():
    clock = Clock()
    meter = Meter(clock)
    for _ in range(RATE + PATIENCE - 1):
        meter.admit()
    assert not meter.exhausted
    clock.now += 1
    assert meter.admit()
    for _ in range(RATE - 1 + PATIENCE - 1):
        meter.admit()
    assert not meter.exhausted
    meter.admit()
    assert meter.exhausted


def test_twice_the_rate_for_long_is_exhausting():
    clock = Clock()
    meter = Meter(clock)
    for _ in range(2000):
        clock.now += 0.5 / RATE
        meter.admit()
    assert meter.exhausted


def test_three_strikes_within_ten_seconds():
    clock = Clock()
    strikes = Strikes(clock)
    results = []
    for at in (0, 6, 11, 15.9, 30, 31, 32):
        clock.now = at
        results.append(strikes.strike())
    assert results == [False, False, False, True, False, False, True]


def leader(tab, role=Role.CONTROLLER):
    client = Client(None, viewing)
    client.tab, client.role = tab, role
    return client


@pytest.fixture
def lease():
    return Lease()


def test_the_first_controller_leads_and_a_viewer_never(lease):
    first, second, viewer = leader("a"), leader("b"), leader("v", Role.VIEWER)
    assert not lease.arrive(viewer)
    assert lease.arrive(first)
    assert not lease.arrive(second)
    assert lease.allows(first, 1)
    assert not lease.allows(first, 0)
    assert not lease.allows(second, 1)


def test_a_tab_that_comes_back_keeps_its_generation(lease):
    before, after, other = leader("a"), leader("a"), leader("b")
    lease.arrive(before)
    assert lease.leave(before)
    assert not lease.arrive(other)
    assert lease.arrive(after)
    assert lease.allows(after, 1)
    assert not lease.free([other])  # its time to come back runs out later: nothing happens


def test_a_tab_that_stays_away_is_followed_by_the_next_that_may(lease):
    gone, viewer, other = leader("a"), leader("v", Role.VIEWER), leader("b")
    lease.arrive(gone)
    lease.leave(gone)
    assert lease.free([viewer, other])
    assert lease.allows(other, 2)


def test_a_tab_that_was_followed_leads_again_if_it_is_back_soon(lease):
    before, after, other = leader("a"), leader("a"), leader("b")
    lease.arrive(before)
    lease.leave(before)
    lease.free([other])
    assert lease.arrive(after)
    assert lease.allows(after, 3) and not lease.allows(other, 2)
    lease.forget(2)  # the time of that absence runs out later: nothing happens
    lease.leave(after)
    lease.free([other])
    lease.forget(4)
    assert not lease.arrive(leader("a"))


def test_who_takes_the_lease_by_hand_keeps_it(lease):
    before, other = leader("a"), leader("b")
    lease.arrive(before)
    lease.leave(before)
    lease.free([other])
    lease.take(other)
    assert not lease.arrive(leader("a"))


def test_a_copy_of_a_tab_leads_in_place_of_the_tab(lease):
    tab, copy = leader("a"), leader("a")
    lease.arrive(tab)
    assert lease.arrive(copy)
    assert not lease.allows(tab, 1)
    assert not lease.leave(tab)
    assert lease.allows(copy, 1)


def test_what_is_sent_does_not_wait_for_an_acknowledgement():
    """Nagle's algorithm is off on what our socket accepts: with it an answer in two parts takes 40 ms longer."""

    async def accept():
        delays = asyncio.get_running_loop().create_future()

        def accepted(_, writer):
            delays.set_result(not writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with listen("127.0.0.1", 0) as listener:
            async with await asyncio.start_server(accepted, sock=listener):
                _, writer = await asyncio.open_connection(*listener.getsockname())
                found = await delays
                writer.close()
        return found

    assert asyncio.run(accept()) is False
