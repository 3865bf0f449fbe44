"""axe-core on the live page in every theme, by keyboard and on a phone."""

import io
import json
import re
from pathlib import Path

import axe_playwright_python
import numpy as np
import pytest
from PIL import Image

from tests.browser.dashboard import Dashboard, only, panels_alone, until
from tests.browser.test_first_light import SEED, computed

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
DIALOG = "dialog[open], [role=dialog]"
SERIOUS = {"serious", "critical"}
OF_A_THEME = ["color-contrast", "link-in-text-block", "target-size"]
"""What can be otherwise in another theme: names, roles and order are the same in all."""


@pytest.fixture
def paused(server, page):
    return Dashboard(page, only(server("--paused", "--seed", SEED), "Loss components"))


def violations(page, rules=None, within=None):
    """What axe-core finds that is serious or worse, in short; by some rules only, and in a part, if they are given."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE + "; null")
    only = {"runOnly": {"type": "rule", "values": rules}} if rules else {}
    run = "([within, options]) => axe.run(within ?? document, options)"
    found = page.evaluate(run, [within, {"resultTypes": ["violations"], **only}])
    return [
        f"{v['id']}: {node['target']} {json.dumps(node.get('failureSummary'))[:300]}"
        for v in found["violations"]
        if v["impact"] in SERIOUS
        for node in v["nodes"][:3]
    ]


THEME = "document.documentElement.dataset.theme"
NEXT_THEME = """() => {
    const button = document.querySelector("#bar [aria-label^='Switch to the ']");
    button.dispatchEvent(new MouseEvent("click"));  // which leaves open what a click elsewhere closes
    return new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)));
}"""


def in_every_theme(page, within=None):
    """What axe-core finds, by theme; what is the same in all of them is looked at once.

    within: the part that is new; what was looked at before need not be again.
    """
    assert page.evaluate(THEME) == "light"
    found = {}
    for rules in (None, OF_A_THEME, OF_A_THEME):
        found[page.evaluate(THEME)] = violations(page, rules, within)
        page.evaluate(NEXT_THEME)
    assert set(found) == {"light", "dark", "projector"}
    return {theme: faults for theme, faults in found.items() if faults}


def test_nothing_serious_in_any_theme_and_state(server, page):
    # A run that deserves findings, opened by a link that asks for something else.
    ill = ("--paused", "--seed", SEED, "--value-coef", "0", "--learning-rate", "0.1")
    live = server(*ill)
    dashboard = Dashboard(page, live.url.replace("#", "?theme=light&set=clip_range:0.35#"))
    dashboard.step(update="1")
    health = dashboard.panel("Health")
    health.scroll_into_view_if_needed()
    until(lambda: "kl_spike" in (health.locator(".body").get_attribute("data-findings") or ""))
    page.get_by_role("button", name="Save Health").click()
    assert page.get_by_role("button", name="Keep the run at hand").is_visible()
    assert in_every_theme(page) == {}, "findings, the offer of a link, a save menu"

    # The panels have been looked at: axe-core goes through all that is shown, also where it looks at a part.
    dashboard.press("Keep the run at hand")
    few = f"{panels_alone('Health', 'Loss components')}&theme=light"
    dashboard = Dashboard(page, f"{live.base}{few}").press("New run")
    sheet = page.get_by_role("dialog", name="New run")
    sheet.get_by_label("Environment", exact=True).fill("CartPol")
    sheet.locator("summary", has_text="Loss").click()
    assert in_every_theme(page, within=DIALOG) == {}, "a new run"
    page.keyboard.press("Escape")

    dashboard.type("Clip range", 0.4)
    dashboard.press("Apply to this update")
    page.locator("#comparison table").wait_for()
    dashboard.press("Panels")
    assert in_every_theme(page, within="#comparison, #panels-menu") == {}, "two outcomes, the menu of panels"

    dashboard.key("g")
    page.locator("#guide").wait_for()
    assert in_every_theme(page, within="#guide") == {}, "the guide"
    dashboard.key("?")
    assert in_every_theme(page, within=DIALOG) == {}, "help"
    page.keyboard.press("Escape")
    dashboard.key("g")  # and what it has put on Stage
    page.get_by_role("button", name="Share", exact=True).wait_for()
    dashboard.key("s")
    page.locator("body[data-stage]").wait_for()
    assert in_every_theme(page) == {}, "on Stage"
    dashboard.key("s").press("Share")
    assert in_every_theme(page, within=DIALOG) == {}, "sharing"

    Dashboard(page, f"{live.base}{few}&controls=hidden")
    assert in_every_theme(page) == {}, "embedded"


def test_everything_is_reached_by_keyboard_and_shows_the_focus(look_at, page):
    look_at(update=1)
    page.get_by_role("heading", name="PPO Scope").click()  # the first Tab goes on from here
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                """() => {
                    const e = document.activeElement, s = getComputedStyle(e);
                    const name = e.ariaLabel ?? e.textContent.trim().slice(0, 30);
                    return [name, s.outlineStyle !== "none", e.type === "range"];
                }"""
            )
        )
    assert all(ring for _, ring, is_range in seen if not is_range), [name for name, ring, _ in seen if not ring]
    names = [name for name, *_ in seen]
    for name in ("Play", "Speed", "Step size", "Timeline", "Clip range ε", "Guide"):
        assert name in names, name


def pixels(element):
    return np.asarray(Image.open(io.BytesIO(element.screenshot())).convert("RGB")).astype(int)


def test_a_slider_in_focus_has_a_ring_that_is_seen(look_at, page):
    """Their ring is drawn around the thumb, which no computed style tells: it is looked at."""
    dashboard = look_at(update=1, query="?theme=light&panels=health")
    for theme in ("light", "dark", "projector"):
        assert page.evaluate(THEME) == theme
        for name in ("Clip range ε", "Learning rate α", "Timeline"):
            slider = dashboard.slider(name)
            page.evaluate("document.activeElement.blur()")
            before = pixels(slider)
            page.keyboard.press("Shift")  # what follows is focus from the keyboard
            slider.focus()
            contrast = np.abs(pixels(slider) - before).max(axis=-1)
            assert (contrast > 90).sum() >= 40, (theme, name)
        page.evaluate(NEXT_THEME)


def test_every_panel_says_in_words_what_it_draws(look_at, page):
    look_at(update=1)
    for panel in page.locator(".panel").all():
        panel.scroll_into_view_if_needed()
        name = panel.get_attribute("aria-label")
        text = panel.locator(f"#{panel.get_attribute('aria-describedby')}")
        assert until(text.text_content), name


def test_what_advantages_span_is_said_of_them_and_not_of_the_bins_that_count_them(look_at, page):
    dashboard = look_at(update=1)
    panel = dashboard.panel("Advantages")
    panel.scroll_into_view_if_needed()
    text = until(panel.locator(f"#{panel.get_attribute('aria-describedby')}").text_content, lambda text: "span" in text)
    used = computed(1).arrays["advantage_used"]
    least, most = (float(number.replace("−", "-")) for number in re.search(r"span (\S+) to (\S+)\.", text).groups())
    assert (least, most) == pytest.approx((np.nanmin(used), np.nanmax(used)), rel=5e-3)


def test_a_phone_shows_one_readable_column(shared_server, new_page):
    page = new_page(viewport={"width": 390, "height": 844})
    dashboard = Dashboard(page, shared_server(update=1).url)
    for theme in ("light", "dark", "projector"):
        until(lambda: page.locator("html").get_attribute("data-theme"), lambda now, theme=theme: now == theme)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, (theme, "something sticks out")
        lefts = page.evaluate(
            "[...document.querySelectorAll('.panel')].map(p => Math.round(p.getBoundingClientRect().left))"
        )
        assert len(set(lefts)) == 1, theme
        page.keyboard.press("t")
    assert not dashboard.slider("Clip range ε").is_visible(), "a phone watches"


ZOOMED = ({"width": 683, "height": 384}, {"width": 640, "height": 360})
"""A window of 1366 × 768 and one of 1280 × 720, twice as large as usual."""
CUT_OFF = """[...document.querySelectorAll(".bar button, .bar select, #settings input")]
    .filter((control) => control.checkVisibility())
    .filter((control) => {
        const { left, right } = control.getBoundingClientRect();
        return left < 0 || right > innerWidth;
    })
    .map((control) => control.ariaLabel || control.textContent)"""


@pytest.mark.parametrize("size", ZOOMED, ids=lambda size: size["width"])
def test_at_twice_the_size_all_controls_are_in_reach(shared_server, new_page, size):
    page = new_page(viewport=size, device_scale_factor=2)
    dashboard = Dashboard(page, only(shared_server(update=1), "Ratio histogram", "Clip mask", "Sample"))
    for theme in ("light", "dark", "projector"):
        until(lambda: page.locator("html").get_attribute("data-theme"), lambda now, theme=theme: now == theme)
        for name in ("Play", "Step", "Back"):
            assert page.get_by_role("button", name=name, exact=True).is_visible(), (theme, name)
        assert dashboard.slider("Clip range ε").is_visible(), theme
        assert page.evaluate(CUT_OFF) == [], theme
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], theme
        step_size = page.get_by_label("Step size")
        step_size.select_option("until")
        assert step_size.bounding_box()["width"] > 80, (theme, "its word can be read")
        assert page.evaluate(CUT_OFF) == [], (theme, "with a limit")
        step_size.select_option("update")
        page.evaluate("scrollTo(0, 600)")
        assert page.get_by_role("button", name="Step", exact=True).bounding_box()["y"] > 0, theme
        bar = page.locator(".bar").bounding_box()
        assert bar["y"] + bar["height"] < size["height"] / 5, (theme, "it leaves room for what is read")
        page.evaluate("scrollTo(0, 0)")
        page.keyboard.press("t")
    assert page.get_by_role("button", name="Stage", exact=True).is_hidden(), "it has no room"
    dashboard.key("s")
    assert page.evaluate("document.body.dataset.stage") is None


MOVES = """[...document.querySelectorAll("*")].flatMap((e) => ["", "::before", "::after"].map((part) => {
    const s = getComputedStyle(e, part || null);
    return [s.transitionDuration, s.animationName, s.scrollBehavior].join(" ");
}))"""
SCROLLS = """window.scrolls = [];
for (const name of ["scrollIntoView", "scrollTo", "scrollBy"]) {
    const plain = Element.prototype[name];
    Element.prototype[name] = function (...given) {
        window.scrolls.push(given[0]?.behavior ?? "auto");
        return plain.apply(this, given);
    };
}"""


def test_without_motion_nothing_moves(server, new_page):
    page = new_page(reduced_motion="reduce")
    page.add_init_script(SCROLLS)
    dashboard = Dashboard(page, only(server("--paused", "--seed", SEED), "Clip mask", "Sample"))
    dashboard.step(update="1")
    assert set(page.evaluate(MOVES)) == {"0s none auto"}
    dashboard.panel("Clip mask").locator("canvas").first.click(position={"x": 150, "y": 60})  # Sample comes into sight
    until(lambda: page.evaluate("window.scrolls"))
    dashboard.type("Clip range", 0.3).step(update="2")
    assert page.evaluate("document.getAnimations().length") == 0
    assert set(page.evaluate("window.scrolls")) == {"auto"}


def said(page):
    """What a screen reader was told last, politely."""
    return page.locator(".visually-hidden[role=status] p").all_inner_texts()


def test_a_step_and_a_setting_are_announced(paused, page):
    paused.step("minibatch", update="1", phase="step")
    until(lambda: said(page), lambda texts: texts[-1:] == ["paused at update 1, epoch 1, minibatch 1, step."])
    paused.step("minibatch", update="1", phase="step", minibatch="2")
    until(lambda: said(page), lambda texts: texts[-1:] == ["paused at update 1, epoch 1, minibatch 2, step."])
    assert "Running." not in said(page), "a step is not a run"
    paused.type("Clip range", 0.3).step("update", update="1", phase="update").step("update", update="2")
    texts = until(lambda: said(page), lambda texts: any("at update 2" in text for text in texts))
    assert "Clip range is 0.3 from update 2 on." in texts, "both are there to be read"
