"""Arranging and sharing: what is chosen stays, and travels in the address."""

import json
import math
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.dashboard import PANELS, PATIENCE, Dashboard, only, until
from tests.browser.test_first_light import SEED


@pytest.fixture
def paused(server, page):
    return Dashboard(page, server("--paused", "--seed", SEED).url)


@pytest.fixture
def few(server, page):
    """A page with some of its panels."""
    return Dashboard(page, only(server("--paused", "--seed", SEED), "Environment", "Ratio histogram", "Clip mask"))


@pytest.fixture
def arranged(lasting):
    """A page with all panels where they are at first, which one test after another arranges in its way."""
    dashboard = lasting().key("Escape")
    dashboard.press("Panels").press("Reset the arrangement").key("Escape")
    assert len(order(dashboard.page)) == PANELS
    dashboard.page.evaluate("scrollTo(0, 0)")
    return dashboard


def order(page):
    return page.evaluate("[...document.querySelectorAll('.panel')].filter(p => !p.hidden).map(p => p.ariaLabel)")


def search(page):
    """What the address bar asks for."""
    return parse_qs(page.evaluate("location.search.slice(1)"))


def test_a_panel_is_moved_by_keyboard_and_stays_there(arranged):
    page = arranged.page
    before = order(page)
    grip = page.get_by_role("button", name="Move Clip mask with the arrow keys")
    grip.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    after = order(page)
    assert after.index("Clip mask") == before.index("Clip mask") - 2
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == grip.get_attribute("aria-label")
    page.reload()
    arranged.at(state="paused")
    assert order(page) == after
    page.get_by_role("button", name="Panels", exact=True).click()
    page.get_by_role("button", name="Reset the arrangement").click()
    assert order(page) == before


def test_a_panel_is_moved_by_dragging(arranged):
    page = arranged.page
    before = order(page)
    arranged.panel("Environment").hover()
    page.get_by_role("button", name="Move Environment").drag_to(arranged.panel("Ratio histogram").locator("h2"))
    until(lambda: order(page), lambda now: now.index("Environment") == before.index("Ratio histogram"))


def test_the_view_travels_in_the_address(few, page, new_page):
    page.get_by_role("button", name="Hide Environment").click()
    page.get_by_role("button", name="Move Clip mask with the arrow keys").focus()
    page.keyboard.press("ArrowLeft")
    for _ in range(2):
        few.key("t")
    few.type("Clip range", 0.3)
    few.step(update="1")
    expected = order(page), page.evaluate("document.documentElement.dataset.theme")
    few.press("Share")
    address = page.get_by_label("Link to this view").input_value()
    assert "token" not in address
    asked = parse_qs(urlsplit(address).query)
    assert asked["env"] == ["CartPole-v1"] and asked["seed"] == [SEED] and asked["set"] == ["clip_range:0.3"]
    other = new_page()
    other.goto(address)
    Dashboard.of(other).at(state="paused")
    until(lambda: (order(other), other.evaluate("document.documentElement.dataset.theme")), lambda now: now == expected)
    assert not other.locator(".offer").is_visible(), "the run at hand is the one that the link is of"


def test_the_address_bar_follows_what_is_on_show(paused, page):
    until(lambda: search(page), lambda now: now == {"env": ["CartPole-v1"], "seed": [SEED]})
    page.get_by_role("button", name="Maximise Clip mask").click()
    until(lambda: search(page).get("max"), lambda now: now == ["clip-mask"])
    paused.type("Clip range", 0.3).step(update="1")
    until(lambda: search(page).get("set"), lambda now: now == ["clip_range:0.3"])
    paused.type("Clip range", 0.2).step(update="2")
    until(lambda: "set" not in search(page))


CHOOSE = """async (presses) => {
    const their = history.replaceState;
    let writes = 0;
    const start = performance.now();
    history.replaceState = function (...rest) { writes++; return their.apply(this, rest); };
    for (let press = 0; press < presses; press++) {
        const key = press % 2 ? "ArrowLeft" : "ArrowRight";
        document.querySelector("[aria-label='Move Environment with the arrow keys']")
            .dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        await new Promise((resolve) => setTimeout(resolve, 30));
    }
    return { writes, seconds: (performance.now() - start) / 1000, search: location.search };
}"""


def first(query):
    """The first panels of an address."""
    return parse_qs(query)["panels"][0].split(",")[:3]


