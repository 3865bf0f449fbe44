"""`ppo-scope watch SCRIPT`: an unchanged script, in a process of its own, is found to learn."""

import json
import os
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.attach import sb3_loop
from tests.attach.advised import inserted
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
print("trains as", os.getpid(), flush=True)
try:
    model.learn(10**9)
except KeyboardInterrupt:
    model.save("saved")
"""
WAITS = """
import os, pathlib, time
print("trains as", os.getpid(), flush=True)
try:
    while True:
        time.sleep(0.02)
except KeyboardInterrupt:
    pathlib.Path("saved.zip").touch()
"""
STUBBORN = """
import os, time
print("trains as", os.getpid(), flush=True)
while True:
    try:
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
    with Watching("mine.py", folder=tmp_path) as watching:
        watching.said(r"No PPO has been found in mine\.py so far, in 50 calls of `backward`\.")
        said = "".join(watching.lines)
        assert "of these, ratio, entropy are at " in said and "mine.py:7)" in said
        assert "ppo_scope.Scope in its loop" in said and watching.process.poll() is None


def test_a_ppo_by_names_of_its_own_is_told_the_lines_that_show_it_and_they_do(tmp_path):
    source = (OWN_SCRIPTS / "gaussian.py").read_text().replace("range(3)", "range(20)")
    (tmp_path / "mine.py").write_text(source)
    with Watching("mine.py", folder=tmp_path) as watching:
        watching.said("the script has ended with code 0")
        said = "".join(watching.lines)
    assert "50 calls of `backward`" in said and said.count("put in where they say:\n\n# mine.py, after line 7") == 2
    lines = said.split("put in where they say:\n\n")[1].split("\n\nppo-scope: ")[0]
    (tmp_path / "mine.py").write_text(inserted(source, lines))
    with Watching("mine.py", folder=tmp_path) as watching:
        watching.said("the script has ended with code 0")
        place = watching.said(r"http://\S+?/(?=#token)")[0]
        runs = json.load(urllib.request.urlopen(f"{place}api/runs", timeout=30))
    assert [(run["state"], run["update"]) for run in runs] == [("finished", 20)]


def test_a_script_that_fails_before_its_ppo_says_so_in_place_of_what_was_looked_for(tmp_path):
    (tmp_path / "train.py").write_text("import no_such_package")
    with Watching("train.py", folder=tmp_path) as watching:
        watching.said(
            r"train\.py has failed before a PPO was found in it: ModuleNotFoundError: No module named 'no_such"
        )
        watching.said("the script has ended with code 1")
    assert "Looked for" not in "".join(watching.lines)


def test_a_script_that_is_not_there_is_one_line():
    with Watching("nowhere.py") as watching:
        watching.said(r"There is no script nowhere\.py")


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
