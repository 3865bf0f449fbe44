"""By keyboard past all controls to the panels; on a phone, menus that stay on the screen; words of the field."""

import pytest

from tests.browser.dashboard import Dashboard, only, until

FOCUS = """() => {
    const e = document.activeElement;
    return { name: e.ariaLabel ?? e.textContent.trim(), panel: e.closest(".panel")?.ariaLabel ?? null };
}"""
PHONE = {"width": 360, "height": 740}
MENUS = ".panels-sheet, .saver menu, dialog[open], .confirm"
OUTSIDE = """menus => [...document.querySelectorAll(menus)].filter((e) => e.offsetWidth > 0).filter((e) => {
    const box = e.getBoundingClientRect();
    // a panel is scrolled with its menu
    const below = !e.closest(".panel") && (box.top < 0 || box.bottom > innerHeight);
    return box.left < 0 || box.right > innerWidth || below;
}).length"""


def from_the_top(page):
    """Where somebody is who has just opened the page."""
    page.evaluate("document.body.tabIndex = -1, document.body.focus(), document.body.removeAttribute('tabindex')")


def tab(page):
    page.keyboard.press("Tab")
    return page.evaluate(FOCUS)


def test_skip_links_lead_past_all_controls(look_at, page):
    look_at(update=1, panels=["Environment"])
    from_the_top(page)
    assert tab(page)["name"] == "Skip to the panels"
    link = page.get_by_role("link", name="Skip to the panels")
    assert link.bounding_box()["width"] > 100, "it is seen once it has the focus"
    address = page.url
    page.keyboard.press("Enter")
    assert page.evaluate(FOCUS)["panel"] == "Environment"
    assert page.url == address
    page.get_by_role("link", name="Skip to the settings").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.closest('#settings') !== null")


def test_fewer_than_forty_stops_lie_before_the_first_panel(look_at, page):
    look_at(update=1, panels=["Environment"])
    from_the_top(page)
    stops = 0
    while tab(page)["panel"] is None:
        stops += 1
        assert stops < 40
    assert stops > 10, "controls are reached on the way"


def test_the_formula_is_one_stop_and_arrows_go_through_it(look_at, page):
    dashboard = look_at(update=1, panels=["Environment"])
    symbols = page.locator("#formula .term:visible")
    symbols.first.focus()
    names = [page.evaluate(FOCUS)["name"]]
    for _ in range(symbols.count() - 1):
        page.keyboard.press("ArrowRight")
        names.append(page.evaluate(FOCUS)["name"])
    assert len(names) == symbols.count() > 10
    page.keyboard.press("ArrowRight")
    assert page.evaluate(FOCUS)["name"] == names[-1], "there the formula ends"
    page.keyboard.press("Home")
    assert page.evaluate(FOCUS)["name"] == names[0]
    assert "formula" not in (tab(page)["name"] or "") and not page.evaluate("document.activeElement.matches('.term')")
    assert dashboard.update() == 1, "the arrows have not made a step"


WITH_MENUS = ("Environment", "Clip mask", "Health")


@pytest.fixture
def phone(shared_server, new_page):
    page = new_page(viewport=PHONE)
    Dashboard(page, only(shared_server(update=1), *WITH_MENUS))
    return page


def test_menus_stay_on_a_phones_screen(phone):
    for opener in ("Panels", "Share", "Help"):
        phone.get_by_role("button", name=opener, exact=True).click()
        until(lambda: phone.evaluate(OUTSIDE, MENUS), lambda outside: outside == 0)
        assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], opener
        phone.keyboard.press("Escape")
    for panel in WITH_MENUS:
        phone.get_by_role("button", name=f"Save {panel}").click()
        until(phone.locator(".saver menu:visible").count)
        assert phone.evaluate(OUTSIDE, MENUS) == 0, panel
        phone.keyboard.press("Escape")


def test_a_menu_stays_on_the_screen_of_a_phone_that_is_turned(phone):
    phone.set_viewport_size({"width": PHONE["height"], "height": PHONE["width"]})
    phone.get_by_role("button", name="Runs:").click()
    until(phone.get_by_role("group", name="Runs", exact=True).is_visible)
    phone.set_viewport_size(PHONE)
    until(lambda: phone.evaluate(OUTSIDE, MENUS), lambda outside: outside == 0, patience=8_000)


def test_a_phone_is_not_told_to_press_what_it_has_not(stage, page):
    page.set_viewport_size(PHONE)
    played = stage(update=0)
    assert not page.get_by_role("button", name="Play", exact=True).is_visible()
    until(played.sentence, lambda text: "On a larger screen Play trains on" in text)


def test_words_are_those_of_the_field(look_at, page):
    dashboard = look_at(update=1)
    for name in ("Gradients", "Policy"):
        panel = dashboard.panel(name)
        panel.scroll_into_view_if_needed()
        until(panel.inner_text, lambda text: "ms per measurement" in text)
    assert "cos(" in dashboard.panel("Gradients").inner_text()
    shown = page.locator("body").inner_text()
    for word in ("a look", "∠", "always at work"):
        assert word not in shown
