"""The page in Firefox, where there is one: it says what it says in Chromium."""

import json

import pytest

from tests.browser.dashboard import until
from tests.browser.firefox import firefox, found

pytestmark = [pytest.mark.skipif(found() is None, reason="there is no Firefox here"), pytest.mark.timeout(360)]

WINDOW = {"width": 1440, "height": 900}
PANELS = (
    *("episodic-return", "ratio-histogram", "clip-mask", "sample", "advantages", "loss-components", "surrogate"),
    *("kl-and-clipping", "values", "policy", "gradients", "step-direction", "health"),
)
"""But Environment, which acts on its own."""
ARROW_RIGHT = "\ue014"
PAINTED = "document.body.dataset"
PLACES = (".formula", ".pipeline", *(f"#panel-{name}" for name in PANELS))
SAID = """place => {
    const part = document.querySelector(place);
    part.scrollIntoView({ block: "center", behavior: "instant" }); // what is out of sight is not drawn
    const copy = part.cloneNode(true);
    copy.querySelectorAll("[hidden], svg").forEach(part => part.remove()); // how many ticks an axis has is the fonts'
    return copy.textContent.replaceAll(/\\s+/g, " ").trim();
}"""
MOVE = """(() => {
    const slider = document.querySelector("input[type=range][aria-label^='Clip range']");
    slider.value = slider.min;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
})()"""


@pytest.fixture
def in_firefox(tmp_path):
    with firefox(tmp_path, **WINDOW) as page:
        yield page


def agreed(said):
    return said[0] == said[1] and said[0] and "Waits for" not in said[0]


def said(page, place):
    return page.evaluate(f"({SAID})({json.dumps(place)})")


def test_it_says_what_chromium_says(shared_server, new_page, in_firefox):
    server = shared_server()
    in_chromium = new_page()
    for page in (in_firefox, in_chromium):
        page.goto(server.url)
        until(lambda page=page: page.evaluate(PAINTED).get("state") == "paused")
    in_firefox.press(ARROW_RIGHT)
    for page in (in_firefox, in_chromium):
        until(lambda page=page: page.evaluate(PAINTED).get("update") == "1")
    for place in PLACES:
        until(lambda: [said(page, place) for page in (in_firefox, in_chromium)], agreed)  # noqa: B023
    in_firefox.evaluate(MOVE)
    until(lambda: "→" in said(in_firefox, "#panel-ratio-histogram"))  # the preview, beside what is
    in_firefox.press(" ")
    until(lambda: int(in_firefox.evaluate(PAINTED)["update"]) > 3)
    in_firefox.press(" ")
    until(lambda: in_firefox.evaluate(PAINTED)["state"] == "paused")
    assert in_firefox.errors == []
