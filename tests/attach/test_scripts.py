"""`ppo-scope watch SCRIPT`: an unchanged script, in a process of its own, is found to learn."""

import hashlib
import json
import os
import py_compile
import runpy
import signal
import socket
import subprocess
import urllib.request
import warnings
import zipfile
from pathlib import Path

import pytest

from ppo_scope import cli
from ppo_scope.attach import script
from ppo_scope.attach.inserting import running
from ppo_scope.attach.inserting.anew import Beginning
from ppo_scope.attach.inserting.inserter import Inserter
from ppo_scope.attach.single_file.lookout import Lookout
from ppo_scope.cli import runnable
from tests.attach import sb3_loop
from tests.attach.advised import inserted, run_with
from tests.attach.elsewhere import Watching
from tests.server.scope_page import wait_for

OWN_SCRIPTS = Path(__file__).with_name("own_scripts")

pytestmark = pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")


def test_a_script_as_its_author_wrote_it_trains_to_the_same_weights_and_is_shown():
    _, plain = sb3_loop.main(512, plain=True)
    with Watching("tests/attach/sb3_loop.py", 512, "--plain", anew=True) as watching:
        assert watching.said(r"(?m)^[0-9a-f]{64}$")[0] == plain
        watching.said("the script has ended with code 0. The page stays until Ctrl-C.")
        place = watching.said(r"http://\S+?/(?=#token)")[0]
        runs = json.load(urllib.request.urlopen(f"{place}api/runs", timeout=30))
    assert [(run["environment"], run["state"], run["update"]) for run in runs] == [("CartPole-v1", "finished", 4)]
    assert watching.process.returncode == 0


LEARNS = """
import os, sys
from stable_baselines3 import PPO
model = PPO("MlpPolicy", "CartPole-v1", n_steps=64, batch_size=64, device="cpu")
try:
    print("trains as", os.getpid(), flush=True)
    model.learn(10**9)
except KeyboardInterrupt:
    model.save("saved")
"""
WAITS = """
import os, pathlib, time
try:
    print("trains as", os.getpid(), flush=True)
    while True:
        time.sleep(0.02)
except KeyboardInterrupt:
    pathlib.Path("saved.zip").touch()
"""
STUBBORN = """
import os, time
said = False
while True:
    try:
        if not said:
            print("trains as", os.getpid(), flush=True)
            said = True
        time.sleep(0.02)
    except KeyboardInterrupt:
        print("not now", flush=True)
"""


@pytest.mark.parametrize(
    ("number", "script", "code"),
    [
        (signal.SIGTERM, LEARNS, 143),
        (signal.SIGHUP, WAITS, 129),
        (signal.SIGKILL, WAITS, -9),
    ],
)
def test_whatever_ends_the_command_interrupts_the_script_which_may_still_save(tmp_path, number, script, code):
    (tmp_path / "train.py").write_text(script)
    # Of a command that is killed nobody is left who would keep the script's end from the nursery.
    with Watching("train.py", folder=tmp_path, anew=number == signal.SIGKILL) as watching:
        pid = int(watching.said(r"trains as (\d+)")[1])
        watching.process.send_signal(number)
        assert watching.process.wait(30) == code
        wait_for(lambda: has_gone(pid))
    assert (tmp_path / "saved.zip").exists()
    assert "The page stays" not in "".join(watching.lines)


def test_a_script_that_is_killed_in_its_training_comes_not_back_and_its_run_says_so(tmp_path):
    (tmp_path / "train.py").write_text(LEARNS)
    with Watching("train.py", folder=tmp_path) as watching:
        pid = int(watching.said(r"trains as (\d+)")[1])
        place = watching.said(r"http://\S+?/(?=#token)")[0]

        def runs():
            return json.load(urllib.request.urlopen(f"{place}api/runs", timeout=30))

        wait_for(lambda: runs() and runs()[0]["update"])
        os.kill(pid, signal.SIGKILL)
        watching.said("the script has ended with code -9")
        wait_for(lambda: runs()[0]["state"] == "killed")


def test_a_script_that_goes_on_when_it_is_interrupted_is_ended(tmp_path):
    (tmp_path / "train.py").write_text(STUBBORN)
    with Watching("train.py", folder=tmp_path) as watching:
        pid = int(watching.said(r"trains as (\d+)")[1])
        watching.process.send_signal(signal.SIGTERM)
        watching.said("not now")
        assert not has_gone(pid)
        watching.process.send_signal(signal.SIGTERM)  # who asks twice does not wait
        assert watching.process.wait(30) == 143
        wait_for(lambda: has_gone(pid))


def test_a_test_of_the_command_that_fails_leaves_no_script_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(Watching, "PATIENCE", 0.2)
    (tmp_path / "train.py").write_text(STUBBORN)
    begun = []

    def failing():
        with Watching("train.py", folder=tmp_path, anew=True) as watching:
            begun.append(int(watching.said(r"trains as (\d+)")[1]))
            raise AssertionError("and the script does not end on Ctrl-C")

    with pytest.raises(subprocess.TimeoutExpired):
        failing()
    wait_for(lambda: has_gone(*begun))


