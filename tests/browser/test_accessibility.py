"""axe-core on the live page in every theme, by keyboard and on a phone."""

import json
from pathlib import Path

import axe_playwright_python
import pytest

from tests.browser.dashboard import Dashboard, until
from tests.browser.test_first_light import SEED

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
SERIOUS = {"serious", "critical"}


@pytest.fixture
def paused(server, page):
    return Dashboard(page, server("--paused", "--seed", SEED).url)


def violations(page):
    """What axe-core finds that is serious or worse, in short."""
    page.evaluate(AXE + "; null")
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{v['id']}: {node['target']} {json.dumps(node.get('failureSummary'))[:300]}"
        for v in found["violations"]
        if v["impact"] in SERIOUS
        for node in v["nodes"][:3]
    ]


@pytest.mark.parametrize("theme", ["light", "dark", "projector"])
def test_nothing_serious_in_any_theme(paused, page, theme):
    until(
        lambda: page.evaluate("document.documentElement.dataset.theme"),
        lambda now: now == theme or (paused.key("t") and False),
    )
    paused.step(update="1")
    page.wait_for_timeout(500)
    assert violations(page) == []


def test_nothing_serious_in_dialogs_and_the_guide(paused, page):
    paused.step(update="1")
    paused.key("g").at(state="paused", phase="gradient")
    assert violations(page) == []
    paused.key("?")
    assert violations(page) == []
    page.keyboard.press("Escape")
    paused.press("Share")
    assert violations(page) == []


def test_everything_is_reached_by_keyboard_and_shows_the_focus(paused, page):
    paused.step(update="1")
    page.evaluate("document.activeElement.blur()")
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                """() => {
                    const e = document.activeElement, s = getComputedStyle(e);
                    const ring = s.outlineStyle !== "none" || e.type === "range";
                    return [e.ariaLabel ?? e.textContent.trim().slice(0, 30), ring];
                }"""
            )
        )
    assert all(ring for _, ring in seen), [name for name, ring in seen if not ring]
    names = [name for name, _ in seen]
    for name in ("Play", "Speed", "Step size", "Timeline", "Clip range ε", "Guide"):
        assert name in names, name


def test_every_panel_says_in_words_what_it_draws(paused, page):
    paused.step(update="1")
    for panel in page.locator(".panel").all():
        panel.scroll_into_view_if_needed()
        name = panel.get_attribute("aria-label")
        text = panel.locator(f"#{panel.get_attribute('aria-describedby')}")
        assert until(text.text_content), name


def test_a_phone_shows_one_readable_column(server, new_page):
    page = new_page(viewport={"width": 390, "height": 844})
    dashboard = Dashboard(page, server("--paused", "--seed", SEED).url)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "nothing sticks out"
    lefts = page.evaluate(
        "[...document.querySelectorAll('.panel')].map(p => Math.round(p.getBoundingClientRect().left))"
    )
    assert len(set(lefts)) == 1
    assert not dashboard.slider("Clip range ε").is_visible(), "a phone watches"


def test_without_motion_nothing_moves(server, new_page):
    page = new_page(reduced_motion="reduce")
    Dashboard(page, server("--paused", "--seed", SEED).url)
    durations = page.evaluate("[...document.querySelectorAll('*')].map(e => getComputedStyle(e).transitionDuration)")
    assert set(durations) <= {"0s"}
