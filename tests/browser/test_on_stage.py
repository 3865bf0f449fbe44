"""Stage: pipeline and formula in a slim row, one or two panels with all the room, and the presenter's keys."""

import pytest

from tests.browser.dashboard import PANELS, until
from tests.browser.labels import OVERLAPS
from tests.browser.test_view import order, search

SHOWN = """() => {
    const box = (element) => {
        const { left, top, right, bottom } = element.getBoundingClientRect();
        return [left, top, right, bottom];
    };
    const parts = ".bar, .stations, .sentence, #formula, .panel, .settings, #guide, #timeline";
    const seen = [...document.querySelectorAll(parts)]
        .filter((element) => element.checkVisibility())
        .map((element) => [element.ariaLabel ?? element.id ?? element.className, box(element)]);
    const { scrollHeight, scrollWidth } = document.documentElement;
    return { seen, scrolls: scrollHeight > innerHeight || scrollWidth > innerWidth };
}"""


def apart(one, other):
    """Whether two boxes share no point, but for a frame's width."""
    return one[2] <= other[0] + 2 or other[2] <= one[0] + 2 or one[3] <= other[1] + 2 or other[3] <= one[1] + 2


def check(page, width, height, panels):
    """All is within the window, nothing lies over anything else, and the panels have most of the room."""
    shown = page.evaluate(SHOWN)
    assert not shown["scrolls"]
    boxes = shown["seen"]
    for name, (left, top, right, bottom) in boxes:
        assert -1 <= left < right <= width + 1 and -1 <= top < bottom <= height + 1, (name, left, top, right, bottom)
    for at, (name, box) in enumerate(boxes):
        for other, its in boxes[at + 1 :]:
            assert apart(box, its), (name, box, other, its)
    whose, formula = (page.locator(place).bounding_box() for place in ("#formula .whose", "#formula"))
    assert whose["y"] + whose["height"] <= formula["y"] + 1, "whose the numbers are does not cover them"
    heights = [box[3] - box[1] for name, box in boxes if name in panels]
    assert len(heights) == len(panels)
    assert min(heights) > 0.6 * height, heights


def test_what_is_explained_is_never_off_the_screen(stage, page):
    dashboard = stage(query="?theme=projector&stage=clip-mask").dashboard.at(update="3", phase="update")
    for guided in (False, True):
        if guided:
            dashboard.key("g")
            page.locator("#guide").wait_for()
        for size in ((1280, 720), (1366, 768), (1920, 1080)):
            page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
            page.keyboard.press("Digit4")
            until(lambda: order(page), lambda now: now == ["Clip mask"])
            check(page, *size, ["Clip mask"])
            page.keyboard.press("Shift+Digit3")
            until(lambda: order(page), lambda now: now == ["Ratio histogram", "Clip mask"])
            check(page, *size, ["Clip mask", "Ratio histogram"])


def test_the_run_keeps_its_name_on_a_narrow_stage(stage, page):
    dashboard = stage(query="?theme=projector&stage=clip-mask").dashboard.at(update="3", phase="update")
    for width, height in ((1280, 720), (1180, 768), (1024, 768), (960, 700)):
        page.set_viewport_size({"width": width, "height": height})
        until(lambda: order(page), lambda now: now == ["Clip mask"])
        name = page.locator(".run-environment")
        assert name.inner_text() == "CartPole-v1"
        assert name.evaluate("name => name.scrollWidth <= name.clientWidth"), width
        assert not page.evaluate(SHOWN)["scrolls"]
        box = page.get_by_role("button", name="Guide").bounding_box()
        assert box["x"] + box["width"] <= width
    page.set_viewport_size({"width": 1024, "height": 768})
    dashboard.key("?")
    until(page.get_by_role("dialog").is_visible)  # what has no button there has its key


OUT_OF_FRAME = """() => [...document.querySelectorAll("#settings .setting")].flatMap((setting) => {
    const frame = setting.getBoundingClientRect();
    return [...setting.querySelectorAll("input")].filter((input) => {
        const { left, right, width } = input.getBoundingClientRect();
        return width && (left < frame.left || right > frame.right || input.scrollWidth > input.clientWidth);
    }).map((input) => input.ariaLabel);
})"""
WINDOWS = ((721, 1000), (820, 1180), (1024, 768), (1180, 820), (1280, 720), (1440, 900), (1600, 900), (1680, 1050))


