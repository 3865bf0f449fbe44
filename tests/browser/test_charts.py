"""Charts are sketched on a canvas while a run goes on, and Plotly's at rest and under the pointer: with one look."""

import re

import pytest

from tests.browser.dashboard import Dashboard, until
from tests.live import LiveServer

CHARTS = ("Episodic return", "Ratio histogram", "Advantages", "Loss components")

DRAWN_BY = "Object.fromEntries([...document.querySelectorAll('.chart')].map(c => [c.ariaLabel, c.dataset.drawnBy]))"
INK = """canvas => {
    if (!canvas.width) return -1;
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, at) => at % 4 === 3 && value > 0).length;
}"""
PLOTTED = """chart => chart.data.map(({ x }) => x?.length ?? 0).reduce((a, b) => a + b, 0)"""


def drawn_by(page, **expected):
    wanted = {name: expected.get(name.split()[0], expected["others"]) for name in CHARTS}
    until(lambda: page.evaluate(DRAWN_BY), lambda seen: wanted.items() <= seen.items())


@pytest.fixture
def running(server, page):
    page.goto(server("--seed", "7").url)
    drawn_by(page, others="canvas")
    return page


def chart(page, name):
    return page.get_by_role("region", name=name, exact=True).locator(".chart")


def test_a_run_that_goes_on_is_sketched_and_one_at_rest_is_plotted(running):
    sketches = [chart(running, name).locator("canvas.sketch") for name in CHARTS]
    for sketch in sketches:
        until(lambda sketch=sketch: sketch.evaluate(INK), lambda ink: ink > 20)
    assert [chart(running, name).evaluate(PLOTTED) for name in CHARTS] == [0] * len(CHARTS)
    running.get_by_role("button", name="Pause", exact=True).click()
    drawn_by(running, others="plotly")
    assert [sketch.evaluate(INK) for sketch in sketches] == [0] * len(CHARTS)
    assert all(chart(running, name).evaluate(PLOTTED) > 0 for name in CHARTS)
    running.get_by_role("button", name="Play", exact=True).click()
    drawn_by(running, others="canvas")


def test_the_chart_under_the_pointer_is_plotted_while_the_others_are_sketched(running):
    ratio = chart(running, "Ratio histogram")
    ratio.hover()
    drawn_by(running, Ratio="plotly", others="canvas")
    assert ratio.evaluate(PLOTTED) > 0
    box = ratio.bounding_box()

    def point():
        for shift in (0, 3):
            running.mouse.move(box["x"] + box["width"] / 2 + shift, box["y"] + box["height"] / 2)
        return ratio.locator(".hoverlayer").evaluate("layer => layer.textContent")

    until(point, lambda text: "r ≈" in text)
    running.get_by_role("heading", level=1).hover()
    drawn_by(running, others="canvas")


def test_what_is_sketched_is_what_plotly_draws(running):
    """The same data, drawn both ways in the page that runs, cover the same places."""
    ratio = chart(running, "Ratio histogram")
    running.get_by_role("button", name="Pause", exact=True).click()
    drawn_by(running, others="plotly")
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
            sketch(canvas, chart.data.slice(0, 1), chart._fullLayout);
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


# --- draw/chart.js: which of Plotly's ways a draw takes


