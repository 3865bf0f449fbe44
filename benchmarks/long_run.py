"""How the page holds up with a run of 100,000 updates: opening it, scrubbing it, zooming it, pointing at it.

The run is made up (`tests/server/long_runs.py`): 54 columns, an episode an update, 400 moments of CartPole.
Headless Chromium, software rendering, 1440 × 900, the panels as a page has them that is opened for the first time.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

from playwright.sync_api import Browser, Page

from benchmarks.page import SCRUB, WATCH, heap, processor_seconds
from benchmarks.shared import SETTLE, show
from tests.browser.dashboard import until
from tests.live import chromium
from tests.server.long_runs import UPDATES
from tests.server.scope_page import ServerProcess

TASKS = """() => {
    window.tasks = [];
    new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map(({ duration }) => duration)))
        .observe({ type: "longtask", buffered: true });
}"""
WHOLE = """(last) => {
    const loaded = performance.getEntriesByType("resource").filter(({ name }) => /series\\?/.test(name));
    const chart = document.querySelector('.chart[aria-label="Episodic return"]');
    const missing = !chart?.data || chart.data[0].y.some(Number.isNaN) || chart.data[0].y.length < 380;
    const bytes = loaded.reduce((sum, { transferSize }) => sum + transferSize, 0);
    return missing ? null : { now: performance.now(), bytes };
}"""
DRAG = """async ([seconds, what]) => {
    const lane = document.querySelector(".brush").getBoundingClientRect();
    const track = document.querySelector("input[aria-label=Timeline]").getBoundingClientRect();
    const tell = (target, type, x, y) => target.dispatchEvent(
        new PointerEvent(type, { clientX: x, clientY: y, pointerId: 1, bubbles: true, button: 0, isPrimary: true }));
    const box = what === "span" ? lane : track;
    const target = document.querySelector(what === "span" ? ".brush" : "input[aria-label=Timeline]");
    target.setPointerCapture = () => {};
    const y = box.top + box.height / 2;
    const start = performance.now();
    let frames = 0;
    if (what === "span") {
        tell(target, "pointerdown", box.left + 0.3 * box.width, y);
        tell(target, "pointermove", box.left + 0.4 * box.width, y);
        tell(target, "pointerup", box.left + 0.4 * box.width, y);
        await new Promise(requestAnimationFrame);
        tell(target, "pointerdown", box.left + 0.35 * box.width, y);
    }
    while (performance.now() - start < 1000 * seconds) {
        const share = 0.3 + 0.5 * Math.abs(Math.sin((performance.now() - start) / 700));
        tell(target, "pointermove", box.left + share * box.width, y);
        await new Promise(requestAnimationFrame);
        frames++;
    }
    if (what === "span") tell(target, "pointerup", box.left + 0.5 * box.width, y);
    return frames / seconds;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="of scrubbing, of zooming and of pointing each")
    parser.add_argument("--times", type=int, default=3, help="that the page is opened")
    options = parser.parse_args()
    server = ServerProcess("tests.server.long_runs:long")
    try:
        until(lambda: server.run()["update"] == UPDATES)
        with chromium() as browser:
            rows = opening(browser, server, options.times)
            rows += moving(browser, server, options.seconds)
    finally:
        server.kill()
    show(f"A run of {UPDATES:,} updates", ("", "", "wanted"), rows, "headless Chromium, software rendering")


def opened(browser: Browser, server: ServerProcess) -> Page:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(f"{server.origin}/#token={server.token}")
    page.wait_for_selector(f"body[data-update='{UPDATES}']")
    return page


def opening(browser: Browser, server: ServerProcess, times: int) -> list[tuple[str, str, str]]:
    """The first time warms the browser up and does not count."""
    painted, whole, tasks, used, heaps = [], [], [], [], []
    megabytes = 0.0
    for time_ in range(times + 1):
        before = processor_seconds(browser)
        page = opened(browser, server)
        first = page.evaluate("performance.now()")
        page.evaluate(TASKS)
        found = until(lambda: page.evaluate(WHOLE, UPDATES))  # noqa: B023
        page.wait_for_timeout(SETTLE)
        if time_:
            painted.append(first)
            whole.append(found["now"])
            megabytes = found["bytes"] / 1e6
            tasks.append(max(page.evaluate("window.tasks"), default=0.0))
            used.append(processor_seconds(browser) - before)
            heaps.append(heap(page) + rows_held(page))
        page.context.close()
    return [
        ("link → newest update painted, ms", f"{median(painted):,.0f}", "1,000"),
        ("link → curves whole, ms", f"{median(whole):,.0f}", ""),
        ("rows by HTTP, MB", f"{megabytes:.1f}", ""),
        ("longest main-thread task meanwhile, ms", f"{median(tasks):,.0f}", ""),
        ("processor time of Chromium for it, s", f"{median(used):.2f}", ""),
        ("heap and rows then, MB", f"{median(heaps):.1f}", ""),
    ]


def rows_held(page: Page) -> float:
    """MB of arrays, which the heap's size leaves out; after `heap` has collected the garbage."""
    session = page.context.new_cdp_session(page)
    held = session.send("Runtime.getHeapUsage").get("backingStorageSize", 0.0)
    session.detach()
    return float(held) / 1e6


def moving(browser: Browser, server: ServerProcess, seconds: float) -> list[tuple[str, str, str]]:
    page = opened(browser, server)
    until(lambda: page.evaluate(WHOLE, UPDATES))
    page.wait_for_timeout(SETTLE)
    page.evaluate(WATCH)
    page.evaluate(SCRUB, 1.0)  # what is compiled the first time
    before = processor_seconds(browser)
    _, pictures = page.evaluate(SCRUB, seconds)
    each = 1000 * (processor_seconds(browser) - before) / (pictures * seconds or 1)
    rows = [
        ("pictures a second, scrubbing", f"{pictures:.1f}", "20"),
        ("processor time of Chromium each, ms", f"{each:.1f}", ""),
    ]
    page.get_by_role("button", name="Back to live").click()
    for what, words in {"span": "moving the span of the charts", "pointer": "pointing at updates"}.items():
        if page.locator(".brush").count() == 0:
            break  # of an older page
        page.wait_for_timeout(SETTLE)
        before, start = processor_seconds(browser), time.perf_counter()
        frames = page.evaluate(DRAG, [seconds, what])
        passed = time.perf_counter() - start
        each = 1000 * (processor_seconds(browser) - before) / (frames * passed or 1)
        rows += [
            (f"frames a second, {words}", f"{frames:.1f}", "20"),
            ("processor time of Chromium each, ms", f"{each:.1f}", ""),
        ]
    page.context.close()
    return rows


if __name__ == "__main__":
    main()