def test_what_a_setting_is_typed_into_stays_within_its_frame(stage, page):
    """And what is typed, within its box: 0.00025 is what many train with."""
    dashboard = stage(query="?stage=clip-mask").dashboard.at(update="3", phase="update")
    for theme in ("light", "dark", "projector"):
        until(lambda: page.locator("html").get_attribute("data-theme"), lambda now, theme=theme: now == theme)
        for width, height in WINDOWS:
            page.set_viewport_size({"width": width, "height": height})
            page.get_by_label("Learning rate, as a number", exact=True).fill("0.00025")
            assert page.evaluate(OUT_OF_FRAME) == [], (theme, width)
        dashboard.key("t")


SMALLEST = 10.99  # CSS pixels of type: 11, but for rounding
SMALL = """smallest => {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode.textContent.trim();
        const element = walker.currentNode.parentElement;
        const size = parseFloat(getComputedStyle(element).fontSize);
        if (!text || size === 0 || size >= smallest || !element.checkVisibility({ opacityProperty: true })) continue;
        const isIndex = element.closest("sub, tspan[dy], .index") ?? element.parentElement.matches("tspan.line");
        const hidden = element.closest("option, .visually-hidden") || element.getBoundingClientRect().width < 2;
        if (!isIndex && !hidden) found.push(`${text} (${size})`);
    }
    return found;
}"""
CUT = """() => [...document.querySelectorAll(".stations, .station b, .position, .sentence, .equation, .formula")]
    .filter(({ scrollWidth, clientWidth }) => clientWidth && scrollWidth > clientWidth + 1)
    .map(({ className, textContent }) => className || textContent)"""


def test_letters_can_be_read_in_a_narrow_window(stage, page):
    dashboard = stage(query="?stage=gradients,loss-components").dashboard.at(update="3", phase="update")
    for guided in (False, True):
        if guided:
            dashboard.key("g")
            page.locator("#guide .task").wait_for()
        for theme in ("light", "dark", "projector"):
            until(lambda: page.locator("html").get_attribute("data-theme"), lambda now, theme=theme: now == theme)
            for width, height in ((721, 1000), (820, 1180), (960, 700), (1024, 768), (1106, 768), (1107, 768)):
                page.set_viewport_size({"width": width, "height": height})
                assert page.evaluate(SMALL, SMALLEST) == [], (theme, width)
                assert page.evaluate(CUT) == [], (theme, width)
                shown = page.evaluate(SHOWN)
                assert not shown["scrolls"], (theme, width)
                for at, (name, box) in enumerate(shown["seen"]):
                    for other, its in shown["seen"][at + 1 :]:
                        assert apart(box, its), (theme, width, name, other)
                if width == 960:  # two panels and the guide: charts are as narrow as they become
                    until(lambda: page.evaluate(OVERLAPS), lambda found: not found, 10_000)
            dashboard.key("t")


OUT_OF_SIGHT = """() => [...document.querySelectorAll(".bar :is(button, select), #timeline button")].filter((one) => {
    const { left, right, bottom, width } = one.getBoundingClientRect();
    return width && (left < 0 || right > innerWidth || bottom > innerHeight);
}).map((one) => one.ariaLabel ?? one.innerText)"""


WIDE = """() => {
    const formula = document.querySelector(".formula"), before = formula.offsetHeight;
    const numbers = [...formula.querySelectorAll(".live")].filter((number) => number.textContent.trim());
    const texts = numbers.map((number) => number.firstChild.data);
    numbers.forEach((number) => (number.firstChild.data = "−123,456.789"));
    const after = formula.offsetHeight;
    numbers.forEach((number, at) => (number.firstChild.data = texts[at]));
    return [Math.min(...numbers.map((number) => parseFloat(getComputedStyle(number).fontSize))), after - before];
}"""


def test_the_formula_on_a_wall_is_read_from_the_last_row_and_keeps_its_lines(stage, page):
    """Whatever its numbers are, in the narrowest window of a projector."""
    stage(query="?theme=projector&stage=clip-mask").dashboard.at(update="3", phase="update")
    for width in (1024, 1106):
        page.set_viewport_size({"width": width, "height": 768})
        smallest, grows = page.evaluate(WIDE)
        assert smallest >= 14 and grows == 0, width


def test_nothing_that_can_be_pressed_lies_beyond_the_window(stage, page):
    stage(query="?stage=clip-mask").dashboard.at(update="3", phase="update")
    for theme in ("light", "dark", "projector"):
        until(lambda: page.locator("html").get_attribute("data-theme"), lambda now, theme=theme: now == theme)
        for width, height in ((730, 1000), (768, 1024), (820, 1180), (960, 700), (1024, 768), (1180, 820), (1280, 720)):
            page.set_viewport_size({"width": width, "height": height})
            until(lambda: page.evaluate(OUT_OF_SIGHT), lambda out: out == [], 5000)
            assert page.locator("#panel-clip-mask").bounding_box()["height"] > 0.5 * height, (theme, width)
        page.keyboard.press("t")


