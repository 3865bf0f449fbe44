"""What cannot begin is refused before anything says that it trains; what is missing is named with what brings it."""

import importlib.util
import json
import shutil
import sys

import gymnasium as gym
import pytest

from ppo_scope.cli import main
from ppo_scope.ppo import extras, presets, registry
from ppo_scope.ppo.settings import Settings
from ppo_scope.runs.known import why_not_made, why_unknown
from tests.live import ROOT


@pytest.fixture
def nothing_installed(monkeypatch):
    """As if no extra were installed."""
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda _: None)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where somebody's environment lies."""
    shutil.copy(ROOT / "tests" / "environments" / "mine.py", tmp_path / "my_env.py")
    (tmp_path / "failing.py").write_text("raise RuntimeError('no licence')\n")
    (tmp_path / "leaving.py").write_text("import os\nos._exit(3)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ("CartPol-v1", "did you mean CartPole-v1"),
        ("my_envs:Mine-v0", "the module 'my_envs' cannot be imported"),
        ("./my_env.py:Mine-v0", "name the module, not its file: --env my_env:Mine-v0"),
    ],
)
def test_an_unknown_id_is_refused_before_anything_trains(folder, env, words, capsys):
    assert main(["serve", "--no-browser", "--port", "0", "--env", env]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and words in printed.err and printed.err.count("\n") == 1


@pytest.mark.parametrize("env", ["my_env:Mine-v0", "failing:Mine-v0", "leaving:Mine-v0"])
def test_what_may_begin_or_fails_in_its_own_code_is_left_to_the_run(folder, env):
    assert why_unknown(Settings(env=env)) is None


def test_an_unknown_id_of_a_known_module_is_refused(folder):
    assert "did you mean my_env:Mine-v0" in (why_unknown(Settings(env="my_env:Mime-v0")) or "")


ABSENT = "mps" if sys.platform == "linux" else "cuda"
"""A device that this machine does not have."""


def test_a_device_that_is_not_there_is_refused_before_anything_trains(capsys):
    assert main(["serve", "--no-browser", "--port", "0", "--device", ABSENT]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and f"device: {ABSENT} is not available" in printed.err and printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--vary", f"device=cpu,{ABSENT}"], f"device: {ABSENT} is not available"),
        (["--env-kwargs", '{"foo": 1}'], "CartPole-v1 does not take foo"),
        (["--env", "failing:Mine-v0"], "RuntimeError: no licence"),
        (["--preset", "nop"], "preset 'nop'"),
    ],
)
def test_a_sweep_that_cannot_train_is_refused_before_any_of_its_runs_is_begun(folder, options, words, capsys):
    runs = folder / "runs"
    planned = ["--seeds", "2", "--total-steps", "64", "--runs-dir", str(runs), "--no-browser", "--port", "0"]
    assert main(["sweep", *planned, *options]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and words in printed.err.splitlines()[0] and not runs.exists()


def test_what_can_be_made_is_not_refused(folder):
    """Also where an environment begins processes of its own, and where somebody's code ends the one that asks."""
    (folder / "busy.py").write_text(
        "import multiprocessing, gymnasium as gym\n"
        "from gymnasium.envs.classic_control import CartPoleEnv\n"
        "class Busy(CartPoleEnv):\n"
        "    def __init__(self, **kwargs):\n"
        "        super().__init__(**kwargs)\n"
        "        multiprocessing.get_context('fork').Process(target=print).start()\n"
        "gym.register('Busy-v0', Busy)\n"
    )
    assert why_not_made([Settings(env=env) for env in ("CartPole-v1", "busy:Busy-v0", "leaving:Mine-v0")]) is None


@pytest.mark.parametrize(
    ("settings", "extra"),
    [
        ({"env": "ale_py:ALE/Pong-v5"}, "atari"),
        ({"env": "HalfCheetah-v5"}, "mujoco"),
        ({"env": "LunarLander-v3"}, "box2d"),
        ({"env": "mine:Pixels-v0", "frame_size": 84}, "images"),
        ({"env": "CartPole-v1"}, None),
        ({"env": "mine:Ant-v5"}, None),
        ({}, None),
    ],
)
def test_what_is_missing_is_told_from_the_settings(nothing_installed, settings, extra):
    found = extras.missing(settings)
    assert (found.name if found else None) == extra


def test_the_ids_that_need_an_extra_are_those_that_gymnasium_says():
    """Told without importing anything, and yet of every environment that Gymnasium brings."""
    for name in registry.offered():
        entry = str(gym.registry[name].entry_point)
        expected = next((extra for extra in ("mujoco", "box2d") if f"gymnasium.envs.{extra}" in entry), None)
        found = [extra.name for extra in extras.needed({"env": name})]
        assert found == ([expected] if expected else []), name


def test_every_extra_is_one_of_the_project():
    declared = (ROOT / "pyproject.toml").read_text()
    assert all(f"\n{extra.name} = [" in declared for extra in extras.EXTRAS)


def test_presets_whose_extra_is_missing_say_so(nothing_installed, capsys):
    assert main(["presets"]) == 0
    printed = capsys.readouterr().out
    for extra in ("atari", "mujoco", "box2d"):
        assert f'pip install "ppo-scope[{extra}]"' in printed
    assert {row["name"] for row in presets.table() if row["missing"]} == {"lunar-lander", "half-cheetah", "breakout"}
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert "half-cheetah (extra mujoco is missing)" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("preset", ["lunar-lander", "half-cheetah", "breakout"])
def test_a_preset_whose_extra_is_missing_is_refused_with_its_name(nothing_installed, preset, capsys):
    assert main(["serve", "--no-browser", "--port", "0", "--preset", preset]) == 2
    assert 'pip install "ppo-scope[' in capsys.readouterr().err


def test_environments_are_offered_with_what_they_need(nothing_installed):
    rows = {row["id"]: row["missing"] for row in registry.table()}
    assert rows["CartPole-v1"] is None
    assert "ppo-scope[box2d]" in rows["LunarLander-v3"] and "ppo-scope[atari]" in rows["ale_py:ALE/Pong-v5"]
    assert not [name for name in rows if name.startswith("GymV2")]


def test_the_help_of_train_says_that_it_needs_an_end(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "--total-steps INT End of the run. Needed" in printed
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    assert "--total-steps INT, or off" in capsys.readouterr().out


@pytest.mark.skipif(importlib.util.find_spec("ale_py") is None, reason="ale_py is not installed (extra atari)")
def test_atari_by_its_plain_id_trains_what_it_shows(capsys):
    """Frame skip, colours and rewards are those that the settings say, not those of ale_py's own vector environment."""
    small = ["--num-envs", "2", "--rollout-steps", "8", "--epochs", "1", "--total-steps", "32", "--json"]
    ram = ["--env", "ale_py:ALE/Pong-v5", "--env-kwargs", '{"obs_type": "ram"}']
    assert main(["train", *ram, *small]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["updates"] == 2
