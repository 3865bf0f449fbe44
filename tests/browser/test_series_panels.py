"""Advantages, Ratio histogram, Loss components, KL and Episodic return: what they draw, and give away as numbers, is
what Python computed with the same seed: at the end of an update, and in the middle of one.
"""

import csv
import io
from dataclasses import astuple

import numpy as np
import pytest

from ppo_scope.ppo.losses import Region
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.probes import PROBES, measure
from ppo_scope.wire.metrics import MINIBATCH_COLUMNS
from tests.browser.dashboard import Dashboard, only, until
from tests.browser.faults import Faults
from tests.browser.labels import OVERLAPS
from tests.browser.test_saving import saved
from tests.browser.test_surrogate_kl import walk
from tests.live import LiveServer
from tests.moments import moment_at

SEED, RATE = "7", 0.003  # so fast that ratios leave 1 ± ε
SERIES = ("Episodic return", "Ratio histogram", "Advantages", "Loss components", "KL and clipping")
UPDATES = 2
MINIBATCHES = 10  # of the next update
TERMS = ("loss", "policy_loss", "value_term", "entropy_term")
KLS = ("kl_exact", "kl_k3", "kl_k1", "held_fraction", "pulled_back_fraction", "clip_fraction")
BEND = 0.01  # of the scale ± log

CHART = """e => e.data.map(({ x, y, customdata, text }) => ({
    x: [...x], y: [...y], own: [...(customdata ?? [])], text: [...(text ?? [])],
}))"""
RANGES = "e => ['xaxis', 'xaxis2', 'yaxis'].map((axis) => [...e.axes[axis].range])"


class Told:
    """One run with this seed, as the trainer tells it: the ends of its updates, and a moment in the next one."""

    def __init__(self):
        self.ends, self.episodes = [], []
        trainer = Trainer(Settings.parse({"seed": int(SEED), "learning_rate": RATE}))
        for phase in trainer.phases():
            if phase.kind is PhaseKind.UPDATE:
                self.ends.append(measure(moment_at(trainer, phase), frozenset(PROBES)))
                self.episodes += [(phase.update.index, *astuple(one)) for one in phase.update.rollout.episodes]
            at = len(phase.update.minibatches) if phase.kind is PhaseKind.STEP else None
            if (phase.update.index, at) == (UPDATES + 1, MINIBATCHES):
                self.inside = measure(moment_at(trainer, phase), frozenset(PROBES))
                break
        trainer.close()


FLAGS = """() => [...document.querySelectorAll(".chart")].filter(({ data }) => data).map((chart) => {
    const box = (element) => element.getBoundingClientRect().toJSON();
    const words = [...chart.querySelectorAll(".words text")].map((word) => ({ text: word.textContent, ...box(word) }));
    const { top, left, width } = box(chart);
    return { name: chart.ariaLabel, words, top, left, width, plot: top + chart.axes.yaxis.offset };
})"""


@pytest.mark.parametrize("theme", ["light", "projector"])
def test_the_number_of_the_update_on_show_stands_above_all_curves(look_at, page, theme):
    page.set_viewport_size({"width": 1440, "height": 1200})
    look_at(update=UPDATES, query=f"?panels=episodic-return,loss-components,kl-and-clipping&theme={theme}")
    page.get_by_role("slider", name="Timeline").fill("1")
    charts = until(lambda: page.evaluate(FLAGS), lambda seen: len(seen) == 3 and all(one["words"] for one in seen))
    for one in charts:
        (word,) = one["words"]
        assert word["text"] == "update 1"
        assert one["top"] - 1 <= word["top"] and word["bottom"] <= one["plot"] + 4, one  # below letters a line has room
        assert one["left"] <= word["left"] and word["right"] <= one["left"] + one["width"], one


CHANGED = "() => [...document.querySelectorAll('#panel-episodic-return .around text')].map((one) => one.textContent)"
ABOVE = """() => {
    const chart = document.querySelector("#panel-episodic-return .chart");
    const { top, left, right } = chart.getBoundingClientRect();
    const plot = top + chart.axes.yaxis.offset;
    return [...chart.querySelectorAll(".around text")].filter((one) => one.textContent.includes("→")).map((one) => {
        const box = one.getBoundingClientRect();
        const apart = box.left >= left - 1 && box.right <= right + 1 && box.top >= top - 2 && box.bottom <= plot + 4;
        return [one.textContent, apart];
    });
}"""


