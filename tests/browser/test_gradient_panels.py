"""Gradients, step direction and the ratios after a step: what is drawn is what Python computed from the same seed."""

import re

import numpy as np
import pytest

from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.probes import measure
from tests.browser.dashboard import Dashboard, only, until
from tests.moments import moment_at

SEED = "7"
TERMS = 4
PROBES = frozenset({"gradients", "direction", "ratio", "post_step", "minibatches"})
TWO = ["policy 1", "policy 2", "policy head", "value 1", "value 2", "value head"]
SHARED = ["trunk 1", "trunk 2", "policy head", "value head"]


def computed(update, kind, epoch, minibatch, **settings):
    """What the trainer itself finds at that moment of the run with this seed."""
    trainer = Trainer(Settings.parse({"seed": int(SEED), **settings}))
    try:
        for phase in trainer.phases():
            if (phase.update.index, phase.kind, phase.epoch, phase.minibatch) == (update, kind, epoch, minibatch):
                return measure(moment_at(trainer, phase), PROBES)
    finally:
        trainer.close()
    raise AssertionError("no such moment")


@pytest.fixture
def open_at(server, page):
    """A paused run at one of whose panels one looks: `open_at("Gradients", "--shared-network")`."""

    def _open(panel, *arguments, beside=()):
        dashboard = Dashboard(page, only(server("--paused", "--seed", SEED, *arguments), panel, *beside))
        dashboard.panel(panel).scroll_into_view_if_needed()
        page.wait_for_timeout(300)  # the probes of what is in view are asked for in a moment
        return dashboard

    return _open


@pytest.fixture
def gradients(lasting):
    """The panel after the step of the first minibatch, on a page that others look at too."""

    def look(*arguments):
        dashboard = lasting(*arguments, minibatch=1, panels=["Gradients"])
        dashboard.panel("Gradients").scroll_into_view_if_needed()
        return dashboard

    return look


def chart(dashboard, panel, **data):
    """Its traces, once it says that it has drawn this."""
    element = dashboard.panel(panel).locator(".chart")
    until(lambda: element.evaluate("e => ({...e.dataset})"), lambda seen: data.items() <= seen.items())
    return element.evaluate("e => e.data.map(({x, y, customdata}) => ({x, y, customdata}))")


def drawn_norms(traces):
    """[4, G] from left to right, of the points that one hovers over."""
    return np.array([trace["customdata"] for trace in traces[TERMS:]])


def ordered(found, names):
    """[4, G] raw, in the order of these layers."""
    layers = found.notes["gradients"]["layers"]
    assert sorted(layers) == sorted(names)
    return found.arrays["gradient_norms"][:, [layers.index(name) for name in names]]


def bars(trace):
    """place → height on the scale, of an area of bars."""
    corners = [(x, y) for x, y in zip(trace["x"], trace["y"], strict=True) if x is not None and x == x]
    found = {}
    for x, y in corners:
        found[round(x)] = max(found.get(round(x), 0), y)
    return found


def cosines(dashboard):
    rows = dashboard.panel("Gradients").locator(".cosines tr:not(.visually-hidden)")
    return [row.locator("td").all_inner_texts() for row in rows.all()]


@pytest.mark.parametrize("arguments", [[], ["--shared-network"]], ids=["two", "shared"])
def test_every_bar_is_the_norm_that_python_computed(open_at, arguments):
    dashboard = open_at("Gradients", *arguments)
    names = SHARED if arguments else TWO
    dashboard.step("minibatch", phase="step", minibatch="1")
    dashboard.step("phase", phase="loss", minibatch="2").step("phase", phase="gradient")
    traces = chart(dashboard, "Gradients", update="1", phase="gradient")
    found = computed(1, PhaseKind.GRADIENT, 1, 2, shared_network=bool(arguments))
    expected = ordered(found, names) * np.array([[1], [0.5], [0.01], [1]])
    assert drawn_norms(traces) == pytest.approx(expected, rel=1e-5)
    for term in range(TERMS):
        heights = bars(traces[term])
        assert set(heights) == set(np.flatnonzero(expected[term]).tolist()), "no bar where nothing flows"
        for place, height in heights.items():
            assert height == pytest.approx(np.log10(1 + expected[term, place] / 1e-4), rel=1e-4)
    layout = dashboard.panel("Gradients").locator(".chart").evaluate("e => e.layout.xaxis.ticktext")
    assert [name.replace("<br>", " ") for name in layout] == names


