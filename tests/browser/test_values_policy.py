"""Values and Policy: what they draw and say is what the trainer computed, and their samples can be pointed out."""

import json
import re

import numpy as np
import pytest

from ppo_scope.ppo.losses import Region
from ppo_scope.ppo.phases import PhaseKind
from tests.browser.dashboard import Dashboard, only, until
from tests.browser.labels import OVERLAPS
from tests.browser.test_first_light import computed
from tests.browser.test_sample import click, shown, words

LOOKED_AT = ("Clip mask", "Sample", "Values", "Policy")


def test_values_are_those_of_the_trainer_and_a_dot_can_be_clicked(lasting):
    paused = lasting(update=1, panels=LOOKED_AT)
    page, found = paused.page, computed(1)
    arrays = found.arrays
    trained = arrays["region"] != Region.NOT_TRAINED
    panel = paused.panel("Values")
    panel.scroll_into_view_if_needed()
    cloud = panel.locator(".value-cloud")
    until(lambda: cloud.get_attribute("data-update"), lambda update: update == "1")
    assert int(cloud.get_attribute("data-samples")) == trained.sum()
    before, after = found.scalars["explained_variance_before"], found.scalars["explained_variance"]
    said = re.search(r"Explained variance (-?[\d.]+) → (-?[\d.]+):", words(paused, "Values"))
    assert [float(number) for number in said.groups()] == pytest.approx([before, after], abs=0.0051)
    # The dot that lies farthest from all others can be told from them.
    points = np.argwhere(trained)
    x, y = arrays["value_target"][trained], arrays["value_now"][trained]
    frame = panel.locator(".chart").evaluate(
        "({ axes: { xaxis, yaxis } }) => [xaxis, yaxis].map(a => [a.offset, a.length, ...a.range])"
    )
    (left, width, x0, x1), (top, height, y0, y1) = frame
    across = left + (x - x0) / (x1 - x0) * width
    down = top + (y1 - y) / (y1 - y0) * height
    old = top + (y1 - arrays["value"][trained]) / (y1 - y0) * height
    everything = np.concatenate([np.stack([across, down], 1), np.stack([across, old], 1)])
    distances = [np.sort(np.hypot(*(everything - [a, d]).T))[1] for a, d in zip(across, down, strict=True)]
    chosen = int(np.argmax(distances))
    assert distances[chosen] > 0.5
    box = cloud.bounding_box()
    spot = float(box["x"] + across[chosen]), float(box["y"] + down[chosen])
    page.mouse.move(*spot)
    tip = panel.locator(".tip")
    until(tip.is_visible)
    environment, step = points[chosen].tolist()
    assert tip.inner_text().startswith(f"Environment {environment}, step {step}:")
    page.mouse.click(*spot)
    shown(paused, environment=environment, step=step)
    until(lambda: panel.locator(".chart").evaluate("e => e.data[1].y.length"), lambda n: n == 2)
    data = panel.locator(".chart").evaluate("e => e.data")
    assert data[1]["x"][0] == pytest.approx(float(arrays["value_target"][environment, step]), rel=1e-6)
    assert data[1]["y"] == pytest.approx(
        [float(arrays[name][environment, step]) for name in ("value", "value_now")], rel=1e-6
    )


def tops(trace):
    """The height of each rectangle of a trace."""
    return [y for index, y in enumerate(trace["y"]) if index % 6 == 1]


