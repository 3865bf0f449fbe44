"""One colour per idea, and one light: what belongs together lights up together, by pointer and by keyboard."""

import pytest

from tests.browser.dashboard import until

LIT = """[...document.querySelectorAll(".lit")].map((e) => e.matches(".panel") ? e.ariaLabel
    : e.matches(".setting") ? e.dataset.setting : `symbol ${e.dataset.idea}`)"""
LEASHES = {"clip_range", "clip_range_high", "ratio_cap", "anneal_clip_range", "kl_coef", "kl_coef_target"}
BY_CLIP = {"Ratio histogram", "Clip mask", "Surrogate", "KL and clipping"}


@pytest.fixture
def paused(lasting):
    """A page with all panels; the pointer leads to nothing in it."""
    return lasting(update=1)


def lit(page, satisfied):
    return until(lambda: set(page.evaluate(LIT)), satisfied)


def test_a_symbol_lights_its_slider_and_panels_and_the_other_way_round(paused):
    page = paused.page
    epsilon = page.get_by_role("button", name="upper edge of the clip")
    panels = set(page.evaluate("[...document.querySelectorAll('.panel[data-idea~=clip]')].map(e => e.ariaLabel)"))
    assert panels >= BY_CLIP
    for reach in (epsilon.hover, epsilon.focus):
        reach()
        found = lit(page, lambda found: "clip_range" in found)
        assert found == {*LEASHES, "symbol clip", *panels}
        page.mouse.move(2, 2)
        page.evaluate("document.activeElement.blur()")
        lit(page, lambda found: not found)
    slider = paused.slider("Clip range ε")
    for reach in (slider.hover, slider.focus):
        reach()
        assert lit(page, lambda found: "symbol clip" in found) == {*LEASHES, "symbol clip", *panels}
        page.mouse.move(2, 2)
        page.evaluate("document.activeElement.blur()")
        lit(page, lambda found: not found)


def test_a_panel_lights_its_symbols_and_sliders_and_no_other_panel(paused):
    page = paused.page
    panel = paused.panel("Clip mask")
    panel.scroll_into_view_if_needed()
    ideas = panel.get_attribute("data-idea").split()
    assert "clip" in ideas
    for reach in (panel.get_by_role("heading").hover, panel.get_by_role("button", name="Hide Clip mask").focus):
        reach()
        found = lit(page, lambda found: "clip_range" in found)
        assert (
            {f"symbol {idea}" for idea in ideas}
            >= {name for name in found if name.startswith("symbol")}
            >= {"symbol clip"}
        )
        assert not any(name and name[0].isupper() for name in found)
        assert "value_coef" not in found
        page.mouse.move(2, 2)
        page.evaluate("document.activeElement.blur()")
        lit(page, lambda found: not found)