def test_the_address_follows_every_choice_at_once_but_not_hundreds(look_at, page):
    """Who reloads right after finds them again; browsers refuse an address that changes all the time."""
    look_at()
    until(lambda: search(page).get("env"))
    assert "panels" not in search(page)
    assert first(page.evaluate(CHOOSE, 3)["search"][1:]) == ["episodic-return", "environment", "ratio-histogram"]
    many = page.evaluate(CHOOSE, 31)
    assert many["writes"] <= 20 * math.ceil(many["seconds"] / 10)
    until(
        lambda: first(page.evaluate("location.search.slice(1)")),
        lambda shown: shown == ["episodic-return", "ratio-histogram", "environment"],
    )


def test_a_tab_that_is_reloaded_asks_for_nothing(few, page):
    """Its address says what was on show; what has changed since is no wish."""
    few.type("Clip range", 0.3).step(update="1")
    until(lambda: search(page).get("set"))
    page.evaluate("sessionStorage.setItem('kept', location.search)")
    few.type("Clip range", 0.25).step(update="2")
    until(lambda: search(page).get("set"), lambda now: now == ["clip_range:0.25"])
    page.reload()
    few.at(state="paused", update="2")
    assert not page.locator(".offer").is_visible()


def test_what_does_not_fit_in_an_address_is_named_and_the_rest_applies(shared_server, page):
    base = shared_server().base
    page.goto(
        f"{base}?theme=pink&panels=clip-mask,nothing&set=clip_range:7&set=evil:1&seed=x&chapter=99&controls=maybe"
    )
    said = until(lambda: page.locator(".toast").all_inner_texts(), lambda texts: any("Left out" in t for t in texts))
    Dashboard.of(page).at(state="paused")
    for part in (
        "theme=pink",
        "panels: nothing",
        "set=clip_range:7",
        "set=evil:1",
        "seed=x",
        "chapter=99",
        "controls=maybe",
    ):
        assert any(part in text for text in said), part
    assert order(page) == ["Clip mask"]


def test_markup_in_an_address_stays_text(shared_server, page):
    base = shared_server().base
    page.goto(f"{base}?theme=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&env=%3Cb%3Ex%3C/b%3E")
    until(lambda: page.locator(".toast").count())
    assert page.locator(".toast img, .toast b").count() == 0


def test_a_link_to_another_run_asks_first(server, page):
    live = server("--paused", "--seed", SEED)
    first = live.run()["id"]
    page.goto(live.base + f"?panels=clip-mask&env=Acrobot-v1&seed=3&set=clip_range:0.3#token={live.token}")
    offer = page.get_by_text("The link shows another run than this one: Acrobot-v1, seed 3, clip range 0.3.")
    offer.wait_for()
    assert live.run()["id"] == first, "nothing has happened to the run"
    page.get_by_role("button", name="Begin this run").click()
    run = until(live.run, lambda run: run["id"] != first, 3 * PATIENCE)
    assert (run["environment"], run["seed"], run["settings"]["clip_range"]) == ("Acrobot-v1", 3, 0.3)


@pytest.fixture
def linked(server, page):
    """A page opened by a link to other live settings of the run at hand, with control."""
    live = server("--paused", "--seed", SEED)
    page.goto(live.base + f"?panels=clip-mask&env=CartPole-v1&seed={SEED}&set=clip_range:0.3#token={live.token}")
    page.get_by_text("The link shows another run than this one: clip range 0.3.").wait_for()
    return live, Dashboard.of(page)


def test_settings_of_a_link_can_be_set_in_the_run_at_hand(linked):
    live, dashboard = linked
    first = live.run()["id"]
    dashboard.press("Set in the run at hand").step(update="1")
    run = live.run()
    assert (run["id"], run["settings"]["clip_range"]) == (first, 0.3)
    assert not dashboard.page.locator(".offer").is_visible()


def test_the_run_at_hand_can_be_kept_as_it_is(linked):
    live, dashboard = linked
    dashboard.press("Keep the run at hand").step(update="1")
    assert live.run()["settings"]["clip_range"] == 0.2
    until(lambda: "set" not in search(dashboard.page))


def test_a_link_that_the_run_at_hand_fits_is_settled(server, page):
    live = server("--paused", "--seed", SEED)
    page.goto(live.base + f"?panels=clip-mask&env=CartPole-v1&seed={SEED}#token={live.token}")
    dashboard = Dashboard.of(page).at(state="paused")
    dashboard.type("Clip range", 0.3).step(update="1")
    assert not page.locator(".offer").is_visible(), "what is changed later is no difference to the link"
    until(lambda: search(page).get("set"), lambda now: now == ["clip_range:0.3"])


