"""A run that is kept becomes a recording: its own series, and its own moments, measured again from its states."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ppo_scope
from ppo_scope.cli import main
from ppo_scope.probes.probes import PROBES
from ppo_scope.records.recorded import check
from ppo_scope.records.store import FILE, CannotRead
from ppo_scope.worker.replaying import recorded
from tests.kept import run_on_disk
from tests.records.test_recording import frames_of

UPDATES = 5


def snapshots(path: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [(header, arrays) for header, arrays in frames_of(path) if header["kind"] == "snapshot"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_on_disk(tmp_path_factory.mktemp("runs"), UPDATES)


def test_its_moments_are_those_of_the_run(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.rec"
    assert main(["export", str(folder), "--to", str(path)]) == 0
    check(path)
    run = ppo_scope.load(folder)
    frames = frames_of(path)
    assert frames[0][0]["run"]["id"] == run.id and "and 5 of its updates in every panel" in frames[0][0]["note"]
    (rows,) = [arrays for header, arrays in frames if header["kind"] == "series"]
    np.testing.assert_array_equal(rows["rows"], run.rows)
    np.testing.assert_array_equal(rows["episodes"], run.episode_rows)
    seen = snapshots(path)
    numbers = [header["sequence"] for header, _ in seen]
    assert numbers == sorted(set(numbers))
    ends = {header["update"]: header["scalars"] for header, _ in seen if header["phase"] == "update"}
    assert list(ends) == list(range(1, UPDATES + 1))
    for update, scalars in ends.items():
        assert scalars["loss"] == run.rows[update - 1, run.columns.index("loss")]
    (picture,) = [header for header, _ in frames if header["kind"] == "picture"]
    assert picture["update"] == UPDATES, "it is the newest policy that acts"
    walked = {header["update"] for header, _ in seen if header["phase"] == "gradient"}
    assert walked == {1, UPDATES}
    assert all({"region", "value_target", "gradient_norms"} <= arrays.keys() for _, arrays in seen[-1:])


def test_its_samples_are_those_that_it_was_trained_on(folder: Path, tmp_path: Path) -> None:
    run = ppo_scope.load(folder)
    assert run.collected == tuple(range(1, UPDATES + 1))
    samples = run.samples(2)
    assert samples["observations"].shape == (33, 4, 4) and samples["rewards"].shape == (32, 4)
    state = run.state_before(3)[1]
    np.testing.assert_array_equal(samples["observations"][-1], state["environments"]["observations"])
    assert main(["export", str(folder), "--to", str(tmp_path / "run.npz")]) == 0
    with np.load(tmp_path / "run.npz") as arrays:
        np.testing.assert_array_equal(arrays["samples.2.actions"], samples["actions"])
        assert arrays["samples"].tolist() == list(run.collected)
    with pytest.raises(CannotRead, match="is not kept"):
        run.samples(UPDATES + 1)


def test_few_moments_are_spread_over_the_run(folder: Path) -> None:
    _, note = recorded(ppo_scope.load(folder), moments=3)
    assert "and 3 of its updates in every panel, 1 and 5 with" in note and "rounds otherwise" not in note


def test_a_run_without_a_state_cannot_be_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_on_disk(tmp_path, 1)
    with contextlib.closing(sqlite3.connect(folder / FILE)) as database:
        database.execute("DELETE FROM rollouts")
        database.commit()
    assert main(["export", str(folder), "--to", str(tmp_path / "run.html")]) == 2
    assert "cannot be shown. None of its updates is kept" in capsys.readouterr().err


def test_of_images_all_is_measured_too(tmp_path: Path) -> None:
    """A page that shows such a run measures only what is looked at, since that takes long."""
    folder = run_on_disk(tmp_path, 2, env="tests.environments.pixels:Pixels-v0", rollout_steps=8)
    assert main(["export", str(folder), "--to", str(tmp_path / "run.rec")]) == 0
    seen = snapshots(tmp_path / "run.rec")
    assert {header["update"] for header, _ in seen if header["phase"] == "update"} == {1, 2}
    assert all(set(header["measured"]) == set(PROBES) for header, _ in seen if header["phase"] == "update")
