"""Up to four runs in one page, live, kept and recorded: each has its letter, its curve and its side of every panel."""

import gzip
import json
import re

import numpy as np

from ppo_scope.records.library import Library
from ppo_scope.wire.frame import decode
from tests.browser.dashboard import Dashboard, until
from tests.browser.test_accessibility import violations
from tests.browser.test_runs import beside, opener_of
from tests.browser.test_two_runs import SMALL, address, compare, places, strip
from tests.live import ROOT, LiveServer

KEPT = 3
SHOWN = "?panels=episodic-return,ratio-histogram,clip-mask"
MEAN = "episodic_return_mean"


def letters(page):
    return strip(page).locator(".of-run .run-mark").all_inner_texts()


def add(page):
    """The list of what can be compared, opened from the comparison's own line."""
    strip(page).get_by_role("button", name="Add a run").click()
    return page.get_by_role("group", name="Runs", exact=True)


def series_of(server, run):
    """Update → mean return of the last 100 episodes, as the server has it; only where there is one."""
    found = json.loads(server.get(f"api/runs/{run}/series"))
    at = found["columns"].index(MEAN)
    return {found["first"] + n: row[at] for n, row in enumerate(found["rows"]) if row[at] is not None}


def recorded_series():
    """The same, of the recording that comes with the page."""
    whole, at, found = gzip.decompress((ROOT / "frontend/recordings/cartpole.rec").read_bytes()), 0, {}
    while at < len(whole):
        length = int.from_bytes(whole[at : at + 8], "little")
        header, arrays = decode(whole[at + 8 : at + 8 + length])
        at += 8 + length
        if header["kind"] == "series":
            means = arrays["rows"][:, header["columns"].index(MEAN)]
            found |= {header["first"] + row: float(mean) for row, mean in enumerate(means) if np.isfinite(mean)}
    return found


def curves(page, count):
    """What is drawn of each run: update → mean return."""
    drawn = page.locator("#panel-episodic-return .chart").evaluate(
        "(chart, count) => chart.data.slice(0, count).map(({ x, y }) => [...x].map((at, n) => [at, y[n]]))", count
    )
    return [{at: mean for at, mean in curve if mean is not None} for curve in drawn]


def sides(page):
    """Of each side of the ratio histogram: the run's letter, and its own ε and update."""
    return [
        (
            one.locator(".run-mark").inner_text(),
            chart.get_attribute("data-clip-range"),
            chart.get_attribute("data-update"),
        )
        for one in page.locator("#panel-ratio-histogram .side").all()
        for chart in one.locator(".chart").all()
    ]


def test_four_runs_stand_side_by_side_and_a_fifth_is_refused(page, tmp_path, ending):
    old = LiveServer("--runs-dir", str(tmp_path), "--clip-range", "0.4", *SMALL[1:])
    until(lambda: old.run()["update"] >= KEPT)
    kept = old.run()["id"]
    old.stop()
    last = Library(tmp_path).runs()[0].last  # the process that opens it again may take its time to come there
    live = LiveServer("--runs-dir", str(tmp_path), *SMALL)
    ending.append(live)
    page.set_viewport_size({"width": 1440, "height": 2400})
    dashboard = Dashboard(page, live.url.replace("#", f"{SHOWN}#")).step(update="1")
    first, second = live.run()["id"], beside(page, seed=3, epochs=2, minibatches=2, clip_range=0.05)
    until(opener_of(page).inner_text, lambda text: "+1" in text)
    compare(page)
    add(page).get_by_role("button", name=f"Compare with CartPole-v1, seed 7, run {kept}").click()
    until(lambda: letters(page), lambda seen: seen == ["A", "B", "C"])
    add(page).get_by_role("button", name="Compare with the recorded run").click()
    until(lambda: letters(page), lambda seen: seen == ["A", "B", "C", "D"])
    end = max(recorded_series())
    for update in (2, 3):
        page.get_by_role("button", name="Step", exact=True).click()
        until(
            lambda update=update: places(page),
            lambda seen, update=update: seen[:2] == [f"update {n}" for n in (update, update - 1)],
        )
    over = [f"update {last}", f"update {end}"]
    until(lambda: places(page)[2:], lambda seen: seen == over)  # nothing goes on in them

    wanted = [*(series_of(live, run) for run in (first, second, kept)), recorded_series()]
    until(lambda: curves(page, 4), lambda drawn: drawn == wanted)
    expected = [("A", "0.2", "3"), ("B", "0.05", "2"), ("C", "0.4", str(last)), ("D", "0.2", str(end))]
    until(lambda: sides(page), lambda seen: seen == expected)
    masks = page.locator("#panel-clip-mask canvas")
    updates = ["3", "2", str(last), str(end)]
    until(lambda: [mask.get_attribute("data-update") for mask in masks.all()], lambda seen: seen == updates)
    key = dashboard.panel("Episodic return").locator(".of-runs .run-mark")
    assert key.all_inner_texts() == ["A", "B", "C", "D"]
    strip(page).locator("summary").press("Enter")
    rows = [row.split("\t") for row in strip(page).locator("tbody tr").all_inner_texts()]
    assert ["Clip range ε", "0.2", "0.05", "0.4", "0.2"] in rows
    page.keyboard.press("Escape")
    assert violations(page) == []
    opener_of(page).click()
    menu = page.get_by_role("group", name="Runs", exact=True)
    until(
        lambda: [one for one in menu.locator(".run-item").all_inner_texts() if kept in one], lambda seen: len(seen) == 1
    )
    page.keyboard.press("Escape")

    assert strip(page).get_by_role("button", name="Add a run").is_disabled()
    opener_of(page).click()
    page.get_by_role("button", name="Compare with the recorded run").click()
    until(page.locator(".toasts").inner_text, lambda text: "4 runs are compared already" in text)
    assert letters(page) == ["A", "B", "C", "D"]

    strip(page).get_by_role("button", name=re.compile("^Take C, ")).click()
    until(lambda: letters(page), lambda seen: seen == ["A", "B", "D"])
    left = [expected[0], expected[1], expected[3]]
    until(lambda: sides(page), lambda seen: seen == left)
    until(lambda: address(page), lambda url: f"beside=run:{second},,recording:cartpole" in url)
    page.reload()
    until(lambda: letters(page), lambda seen: seen == ["A", "B", "D"])
    until(lambda: sides(page), lambda seen: seen == left)
    page.goto(address(page).replace(",,recording:cartpole", ",,recording:cartpole,run:0"))
    until(page.locator(".toasts").inner_text, lambda text: "it does not fit: beside: run:0" in text)
    until(lambda: letters(page), lambda seen: seen == ["A", "B", "D"])