@pytest.fixture
def frames(server, page):
    """Draws one chart with one range after another; after each: what is shown, and what Plotly was asked for."""
    page.goto(server("--paused").base)
    until(lambda: page.evaluate("typeof Plotly"), lambda kind: kind == "object")

    def draw(*steps):
        return page.evaluate(
            """async (steps) => {
                const { Chart } = await import("./draw/chart.js");
                const box = document.createElement("div");
                box.style.cssText = "position: fixed; inset: 0 auto auto 0; width: 400px; height: 300px; display: grid";
                document.body.append(box);
                const theme = { scale: 1, font: "sans-serif" };
                const context = { running: false, theme: () => theme, redraw() {} };
                const spec = { name: "A chart", traces: () => [{ mode: "lines" }], layout: () => ({}) };
                const chart = new Chart(box, spec, context);
                const asked = [];
                for (const way of ["react", "relayout", "animate"]) {
                    const its = Plotly[way];
                    Plotly[way] = (...rest) => (rest[0] === chart.element && asked.push(way), its(...rest));
                }
                const seen = [];
                const zoomTo = ([from, to]) => ({ "yaxis.range[0]": from, "yaxis.range[1]": to }); // as a drag does
                for (const { range, zoom, reset, empty } of steps) {
                    asked.length = 0;
                    if (zoom) await Plotly.relayout(chart.element, zoomTo(zoom));
                    else if (reset) chart.reset();
                    else {
                        const points = empty ? [] : [0, 1];
                        await chart.draw([{ x: points, y: points }], { xaxis: { range: [0, 1] }, yaxis: { range } });
                    }
                    const path = chart.element.querySelector(".lines path")?.getAttribute("d") ?? "M0,0";
                    const rise = chart.element._fullLayout.yaxis._length;
                    const numbers = path.match(/-?[\\d.]+/g).map(Number);
                    const [from, to] = [numbers[1], numbers[3] ?? NaN].map((y) => 1 - y / rise);
                    seen.push({ path, shown: [...chart.shown("yaxis")], from, to, asked: [...asked] });
                }
                box.remove();
                return seen;
            }""",
            steps,
        )

    return draw


def test_new_ranges_are_taken_without_a_new_frame(frames):
    ranges = [[0, 2], [0, 2], [0, 4], [0, 5], [-1, 1]]
    seen = frames(*({"range": one} for one in ranges))
    assert [one["shown"] for one in seen] == ranges
    assert [one["asked"] for one in seen] == [["react"], ["animate"], *[["relayout", "animate"]] * 3]
    for one, (low, high) in zip(seen, ranges, strict=True):
        places = [(y - low) / (high - low) for y in (0, 1)]
        assert [one["from"], one["to"]] == pytest.approx(places, abs=0.01), "the line lies where the axis says"


def test_a_line_that_has_lost_its_points_is_gone(frames):
    seen = frames(*({"range": [0, 2], "empty": empty} for empty in (False, True, True, False)))
    assert [one["path"] == "M0,0" for one in seen] == [False, True, True, False]
    assert [one["asked"] for one in seen] == [["react"], ["react"], ["animate"], ["react"]]


def test_a_chart_without_room_has_no_place_for_anything(frames, page):
    frames({"range": [0, 2]})
    found = page.evaluate(
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
            return [width, height, chart.under({ clientX: 1, clientY: 1 }, "xaxis", "yaxis")];
        }"""
    )
    assert found == [0, 0, None]


def test_a_zoom_stays_until_it_is_reset(frames):
    seen = frames(
        {"range": [0, 2]},
        {"range": [0, 3]},
        {"zoom": [0.5, 1.5]},
        {"range": [0, 9]},
        {"reset": True},
        {"range": [0, 4]},
    )
    assert [one["shown"] for one in seen] == [[0, 2], [0, 3], [0.5, 1.5], [0.5, 1.5], [0, 9], [0, 4]]


def test_what_has_not_changed_is_not_drawn_anew(server, page):
    page.goto(server("--paused", "--seed", "7").url)
    page.get_by_role("button", name="Step", exact=True).click()
    drawn_by(page, others="plotly")
    page.evaluate(
        """() => {
            window.asked = 0;
            for (const way of ["react", "relayout", "animate"]) {
                const its = Plotly[way];
                Plotly[way] = (...rest) => (window.asked++, its(...rest));
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
def sketched(chromium, tmp_path_factory):
    """Draws traces and gives every subpath that was begun: those of fills, then those of lines."""
    server = LiveServer("--paused", folder=tmp_path_factory.mktemp("sketch"))
    context = chromium.new_context()
    page = context.new_page()
    page.goto(server.base)

    def draw(traces, **axes):
        across = {"_offset": 10, "_length": 100, "range": [0, 10], "type": "linear", **axes.get("x", {})}
        up = {"_offset": 20, "_length": 100, "range": [0, 1], "type": "linear", **axes.get("y", {})}
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
    context.close()
    server.stop()


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
