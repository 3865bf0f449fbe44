"""What a drawing leaves out, beside its title: never cut, in full for whoever asks, and nothing moves for it."""

import pytest

from tests.browser.dashboard import PANELS, until
from tests.browser.test_what_is_missing import ALL

SIZES = {"light": (1440, 900), "projector": (1024, 768), "dark": (390, 844)}
WHY = "The probe “{}” lacks what it needs."
NOTES = """panels => panels.map((panel) => {
  const note = panel.querySelector("header .note");
  const buttons = [...panel.querySelectorAll("header button")].map((one) => one.getBoundingClientRect().x);
  const [own, words] = [note, note.firstElementChild ?? note].map((one) => one.getBoundingClientRect());
  const short = note.hasAttribute("data-short");
  const cut = note.scrollWidth > note.clientWidth || (!short && words.left < own.left);
  const told = { text: note.innerText, name: note.ariaLabel ?? "", tab: note.tabIndex };
  return { panel: panel.ariaLabel, ...told, short, cut, buttons };
})"""
"""Of every panel: its note, and where its buttons are."""


def come(played, satisfied):
    """To those panels in turn that lack something, which are drawn once they are in sight."""
    for name in ("Ratio histogram", "Loss components", "KL and clipping"):
        panel = played.dashboard.panel(name)
        panel.scroll_into_view_if_needed()
        until(panel.locator("header .note").text_content, satisfied, patience=8_000)


@pytest.mark.parametrize("theme", SIZES)
def test_a_note_is_never_cut_and_is_there_in_full_for_everybody(stage, theme):
    played = stage(query=f"?theme={theme}")
    page = played.page
    width, height = SIZES[theme]
    page.set_viewport_size({"width": width, "height": height})
    look = lambda: page.locator("section.panel:not([hidden])").evaluate_all(NOTES)  # noqa: E731
    played.snapshot(3, measured=ALL)
    played.dashboard.at(update="3")
    before = {one["panel"]: one["buttons"] for one in look()}
    failing = ("post_step", "samples", "minibatches")
    lacks = {name: WHY.format(name) for name in failing}
    played.snapshot(4, measured=[name for name in ALL if name not in lacks], lacks=lacks)
    come(played, lambda text: "without " in text)
    noted = [one for one in look() if "without " in one["text"]]
    for one in noted:
        assert not one["cut"], one
        assert one["text"] in one["name"] and "lacks what it needs." in one["name"]
        assert one["tab"] == 0, "whoever has no pointer comes to it"
        assert one["buttons"] == before[one["panel"]], "nothing moves for it"
    if any(one["short"] for one in noted):
        note = page.locator(".note[data-short]", has_text="without").first
        note.focus()
        shown = note.evaluate("note => getComputedStyle(note, '::after').content")
        assert "lacks what it needs." in shown
    else:
        assert width >= 1440, "in a narrow panel there is no room for all words"
    played.snapshot(5, measured=ALL)
    come(played, lambda text: "without " not in text)
    assert all((one["tab"] == 0) == (one["text"] != "") == (one["name"] != "") for one in look())


@pytest.mark.parametrize("theme", SIZES)
def test_what_a_panel_shows_is_said_whole_below_its_title(stage, theme):
    page = stage(query=f"?theme={theme}").page
    width, height = SIZES[theme]
    page.set_viewport_size({"width": width, "height": height})
    hints = page.locator("section.panel > header .hint")
    assert hints.count() == PANELS
    cut = "all => all.filter((one) => one.scrollHeight > one.clientHeight + 1).map((one) => one.textContent)"
    until(lambda: hints.evaluate_all(cut), lambda found: found == [], patience=8_000)