def test_in_a_low_window_drawings_come_before_what_is_said_under_them(stage, page):
    page.set_viewport_size({"width": 800, "height": 600})
    stage(query="?stage=ratio-histogram,clip-mask&theme=projector").dashboard.at(update="3", phase="update")
    cells = page.locator(".mask-cells")
    until(cells.is_visible)
    until(lambda: cells.bounding_box()["height"], lambda height: height > 90, 10_000)
    until(lambda: page.evaluate(OVERLAPS), lambda found: not found, 10_000)


def test_number_keys_choose_what_is_on_stage(look_at, page):
    look_at(update=1)
    everything = order(page)
    assert len(everything) == PANELS
    page.keyboard.press("s")
    until(lambda: order(page), lambda now: now == ["Ratio histogram", "Clip mask"])
    page.keyboard.press("Digit0")
    until(lambda: order(page), lambda now: now == ["Values"])
    page.keyboard.press("Shift+Digit4")
    until(lambda: search(page).get("stage"), lambda now: now == ["values,clip-mask"])
    first, second = (
        page.locator(f"[aria-label='{name}'].panel").bounding_box()["x"] for name in ("Values", "Clip mask")
    )
    assert first < second, "who came first stays at the left"
    page.reload()
    until(lambda: sorted(order(page)), lambda now: now == ["Clip mask", "Values"])
    page.keyboard.press("Escape")
    until(lambda: order(page), lambda now: now == everything)
    until(lambda: search(page).get("stage") is None)
    page.get_by_role("button", name="Stage", exact=True).click()
    until(lambda: sorted(order(page)), lambda now: now == ["Clip mask", "Values"])
    page.get_by_role("button", name="Panels", exact=True).click()
    page.get_by_role("checkbox", name="Sample").check()
    until(lambda: order(page), lambda now: now == ["Sample", "Values"])


def test_the_sample_that_is_pointed_out_comes_on_stage(look_at, page):
    dashboard = look_at(update=1, query="?stage=ratio-histogram,clip-mask")
    until(lambda: dashboard.mask()["update"] == "1")
    dashboard.panel("Clip mask").locator("canvas").first.click(position={"x": 300, "y": 100})
    until(lambda: order(page), lambda now: now == ["Clip mask", "Sample"])


CHOICES = """(given) => {
    const names = Array.from({ length: 14 }, (_, at) => `p${at + 1}`);
    let on = [];
    const press = ([digit, beside]) => (on = m.chosen(on, m.numbered(names, digit, on), beside));
    return given.map(press).map((one) => one.join(" "));
}"""


def test_every_panel_has_a_key(modules):
    pressed = [[3, False], [0, False], [0, False], [0, True], [0, True], [1, True], [1, True], [0, False]]
    shown = modules("state/staging.js", f"return ({CHOICES})(given);", pressed)
    assert shown == ["p3", "p10", "p11", "p11 p12", "p11 p13", "p11 p1", "p11", "p12"]
    assert modules("state/staging.js", "m.fitting(['a', 'Clip mask'], ['gone', 'a', 'a'])") == ["a"]
    assert modules("state/staging.js", "m.fitting(['a', 'Clip mask'], ['gone'])") == ["Clip mask"]


def test_a_chapter_shows_a_third_panel_only_where_it_has_room(modules):
    windows = [(900, 1), (1080, 1.4), (720, 1), (720, 1.4), (600, 1)]
    found = modules(
        "state/staging.js", "given.map(([height, scale]) => m.withRoom([1, 2, 3], height, scale).length)", windows
    )
    assert found == [3, 3, 3, 2, 2]


def asked(stage, kind, times):
    """Wait until the page has asked for this so many times."""
    return until(lambda: len(stage.said(kind)), lambda count: count == times)


