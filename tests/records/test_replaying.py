"""A run that is kept becomes a recording: its own series, and its own moments, measured again from its states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import ppo_scope
from ppo_scope.cli import main
from ppo_scope.records.recorded import check
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
    walked = {header["update"] for header, _ in seen if header["phase"] == "gradient"}
    assert walked == {1, UPDATES}
    assert all({"region", "value_target", "gradient_norms"} <= arrays.keys() for _, arrays in seen[-1:])


def test_few_moments_are_spread_over_the_run(folder: Path) -> None:
    _, note = recorded(ppo_scope.load(folder), moments=3)
    assert "and 3 of its updates in every panel, 1 and 5 with" in note and "new episodes" not in note


class Foreign(gym.Env[Any, Any]):
    """Where it is stands in a class of its own, of which nobody knows what it holds."""

    observation_space, action_space = gym.spaces.Box(-1.0, 1.0, (1,)), gym.spaces.Discrete(2)

    class _World:
        __slots__ = ("place",)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.world = self._World()
        self.world.place = self.np_random.uniform(-1.0, 1.0)
        return np.array([self.world.place], np.float32), {}

    def step(self, action: int) -> Any:
        self.world.place += 0.01 if action else -0.01
        return np.array([self.world.place], np.float32), 1.0, abs(self.world.place) > 0.9, False, {}


def test_what_is_not_of_the_run_is_said_to_be(tmp_path: Path) -> None:
    gym.register("Elsewhere-v0", Foreign)
    folder = run_on_disk(tmp_path, 2, env="Elsewhere-v0")
    _, note = recorded(ppo_scope.load(folder))
    del gym.registry["Elsewhere-v0"]
    assert "Its environment could not be put back" in note


def test_a_run_without_a_state_cannot_be_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_on_disk(tmp_path, 0)
    assert main(["export", str(folder), "--to", str(tmp_path / "run.html")]) == 2
    assert "no state before a whole update of it is kept" in capsys.readouterr().err
