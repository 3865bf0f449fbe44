"""Runs that are kept, on the page: what there is, going on, branching off, and away with them."""

import contextlib
import json
import os
import signal

import pytest

from ppo_scope.records.library import Library
from ppo_scope.records.store import Store
from ppo_scope.wire.attaching import Greeting
from ppo_scope.wire.metrics import SERIES_COLUMNS
from tests.browser.dashboard import Dashboard, only, until
from tests.browser.test_accessibility import violations
from tests.kept import run_on_disk
from tests.live import LiveServer
from tests.server.long_runs import episodes_of, rows_of
from tests.server.scope_page import leaders

SETTINGS = ("--num-envs", "2", "--rollout-steps", "32")
UPDATES = 12


@pytest.fixture
def kept(tmp_path):
    """A folder with a run that was ended after some updates."""
    run_on_disk(tmp_path, UPDATES, seed=7, num_envs=2)
    return Library(tmp_path)


def said(page):
    """What a screen reader has been told last."""
    return page.locator("[aria-live]").all_text_contents()


def shelf(page):
    opener = page.get_by_role("button", name="Runs:")
    if opener.get_attribute("aria-expanded") == "false":
        opener.click()
    return page.get_by_role("list", name="Runs that are kept")


def test_a_kept_run_is_listed_and_goes_on(kept, page, ending):
    (old,) = kept.runs()
    server = LiveServer("--runs-dir", str(kept.folder), "--paused", "--seed", "3", *SETTINGS)
    ending.append(server)
    dashboard = Dashboard(page, only(server, "Episodic return"))
    entry = shelf(page).get_by_role("listitem")
    text = until(lambda: entry.inner_text() if entry.count() == 1 else "")
    assert "CartPole-v1" in text and "stopped" in text and f"seed 7 · update {old.last}" in text and old.id in text
    entry.get_by_role("button", name=old.id).first.click()
    dashboard.at(state="kept", update=str(old.last), phase="update")
    until(lambda: any("A kept run is shown: CartPole-v1, seed 7." in text for text in said(page)))
    states = {run["seed"]: run["state"] for run in json.loads(server.get("api/runs"))}
    assert states == {7: "kept", 3: "paused"}, "the one that was on show is there as it was"
    until(lambda: "on show" in shelf(page).inner_text())
    before = leaders(server.pid)
    page.get_by_role("button", name=f"Go on with CartPole-v1, seed 7, run {old.id}").click()
    dashboard.at(state="running", update="[1-9][0-9]*")
    run = until(server.run, lambda run: run["update"] > old.last)
    assert run["id"] == old.id and run["resumed"] == [{"before": old.resumes_at, "anew": None}]
    assert "seed 7" in page.locator(".run-facts").inner_text()
    assert until(lambda: shelf(page).get_by_role("listitem").count() == 0)
    page.keyboard.press("Escape")
    process = min(one for one in leaders(server.pid) if one not in before)
    os.kill(process, signal.SIGKILL)
    dashboard.at(state="killed")
    onward = page.get_by_role("alert").get_by_role("button", name="Go on", exact=True)
    until(onward.is_visible)
    onward.click()
    dashboard.at(state="running")
    assert until(server.run, lambda run: run["state"] == "running")["resumed"][1]["anew"] is None
    until(lambda: server.run()["update"] > old.last + 5)
    assert json.loads(server.get(f"api/runs/{old.id}/series"))["first"] == 1, "what it had made before is known, too"


def test_a_run_of_a_loop_elsewhere_is_shown_and_neither_goes_on_here_nor_is_forked(page, ending, tmp_path):
    with contextlib.closing(Store(tmp_path / "0123abcd", create=True)) as store, store.writing():
        told = {
            "env": "theirs",
            "objective": "clip",
            "anneal_learning_rate": True,
        }  # ours would tell total_steps as well
        greeting = Greeting(run="0123abcd", settings=told, library="a loop", changeable=[])
        store.say(settings=greeting.settings, created="2026-01-02T03:04:05+00:00", facts={"attached": greeting.about})
        store.append(SERIES_COLUMNS, 1, rows_of(1, 5), episodes_of(1, 5))
    server = LiveServer("--runs-dir", str(tmp_path), "--paused", *SETTINGS)
    ending.append(server)
    dashboard = Dashboard(page, only(server, "Episodic return"))
    entry = shelf(page).get_by_role("listitem")
    until(lambda: entry.count() == 1)
    assert "null" not in entry.inner_text(), "it has not told its seed"
    for way in ("Go on with theirs, run 0123abcd", "Fork theirs, run 0123abcd"):
        button = entry.get_by_role("button", name=way)
        assert button.is_disabled() and "somebody else's" in button.get_attribute("title")
    entry.get_by_role("button", name="0123abcd").first.click()
    dashboard.at(state="kept", update="5", phase="update")
    assert "Fork" not in page.locator("#apply").inner_text()
    shelf(page)
    assert page.get_by_role("button", name="Fork from here").is_disabled()


