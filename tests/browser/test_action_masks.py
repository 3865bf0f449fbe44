"""What an action mask forbids is hatched in Policy and Sample, and said, as the environment told it."""

import re

import numpy as np
import pytest

from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.probes import PROBES, measure
from tests.browser.dashboard import until
from tests.browser.test_sample import shown, words
from tests.moments import moment_at

TAXI = ("--preset", "taxi", "--num-envs", "8", "--rollout-steps", "64")
NAMES = ["south", "north", "east", "west", "pick up", "drop off"]


@pytest.fixture(scope="module")
def taxi():
    """What the trainer itself finds after an update of that run."""
    settings = {"env": "Taxi-v4", "num_envs": 8, "rollout_steps": 64, "learning_rate": 2.5e-3, "seed": 7}
    trainer = Trainer(Settings.parse({**settings, "anneal_learning_rate": True, "total_steps": 150_000}))
    phase = next(phase for phase in trainer.phases() if phase.kind is PhaseKind.UPDATE)
    found = measure(moment_at(trainer, phase), frozenset(PROBES))
    trainer.close()
    return found


def test_what_is_forbidden_is_hatched_and_said(look_at, taxi):
    paused = look_at(*TAXI, update=1, panels=["Policy", "Sample"])
    arrays, scalars = taxi.arrays, taxi.scalars
    panel = paused.panel("Policy")
    panel.scroll_into_view_if_needed()
    chart = panel.locator(".chart")
    until(lambda: chart.get_attribute("data-update"), lambda update: update == "1")
    places = int(chart.get_attribute("data-states"))
    data = chart.evaluate("element => element.data.map(({ x, y }) => ({ x: [...x], y: [...y] }))")
    # Hatched are the very bars that the mask forbids, from bottom to top; those have no height.
    x = np.array(data[8]["x"], float).reshape(-1, 3)  # from, to, and a gap
    room = 0.8 / len(NAMES)
    bars = {(int(at), int((at % 1 - 0.1) / room)) for at in x[:, :2].mean(1)}
    shown_rows = [round(place * 7 / max(1, places - 1)) for place in range(places)]
    forbidden = np.argwhere(arrays["policy_allowed"][shown_rows] == 0)
    assert bars == {tuple(bar) for bar in forbidden.tolist()}
    assert panel.locator(".panel-key .forbidden").is_visible()
    # The dashed line is the largest entropy that any state allows; the mean is taken of the mean of them.
    assert scalars["entropy_high"] == pytest.approx(data[5]["x"][0])
    assert scalars["entropy_high"] < np.log(6)
    share = round(100 * scalars["final_entropy"] / scalars["entropy_allowed"])
    said = words(paused, "Policy")
    assert re.search(rf"{share}\s?% of the {scalars['entropy_allowed']:.2f} allowed", said), said

    environment, step = (int(n) for n in arrays["policy_places"][np.argmin(arrays["policy_allowed"].sum(1))])
    seek = paused.panel("Sample")
    seek.scroll_into_view_if_needed()
    frame = chart.evaluate("({ axes: { xaxis } }) => [xaxis.offset, xaxis.length, ...xaxis.range]")
    slot = shown_rows.index(int(np.argmin(arrays["policy_allowed"].sum(1))))
    offset, length, low, high = frame
    panel.scroll_into_view_if_needed()
    box = chart.bounding_box()
    paused.page.mouse.click(box["x"] + offset + (slot + 0.5 - low) / (high - low) * length, box["y"] + 20)
    shown(paused, environment=environment, step=step)
    rows = seek.locator(".choices [role='row']").evaluate_all(
        "rows => rows.slice(1).map(row => [row.textContent, row.classList.contains('ruled-out')])"
    )
    allowed = arrays["allowed"][environment, step]
    assert [ruled for _, ruled in rows] == (allowed == 0).tolist()
    for (text, ruled), name, probability in zip(rows, NAMES, arrays["policy_new"][environment, step], strict=True):
        assert name in text
        assert ("(forbidden)" in text) == ruled
        assert f"{probability:.3f}" in text.replace("−", "-")
        assert not ruled or probability == 0
    assert "forbidden here by the action mask" in seek.inner_text()


def test_a_run_without_a_mask_has_nothing_hatched(look_at):
    paused = look_at(update=1, panels=["Policy"])
    panel = paused.panel("Policy")
    panel.scroll_into_view_if_needed()
    chart = panel.locator(".chart")
    until(lambda: chart.get_attribute("data-update"), lambda update: update == "1")
    assert chart.evaluate("element => element.data[8].x.length") == 0
    assert not panel.locator(".panel-key .forbidden").is_visible()
    assert "of log 2" in words(paused, "Policy")
