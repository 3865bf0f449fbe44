"""Charts are drawn on a canvas and in SVG; Plotly comes when somebody looks closely, and nothing moves."""

import re

import pytest

from tests.browser.conftest import DESKTOP, empty_page
from tests.browser.dashboard import Dashboard, only, panels_alone, until
from tests.browser.faults import Faults

CHARTS = ("Episodic return", "Ratio histogram", "Advantages", "Loss components")

INK = """canvas => {
    if (!canvas.width) return -1;
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, at) => at % 4 === 3 && value > 0).length;
}"""
CLOSER = "[...document.querySelectorAll('.chart[data-closer]')].map(c => c.ariaLabel)"
LABELS = """(chart, layer) => {
    const box = chart.getBoundingClientRect();
    return [...chart.querySelectorAll(layer)]
        .filter((text) => text.textContent && !text.closest(".hoverlayer"))
        .map((text) => {
            const { left, top, width, height } = text.getBoundingClientRect();
            return [text.textContent.replaceAll("\\u200b", ""), left - box.left, top - box.top, width, height];
        })
        .sort(([a, x, y], [b, u, v]) => a.localeCompare(b) || x - u || y - v);
}"""


UNHURRIED = ("--env", "tests.environments.slow:Slow-v0", "--env-kwargs", '{"seconds": 0.001}')
"""The run goes on, and leaves the processor to the page meanwhile."""


@pytest.fixture
def running(serve_here, page):
    Dashboard(page, only(serve_here(*UNHURRIED), *CHARTS)).press("Play").at(state="running")
    for name in CHARTS:
        until(lambda name=name: chart(page, name).locator("canvas.sketch").evaluate(INK), lambda ink: ink > 20)
    return page


def chart(page, name):
    return page.get_by_role("region", name=name, exact=True).locator(".chart")


def come_closer(page, name):
    """Point at a chart until Plotly lies over it."""
    found = chart(page, name)
    found.scroll_into_view_if_needed()
    found.hover()
    until(lambda: page.evaluate(CLOSER), lambda names: names == [name])
    return found


def test_charts_are_drawn_without_plotly_until_it_comes_under_the_pointer_and_tells_the_numbers(running):
    assert running.evaluate("typeof Plotly") == "undefined"
    ratio = come_closer(running, "Ratio histogram")
    box = ratio.bounding_box()

    def point():
        for shift in (0, 3):
            running.mouse.move(box["x"] + box["width"] / 2 + shift, box["y"] + box["height"] / 2)
        return ratio.locator(".hoverlayer").evaluate("layer => layer.textContent")

    until(point, lambda text: "r ≈" in text)
    running.get_by_role("heading", level=1).hover()
    until(lambda: running.evaluate(CLOSER), lambda names: names == [])
    running.get_by_role("button", name="Pause", exact=True).click()
    running.locator("body[data-state=paused]").wait_for()
    for name in CHARTS:
        assert chart(running, name).locator("canvas.sketch").evaluate(INK) > 20


RANGES = "chart => [...chart.axes.xaxis.range, ...chart.axes.yaxis.range]"


def place(found, across, down):
    """Where a part of the plot's width and height is, in the window."""
    x, y = found.evaluate("e => [e.axes.xaxis, e.axes.yaxis].map(({ offset, length }) => [offset, length])")
    box = found.bounding_box()
    return box["x"] + x[0] + across * x[1], box["y"] + y[0] + down * y[1]


def parts(whole, zoomed):
    """Where the zoomed axis begins and ends on the whole one, for x and for y."""
    (left, right, low, high), (a, b, c, d) = whole, zoomed
    return [
        (a - left) / (right - left),
        (b - left) / (right - left),
        (c - low) / (high - low),
        (d - low) / (high - low),
    ]


