"""Surrogate, and KL and clipping: what is drawn is what Python computed with the same seed."""

import re

import numpy as np
import pytest
import torch

from ppo_scope.ppo import losses
from ppo_scope.ppo.losses import Region
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.wire.metrics import MINIBATCH_COLUMNS
from tests.browser.dashboard import Dashboard, only, until
from tests.browser.test_first_light import SEED, computed

FAST = ("--learning-rate", "0.003")  # so that ratios leave 1 ± ε
CHANGES = {"learning_rate": 0.003}
TALL = {"width": 1440, "height": 1400}  # a handful of panels are all in sight, and so measured
LOOKED_AT = ("Surrogate", "KL and clipping")
SIDES = (("good", 1.0), ("bad", -1.0))
KLS = ("kl_exact", "kl_k3", "kl_k1")

POINTS = "e => e.data.map(({ x, y, customdata }) => ({ x: [...x], y: [...y], own: customdata ? [...customdata] : [] }))"


@pytest.fixture
def start(server, page):
    """A page on a paused run, with every panel in sight."""

    def open_page(*arguments):
        page.set_viewport_size(TALL)
        return Dashboard(page, only(server("--paused", "--seed", SEED, *FAST, *arguments), *LOOKED_AT))

    return open_page


def walk(dashboard, update, minibatches):
    """Into an update, so many minibatches of its epochs of 4 each: by epochs, as far as these go."""
    epochs = (minibatches - 1) // 4
    for epoch in range(epochs):
        dashboard.step("epoch", update=str(update), epoch=str(epoch + 1), phase="epoch")
    for number in range(4 * epochs, minibatches):
        place = {"epoch": str(number // 4 + 1), "minibatch": str(number % 4 + 1), "phase": "step"}
        dashboard.step("minibatch", update=str(update), **place)


RINGED = """
const { Canvas } = await import("./draw/canvas.js");
const box = { x: 40, y: 10, width: 100, height: 100 };
const frame = { x: [0.5, 1.5], y: [0.5, 1.5], box };
const snapshot = { header: { arrays: { ratio: { shape: [1, 2] } }, settings: {} }, arrays: {} };
const batch = { objective: "clip", ratio: [0.5, 1], advantages: [1, 1], regions: [1, 1] };
const theme = { ink: "#000", inside: "#000", held: "#000", pulledBack: "#000", unheld: "#000" };
const drawn = (selection) => {
  const canvas = new Canvas(document.body, "");
  [canvas.element.width, canvas.element.height] = [canvas.width, canvas.height] = [160, 120];
  const cloud = new m.SurrogateCloud(canvas);
  cloud.read(snapshot, batch, [0.8, 1.2, Infinity], selection);
  cloud.draw({ good: frame, bad: frame }, ({ y }) => y, theme);
  const { data } = canvas.pen.getImageData(0, 0, 160, 120);
  const inked = Array.from({ length: 160 * 120 }, (_, at) => at).filter((at) => data[4 * at + 3]);
  const outside = inked.filter((at) => at % 160 < box.x).length;
  return [outside, inked.length - outside];
};
return [drawn(null), drawn({ environment: 0, step: 0 })];
"""


def test_the_ring_around_the_selected_sample_covers_no_number_beside_the_plot(modules):
    (outside, inside), (outside_too, ringed) = modules("panels/surrogate/cloud.js", RINGED)
    assert ringed > inside, "it is there"
    assert outside_too == outside, "and nowhere but in the plot"


def chart(dashboard, name):
    return dashboard.panel(name).locator(".chart").evaluate(POINTS)


def cloud(dashboard):
    return dashboard.panel("Surrogate").locator("canvas.surrogate-cloud").evaluate("c => ({...c.dataset})")


def readout(dashboard, name):
    return re.sub(r"\s+", " ", " ".join(dashboard.panel(name).locator(".readout").all_inner_texts()))


def assert_counts_equal(drawn, found):
    region, used = found.arrays["region"], found.arrays["advantage_used"]
    covered = (region != 0) & (found.arrays["in_minibatch"] == 1) & ~np.isnan(used)
    for side, sign in SIDES:
        of_side = covered & (np.sign(used) == sign)
        assert int(drawn[f"{side}All"]) == of_side.sum()
        for code, key in ((Region.INSIDE, "Inside"), (Region.HELD, "Held"), (Region.PULLED_BACK, "PulledBack")):
            assert int(drawn[f"{side}{key}"]) == (of_side & (region == code)).sum(), (side, key)
    assert int(drawn["samples"]) == (covered & (used != 0)).sum()
    assert int(drawn["drawn"]) + int(drawn["beyond"]) == int(drawn["samples"])


def assert_held_lie_at_their_places(dashboard, found):
    """The crosses of held samples, read from the canvas: there is ink wherever Python has one."""
    region, used, ratio = (found.arrays[name] for name in ("region", "advantage_used", "ratio"))
    held = (region == Region.HELD) & (used < 0)
    inked = dashboard.panel("Surrogate").evaluate(
        """(panel, ratios) => {
            const chart = panel.querySelector(".chart");
            const canvas = panel.querySelector("canvas.surrogate-cloud");
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const { xaxis2: x, yaxis2: y } = chart.axes;
            const alpha = (left, top) => pixels.data[4 * (Math.round(top) * canvas.width + Math.round(left)) + 3];
            return ratios.map((r) => {
                const left = x.offset + x.length * (r - x.range[0]) / (x.range[1] - x.range[0]);
                const top = y.offset + y.length * (y.range[1] + 0.8) / (y.range[1] - y.range[0]);
                return alpha(left, top);
            });
        }""",
        ratio[held].tolist(),
    )
    assert len(inked) > 10
    assert min(inked) > 0


def test_samples_are_counted_on_the_side_and_in_the_region_that_python_finds_and_lie_at_their_places(start):
    dashboard = start()
    walk(dashboard, 1, 7)
    assert_counts_equal(cloud(dashboard), computed(1, PhaseKind.STEP, 7, **CHANGES))
    dashboard.step("update", update="1", phase="update").step(update="2")
    drawn, found = cloud(dashboard), computed(2, **CHANGES)
    assert_counts_equal(drawn, found)
    assert int(drawn["goodHeld"]) + int(drawn["badHeld"]) > 0
    text = readout(dashboard, "Surrogate")
    assert f"held {drawn['goodHeld']} held {drawn['badHeld']}" in text
    assert f"pulled back {int(drawn['goodPulledBack']) + int(drawn['badPulledBack'])}" in text
    assert drawn["update"] == "2"
    assert_held_lie_at_their_places(dashboard, found)


def test_the_curves_are_the_objective_of_the_trainer_and_without_a_target_no_line_is_drawn(start):
    dashboard = start().step(update="1")
    until(lambda: "clip fraction" in readout(dashboard, "KL and clipping"))
    assert [limit["x"] for limit in chart(dashboard, "KL and clipping")[12:14]] == [[], []]
    assert "stops at" not in readout(dashboard, "KL and clipping")
    shown = readout(dashboard, "KL and clipping")
    scalars = computed(1, **CHANGES).scalars
    assert f"clip fraction {100 * scalars['clip_fraction']:.1f} %" in shown
    assert f"= held {100 * scalars['held_fraction']:.1f} %" in shown
    assert f"+ pulled back {100 * scalars['pulled_back_fraction']:.1f} %" in shown
    dashboard.type("Clip range", 0.35)
    until(lambda: dashboard.panel("Surrogate").locator(".preview-tag").is_visible())
    curves = chart(dashboard, "Surrogate")
    for (_, sign), (unclipped, objective, preview) in zip(SIDES, (curves[:3], curves[3:]), strict=True):
        for curve, name, clip_range in ((unclipped, "unclipped", 0), (objective, "clip", 0.2), (preview, "clip", 0.35)):
            ratio, edges = torch.tensor(curve["x"], dtype=torch.float32), losses.edges_of(clip_range)
            expected = -losses.policy_loss(name, torch.zeros(()), ratio, torch.full_like(ratio, sign), edges)
            assert len(ratio) > 60
            assert curve["y"] == pytest.approx(expected.tolist(), abs=1e-6)
    # Where it is flat is where samples are held.
    flat = [y for x, y in zip(curves[1]["x"], curves[1]["y"], strict=True) if x >= 1.2]
    assert flat == pytest.approx([1.2] * len(flat), abs=1e-6)
    assert len(flat) > 3


@pytest.mark.parametrize(("objective", "at_half"), [("unclipped", 0.5), ("actor_critic", 1 + np.log(0.5))])
def test_objectives_without_a_clip_have_no_flat_part(start, objective, at_half):
    dashboard = start("--objective", objective, "--learning-rate", "0.01").step(update="1").step(update="2")
    curves = chart(dashboard, "Surrogate")
    x, y = np.array(curves[1]["x"]), np.array(curves[1]["y"])
    assert np.interp(0.5, x, y) == pytest.approx(at_half, abs=2e-3)
    assert np.interp(1.0, x, y) == pytest.approx(1, abs=2e-3)
    assert (np.diff(y[np.diff(x, prepend=-1) > 0]) > 0).all()
    drawn = cloud(dashboard)
    assert int(drawn["goodHeld"]) == int(drawn["badHeld"]) == 0
    assert int(drawn["goodUnheld"]) + int(drawn["badUnheld"]) > 0
    assert "not held" in readout(dashboard, "Surrogate")


def test_what_weighs_a_sample_has_its_name(start):
    dashboard = start("--objective", "reinforce", "--learning-rate", "0.01").step(update="1")
    heights = dashboard.page.get_by_label("Height of a sample")
    until(lambda: heights.locator("option").all_inner_texts(), lambda names: names == ["per |G|", "own G"])


def spot_of(dashboard, sample):
    """Where a sample lies on the page, by the axes of the chart under it."""
    return dashboard.panel("Surrogate").evaluate(
        """(panel, [side, r]) => {
            const { axes } = panel.querySelector(".chart");
            const [x, y] = side > 0 ? [axes.xaxis, axes.yaxis] : [axes.xaxis2, axes.yaxis2];
            const clipped = Math.min(Math.max(r, 0.8), 1.2);
            const height = Math.min(side * r, side * clipped); // the objective for |Â| = 1
            const { left, top } = panel.querySelector("canvas.surrogate-cloud").getBoundingClientRect();
            return [
                left + x.offset + (x.length * (r - x.range[0])) / (x.range[1] - x.range[0]),
                top + y.offset + (y.length * (y.range[1] - height)) / (y.range[1] - y.range[0]),
            ];
        }""",
        sample,
    )


WHOLE = "e => { const { top, bottom } = e.getBoundingClientRect(); return top >= 0 && bottom <= innerHeight; }"
"""Whether the whole of it is in sight."""


@pytest.mark.parametrize("theme", ["light", "projector"])
def test_a_click_on_a_sample_marks_it_and_shows_it_in_full(look_at, page, theme):
    dashboard = look_at(*FAST, update=1, query=f"?theme={theme}")
    dashboard.panel("Surrogate").scroll_into_view_if_needed()
    until(lambda: cloud(dashboard).get("update"), lambda update: update == "1")
    found = computed(1, **CHANGES).arrays
    ratio, used = found["ratio"], found["advantage_used"]
    # The sample with the largest r of those that are to become less likely lies by itself.
    environment, step = np.unravel_index(np.argmax(np.where(used < 0, ratio, 0)), ratio.shape)
    spot = spot_of(dashboard, [-1, float(ratio[environment, step])])
    page.mouse.move(*spot)
    tip = dashboard.panel("Surrogate").locator(".tip")
    until(tip.is_visible)
    assert tip.inner_text().startswith(f"Environment {environment}, step {step}: r = {ratio[environment, step]:.3f}")
    sample = dashboard.panel("Sample").locator(".sample")
    page.mouse.click(*spot)
    place = f"{environment},{step}"
    until(lambda: cloud(dashboard)["selected"], lambda selected: selected == place)
    until(lambda: sample.get_attribute("data-step"), lambda shown: shown == str(step))
    until(lambda: sample.evaluate(WHOLE))


def test_kl_and_fractions_by_minibatch_and_by_update(start):
    dashboard = start("--target-kl", "0.2")
    for update in (1, 2):
        dashboard.step(update=str(update))
    walk(dashboard, 3, 10)
    changes = {**CHANGES, "target_kl": 0.2}
    rows = computed(3, PhaseKind.STEP, 10, **changes).arrays["minibatches"]
    column = {name: rows[:, index] for index, name in enumerate(MINIBATCH_COLUMNS)}
    drawn = chart(dashboard, "KL and clipping")
    past, inside, limits = drawn[:6], drawn[6:12], drawn[12:14]
    for curve, name in zip(inside[:3], KLS, strict=True):
        assert curve["y"][1:-1] == pytest.approx(column[name].tolist(), abs=1e-7), name
    held, stacked, clip = inside[3:]
    assert held["y"][1:-1] == pytest.approx(column["held_fraction"].tolist())
    assert stacked["own"][1:-1] == pytest.approx(column["pulled_back_fraction"].tolist())
    assert stacked["y"][1:-1] == pytest.approx((column["held_fraction"] + column["pulled_back_fraction"]).tolist())
    assert clip["y"][1:-1] == pytest.approx(column["clip_fraction"].tolist())
    assert clip["y"][-1] > held["y"][-1] > 0, "the two fractions differ"
    for update in (1, 2):
        found = computed(update, **changes).scalars
        for curve, name in zip(past, (*KLS, "held_fraction", None, "clip_fraction"), strict=True):
            assert curve["x"][1:-1] == [1, 2]
            assert name is None or curve["y"][update] == pytest.approx(found[name], rel=1e-5), name
        assert past[4]["own"][update] == pytest.approx(found["pulled_back_fraction"], rel=1e-5)
    assert [y for limit in limits for y in limit["y"]] == pytest.approx([0.3] * 4)
    assert "stops at 0.3" in readout(dashboard, "KL and clipping")
