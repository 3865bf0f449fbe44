"""How smoothly the page shows a run: headless Chromium, software rendering, a window as tall as all panels.

Refreshes and main-thread tasks are those of a run at full speed. The heap is read after a garbage collection. Scrubbing
drags the timeline's cursor over every update there is.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from playwright.sync_api import Browser, Page

from benchmarks.shared import SETTINGS, SETTLE, show
from tests.browser.dashboard import PANELS
from tests.live import LiveServer, chromium

WIDTH = 1440
SHORT = (
    *("--env", "CartPole-v1", "--num-envs", "2", "--rollout-steps", "16", "--epochs", "1", "--minibatches", "1"),
    *("--hidden-sizes", "16"),
)
"""Updates so short that ten thousand of them are over in a minute."""
HEAP_FROM = 0.1
"""The heap is compared from this share of the updates on: before, caches fill."""
WARM_UP = 10_000
SCRUB_SECONDS = 10.0
SLOW_TASK = 50.0

WATCH = """() => {
    window.refreshes = [];
    new MutationObserver(() => window.refreshes.push(performance.now()))
        .observe(document.body, { attributeFilter: ["data-sequence", "data-update"] });
}"""
FIRST = """() => ({
    picture: performance.getEntriesByName("first-contentful-paint")[0].startTime,
    now: performance.now(),
})"""
SCRUB = """async seconds => {
    const cursor = document.querySelector("input[aria-label=Timeline]");
    const last = Number(cursor.max);
    const start = performance.now();
    const before = window.refreshes.length;
    for (;;) {
        const passed = (performance.now() - start) / (1000 * seconds);
        if (passed >= 1) break;
        cursor.value = String(Math.round(last * (1 - Math.abs(2 * passed - 1))));
        cursor.dispatchEvent(new Event("input"));
        await new Promise(requestAnimationFrame);
    }
    return [last, (window.refreshes.length - before) / seconds];
}"""


@dataclass
class Run:
    """A page of its own on a server of its own."""

    server: LiveServer
    page: Page

    def at(self, **data: str) -> None:
        self.page.wait_for_selector("body" + "".join(f"[data-{k}='{v}']" for k, v in data.items()), timeout=600_000)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def updates(self) -> int:
        return int(self.server.run()["update"])

    def refreshed(self) -> int:
        return int(self.page.evaluate("window.refreshes.length"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of watching at full speed")
    parser.add_argument("--updates", type=int, default=10_000, help="of the long run")
    options = parser.parse_args()
    rows: list[tuple[str, str, str]] = []
    with chromium() as browser:
        rows += loading(browser)
        rows += resting(browser, options.seconds)
        rows += full_speed(browser, options.seconds)
        rows += long_run(browser, options.updates)
    show("The page, all panels in sight", ("", "measured", "aim"), rows, "Headless Chromium, no GPU.")


@contextmanager
def opened(browser: Browser, *arguments: str) -> Iterator[Run]:
    """The dashboard of a paused run, after its first update, in a window in which nothing is out of sight."""
    server = LiveServer("--paused", *arguments)
    page = browser.new_context(viewport={"width": WIDTH, "height": 900}).new_page()
    run = Run(server, page)
    try:
        page.goto(server.url)
        run.at(state="paused")
        # A panel's height follows the window's: it is held while the window becomes as tall as they all are.
        page.evaluate("""() => {
            for (const panel of document.querySelectorAll('.panel')) panel.style.height = `${panel.offsetHeight}px`;
        }""")
        for _ in range(2):  # what stands above them is laid out otherwise in a tall window
            page.set_viewport_size({"width": WIDTH, "height": int(page.evaluate("document.body.scrollHeight"))})
        page.get_by_role("button", name="Play").and_(page.locator(":enabled")).wait_for()
        run.press("Step")
        run.at(state="paused", update="1")
        page.wait_for_timeout(SETTLE)
        hidden = page.evaluate(
            "[...document.querySelectorAll('.panel')].filter(p => "
            "p.getBoundingClientRect().bottom > innerHeight).length"
        )
        assert page.locator(".panel").count() == PANELS and not hidden, f"{hidden} panels are out of sight"
        page.evaluate(WATCH)
        yield run
    finally:
        page.context.close()
        server.stop()


def loading(browser: Browser, times: int = 5) -> list[tuple[str, str, str]]:
    """A paused run that has made an update, opened again and again: in a fresh browser profile, and once more in it."""
    pictures = []
    painted: dict[str, list[float]] = {"": [], ", once more": []}
    used: dict[str, list[float]] = {"": [], ", once more": []}
    server = LiveServer("--paused", *SETTINGS)
    try:
        for time_ in range(times + 1):
            context = browser.new_context(viewport={"width": WIDTH, "height": 900})
            page = context.new_page()
            for which in painted:
                before = processor_seconds(browser)
                page.goto("about:blank")
                page.goto(server.url)
                page.wait_for_selector("body[data-state=paused]")
                first = page.evaluate(FIRST)
                page.wait_for_timeout(SETTLE)
                if time_ > 0:
                    painted[which].append(first["now"])
                    used[which].append(processor_seconds(browser) - before)
                if which == "" and time_ > 0:
                    pictures.append(first["picture"])
                if time_ == 0 and which == "":
                    page.get_by_role("button", name="Step", exact=True).click()
                    page.wait_for_selector("body[data-state=paused][data-update='1']")
            context.close()
    finally:
        server.stop()
    return [
        ("first contentful paint, ms", f"{median(pictures):,.0f}", "1,500"),
        *(
            (f"link → run painted, charts and all{which}, ms", f"{median(painted[which]):,.0f}", "1,500")
            for which in painted
        ),
        *((f"processor time of Chromium for it{one}, s", f"{median(used[one]):.2f}", "") for one in used),
    ]


def resting(browser: Browser, seconds: float) -> list[tuple[str, str, str]]:
    """A paused run: the policy acts in its environment, and nothing else moves."""
    rows = []
    with opened(browser, *SETTINGS) as run:
        for where, aim in (("in sight", "10"), ("hidden", "1")):
            if where == "hidden":
                run.press("Hide Environment")
            run.page.wait_for_timeout(SETTLE)
            cpu, start = processor_seconds(browser), time.perf_counter()
            run.page.wait_for_timeout(1000 * seconds)
            share = (processor_seconds(browser) - cpu) / (time.perf_counter() - start)
            rows.append((f"a paused page with the environment {where}, % of a core", f"{100 * share:.1f}", aim))
    return rows


def full_speed(browser: Browser, seconds: float) -> list[tuple[str, str, str]]:
    with opened(browser, *SETTINGS) as run:
        run.press("Play")
        run.at(state="running")
        run.page.wait_for_timeout(WARM_UP)  # the ranges of the axes grow quickly at first
        cpu = processor_seconds(browser)
        before, start = run.refreshed(), time.perf_counter()
        updates = run.updates()
        run.page.wait_for_timeout(1000 * seconds)
        passed = time.perf_counter() - start
        count, updates = run.refreshed() - before, run.updates() - updates
        cpu = processor_seconds(browser) - cpu
        tasks = traced_tasks(browser, run.page, seconds)
        run.press("Pause")
    slow = quantiles(tasks, n=100, method="inclusive")[98]
    return [
        ("refreshes a second", f"{count / passed:.1f}", "24"),
        ("updates a second meanwhile", f"{updates / passed:.1f}", ""),
        ("processor time of Chromium a refresh, ms", f"{1000 * cpu / max(count, 1):.1f}", "30"),
        ("main-thread tasks, 99th percentile, ms", f"{slow:.1f}", ""),
        (f"tasks over {SLOW_TASK:.0f} ms", f"{sum(t > SLOW_TASK for t in tasks)} of {len(tasks):,}", "none"),
        ("longest task, ms", f"{max(tasks):.1f}", ""),
    ]


def long_run(browser: Browser, updates: int) -> list[tuple[str, str, str]]:
    heaps: list[tuple[int, float]] = []
    with opened(browser, *SHORT) as run:
        run.press("Play")
        while (at := run.updates()) < updates:
            if at >= HEAP_FROM * updates:
                heaps.append((at, heap(run.page)))
            run.page.wait_for_timeout(1000)
        heaps.append((run.updates(), heap(run.page)))
        run.press("Pause")
        run.at(state="paused")
        run.page.wait_for_timeout(SETTLE)
        last, pictures = run.page.evaluate(SCRUB, SCRUB_SECONDS)
    (first_at, first), (last_at, final) = heaps[0], heaps[-1]
    return [
        (f"heap at update {first_at:,} and {last_at:,}, MB", f"{first:.1f} and {final:.1f}", "flat"),
        (f"pictures a second, scrubbing {last:,} updates", f"{pictures:.1f}", "30"),
    ]


def heap(page: Page) -> float:
    """MB in use by the page's script, after a garbage collection."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    return float(used) / 1e6


def processor_seconds(browser: Browser) -> float:
    """What all processes of Chromium have used up."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return sum(float(process["cpuTime"]) for process in processes)


def traced_tasks(browser: Browser, page: Page, seconds: float) -> list[float]:
    """Milliseconds of every task of the page's main thread in so many seconds."""
    browser.start_tracing(page=page, categories=["toplevel", "disabled-by-default-devtools.timeline"])
    page.wait_for_timeout(1000 * seconds)
    events: list[dict[str, Any]] = json.loads(browser.stop_tracing())["traceEvents"]
    main_threads = {
        (e["pid"], e["tid"]) for e in events if e["name"] == "thread_name" and e["args"]["name"] == "CrRendererMain"
    }
    tasks = [
        (event["pid"], event["dur"] / 1000)
        for event in events
        if event["name"] == "RunTask" and "dur" in event and (event["pid"], event["tid"]) in main_threads
    ]
    # Another renderer may wait beside ours: ours is the one that has worked.
    ours = max({pid for pid, _ in tasks}, key=lambda pid: sum(t for p, t in tasks if p == pid))
    return [duration for pid, duration in tasks if pid == ours]


if __name__ == "__main__":
    main()