def test_a_drag_that_begins_before_plotly_has_come_is_not_lost(look_at, page):
    held = []
    page.route("**/plotly.min.js", lambda route: held.append(route))
    ratio = chart(look_at(update=1, panels=["Ratio histogram"]).page, "Ratio histogram")
    ratio.scroll_into_view_if_needed()
    page.get_by_role("heading", level=1).hover()
    mouse, whole = page.mouse, ratio.evaluate(RANGES)

    # It is over, and ends outside of the chart, before Plotly has come.
    mouse.move(*place(ratio, 0.25, 0.25))
    mouse.down()
    mouse.move(*place(ratio, 0.6, 0.6), steps=3)
    mouse.move(*place(ratio, 0.75, 0.75))
    mouse.up()
    page.get_by_role("heading", level=1).hover()
    until(lambda: held)
    assert ratio.evaluate(RANGES) == whole
    held.pop().continue_()
    zoomed = until(lambda: ratio.evaluate(RANGES), lambda ranges: ranges != whole)
    assert parts(whole, zoomed) == pytest.approx([0.25, 0.75, 0.25, 0.75], abs=0.02)
    until(lambda: page.evaluate(CLOSER), lambda names: names == [])

    def reset():  # a busy browser may take the two clicks for two
        mouse.dblclick(*place(ratio, 0.5, 0.5))
        return ratio.evaluate(RANGES)

    until(reset, lambda ranges: ranges == whole)
    page.get_by_role("heading", level=1).hover()
    until(lambda: page.evaluate(CLOSER), lambda names: names == [])

    # It goes on when Plotly has come, and that takes it from where it began.
    mouse.move(*place(ratio, 0.2, 0.1))
    mouse.down()
    mouse.move(*place(ratio, 0.3, 0.5))
    until(lambda: ratio.locator(".zoombox").count())
    assert ratio.evaluate(RANGES) == whole
    mouse.move(*place(ratio, 0.6, 0.9), steps=3)
    mouse.up()
    zoomed = until(lambda: ratio.evaluate(RANGES), lambda ranges: ranges != whole)
    assert parts(whole, zoomed) == pytest.approx([0.2, 0.6, 0.1, 0.9], abs=0.02)


def test_a_click_before_plotly_has_come_is_one_click(look_at, page):
    held = []
    page.route("**/plotly.min.js", lambda route: held.append(route))
    clicked = chart(look_at(update=1, panels=["Ratio histogram"]).page, "Ratio histogram")
    clicked.scroll_into_view_if_needed()
    clicked.evaluate("e => { e.clicks = 0; e.addEventListener('click', () => e.clicks++); }")
    page.mouse.click(*place(clicked, 0.5, 0.5))
    until(lambda: clicked.evaluate("e => e.clicks") == 1 and held)
    held.pop().continue_()
    until(lambda: page.evaluate(CLOSER), lambda names: names == ["Ratio histogram"])
    assert clicked.evaluate("e => e.clicks") == 1, "of what came first nothing is done again"
    page.mouse.click(*place(clicked, 0.5, 0.5))
    until(lambda: clicked.evaluate("e => e.clicks"), lambda clicks: clicks == 2)


def test_a_finger_brings_plotly_and_then_zooms(shared_server, new_page):
    page = new_page(has_touch=True)
    live = shared_server(update=1)
    dashboard = Dashboard(page, only(live, "Ratio histogram"))
    if live.run()["update"] == 0:
        dashboard.step(update="1")
    ratio = chart(page, "Ratio histogram")
    ratio.scroll_into_view_if_needed()
    whole = until(lambda: ratio.evaluate(RANGES), lambda ranges: ranges != [0, 1, 0, 1])
    page.touchscreen.tap(*place(ratio, 0.5, 0.5))
    until(lambda: page.evaluate(CLOSER), lambda names: names == ["Ratio histogram"])
    until(lambda: "r ≈" in ratio.locator(".hoverlayer").text_content(), bool)

    fingers = page.context.new_cdp_session(page)

    def touch(kind, *points):
        points = [{"x": x, "y": y} for x, y in points]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", place(ratio, 0.25, 0.25))
    for part in (0.4, 0.6, 0.75):
        touch("touchMove", place(ratio, part, part))
    touch("touchEnd")
    zoomed = until(lambda: ratio.evaluate(RANGES), lambda ranges: ranges != whole)
    assert parts(whole, zoomed) == pytest.approx([0.25, 0.75, 0.25, 0.75], abs=0.02)
    page.touchscreen.tap(10, 10)
    until(lambda: page.evaluate(CLOSER), lambda names: names == [])


