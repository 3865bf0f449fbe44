"""What is on its way to a page: a few large frames, the newest of what there is when each of them leaves."""

import json
import time

import pytest

from ppo_scope.server.client import LARGE, ON_THE_WAY
from ppo_scope.wire import frame
from tests.server.crowds import RESUME
from tests.server.scope_page import Page, masked, raw_websocket, wait_for

BINARY, PING, PONG = 2, 9, 10
MARKED, ASKS = 12, 4
"""Bytes of a ping that marks what was sent, and of one that asks whether anybody is there."""
OFTEN = 1.5
"""Seconds after which that is asked; who does not answer within twice as many is let go."""


class FarAway:
    """A page at the end of a long line: it reads all that comes; its answers are on their way until they are let go.

    Those to a ping that asks whether it is there are not held up, unless all are.
    """

    def __init__(self, server, *, holds=(MARKED,)):
        self._holds = holds
        self._bare = raw_websocket(server)
        self._bare.settimeout(1.0)
        self._bare.sendall(masked(json.dumps({**RESUME, "client": "far"})))
        self._data = b""
        self.large, self.held = [], []

    def read(self):
        """What there is now; False where nothing came for a second."""
        try:
            data = self._bare.recv(1 << 20)
        except TimeoutError:
            return False
        assert data, "the server has let it go"
        self._data += data
        while (found := self._frame()) is not None:
            opcode, payload = found
            if opcode == BINARY and len(payload) >= LARGE:
                self.large.append(frame.decode(payload)[0])
            if opcode == PING and len(payload) in self._holds:
                self.held.append(payload)
            elif opcode == PING:
                self._answer(payload)
        return True

    def until(self, condition):
        """Read until it holds."""
        wait_for(lambda: self.read() and condition())

    @property
    def last(self):
        """How long the latest ping is that waits for its answer."""
        return len(self.held[-1]) if self.held else 0

    def let_go(self, count):
        """So many answers come to the server."""
        for payload in self.held[:count]:
            self._answer(payload)
        del self.held[:count]

    def answer_the_last(self):
        """Of several pings, that one alone."""
        del self.held[:-1]
        self.let_go(1)

    def close(self):
        self._bare.close()

    def _answer(self, payload):
        self._bare.sendall(bytes([0x80 | PONG, 0x80 | len(payload)]) + bytes(4) + payload)

    def _frame(self):
        data = self._data.partition(b"\r\n\r\n")[2] if self._data.startswith(b"\x20") else self._data
        if len(data) < 2:
            return None
        extra = {126: 2, 127: 8}.get(data[1], 0)
        size = int.from_bytes(data[2 : 2 + extra]) if extra else data[1]
        whole = 2 + extra + size
        if len(data) < whole:
            return None
        self._data = data[whole:]
        return data[0] & 15, data[2 + extra : whole]


@pytest.fixture
def busy(launch):
    return launch("heavy", paused=False)


@pytest.fixture
def far(busy):
    page = FarAway(busy)
    yield page
    page.close()


def all_of(page, at_least):
    """Read until so many large frames are there and no more come."""
    wait_for(lambda: page.read() and len(page.large) >= at_least)
    while page.read():
        pass


def test_few_are_on_their_way_and_each_is_the_newest(busy, far):
    all_of(far, ON_THE_WAY)
    assert len(far.large) == len(far.held) == ON_THE_WAY, "no more until one has come"
    before = busy.run()["update"]
    far.let_go(1)
    all_of(far, ON_THE_WAY + 1)
    assert len(far.large) == ON_THE_WAY + 1
    assert far.large[-1]["update"] >= before, "what waited meanwhile has been replaced"


def test_one_answer_stands_for_all_before_it(far):
    """As a browser may do it, that has several pings before it."""
    all_of(far, ON_THE_WAY)
    far.answer_the_last()
    far.until(lambda: len(far.large) == 2 * ON_THE_WAY)


def test_so_it_does_whatever_each_of_them_is_for(launch):
    """Some mark what was sent, others ask whether the page is there."""
    far = FarAway(launch("heavy", paused=False, sooner=[("serve", "PING", OFTEN)]), holds=(MARKED, ASKS))
    try:
        far.until(lambda: len(far.large) == ON_THE_WAY and far.last == ASKS)
        far.answer_the_last()
        far.until(lambda: len(far.large) == 2 * ON_THE_WAY and far.last == ASKS)
        asked = far.held[-1]
        far.let_go(1)
        far.until(lambda: far.last == MARKED)
        far.answer_the_last()
        far.until(lambda: far.last == ASKS)
        assert far.held[-1] != asked, "it is there, and is asked anew"
    finally:
        far.close()


def test_a_page_is_there_as_long_as_something_arrives(launch):
    """Over a line so slow that what asks for it stands behind frames that take longer than it may."""
    far = FarAway(launch("heavy", paused=False, sooner=[("serve", "PING", OFTEN)]), holds=(MARKED, ASKS))
    try:
        far.until(lambda: len(far.large) == ON_THE_WAY and far.last == ASKS)
        for number in range(ON_THE_WAY - 1):
            time.sleep(OFTEN)
            far.let_go(1)
            far.until(lambda count=ON_THE_WAY + number + 1: len(far.large) == count)
    finally:
        far.close()


def test_a_page_at_hand_gets_all_of_them(busy):
    with Page(busy, tab="near") as page:
        page.until(lambda: len(page.frames) > 10 * ON_THE_WAY)
