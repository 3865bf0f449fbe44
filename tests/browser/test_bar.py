"""The bar: whatever it has to say, it stays as high as it is, and no button moves from under the pointer."""

import pytest

from tests.browser.dashboard import until

LONG = ("--env", "MountainCarContinuous-v0", "--learning-rate", "0.1")

PLACES = """() => {
    const bar = document.querySelector("#bar");
    const box = (element) => element.getBoundingClientRect();
    return {
        height: bar.offsetHeight,
        beyond: bar.scrollWidth - bar.clientWidth,
        step: box(bar.querySelector(".action.step")).x,
        parts: [...bar.children].map(box).filter(({ width, height }) => width > 1 && height > 1)
            .map(({ x, right, y }) => [Math.round(x), Math.round(right), Math.round(y) < 40]),
    };
}"""


@pytest.mark.parametrize("theme", ["light", "projector"])
def test_the_bar_keeps_its_height_and_its_buttons_whatever_it_says(look_at, page, theme):
    page.set_viewport_size({"width": 1440, "height": 900})
    dashboard = look_at(*LONG, update=4, query="?theme=" + theme)
    badge = page.locator(".health-badge")
    until(badge.is_visible)  # this learning rate deserves a finding

    def places(hidden):
        badge.evaluate("(badge, hidden) => { badge.hidden = hidden; }", hidden)
        return page.evaluate(PLACES)

    for size in ("update", "until"):
        page.get_by_label("Step size").select_option(size)
        for width in (1024, 1180, 1280, 1366, 1440, 1700, 1920, 2560):
            page.set_viewport_size({"width": width, "height": 900})
            without, with_ = places(True), places(False)
            where = (size, width, without, with_)
            rows = 2 if width < 1280 or (theme == "projector" and width < 1920) else 1
            assert without["height"] == with_["height"] < rows * 53, where
            assert without["step"] == with_["step"], where
            for seen in (without, with_):
                assert seen["beyond"] == 0, where
                first = sorted(part[:2] for part in seen["parts"] if part[2])
                assert all(one[1] < other[0] for one, other in zip(first, first[1:], strict=False)), where
    dashboard.at(state="paused")
