"""A run that is kept, taken along: what other programs read of it is what was kept."""

from __future__ import annotations

import contextlib
import csv
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
import sb3_contrib
import stable_baselines3
import torch
from safetensors import safe_open
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import ppo_scope
from ppo_scope.cli import main
from ppo_scope.ppo.inference import inference_of
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.records import loading, trees
from ppo_scope.records.library import Library
from ppo_scope.records.loading import LoadedRun
from ppo_scope.records.store import CannotRead, Store
from ppo_scope.wire.metrics import SERIES_COLUMNS
from tests.kept import run_on_disk
from tests.ppo.test_spaces import sampled

COLUMNS = SERIES_COLUMNS
UPDATES = 4
SMALL = {"num_envs": 4, "rollout_steps": 32, "epochs": 2, "minibatches": 2, "seed": 3}


def kept(folder: Path, **settings: Any) -> tuple[Trainer, Path]:
    """(a trainer after a few updates, its run as it would be kept, but with made-up rows)."""
    trainer = Trainer(Settings.parse({**SMALL, **settings}))
    run = folder / "0ffe1610"
    numbers = np.random.default_rng(1).standard_normal((UPDATES, len(COLUMNS)))
    numbers[0, 1] = np.nan
    numbers[:, 0] = np.arange(1, UPDATES + 1) * 128
    with contextlib.closing(Store(run, create=True)) as store, store.writing():
        store.say(settings=trainer.settings.model_dump(mode="json"), created="2026-11-26T20:00:00+00:00")
        store.append(COLUMNS, 1, numbers, np.array([[1.0, 20.0, 19.5, 20.0], [3.0, 300.0, 31.0, 31.0]]))
        store.change({"update": 3, "name": "clip_range", "old": 0.2, "new": 0.4})
        store.event("2026-11-26T20:00:01+00:00", 4, "state", {"state": "stopped", "cause": None})
        store.keep(1, trees.sealed(trees.encode(trainer.state())))
        ended = 0
        for phase in trainer.phases():
            ended += phase.kind is PhaseKind.UPDATE
            if ended == UPDATES:
                break
        assert not trainer.under_way
        store.keep(UPDATES + 1, trees.sealed(trees.encode(trainer.state())))
    return trainer, run


@pytest.fixture(scope="module")
def cartpole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trainer, Path]:
    return kept(tmp_path_factory.mktemp("runs"))


def export(run: Path, to: Path, *more: str) -> None:
    assert main(["export", str(run), "--to", str(to), *more]) == 0


def test_a_run_is_loaded_with_its_numbers_settings_changes_and_states(cartpole: tuple[Trainer, Path]) -> None:
    trainer, folder = cartpole
    run = ppo_scope.load("0ff", folder.parent)
    assert isinstance(run, LoadedRun) and run.state == "stopped" and run.kept == (1, UPDATES + 1)
    series = run.series
    assert list(series.columns[:3]) == ["env", "seed", "update"]
    assert tuple(series.columns[3 : 3 + len(COLUMNS)]) == COLUMNS
    np.testing.assert_array_equal(series[list(COLUMNS)], run.rows)
    assert series["settings.clip_range"].tolist() == [0.2, 0.2, 0.4, 0.4]
    assert run.settings["clip_range"] == 0.4 and run.settings_at(2)["clip_range"] == 0.2
    assert run.episodes.to_dict("list")["episodic_return"] == [19.5, 31.0]
    update, state = run.state_before()
    assert update == UPDATES + 1
    np.testing.assert_array_equal(state["theta"], trainer.network.theta.detach().numpy())
    assert run.state_before(3)[0] == 1
    weights = run.weights()
    assert weights.keys() == trainer.network.weights().keys()
    for name, array in trainer.network.weights().items():
        np.testing.assert_array_equal(weights[name], array)
    with pytest.raises(CannotRead, match="there is no run"):
        ppo_scope.load("nowhere", folder.parent)


