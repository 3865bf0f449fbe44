"""The wire with the real training process at its other end."""

import os
import signal
import time

import pytest

from ppo_scope.runs.depictions import SILENT
from ppo_scope.wire import frame
from tests.server.scope_page import SLACK, Page, ServerProcess, wait_for


@pytest.fixture(scope="module")
def real():
    with ServerProcess("ppo_scope.worker.worker:main") as server:
        wait_for(lambda: server.run()["state"] == "paused", timeout=60)
        yield server


@pytest.fixture
def page(real):
    with Page(real, cookie=real.cookie()) as page:
        page.wait("lease", holder=True)
        page.wait("state")
        yield page


def test_three_steps_are_three_updates(real, page):
    start = real.run()["update"]
    for expected in range(start + 1, start + 4):
        mark = len(page.messages)
        assert page.ask("step", size="update")["type"] == "ack"
        state = page.wait("state", state="paused", since=mark, timeout=10)
        assert state["update"] == expected
        belonging = page.until(lambda s=state: [h for h in page.headers("snapshot") if h["sequence"] == s["sequence"]])
        assert belonging[0]["update"] == expected
    series = real.get(f"/api/runs/{real.run()['id']}/series")
    assert series["first"] + len(series["rows"]) - 1 == start + 3
    assert real.request("GET", f"/api/runs/{real.run()['id']}/frames/{start + 2}")[0] == 200


def newest(page):
    """The header of the newest snapshot, which comes after the state that it is of, or before."""
    return page.until(lambda: page.headers("snapshot"))[-1]


WRONG = [
    ("clip_range", "0.1"),
    ("clip_range", True),
    ("clip_range", -0.1),
    ("clip_range", None),
    ("clip_range", [0.1]),
    ("clip_range", {"value": 0.1}),
    ("learning_rate", 1e308),
    ("epochs", 2.5),
    ("epochs", 10**30),
    ("anneal_learning_rate", 1),
    ("normalize_advantages", "sometimes"),
    ("num_envs", 4),
    ("nonsense", 1),
    ("__class__", 1),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_value_that_does_not_fit_is_refused_and_harms_nothing(real, page, name, value):
    before = real.run()
    error = page.ask("set", name=name, value=value)
    assert error["code"] == "invalid"
    assert name in error["message"]
    assert "\n" not in error["message"]
    after = real.run()
    assert (after["settings"], after["pending"], after["state"]) == (before["settings"], {}, "paused")


def test_a_setting_waits_for_the_next_update(real, page):
    assert page.ask("set", name="clip_range", value=0.3)["type"] == "ack"
    wait_for(lambda: real.run()["pending"] == {"clip_range": 0.3})
    assert page.ask("step", size="update")["type"] == "ack"
    change = page.wait("change", timeout=10)
    run = wait_for(lambda: (found := real.run())["settings"]["clip_range"] == 0.3 and found)
    assert run["pending"] == {}
    assert change["old"] == 0.2
    assert change["update"] == run["update"] or change["update"] == run["update"] + 1
    page.until(lambda: newest(page)["settings"]["clip_range"] == 0.3, timeout=10)


def test_watched_probes_appear_in_the_snapshot(page):
    page.ask("watch", led=False, probes=["ratio", "samples"])
    page.until(lambda: {"ratio_counts", "region"} <= set(newest(page)["arrays"]))
    header, arrays = frame.decode([raw for _, raw in page.frames if frame.header(raw)["kind"] == "snapshot"][-1])
    assert arrays["region"].shape == tuple(header["arrays"]["region"]["shape"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"env": "CartPol-v1"}, "did you mean CartPole-v1"),
        ({"env_kwargs": {"no_such_argument": 1}}, "env_kwargs"),
        ({"env": "CartPole-v1", "frame_skip": 2}, "frame_skip: only for images"),
    ],
)
def test_a_run_that_cannot_begin_does_not_end_the_one_that_is(real, page, settings, words):
    before = real.run()
    wanted = {"settings": settings, "lease": page.lease["generation"]}
    status, _, answer = real.request("POST", "/api/runs", wanted, **real.own())
    assert status == 422 and words in answer.decode()
    refused = page.ask("restart", settings=settings)
    assert refused["type"] == "error" and words in refused["message"]
    assert real.run() == before
    assert page.ask("step", size="update")["type"] == "ack"
    wait_for(lambda: real.run()["state"] == "paused")


def unless_busy(answer):
    """An answer, unless it is that there is no time for one."""
    return None if SILENT.encode() in answer[2] else answer


def test_a_picture_of_any_sample_of_a_rollout_that_was_stepped(real, page):
    assert page.ask("step", size="update")["type"] == "ack"
    wait_for(lambda: real.run()["state"] == "paused")
    run = real.run()
    picture = f"/api/runs/{run['id']}/pictures/{run['update']}"
    status, headers, image = wait_for(lambda: unless_busy(real.request("GET", f"{picture}/3/17")))
    assert (status, headers["content-type"], image[:3]) == (200, "image/jpeg", b"\xff\xd8\xff")
    assert real.request("GET", f"{picture}/3/17")[2] == image
    status, _, answer = real.request("GET", f"{picture}/3/999")
    assert status == 404 and "no such sample" in answer.decode()
    status, _, answer = real.request("GET", f"/api/runs/{run['id']}/pictures/0/0/0")
    assert status == 404 and "while the run is stepped" in answer.decode()


@pytest.mark.parametrize("heard", [True, False])
@pytest.mark.parametrize("orders", [("play", "pause"), ("step",)])
def test_a_run_begun_anew_waits_where_the_one_before_was_to_come_to_rest(real, page, orders, heard):
    """In the midst of a rollout Pause is answered long before it has come to that, and a step is not over."""
    slow = {"env": "tests.environments.slow:Slow-v0", "env_kwargs": {"seconds": 0.01}}
    assert page.ask("restart", settings=slow)["type"] == "ack"
    before = wait_for(lambda: real.run() if real.run()["state"] == "paused" else None)["id"]
    for number, order in enumerate(orders):
        fields = {"size": "update"} if order == "step" else {}
        if heard:
            assert page.ask(order, **fields)["type"] == "ack"
        else:
            page.say(type=order, id=f"{before} {number}", lease=page.lease["generation"], **fields)
    assert page.ask("restart", settings={"env": "CartPole-v1", "env_kwargs": {}})["type"] == "ack"
    after = wait_for(lambda: run if (run := real.run())["id"] != before and run["state"] != "starting" else None)
    assert (after["state"], after["update"]) == ("paused", 0)


def test_a_killed_training_is_told_within_a_second(real, page):
    assert page.ask("play")["type"] == "ack"
    worker, start = real.worker_pid(), time.monotonic()
    os.kill(worker, signal.SIGKILL)
    state = page.wait("state", state="killed")
    assert time.monotonic() - start < 1 + SLACK
    assert "SIGKILL" in state["cause"]["summary"]
    assert page.ask("restart", settings={})["type"] == "ack"
    page.wait("state", run=real.run()["id"], state="running", timeout=60)
    assert page.ask("pause")["type"] == "ack"
