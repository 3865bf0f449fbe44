"""Under a pointer that rests, the page says what lies there now, not what lay there before."""

import pytest

from tests.browser.dashboard import Dashboard, only, panels_alone, until
from tests.browser.stage import snapshot

CHARTS = ("Episodic return", "Loss components", "KL and clipping")

PAINTED = """(canvas) => {
    const { left, top } = canvas.getBoundingClientRect();
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const places = [...Array(data.length / 4).keys()].filter((place) => data[4 * place + 3]);
    const place = places[places.length >> 1];
    const density = canvas.width / canvas.clientWidth;
    return [left + (place % canvas.width) / density, top + Math.floor(place / canvas.width) / density];
}"""
"""Somewhere in the midst of what is painted, in the window's pixels."""


@pytest.mark.parametrize(("name", "cloud"), [("Values", ".value-cloud"), ("Surrogate", ".surrogate-cloud")])
def test_a_tip_under_a_pointer_at_rest_says_what_lies_there_now(look_at, page, name, cloud):
    dashboard = look_at(update=2, panels=(name,))
    canvas, tip = dashboard.panel(name).locator(cloud), dashboard.panel(name).locator(".tip")
    x, y = until(lambda: canvas.evaluate(PAINTED), lambda place: place[0] is not None)
    page.mouse.move(x, y)
    before = until(lambda: tip.is_visible() and tip.inner_text())
    page.get_by_role("slider", name="Timeline").fill("1")
    # While the cursor moves nothing is said: samples fly by. Once it rests, the tip is there without a hand's doing.
    at_rest = until(lambda: tip.is_visible() and tip.inner_text(), lambda text: text and text != before)
    assert canvas.get_attribute("data-update") == "1"
    page.mouse.move(x - 40, y)
    page.mouse.move(x, y)
    assert tip.inner_text() == at_rest


POINTED = """() => [...document.querySelectorAll(".chart, .track")].map((part) => [
    part.dataset.pointed,
    ...[...part.querySelectorAll(".pointed")].map((line) => line.hidden || line.getBoundingClientRect().left),
    ...[...part.querySelectorAll(".pointed-tag")].map((tag) => tag.hidden || tag.textContent),
])"""


def test_a_line_at_the_update_under_a_pointer_at_rest_moves_with_the_axes(serve_here, page):
    dashboard = Dashboard(page, only(serve_here(), *CHARTS)).step(update="1").step(update="2")
    spots = [page.get_by_role("group", name="KL and clipping"), page.get_by_role("slider", name="Timeline")]
    for last, spot in zip((4, 6), spots, strict=True):
        box = spot.bounding_box()
        x, y = box["x"] + 0.4 * box["width"], box["y"] + 0.2 * box["height"]
        page.mouse.move(x, y)
        before = until(lambda: page.evaluate(POINTED), lambda seen: all(one[0] != "" for one in seen))
        for update in (last - 1, last):
            page.keyboard.press("ArrowRight")
            dashboard.at(update=str(update), state="paused")
        at_rest = until(lambda: page.evaluate(POINTED), lambda seen, before=before: seen != before)
        page.mouse.move(x + 30, y)
        page.mouse.move(x, y)
        assert page.evaluate(POINTED) == at_rest


def test_a_sample_of_the_mask_that_is_there_no_more_has_no_tip(stage):
    """Rollouts of a loop that is not ours may be of any length, which differs from update to update."""
    played = stage(query=panels_alone("Clip mask"))
    panel = played.dashboard.panel("Clip mask")
    mask, tip = panel.locator("canvas").first, panel.locator(".tip")
    header, arrays = snapshot(3)
    rows, columns = arrays["region"].shape
    mask.focus()
    played.page.keyboard.press("End")
    until(tip.inner_text, lambda text: f"step {columns - 1}:" in text)
    half = {k: a[:, : columns // 2] if a.shape[:2] == (rows, columns) else a for k, a in arrays.items()}
    played.frame({**header, "run": played.run["id"], "update": 4}, half)
    until(lambda: played.dashboard.mask()["update"], lambda update: update == "4")
    until(lambda: not tip.is_visible())
    played.page.keyboard.press("End")
    until(tip.inner_text, lambda text: f"step {columns // 2 - 1}:" in text)
