"""What pages get: frames, state, lease, histories."""

import json
import time

import numpy as np
import pytest
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect

from ppo_scope.server.transport import UNPRESSED
from ppo_scope.wire import frame
from tests.server.scope_page import Page, ServerProcess, wait_for

RETURN_WITHIN = 40.0
"""Seconds that a lease is kept for whoever may come back, where it is three in the product."""
AT_ONCE = RETURN_WITHIN / 2


@pytest.fixture(scope="module")
def patient():
    """A server that keeps a lease so long that a busy machine is in time."""
    with ServerProcess(later=[("room", "RETURN_WITHIN", RETURN_WITHIN)]) as server:
        wait_for(lambda: server.run()["state"] == "paused")
        yield server


def step(page, count=1):
    for _ in range(count):
        assert page.ask("step", size="update")["type"] == "ack"


def test_a_new_page_gets_what_is_newest(scripted, page):
    step(page, 2)
    with Page(scripted) as other:
        state = other.wait("state", state="paused")
        other.until(lambda: other.headers("snapshot") and other.headers("series"))
        run = scripted.run()
        assert other.hello["run"]["id"] == state["run"] == run["id"]
        assert other.headers("snapshot")[0]["sequence"] == state["sequence"]
        assert other.headers("series")[0]["first"] == run["update"] == state["update"]


def test_a_page_that_resumes_gets_only_what_it_lacks(scripted, page):
    step(page)
    newest = page.until(lambda: page.headers("snapshot"))[-1]["sequence"]
    known = {"server_epoch": page.hello["server_epoch"], "run": page.hello["run"]["id"]}
    with Page(scripted, **known, sequence=newest) as other:
        step(page)
        other.until(lambda: other.headers("snapshot"))
        assert all(h["sequence"] > newest for k in ("snapshot", "series") for h in other.headers(k))
    with Page(scripted, server_epoch="another", run=known["run"], sequence=newest + 1000) as stranger:
        stranger.until(lambda: stranger.headers("snapshot"))


def test_joining_a_running_stream_repeats_nothing_and_what_is_skipped_can_be_asked_for(launch):
    server = launch(paused=False)
    for _ in range(8):
        with Page(server) as page:
            page.until(lambda page=page: len(page.headers("series")) > 5)
            run = page.hello["run"]["id"]
            firsts = [header["first"] for header in page.headers("series")]
            assert firsts == sorted(set(firsts))
            answer = server.get(f"/api/runs/{run}/series?to={firsts[-1]}")
            assert answer["first"] == 1
            assert [row[0] for row in answer["rows"]] == [1 / update for update in range(1, firsts[-1] + 1)]


def test_a_page_that_keeps_up_gets_every_row(scripted, page):
    before = scripted.run()["update"]
    for update in range(before + 1, before + 9):
        step(page)
        page.until(lambda update=update: page.headers("series")[-1:] and page.headers("series")[-1]["first"] == update)
    firsts = [header["first"] for header in page.headers("series")]
    assert firsts[-8:] == list(range(before + 1, before + 9))


def test_series_by_range_in_both_formats(scripted, page):
    step(page, 5)
    run = scripted.run()
    path = f"/api/runs/{run['id']}/series?from=2&to=4"
    answer = scripted.get(path)
    assert answer["first"] == 2
    assert [row[0] for row in answer["rows"]] == [1 / 2, 1 / 3, 1 / 4]
    assert [row[0] for row in answer["episodes"]] == [2, 3, 4]
    _, _, raw = scripted.request("GET", path + "&format=frame")
    header, arrays = frame.decode(raw)
    assert header["kind"] == "series"
    assert header["columns"] == answer["columns"]
    assert header["first"] == 2
    assert arrays["rows"].tolist() == answer["rows"]
    assert arrays["episodes"].tolist() == answer["episodes"]


