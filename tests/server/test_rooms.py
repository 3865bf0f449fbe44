"""Several runs on one server: each has a room, whose pages see and command it alone."""

import json
import os
import signal

import pytest

from tests.server.scope_page import Page, ServerProcess, leaders, wait_for


@pytest.fixture(scope="module")
def house():
    with ServerProcess() as server:
        wait_for(lambda: server.run()["state"] == "paused")
        yield server


def runs(server):
    return {run["id"]: run for run in server.get("/api/runs")}


def post(server, body):
    """Asks for a run; the status and what the answer says."""
    status, _, answer = server.request("POST", "/api/runs", body, **server.own())
    return status, json.loads(answer)


def begin(server, *, seed, **fields):
    """A run beside the others; its identifier."""
    body = {"settings": {"seed": seed}, "paused": True, "beside": True, **fields}
    status, run = post(server, body)
    assert status == 201, run
    wait_for(lambda: runs(server)[run["id"]]["state"] == "paused")
    return run["id"]


@pytest.fixture
def two(house):
    """Two runs that live: the first one of the server, and another one beside it; the other one is ended after it."""
    first = next(run["id"] for run in house.get("/api/runs") if run["state"] == "paused")
    second = begin(house, seed=2)
    yield first, second
    with Page(house, cookie=house.cookie(), run=second) as page:
        page.wait("lease", holder=True)
        if runs(house)[second]["state"] == "paused":
            assert page.ask("end")["type"] == "ack"


def leading(server, run):
    page = Page(server, cookie=server.cookie(), run=run)
    page.wait("lease", holder=True)
    return page


def watched(page):
    """What was watched when the newest snapshot that is here was made; None where none is."""
    return next((header["watched"] for header in reversed(page.headers("snapshot"))), None)


def test_each_page_sees_and_commands_the_run_of_its_room_alone(house, two):
    first, second = two
    with leading(house, first) as one, leading(house, second) as other:
        assert one.wait("state")["run"] == first and other.wait("state")["run"] == second
        for _ in range(2):
            assert other.ask("step", size="update")["type"] == "ack"
        assert one.ask("step", size="update")["type"] == "ack"
        assert [runs(house)[id]["update"] for id in two] == [1, 2]
        other.until(lambda: [h for h in other.headers("snapshot") if h["update"] == 2])
        one.until(lambda: [h for h in one.headers("snapshot") if h["update"] == 1])
        assert {h["run"] for h in one.headers("snapshot")} == {first}
        assert {h["run"] for h in other.headers("snapshot")} == {second}


def test_a_run_that_begins_between_the_greeting_and_the_first_word_is_told(house):
    with Page(house, cookie=house.cookie(), resume=False) as page:
        began = begin(house, seed=3)
        assert page.hello["run"]["id"] != began, "it was greeted with the one before"
        page.resume("late")
        assert page.wait("run")["run"]["id"] == page.wait("state")["run"] == began
        assert page.ask("step", size="update")["type"] == "ack"
        assert page.ask("end")["type"] == "ack"


def test_what_a_page_watches_concerns_its_run_alone(house, two):
    first, second = two
    with leading(house, first) as one, leading(house, second) as other:
        assert other.ask("watch", led=False, probes=["samples"])["type"] == "ack"
        other.until(lambda: watched(other) == ["samples"])
        assert one.ask("step", size="update")["type"] == "ack"
        one.until(lambda: [h for h in one.headers("snapshot") if h["update"] > 0])
        assert watched(one) == []


def test_a_page_goes_from_room_to_room_and_takes_no_lease_along(house, two):
    first, second = two
    with leading(house, first) as one, leading(house, second) as other:
        since = len(one.messages)
        assert one.ask("open", led=False, run=second)["type"] == "ack"
        assert one.wait("run", since=since)["run"]["id"] == second
        assert one.wait("lease", since=since)["holder"] is False
        refused = one.ask("step", size="update")
        assert refused["code"] == "forbidden" and "Another tab leads" in refused["message"]
        assert other.ask("step", size="update")["type"] == "ack"
        one.until(lambda: [h for h in one.headers("snapshot") if h["run"] == second and h["update"] > 0])
        with leading(house, first):  # whoever comes next leads where it was
            pass
        assert one.ask("open", led=False, run="nowhere")["code"] == "not_found"


def test_a_page_that_connects_anew_is_in_its_room_again(house, two):
    first, second = two
    with Page(house, run=first) as page:
        assert page.hello["run"]["id"] == second, "the newest, for who asks for none"
        assert page.wait("run")["run"]["id"] == first
        assert page.wait("state")["run"] == first


def test_pages_of_a_run_that_is_replaced_stay_and_lead_and_the_others_notice_nothing(house, two):
    first, second = two
    with leading(house, first) as one, leading(house, second) as other:
        since, before = len(one.messages), len(other.messages)
        assert other.ask("restart", settings={"seed": 5})["type"] == "ack"
        new = other.wait("run", since=before)["run"]
        assert new["seed"] == 5 and runs(house)[second]["state"] == "stopped"
        assert other.ask("step", size="update")["type"] == "ack"
        assert "run" not in [m["type"] for m in one.messages[since:]]
        assert runs(house)[first]["state"] == "paused"
        listed = one.wait("runs", since=since)["runs"]
        told = {"id", "environment", "seed", "state", "gone", "update", "created", "sweep", "script", "returns"}
        assert told == set(listed[0])
        assert other.ask("end")["type"] == "ack"
        assert runs(house)[new["id"]]["state"] == "stopped"
        gone = other.ask("end")
        assert (gone["code"], gone["message"]) == ("not_running", "The run has ended already.")


