"""Runs that are kept, by HTTP: listed, gone on with, branched off from and deleted while a server goes on."""

import contextlib
import json

import pytest

from ppo_scope.processes.process import DEFAULT_WORKER
from ppo_scope.records.library import Library
from ppo_scope.records.store import FILE, Store
from tests.kept import run_on_disk
from tests.server.scope_page import Page, ServerProcess, wait_for


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def house(folder):
    """A server whose runs are kept, with a paused run that has made no update yet."""
    with ServerProcess(DEFAULT_WORKER, kept=folder) as server:
        run = server.run()["id"]
        wait_for(lambda: server.get(f"/api/runs/{run}")["state"] == "paused")
        wait_for(lambda: Library(folder).run(run).resumes_at == 1)
        yield server


def ask(server, method, path, body=None):
    """(status, what the answer says) of a controller's request."""
    status, _, answer = server.request(method, path, body, **server.own())
    return status, json.loads(answer)


def begin(server, **body):
    """A run, once it is paused; where it goes on, at rest again."""
    status, run = ask(server, "POST", "/api/runs", {"paused": True, **body})
    assert status == 201, run
    return wait_for(lambda: (now := server.get(f"/api/runs/{run['id']}"))["state"] == "paused" and now)


def leading(server, run):
    page = Page(server, cookie=server.cookie(), run=run)
    page.wait("lease", holder=True)
    return page


def listed(server):
    return {run["id"]: run for run in server.get("/api/kept")["runs"]}


def test_what_cannot_be_is_refused_in_a_sentence(house, folder):
    run = house.run()["id"]
    assert listed(house)[run]["here"] and listed(house)[run]["state"] == "paused"
    refusals = [
        ({"resume": run}, 409, "go to it by the list"),
        ({"resume": "nobody"}, 404, "no run nobody"),
        ({"open": "nobody"}, 404, "no run nobody"),
        ({"fork": {"run": ".."}}, 404, "no run .."),
        ({"fork": {"run": run, "update": 0}}, 400, "greater than or equal to 1"),
        ({"fork": {"run": run}, "settings": {"num_envs": 3}}, 422, "num_envs: changes only with a new run"),
        ({"fork": {"run": run}, "settings": {"clip_range": -1}}, 422, "clip_range"),
        ({"fork": {"run": run}, "resume": run}, 400, "one of `resume`, `fork` and `open`"),
        ({"open": run, "settings": {"seed": 2}}, 400, "takes no `settings`"),
    ]
    for body, status, words in refusals:
        found, answer = ask(house, "POST", "/api/runs", {"beside": True, "paused": True, **body})
        assert found == status and words in answer["message"], answer
    status, answer = ask(house, "DELETE", f"/api/kept/{run}")
    assert status == 409 and "End it first" in answer["message"]
    assert ask(house, "DELETE", "/api/kept/..")[0] == 404
    assert ask(house, "GET", "/api/kept/nobody")[0] == 404
    assert [run["id"] for run in house.get("/api/runs")] == [run], "nothing was begun"
    assert Library(folder).run(run) is not None