def test_the_policy_before_and_now_is_that_of_the_trainer(look_at):
    paused = look_at(update=1, minibatch=2, panels=LOOKED_AT)
    found = computed(2, PhaseKind.STEP, 2)
    panel = paused.panel("Policy")
    panel.scroll_into_view_if_needed()
    chart = panel.locator(".chart")
    until(lambda: chart.get_attribute("data-update"), lambda update: update == "2")
    data = until(lambda: chart.evaluate("e => e.data"), lambda traces: len(traces[0].get("y") or []) == 96)
    arrays = found.arrays
    assert tops(data[0]) == pytest.approx(arrays["policy_now"].reshape(-1).tolist(), rel=1e-6)
    assert tops(data[1]) == pytest.approx(arrays["policy_before"].reshape(-1).tolist(), rel=1e-6)
    assert tops(data[6]) == pytest.approx(arrays["policy_shift"].tolist(), rel=1e-6)
    before, now = arrays["entropy_counts"].astype(float)
    top = max(before.max(), now.max())
    assert data[3]["y"][1:-1] == pytest.approx((now / top).tolist())
    assert data[4]["y"][1:-1] == pytest.approx((before / top).tolist())
    assert data[5]["x"] == pytest.approx([np.log(2)] * 2)
    assert "0.693" in chart.text_content()
    assert re.search(r"entropy 0\.\d+: \d+\u00a0% of log 2 · [\d.]+\u00a0ms per measurement", words(paused, "Policy"))


def test_the_selected_state_joins_the_others(lasting):
    paused = lasting(update=1, panels=LOOKED_AT)
    click(paused, 4, 33)
    arrays = computed(1).arrays
    chart = paused.panel("Policy").locator(".chart")
    chart.scroll_into_view_if_needed()
    data = until(lambda: chart.evaluate("e => e.data"), lambda traces: traces and len(traces[0].get("y") or []) == 108)
    assert tops(data[0])[-2:] == pytest.approx(arrays["policy_new"][4, 33].tolist(), rel=1e-6)
    assert tops(data[1])[-2:] == pytest.approx(arrays["policy_old"][4, 33].tolist(), rel=1e-6)


def test_in_a_narrow_panel_what_stands_under_the_selected_state_is_whole(look_at, page):
    paused = look_at(update=1, panels=LOOKED_AT)
    click(paused, 4, 33)
    chart = paused.panel("Policy").locator(".chart")
    for width in (1280, 980, 940, 900):
        page.set_viewport_size({"width": width, "height": 720})
        chart.scroll_into_view_if_needed()
        until(lambda: "selected" in chart.text_content())
        until(
            lambda: [found for found in page.evaluate(OVERLAPS) if found.startswith("Policy")],
            lambda found: not found,
            patience=5000,
        )


def test_a_state_of_the_policy_can_be_clicked(lasting):
    paused = lasting(update=1, panels=LOOKED_AT)
    places = computed(1).arrays["policy_places"].tolist()
    chart = paused.panel("Policy").locator(".chart")
    chart.scroll_into_view_if_needed()
    states = until(lambda: chart.get_attribute("data-states"))
    assert states in {"8", "9"}, "and behind them the one that another test may have selected"
    left, width, top, height = chart.evaluate(
        "({ axes: { xaxis, yaxis } }) => [xaxis.offset, xaxis.length, yaxis.offset, yaxis.length]"
    )
    chart.click(position={"x": left + width * 5.5 / int(states), "y": top + height / 2})
    environment, step = places[5]
    shown(paused, environment=environment, step=step)


RANGE = ("--env", "tests.environments.sick:ppo_scope_tests/Range-v0", "--num-envs", "2", "--rollout-steps", "64")


@pytest.mark.parametrize(
    ("low", "high", "stretched"),
    [(-3, 3, True), (0, 1000, False)],  # the policy begins with mean 0 and deviation 1
)
def test_where_actions_are_cut_off_is_drawn(serve_here, page, low, high, stretched):
    dashboard = Dashboard(
        page, only(serve_here(*RANGE, "--env-kwargs", json.dumps({"low": low, "high": high})), "Policy")
    )
    dashboard.step(update="1", phase="update")
    panel = dashboard.panel("Policy")
    panel.scroll_into_view_if_needed()
    chart = panel.locator(".chart")
    until(lambda: chart.get_attribute("data-update"), lambda update: update == "1")
    assert f"range [{low}, {high:,}]".replace("-", "−") in panel.inner_text()
    bounds = until(lambda: chart.evaluate("e => e.data"))[7]
    assert {y for y in bounds["y"] if y is not None and not np.isnan(y)} == {low, high}
    bottom, top = chart.evaluate("e => e.layout.yaxis.range")
    assert (bottom <= low and high <= top) == stretched
    assert top < 100  # what the policy does can be seen