def test_plotly_comes_to_the_focus(look_at, page):
    ratio = chart(look_at(update=1, panels=["Ratio histogram"]).page, "Ratio histogram")
    page.keyboard.press("Shift")  # what follows is focus from the keyboard
    ratio.focus()
    until(lambda: page.evaluate(CLOSER), lambda names: names == ["Ratio histogram"])
    page.keyboard.press("Tab")
    until(lambda: page.evaluate("document.activeElement.closest('.modebar') !== null"))


LABELLED = ("Ratio histogram", "Loss components", "KL and clipping", "Surrogate", "Values", "Policy")


@pytest.mark.parametrize("theme", ["light", "projector"])
def test_labels_stand_where_plotly_puts_them(look_at, page, theme):
    look_at(update=2, query=f"{panels_alone(*LABELLED)}&theme={theme}")
    for name in LABELLED:
        found = come_closer(page, name)
        ours = found.evaluate(LABELS, "svg.around:first-child text")
        its = found.evaluate(LABELS, ".closer text:not(.annotation-text)")
        assert [text for text, *_ in ours] == [text for text, *_ in its]
        for (text, *place), (_, *plotted) in zip(ours, its, strict=True):
            assert place == pytest.approx(plotted, abs=1), (name, text)


def test_what_is_sketched_is_what_plotly_draws(look_at, page):
    """The same data, drawn both ways in the page, cover the same places."""
    look_at(update=1, panels=["Ratio histogram"])
    ratio = come_closer(page, "Ratio histogram")
    found = ratio.evaluate(
        """async (chart) => {
            const { sketch } = await import(new URL("draw/sketch.js", document.baseURI).href);
            const { Canvas } = await import(new URL("draw/canvas.js", document.baseURI).href);
            const canvas = new Canvas(chart, "sketch");
            canvas.fit();
            const subpaths = [];
            const { moveTo, lineTo } = canvas.pen;
            canvas.pen.moveTo = (x, y) => void subpaths.push([[x, y]]);
            canvas.pen.lineTo = (x, y) => void subpaths.at(-1).push([x, y]);
            sketch(canvas, chart.data.slice(0, 1), chart.axes);
            canvas.element.remove();
            const path = chart.querySelector(".scatterlayer .trace .fills path").getAttribute("d");
            return [subpaths[0], path];
        }"""
    )
    sketched, path = found
    plotted = corners(path)
    assert len(plotted) > 10
    for x, y in plotted:
        assert any(abs(x - a) < 0.02 and abs(y - b) < 0.02 for a, b in sketched), (x, y)


def corners(path):
    """The points of an SVG path of absolute M, L, H, V."""
    points, x, y = [], 0.0, 0.0
    for command, numbers in re.findall(r"([MLHVZ])([^MLHVZ]*)", path):
        values = [float(n) for n in re.findall(r"-?[\d.]+", numbers)]
        while values:
            if command == "H":
                x = values.pop(0)
            elif command == "V":
                y = values.pop(0)
            else:
                x, y = values.pop(0), values.pop(0)
            points.append((x, y))
    return points


# --- draw/chart.js


@pytest.fixture(scope="module")
def around(windows, files):
    """A page with its styles, in which tests draw charts of their own and take them away."""
    faults = Faults()
    with windows.lent(faults, **DESKTOP) as window:
        window.tab.goto(files)
        yield window.tab
    assert not faults.unexpected()