def test_the_presenters_keys_work_wherever_somebody_has_clicked(stage, page):
    played = stage()
    played.state("paused")
    steps = 0

    def steps_on():
        nonlocal steps
        steps += 1
        page.keyboard.press("ArrowRight")
        asked(played, "step", steps)
        played.answer("step")
        played.state("paused")

    size = page.get_by_label("Step size")
    size.focus()
    steps_on()
    assert page.evaluate("document.activeElement.ariaLabel") == "Step size"
    assert size.input_value() == "update", "the choice is not moved by it"
    page.get_by_role("slider", name="Clip range ε").click()
    steps_on()
    number = page.get_by_label("Clip range, as a number", exact=True)
    number.click()
    number.fill("0.3")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.keyboard.press("Digit4")
    assert number.input_value() == "0.3 4", "a text being typed has all keys"
    number.fill("0.3")
    page.keyboard.press("Enter")
    until(lambda: page.evaluate("document.activeElement.tagName") == "BODY")
    steps_on()
    page.get_by_role("button", name="Panels", exact=True).click()
    page.keyboard.press("Escape")
    size.focus()
    page.keyboard.press("Digit4")
    until(lambda: order(page), lambda now: now == ["Clip mask"])
    page.keyboard.press("Space")
    asked(played, "play", 1)
    theme = page.evaluate("document.documentElement.dataset.theme")
    size.click()
    page.keyboard.press("Escape")  # the list closes, the focus stays
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    until(lambda: page.evaluate("document.documentElement.dataset.theme"), lambda now: now != theme)
    assert size.input_value() == "update", "nor by a letter"
    page.keyboard.press("?")
    until(lambda: page.locator("dialog.help").is_visible())
    assert page.locator("dialog.help").evaluate("sheet => sheet.scrollTop") == 0


def test_whoever_comes_by_tab_keeps_the_keys_of_what_has_the_focus(stage, page):
    played = stage()
    played.state("paused")
    number = page.get_by_label("Clip range, as a number", exact=True)
    until(number.is_enabled)  # only then it takes the focus
    number.focus()
    page.keyboard.press("Tab")
    slider = page.get_by_role("slider", name="Clip range ε")
    assert page.evaluate("document.activeElement.ariaLabel") == "Clip range ε"
    before = slider.input_value()
    page.keyboard.press("ArrowRight")
    assert slider.input_value() != before
    page.get_by_role("button", name="Stage", exact=True).focus()
    page.keyboard.press("Space")
    until(lambda: len(order(page)) < PANELS)
    assert not played.said("step", "play")


@pytest.mark.parametrize(
    ("label", "words"), [("Step size", ("one phase", "one minibatch")), ("Speed", ("8 phases/s", "1 phase/s"))]
)
def test_a_choice_is_typed_with_its_spaces_and_digits_and_nothing_else_happens(stage, page, label, words):
    played = stage()
    played.state("paused")
    page.keyboard.press("Digit4")
    until(lambda: order(page), lambda now: now == ["Clip mask"])
    choice = page.get_by_label(label, exact=True)
    for word in words:
        choice.evaluate("list => list.blur()")
        choice.focus()
        page.keyboard.type(word)
        until(lambda: choice.evaluate("list => list.selectedOptions[0].text"), lambda now, word=word: now == word)
        assert order(page) == ["Clip mask"]
        assert not played.said("play", "step")
    page.keyboard.press(
        "Escape"
    )  # is no character: it leaves the Stage, and so does a letter that no choice begins with
    until(lambda: len(order(page)), lambda count: count == PANELS)
    choice.evaluate("list => list.blur()")
    choice.focus()
    page.keyboard.press("s")
    until(lambda: len(order(page)), lambda count: count < PANELS)


def test_a_maximised_panel_reaches_to_the_end_of_the_window(stage, page):
    dashboard = stage(query="?max=clip-mask").dashboard.at(update="3", phase="update")
    for width, height in ((1280, 800), (1440, 900), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        until(
            dashboard.panel("Clip mask").bounding_box,
            lambda box, height=height: 0 < height - box["y"] - box["height"] < 24,
        )
    until(lambda: page.evaluate("document.documentElement.scrollHeight - innerHeight"), lambda over: over <= 1)


def test_a_panel_that_was_scrolled_to_has_the_window_and_is_in_sight_again_afterwards(stage, page):
    page.set_viewport_size({"width": 1024, "height": 768})
    dashboard = stage().dashboard.at(update="3", phase="update")
    panel = dashboard.panel("KL and clipping")
    panel.scroll_into_view_if_needed()
    dashboard.press("Maximise KL and clipping")
    until(panel.bounding_box, lambda box: 0 <= 768 - box["y"] - box["height"] < 24)
    page.keyboard.press("Escape")
    until(page.get_by_role("button", name="Maximise KL and clipping").is_visible)
    until(panel.bounding_box, lambda box: box["y"] > 0 and box["y"] + box["height"] < 768 + 24)


def test_share_says_when_nobody_else_can_open_the_address(modules):
    said = modules(
        "run/share.js",
        "given.map(([hostname, own]) => m.limitsOf({ hostname, port: '8000' }, own))",
        [
            ["127.0.0.1", False],
            ["localhost", False],
            ["[::1]", False],
            ["scope.example", False],
            ["scope.example", True],
        ],
    )
    assert ["Nobody else can open this address" in one for one in said] == [True, True, True, False, False]
    assert said[3] == ""
    assert "open the file first" in said[4]
