"""How soon a run is on show whose server is elsewhere: a page opened through a line that takes its time.

What passes is held back by half of the way there and back, and no more of it passes a second than the line holds.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from statistics import median
from urllib.parse import urlsplit

from playwright.sync_api import Browser

from benchmarks.shared import SETTINGS, show
from tests.live import LiveServer, chromium

LINES = ((0.0, 1000.0), (20.0, 100.0), (80.0, 20.0))
"""(there and back in ms, Mbit/s): none, another building, another town over a household's line."""
COUNTED = """() => {
    const asked = performance.getEntriesByType("resource");
    return [performance.now(), asked.length, asked.reduce((sum, { transferSize }) => sum + transferSize, 0) / 1000];
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5, help="that the page is opened over each line")
    options = parser.parse_args()
    rows = []
    server = LiveServer("--paused", *SETTINGS)
    try:
        with chromium() as browser:
            for delay, rate in LINES:
                with line(urlsplit(server.base).port or 0, delay / 2000, rate * 1e6 / 8) as port:
                    link = f"http://127.0.0.1:{port}/#token={server.token}"
                    name = f"{delay:.0f} ms, {rate:,.0f} Mbit/s"
                    rows += [(name, *row) for row in opening(browser, link, options.times)]
    finally:
        server.stop()
    columns = ("line", "visit", "link → run on show, ms", "files asked for", "kB")
    show("A page of a server elsewhere", columns, rows, "headless Chromium, software rendering; medians")


def opening(browser: Browser, link: str, times: int) -> list[tuple[str, ...]]:
    """What the first and the second visit take; the first visitor of all warms the browser up and does not count."""
    visits: dict[str, list[list[float]]] = {"first": [], "second": []}
    for time_ in range(times + 1):
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        for seen in visits.values():
            page = context.new_page()
            page.goto(link)
            page.wait_for_selector("body[data-update]")
            if time_:
                seen.append(page.evaluate(COUNTED))
            page.close()
        context.close()
    return [
        (visit, *(f"{median(numbers):,.0f}" for numbers in zip(*seen, strict=True))) for visit, seen in visits.items()
    ]


@contextmanager
def line(target: int, delay: float, rate: float) -> Iterator[int]:
    """A port through which `target` is reached later by `delay` seconds each way, at `rate` bytes a second."""
    listening: Future[tuple[int, Callable[[], object]]] = Future()
    down, up = Way(delay, rate), Way(delay, rate)

    async def visited(near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * delay)  # the handshake
        far_in, far_out = await asyncio.open_connection("127.0.0.1", target)
        with suppress(ConnectionError, asyncio.CancelledError):  # the line is taken away
            await asyncio.gather(up.passing(near_in, far_out), down.passing(far_in, near_out))

    async def listen() -> None:
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        server = await asyncio.start_server(visited, "127.0.0.1", 0)
        listening.set_result((server.sockets[0].getsockname()[1], lambda: loop.call_soon_threadsafe(ended.set)))
        await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(listen()))
    thread.start()
    port, end = listening.result()
    try:
        yield port
    finally:
        end()
        thread.join()


class Way:
    """One direction of a line, which all connections share."""

    def __init__(self, delay: float, rate: float) -> None:
        self._delay = delay
        self._rate = rate
        self._free = 0.0
        """When what has been sent until now is on its way."""

    async def passing(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Hand on what comes, until its end."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        arriving = asyncio.create_task(self._arriving(waiting, sink))
        try:
            while data := await source.read(65_536):
                self._free = max(self._free, asyncio.get_running_loop().time()) + len(data) / self._rate
                waiting.put_nowait((self._free + self._delay, data))
            waiting.put_nowait((asyncio.get_running_loop().time() + self._delay, b""))
            await arriving
        finally:
            arriving.cancel()

    async def _arriving(self, waiting: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter) -> None:
        while True:
            due, data = await waiting.get()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            if not data:
                return sink.close()
            sink.write(data)


if __name__ == "__main__":
    main()