def test_a_page_that_was_away_while_its_run_was_replaced_finds_the_new_one(house, two):
    _, second = two
    with leading(house, second) as other:
        since = len(other.messages)
        assert other.ask("restart", settings={"seed": 6})["type"] == "ack"
        new = other.wait("run", since=since)["run"]["id"]
    with Page(house, run=second) as page:
        assert page.wait("state")["run"] == new
        assert page.ask("open", led=False, run=second)["type"] == "ack", "it can be looked at as it was"
        assert page.wait("run", since=3)["run"]["id"] == second
    with Page(house, cookie=house.cookie(), run=new) as page:
        page.wait("lease", holder=True)
        assert page.ask("end")["type"] == "ack"


def test_a_run_is_replaced_only_by_who_leads_it_and_one_beside_it_needs_no_lease(house, two):
    first, _ = two
    with leading(house, first) as one:
        body = {"settings": {}, "paused": True, "instead": first}
        status, refusal = post(house, body)
        assert status == 403, refusal
        body["lease"], since = one.lease["generation"], len(one.messages)
        status, run = post(house, body)
        assert status == 201 and runs(house)[first]["state"] == "stopped"
        assert one.wait("run", since=since)["run"]["id"] == run["id"]
        assert post(house, {**body, "instead": "nowhere"})[0] == 404


def test_a_run_whose_room_is_left_is_watched_no_more(house, two):
    first, second = two
    with leading(house, second) as page:
        assert page.ask("watch", led=False, probes=["ratio"])["type"] == "ack"
        page.until(lambda: watched(page) == ["ratio"])
        since = len(page.messages)
        assert page.ask("open", led=False, run=first)["type"] == "ack"
        assert page.wait("lease", since=since)["holder"] is True
        page.until(lambda: [h for h in page.headers("snapshot") if h["run"] == first and h["watched"] == ["ratio"]])
        with leading(house, second) as other:
            other.until(lambda: watched(other) == [])


def test_who_leads_one_run_is_a_viewer_in_another_as_long_as_that_is_led(house, two):
    first, second = two
    with leading(house, first) as one, leading(house, second) as other:
        assert one.ask("open", led=False, run=second)["type"] == "ack"
        assert one.lease["holder"] is False and one.ask("step", size="update")["code"] == "forbidden"
        assert other.ask("open", led=False, run=first)["type"] == "ack"
        for page, run in ((other, first), (one, second)):  # nobody else led there, and then nobody here
            page.until(lambda page=page: page.lease["holder"])
            before = runs(house)[run]["update"]
            assert page.ask("step", size="update")["type"] == "ack"
            assert runs(house)[run]["update"] == before + 1


def test_the_end_of_one_run_is_told_to_its_pages_and_to_no_other(house, two):
    first, second = two
    with leading(house, first) as one, leading(house, second) as other, Page(house, run=second) as viewer:
        viewer.wait("state", run=second)
        assert other.ask("step", size="update")["type"] == "ack"
        since = len(one.messages)
        assert other.ask("end")["type"] == "ack"
        for page in (other, viewer):
            page.wait("state", run=second, state="stopped")
        assert other.ask("step", size="update")["code"] == "not_running"
        assert len(house.get(f"/api/runs/{second}/series")["rows"]) == 1, "what is known of it stays"
        assert one.ask("step", size="update")["type"] == "ack"
        assert {m["run"] for m in one.messages[since:] if m["type"] == "state"} == {first}


def test_a_run_that_crashes_leaves_the_others(house):
    first = next(run["id"] for run in house.get("/api/runs") if run["state"] == "paused")
    before = set(leaders(house.process.pid))
    second = begin(house, seed=4)
    (process,) = set(leaders(house.process.pid)) - before
    with leading(house, first) as one, leading(house, second) as other:
        os.kill(process, signal.SIGKILL)
        other.wait("state", run=second, state="killed")
        assert other.ask("step", size="update")["code"] == "not_running"
        before = runs(house)[first]["update"]
        assert one.ask("step", size="update")["type"] == "ack"
        assert runs(house)[first]["update"] == before + 1
        listed = one.until(lambda: [m for m in one.messages if m["type"] == "runs" and "killed" in str(m)])
        assert {run["id"]: run["state"] for run in listed[-1]["runs"]}[second] == "killed"


def test_there_is_room_for_as_many_runs_as_the_machine_has_cores(house, two):
    for seed in range(3, 70):
        status, answer = post(house, {"settings": {"seed": seed}, "paused": True, "beside": True})
        if status != 201:
            break
    assert status == 422 and "as many as this machine has cores for" in str(answer)
    for id, run in runs(house).items():
        if run["state"] == "paused" and id not in two:
            with leading(house, id) as page:
                page.ask("end")
