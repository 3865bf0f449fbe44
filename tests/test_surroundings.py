"""What else a machine has, and how it is set up, changes nothing."""

import json
import os
import subprocess
import sys
import urllib.request

from ppo_scope.attach.connecting.address import Address
from tests.attach.elsewhere import Loop, rows_of, the_run, waiting_server
from tests.live import COMMAND, LiveServer, environment

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