def test_raw_norms_are_without_the_coefficients(gradients):
    dashboard = gradients()
    weighting = dashboard.panel("Gradients").get_by_label("Weighting of the gradients")
    usual = weighting.input_value()
    weighting.select_option("raw")
    traces = chart(dashboard, "Gradients", weighting="raw")
    weighting.select_option(usual)
    assert drawn_norms(traces) == pytest.approx(ordered(computed(1, PhaseKind.STEP, 1, 1), TWO), rel=1e-5)


def test_the_norm_clip_tells_what_the_trainer_did(gradients):
    dashboard = gradients()
    found = computed(1, PhaseKind.STEP, 1, 1).scalars
    before, factor = found["gradient_norm"], found["gradient_clip_factor"]
    assert factor < 1
    chart(dashboard, "Gradients", update="1")
    data = dashboard.panel("Gradients").locator(".chart").evaluate("e => ({...e.dataset})")
    assert float(data["before"]) == pytest.approx(before, rel=1e-6)
    assert float(data["after"]) == pytest.approx(before * factor, rel=1e-6)
    text = dashboard.panel("Gradients").inner_text()
    assert f"→ 0.500 (× {factor:.3f})" in text


def test_before_its_gradient_is_taken_no_clip_is_made_up(open_at):
    dashboard = open_at("Gradients")
    for phase in ("rollout", "advantages", "loss"):
        dashboard.step("phase", phase=phase)
    chart(dashboard, "Gradients", update="1", phase="loss")
    until(dashboard.panel("Gradients").inner_text, lambda text: "comes with the gradient" in text)
    assert dashboard.panel("Gradients").locator(".chart").get_attribute("data-before") == ""


def test_with_two_networks_the_value_gradient_is_said_not_to_touch_the_policy(gradients):
    dashboard = gradients()
    chart(dashboard, "Gradients", update="1")
    said = dashboard.panel("Gradients").locator(".chart").evaluate("e => e.layout.annotations.map(a => [a.x, a.text])")
    plain = [(x, re.sub("<[^>]*>", "", text)) for x, text in said]
    assert (1, "∇LVF = 0") in plain and (4, "∇LPG = ∇S = 0") in plain
    found = computed(1, PhaseKind.STEP, 1, 1)
    layers = found.notes["gradients"]["layers"]
    table = found.arrays["gradient_cosines"][:, [layers.index(name) for name in TWO]]
    assert cosines(dashboard) == [[words(cosine) for cosine in row] for row in table]
    assert cosines(dashboard)[0] == ["n/a"] * 6
    reason = dashboard.panel("Gradients").locator(".cosines td.nothing").first.get_attribute("title")
    assert reason == "n/a: L_VF does not reach policy 1, so there is no angle"


def words(cosine):
    return "n/a" if np.isnan(cosine) else f"{cosine:.2f}".replace("-0.00", "0.00").replace("-", "−")


def test_cosines_stand_where_the_trunk_is_shared(gradients):
    dashboard = gradients("--shared-network")
    chart(dashboard, "Gradients", update="1")
    found = computed(1, PhaseKind.STEP, 1, 1, shared_network=True)
    layers = found.notes["gradients"]["layers"]
    table = found.arrays["gradient_cosines"][:, [layers.index(name) for name in SHARED]]
    assert cosines(dashboard) == [[words(cosine) for cosine in row] for row in table]
    assert "n/a" not in cosines(dashboard)[0][:2] and cosines(dashboard)[0][2:] == ["n/a", "n/a"]


