"""What goes on, what is refused in one line, and what a run that went on says of itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from ppo_scope.cli import main
from ppo_scope.records.library import Library
from ppo_scope.records.loading import load
from tests.browser.dashboard import until
from tests.kept import run_on_disk
from tests.live import COMMAND, LiveServer
from tests.programs import run
from tests.server.scope_page import leaders

SMALL = ("--num-envs", "4", "--rollout-steps", "32", "--seed", "3")


def finished(folder: Path, end: str) -> list[dict[str, Any]]:
    """Go on with the run to that end; the evaluations that it tells of."""
    server = LiveServer("--resume", "last", "--total-steps", end, "--runs-dir", str(folder))
    until(lambda: server.run()["state"] == "finished")
    told: list[dict[str, Any]] = server.run()["evaluations"]
    server.stop()
    return told


def test_a_run_that_goes_on_remembers_its_best_evaluation_and_its_end(tmp_path: Path) -> None:
    evaluated = ("--eval-every", "1", "--eval-episodes", "1", "--runs-dir", str(tmp_path))
    server = LiveServer(*SMALL, *evaluated, "--total-steps", "8000")
    until(lambda: server.run()["update"] > 5)  # of 62: it is killed long before it can have come to its end
    os.kill(min(leaders(server.pid)), signal.SIGKILL)
    until(lambda: server.run()["state"] == "killed")
    server.kill()
    finished(tmp_path, "8000")
    told = finished(tmp_path, "9000")
    kept = load("last", tmp_path)
    assert kept.settings["total_steps"] == 9000 and kept.table()["settings.total_steps"][0] == 8000
    evaluations = [said for _, _, what, said in kept.events if what == "evaluated"]
    updates = [one["update"] for one in evaluations]
    assert updates == sorted(set(updates)) == list(range(1, len(kept.updates) + 1)), "each once"
    assert [one["update"] for one in told] == updates
    means = [one["mean"] for one in evaluations]
    highest = [mean for n, mean in enumerate(means) if mean > max(means[:n], default=float("-inf"))]
    assert [one["mean"] for one in evaluations if one["best"]] == highest


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The only line that a refused command writes."""
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    return said


def test_what_cannot_be_done_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--runs-dir", str(tmp_path))
    run_on_disk(tmp_path, 3)
    for command in (["delete", "", "--yes"], ["export", "", "--to", str(tmp_path / "x.csv")]):
        assert "a run without a name" in refused(capsys, *command, *where)
    for command in (["serve", "--resume", ""], ["serve", "--fork", "@5"]):
        assert "a run without a name" in refused(capsys, *command, "--no-browser", *where)
    for command in (["runs"], ["delete", "last"], ["open", "last"], ["export", "last", "--to", "x.csv"]):
        assert "keeps no runs" in refused(capsys, *command, "--runs-dir", "off")
    (tmp_path / "file").write_text("no folder")
    assert "is no folder" in refused(capsys, "runs", "--runs-dir", str(tmp_path / "file"))
    for option in ("--resume", "--fork"):
        said = refused(capsys, "serve", option, "last", "--total-steps", "100", "--no-browser", *where)
        assert " steps have been made there" in said
    server = LiveServer(*where, "--resume", "last", "--paused")
    again = run(*COMMAND[1:], "serve", "--no-browser", "--resume", "last", *where, apart=False)
    server.stop()
    assert again.returncode == 2 and again.stderr.count("\n") == 1 and "in use" in again.stderr
    assert len(Library(tmp_path).runs()) == 1


def test_an_export_takes_nothing_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(run_on_disk(tmp_path, 2))
    mine = tmp_path / "board" / "mine" / "thesis.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("years")
    (tmp_path / "out.episodes.csv").write_text("mine")
    folder = ("--to", str(tmp_path / "board"), "--format", "tensorboard", "--replace")
    assert "holds what is no export (mine)" in refused(capsys, "export", run, *folder)
    assert "out.episodes.csv is there already" in refused(capsys, "export", run, "--to", str(tmp_path / "out.csv"))
    assert mine.read_text() == "years" and (tmp_path / "out.episodes.csv").read_text() == "mine"
    assert not (tmp_path / "out.csv").exists()
    for _ in range(2):  # what is an export of ours is replaced
        assert main(["export", run, "--to", str(tmp_path / "logs"), "--format", "tensorboard", "--replace"]) == 0
