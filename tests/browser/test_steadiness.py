"""What changes while a run goes on or is stepped: nothing of it moves the page, or a button from under the pointer."""

import itertools

import pytest

from tests.browser.dashboard import Dashboard, only, until

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
    look_at(*LONG, update=4, query=f"?theme={theme}&panels=loss-components")
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
                assert all(one[1] < other[0] for one, other in itertools.pairwise(first)), where


def test_an_embedded_page_names_its_run_whatever_was_found(look_at, page):
    look_at(*LONG, update=4, query="?controls=hidden&panels=loss-components")
    run = page.locator("#bar .run")
    until(lambda: page.locator(".health-badge").text_content())
    for width in (600, 1280, 1440):
        page.set_viewport_size({"width": width, "height": 700})
        assert run.is_visible(), width
        assert run.locator(".run-environment").inner_text() == "MountainCarContinuous-v0"
        assert run.locator(".run-facts").inner_text() == "seed 7 · CPU"


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("projector", 1440)])
def test_the_page_stays_where_it_is_from_phase_to_phase(server, page, theme, width):
    page.set_viewport_size({"width": width, "height": 900})
    live = server("--paused", "--seed", "7", "--epochs", "2", "--minibatches", "2")
    dashboard = Dashboard(page, only(live, "Loss components").replace("#", f"&theme={theme}#"))
    dashboard.at(phase="ready")
    seen = {"ready": page.locator("#panels").bounding_box()["y"]}
    for phase in ("rollout", "advantages", "loss", "gradient", "step"):
        dashboard.step("phase", phase=phase)
        seen[phase] = page.locator("#panels").bounding_box()["y"]
    for phase in ("epoch", "update"):
        dashboard.step(phase, phase=phase)
        seen[phase] = page.locator("#panels").bounding_box()["y"]
    assert len(set(seen.values())) == 1, seen


def test_a_chart_gives_way_to_the_words_below_it(look_at, page):
    panel = look_at(update=2, panels=["Episodic return"]).panel("Episodic return")
    sizes = """panel => {
        const box = panel.querySelector(".chart");
        const below = panel.querySelector(".caption").getBoundingClientRect();
        const plot = Math.round(box.layout.height);
        const end = box.getBoundingClientRect().top + plot;
        return { box: box.clientHeight, plot, words: below.height, top: below.y, end };
    }"""
    before = until(lambda: panel.evaluate(sizes), lambda seen: seen["plot"] == seen["box"])
    panel.locator(".caption").evaluate("caption => { caption.style.width = '9em'; }")
    after = until(
        lambda: panel.evaluate(sizes), lambda seen: seen["plot"] == seen["box"] and seen["words"] > before["words"]
    )
    assert after["plot"] < before["plot"] and after["end"] <= after["top"] + 0.5


def test_words_keep_their_lines_as_long_as_the_run_goes_on(server, page):
    dashboard = Dashboard(page, only(server("--seed", "7"), "Episodic return"))
    caption = dashboard.panel("Episodic return").locator(".caption")
    high = "caption => caption.getBoundingClientRect().height"
    one_line = until(lambda: caption.evaluate(high))
    caption.evaluate("caption => { caption.style.width = '9em'; }")
    until(lambda: caption.evaluate("caption => caption.style.minHeight"), lambda kept: float(kept[:-2] or 0) > one_line)
    caption.evaluate("caption => { caption.style.width = ''; }")
    assert caption.evaluate(high) > one_line
    dashboard.press("Pause")
    until(lambda: caption.evaluate(high), lambda height: height == one_line)


ASKED_ANEW = """() => {
    const rules = (list) => [...list].flatMap((rule) => [...(rule.cssRules ? rules(rule.cssRules) : []), rule]);
    const selectors = [...document.styleSheets].flatMap((sheet) => rules(sheet.cssRules))
        .flatMap(({ selectorText }) => selectorText?.split(", ") ?? [])
        .filter((selector) => /:has[(](?! *[+~])/.test(selector)); // not: of what stands beside
    const asked = (selector) => selector.slice(0, selector.indexOf(":has(")).replace(/:(not|is|where)[(]$/, "");
    const holds = (selector) => [...document.querySelectorAll(selector)].some((one) => one.querySelector(".chart"));
    return [selectors.length, selectors.filter((selector) => holds(asked(selector)))];
}"""


def test_no_rule_asks_what_a_chart_holds(look_at, page):
    """For each node that a drawing puts in, the browser would ask all styles of whatever holds it anew."""
    look_at(update=1)
    asking, of_charts = page.evaluate(ASKED_ANEW)
    assert asking > 5 and of_charts == []


def test_what_was_looked_for_is_written_over(look_at, page):
    paused = look_at(update=1, panels=["Health"])
    panel = paused.panel("Health")
    panel.scroll_into_view_if_needed()
    rows = panel.locator(".checked li")
    until(rows.count)
    rows.evaluate_all("rows => rows.forEach((row, place) => { row.place = place; })")
    before = rows.all_inner_texts()
    paused.step(update="2")
    until(rows.all_inner_texts, lambda texts: texts != before)
    assert rows.evaluate_all("rows => rows.some(({ place }) => place !== undefined)")


READ_OUT = (
    "Ratio histogram",
    "Clip mask",
    "Loss components",
    "Surrogate",
    "KL and clipping",
    "Gradients",
    "Step direction",
)
"""The panels with numbers above or below what they draw."""
HEIGHTS = """() => {
    window.heights = {};
    const seen = new ResizeObserver((entries) => entries.forEach(({ target, contentRect }) => {
        const of = (window.heights[target.closest("section").ariaLabel] ??= []);
        if (contentRect.height && !of.includes(contentRect.height)) of.push(contentRect.height);
    }));
    document.querySelectorAll(".panel .body .readout").forEach((one) => seen.observe(one));
}"""


def test_numbers_keep_their_room_while_a_run_goes_on(server, page):
    page.set_viewport_size({"width": 1440, "height": 2300})
    short = ("--num-envs", "2", "--rollout-steps", "16", "--epochs", "1", "--minibatches", "1")  # tiny KLs and others
    dashboard = Dashboard(page, only(server("--seed", "7", *short), *READ_OUT))
    until(dashboard.update, lambda update: update >= 120)
    page.evaluate(HEIGHTS)
    first = dashboard.update()
    until(dashboard.update, lambda update: update >= first + 120)
    heights = page.evaluate("heights")
    assert heights.keys() >= {"Ratio histogram", "Clip mask", "KL and clipping", "Step direction"}
    assert {panel for panel, seen in heights.items() if len(seen) > 1} == set()
