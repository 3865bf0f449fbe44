"""Runs that are kept: whatever ends a server or a trainer, nothing committed is lost and the run goes on to the same
bits.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np

from ppo_scope.records import trees
from ppo_scope.records.library import KeptRun, Library
from ppo_scope.records.store import Store
from ppo_scope.runs.reopening import to_show
from tests.browser.dashboard import until
from tests.live import COMMAND, LiveServer
from tests.programs import run
from tests.server.scope_page import leaders

UPDATES = 80
SETTINGS = ("--seed", "5", "--num-envs", "4", "--rollout-steps", "128", "--total-steps", str(UPDATES * 512 - 100))
CLOCKS = ("seconds_", "steps_per_second")
"""Columns that tell of time begin like that."""


def read(folder: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], str]:
    """(rows but for times, episodes, the weights' fingerprint) of the only run that is kept there."""
    (run,) = Library(folder).runs()
    with contextlib.closing(Store(run.folder)) as store:
        columns, updates, rows = store.series()
        found = store.state()
        assert found is not None and found[0] == updates[-1] + 1
        theta = trees.decode(trees.opened(found[1]))["theta"]
        assert list(updates) == list(range(1, len(updates) + 1))
        counted = [not name.startswith(CLOCKS) for name in columns]
        return rows[:, counted], store.episodes(), hashlib.sha256(theta.tobytes()).hexdigest()


def test_a_run_that_was_killed_again_and_again_is_that_which_never_was(tmp_path: Path) -> None:
    server = LiveServer("--runs-dir", str(tmp_path / "whole"), *SETTINGS)
    until(lambda: server.run()["state"] == "finished")
    server.stop()
    draws, torn = random.Random(1), tmp_path / "torn"
    end(LiveServer("--runs-dir", str(torn), *SETTINGS), Library(torn), draws, trainer_first=None)
    for trainer_first in (True, False):
        (before,) = Library(torn).runs()
        assert before.state == ("stopped" if trainer_first else "killed")
        assert before.state == "killed" or before.resumes_at == before.last + 1, "Ctrl-C loses nothing"
        again = LiveServer("--runs-dir", str(torn), "--resume", "last")
        assert Library(torn).runs()[0].last >= before.last
        end(again, Library(torn), draws, trainer_first=trainer_first)
    server = LiveServer("--runs-dir", str(torn), "--resume", "last")
    until(lambda: server.run()["state"] == "finished")
    server.stop()
    expected, found = read(tmp_path / "whole"), read(torn)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    assert found[2] == expected[2]


def end(server: LiveServer, runs: Library, draws: random.Random, *, trainer_first: bool | None) -> None:
    """Kill it in the middle of something, after a few updates; None: as Ctrl-C does."""
    at = server.run()["update"]
    until(lambda: server.run()["update"] > at + 3)
    time.sleep(draws.uniform(0.0, 0.2))
    if trainer_first:
        os.kill(min(leaders(server.pid)), signal.SIGKILL)
        until(lambda: server.run()["state"] == "killed")
        until(lambda: written(runs) == "killed")
    if trainer_first is None:
        server.stop()
    server.kill()
    until(lambda: all(not run.in_use for run in runs.runs()))


def written(runs: Library) -> str:
    """The state that the disk has of the only run, whoever has it in use."""
    with contextlib.closing(Store(runs.runs()[0].folder)) as store:
        return str((store.newest_event("state") or {}).get("state"))


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run(*COMMAND[1:], *arguments, apart=False)


def test_the_command_line_lists_resumes_and_deletes(tmp_path: Path) -> None:
    where = ("--runs-dir", str(tmp_path))
    assert "No runs are kept" in command("runs", *where).stdout
    server = LiveServer(*where, "--paused", "--seed", "7")
    until(lambda: Library(tmp_path).runs()[0].resumes_at == 1)
    run = server.run()["id"]
    assert "paused" in command("runs", *where).stdout
    refused = command("serve", *where, "--resume", run[:4], "--no-browser")
    assert refused.returncode == 2 and "is in use" in refused.stderr
    assert "in use" in command("delete", run, "--yes", *where).stderr
    server.stop()
    assert "stopped" in command("runs", *where).stdout
    refused = command("serve", *where, "--resume", run, "--seed", "8", "--no-browser")
    assert refused.returncode == 2 and "seed: changes only with a new run" in refused.stderr
    assert "say --yes" in command("delete", run, *where).stderr
    assert command("delete", run, "--yes", *where).returncode == 0
    assert not list(tmp_path.iterdir())


def rows_of(run: KeptRun) -> np.ndarray[Any, Any]:
    with contextlib.closing(Store(run.folder)) as store:
        columns, _, rows = store.series()
        return rows[:, [not name.startswith(CLOCKS) for name in columns]]


def test_a_fork_is_its_parent_until_it_branches_off_and_knows_it(tmp_path: Path) -> None:
    where, library = ("--runs-dir", str(tmp_path)), Library(tmp_path)

    def trained(*options: str) -> KeptRun:
        server = LiveServer(*where, *options)
        until(lambda: server.run()["state"] == "finished")
        server.stop()
        return library.find("last")

    until_10, until_20 = (("--total-steps", str(updates * 512 - 100)) for updates in (10, 20))
    parent, whole = trained(*SETTINGS[:-2], *until_10), trained(*SETTINGS[:-2], *until_20)
    at = parent.last + 1
    assert parent.resumes_at == at
    fork = ("--fork", f"{parent.id}@{at + 5}", *until_20)  # its newest state is that with which it ended
    same, clipped, reseeded = trained(*fork), trained(*fork, "--clip-range", "0.01"), trained(*fork, "--seed", "9")
    assert np.array_equal(rows_of(same), rows_of(whole), equal_nan=True)
    for other in (clipped, reseeded):
        assert np.array_equal(rows_of(other)[: at - 1], rows_of(whole)[: at - 1], equal_nan=True)
        assert not np.array_equal(rows_of(other)[at - 1 :], rows_of(whole)[at - 1 :], equal_nan=True)
        assert other.about["parent"] == {"run": parent.id, "update": at}
    assert reseeded.about["settings"]["seed"] == 9
    _, record = to_show(library.find(parent.id))
    assert record.forks == [{"run": other.id, "update": at} for other in (same, clipped, reseeded)]
    assert f"{parent.id}@{at}" in command("runs", *where).stdout
    refused = command("serve", *where, "--fork", "last@soon", "--no-browser")
    assert refused.returncode == 2 and "no update" in refused.stderr


def test_where_nothing_can_be_written_the_run_goes_on_and_it_is_said(tmp_path: Path) -> None:
    place = tmp_path / "a file"
    place.write_text("no folder")
    server = LiveServer("--runs-dir", str(place), *SETTINGS)
    until(lambda: server.run()["update"] > 2)
    assert "cannot be kept" in server.output
    assert server.run()["stored"] is False and str(place) in server.run()["unwritten"], "as pages are told it"
    server.stop()


def test_a_damaged_state_is_refused_in_a_line(tmp_path: Path) -> None:
    server = LiveServer("--runs-dir", str(tmp_path), "--paused")
    until(lambda: Library(tmp_path).runs()[0].resumes_at == 1)
    server.stop()
    (run,) = Library(tmp_path).runs()
    with contextlib.closing(Store(run.folder)) as store, store.writing():
        found = store.state()
        assert found is not None
        store.keep(1, found[1][:-10])
    refused = command("serve", "--runs-dir", str(tmp_path), "--resume", "last", "--no-browser")
    assert refused.returncode == 2
    assert "checksum" in refused.stderr and "Traceback" not in refused.stderr


def test_damaged_and_foreign_states_are_passed_over_for_the_one_before_them(tmp_path: Path) -> None:
    def until_its_end(updates: int, *options: str) -> str:
        server = LiveServer("--runs-dir", str(tmp_path), *options, "--total-steps", str(updates * 512 - 100))
        until(lambda: server.run()["state"] == "finished")
        server.stop()
        return server.output

    until_its_end(20, *SETTINGS[:-2], "--checkpoint-every", "5")
    (run,) = Library(tmp_path).runs()
    with contextlib.closing(Store(run.folder)) as store, store.writing():
        end = run.last + 1
        marked = {state.update: state.mark for state in store.states() if state.marked}
        assert marked == {6: "checkpoint", 11: "checkpoint", 16: "checkpoint", 21: "checkpoint", end: "end"}
        for state in store.states():
            if state.update > 11:
                store.keep(state.update, trees.sealed(pickle.dumps(print)) if state.update == 16 else b"cut off")
    said = until_its_end(30, "--resume", "last")
    assert "The one before update 11 is taken instead" in " ".join(said.split())
    read(tmp_path)  # nothing is missing
    with contextlib.closing(Store(run.folder)) as store:
        (told,) = [said for _, _, what, said in store.events() if what == "damaged"]
        assert {16, 21, end} <= set(told["states"]) and told["instead"] == 11
        assert all(trees.opened(store.state(state.update)[1]) for state in store.states())  # type: ignore[index]


def test_markup_and_control_characters_in_names_are_no_markup_in_a_terminal(tmp_path: Path) -> None:
    evil = "[red]x[/red]\x1b[2J<b>"
    with contextlib.closing(Store(tmp_path / "[bold]run", create=True)) as store, store.writing():
        store.say(
            settings={"env": evil, "seed": "\x1b]0;title\x07"}, created="\x1b[31m", parent={"run": evil, "update": 1}
        )
    for said in (
        command("runs", "--runs-dir", str(tmp_path)).stdout,
        command("delete", "[bold]run", "--runs-dir", str(tmp_path)).stderr,
    ):
        assert "[bold]run" in said and "[red]x[/red]" in said
        assert "\x1b" not in said and "\x07" not in said
