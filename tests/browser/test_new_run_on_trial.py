"""A new run is tried out first. Whoever begins one is told what it costs, how it goes, and why it could not begin."""

import pytest

from tests.browser.dashboard import until

TRACE = 'Traceback (most recent call last):\n  File "res.py", line 15, in reset\nValueError: x and y'
WHY = "env res:Res-v0 failed in reset (res.py, line 15): ValueError: x and y must have same first dimension"
GONE = "its 3 updates and what they have taught it are gone then"

ALONE = "?panels=loss-components"
"""They say what they say beside whatever panels there are."""


def trial(played):
    return played.page.locator(".notices .trial")


def restart(played):
    played.dashboard.press("Restart")
    question = played.page.get_by_role("dialog", name="Begin again with untrained weights?")
    assert GONE in question.inner_text()
    question.get_by_role("button", name="Restart the run").click()


def test_a_restart_is_tried_out_while_the_run_goes_on_and_can_be_cancelled(stage):
    played = stage(query=ALONE)
    restart(played)
    until(trial(played).inner_text, lambda text: "Trying out the new run; the one at hand goes on." in text)
    until(trial(played).inner_text, lambda text: "2\u00a0s" in text)
    assert played.page.get_by_role("button", name="Restart", exact=True).is_disabled()
    trial(played).get_by_role("button", name="Cancel").click()
    until(lambda: played.said("cancel"))
    assert played.said("cancel")[0]["lease"] == 1
    played.answer("cancel")
    played.answer("restart", "conflict", "Cancelled: the new run was given up.")
    until(trial(played).inner_text, lambda text: "Cancelled" in text and "The run at hand is as it was." in text)
    trial(played).get_by_role("button", name="Dismiss").click()
    until(lambda: not trial(played).is_visible())
    assert played.dashboard.data()["update"] == "3"


def test_whoever_restarts_by_keyboard_is_at_restart_again_afterwards(stage):
    played = stage(query=ALONE)
    focused = "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"
    restarter = played.page.get_by_role("button", name="Restart", exact=True)
    until(restarter.is_enabled)
    for refused in (True, False):
        restarter.focus()
        for key in ("Enter", "Shift+Tab", "Enter"):
            played.page.keyboard.press(key)
        until(trial(played).is_visible)
        until(restarter.is_disabled)
        if refused:
            played.answer("restart", "invalid", WHY)
        else:
            played.answer("restart")
            played.greet(run={**played.run, "id": "second", "update": 0})
            played.snapshot(0, "ready")
            played.state("paused", phase="ready")
        until(restarter.is_enabled)
        until(lambda: played.page.evaluate(focused), lambda name: name == "Restart")


def test_a_refusal_says_why_in_a_line_and_the_rest_when_asked(stage):
    played = stage(query=ALONE)
    played.state("running")
    played.dashboard.at(state="running")
    restart(played)
    played.answer("restart", "invalid", WHY, TRACE)
    until(trial(played).inner_text, lambda text: WHY in text and "The run at hand goes on." in text)
    details = trial(played).get_by_text("Details", exact=True)
    assert "Traceback" not in trial(played).inner_text()
    details.click()
    until(lambda: "Traceback" in trial(played).inner_text())


@pytest.mark.parametrize("detail", [None, TRACE])
def test_a_preset_that_cannot_begin_leaves_its_sheet_open(stage, faults, detail):
    faults.expect("422")
    played = stage(query=ALONE)
    played.post_answer = (422, {"message": WHY, "detail": detail})
    played.dashboard.press("New run")
    sheet = played.page.get_by_role("dialog", name="New run")
    assert GONE in sheet.inner_text()
    sheet.get_by_role("radio", name="Lesson: no leash").check()
    sheet.get_by_role("button", name="Begin", exact=True).click()
    until(sheet.inner_text, lambda text: WHY in text and "The run at hand is as it was." in text)
    assert sheet.get_by_text("Details", exact=True).is_visible() is (detail is not None)
    assert played.posted[0]["lease"] == 1
    sheet.get_by_role("button", name="Keep this run").click()
    until(lambda: not sheet.is_visible())
    assert WHY not in played.text()


def test_a_link_begins_its_run_only_after_a_warning(stage):
    played = stage(query="?env=CartPole-v1&seed=9&panels=loss-components")
    played.sees("The link shows another run")
    played.dashboard.press("Begin this run")
    question = played.page.get_by_role("dialog", name=GONE)
    until(question.is_visible)
    assert not played.said("restart")
    played.page.keyboard.press("Escape")
    until(lambda: not question.is_visible())
    played.sees("The link shows another run")
    played.dashboard.press("Begin this run")
    question.get_by_role("button", name="End this run").click()
    assert until(lambda: played.said("restart"))[0]["settings"]["seed"] == 9


def test_a_link_begins_its_run_at_once_where_nothing_is_lost(stage):
    played = stage(update=0, query="?env=CartPole-v1&seed=9&panels=loss-components")
    played.sees("The link shows another run")
    played.dashboard.press("Begin this run")
    until(lambda: played.said("restart"))


def test_a_run_that_another_page_tries_out_is_told_of(stage):
    played = stage(leads=False, query=ALONE)
    played.doing("trial", 1, 2, 3.0, run="second")
    until(trial(played).inner_text, lambda text: "Trying out the new run" in text)
    assert not trial(played).get_by_role("button", name="Cancel").is_visible()
    until(lambda: not trial(played).is_visible())  # not a word for a while: it is given up


def test_a_run_begun_by_another_page_is_announced(stage):
    played = stage(leads=False, query=ALONE)
    played.dashboard.at(update="3", state="paused")
    played.say("run", run={**played.run, "id": "second", "update": 0})
    played.sees("A new run was begun by another page")