def test_what_was_changed_stands_above_the_plot_and_covers_no_episode(serve_here, page):
    server = serve_here()
    dashboard = Dashboard(page, only(server, "Episodic return"))
    dashboard.step(update="1").type("Clip range", 0.5).step(update="2")
    dashboard.type("Learning rate", 0.002).type("Clip range", 0.25).step(update="3").step(update="4")
    dashboard.type("Entropy coefficient", 0.02).step(update="5")
    newest = "c₂ 0.01 → 0.02"
    until(lambda: page.evaluate(CHANGED), lambda texts: newest in texts)
    for theme in ("light", "dark", "projector"):
        until(lambda: page.locator("html").get_attribute("data-theme"), lambda now, theme=theme: now == theme)
        for width in (1440, 820, 390):
            page.set_viewport_size({"width": width, "height": 900})
            dashboard.panel("Episodic return").scroll_into_view_if_needed()  # out of sight it is not drawn anew
            until(lambda: page.evaluate(ABOVE), lambda seen: seen and all(apart for _, apart in seen))
            until(lambda: page.evaluate(OVERLAPS), lambda found: not found)
            assert newest in page.evaluate(CHANGED)
        dashboard.key("t")
    page.set_viewport_size({"width": 1440, "height": 900})
    for update in "1234":
        page.get_by_role("slider", name="Timeline").fill(update)
        until(lambda: page.evaluate(CHANGED), lambda texts, update=update: f"update {update}" in texts)
        until(lambda: page.evaluate(OVERLAPS), lambda found: not found)  # the update on show has its room


@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        ([(50, ["one"])], ["one"]),
        ([(50, ["one"]), (50, ["two"]), (50, ["three"])], ["one", "two"]),  # on either side of their place
        ([(0, ["first"]), (100, ["last"])], ["first", "last"]),
        ([(50, ["much " * 60, "less"])], ["less"]),
        ([(120, ["beyond the axis"])], []),
    ],
)
def test_flags_that_have_no_room_are_left_out(modules, flags, shown):
    given = [{"x": x, "texts": texts} for x, texts in flags]
    axis = {"offset": 40, "length": 300, "range": [0, 100]}
    look = "{ family: 'sans-serif', size: 12 }"
    found = modules(
        "draw/flags.js", f"return m.flagged(given.flags, given.axis, 350, {look});", {"flags": given, "axis": axis}
    )
    assert [one["text"] for one in found] == shown


@pytest.fixture(scope="module")
def told():
    return Told()


@pytest.fixture(scope="module")
def dashboard(windows, tmp_path_factory):
    """A paused run, on a page that is high enough for its panels to be in sight, and so measured."""
    server = LiveServer("--paused", "--seed", SEED, "--learning-rate", str(RATE), folder=tmp_path_factory.mktemp("run"))
    faults = Faults()
    with windows.lent(faults, viewport={"width": 1440, "height": 1800}) as window:
        yield Dashboard(window.tab, only(server, *SERIES, "Clip mask", "Sample"))
    server.stop()
    assert not faults.unexpected()


@pytest.fixture(scope="module", params=["end of an update", "minibatch"])
def found(request, dashboard, told):
    """The page is brought there; what the trainer finds there."""
    while dashboard.update() < UPDATES:
        dashboard.step(update=str(dashboard.update() + 1), phase="update")
    if request.param == "minibatch":
        walk(dashboard, UPDATES + 1, MINIBATCHES)
        return told.inside
    return told.ends[-1]


def chart(dashboard, name):
    element = dashboard.panel(name).locator(".chart")
    until(lambda: element.evaluate("e => e.data !== undefined"))
    return element.evaluate(CHART)


REGIONS = {region.name.lower().replace("_", " "): int(region) for region in Region}


def as_number(cell):
    return float(REGIONS.get(cell, cell or "nan"))


def numbers(dashboard, panel):
    """The columns of its table as floats, without run and settings; NaN for an empty cell, regions by their codes."""
    name, content = saved(dashboard, panel, "Numbers as CSV")
    assert name.startswith(f"{panel.lower().replace(' ', '-')}_CartPole-v1_seed-")
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    own = [column for column in rows[0] if column not in {"env", "seed"} and not column.startswith("settings.")]
    return {column: np.array([as_number(row[column]) for row in rows]) for column in own}


