"""Environments as people bring them, in real runs: slow ones, ones that give no numbers, ones that cannot begin."""

import json

from tests.browser.dashboard import Dashboard, only, until

HERE = "tests.environments"
SMALL = ("--num-envs", "2", "--rollout-steps", "64", "--minibatches", "1")


def sentence(page):
    return page.locator(".sentence").inner_text()


def test_a_slow_rollout_is_followed_paused_and_taken_up_again(serve_here, page, tmp_path):
    gate = tmp_path / "gate"
    slow = json.dumps({"seconds": 0.5, "gate": str(gate)})
    live = serve_here(*SMALL, "--env", f"{HERE}.slow:Slow-v0", "--env-kwargs", slow)
    dashboard = Dashboard(page, only(live, "Health"))
    dashboard.press("Play")
    until(lambda: sentence(page), lambda text: "Collecting: step" in text and "of 64" in text)
    dashboard.press("Pause")
    until(lambda: sentence(page), lambda text: "Pauses when this rollout is whole." in text)
    dashboard.key("Space")
    until(lambda: sentence(page), lambda text: "Pauses when" not in text)
    gate.touch()
    dashboard.at(state="running", update=r"[1-9]\d*")
    dashboard.press("Pause").at(state="paused")


def test_a_number_that_the_environment_does_not_give_is_named_before_the_first_update(serve_here, page):
    dashboard = Dashboard(page, only(serve_here(*SMALL, "--env", f"{HERE}.not_finite:Nan-v0"), "Health"))
    dashboard.press("Play")
    until(lambda: sentence(page), lambda text: "observation is not finite: environment 0, step 11" in text)
    health = dashboard.panel("Health")
    health.scroll_into_view_if_needed()
    until(health.inner_text, lambda text: "environment 0, step 11" in text and "Look in the environment" in text)
    assert not health.get_by_role("button", name="Go to").count()
    badge = page.locator(".health-badge")
    assert badge.evaluate("badge => badge.scrollWidth <= badge.clientWidth"), "it is cut off"
    assert dashboard.data()["update"] == "0"


def begin(dashboard):
    """Begin the run that the link asks for, and end the one at hand for it."""
    dashboard.press("Begin this run").press("End this run")


def test_a_run_that_cannot_begin_leaves_the_one_at_hand_and_says_why(serve_here, page):
    live = serve_here(*SMALL)
    before = live.run()["id"]
    query = f"?env={HERE}.unstartable:ResetRaises-v0&seed=7&panels=health"
    dashboard = Dashboard(page, f"{live.base}{query}#token={live.token}")
    dashboard.step(update="1")
    begin(dashboard)
    trial = page.locator(".notices .trial")
    until(trial.inner_text, lambda text: "x and y must have same first dimension" in text)
    assert "The run at hand is as it was." in trial.inner_text()
    trial.get_by_text("Details", exact=True).click()
    until(trial.inner_text, lambda text: "unstartable.py" in text and "Traceback" in text)
    assert live.run()["id"] == before
    dashboard.step(update="2")


def test_a_run_on_trial_can_be_given_up(serve_here, page):
    live = serve_here(*SMALL)
    before = live.run()["id"]
    query = f"?env={HERE}.unstartable:ResetHangs-v0&seed=7&panels=health"
    dashboard = Dashboard(page, f"{live.base}{query}#token={live.token}")
    dashboard.step(update="1")
    begin(dashboard)
    trial = page.locator(".notices .trial")
    until(trial.inner_text, lambda text: "Trying out the new run; the one at hand goes on." in text)
    dashboard.step(update="2")  # and so it does
    trial.get_by_role("button", name="Cancel").click()
    until(trial.inner_text, lambda text: "Cancelled" in text)
    assert live.run()["id"] == before