def has_gone(pid):
    """No process has this number, or it has ended and nobody has asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_where_no_ppo_is_found_it_says_what_it_looked_for_and_the_other_ways(tmp_path):
    script = tmp_path / "nothing.py"
    script.write_text("import sys; print(sys.argv[1:]); raise SystemExit(3)\n")
    with Watching(script, "--seed", 3) as watching:
        watching.said("the script has ended with code 3")
        assert "['--seed', '3']" in "".join(watching.lines)
        watching.said(r"No PPO was found in .*nothing\.py\. Looked for: `learn` of a PPO of Stable-Baselines3")
    assert watching.process.returncode == 3


TRAINS_OTHERWISE = """
import time, torch
policy = torch.nn.Linear(2, 2)
class Agent:
    def improve(self, old, adv):
        entropy, ratio = torch.zeros(4), (policy(torch.ones(4, 2)).log_softmax(1)[:, 0] - old).exp()
        (-(ratio * adv).mean()).backward()
for _ in range(60):
    Agent().improve(torch.zeros(4), torch.ones(4))
time.sleep(600)
"""


def test_that_no_ppo_is_found_is_said_while_the_script_trains_on_with_what_was_there(tmp_path):
    (tmp_path / "mine.py").write_text(TRAINS_OTHERWISE)
    with Watching("--insert", "mine.py", folder=tmp_path) as watching:
        watching.said(r"No PPO has been found in mine\.py so far, in 50 calls of `backward`\.")
        said = "".join(watching.lines)
        assert "--insert has not put in the lines of a Scope: what it does could not be read." in said
        assert "of these, ratio, entropy are at " in said and "mine.py:7)" in said
        assert "ppo_scope.Scope in its loop" in said and watching.process.poll() is None


def test_a_ppo_by_names_of_its_own_is_told_the_lines_that_show_it_and_they_do(tmp_path):
    source = (OWN_SCRIPTS / "gaussian.py").read_text().replace("range(3)", "range(20)")
    (tmp_path / "mine.py").write_text(source)
    with Watching("mine.py", folder=tmp_path) as watching:
        watching.said("the script has ended with code 0")
        said = "".join(watching.lines)
    assert said.count("`ppo-scope watch --insert mine.py` makes the Scope by itself: nothing is open") == 2
    assert "50 calls of `backward`" in said and said.count("makes a Scope for each):\n\n# mine.py, after line 7") == 2
    lines = said.split("makes a Scope for each):\n\n")[1].split("\n\nppo-scope: ")[0]
    (tmp_path / "mine.py").write_text(inserted(source, lines))
    with Watching("mine.py", folder=tmp_path) as watching:
        watching.said("the script has ended with code 0")
        place = watching.said(r"http://\S+?/(?=#token)")[0]
        runs = json.load(urllib.request.urlopen(f"{place}api/runs", timeout=30))
    assert [(run["state"], run["update"]) for run in runs] == [("finished", 20)]


NOTES = """
import hashlib, multiprocessing, os, sys, time

def tell(name, *what):
    with open(name, "a") as file:
        print(*what, sep="|", file=file)

def child():
    tell("child", __name__, "__ppo_scope__" in globals(), "PPO_SCOPE_LINES" in os.environ)

if __name__ == "__main__":
    tell("lives", os.getpid(), os.getcwd(), os.environ.get("SEEN"), sys.argv[1:])
    os.environ["SEEN"] = "1"
    waits = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,), daemon=True)
    waits.start()
    tell("waits", waits.pid)
"""
ENDS = """
    waits.terminate()
    one = multiprocessing.get_context("spawn").Process(target=child)
    one.start()
    one.join()
    print(hashlib.sha256(b"".join(one.numpy().tobytes() for one in weights)).hexdigest(), flush=True)
    raise SystemExit(3)