def same(shown, computed, **tolerance):
    """Equal, and unknown in the same places."""
    shown = np.array([np.nan if value is None else value for value in np.ravel(shown)], float)
    return np.allclose(shown, np.ravel(computed), equal_nan=True, **{"rtol": 1e-6, "atol": 1e-9, **tolerance})


# --- Advantages


@pytest.mark.parametrize(("trace", "name"), [(0, "advantage"), (1, "advantage_used")])
def test_the_histograms_of_advantages(dashboard, found, trace, name):
    drawn = chart(dashboard, "Advantages")[trace]
    counts = found.arrays[f"{name}_counts"]
    low, high = (found.scalars[f"{name}_{end}"] for end in ("low", "high"))
    edges = np.linspace(low, high, len(counts) + 1)
    assert same(drawn["x"][1:-1], (edges[1:] + edges[:-1]) / 2)
    assert same(drawn["own"], [0, *counts / counts.sum(), 0])
    assert same(drawn["y"], [0, *counts / counts.max(), 0])
    assert (counts > 0).sum() > 5


def test_the_curves_over_time_of_every_environment(dashboard, found):
    trained = found.arrays["region"] != 0
    choice = dashboard.panel("Advantages").get_by_label("Environment")
    for environment in range(len(trained)):
        choice.select_option(str(environment))
        drawn = until(
            lambda: chart(dashboard, "Advantages"),
            lambda traces, row=environment: same(
                traces[2]["y"], np.where(trained[row], found.arrays["value"][row], np.nan)
            ),
        )
        for trace, name in zip(drawn[3:7], ("value_target", "advantage", "delta", "reward"), strict=True):
            assert trace["x"] == list(range(trained.shape[1]))
            assert same(trace["y"], np.where(trained[environment], found.arrays[name][environment], np.nan)), name
        for trace, kind in ((drawn[7], 1), (drawn[8], 2)):
            ends = np.flatnonzero(found.arrays["episode_end"][environment] == kind)
            assert trace["x"][::3] == (ends + 0.5).tolist()
    assert not trained.all()
    choice.select_option("0")


def test_the_samples_as_numbers(dashboard, found):
    columns = numbers(dashboard, "Advantages")
    for name in ("reward", "value", "value_target", "delta", "advantage", "advantage_used", "region", "episode_end"):
        assert same(columns[name], found.arrays[name]), name
    rows, steps = found.arrays["region"].shape
    assert columns["environment"].tolist() == np.repeat(range(rows), steps).tolist()
    assert columns["step"].tolist() == list(range(steps)) * rows


def test_a_click_on_a_step_selects_its_sample(dashboard, found):
    panel = dashboard.panel("Advantages")
    panel.get_by_label("Environment").select_option("3")
    where = panel.locator(".chart").evaluate(
        """chart => {
            const { xaxis3: x, yaxis4: y } = chart.axes;
            const across = (40 - x.range[0]) / (x.range[1] - x.range[0]);
            return { x: x.offset + across * x.length, y: y.offset + y.length / 2 };
        }"""
    )
    panel.locator(".chart").click(position=where)
    until(lambda: dashboard.mask().get("selected"), lambda selected: selected == "3,40")
    until(lambda: chart(dashboard, "Advantages")[9]["x"], lambda x: x == [40, 40])
    sample = dashboard.panel("Sample").locator(".sample")
    until(lambda: sample.evaluate("e => e.dataset.environment + ',' + e.dataset.step"), lambda at: at == "3,40")
    panel.get_by_label("Environment").select_option("0")

    def marked():
        panel.scroll_into_view_if_needed()  # the sample has been scrolled to, and what is out of sight is not drawn
        return chart(dashboard, "Advantages")[9]["x"]

    until(marked, lambda x: x == [])


# --- Ratio histogram


