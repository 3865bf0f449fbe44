"""The guide on a run that has not begun: it trains and changes nothing, and each moment that it shows has its point."""

import numpy as np
import pytest

from ppo_scope.ppo.losses import Region
from tests.browser.dashboard import until
from tests.browser.guide.guided import BESIDE, CHAPTERS, LIT, TRIALS, comparison_of, frames_of, moment_of
from tests.browser.guide.numbers import flow, numbers, percent

# --- what each chapter asks for


def step_one_phase(guided):
    guided.page.get_by_label("Step size").select_option("phase")
    guided.press("Step").at(phase="step", live="false").done()


def select_a_sample(guided):
    guided.panel("Clip mask").locator("canvas").first.click()
    guided.done()


def shorten_the_leash(guided):
    """Its answer is of the value that was settled on, not of one that the drag has passed."""
    slider = guided.slider("Clip range ε")
    drag = """(range, values) => values.forEach((value) => {
        range.value = String(value);
        range.dispatchEvent(new Event("input", { bubbles: true }));
    })"""
    where = "(range, value) => range.min * 1 + (range.max - range.min) * value"
    slider.evaluate(drag, [slider.evaluate(where, at) for at in (0.1, 0.001, 0.02)])
    number = guided.page.get_by_label("Clip range, as a number", exact=True)
    settled = until(number.input_value, lambda value: value != "0.2")
    guided.done()
    until(lambda: guided.numbers(".reaction")[0], lambda value: value == settled == number.input_value())
    guided.type("Clip range", 0.04)
    until(lambda: guided.numbers(".reaction")[0], lambda value: value == "0.04")
    assert guided.panel("Sample").locator(".sample-preview").is_visible()
    _, arrays = moment_of(frames_of("two-networks"), 4)
    r, a = arrays["ratio"], arrays["advantage_used"]
    trained = (arrays["region"] != Region.NOT_TRAINED) & (arrays["in_minibatch"] == 1)
    bounds = [(np.float32(1 - e), np.float32(1 + e)) for e in (0.04, 0.2)]
    held = [(((a > 0) & (r > high)) | ((a < 0) & (r < low)))[trained].mean() for low, high in bounds]
    assert guided.numbers(".reaction")[1:] == [percent(share) for share in held]
    # L of these samples is not known, so L_PG is not previewed beside it: the sum adds up, and the label compares.
    formula = guided.page.locator("#formula")
    assert formula.locator(".term[data-idea=policy] .live[data-preview]").count() == 0
    assert "LPG −" in formula.locator(".whose").inner_text()
    assert " → " in formula.locator(".whose").inner_text()


def see_a_shared_trunk(guided):
    guided.press("Show one trunk with two heads").done()
    header, arrays = moment_of(frames_of("shared-trunk"), 6)
    until(lambda: guided.numbers() == flow(header, arrays))
    assert len(guided.numbers()) == 3
    rows = guided.guide.locator(".flows tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.children].slice(1).map((cell) => cell.textContent))"
    )
    columns = [flow(*moment_of(frames_of(name), 6)) for name in ("two-networks", "shared-trunk")]
    assert [row[0] for row in rows] == [*columns[0], "n/a"]
    assert [row[1] for row in rows] == columns[1]


def make_it_twice(chapter):
    def task(guided):
        name, label = TRIALS[chapter]
        guided.press(label).done()
        told = comparison_of(frames_of("two-networks"), name)
        said = guided.guide.locator(".reaction").inner_text().replace("−", "-")
        for which in ("old", "new"):
            assert percent(told["scalars"][f"{which}_held_fraction"]) in said or chapter in (5, 7)
        card = guided.page.locator("#comparison")
        until(card.is_visible)
        card.get_by_role("button", name="Keep it as it was").click()
        until(lambda: not card.is_visible())
        assert guided.reaction().startswith("Done."), "what it showed stays"

    return task


