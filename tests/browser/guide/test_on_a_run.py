"""The guide on a run that trains: it shows that run where it has the point, and puts back what it tried."""

import json

import pytest

from tests.browser.dashboard import panels_alone, until
from tests.browser.guide.guided import LIT, MAY_HEAR_LATE, SEED, TRIALS, Guided, comparison_of, frames_of, opened
from tests.browser.test_runs import beside, items, opener_of
from tests.live import LiveServer

OWN = (1, 3, 7)
"""The chapters that find their point in the run at hand, in one of these tests."""


@pytest.fixture(scope="module")
def trained(windows, tmp_path_factory):
    """A page on a run that has learned for a while, stepped, with the panels in view of the chapters that are shown on
    it: all others would be drawn at each step, and are looked at nowhere.
    """
    live = LiveServer("--paused", "--seed", SEED, "--learning-rate", "0.003", folder=tmp_path_factory.mktemp("trained"))
    with opened(windows, height=1200, script=MAY_HEAR_LATE) as page:
        guided = Guided(page, live, panels_alone(*sorted(set().union(*(LIT[chapter] for chapter in OWN)))))
        guided.step("updates", update="10")
        guided.step("updates", update="20")
        guided.step(update="21", phase="update")
        yield guided
    live.stop()


def test_a_run_that_has_the_point_is_shown_itself_and_tries_it_itself(trained):
    before = trained.live.run()["settings"]
    trained.said.clear()
    trained.choose(7)
    assert trained.shown() == "On show: your run, update 21, its end."
    trained.press(TRIALS[7][1]).done()
    assert trained.said == ["redo"]
    assert "−c₂·S" in trained.reaction()
    trained.press("Next").at_chapter(8)  # left undecided: it is put back
    until(lambda: trained.said == ["redo", "keep"])
    assert trained.untouched(21)["settings"] == before


def test_an_outcome_that_was_kept_is_put_back_when_the_chapter_is_left(trained):
    trained.choose(7).press(TRIALS[7][1]).done()
    trained.page.locator("#comparison").get_by_role("button", name="Keep the new outcome").click()
    until(lambda: trained.live.run()["settings"]["entropy_coef"] == 0.1)
    trained.choose(2)
    until(lambda: trained.live.run()["pending"], lambda pending: pending == {"entropy_coef": 0.01})
    until(trained.guide.locator(".note").inner_text, lambda text: "Put back: c₂ 0.01" in text)
    trained.close().step(update="22", phase="update")
    assert trained.live.run()["settings"]["entropy_coef"] == 0.01


@pytest.mark.parametrize("leave", ["Chapter 2: Where are the targets?", "Close the guide"])
def test_what_the_page_has_not_heard_of_yet_is_put_back_as_well(trained, leave):
    leaving = trained.guide.get_by_role("button", name=leave[:10])
    trained.choose(7).press(TRIALS[7][1]).done()
    with trained.hears_late():
        trained.page.locator("#comparison").get_by_role("button", name="Keep the new outcome").click()
        until(lambda: trained.live.run()["settings"]["entropy_coef"] == 0.1)
        leaving.click()
    until(lambda: trained.live.run()["pending"], lambda pending: pending == {"entropy_coef": 0.01})
    trained.one_update()
    assert trained.live.run()["settings"]["entropy_coef"] == 0.01


def test_an_update_that_is_still_being_made_twice_is_left_as_it_was(trained):
    trained.choose(7)
    trained.said.clear()
    with trained.hears_late():
        trained.press(TRIALS[7][1])
        until(lambda: trained.has_said("redo"))
        trained.close()
    until(lambda: trained.has_said("redo", "keep"))
    until(trained.page.locator("#comparison").is_hidden)
    trained.one_update()


def test_what_is_undecided_is_left_undecided(trained):
    trained.type("Clip range", 0.3)
    trained.press("Apply to this update")
    card = trained.page.locator("#comparison")
    until(card.is_visible)
    trained.said.clear()
    for chapter in (3, 4, 7):
        trained.choose(chapter)
        assert not trained.guide.get_by_role("button", name="Step my run there").is_visible()
        assert chapter == 4 or "an example" in trained.shown()
    trained.close()
    until(card.is_visible)
    assert trained.said == []
    card.get_by_role("button", name="Keep it as it was").click()
    trained.type("Clip range", 0.2)