def test_the_bins_of_the_ratio_histogram_by_region(dashboard, found):
    drawn = chart(dashboard, "Ratio histogram")
    counts, outside = found.arrays["ratio_counts"], found.arrays["ratio_outside"]
    total = counts.sum() + outside.sum()
    limit = found.scalars["ratio_limit"]
    edges = np.exp(np.linspace(-limit, limit, counts.shape[1] + 1))
    tops = np.cumsum(counts, axis=0) / total
    for trace, bins, top in zip(drawn[:5], counts, tops, strict=True):
        assert trace["own"][1:-1] == bins.tolist()
        assert same(np.square(trace["y"][1:-1]), top)
        assert same(trace["x"][1:-1], np.sqrt(edges[1:] * edges[:-1]))
    after = found.arrays.get("ratio_post_counts")
    assert drawn[7]["own"][1:-1] == ([] if after is None else after.tolist())
    assert (counts[1:3].sum(1) > 0).all(), "some are held, and some are pulled back"


def test_the_bins_as_numbers(dashboard, found):
    columns = numbers(dashboard, "Ratio histogram")
    counts, outside = found.arrays["ratio_counts"], found.arrays["ratio_outside"]
    names = ("inside", "held", "pulled_back", "not_held", "unused")
    for name, bins, (below, above) in zip(names, counts, outside, strict=True):
        assert columns[name].tolist() == [below, *bins, above], name
    limit = found.scalars["ratio_limit"]
    edges = [0, *np.exp(np.linspace(-limit, limit, counts.shape[1] + 1)), np.inf]
    assert same(columns["r_from"], edges[:-1]) and same(columns["r_to"], edges[1:])
    after = found.arrays.get("ratio_post_counts")
    assert ("after_its_step" in columns) == (after is not None)
    if after is not None:
        below, above = found.arrays["ratio_post_outside"]
        assert columns["after_its_step"].tolist() == [below, *after, above]


# --- Loss components, and the numbers of KL and clipping


def test_the_terms_of_the_loss_over_updates_and_by_minibatch(dashboard, found, told):
    drawn = chart(dashboard, "Loss components")
    rows = found.arrays["minibatches"]
    for past, inside, name in zip(drawn[:4], drawn[5:9], TERMS, strict=True):
        over = np.array([end.scalars[name] for end in told.ends])
        within = rows[:, MINIBATCH_COLUMNS.index(name)].astype(float)
        for trace, computed in ((past, over), (inside, within)):
            assert trace["x"] == [0.5, *range(1, len(computed) + 1), len(computed) + 0.5]
            assert same(trace["own"][1:-1], computed), name
            heights = np.sign(computed) * np.log10(1 + np.abs(computed) / BEND)
            assert same(trace["y"][1:-1], heights), name