def test_a_run_is_forked_at_the_moment_on_show_and_deleted(page, ending, tmp_path):
    server = LiveServer("--runs-dir", str(tmp_path), "--paused", "--seed", "7", *SETTINGS)
    ending.append(server)
    library = Library(tmp_path)
    dashboard = Dashboard(page, only(server, "Episodic return"))
    for number in range(1, 4):
        dashboard.step(update=str(number), phase="update")
    dashboard.type("Entropy coefficient", 0.02)
    dashboard.step(update="4", phase="update")
    parent = server.run()["id"]
    until(lambda: library.runs()[0].resumes_at == 5)
    with contextlib.closing(Store(library.place(parent))) as store:
        states = [state.update for state in store.states()]
    dashboard.key("ArrowLeft").at(update="3", phase="update")
    at = max(state for state in states if state <= 4)

    shelf(page)
    fork = page.get_by_role("button", name="Fork from here")
    until(fork.is_enabled)
    fork.click()
    sheet = page.get_by_role("dialog", name="Fork of CartPole-v1, seed 7")
    until(sheet.is_visible)
    place = sheet.get_by_label("Branch off before update")
    assert place.input_value() == str(at) and f"up to update {at - 1}" in sheet.inner_text()
    assert sheet.get_by_label("Entropy coefficient c₂").input_value() == ("0.01" if at < 4 else "0.02")
    assert sheet.get_by_label("Environment", exact=True).count() == 0
    sheet.get_by_label("Clip range ε", exact=True).fill("0.4")
    sheet.get_by_label("Seed").fill("8")
    assert not violations(page)
    page.keyboard.press("Enter")
    fork = until(server.run, lambda run: run["id"] != parent and run["state"] == "paused")
    assert fork["parent"] == {"run": parent, "update": at} and fork["seed"] == 8
    until(page.locator(".run-facts").inner_text, lambda text: f"fork of {parent}" in text)
    notice = page.get_by_role("status").filter(
        has_text=f"New episodes began with update {at}: it goes on with another seed"
    )
    until(notice.is_visible)
    notice.get_by_role("button", name="Dismiss").click()
    assert not notice.is_visible()
    dashboard.at(update=str(at - 1), phase="ready").step(update=str(at)).step(update=str(at + 1))
    assert {change["name"]: change["new"] for change in server.run()["changes"]}["clip_range"] == 0.4

    shelf(page)
    assert (
        f"A fork of {parent} before update {at}." in page.get_by_role("list", name="Runs of this server").inner_text()
    )
    page.get_by_role("button", name="End this run").click()
    page.get_by_role("button", name="End it").click()
    dashboard.at(state="stopped")
    shelf(page)
    remove = page.get_by_role("button", name=f"Delete CartPole-v1, seed 8, run {fork['id']}")
    until(remove.count)
    remove.click()
    page.get_by_role("button", name="Keep it").click()
    assert library.run(fork["id"]) is not None
    remove.click()
    page.get_by_role("button", name="Delete it").click()
    until(lambda: library.run(fork["id"]) is None)
    assert until(lambda: remove.count() == 0)
    assert library.run(parent) is not None
    until(lambda: fork["id"] not in page.get_by_role("list", name="Runs of this server").inner_text())
    assert "It has been deleted" in page.get_by_role("button", name="Fork from here").get_attribute("title")
    page.keyboard.press("Escape")
    dashboard.at(state="deleted")
    banner = page.get_by_role("alert").filter(has_text=f"Run {fork['id']} has been deleted")
    assert until(banner.is_visible) and not banner.get_by_role("button", name="Go on", exact=True).is_visible()
    dashboard.key("ArrowLeft").at(update=str(at), phase="update")  # what it has shown is still there to be looked at
