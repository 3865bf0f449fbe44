"""ε⁺: where the ratio may rise by another range than it may fall by, all that the page counts is the trainer's."""

import numpy as np
import pytest
import torch

from ppo_scope.ppo import losses
from ppo_scope.ppo.losses import Region
from ppo_scope.ppo.phases import PhaseKind
from tests.browser.dashboard import Dashboard, only, until
from tests.browser.test_first_light import SEED, computed
from tests.browser.test_preview import assert_mask_equals, data, previews
from tests.browser.test_surrogate_kl import CHANGES, FAST, TALL, cloud, walk

PANELS = ("Clip mask", "Ratio histogram", "Surrogate", "Sample")
APART = {"clip_range": 0.1, "clip_range_high": 0.28}


def codes_of(found, **clip_range):
    """Regions of every sample, as the trainer's own code finds them."""
    arrays = (found.arrays["ratio"], found.arrays["advantage_used"], found.arrays["region"] != 0)
    edges = losses.edges_of(clip_range["clip_range"], clip_range["clip_range_high"])
    return losses.regions(*(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays), edges).numpy()


def objective(page):
    """The equation of L_PG, in words and as it stands."""
    seen = page.locator("#formula .equation:visible").nth(1)
    return seen.get_attribute("aria-label"), seen.inner_text()


@pytest.fixture
def start(server, page):
    def begin(*settings):
        page.set_viewport_size(TALL)
        return Dashboard(page, only(server("--paused", "--seed", SEED, *FAST, *settings), *PANELS))

    return begin


def test_a_run_that_may_rise_further_than_it_may_fall_is_shown_between_its_two_edges(start, page):
    dashboard = start("--clip-range", "0.1", "--clip-range-high", "0.28")
    dashboard.step(update="1")
    walk(dashboard, 2, 9)
    found = computed(2, PhaseKind.STEP, 9, **CHANGES, **APART)
    regions = found.arrays["region"]
    ratio = found.arrays["ratio"]
    freed = (ratio > 1.1) & (ratio < 1.28) & (regions == Region.INSIDE)
    assert freed.any() and (regions == Region.HELD).any(), "the run must have what ε⁺ sets free"
    assert_mask_equals(dashboard.mask(), regions)
    words, text = objective(page)
    assert "1+ε⁺" in words and "0.9" in text and "1.28" in text
    assert data(dashboard, "Ratio histogram")[5]["x"][::3] == pytest.approx([0.9, 1.28])
    labels = (
        dashboard.panel("Ratio histogram")
        .locator(".chart")
        .evaluate("e => e.layout.annotations.map(({ text }) => text)")
    )
    assert {"1−ε<br>0.90", "1+ε⁺<br>1.28"} <= set(labels)
    drawn = cloud(dashboard)
    used = found.arrays["advantage_used"]
    covered = (found.arrays["in_minibatch"] == 1) & ~np.isnan(used)
    assert int(drawn["goodHeld"]) == (covered & (used > 0) & (regions == Region.HELD)).sum()
    # The curve for Â > 0 is flat from 1 + ε⁺ on, and not before.
    curve = data(dashboard, "Surrogate")[1]
    heights = dict(zip(curve["x"], curve["y"], strict=True))
    assert all(y == pytest.approx(min(max(x, 0), 1.28), abs=1e-6) for x, y in heights.items() if x >= 0.9)


def test_it_is_previewed_switched_on_and_off_again(start, page):
    dashboard = start()
    dashboard.step(update="1")
    walk(dashboard, 2, 9)
    found = computed(2, PhaseKind.STEP, 9, **CHANGES)
    assert "ε⁺" not in objective(page)[0]
    page.locator("summary", has_text="More settings").click()
    page.get_by_role("switch", name="Upper clip range: on").click()
    until(lambda: previews(dashboard).get("Clip mask"), lambda text: text == "preview ε⁺ = 0.28")
    codes = codes_of(found, clip_range=0.2, clip_range_high=0.28)
    assert not np.array_equal(codes, found.arrays["region"]), "it must matter"
    assert_mask_equals(dashboard.mask(), codes)
    words, text = objective(page)
    assert "1+ε⁺" in words and "1.28" in text and "0.8" in text
    assert data(dashboard, "Ratio histogram")[6]["x"][::3] == pytest.approx([0.8, 1.28])
    chart = dashboard.panel("Ratio histogram").locator(".chart")
    labels = chart.evaluate("e => e.layout.annotations.map(({ text }) => text)")
    assert [text for text in labels if "preview" in text] == ["preview<br>1.28"], "the lower edge stays"
    marked = page.locator("#formula .equation:visible").nth(1).locator(".live[data-preview]").all_inner_texts()
    assert "1.28" in marked and "0.8" not in marked
    # Made with it, the next update says the same of itself; then off again is a preview as well.
    dashboard.step("update", update="2", phase="update").step("update", update="3", phase="update")
    until(lambda: previews(dashboard) == {})
    assert "1+ε⁺" in objective(page)[0]
    page.get_by_role("switch", name="Upper clip range: on").click()
    until(lambda: previews(dashboard).get("Clip mask"), lambda text: text == "preview ε⁺ = ε")
