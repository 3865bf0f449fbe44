"""What else a machine has, and how it is set up, changes nothing."""

import json
import os
import subprocess
import sys
import urllib.request

import pytest

from ppo_scope.attach.connecting.address import Address
from tests.attach.elsewhere import Loop, rows_of, the_run, waiting_server
from tests.live import COMMAND, ROOT, LiveServer, environment

NOT_OURS = "def new_event_loop():\n    raise AssertionError('nobody has asked for this event loop')\n"
"""uvicorn takes an event loop of the name uvloop where there is one."""
NOBODY = "http://127.0.0.1:9"
PROXIES = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"), NOBODY)
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}


def test_an_event_loop_that_happens_to_be_installed_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / "uvloop.py").write_text(NOT_OURS)
    (tmp_path / "httptools.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    server = LiveServer("--env", "CartPole-v1", anew=True)
    try:
        with urllib.request.urlopen(server.base + "api/health", timeout=60) as answer:
            assert json.load(answer)
    finally:
        assert server.stop() == 0


def test_a_loop_reaches_a_server_of_its_own_machine_past_the_proxies():
    server = waiting_server()
    try:
        with Loop("tests.attach.own_loop", 2, link=server.url, **PROXIES) as loop:
            run = the_run(server, state="finished", timeout=120)
            assert len(rows_of(server, run["id"])[0]["loss"]) == 2, loop.said
    finally:
        server.kill()


def test_which_servers_are_on_this_machine():
    link = "http://{}/#token=t"
    here = "127.0.0.1:8000", "localhost:8000", "[::1]:8000", "127.8.8.8", "lab.localhost:1"
    elsewhere = "10.0.0.7:8000", "scope.example.org", "[fe80::1%25eth0]:8000", "localhost.example.org"
    assert all(Address.of(link.format(host)).is_here for host in here)
    assert not any(Address.of(link.format(host)).is_here for host in elsewhere)


def test_an_output_that_knows_no_greek_gets_question_marks():
    for arguments in (["presets"], ["serve", "--help"], ["train", "--env", "Ω-v1", "--total-steps", "8"]):
        done = subprocess.run(
            [sys.executable, *COMMAND[1:], *arguments],
            env={**environment(), **ASCII},
            capture_output=True,
            check=False,
            timeout=120,
        )
        told = done.stdout + done.stderr
        assert b"Traceback" not in told and b"?" in told, told.decode(errors="replace")
        assert told.isascii()
        assert done.returncode == (2 if arguments[0] == "train" else 0), os.fsdecode(told)


BEGINS = """
import os, signal, subprocess, sys
import pytest

TOLD = "import signal; print([signal.getsignal(n) is signal.SIG_IGN for n in (signal.SIGINT, signal.SIGHUP)])"

# Nothing of these is needed here.
one_thread = pytest.fixture(lambda: None, scope="session", autouse=True)
nursery = pytest.fixture(lambda: None, scope="session", autouse=True)

def test_what_it_begins():
    told = subprocess.run([sys.executable, "-c", TOLD], capture_output=True, text=True, check=True)
    assert told.stdout == "[False, False]\\n"
    os.kill(os.getpid(), signal.SIGHUP)  # to which the session itself does not listen
"""
IGNORING = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in the background of a shell
signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as by nohup
os.execv(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[1:]])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_a_session_of_tests_that_ignores_signals_begins_processes_that_do_not(tmp_path):
    (tmp_path / "test_begins.py").write_text(BEGINS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-c", IGNORING, "-p", "tests.conftest", "-p", "no:cacheprovider", "-q", str(tmp_path)]
    variables = {**environment(), "PYTHONPATH": os.pathsep.join([environment()["PYTHONPATH"], str(ROOT)])}
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
