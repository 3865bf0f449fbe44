"""The guide for who only watches, on a phone and of a recorded run; what it puts back."""

import pytest

from tests.browser.dashboard import until
from tests.browser.guide.guided import TRIALS, Guided, opened


def test_who_only_watches_goes_through_it_as_well(windows, live):
    with opened(windows) as page:
        viewer = Guided(page, live, token=False)
        viewer.choose(3)
        assert not viewer.guide.get_by_role("button", name="Step my run there").is_visible()
        viewer.press(TRIALS[3][1]).done()
        assert viewer.said == []
        viewer.live.run()


def test_on_a_phone_it_is_read_and_steps_nothing(windows, live):
    with opened(windows, width=390, height=800) as page:
        phone = Guided(page, live, "?chapter=1&stage=values")
        phone.at_chapter(1)
        assert page.locator("body[data-stage]").count() == 0, "there is no Stage on a phone"
        assert phone.task().startswith("On a larger screen you would now: choose the step size")
        assert not phone.guide.get_by_role("button", name="Step my run there").is_visible()
        phone.choose(8).press(TRIALS[8][1]).done()
        assert phone.said == []
        phone.untouched(0)


REACHED = """() => [...document.querySelectorAll("#guide footer button")].every((button) => {
    const { left, right, top, bottom } = button.getBoundingClientRect();
    const found = [top + 2, bottom - 2].map((y) => document.elementFromPoint((left + right) / 2, y));
    return bottom <= innerHeight && found.every((element) => button.contains(element));
})"""
"""Whether the way on can be seen, and pressed."""

OVER_PANELS = [("light", 1024, 768), ("light", 820, 600), ("projector", 1024, 768), ("projector", 1180, 720)]


@pytest.mark.parametrize(("theme", "width", "height"), OVER_PANELS)
def test_over_the_panels_the_way_on_is_in_sight(windows, live, theme, width, height):
    with opened(windows, width=width, height=height) as page:
        for chapter in (1, 8):
            guided = Guided(page, live, f"?chapter={chapter}&theme={theme}").at_chapter(chapter)
            if page.locator("body[data-stage]").count():
                page.keyboard.press("s")
            until(lambda: page.locator("body[data-stage]").count() == 0)
            until(lambda: page.evaluate(REACHED), patience=3000)
            assert guided.guide.locator(".reading").bounding_box()["height"] > 60


FADES = "reading => parseFloat(getComputedStyle(reading).getPropertyValue('--fade')) > 0"


def test_what_goes_on_below_the_edge_is_seen_to(windows, live):
    with opened(windows, width=1280, height=720) as page:
        reading = Guided(page, live, "?chapter=2&stage=values&theme=projector").at_chapter(2).guide.locator(".reading")
        until(lambda: reading.evaluate(FADES))
        reading.evaluate("reading => reading.scrollTo(0, reading.scrollHeight)")
        until(lambda: not reading.evaluate(FADES))


def test_a_recorded_run_has_its_chapters_too(windows, live):
    with opened(windows, "recorded/pictures") as page:
        for chapter in (2, 6):
            recorded = Guided(page, live, f"?recording=cartpole&chapter={chapter}")
            recorded.at_chapter(chapter)
            assert recorded.said == []
            recorded.close().at(live="true", phase="update")


PUT_BACK = """
    const run = { id: "one", settings: { epochs: 4, clip_range: 0.2 } };
    const newest = { header: { update: 3, settings: { clip_range: 0.2 } } };
    const change = ([update, value]) => ({ update, name: "clip_range", new: value });
    const changes = [[1, 0.5], ...(given.kept ?? []), [2, 0.2]].map(change);
    const state = { run, status: { pending: given.pending ?? {} }, newest, changes };
    const status = { pending: given.before ?? {} };
    const found = m.asFound({ ...state, run: { ...run }, status, changes: [] }, "clip_range");
    if (given.other) run.id = "another";
    return m.toPutBack(state, found);
"""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        ({"pending": {"clip_range": 0.04}}, {"clip_range": 0.2}),
        ({"before": {"clip_range": 0.3}, "pending": {"clip_range": 0.04}}, {"clip_range": 0.3}),
        ({"before": {"clip_range": 0.3}, "pending": {"clip_range": 0.3}}, None),
        ({"pending": {"clip_range": 0.04}, "other": True}, None),
        ({"kept": [[3, 0.04]]}, {"clip_range": 0.2}),  # told, and the moment that shows it has not come
        ({"kept": [[3, 0.04], [3, 0.2]]}, None),
    ],
)
def test_what_is_put_back_is_what_the_chapter_found(modules, given, expected):
    assert modules("learn/put-back.js", PUT_BACK, given) == expected


def test_a_recording_that_is_not_there_is_said(live, page, faults):
    faults.expect("404")
    page.goto(f"{live.base}?recording=nothing", wait_until="commit")  # what is said does not stand for ever
    page.get_by_text("There is no recording “nothing” on this server").first.wait_for()
    until(lambda: page.evaluate("document.body.dataset.state") == "paused")
