"""A user's mistake on the command line is one line that names what is wrong, and exit code 2."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ppo_scope.cli import main
from ppo_scope.worker import recording

LONG = "a" * 300
"""More characters than a file's name may have."""


def of_ours(env, **kwargs):
    """The options that ask for one of the environments beside."""
    return ["--env", f"tests.environments.{env}", "--env-kwargs", json.dumps(kwargs)]


def broken(**kwargs):
    return of_ours("broken:Broken-v0", **kwargs)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--clip-range", "1.5"], "clip_range: input should be less than or equal to 1"),
        (["--discount", "nan"], "discount: "),
        (["--minibatches", "3", "--num-envs", "4"], "minibatches: 3 does not divide the batch"),
        (["--minibatches", "64", "--num-envs", "1", "--rollout-steps", "32"], "minibatches: 64 does not divide"),
        (
            ["--env-kwargs", '{"no_such_argument": 1}'],
            "env_kwargs: CartPole-v1 does not take no_such_argument; --env-kwargs can give it sutton_barto_reward, ",
        ),
        (["--env-kwargs", '{"num_envs": 3}'], "env_kwargs: num_envs is set by this program"),
        (["--env", "CartPol-v1"], "did you mean CartPole-v1"),
        (["--grayscale"], "grayscale: only for images"),
        (["--anneal-learning-rate", "--total-steps", "off"], "anneal_learning_rate: needs total_steps"),
        (["--total-steps", "off"], "total_steps: train needs to know when to stop"),
        (["--preset", "no-such-preset"], "no-such-preset"),
        (broken(field="observation", at=0), "environment 0: expected shape (2,) of float32, got shape (1,) of float64"),
        (broken(field="reset", at=0), "what reset of environment 0 returned: expected (observation, info)"),
        (of_ours("mine:Demanding-v0"), "its constructor needs size and colour: give them with --env-kwargs"),
        (of_ours("codes:Grid-v0"), "its part 'mission' (Text) is not"),
        ([*of_ours("codes:Grid-v0"), "--leave-out", "misson"], "leave_out: there is no part 'misson'"),
        (["--env", "CartPole-v1", "--env-kwargs", '{"gravity": -5.0}'], "does not take gravity; --env-kwargs can give"),
        (["--env", ""], "the id is missing"),
        (["--env", ":CartPole-v1"], "the module before the colon is missing"),
        (["--env", "my_env:"], "the id is missing"),
        (["--env", "./my_env.py:Mine-v0"], "name the module, not its file: --env my_env:Mine-v0"),
        (["--env", ".my_env:Mine-v0"], "'.my_env' is no name of a module"),
        (["--env", "no_such_module:Mine-v0"], "the module 'no_such_module' cannot be imported: No module named"),
        (of_ours("mine:Mine-v1"), "did you mean tests.environments.mine:Mine-v0"),
        (["--env", "HalfCheetah-v3"], "env 'HalfCheetah-v3': cannot be made: The mujoco v2 and v3 based"),
        (of_ours("old:Old-v0"), "registers it with the old package gym"),
    ],
)
def test_what_cannot_begin_is_one_line_and_exit_code_2(capsys, options, words):
    assert main(["train", "--total-steps", "64", *options]) == 2
    printed = capsys.readouterr()
    assert len(printed.err.splitlines()) == 1 and printed.out == ""
    assert printed.err.startswith("ppo-scope: ") and words in printed.err