def test_the_snapshot_of_a_past_update_is_the_same_bytes(scripted, page):
    step(page, 2)
    run = scripted.run()
    _, _, kept = scripted.request("GET", f"/api/runs/{run['id']}/frames/{run['update']}")
    page.until(lambda: any(raw == kept for _, raw in page.frames))
    _, arrays = frame.decode(kept)
    assert np.all(arrays["ratio"] == run["update"])


def test_changes_are_broadcast_and_kept(scripted, page, viewer):
    assert page.ask("set", name="clip_range", value=0.3)["type"] == "ack"
    change = viewer.wait("change", name="clip_range", new=0.3)
    run = scripted.run()
    assert run["settings"]["clip_range"] == 0.3
    assert {key: change[key] for key in ("update", "name", "old", "new")} in run["changes"]
    assert change["update"] == run["update"] + 1


def test_the_union_of_what_pages_want_reaches_the_run(scripted, page, viewer):
    def watched():
        return page.headers("snapshot")[-1]["watched"] if page.headers("snapshot") else None

    page.ask("watch", led=False, probes=["ratio", "samples"])
    viewer.ask("watch", led=False, probes=["values", "ratio"])
    page.until(lambda: watched() == ["ratio", "samples", "values"])
    viewer.close()
    page.until(lambda: watched() == ["ratio", "samples"])
    assert page.ask("restart", settings={})["type"] == "ack"
    page.until(lambda: watched() == ["ratio", "samples"])


def test_restart_makes_a_new_run_with_the_settings_as_they_are(scripted, page, viewer):
    old = scripted.run()
    assert page.ask("set", name="clip_range", value=0.15)["type"] == "ack"
    assert page.ask("restart", settings={"entropy_coef": 0.02})["type"] == "ack"
    announced = viewer.until(
        lambda: next((m["run"] for m in viewer.messages if m["type"] == "run" and m["run"]["id"] != old["id"]), None)
    )
    new = scripted.run()
    assert new["id"] == announced["id"] != old["id"]
    assert new["settings"] == {**old["settings"], "clip_range": 0.15, "entropy_coef": 0.02}
    viewer.wait("state", run=new["id"], state="paused")  # as the old one was
    assert scripted.get(f"/api/runs/{old['id']}")["state"] == "stopped"
    step(page)
    header = viewer.until(lambda: [h for h in viewer.headers("snapshot") if h["run"] == new["id"] and h["update"] == 1])
    assert header
    # nothing of the old run comes after the new one was announced
    place = next(i for i, (_, raw) in enumerate(viewer.frames) if frame.header(raw)["run"] == new["id"])
    assert {frame.header(raw)["run"] for _, raw in viewer.frames[place:]} == {new["id"]}


def test_a_restart_that_does_not_fit_is_refused_and_the_run_lives_on(scripted, page):
    before = scripted.run()["id"]
    for settings in (
        {"clip_range": "0.2"},
        {"clip_range": True},
        {"clip_range": 7},
        {"nonsense": 1},
        {"minibatches": 7},
    ):
        error = page.ask("restart", settings=settings)
        assert error["code"] == "invalid"
        assert next(iter(settings)) in error["message"]
    assert scripted.run()["id"] == before


def test_eight_runs_are_kept(scripted, page):
    ids = []
    for _ in range(9):
        assert page.ask("restart", settings={})["type"] == "ack"
        ids.insert(0, scripted.run()["id"])
    assert [run["id"] for run in scripted.get("/api/runs")] == ids[:8]


def test_a_heartbeat_comes_by_itself(launch):
    with Page(launch(sooner=[("hub", "HEARTBEAT", 0.2)])) as viewer:
        viewer.wait("heartbeat")


# The lease


def test_a_page_that_connects_anew_takes_the_place_of_its_old_connection(scripted):
    cookie = scripted.cookie()
    with Page(scripted, tab="mine", cookie=cookie) as old:
        old.wait("lease", holder=True)
        with Page(scripted, tab="mine", cookie=cookie) as new:
            assert new.lease == {"type": "lease", "holder": True, "generation": old.lease["generation"]}
            assert old.closed() == 1008
            assert new.ask("step", size="update")["type"] == "ack"