@pytest.mark.parametrize(("panel", "names"), [("Loss components", TERMS), ("KL and clipping", KLS)])
def test_updates_and_minibatches_as_numbers(dashboard, found, told, panel, names):
    columns = numbers(dashboard, panel)
    rows = found.arrays["minibatches"]
    for name in names:
        computed = [*(end.scalars[name] for end in told.ends), *rows[:, MINIBATCH_COLUMNS.index(name)]]
        assert same(columns[name], computed), name
    within = len(columns["update"]) - UPDATES
    update = UPDATES if within == 16 else UPDATES + 1
    assert columns["update"].tolist() == [1, 2, *[update] * within]
    assert same(columns["epoch"], [np.nan] * UPDATES + [1 + row // 4 for row in range(within)])
    assert same(columns["minibatch"], [np.nan] * UPDATES + [1 + row % 4 for row in range(within)])


# --- Episodic return


def test_every_episode_is_a_dot_at_its_place(dashboard, found, told):
    """The dots are read from the canvas: there is ink where Python has an episode, and nowhere else."""
    canvas = dashboard.panel("Episodic return").locator("canvas.episodes")
    until(lambda: canvas.get_attribute("data-episodes"), lambda n: n == str(len(told.episodes)))
    axes, inked = dashboard.panel("Episodic return").evaluate(
        """panel => {
            const { xaxis: x, yaxis: y } = panel.querySelector(".chart").axes;
            const canvas = panel.querySelector("canvas.episodes");
            const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const inked = [];
            for (let at = 0; at < data.length / 4; at++) {
                if (data[4 * at + 3]) inked.push([at % width, Math.floor(at / width)]);
            }
            return [[x, y].map(({ offset, length, range }) => [offset, length, ...range]), inked];
        }"""
    )
    (left, wide, x0, x1), (top, high, y0, y1) = axes
    _, steps, returns, _ = np.array(told.episodes, float).T
    centres = np.stack([left + wide * (steps - x0) / (x1 - x0), top + high * (y1 - returns) / (y1 - y0)], axis=1)
    distances = np.abs(np.array(inked)[:, None] - centres[None]).max(2)
    assert distances.min(0).max() <= 1, "an episode has no dot"
    assert distances.min(1).max() <= 2.5, "a dot is no episode"
    assert len(centres) > 40


def test_the_mean_return_and_the_episodes_as_numbers(dashboard, found, told):
    mean = chart(dashboard, "Episodic return")[0]
    assert mean["x"] == [end.scalars["steps"] for end in told.ends]
    assert same(mean["y"], [end.scalars["episodic_return_mean"] for end in told.ends])
    columns = numbers(dashboard, "Episodic return")
    assert list(columns) == ["update", "step", "episodic_return", "episodic_length"]
    assert same(np.stack(list(columns.values()), axis=1), told.episodes)


# --- All of them, in the past and under the pointer


def test_looking_back_marks_the_update_on_show(dashboard, found, told):
    dashboard.page.get_by_label("Step size").select_option("update")
    now = dashboard.data()
    across = dashboard.panel("Loss components").locator(".chart").evaluate(RANGES)[0]
    for update in range(int(now["update"]) - 1, 0, -1):
        dashboard.key("ArrowLeft").at(live="false", update=str(update))
    marks = {"Loss components": 1, "KL and clipping": 1, "Episodic return": told.ends[0].scalars["steps"]}

    def marked(panel):
        return [trace for trace in chart(dashboard, panel) if "update" in "".join(trace["text"])]

    for panel, at in marks.items():
        (drawn,) = until(lambda panel=panel: marked(panel))
        assert set(drawn["x"]) == {at}
        assert "".join(drawn["text"]).strip() == "update 1"
    mean = told.ends[0].scalars["episodic_return_mean"]
    assert f"At update 1, mean of the last 100: {mean:.1f}" in dashboard.panel("Episodic return").inner_text()
    assert dashboard.panel("Loss components").locator(".chart").evaluate(RANGES)[0] == across, "it has jumped"
    dashboard.press("Back to live").at(live="true", update=now["update"], phase=now["phase"])
    for panel in marks:
        until(lambda panel=panel: marked(panel), lambda found: not found)


def test_a_zoom_at_rest_stays_until_it_is_reset(dashboard, found):
    element = dashboard.panel("Loss components").locator(".chart")
    element.scroll_into_view_if_needed()
    whole = element.evaluate(RANGES)
    x, y = element.evaluate("e => [e.axes.xaxis, e.axes.yaxis].map(({ offset, length }) => [offset, length])")
    box, mouse = element.bounding_box(), dashboard.page.mouse

    def point(across, down):
        return box["x"] + x[0] + across * x[1], box["y"] + y[0] + down * y[1]

    mouse.move(*point(0.25, 0.25))
    until(lambda: element.get_attribute("data-closer") == "")
    mouse.down()
    mouse.move(*point(0.5, 0.5), steps=3)
    mouse.move(*point(0.75, 0.75), steps=3)
    mouse.up()
    zoomed = until(lambda: element.evaluate(RANGES), lambda ranges: ranges != whole)
    for (low, high), (left, right) in ((zoomed[0], whole[0]), (zoomed[2], whole[2])):
        assert [(low - left) / (right - left), (high - left) / (right - left)] == pytest.approx([0.25, 0.75], abs=0.02)
    assert zoomed[1] == whole[1], "the other half stays as it is"
    dashboard.page.get_by_label("Step size").select_option("update")
    dashboard.key("ArrowLeft").at(live="false")
    until(lambda: chart(dashboard, "Loss components")[-1]["x"])
    assert element.evaluate(RANGES) == zoomed, "drawn anew, it stays"
    dashboard.key("l").at(live="true")
    assert element.evaluate(RANGES) == zoomed

    def reset():  # a busy browser may take the two clicks for two
        mouse.dblclick(*point(0.5, 0.5))
        return element.evaluate(RANGES)

    _, _, (low, high) = until(reset, lambda ranges: ranges[0] == whole[0])
    heights = [height for trace in chart(dashboard, "Loss components")[:8] for height in trace["y"]]
    assert low <= min(heights) <= max(heights) <= high