TASKS = {1: step_one_phase, 2: select_a_sample, 4: shorten_the_leash, 6: see_a_shared_trunk}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_on_a_fresh_run_shows_its_point_and_trains_nothing(fresh, example, chapter):
    fresh.choose(chapter)
    assert "an example recorded for this page" in fresh.shown()
    assert "Your run is not touched (paused, update 0)" in fresh.shown()
    until(fresh.lit, lambda lit: lit == LIT[chapter])
    until(lambda: fresh.numbers() == numbers(chapter, *moment_of(example, chapter)))
    if chapter in BESIDE:
        until(lambda: fresh.sees("Clip mask", "Sample", BESIDE[chapter]))
    if chapter == 1:
        until(lambda: fresh.page.evaluate("scrollY") == 0)  # the pipeline is what it asks to be watched
    assert fresh.reaction() == ""
    TASKS.get(chapter, make_it_twice(chapter))(fresh)
    done = fresh.guide.get_by_role("button", name=f"Chapter {chapter}:")
    until(lambda: done.get_attribute("data-done"), lambda mark: mark is not None)
    run = fresh.untouched(0)
    assert (run["settings"]["clip_range"], run["settings"]["value_coef"]) == (0.2, 0.5)
    assert fresh.said == []


INSIDE = """element => {
    const { top, bottom } = element.getBoundingClientRect();
    const room = (element.closest(".reading") ?? document.querySelector("#guide")).getBoundingClientRect();
    return top >= room.top && Math.min(bottom, top + 40) <= room.bottom && room.bottom <= innerHeight;
}"""


BEGINS = """element => {
    const { bottom } = element.closest(".reading").getBoundingClientRect();
    return element.getBoundingClientRect().top + 30 <= bottom;
}"""


def test_who_presses_next_to_the_end_has_task_and_way_on_in_sight_and_is_back_where_they_were(fresh):
    """And what comes of a task comes into sight, in a window that is low, on a projector."""
    fresh.page.set_viewport_size({"width": 1280, "height": 720})
    fresh.key("t").key("t")
    for chapter in CHAPTERS:
        fresh.choose(1) if chapter == 1 else fresh.press("Next").at_chapter(chapter)
        for part in (".task", "footer .primary"):
            until(lambda part=part: fresh.guide.locator(part).evaluate(INSIDE))
        assert fresh.guide.locator(".text p").first.evaluate(BEGINS), f"of chapter {chapter} something is read"
        if chapter == 4:
            for height, panels in ((1000, "3"), (720, "2")):  # with its room a third one comes, and goes
                fresh.page.set_viewport_size({"width": 1280, "height": height})
                until(lambda: fresh.page.locator("#panels").get_attribute("data-count"), panels.__eq__)
    fresh.press(TRIALS[8][1]).done()
    until(lambda: fresh.guide.locator(".reaction").evaluate(INSIDE))
    assert fresh.guide.locator("footer .primary").evaluate(INSIDE)
    fresh.press("Finish")
    until(lambda: not fresh.guide.is_visible())
    fresh.page.get_by_text("That was the guide. Now try it on your run").wait_for()
    fresh.at(state="paused", update="0", phase="ready", live="true")
    fresh.untouched(0)
    assert fresh.said == [] and fresh.lit() == set()
    assert fresh.slider("Clip range ε").get_attribute("aria-valuetext") == "0.2"
    fresh.key("t").page.set_viewport_size({"width": 1440, "height": 900})


def test_escape_leaves_stage_then_the_guide_and_gives_the_focus_back(fresh):
    opener = fresh.page.get_by_role("button", name="Guide", exact=True)
    opener.press("Enter")
    fresh.at_chapter(1)
    for stays in (True, False):
        fresh.page.keyboard.press("Escape")
        until(lambda: fresh.page.locator("body[data-stage]").count() == 0)
        until(fresh.guide.is_visible, lambda seen, stays=stays: seen is stays)
    until(lambda: opener.evaluate("button => button === document.activeElement"))


def test_the_step_size_that_a_chapter_asks_for_is_put_back(fresh):
    fresh.open().close()
    size = fresh.page.get_by_label("Step size")
    before = size.input_value()
    fresh.choose(1)
    size.select_option("phase")
    fresh.close()
    assert before != "phase"
    until(size.input_value, lambda value: value == before)