def test_who_watches_takes_nobodys_place(scripted):
    with Page(scripted, tab="mine", cookie=scripted.cookie()) as page:
        page.wait("lease", holder=True)
        with Page(scripted, tab="mine") as viewer:
            assert not viewer.lease["holder"]
            assert page.ask("step", size="update")["type"] == "ack"


def test_a_new_run_over_http_is_for_who_leads(scripted, page):
    before, own = scripted.run()["id"], scripted.own()
    for lease in (None, page.lease["generation"] - 1):
        status, _, answer = scripted.request("POST", "/api/runs", {"settings": {}, "lease": lease}, **own)
        assert status == 403
        assert "Take control on this page first" in json.loads(answer)["message"]
    assert scripted.run()["id"] == before
    wanted = {"settings": {}, "paused": True, "lease": page.lease["generation"]}
    assert scripted.request("POST", "/api/runs", wanted, **own)[0] == 201
    assert scripted.run()["id"] != before


def test_one_tab_leads_at_a_time(scripted, page):
    with Page(scripted, cookie=scripted.cookie()) as second:
        assert not second.lease["holder"]
        assert second.ask("play")["code"] == "forbidden"
        assert second.ask("take_control", led=False)["type"] == "ack"
        second.wait("lease", holder=True)
        lost = page.wait("lease", holder=False)
        assert lost["generation"] == second.lease["generation"]
        assert page.ask("play")["code"] == "forbidden"
        assert second.ask("pause")["type"] == "ack"


def test_a_stale_generation_is_forbidden(scripted, page):
    page.say(type="play", id="stale", lease=page.lease["generation"] - 1)
    assert page.reply("stale")["code"] == "forbidden"
    assert scripted.run()["state"] == "paused"


def test_a_closed_tab_passes_the_lease_on_at_once(patient):
    cookie = patient.cookie()
    with Page(patient, cookie=cookie) as first, Page(patient, cookie=cookie) as second:
        first.wait("lease", holder=True)
        generation = first.lease["generation"]
        first.close()
        assert second.wait("lease", holder=True, timeout=AT_ONCE)["generation"] == generation + 1


def broken(page):
    """Its connection breaks, and it may come back."""
    page.socket.socket.shutdown(2)
    page.closed()


def test_a_broken_connection_gets_its_lease_back(patient):
    cookie = patient.cookie()
    with Page(patient, tab="mine", cookie=cookie) as first, Page(patient, cookie=cookie) as second:
        generation = first.wait("lease", holder=True)["generation"]
        broken(first)
        time.sleep(0.3)
        with Page(patient, tab="mine", cookie=cookie) as again:
            assert again.lease == {"type": "lease", "holder": True, "generation": generation}
            assert not second.lease["holder"]


def test_a_lease_is_not_kept_for_ever_for_a_broken_connection(scripted):
    cookie = scripted.cookie()
    with Page(scripted, tab="mine", cookie=cookie) as first, Page(scripted, cookie=cookie) as second:
        first.wait("lease", holder=True)
        broken(first)
        second.wait("lease", holder=True)


def test_a_lease_is_free_when_nobody_holds_it(patient):
    cookie = patient.cookie()
    with Page(patient, cookie=cookie) as first:
        first.wait("lease", holder=True)
    with Page(patient, cookie=cookie) as second:
        assert second.wait("lease", holder=True, timeout=AT_ONCE)
    wait_for(lambda: patient.run()["state"] == "paused")


def test_messages_go_as_compressed_which_they_are_not(scripted):
    with connect(f"ws://{scripted.host}/ws", origin=scripted.origin, max_size=None) as browser:  # offers it, as they do
        assert [extension.name for extension in browser.protocol.extensions] == ["permessage-deflate"]
        assert json.loads(browser.recv(30))["type"] == "hello"
    _, extension = UNPRESSED.process_request_params([], [])
    numbers = bytes(100_000)
    assert len(extension.encode(Frame(Opcode.BINARY, numbers)).data) > len(numbers)