def test_a_run_that_goes_on_has_its_pages_again_and_knows_where_it_did(house, folder):
    parent = house.run()["id"]
    fork = begin(house, fork={"run": parent}, settings={"clip_range": 0.4}, beside=True)
    assert fork["parent"] == {"run": parent, "update": 1} and fork["pending"] == {"clip_range": 0.4}
    assert fork["resumed"] == [{"before": 1, "anew": None}]
    with leading(house, fork["id"]) as page:
        for _ in range(3):
            assert page.ask("step", size="update")["type"] == "ack"
        wait_for(lambda: Library(folder).run(fork["id"]).resumes_at == 4)
        page.ask("end")
        page.wait("state", state="stopped")
        since = len(page.messages)
        again = begin(house, resume=fork["id"], settings={"total_steps": 320}, beside=True)
        assert again["id"] == fork["id"] and again["update"] == 3 and again["parent"] == fork["parent"]
        assert again["resumed"][-1] == {"before": 4, "anew": None} and again["settings"]["total_steps"] == 320
        assert page.wait("run", since=since)["run"]["id"] == fork["id"]
        page.wait("state", since=since, state="paused", update=3)
        assert page.ask("step", size="updates")["type"] == "ack"
        end = page.wait("state", since=since, state="finished")["update"]
    wait_for(lambda: Library(folder).run(fork["id"]).last == end)
    on_disk = wait_for(lambda: (run := Library(folder).run(fork["id"])).state == "finished" and run)
    assert on_disk.in_use and not listed(house)[fork["id"]]["in_use"], (
        "its process is there still, and it is this server's"
    )
    with contextlib.closing(Store(folder / fork["id"])) as store:
        assert list(store.series()[1]) == list(range(1, end + 1)) and end > 4
        said = [said["state"] for _, _, what, said in store.events() if what == "state"]
        assert said.count("stopped") == said.count("finished") == 1, "it ended once, and finished once"
    with leading(house, fork["id"]) as page:
        page.ask("end")
        page.wait("state", state="finished", gone=True)
    assert house.get(f"/api/runs/{fork['id']}")["state"] == listed(house)[fork["id"]]["state"] == "finished"
    whole = house.get(f"/api/kept/{fork['id']}")
    assert whole["changes"][0]["new"] == 0.4 and whole["states"][0] == 1 and len(whole["returns"]) == end

    status, answer = ask(house, "DELETE", f"/api/kept/{fork['id']}")
    assert status == 200 and answer == {"deleted": fork["id"]}
    assert fork["id"] not in listed(house) and not (folder / fork["id"]).exists()
    assert [run["id"] for run in house.get("/api/runs")] == [parent]


def test_a_run_goes_on_instead_of_another_one_whose_pages_come_along(house, folder):
    first = house.run()["id"]
    other = begin(house, settings={"num_envs": 2, "rollout_steps": 32, "seed": 5}, beside=True)["id"]
    wait_for(lambda: Library(folder).run(other).resumes_at == 1)
    with leading(house, other) as guest:
        guest.ask("end")
        guest.wait("state", state="stopped")
        with leading(house, first) as page:
            status, answer = ask(house, "POST", "/api/runs", {"resume": other, "paused": True, "instead": first})
            assert status == 403, answer
            seen, since = len(guest.messages), len(page.messages)
            run = begin(house, resume=other, instead=first, lease=page.lease["generation"])
            assert run["id"] == other
            assert page.wait("run", since=since)["run"]["id"] == other
            assert guest.wait("run", since=seen)["run"]["id"] == other
            assert page.ask("step", size="update")["type"] == "ack", "who led goes on leading"
    assert [one["id"] for one in house.get("/api/runs")] == [other, first]
    assert house.get(f"/api/runs/{first}")["state"] == "stopped"


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "elsewhere"])
def test_a_run_that_is_deleted_while_it_is_shown_says_so_and_is_listed_no_more(house, folder, elsewhere):
    run = run_on_disk(folder, 2).name
    assert ask(house, "POST", "/api/runs", {"open": run})[0] in (200, 201)
    with Page(house, run=run) as page:
        page.wait("state", state="kept")
        if elsewhere:
            Library(folder).delete(Library(folder).run(run))
        else:
            assert ask(house, "DELETE", f"/api/kept/{run}")[0] == 200
        assert "has been deleted" in page.wait("state", state="deleted")["cause"]["summary"]
        said = [message["state"] for message in page.messages if message["type"] == "state" and message["run"] == run]
        assert "stopped" not in said
        assert run not in {one["id"] for one in house.get("/api/runs")} and run not in listed(house)
        assert house.get(f"/api/runs/{run}/series")["first"] == 1, "who looks at it can look on"
        lists = lambda: [message["runs"] for message in list(page.messages) if message["type"] == "runs"]  # noqa: E731
        wait_for(lambda: run not in {one["id"] for one in lists()[-1]})


def test_a_damaged_run_is_listed_with_what_is_wrong_and_can_be_deleted(house, folder):
    place = folder / "broken"
    place.mkdir()
    (place / FILE).write_bytes(b"no database")
    entry = listed(house)["broken"]
    assert entry["state"] == "unreadable" and "broken" in entry["problem"] and entry["environment"] == ""
    for method, path, body in (
        ("GET", "/api/kept/broken", None),
        ("POST", "/api/runs", {"resume": "broken", "beside": True}),
        ("POST", "/api/runs", {"fork": {"run": "broken"}, "beside": True}),
    ):
        status, answer = ask(house, method, path, body)
        assert status in (409, 422) and "cannot be read" in answer["message"], answer
    assert ask(house, "DELETE", "/api/kept/broken")[0] == 200 and not place.exists()
