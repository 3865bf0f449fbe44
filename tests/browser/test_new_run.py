"""Presets on the page: what is chosen runs, and what cannot run leaves the run at hand alone."""

import importlib.util

import pytest

from tests.browser.test_first_light import Dashboard, until


@pytest.fixture
def dashboard(server, page):
    live = server("--paused", "--num-envs", "2")
    opened = Dashboard(page, live.url)
    opened.live = live
    until(lambda: page.get_by_role("button", name="New run").is_enabled())
    return opened


def choose(dashboard, title):
    dashboard.press("New run")
    dashboard.page.get_by_role("dialog", name="New run").get_by_role("button", name=title).click()


def test_a_preset_begins_a_run_of_its_own_with_the_same_seed(dashboard):
    before = dashboard.live.run()
    choose(dashboard, "Lesson: no leash")
    after = until(dashboard.live.run, lambda run: run["id"] != before["id"] and run["state"] == "paused")
    assert after["settings"]["objective"] == "unclipped"
    assert after["settings"]["epochs"] == 20
    assert after["seed"] == before["seed"]
    until(lambda: dashboard.page.get_by_role("dialog").count() == 0)
    objective = dashboard.page.get_by_role("group", name="The objective without a clip")
    until(objective.is_visible)
    assert not dashboard.page.get_by_role("group", name="The clipped objective").is_visible()


@pytest.mark.skipif(importlib.util.find_spec("Box2D") is not None, reason="Box2D is installed: nothing is missing")
def test_what_cannot_begin_is_explained_and_the_run_goes_on(dashboard, faults):
    faults.expect("422")  # browsers report every refusal in the console
    before = dashboard.live.run()
    choose(dashboard, "LunarLander")
    alert = dashboard.page.get_by_role("dialog").get_by_role("alert")
    until(alert.inner_text, lambda text: "pip install" in text)
    dashboard.page.get_by_role("button", name="Keep this run").click()
    assert dashboard.live.run()["id"] == before["id"]
    dashboard.press("Step")
    dashboard.at(update="1", state="paused")


def test_who_only_watches_cannot_begin_a_run(server, page):
    live = server("--paused")
    Dashboard(page, live.base)
    button = page.get_by_role("button", name="New run")
    until(lambda: "You are watching" in (button.get_attribute("title") or ""))
    assert button.is_disabled()