@pytest.mark.parametrize(
    "options",
    [
        ["--vary", "total_steps=off"],
        ["--vary", "total-steps=256,off"],
        ["--seeds", "2"],
        ["--total-steps", "off", "--seeds", "2"],
    ],
)
def test_a_sweep_of_which_a_run_would_never_stop_is_refused(capsys, tmp_path, options):
    assert main(["sweep", "--no-browser", "--runs-dir", str(tmp_path), *options]) == 2
    assert "total_steps: each run needs to know when to stop" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs", "--runs-dir", LONG],
        ["delete", "last", "--runs-dir", LONG],
        ["open", LONG, "--no-browser"],
        ["export", "last", "--to", f"{LONG}.csv"],
        ["export", LONG, "--to", "run.csv"],
        ["watch", f"{LONG}.py"],
        ["sweep", "--vary", "clip_range=0.1,0.2", "--total-steps", "64", "--runs-dir", LONG],
        ["record", "--out", LONG],
        ["train", "--total-steps", "64", "--eval-every", "1", "--best", LONG],
    ],
)
def test_a_name_that_no_file_can_have_is_refused_in_a_line(capsys, arguments):
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert len(printed.err.splitlines()) == 1 and printed.out == ""
    assert LONG in printed.err and "too long" in printed.err and "run.csv" not in printed.err


