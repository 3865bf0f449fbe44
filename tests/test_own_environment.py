"""Somebody's own environment, in a folder of his own: found by every command, and nothing else of that folder is."""

import json
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from tests import programs
from tests.live import COMMAND, ROOT, LiveServer, environment

ENVIRONMENTS = ROOT / "tests" / "environments"
SCRIPT = "import sys\nfrom ppo_scope.__main__ import main\nsys.exit(main())\n"
"""As pip writes it for the entry in pyproject.toml."""
TAKEN_NAMES = (
    *("random", "socket", "json", "torch", "numpy", "gymnasium", "typing", "asyncio", "multiprocessing", "pydantic"),
    *("uvicorn", "rich", "secrets", "queue"),
)
MINE = ("--env", "my_env:Mine-v0", "--num-envs", "2", "--rollout-steps", "16")
SECONDS = 120


@pytest.fixture
def folder(tmp_path):
    """Holds the environment, and files whose names others have already."""
    shutil.copy(ENVIRONMENTS / "mine.py", tmp_path / "my_env.py")
    for name in TAKEN_NAMES:
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('this {name} is not the real one')\n")
    return tmp_path


@pytest.fixture(params=["module", "script"])
def command(request, tmp_path_factory):
    """`python -m ppo_scope`, and the script `ppo-scope`."""
    if request.param == "module":
        return list(COMMAND)
    script = tmp_path_factory.mktemp("bin") / "ppo-scope"
    script.write_text(SCRIPT)
    return [sys.executable, str(script)]


def run(command, folder, *arguments, **variables):
    """(exit code, standard output, standard error)."""
    done = subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_script_is_the_one_that_is_tested_here():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"]["ppo-scope"] == "ppo_scope.__main__:main"


def test_training_and_recording_find_it(command, folder):
    code, output, error = run(command, folder, "train", *MINE, "--total-steps", "64", "--json")
    assert code == 0, error
    assert json.loads(output.splitlines()[-1])["episodic_return_mean"] > 0
    code, _, error = run(command, folder, "record", *MINE, "--tens", "0", "--out", "run.rec")
    assert code == 0, error
    assert (folder / "run.rec").stat().st_size > 0


def test_the_server_finds_it(folder):
    server = LiveServer(*MINE, "--total-steps", "64", folder=folder)
    try:
        deadline = time.monotonic() + SECONDS
        while (run := server.run())["state"] != "finished":
            assert run["state"] in ("starting", "running"), run["cause"]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert run["environment"] == "my_env:Mine-v0" and run["update"] > 0
    finally:
        server.stop()


def test_it_is_found_where_the_path_names_its_folder_too(folder):
    there = run(COMMAND, folder, "train", *MINE, "--total-steps", "64", PYTHONPATH=f"{ROOT / 'backend'}:.")
    assert there[0] == 0, there[2]


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ("random:Elsewhere-v0", "'random' is another module, "),
        ("./my_env.py:Mine-v0", "name the module, not its file: --env my_env:Mine-v0 from the folder "),
        ("my_envs:Mine-v0", "No module named 'my_envs'; it was looked for among what is installed and in "),
        ("failing:Mine-v0", "env failing:Mine-v0 failed in import (failing.py, line 2): NameError: name 'gym' is not"),
        ("unwritten:Mine-v0", "failed in import (unwritten.py, line 1): SyntaxError: "),
        ("older:Mine-v0", "; gym is the old name of gymnasium: import gymnasium as gym"),
        ("leaving:Mine-v0", "env leaving:Mine-v0 failed in import (leaving.py, line 1): SystemExit: 3"),
    ],
)
def test_what_does_not_work_of_it_is_one_line(folder, env, words, monkeypatch, capsys):
    from ppo_scope.cli import main

    (folder / "failing.py").write_text("import numpy\nclass Mine(gym.Env): ...\n")
    (folder / "unwritten.py").write_text("class Mine(\n")
    (folder / "older.py").write_text("import gym\n")
    (folder / "leaving.py").write_text("raise SystemExit(3)\n")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    if env.startswith("older"):
        monkeypatch.setitem(sys.modules, "gym", None)  # as if it were not installed
    assert main(["train", "--env", env, "--total-steps", "64"]) == 2
    error = capsys.readouterr().err.splitlines()
    assert error[0].startswith("ppo-scope: ") and words in error[0]


def test_generators_of_the_whole_process_are_seeded():
    """`random`, NumPy's and torch's, and those of the spaces: the same seed is the same run."""

    def weights(seed):
        lots = ("--env", "drawing_lots:Lots-v0", "--num-envs", "2", "--rollout-steps", "16", "--total-steps", "64")
        done = programs.run(*COMMAND[1:], "train", *lots, "--seed", seed, "--json", folder=ENVIRONMENTS)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])["weights_sha256"]

    assert weights("1") == weights("1") != weights("2")


INTERRUPTING = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["INTERRUPTED_AT"]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
"""


@pytest.mark.parametrize(
    ("command_name", "module"),
    [("train", "pydantic"), ("train", "torch"), ("train", "gymnasium"), ("serve", "uvicorn"), ("record", "torch")],
)
def test_an_interruption_of_what_is_imported_prints_nothing(tmp_path, command_name, module):
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTING)
    paths = {"PYTHONPATH": f"{tmp_path}:{ROOT / 'backend'}", "INTERRUPTED_AT": module}
    options = {"train": ("--total-steps", "64"), "serve": ("--no-browser",), "record": ("--out", "run.rec")}
    code, output, error = run(COMMAND, tmp_path, command_name, *options[command_name], **paths)
    assert (code, output, error) == (130, "", "")


@pytest.mark.parametrize("where", ["__init__", "reset", "step"])
def test_an_interruption_of_an_environment_prints_no_traceback(tmp_path, where):
    sign = tmp_path / "sign"
    kwargs = json.dumps({"where": where, "sign": str(sign)})
    arguments = ("train", "--env", "waiting:Waiting-v0", "--env-kwargs", kwargs, "--total-steps", "64")
    training = programs.begin(*COMMAND[1:], *arguments, folder=ENVIRONMENTS, apart=True)
    try:
        deadline = time.monotonic() + SECONDS
        while not Path(sign).exists():
            assert training.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        training.send_signal(signal.SIGINT)
        with training.stdout, training.stderr:
            error = training.stderr.read()
        assert training.wait(SECONDS) == 130 and "Traceback" not in error
    finally:
        training.kill()
