"""ε⁺ and c: where r may rise by another range, or counts no further, all that the page counts is the trainer's."""

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
    edges = losses.edges_of(**clip_range)
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


def test_a_ratio_that_counts_to_a_cap_is_held_beyond_it_and_sample_says_so(start, page):
    capped = {"clip_range": 0.05, "ratio_cap": 1.08}
    dashboard = start("--clip-range", "0.05", "--ratio-cap", "1.08")
    dashboard.step(update="1")
    walk(dashboard, 2, 9)
    found = computed(2, PhaseKind.STEP, 9, **CHANGES, **capped)
    ratio, used, regions = (found.arrays[name] for name in ("ratio", "advantage_used", "region"))
    beyond = (used < 0) & (ratio > np.float32(1.08))
    assert beyond.any() and (regions[beyond] == Region.HELD).all()
    assert_mask_equals(dashboard.mask(), regions)
    words, text = objective(page)
    assert "max(−min(r, c)·Â" in words and "1.08" in text
    # The curve for Â < 0 is flat beyond the cap as well, and shaded there.
    curve = data(dashboard, "Surrogate")[4]
    flat = [y for x, y in zip(curve["x"], curve["y"], strict=True) if x >= 1.08]
    assert len(flat) > 3 and flat == pytest.approx([-1.08] * len(flat), abs=1e-6)
    shapes = dashboard.panel("Surrogate").locator(".chart").evaluate("e => e.layout.shapes")
    shaded = [shape["x0"] for shape in shapes if shape["type"] == "rect" and shape["xref"] == "x2"]
    assert pytest.approx(1.08) in shaded and len(shaded) == 2
    # Off again, as a preview: the gradient of these samples would flow.
    page.locator("summary", has_text="More settings").click()
    page.get_by_role("switch", name="Ratio cap: on").click()
    until(lambda: previews(dashboard).get("Clip mask"), lambda text: text == "preview c = off")
    assert_mask_equals(dashboard.mask(), codes_of(found, clip_range=0.05))


def test_a_cap_within_the_clip_range_is_refused_with_a_sentence(start, page):
    dashboard = start()
    dashboard.step(update="1")
    page.locator("summary", has_text="More settings").click()
    page.get_by_role("switch", name="Ratio cap: on").click()
    dashboard.type("Ratio cap", 1.1)
    sentence = "must be above the upper edge of the clip range, 1 + 0.2"
    until(lambda: sentence in page.locator("body").inner_text().lower())


SAID = """
    const clipRange = { clip_range: 0.2, clip_range_high: null, ratio_cap: 3 };
    const about = { objective: "clip", clipRange, logProbNew: -0.4, logProbOld: -1.8, logratio: Math.log(given.ratio) };
    const facts = { ...about, ...given };
    return [m.calculation(facts).slice(2).map(({ term, role, value }) => [term, role, value]), m.verdict(facts)];
"""


def test_a_sample_beyond_the_cap_is_said_to_be_held_by_it(modules):
    lines, verdict = modules("panels/sample/words.js", SAID, {"ratio": 4.0, "used": -0.5, "region": int(Region.HELD)})
    assert lines[0] == ["−min(r, 3) · Â", "picked", 1.5]
    assert lines[1][:2] == ["−clip(r, 0.8, 1.2) · Â", "left"]
    assert "r = 4.000 is above c" in verdict and "exactly 0" in verdict
    lines, verdict = modules("panels/sample/words.js", SAID, {"ratio": 4.0, "used": 0.5, "region": int(Region.HELD)})
    assert [role for _, role, _ in lines] == ["left", "picked"] and "It is, by more than ε" in verdict