"""


def test_a_script_begins_anew_with_the_lines_that_show_it_as_if_it_had_not_begun_before(tmp_path, monkeypatch):
    _, plain = run_with(OWN_SCRIPTS / "generator.py", monkeypatch)
    digest = hashlib.sha256(b"".join(one.numpy().tobytes() for one in plain["weights"])).hexdigest()
    text = (OWN_SCRIPTS / "generator.py").read_text()
    beginning, end = text.split('\nif __name__ == "__main__":\n')
    source = f"{beginning}\n{NOTES}{end}{ENDS}"
    (tmp_path / "mine.py").write_text(source)
    with Watching("--insert", "mine.py", "--seed", 3, folder=tmp_path, anew=True) as watching:
        watching.said("the script has ended with code 3")
        place = watching.said(r"http://\S+?/(?=#token)")[0]
        runs = json.load(urllib.request.urlopen(f"{place}api/runs", timeout=30))
        said = "".join(watching.lines)
        begun = (tmp_path / "waits").read_text().split()
        assert len(begun) == 2 and all(map(has_gone, begun)), "with those of the first time it is not left alone"
    assert [(run["state"], run["update"]) for run in runs] == [("finished", 3)]
    assert runs[0]["attached"]["inserted"] in said and runs[0]["settings"]["gae_lambda"] == 0.9
    assert said.count("mine.py is not shown by itself. It begins anew with the lines that show it in mine.py") == 1
    assert f"\n{digest}\n" in said, "it trains as without them"
    first, second = (tmp_path / "lives").read_text().splitlines()
    assert first == second and first.split("|")[1:] == [str(tmp_path), "None", "['--seed', '3']"]
    assert (tmp_path / "child").read_text() == "__mp_main__|False|False\n", "where it is imported anew it is as it is"
    assert (tmp_path / "mine.py").read_text() == source


def test_a_script_that_fails_when_it_is_begun_anew_says_what_may_be_in_its_way(monkeypatch, capfd):
    inserter = Inserter(Beginning(), "mine.py", asked=True)
    monkeypatch.setattr(script.GUARD, "lines", "scope.update()")
    script._explain(inserter, FileExistsError("runs/1"), Lookout())
    assert "failed when it was begun anew" in (said := capfd.readouterr().err) and "FileExistsError: runs/1." in said
    script._explain(inserter, None, Lookout())
    assert "has come to none that tells anything" in capfd.readouterr().err


def test_a_script_that_fails_before_its_ppo_says_so_in_place_of_what_was_looked_for(tmp_path):
    (tmp_path / "train.py").write_text("import no_such_package")
    with Watching("train.py", folder=tmp_path) as watching:
        watching.said(
            r"train\.py has failed before a PPO was found in it: ModuleNotFoundError: No module named 'no_such"
        )
        watching.said("the script has ended with code 1")
    assert "Looked for" not in "".join(watching.lines)


UNFIT = {
    "/etc/passwd": "/etc/passwd is no Python program: ",
    "nowhere.py": "There is no script nowhere.py. ",
    "folder": "folder is a folder: name the script in it",
    "train.ipynb": "train.ipynb is a notebook: `ppo_scope.watch(model)` in one of its cells",
    "weights.bin": "weights.bin is no Python program: ",
    "wrong.py": "wrong.py cannot be run: invalid syntax, line 2.",
    "-m no_such_module": "There is no module no_such_module: it was looked for among what is installed and in ",
    "-m no_such.module": "There is no module no_such.module: ",
    "-m wrong": "wrong.py cannot be run: invalid syntax, line 2.",
    "-m package": "package is a package without a __main__: ",
    "-m .": "There is no module .: ",
    "-m": "-m: say which module",
}


@pytest.fixture
def unfit(tmp_path, monkeypatch):
    """A folder of what Python cannot run."""
    for folder in ("folder", "package"):
        (tmp_path / folder).mkdir()
    (tmp_path / "package" / "__init__.py").write_text("raise SystemExit('it was imported')")
    (tmp_path / "train.ipynb").write_text('{"cells": []}')
    (tmp_path / "weights.bin").write_bytes(bytes(range(256)))
    (tmp_path / "wrong.py").write_text("total = 0\nif total print(total)\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("given", UNFIT)
def test_what_python_cannot_run_is_refused_before_a_server_is_begun(unfit, given, capsys):
    assert cli.main(["watch", "--no-browser", "--runs-dir", "off", *given.split()]) == 2
    printed = capsys.readouterr()
    first, *detail = printed.err.splitlines()
    assert printed.out == "" and UNFIT[given] in first and "Traceback" not in printed.err
    assert bool(detail) == ("wrong" in given), "the line, of a program that is written wrongly"


def test_what_python_can_run_is_not_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.py").touch()
    py_compile.compile("odd.py", "odd.pyc")
    (tmp_path / "odd.py").write_text("x = '\\d'  # Python warns of it\n")
    with zipfile.ZipFile("archive.zip", "w") as archive:
        archive.writestr("__main__.py", "")
    (tmp_path / "within").mkdir()
    (tmp_path / "within" / "__main__.py").touch()
    with warnings.catch_warnings(action="error"):
        for script in ("odd.py", "odd.pyc", "archive.zip"):
            runnable.check_script(script)
        for module in ("odd", "within", "json.tool", "json.that_only_json_knows", "cProfile"):
            runnable.check_module(module)


def test_what_python_does_not_find_is_told_from_what_a_program_does_not_find(tmp_path):
    (tmp_path / "mine.py").write_text("import no_such_package")
    with pytest.raises(ImportError) as not_found:
        runpy.run_module("json.no_such")
    with pytest.raises(ImportError) as its_own:
        runpy.run_path(str(tmp_path / "mine.py"))
    assert running.could_not_begin(not_found.value) and not running.could_not_begin(its_own.value)


def test_where_the_port_is_taken_that_is_said_and_the_server_ends_like_any_program():
    """It reads its input until that ends, and does not stumble over that when it ends first."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Watching("--port", port, Path(sb3_loop.__file__), anew=True) as watching:
            watching.said(rf"Port {port} cannot be used \(.*\)\. Choose another one")
            assert watching.process.wait(30) == 2
    said = "".join(watching.lines)
    assert "ended before it could be reached" in said and "Fatal" not in said