def test_the_line_is_what_python_computed(open_at):
    dashboard = open_at("Step direction", "--learning-rate", "0.003")
    dashboard.step("update", update="1", phase="update")
    dashboard.step("update", update="2", phase="update")
    unclipped, clipped, kl = chart(dashboard, "Step direction", update="2")[:3]
    found = computed(2, PhaseKind.UPDATE, 4, 4, learning_rate=0.003).arrays
    for trace, row in ((clipped, 0), (unclipped, 1), (kl, 2)):
        assert trace["x"] == pytest.approx(found["direction_at"].tolist())
        assert trace["y"] == pytest.approx(found["direction_losses"][row].tolist(), rel=1e-5, abs=1e-9)
    assert kl["y"][kl["x"].index(0)] == pytest.approx(0, abs=1e-8)  # the same outputs, computed twice
    layout = dashboard.panel("Step direction").locator(".chart").evaluate("e => e.layout")
    assert [shape["x0"] for shape in layout["shapes"]] == [0, 1], "marks at the old and at the new weights"
    assert layout["yaxis2"]["side"] == "right", "KL has its own axis"
    assert max(kl["y"]) <= layout["yaxis2"]["range"][1]


def test_the_outline_is_the_minibatch_after_its_step(open_at):
    dashboard = open_at("Ratio histogram", "--learning-rate", "0.003")
    for phase in ("rollout", "advantages", "loss", "gradient"):
        dashboard.step("phase", phase=phase)
    outline = chart(dashboard, "Ratio histogram", update="1")[-1]
    assert not outline["x"], "before its step there is nothing to outline"
    dashboard.step("phase", phase="step")
    found = computed(1, PhaseKind.STEP, 1, 1, learning_rate=0.003)
    counts = found.arrays["ratio_post_counts"].tolist()
    outline = chart(dashboard, "Ratio histogram", update="1")[-1]
    assert outline["customdata"] == [0, *counts, 0]
    total = sum(counts) + int(found.arrays["ratio_post_outside"].sum())
    assert outline["y"] == pytest.approx([0, *np.sqrt(np.array(counts) / total), 0], rel=1e-5)
    low, high = found.scalars["ratio_post_min"], found.scalars["ratio_post_max"]
    assert f"{low:.2f}–{high:.2f}" in dashboard.panel("Ratio histogram").inner_text()
    dashboard.step("phase", phase="loss", minibatch="2")
    assert not chart(dashboard, "Ratio histogram")[-1]["x"]


def test_both_say_what_they_cost_and_of_which_update_they_are(open_at, page):
    dashboard = open_at("Gradients", beside=["Step direction"])
    dashboard.step("update", update="1", phase="update")
    gradients, direction = (dashboard.panel(name).locator(".measured") for name in ("Gradients", "Step direction"))
    until(gradients.inner_text, lambda text: re.fullmatch(r"after the step · [\d.]+\u00a0ms per measurement", text))
    direction.scroll_into_view_if_needed()
    until(direction.inner_text, lambda text: re.search(r"[\d,]+ samples · [\d.]+\u00a0ms per measurement", text))
    dashboard.step("phase", update="2", phase="rollout")  # nothing to differentiate yet: the last drawing stays
    until(gradients.inner_text, lambda text: text.startswith("update 1, its end · "))
    until(direction.inner_text, lambda text: text.startswith("update 1, its end · "))
    dashboard.press("Play")
    until(gradients.inner_text, lambda text: re.search(r"ms per measurement, [\d.]+\u00a0% of the time", text))
    until(lambda: int(dashboard.panel("Gradients").locator(".chart").get_attribute("data-update")), lambda n: n > 3)
    dashboard.press("Pause").at(state="paused")


def test_a_past_moment_that_was_not_measured_says_so(open_at, page):
    dashboard = open_at("Gradients")
    dashboard.step("update", update="1", phase="update")
    page.get_by_label("Step size").select_option("phase")
    dashboard.key("ArrowLeft").at(phase="epoch", live="false")
    until(dashboard.panel("Gradients").inner_text, lambda text: "passed on the way of a larger step" in text)
