"""A loop in several copies: processes that are forked of it, and a model that is watched more than once."""

import json
import os
import sys

import pytest

from ppo_scope.attach import watcher
from ppo_scope.attach.once import watched_as
from ppo_scope.attach.sb3.stable_baselines import Watched
from ppo_scope.attach.watcher import Mark
from ppo_scope.attach.ways import watch
from tests.attach import sb3_loop
from tests.attach.elsewhere import Loop, Watching, rows_of, set_nowhere, waiting_server
from tests.attach.test_scope import rollout, small_scope
from tests.attach.workers import UPDATES
from tests.programs import trained
from tests.server.scope_page import wait_for

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks no processes")


def forked(found):
    """What `found` says in a process that is forked here; it ends at once."""
    heard, said = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(said, str(found()).encode())
        finally:
            os._exit(0)
    os.close(said)
    with os.fdopen(heard) as answer:
        told = answer.read()
    os.waitpid(child, 0)
    return told


@forks
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_copy_of_the_loops_process_says_nothing_in_its_name(capfd):
    """It would take answers of the process beside the loop, which the loop then waits for in vain."""
    scope, reached = small_scope(), []
    rollout(scope)
    told = scope.watcher.reached
    scope.watcher.reached = lambda phase: (reached.append(phase), told(phase))

    def trains_on():
        for _ in range(2):
            rollout(scope)
            scope.minibatch(samples=[0, 1], log_prob=[0, 0], advantages=[1, -1])
            scope.update()
        scope.close()
        return len(reached)

    assert forked(trains_on) == "0"
    assert capfd.readouterr().err.count("This process is a copy of one whose run is shown") == 1
    trains_on()
    assert len(reached) > 4 and not scope.watcher.copied


@forks
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_what_is_found_in_a_forked_process_is_known_in_the_first(monkeypatch):
    mark = Mark()
    monkeypatch.setattr(watcher, "FOUND", mark)
    assert forked(lambda: mark.is_set) == "False"
    forked(lambda: small_scope().watcher.close())
    assert mark.is_set


@forks
def test_a_worker_says_goodbye_and_what_has_ended_it():
    """A forked worker ends without what Python does at the end of a program."""
    server = waiting_server()
    try:
        with Loop("tests.attach.workers", link=server.url) as loop:
            loop.printed()
        runs = wait_for(lambda: both_over(json.loads(server.get("api/runs"))))
        assert {run["environment"]: run["state"] for run in runs} == {"ends": "finished", "fails": "failed"}
        assert [run["cause"]["summary"] for run in runs if run["state"] == "failed"] == ["KeyError: 'its own'"]
        for run in runs:
            assert len(rows_of(server, run["id"])[0]["loss"]) == UPDATES
    finally:
        server.kill()


POOL = """
import multiprocessing
from stable_baselines3 import PPO

def work(seed):
    PPO("MlpPolicy", "CartPole-v1", n_steps=32, batch_size=32, n_epochs=1, seed=seed, device="cpu").learn(96)

if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(work, [1, 2])
"""


@forks
def test_what_a_pool_ends_when_its_work_is_done_is_whole(tmp_path):
    """It ends its processes by a signal, at once."""
    (script := tmp_path / "study.py").write_text(POOL, encoding="utf-8")
    server = waiting_server()
    try:
        trained("-W", "ignore", "-m", "ppo_scope.attach.script", str(script), PPO_SCOPE_URL=server.url)
        runs = json.loads(server.get("api/runs"))
        assert [run["update"] for run in runs] == [3, 3]
        assert [len(rows_of(server, run["id"])[0]["loss"]) for run in runs] == [3, 3]
    finally:
        server.kill()


def both_over(runs):
    return runs if len(runs) == 2 and all(run["state"] in ("finished", "failed", "stalled") for run in runs) else None


def test_a_model_that_is_watched_twice_has_one_run_and_the_same_weights(monkeypatch, capfd):
    """By a cell that is run again, or by the script that `ppo-scope watch` runs and by itself."""
    set_nowhere(monkeypatch)
    model = sb3_loop.made()
    watch(model)
    first = watched_as(model)
    assert watch(model) is model and watched_as(model) is first
    assert capfd.readouterr().err.count("This model is watched already") == 1
    model.learn(2 * 128)
    assert first._index == 2
    first.watcher.close()
    assert sb3_loop.digest(model) == sb3_loop.main(2 * 128, plain=True)[1]


def test_a_run_that_was_ended_on_the_page_says_how_another_begins(monkeypatch, capfd):
    set_nowhere(monkeypatch)
    model = sb3_loop.made()
    watch(model)
    first = watched_as(model)
    model.learn(128)
    first.watcher._going.stopping = True
    model.learn(128)
    assert first._index == 1 and "ended on the page" not in capfd.readouterr().err
    model.learn(128)
    assert "`learn` returns at once. ppo_scope.watch(model) begins another run" in capfd.readouterr().err
    watch(model)
    model.learn(2 * 128)
    second = watched_as(model)
    second.watcher.close()
    assert first._index == 1 and second._index == 2 and isinstance(second, Watched)


def test_a_script_that_shows_itself_is_not_said_to_have_no_ppo(tmp_path):
    (tmp_path / "own.py").write_text(
        "import numpy, ppo_scope\n"
        "scope = ppo_scope.Scope(clip_range=0.2)\n"
        "rows = {name: numpy.zeros((4, 2)) for name in ('actions', 'rewards', 'log_probs', 'advantages')}\n"
        "scope.rollout(**rows)\nscope.update()\nraise SystemExit(3)\n"
    )
    with Watching("own.py", folder=tmp_path) as watching:
        watching.said("the script has ended with code 3")
    assert "No PPO was found" not in "".join(watching.lines)


@pytest.mark.parametrize("typed", [False, True])
def test_what_failed_in_a_cell_ends_no_run(typed, monkeypatch):
    """A notebook's process ends long after, for another reason; a script's traceback is on its way out."""
    monkeypatch.setattr(sys, "last_value", None, raising=False)
    monkeypatch.delattr(sys, "ps1", raising=False)
    scope, states = small_scope(), []
    rollout(scope)
    scope.watcher._report.state = lambda state, *_, **__: states.append(str(state))
    monkeypatch.setattr(sys, "last_value", ZeroDivisionError("of a cell"))
    if typed:
        monkeypatch.setattr(sys, "ps1", "In : ", raising=False)
    scope.watcher.ends_with_process()
    assert states == ["finished" if typed else "failed"]
