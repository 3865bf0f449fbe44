"""Evaluations in the training process: told once each, in order; commands are obeyed meanwhile, nothing else moves."""

import time

import numpy as np
import pytest

from ppo_scope.wire.run import Evaluation
from tests.runs.house import SLACK, House
from tests.server.test_wire import problems
from tests.worker.driver import Driver, rows_of, step

SLOW = "tests.environments.slow:Slow-v0"
PLAY = {"type": "play"}


def told(driver):
    return [one for header in driver.events("evaluated") for one in header["evaluations"]]


def test_every_evaluation_is_told_and_training_is_as_without_them():
    plain = Driver([PLAY], total_steps=600)
    watched = Driver([PLAY], total_steps=600, eval_every=2, eval_episodes=3)
    assert plain.weights == watched.weights and not told(plain)
    found = told(watched)
    last = watched.worker.trainer.updates
    assert [one["update"] for one in found] == sorted({*range(2, last + 1, 2), last})
    assert [problems(Evaluation, one) for one in found] == [[]] * len(found)
    rows = rows_of(watched)
    for one in found:
        assert one["steps"] == rows[one["update"] - 1, watched.of("series")[0][0]["columns"].index("steps")]
        assert one["lowest"] <= one["mean"] <= one["highest"] and one["episodes"] == 3 and one["fault"] is None
    best = [one for one in found if one["best"]][-1]
    assert best["mean"] == max(one["mean"] for one in found)
    kept = watched.worker.evaluating.best
    assert (kept.update, kept.mean) == (best["update"], best["mean"])
    assert "policy_head.weight" in kept.weights


def test_a_run_that_is_stepped_is_evaluated_where_it_halts_and_again_where_its_update_is_made_anew():
    redo, keep = {"type": "redo", "settings": {"learning_rate": 0.1}}, {"type": "keep", "which": "new"}
    driver = Driver([step(), step(), redo, keep, {"type": "again", "first": 0, "changes": 0}], eval_every=2)
    found = told(driver)
    assert [one["update"] for one in found] == [2, 2, 2, 2], "twice, and both anew for a server that has missed them"
    assert found[:2] == found[2:]
    assert driver.events("state")[-1]["state"] == "stopped"


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    """The file with which the evaluation of `slow` comes to its end at once."""
    return tmp_path_factory.mktemp("slow") / "gate"


@pytest.fixture(scope="module")
def slow(gate):
    """A run whose evaluation takes half a minute, 20 steps in 20 copies; its rollouts are short."""
    with House() as house:
        house.start(
            env=SLOW,
            env_kwargs={"seconds": 0.06, "gate": str(gate)},
            num_envs=1,
            rollout_steps=4,
            minibatches=1,
            eval_every=1,
            eval_episodes=20,
        )
        house.state(state="running")
        house.until(lambda: evaluating(house))
        yield house


def evaluating(house):
    doing = [header["activity"] for header in house.of("progress") if header["activity"]]
    return doing[-1] if doing and doing[-1]["name"] == "evaluating" else None


def test_within_an_evaluation_it_is_told_and_a_pause_is_obeyed_at_once(slow, gate):
    assert evaluating(slow)["of"] == 20
    seconds, code, _ = slow.send("pause")
    assert code is None and seconds < 2 + SLACK
    slow.state(state="paused")
    for command in ({"type": "redo", "settings": {}}, {"type": "keep", "which": "new"}):
        _, code, message = slow.send(**command)
        assert code == "conflict" and "being evaluated" in message
    assert slow.send("set", name="clip_range", value=0.3)[1] is None
    gate.touch()
    found = slow.until(lambda: slow.run.record.describe("paused", None)["evaluations"])
    assert [(one["update"], one["episodes"]) for one in found] == [(1, 20)]
    assert np.isin(found[0]["mean"], (0.0, 20.0)), "without chance it does the same all along"


def test_within_an_evaluation_a_stop_is_obeyed(slow, gate):
    gate.unlink()
    assert slow.send("play")[1] is None
    slow.until(lambda: evaluating(slow))
    start = time.monotonic()
    slow.do(slow.run.stop())
    assert time.monotonic() - start < 3 + SLACK and slow.run.state == "stopped"
