"""A cloud of samples under a pointer that rests: its tip says what lies there now, not what lay there before."""

import pytest

from tests.browser.dashboard import until

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
    until(tip.is_visible)
    page.get_by_role("slider", name="Timeline").fill("1")
    until(lambda: canvas.get_attribute("data-update"), lambda update: update == "1")
    at_rest = tip.is_visible() and tip.inner_text()
    page.mouse.move(x - 40, y)
    page.mouse.move(x, y)
    assert at_rest == (tip.is_visible() and tip.inner_text())
