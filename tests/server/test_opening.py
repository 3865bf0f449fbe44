"""How whoever starts a server comes to its page: by a browser that has windows, not by one that takes the terminal."""

import getpass
import os
import signal
import stat
import sys

import pytest

from ppo_scope.opening import way_here
from tests.browser.dashboard import until
from tests.live import LiveServer

LINK = "http://127.0.0.1:8123/#token=secret"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Write a program that says what it was called with and then never ends by itself; the file in which it says so."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def write(name):
        said, program = tmp_path / f"{name} said", folder / name
        told = f'echo $$ > "{said}.pid"\necho "$@" > "{said}.new"\nmv "{said}.new" "{said}"\n'
        program.write_text(f"#!/bin/sh\n{told}exec sleep 600\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return said

    yield write
    for pid in tmp_path.glob("*.pid"):
        os.kill(int(pid.read_text()), signal.SIGKILL)


@pytest.fixture
def serving(tmp_path, monkeypatch):
    """A server that may open a page, on a machine without a screen."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    servers = []

    def begin(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        servers.append(LiveServer("--paused", folder=tmp_path, verb="serve", anew=True, opens=True))
        return servers[-1]

    yield begin
    for server in servers:
        server.kill()


@pytest.mark.parametrize("names", [("w3m", "lynx", "links", "elinks", "www-browser"), ("elinks",)], ids=" ".join)
def test_without_a_screen_no_browser_takes_the_terminal_and_the_way_here_is_told(programs, serving, names):
    said = [programs(name) for name in names]
    server = serving(SSH_CONNECTION="203.0.113.7 50022 198.51.100.4 22")
    assert server.run()["environment"] == "CartPole-v1", "it answers"
    until(lambda: "@198.51.100.4" in server.output)
    assert server.stop() == 0
    assert not any(path.exists() for path in said)


def test_a_browser_that_is_named_is_used_and_nobody_waits_for_it(programs, serving):
    said = programs("my-browser")
    server = serving(BROWSER="my-browser")
    until(said.exists)
    assert said.read_text().strip() == server.url
    assert server.run()["environment"] == "CartPole-v1", "it answers, while its browser is still at work"


@pytest.mark.skipif(sys.platform != "linux", reason="no screen is looked for by this program elsewhere")
def test_a_screen_that_does_not_answer_holds_up_nobody(programs, serving):
    asked = programs("xdg-settings")
    server = serving(DISPLAY=":99")
    until(asked.exists)
    assert server.run()["environment"] == "CartPole-v1", "it answers"
    assert server.stop() == 0


def test_a_browser_whose_name_cannot_be_read_ends_no_server(serving):
    server = serving(BROWSER="'my browser %s")
    assert server.run()["environment"] == "CartPole-v1", "it answers"
    assert server.stop() == 0 and "Traceback" not in server.output


@pytest.mark.parametrize(
    ("connection", "port"),
    [("203.0.113.7 50022 198.51.100.4 22", ""), ("203.0.113.7 50022 2001:db8::4 2222", "-p 2222 ")],
)
def test_whoever_came_by_ssh_is_told_the_way(connection, port):
    here = connection.split()[2]
    assert way_here(LINK, {"SSH_CONNECTION": connection}) == (
        "From the machine that you sit at, this brings it there: "
        f"ssh -L 8123:127.0.0.1:8123 {port}{getpass.getuser()}@{here}"
    )


def test_a_machine_that_has_no_name_for_its_user_tells_the_way_without(monkeypatch):
    def nameless():
        raise KeyError("getpwuid(): uid not found: 1000840000")

    monkeypatch.setattr(getpass, "getuser", nameless)
    way = way_here(LINK, {"SSH_CONNECTION": "203.0.113.7 50022 198.51.100.4 22"})
    assert way.endswith("ssh -L 8123:127.0.0.1:8123 198.51.100.4")


@pytest.mark.parametrize("variables", [{}, {"SSH_CONNECTION": ""}, {"SSH_CONNECTION": "what nobody expects"}])
def test_whoever_sits_at_the_machine_is_told_none(variables):
    assert way_here(LINK, variables) is None
