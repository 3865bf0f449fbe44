"""A run of a hundred thousand updates on the page: nothing is left out of sight, a span of it is shown to the number in
all charts at once, and what happened to it is marked with words.
"""

import re
from functools import cache

import numpy as np
import pytest

from ppo_scope.wire.metrics import SERIES_COLUMNS
from tests.browser.dashboard import until
from tests.server import long_runs
from tests.server.scope_page import ServerProcess

PANELS = "panels=episodic-return,loss-components,kl-and-clipping"
TRACE = """(name, chart = document.querySelector(`.chart[aria-label="${name}"]`)) =>
    chart?.data && {
        x: [...chart.data[0].x],
        y: [...(chart.data[0].customdata ?? chart.data[0].y)],
        range: chart.axes.xaxis.range,
    }"""
CHARTS = ("Episodic return", "Loss components", "KL and clipping")
COLUMNS = dict(zip(CHARTS, ("episodic_return_mean", "loss", "kl_exact"), strict=True))


@pytest.fixture(scope="module")
def long_run():
    server = ServerProcess("tests.server.long_runs:long")
    until(lambda: server.run()["update"] == long_runs.UPDATES)
    yield server
    server.kill()


@cache
def told(chart):
    """What the run tells for this chart, of all its updates."""
    return long_runs.rows_of(1, long_runs.UPDATES)[:, SERIES_COLUMNS.index(COLUMNS[chart])]


def values(chart, first=1, last=long_runs.UPDATES):
    return told(chart)[first - 1 : last]


def drawn(page, chart):
    return page.evaluate(f"name => ({TRACE})(name)", chart)


def holds(curve, chart):
    """Whether every update of its range is drawn, to the number."""
    first, last = curve["range"]
    found = dict(zip(curve["x"], curve["y"], strict=True))
    return [found.get(update) for update in range(first, last + 1)] == values(chart, first, last).tolist()


def whole(page):
    """Wait until all rows are here and drawn."""
    for chart in CHARTS:
        end = values(chart).max() if chart != "Episodic return" else values(chart).min()
        until(lambda: drawn(page, chart), lambda curve: curve and end in curve["y"])  # noqa: B023


def test_all_of_a_long_run_is_in_its_curves_and_a_span_of_it_is_shown_to_the_number(long_run, page):
    page.goto(f"{long_run.origin}/?{PANELS}#token={long_run.token}")
    page.wait_for_selector(f"body[data-update='{long_runs.UPDATES}']")
    whole(page)
    for chart in CHARTS:
        curve = drawn(page, chart)
        assert len(curve["y"]) < 1100
        truth = values(chart)
        assert (min(curve["y"]), max(curve["y"])) == (truth.min(), truth.max())

    lane = page.locator(".brush")
    box = lane.bounding_box()

    def place(update):
        return box["x"] + 8 + update / long_runs.UPDATES * (box["width"] - 16), box["y"] + box["height"] / 2

    page.mouse.move(*place(61_000))
    page.mouse.down()
    page.mouse.move(*place(61_900), steps=4)
    page.mouse.up()
    show_all = page.get_by_role("button", name="show all")
    until(show_all.is_visible)
    first, last = (int(n) for n in re.search(r"updates=(\d+)-(\d+)", until(lambda: zoomed(page)))[0][8:].split("-"))
    pixel = long_runs.UPDATES / (box["width"] - 16)
    assert [first, last] == pytest.approx([61_000, 61_900], abs=2 * pixel)

    # By the keyboard: a tenth of the span, and one update.
    start = page.get_by_role("slider", name="Charts from update")
    start.focus()
    page.keyboard.press("PageUp")
    page.keyboard.press("Shift+ArrowLeft")
    moved = first + 10 * round((last - first) / 100) - 1
    until(lambda: zoomed(page), lambda text: text == f"updates={moved}-{last}")
    until(lambda: start.get_attribute("aria-valuetext"), lambda text: text == f"update {moved:,}")

    # So few that every one of them is drawn.
    first, last = long_runs.SPIKE - 40, long_runs.SPIKE + 60
    page.goto(f"{long_run.origin}/?{PANELS}&updates={first}-{last}")
    page.wait_for_selector(f"body[data-update='{long_runs.UPDATES}']")
    until(lambda: drawn(page, CHARTS[1]), lambda curve: curve and values(CHARTS[1]).max() in curve["y"])
    for chart in CHARTS[1:]:
        until(lambda: drawn(page, chart), lambda curve: curve["range"] == [first, last] and holds(curve, chart))  # noqa: B023
    steps = drawn(page, "Episodic return")
    assert steps["range"] == [long_runs.STEPS_AN_UPDATE * (first - 1), long_runs.STEPS_AN_UPDATE * last]

    # The address has it.
    page.reload()
    until(lambda: drawn(page, CHARTS[1]), lambda curve: curve and curve["range"] == [first, last])
    assert zoomed(page) == f"updates={first}-{last}"
    page.keyboard.press("Escape")
    until(lambda: zoomed(page) is None)
    whole(page)

    page.goto(f"{long_run.origin}/?{PANELS}&updates=50-7")
    until(lambda: page.get_by_text("updates=50-7").is_visible())
    assert zoomed(page) is None


def zoomed(page):
    """What of the address says which updates are shown."""
    found = re.search(r"updates=\d+-\d+", page.evaluate("location.search"))
    return found and found[0]