def test_tables_come_back_as_they_were(cartpole: tuple[Trainer, Path], tmp_path: Path) -> None:
    run = ppo_scope.load(cartpole[1])
    export(cartpole[1], tmp_path / "run.csv")
    export(cartpole[1], tmp_path / "run.parquet")
    with (tmp_path / "run.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert cells[0][COLUMNS[1]] == "" and float(cells[1][COLUMNS[1]]) == run.rows[1, 1]
    expected = run.series
    for found in (pd.read_csv(tmp_path / "run.csv"), pd.read_parquet(tmp_path / "run.parquet")):
        assert list(found.columns) == list(expected.columns)
        np.testing.assert_array_equal(found[list(COLUMNS)], run.rows)
        assert found["settings.clip_range"].tolist() == [0.2, 0.2, 0.4, 0.4]
        assert json.loads(found["settings.hidden_sizes"][0]) == [64, 64]
    for name in ("run.episodes.csv", "run.episodes.parquet"):
        read = pd.read_csv if name.endswith("csv") else pd.read_parquet
        pd.testing.assert_frame_equal(read(tmp_path / name), run.episodes)


def test_arrays_and_weights_come_back_as_they_were(cartpole: tuple[Trainer, Path], tmp_path: Path) -> None:
    trainer, folder = cartpole
    run = ppo_scope.load(folder)
    export(folder, tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz") as arrays:  # without a pickle
        np.testing.assert_array_equal(arrays["series"], run.rows)
        assert tuple(arrays["series.columns"]) == COLUMNS and arrays["states"].tolist() == [1, UPDATES + 1]
        np.testing.assert_array_equal(arrays["state.5.theta"], trainer.network.theta.detach().numpy())
        assert json.loads(str(arrays["state.5"]))["updates"] == UPDATES
        assert json.loads(str(arrays["about"]))["changes"] == run.changes
    export(folder, tmp_path / "run.safetensors", "--at", "2")
    with safe_open(tmp_path / "run.safetensors", "numpy") as file:
        assert file.metadata()["before_update"] == "1"
        flat = np.concatenate([file.get_tensor(name).ravel() for name in trainer.network.weights()])
    np.testing.assert_array_equal(flat, run.state_before(1)[1]["theta"])


def test_tensorboard_reads_what_was_kept(cartpole: tuple[Trainer, Path], tmp_path: Path) -> None:
    run = ppo_scope.load(cartpole[1])
    export(cartpole[1], tmp_path / "events", "--format", "tensorboard")
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    assert set(COLUMNS) | {"update", "episodic_return", "episodic_length"} == set(events.Tags()["scalars"])
    losses = events.Scalars(COLUMNS[2])
    assert [event.step for event in losses] == [128, 256, 384, 512]
    np.testing.assert_array_equal([event.value for event in losses], run.rows[:, 2].astype(np.float32))
    assert len(events.Scalars(COLUMNS[1])) == UPDATES - 1
    returns = [(event.step, event.value) for event in events.Scalars("episodic_return")]
    assert returns == [(20, 19.5), (300, 31.0)]
    # Each at the time of the update that it ended in: over time, too, they lie beside its other numbers.
    ended = {event.wall_time for event in events.Scalars("episodic_return")}
    assert ended == {events.Scalars("steps")[update - 1].wall_time for update in run.episode_rows[:, 0].astype(int)}
    assert len(ended) == 2
    assert events.Tensors("changes")[0].tensor_proto.string_val[0].endswith(b"| 3 | clip_range | 0.2 | 0.4 |")


POLICIES = {
    "two networks": {"normalize_rewards": True},
    "one trunk": {"shared_network": True, "activation": "relu"},
    "continuous, normalised": {"env": "Pendulum-v1", "normalize_observations": True, "hidden_sizes": (32,)},
    "images": {"env": "tests.environments.pixels:Pixels-v0", "rollout_steps": 4, "normalize_rewards": False},
    "masked": {"env": "tests.environments.masked:Masked-v0", "env_kwargs": {"action": "multi_discrete"}},
}


@pytest.mark.parametrize("name", POLICIES)
def test_stable_baselines3_acts_the_same(name: str, tmp_path: Path) -> None:
    trainer, run = kept(tmp_path, **POLICIES[name])
    export(run, tmp_path / "model.zip")
    algorithm = sb3_contrib.MaskablePPO if name == "masked" else stable_baselines3.PPO
    model = algorithm.load(tmp_path / "model.zip", device="cpu")
    inference, spaces = inference_of(trainer.network), trainer.spaces
    observations = np.concatenate(list(trainer.last.rollout.observations))  # type: ignore[union-attr]
    seen = inference.normalized(observations)
    outputs, values = inference.judge(seen)
    shown = observations
    if trainer.settings.normalize_observations or trainer.settings.normalize_rewards:
        venv = DummyVecEnv([lambda: gym.make(trainer.settings.env, **trainer.settings.env_kwargs)])
        normalizer = VecNormalize.load(str(tmp_path / "model.vecnormalize.pkl"), venv)
        assert normalizer.norm_obs == trainer.settings.normalize_observations
        shown = normalizer.normalize_obs(observations)
    certain = spaces.distribution.act(outputs, np.zeros((len(outputs), spaces.distribution.noise_size), np.float32))
    theirs, _ = model.predict(shown, deterministic=True)
    ours = spaces.distribution.to_environment(certain)
    if name == "continuous, normalised":
        np.testing.assert_allclose(theirs, ours, atol=1e-6)
    else:
        np.testing.assert_array_equal(theirs, ours)
    their_values = model.policy.predict_values(torch.as_tensor(shown)).detach().numpy().ravel()
    np.testing.assert_allclose(their_values, values, rtol=1e-6, atol=1e-6)


def test_a_dict_is_read_in_the_same_order(tmp_path: Path) -> None:
    trainer, run = kept(tmp_path, env=sampled("dict", "multi_discrete_flat"))
    trainer.close()
    export(run, tmp_path / "model.zip")  # compares both policies before it writes
    model = stable_baselines3.PPO.load(tmp_path / "model.zip", device="cpu")
    assert list(model.observation_space.spaces) == ["a", "b", "c"]


def test_a_package_that_is_missing_is_named_with_the_extra_that_installs_it(
    cartpole: tuple[Trainer, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("pandas", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None)  # as where it is not installed
    assert main(["export", str(cartpole[1]), "--to", str(tmp_path / "run.parquet")]) == 2
    said = "pyarrow is needed for this and not installed: pip install 'ppo-scope[parquet]'"
    assert capsys.readouterr().err == f"ppo-scope: {said}\n"
    run = ppo_scope.load(cartpole[1])
    with pytest.raises(ImportError, match=r"pip install 'ppo-scope\[pandas\]'"):
        _ = run.series
    assert len(run.table()["update"]) == UPDATES, "NumPy is enough for the numbers"


def test_a_package_that_cannot_be_imported_is_no_missing_one(
    cartpole: tuple[Trainer, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "pyarrow.py").write_text("import lib_of_another_version")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    assert main(["export", str(cartpole[1]), "--to", str(tmp_path / "run.parquet")]) == 2
    why = "No module named 'lib_of_another_version'"
    said = f"pyarrow is needed for this, and cannot be imported ({why}): pip install 'ppo-scope[parquet]'"
    assert capsys.readouterr().err == f"ppo-scope: {said}\n"


def test_what_cannot_be_exported_is_refused_in_a_sentence(
    cartpole: tuple[Trainer, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(cartpole[1])
    (tmp_path / "there.csv").write_text("mine")

    def refused(*arguments: str) -> str:
        assert main(["export", *arguments]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        return said

    assert "say --replace" in refused(run, "--to", str(tmp_path / "there.csv"))
    assert (tmp_path / "there.csv").read_text() == "mine"
    assert "its ending does not say what to write" in refused(run, "--to", str(tmp_path / "run.xyz"))
    assert "holds the whole run" in refused(run, "--to", str(tmp_path / "run.csv"), "--at", "3")
    assert "there is no run" in refused("x", "--to", str(tmp_path / "x.csv"), "--runs-dir", str(tmp_path))
    assert "cannot be written" in refused(run, "--to", str(tmp_path / "there.csv" / "run.csv"))
    trainer, odd = kept(tmp_path, env=sampled("tuple", "multi_discrete_flat"))
    trainer.close()
    assert "Stable-Baselines3 has no policy" in refused(str(odd), "--to", str(tmp_path / "model.zip"))
    assert not (tmp_path / "model.zip").exists()


@pytest.mark.parametrize(("when", "ending"), [("find", "csv"), ("loaded", "npz"), ("loaded", "safetensors")])
def test_a_run_that_is_deleted_while_it_is_exported_is_missed_where_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, when: str, ending: str
) -> None:
    place = run_on_disk(tmp_path, 1)
    real = getattr(loading, when)

    def then_deleted(*arguments: Any) -> Any:
        found = real(*arguments)
        shutil.rmtree(place)
        return found

    monkeypatch.setattr(loading, when, then_deleted)
    to = tmp_path / f"run.{ending}"
    assert main(["export", "last", "--runs-dir", str(tmp_path), "--to", str(to)]) == 2
    assert capsys.readouterr().err == f"ppo-scope: {place} holds no run: there is no run.sqlite in it\n"
    assert not to.exists()


def test_a_folder_without_a_run_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(CannotRead, match=re.escape(f"{tmp_path / 'gone'} holds no run")):
        loading.find(tmp_path / "gone", Library(tmp_path))
