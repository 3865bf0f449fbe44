"""Numbers, names and sizes of real life: no label lies on another and none is cut, in any panel."""

import pytest

from tests.browser.dashboard import Dashboard, until
from tests.browser.labels import OVERLAPS

DEEP = ("--hidden-sizes", "64,64,64,64,64,64")
RAW = ("--no-normalize-rewards", "--normalize-advantages", "off")
FULL_HD_AT_150 = {"viewport": {"width": 1280, "height": 720}, "device_scale_factor": 1.5}


def window(width, height):
    return {"viewport": {"width": width, "height": height}}


RUNS = {
    "17 parts of an action, returns of −10⁷": (window(1440, 900), "light", "Arm", "--no-normalize-rewards"),
    "six choices, returns of 10¹¹, seven layers": (FULL_HD_AT_150, "dark", "Several", *RAW, *DEEP),
    "40 actions, and a narrow window": (window(1024, 700), "light", "Forty", "--num-envs", "128"),
    "200 actions, 8 steps, large type": (window(1920, 1080), "projector", "TwoHundred", "--rollout-steps", "8"),
    "one part of an action, 10⁻⁶ a step": (window(3840, 2160), "light", "One", *RAW, "--num-envs", "1"),
}


def walk(page):
    """Bring every panel into sight, as one does who reads the page to its end."""
    for panel in page.locator("section.panel").all():
        panel.scroll_into_view_if_needed()
        chart = panel.locator(".chart").first
        if chart.count():
            until(lambda panel=panel: panel.locator(".cover").is_hidden())
            until(lambda chart=chart: chart.evaluate("e => e.data !== undefined"))


@pytest.mark.parametrize("name", RUNS)
def test_no_label_lies_on_another_and_none_is_cut(serve_here, new_page, name):
    size, theme, env, *more = RUNS[name]
    server = serve_here("--env", f"tests.environments.sized:{env}-v0", *more)
    page = new_page(**size)
    dashboard = Dashboard(page, f"{server.base}?theme={theme}#token={server.token}")
    dashboard.step(update="1").step(update="2")
    walk(page)
    until(lambda: page.evaluate(OVERLAPS), lambda found: not found, patience=8_000)