def test_one_cursor_lies_in_all_charts_and_marks_have_words(long_run, page):
    page.goto(f"{long_run.origin}/?{PANELS}#token={long_run.token}")
    page.wait_for_selector(f"body[data-update='{long_runs.UPDATES}']")
    whole(page)
    cursor = page.get_by_role("slider", name="Timeline")
    box = cursor.bounding_box()
    pixel = long_runs.UPDATES / (box["width"] - 16)
    page.mouse.move(box["x"] + 8 + long_runs.SPIKE / pixel, box["y"] + 12)
    tag = page.locator(".track .pointed-tag")
    said = until(tag.text_content, lambda text: "A KL spike (warning), updates 61803 to 61810" in text)
    pointed = re.match(r"update ([\d,]+)", said)[1].replace(",", "")
    assert int(pointed) == pytest.approx(long_runs.SPIKE, abs=pixel)
    for chart in CHARTS:
        part = page.get_by_role("group", name=chart)
        assert part.get_attribute("data-pointed") == pointed
        assert f"update {int(pointed):,}" in part.locator(".pointed-tag").text_content()

    # From a chart to the others and to the timeline; what they have there is exact.
    chart = page.get_by_role("group", name="KL and clipping").bounding_box()
    page.mouse.move(chart["x"] + 90, chart["y"] + 60)
    until(lambda: page.get_by_role("group", name="KL and clipping").get_attribute("data-pointed") not in ("", pointed))
    now = int(page.get_by_role("group", name="KL and clipping").get_attribute("data-pointed"))
    assert tag.text_content() == f"update {now:,}"
    loss = page.get_by_role("group", name="Loss components").locator(".pointed-tag").text_content()
    shown = float(re.search(r"^L (\S+)$", loss, re.MULTILINE)[1].replace("−", "-"))
    assert shown == pytest.approx(values("Loss components", now, now)[0], rel=5e-3)

    data = page.locator("#timeline canvas.spark").evaluate("canvas => ({ ...canvas.dataset })")
    assert (data["changes"], data["findings"]) == ("2", "2")
    assert "ε 0.2 → 0.3" in data["words"]
    assert "A KL spike" in data["words"]
    page.mouse.move(chart["x"] + 90, 5)
    until(lambda: not tag.is_visible())

    # A run that was played and paused is marked there.
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_selector("body[data-state=running]")
    page.get_by_role("button", name="Pause", exact=True).click()
    page.wait_for_selector("body[data-state=paused]")
    until(lambda: page.locator("#timeline canvas.spark").get_attribute("data-pauses"), lambda count: count == "1")
    assert long_run.run()["pauses"] == [long_run.run()["update"]]


MARKS = """async (state) => {
    const { marksOf, named } = await import(new URL("state/marks.js", document.baseURI).href);
    const marks = marksOf(state);
    const words = named(marks, ({ update, short }) => ({ from: update, to: update + 10 * short.length }));
    const places = marks.map(({ kind, update }) => [kind, update]);
    return [places, marks.map(({ long }) => long), words.map(({ mark }) => mark.short)];
}"""


def test_marks_say_where_a_run_comes_from_and_went_on_and_the_weightiest_are_named(shared_server, page):
    page.goto(shared_server().base)
    why = "the environment's state cannot be kept."
    run = {"parent": {"run": "ab12", "update": 100}, "resumed": [{"before": 300, "anew": why}], "pauses": [299, 600]}
    run["forks"] = [{"run": "cd34", "update": 800}]
    spells = [{"name": "kl_spike", "title": "A KL spike", "severity": "warning", "since": 310, "until": None}]
    changes = [{"update": 305, "name": "clip_range", "old": 0.2, "new": 0.3}]
    state = {"run": run, "changes": changes, "newest": {"header": {"history": spells}}, "settings": []}
    kinds, words, named = page.evaluate(MARKS, state)
    assert kinds == [
        ["fork", 100],
        ["pause", 299],
        ["resume", 300],
        ["change", 305],
        ["finding", 310],
        ["pause", 600],
        ["fork", 800],
    ]
    assert words[0] == "branched off from run ab12 before update 100"
    assert words[-1] == "run cd34 branched off before update 800"
    assert "new episodes began: the environment's state cannot be kept" in words[2]
    # Where it went on there is no room for the words of what lies beside that.
    assert set(named) == {"fork of ab12", "went on, new episodes", "paused", "fork cd34"}


CHECK = """async ({ values, spans, edits }) => {
    const { Turns } = await import(new URL("state/turns.js", document.baseURI).href);
    const rows = Float64Array.from(values, (value) => value ?? NaN);
    const turns = new Turns();
    const look = () => spans.map(([start, end]) => turns.within(rows, start, end)).map(({ low, high }) => [low, high]);
    const before = look();
    for (const [row, value] of edits) { rows[row] = value; turns.forget(row); }
    return [before, look()];
}"""


def test_lowest_and_highest_are_found_in_any_stretch_also_after_rows_have_come_late(shared_server, page):
    page.goto(shared_server().base)
    random = np.random.default_rng(3)
    rows = random.normal(size=1000).round(1)
    rows[random.integers(0, 1000, 300)] = np.nan
    rows[128:256] = np.nan
    spans = [sorted(map(int, random.integers(0, 1001, 2))) for _ in range(60)] + [[0, 1000], [128, 256], [64, 65]]
    spans = [(start, end) for start, end in spans if end > start]
    edits = [(130, 9.0), (700, -9.0), (5, 0.0)]
    plain = [None if np.isnan(value) else float(value) for value in rows]
    found = page.evaluate(CHECK, {"values": plain, "spans": spans, "edits": edits})
    later = rows.copy()
    for row, value in edits:
        later[row] = value
    for answer, truth in zip(found, (rows, later), strict=True):
        for (start, end), (low, high) in zip(spans, answer, strict=True):
            part = truth[start:end]
            if np.isnan(part).all():
                assert low == high == start
            else:
                assert (truth[low], truth[high]) == (np.nanmin(part), np.nanmax(part))
                assert start <= low < end
                assert start <= high < end