@pytest.fixture
def frames(around):
    """Draws one chart with one range after another; after each: what is shown, and where its line lies."""

    def draw(*steps):
        return around.evaluate(
            """async (steps) => {
                const { Chart } = await import("./draw/chart.js");
                const box = document.createElement("div");
                box.style.cssText = "position: fixed; inset: 0 auto auto 0; width: 400px; height: 300px; display: grid";
                document.body.append(box);
                const theme = { scale: 1, font: "sans-serif", inkSoft: "gray", grid: "silver", line: "gray" };
                const context = { theme: () => theme, redraw() {} };
                const traces = () => [{ mode: "lines", line: { width: 1, color: "black" } }];
                const spec = { name: "A chart", traces, layout: () => ({ xaxis: {}, yaxis: {} }) };
                const chart = new Chart(box, spec, context);
                const seen = [];
                let path = [];
                chart.canvas.pen.moveTo = chart.canvas.pen.lineTo = (x, y) => void path.push(y);
                for (const { range, empty } of steps) {
                    path = [];
                    const frame = chart.below.firstChild;
                    const points = empty ? [] : [0, 1];
                    chart.draw([{ x: points, y: points }], { xaxis: { range: [0, 1] }, yaxis: { range } });
                    const rise = chart.element.axes.yaxis.length;
                    const framed = chart.below.firstChild !== frame;
                    seen.push({ shown: [...chart.shown("yaxis")], places: path.map((y) => 1 - y / rise), framed });
                }
                box.remove();
                return seen;
            }""",
            steps,
        )

    return draw


def test_what_stands_around_the_data_is_drawn_anew_for_new_ranges_only(frames):
    ranges = [[0, 2], [0, 2], [0, 4], [0, 4], [-1, 1]]
    seen = frames(*({"range": one} for one in ranges))
    assert [one["shown"] for one in seen] == ranges
    assert [one["framed"] for one in seen] == [True, False, True, False, True]
    for one, (low, high) in zip(seen, ranges, strict=True):
        places = [(y - low) / (high - low) for y in (0, 1)]
        assert one["places"] == pytest.approx(places, abs=0.01), "the line lies where the axis says"


def test_a_line_that_has_lost_its_points_is_gone(frames):
    seen = frames(*({"range": [0, 2], "empty": empty} for empty in (False, True, False)))
    assert [len(one["places"]) for one in seen] == [2, 0, 2]


def test_a_chart_without_room_has_no_place_for_anything(around):
    found = around.evaluate(
        """async () => {
            const { Chart } = await import("./draw/chart.js");
            const box = document.createElement("div");
            box.style.cssText = "width: 0; height: 0";
            document.body.append(box);
            const theme = { scale: 1, font: "sans-serif" };
            const context = { running: false, theme: () => theme, redraw() {} };
            const chart = new Chart(box, { name: "A chart", traces: () => [], layout: () => ({}) }, context);
            await chart.draw([], {});
            const { width, height } = chart.plot("xaxis", "yaxis");
            const found = [width, height, chart.under({ clientX: 1, clientY: 1 }, "xaxis", "yaxis")];
            box.remove();
            return found;
        }"""
    )
    assert found == [0, 0, None]


def test_what_has_not_changed_is_not_drawn_anew(look_at, page):
    look_at(update=1)
    page.evaluate(
        """() => {
            window.asked = 0;
            for (const canvas of document.querySelectorAll("canvas.sketch")) {
                const pen = canvas.getContext("2d");
                const clear = pen.clearRect;
                pen.clearRect = (...rest) => (window.asked++, clear.apply(pen, rest));
            }
        }"""
    )

    def drawn_until_at_rest():
        """How often charts have been drawn, once none has been for a while."""
        before = page.evaluate("asked")
        page.wait_for_timeout(800)
        return before if page.evaluate("asked") == before else drawn_until_at_rest()

    drawn = drawn_until_at_rest()
    Dashboard.of(page).type("Learning rate", 0.01)
    until(lambda: page.get_by_text("applies from update 2").count())
    page.wait_for_timeout(200)
    assert page.evaluate("asked") == drawn


