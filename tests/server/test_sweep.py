"""`ppo-scope sweep`, with real training: each run is kept, and after a kill only what is missing is trained."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from ppo_scope.cli import main
from ppo_scope.cli.sweep import Board
from ppo_scope.ppo.settings import Settings
from ppo_scope.records import sweeps
from ppo_scope.records.library import Library
from ppo_scope.records.store import Store
from ppo_scope.runs import supervisor as supervisor_module
from ppo_scope.runs.sweeping import Standing, Sweeping
from tests.live import LiveServer
from tests.runs import house
from tests.server.scope_page import leaders, wait_for

SMALL = ("--num-envs", "2", "--rollout-steps", "32", "--total-steps", "6400", "--seed", "3")
GRID = ("--vary", "clip_range=0.1,0.3", "--seeds", "2")


def rows_of(folder):
    with contextlib.closing(Store(folder)) as store:
        columns, updates, rows = store.series()
        return list(updates), rows[:, [columns.index(name) for name in ("loss", "steps", "entropy")]]


def swept(folder, **how):
    return LiveServer("--runs-dir", str(folder), *GRID, *SMALL, "--json", verb="sweep", **how)


def result(server):
    """What it prints at its end."""
    wait_for(lambda: not server.lives, 240)
    return json.loads(server.output.splitlines()[-1])


def the_one(library):
    (name,) = sweeps.names(library)
    return sweeps.load(name, library)


@pytest.mark.timeout(600)
def test_a_sweep_that_is_killed_goes_on_with_what_is_missing_and_comes_to_the_same(tmp_path):
    whole, torn = Library(tmp_path / "whole"), Library(tmp_path / "torn")
    expected = result(swept(whole.folder))
    assert expected["finished"] == 4 and [len(group["runs"]) for group in expected["groups"]] == [2, 2]
    assert {(run["clip_range"], run["seed"]) for run in expected["runs"]} == {
        (e, s) for e in (0.1, 0.3) for s in (3, 4)
    }

    server = swept(torn.folder, anew=True)
    wait_for(lambda: server.run_count() >= 2 and min(run["update"] for run in runs_of(server)) > 20, 60)
    assert {run["sweep"] for run in runs_of(server)} == {the_one(torn).name}
    os.kill(min(leaders(server.pid)), signal.SIGKILL)  # a trainer: it is gone on with at once
    wait_for(lambda: any(run.get("resumed") for run in map(details(server), runs_of(server))), 60)
    server.kill()
    begun = {one.run for one in the_one(torn).planned if one.run}
    assert 2 <= len(begun) < 4

    found = result(swept(torn.folder))
    assert found["finished"] == 4 and begun < {run["run"] for run in found["runs"]}
    assert len(torn.runs()) == 4, "no run was made twice"
    for one, other in zip(the_one(whole).planned, the_one(torn).planned, strict=True):
        assert one.values == other.values
        (updates, rows), (others, expected_rows) = rows_of(torn.place(other.run)), rows_of(whole.place(one.run))
        assert updates == others
        np.testing.assert_array_equal(rows, expected_rows)

    again = result(swept(torn.folder))
    assert [run["run"] for run in again["runs"]] == [run["run"] for run in found["runs"]], "nothing was left to be done"


def test_a_disk_that_does_not_take_the_plan_is_told_in_a_line(tmp_path, monkeypatch):
    """No run goes on that the sweep would not know of."""

    class House:
        async def room(self):
            pass

        async def start(self, settings, **_):
            return SimpleNamespace(id="0badcafe")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sweeps, "save", full)
    sweep = sweeps.plan("mine", Settings(total_steps=100), {}, 3)
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(Sweeping(sweep, Library(tmp_path), 2, lambda _: None).carry_out(House()))


def test_a_run_whose_place_somebody_else_takes_a_moment_before_waits_for_another(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor_module, "LIVE_RUNS", 1)
    library = Library(tmp_path)
    settings = Settings.parse({**house.SMALL, "total_steps": 64})
    with house.House(library=library) as there:
        start, rivals = there.supervisor.start, []

        async def beaten(settings, **how):
            if not rivals:
                rivals.append(await start(settings, paused=True))
                asyncio.get_running_loop().call_later(0.5, lambda: asyncio.ensure_future(rivals[0].stop()))
            return await start(settings, **how)

        monkeypatch.setattr(there.supervisor, "start", beaten)
        sweeping = Sweeping(sweeps.plan("mine", settings, {}, 1), library, 1, lambda _: None)
        there.do(sweeping.carry_out(there.supervisor))
    (standing,) = sweeping.standings
    assert (standing.state, standing.problem) == ("finished", "")


def runs_of(server):
    return json.loads(server.get("api/runs"))


def details(server):
    return lambda run: json.loads(server.get(f"api/runs/{run['id']}"))


def test_a_cluster_without_ray_is_told_in_a_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)  # as where it is not installed
    given = ("--seeds", "2", *SMALL, "--ray", "auto")
    assert main(["sweep", "--no-browser", "--runs-dir", str(tmp_path), *given]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "ppo-scope[ray]" in said.err and said.out == ""


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((), "say what is varied"),
        (("--seeds", "2"), "when to stop"),
        (("--vary", "clip_range", *SMALL), "SETTING=VALUE"),
        (("--vary", "clip=0.1", *SMALL), "no setting 'clip'"),
        (("--vary", "clip_range=0.1,wide", *SMALL), "'wide' is not a number"),
        (("--vary", "clip_range=0.1,-1", *SMALL), "clip_range"),
        (("--vary", "clip_range=0.1,0.1", *SMALL), "twice"),
        (("--vary", "seed=1,2", *SMALL), "--seeds"),
        (("--seeds", "2", "--at-once", "9999", *SMALL), "--at-once"),
        (("--seeds", "2", "--env", "Nowhere-v9", "--total-steps", "100"), "Nowhere"),
        (("--resume", "nothing"), "there is no sweep"),
        (("--resume", "nothing", "--seeds", "2"), "stays as it is"),
    ],
)
def test_what_cannot_be_swept_is_refused_in_a_line_before_anything_begins(tmp_path, capsys, given, words):
    assert main(["sweep", "--no-browser", "--runs-dir", str(tmp_path), *given]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and words in said.err and said.out == ""
    assert not list(tmp_path.iterdir())


def test_the_bar_of_all_runs_counts_those_that_have_come_to_their_end(capsys):
    planned = sweeps.plan("one", Settings(total_steps=1000), {"clip_range": [0.1, 0.2, 0.3]}, 1)
    board = Board(planned, quiet=False)
    ended, stopped, refused = (Standing(one) for one in planned.planned)
    ended.state, stopped.state, refused.problem = "finished", "stopped", "There is no room."
    for one in (ended, stopped, refused):
        board.moved(one)
    board.close()
    assert re.search(r"runs .* 1/3 ", capsys.readouterr().err)