def test_an_embedded_page_has_no_controls_and_leads_to_the_whole(shared_server, page):
    page.goto(shared_server().base + "?controls=hidden&panels=ratio-histogram")
    until(lambda: order(page) == ["Ratio histogram"])
    for name in ("Play", "Pause", "Step", "Share", "Guide", "Hide Ratio histogram"):
        assert not page.get_by_role("button", name=name, exact=True).is_visible(), name
    assert not page.get_by_role("slider", name="Clip range ε").is_visible()
    page.keyboard.press("g")
    assert not page.locator("#guide").is_visible(), "no keys either"
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open the whole page").click()
    whole = opened.value
    whole.wait_for_url("**/?*")  # it is born as an empty page, and for a moment has no body
    Dashboard.of(whole).at(state="paused")
    assert whole.get_by_role("slider", name="Clip range ε").is_visible()
    assert order(whole) == ["Ratio histogram"]


WRITE_AND_READ = """
    const table = await (await fetch('api/settings')).json();
    const panels = ['Environment', 'Clip mask', 'Health'];
    const view = {
        theme: 'projector', order: ['Health', 'Clip mask'], hidden: ['Environment'], maximised: 'Health', chapter: 3,
    };
    const settings = Object.fromEntries(table.map((row) => [row.name, row.default]));
    Object.assign(settings, {
        entropy_coef: 0.05, target_kl: 0.01, normalize_advantages: 'batch', shared_network: true, max_grad_norm: null,
    });
    const run = { environment: 'MyPackage.module:Env-v0', seed: 12, settings };
    const written = m.write({ view, run, settings: table }, panels, { bare: true, recording: null, beside: null });
    return JSON.stringify(m.read(new URLSearchParams(written.toString()), panels, table));
"""


def test_what_is_written_into_an_address_is_read_out_of_it(modules):
    read = json.loads(modules("state/link.js", WRITE_AND_READ))
    assert read["refused"] == []
    assert read["view"] == {
        "theme": "projector",
        "order": ["Health", "Clip mask"],
        "hidden": ["Environment"],
        "maximised": "Health",
        "chapter": 3,
        "bare": True,
    }
    assert read["run"] == {
        "env": "MyPackage.module:Env-v0",
        "seed": 12,
        "settings": {
            "entropy_coef": 0.05,
            "target_kl": 0.01,
            "normalize_advantages": "batch",
            "shared_network": True,
            "max_grad_norm": None,
        },
    }


def test_a_panel_is_hidden_and_shown_from_the_menu(arranged):
    page = arranged.page
    before = order(page)
    page.get_by_role("button", name="Panels", exact=True).click()
    box = page.get_by_role("checkbox", name="Advantages")
    assert box.is_checked()
    box.uncheck()
    until(lambda: order(page), lambda now: now == [name for name in before if name != "Advantages"])
    page.keyboard.press("Escape")
    assert not box.is_visible()
    assert page.evaluate("document.activeElement.ariaLabel") == "Panels", "the focus goes back"
    page.reload()
    arranged.at(state="paused")
    assert "Advantages" not in order(page)
    page.get_by_role("button", name="Show Advantages").click()
    assert order(page) == before
    assert page.evaluate("document.activeElement.ariaLabel") == "Maximise Advantages"


def test_hiding_by_keyboard_keeps_the_focus_where_the_panel_was(arranged):
    page = arranged.page
    page.get_by_role("button", name="Hide Ratio histogram").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.ariaLabel") == "Maximise Clip mask"
    said = page.locator("[role=status].visually-hidden").first
    until(said.text_content, lambda text: text.endswith("Ratio histogram is hidden."))


def test_a_moved_panel_is_announced_and_stays_in_sight(arranged):
    page = arranged.page
    grip = page.get_by_role("button", name="Move Health with the arrow keys")
    grip.focus()
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    said = page.locator("[role=status].visually-hidden").first
    until(said.text_content, lambda text: text.endswith(f"Health is panel {PANELS - 3} of {PANELS}."))
    assert page.evaluate("document.activeElement.closest('.panel').ariaLabel") == "Health"
    until(grip.bounding_box, lambda box: 0 <= box["y"] <= 900)


def test_a_maximised_panel_comes_back_with_escape(arranged):
    page = arranged.page
    page.get_by_role("button", name="Maximise Clip mask").click()
    assert order(page) == ["Clip mask"]
    page.reload()
    arranged.at(state="paused")
    assert order(page) == ["Clip mask"], "the choice stays"
    arranged.key("Escape")
    assert len(order(page)) == PANELS