# --- draw/sketch.js, with axes of 100 × 100 pixels at (10, 20)


@pytest.fixture(scope="module")
def sketched(window, files):
    """Draws traces and gives every subpath that was begun: those of fills, then those of lines."""
    page = empty_page(window, files)

    def draw(traces, **axes):
        across = {"offset": 10, "length": 100, "range": [0, 10], "type": "linear", **axes.get("x", {})}
        up = {"offset": 20, "length": 100, "range": [0, 1], "type": "linear", **axes.get("y", {})}
        return page.evaluate(
            """async ([traces, axes]) => {
                const { sketch } = await import("./draw/sketch.js");
                const pen = new OffscreenCanvas(200, 200).getContext("2d");
                const canvas = { ratio: 1, clear() {}, hatching: () => "black", pen };
                const paths = [];
                pen.moveTo = (x, y) => void paths.push([[x, y]]);
                pen.lineTo = (x, y) => void paths.at(-1).push([x, y]);
                const numbers = (values) => values.map((value) => value ?? NaN);
                sketch(canvas, traces.map((trace) => ({ ...trace, x: numbers(trace.x), y: numbers(trace.y) })), axes);
                return paths;
            }""",
            [traces, {"xaxis": across, "yaxis": up}],
        )

    yield draw
    page.close()


LINE = {"color": "black", "width": 1}


def test_a_line_has_gaps_where_nothing_is_known(sketched):
    trace = {"x": [0, 1, 2, 3, 4], "y": [0, 1, None, 0.5, 0.5], "line": LINE}
    assert sketched([trace]) == [[[0, 100], [10, 0]], [[30, 50], [40, 50]]]


def test_steps_lie_half_way_between_two_points(sketched):
    trace = {"x": [0, 2], "y": [0, 1], "line": {**LINE, "shape": "hvh"}}
    assert sketched([trace]) == [[[0, 100], [10, 100], [10, 0], [20, 0]]]


def test_areas_reach_to_zero_or_to_the_trace_below(sketched):
    none = {"width": 0}
    first = {"x": [0, 10], "y": [0.2, 0.2], "fill": "tozeroy", "fillcolor": "red", "line": none}
    second = {"x": [0, 10], "y": [0.6, 0.6], "fill": "tonexty", "fillcolor": "red", "line": none}
    low, high = sketched([first, second])
    assert low == [[0, 80], [100, 80], [100, 100], [0, 100]]
    assert high == [[0, 40], [100, 40], [100, 80], [0, 80]]


def test_a_logarithmic_axis(sketched):
    trace = {"x": [1, 10, 100], "y": [1, 1, 1], "line": LINE}
    assert sketched([trace], x={"range": [0, 2], "type": "log"}) == [[[0, 0], [50, 0], [100, 0]]]


TIMERS = """() => {
    const [set, clear] = [window.setTimeout, window.clearTimeout];
    const waiting = new Set();
    window.waits = { begun: 0, ended: 0 };
    window.setTimeout = (task, time, ...rest) => {
        const timer = set(task, time, ...rest);
        if (time === 500) { window.waits.begun++; waiting.add(timer); }
        return timer;
    };
    window.clearTimeout = timer => { if (waiting.delete(timer)) window.waits.ended++; clear(timer); };
}"""


def test_nothing_waits_for_a_drawing_that_is_done(shared_server, window, page):
    window.script(f"({TIMERS})()")
    dashboard = Dashboard(page, only(shared_server(), *CHARTS))
    dashboard.step(update="1").step(update="2")
    seen = until(lambda: page.evaluate("window.waits"), lambda waits: waits["begun"] == waits["ended"] > 0)
    assert seen["ended"] >= 3, "for what it began with, and for each step"