def test_who_reads_no_further_ends_a_command_without_a_traceback():
    begun = [sys.executable, "-m", "ppo_scope", "presets"]
    with subprocess.Popen(begun, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()  # as `head` does, once it has its lines
        said = process.stderr.read().decode()
    assert (said, process.returncode) == ("", 1)


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no such thing")
@pytest.mark.parametrize("command", [["presets"], ["train", "--total-steps", "64"]], ids=" ".join)
def test_a_full_disk_that_is_printed_to_is_one_line(command):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ppo_scope", *command], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    said = "ppo-scope: what there is to say cannot be written: No space left on device"
    assert (done.stderr.strip().splitlines()[-1], done.returncode) == (said, 1)
    assert "Traceback" not in done.stderr


def test_a_recording_that_finds_no_room_leaves_the_one_before(capsys, tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "run.rec"
    path.write_text("mine")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 * 1024, before[1]))
    try:
        assert main(["record", "--tens", "0", "--num-envs", "2", "--rollout-steps", "32", "--out", str(path)]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert f"--out {path}: cannot be written: " in capsys.readouterr().err
    assert path.read_text() == "mine" and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such thing")
@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--total-steps", "64", "--eval-every", "1", "--best"],
        ["record", "--out"],
        ["export", "last", "--format", "csv", "--replace", "--to"],
    ],
)
def test_what_is_no_file_is_not_replaced_by_one(capsys, tmp_path, arguments):
    """As /dev/null by whoever is root."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert main([*arguments, str(pipe)]) == 2
    assert capsys.readouterr().err == f"ppo-scope: {arguments[-1]} {pipe}: cannot be written: it is no file\n"
    assert pipe.is_fifo()


def test_nothing_is_trained_for_a_recording_that_could_not_be_written(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(recording, "Recorder", lambda *_: pytest.fail("it trains"))
    for place in (tmp_path, tmp_path / "missing" / "run.rec"):
        assert main(["record", "--out", str(place)]) == 2
        assert f"ppo-scope: --out {place}: cannot be written: " in capsys.readouterr().err
    assert not list(tmp_path.iterdir()), "nor is anything left there"


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"field": "observation"}, "environment 0: expected shape (2,) of float32, got shape (1,) of float64"),
        ({"field": "reward"}, "reward of environment 0: expected a number, got shape (1,) of float64"),
        ({"field": "observation", "gives": "no_numbers"}, "observation is not finite: environment 0, step 3"),
        ({"field": "reward", "gives": "no_number"}, "reward is not finite: environment 0, step 2"),
    ],
)
def test_what_the_environment_gets_wrong_later_is_one_line_beside_the_progress(capsys, kwargs, words):
    assert main(["train", "--total-steps", "64", *broken(**kwargs)]) == 2
    error = capsys.readouterr().err
    said = [line for line in error.splitlines() if line.startswith("ppo-scope: ")]
    assert len(said) == 1 and words in said[0] and "Traceback" not in error
    assert "weights" not in error, "there are none but those it began with"


def test_of_weights_is_spoken_where_some_were_made(capsys):
    kwargs = {"gives": "none", "at": 40}
    options = ["--num-envs", "1", "--rollout-steps", "16", "--total-steps", "64"]
    assert main(["train", *options, *broken(**kwargs)]) == 2
    assert "got None. The weights are those of the last finished step.\n" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["__init__", "reset", "step"])
def test_what_an_environments_code_raises_is_a_line_and_the_end_of_its_traceback(capsys, where):
    assert main(["train", "--total-steps", "64", *of_ours("raising:Res-v0", where=where)]) == 2
    lines = capsys.readouterr().err.splitlines()
    (first,) = [n for n, line in enumerate(lines) if line.startswith("ppo-scope: ")]
    head = rf"env tests\.environments\.raising:Res-v0 failed in {where} \(raising\.py, line \d+\): "
    assert re.search(head + "ValueError: x and y must have same first dimension", lines[first])
    assert lines[first + 1] == "Traceback (most recent call last):" and "raising.py" in lines[first + 2]
    assert lines[-1] == "ValueError: x and y must have same first dimension" or "steps" in lines[-1]
    assert "weights" not in lines[first]


def test_a_misspelt_map_is_told_with_what_was_given(capsys):
    given = ["--env", "FrozenLake-v1", "--env-kwargs", '{"map_name": "5x5"}']
    assert main(["train", "--total-steps", "64", *given]) == 2
    line = capsys.readouterr().err.splitlines()[0]
    assert line.startswith("ppo-scope: env FrozenLake-v1 failed in __init__ (frozen_lake.py, line ")
    assert line.endswith("""KeyError: '5x5'; it was given --env-kwargs '{"map_name": "5x5"}'""")


@pytest.mark.parametrize(
    ("env", "module", "words"),
    [
        ("ALE/Pong-v5", "ale_py", 'pip install "ppo-scope[atari]", then --env ale_py:ALE/Pong-v5'),
        ("ale_py:ALE/Pong-v5", "ale_py", 'pip install "ppo-scope[atari]" brings it'),
        ("PongNoFrameskip-v4", "ale_py", 'pip install "ppo-scope[atari]", then --env ale_py:ALE/Pong-v5'),
        ("HalfCheetah-v5", "mujoco", 'needs MuJoCo, which is not installed; pip install "ppo-scope[mujoco]" brings it'),
        ("LunarLander-v3", "Box2D", 'needs Box2D, which is not installed; pip install "ppo-scope[box2d]" brings it'),
    ],
)
def test_a_missing_extra_is_named_by_its_command(capsys, env, module, words):
    if importlib.util.find_spec(module) is not None:
        pytest.skip(f"{module} is installed here")
    assert main(["train", "--total-steps", "64", "--env", env]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line and "did you mean" not in line


@pytest.mark.parametrize(
    ("module", "given", "words"),
    [
        ("mujoco", ["--env", "HalfCheetah-v5"], "env 'HalfCheetah-v5': it needs MuJoCo"),
        ("Box2D", ["--env", "LunarLander-v3"], "env 'LunarLander-v3': it needs Box2D"),
        ("cv2", ["--env", "tests.environments.pixels:Pixels-v0", "--frame-size", "36"], "frame_size: needs OpenCV"),
    ],
)
def test_an_extra_that_is_there_in_parts_is_not_said_to_be_missing(capsys, monkeypatch, tmp_path, module, given, words):
    (tmp_path / f"{module}.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    assert main(["train", "--total-steps", "64", *given]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    broken = "which is installed and cannot be imported: libGL.so.1: cannot open shared object file"
    assert line == f"ppo-scope: {words}, {broken}"


@pytest.mark.parametrize("options", [["--clip-range", "wide"], ["--env-kwargs", "[1]"], ["--no-such-setting", "1"]])
def test_what_cannot_even_be_read_is_refused_with_the_usage(capsys, options):
    with pytest.raises(SystemExit) as caught:
        main(["train", *options])
    assert caught.value.code == 2
    assert options[0] in capsys.readouterr().err