def test_a_run_is_stepped_to_a_chapter_when_that_is_asked(trained):
    trained.choose(1)
    trained.press("Step my run there")
    until(trained.shown, lambda text: text.startswith("On show: your run"))
    trained.at(phase="gradient", epoch="1", minibatch="1", live="false")
    trained.close().at(phase="gradient", live="true").step(phase="update")


def test_a_run_that_was_stepped_there_makes_its_own_update_twice(trained):
    """Never mixed with the example, to which one press leads back."""
    trained.one_update().to_its_loss().choose(3)
    until(trained.shown, lambda text: text.startswith("On show: your run"))
    own = trained.live.run()["update"]
    trained.said.clear()
    trained.press("Finish your update, and make it twice: c₁ 0.5 and 5").done()
    assert f"Update {own}, made twice" in trained.reaction()
    until(trained.page.locator("#comparison h2").inner_text, lambda text: text == f"Update {own}, made twice")
    assert trained.said == ["step", "redo"]
    trained.press("Show the example")
    until(trained.shown, lambda text: "an example recorded for this page" in text)
    until(lambda: trained.said == ["step", "redo", "keep"])
    assert trained.reaction() == ""
    assert f"Your run waits at update {own}" in trained.shown()
    trained.press(TRIALS[3][1]).done()
    made = comparison_of(frames_of("two-networks"), "value_coef")["update"]
    assert f"Update {made}, made twice" in trained.reaction()
    trained.close()


def test_going_on_says_when_it_is_the_example_again(trained):
    trained.one_update().to_its_loss().choose(3)
    until(trained.shown, lambda text: text.startswith("On show: your run"))
    trained.choose(8)  # its update is not over, so it cannot be made twice
    until(trained.shown, lambda text: "an example recorded for this page" in text)
    until(trained.guide.locator(".note").inner_text, lambda text: text.startswith("This is the example again"))
    trained.close().step(phase="update")


def test_opening_it_neither_pauses_a_run_nor_steps_it(trained):
    trained.said.clear()
    trained.press("Play").at(state="running")
    trained.choose(5)
    before = trained.live.run()["update"]
    until(lambda: trained.live.run()["update"] > before + 2)
    assert trained.said == ["play"]
    until(trained.shown, lambda text: "Your run is not touched. It trains on meanwhile: update " in text)
    told = trained.shown()
    until(trained.shown, lambda text: text != told)  # the number lives
    trained.close().at(state="running").press("Pause").at(state="paused")


def test_a_link_to_a_chapter_shows_it_and_touches_nothing(trained):
    trained.said.clear()
    trained.choose(4)
    until(lambda: "chapter=4" in trained.page.evaluate("location.search"))
    update = trained.live.run()["update"]
    trained.page.reload()
    trained.at_chapter(4)
    assert trained.said == []
    assert trained.live.run()["update"] == update
    trained.close()


def test_what_was_hidden_is_hidden_again(trained):
    trained.page.locator("#panel-policy header").hover()
    trained.page.get_by_role("button", name="Hide Policy").click()
    trained.choose(7)
    assert trained.page.locator("#panel-policy").is_visible()
    trained.close()
    until(lambda: trained.page.locator("#panel-policy").is_hidden())
    assert trained.page.evaluate("document.body.dataset.stage") is None
    trained.press("Show Policy")


def test_what_a_chapter_changed_is_put_back_when_another_run_is_opened(trained):
    """The last of these tests: two runs are there from now on."""
    changed = trained.live.run()["id"]
    trained.step(phase="update").choose(7)
    until(trained.shown, lambda text: text.startswith("On show: your run"))
    trained.press(TRIALS[7][1]).done()
    trained.page.locator("#comparison").get_by_role("button", name="Keep the new outcome").click()
    until(lambda: trained.live.run()["settings"]["entropy_coef"] == 0.1)
    other = beside(trained.page, seed=3)
    opener_of(trained.page).click()
    items(trained.page).filter(has_text="seed 3").click()
    # By its address: the run that is led may be on show for a moment only, before the guide shows the example again.
    until(lambda: trained.page.evaluate("location.search"), lambda search: "seed=3" in search)

    def waiting(run):
        return json.loads(trained.live.get(f"api/runs/{run}"))["pending"]

    until(lambda: waiting(changed), lambda pending: pending == {"entropy_coef": 0.01})
    assert waiting(other) == {}
    trained.close()
