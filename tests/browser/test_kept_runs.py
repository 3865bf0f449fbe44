"""Runs that are kept, on the page: what there is, going on, branching off, and away with them."""

import pytest

from ppo_scope.records.library import Library
from tests.browser.dashboard import Dashboard, until
from tests.live import LiveServer

SETTINGS = ("--num-envs", "2", "--rollout-steps", "32")
UPDATES = 12


@pytest.fixture
def kept(tmp_path):
    """A folder with a run that was ended after some updates."""
    server = LiveServer("--runs-dir", str(tmp_path), "--seed", "7", *SETTINGS)
    until(lambda: server.run()["update"] > UPDATES)
    until(lambda: Library(tmp_path).runs()[0].resumes_at)
    server.stop()
    return Library(tmp_path)


def shelf(page):
    opener = page.get_by_role("button", name="Runs:")
    if opener.get_attribute("aria-expanded") == "false":
        opener.click()
    return page.get_by_role("list", name="Runs that are kept")


def test_a_kept_run_is_listed_and_goes_on(kept, page, leaving):
    (old,) = kept.runs()
    server = LiveServer("--runs-dir", str(kept.folder), "--paused", "--seed", "3", *SETTINGS)
    leaving.append(server)
    dashboard = Dashboard(page, server.url)
    entry = shelf(page).get_by_role("listitem")
    text = until(lambda: entry.inner_text() if entry.count() == 1 else "")
    assert "CartPole-v1" in text and "stopped" in text and f"seed 7 · update {old.last}" in text and old.id in text
    page.get_by_role("button", name=f"Go on with CartPole-v1, seed 7, run {old.id}").click()
    dashboard.at(state="running", update="[1-9][0-9]*")
    run = until(server.run, lambda run: run["update"] > old.last)
    assert run["id"] == old.id and run["resumed"] == [{"before": old.resumes_at, "anew": None}]
    assert "seed 7" in page.locator(".run-facts").inner_text()
    assert until(lambda: shelf(page).get_by_role("listitem").count() == 0)
    server.interrupt()
