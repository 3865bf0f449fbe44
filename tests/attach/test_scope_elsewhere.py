"""A loop of one's own and the server that it is shown by: late, killed, absent, wrong, or its own."""

import contextlib
import logging
import signal
import socket

import pytest

import ppo_scope
from ppo_scope.attach.connecting import line
from ppo_scope.records.library import Library
from ppo_scope.records.store import CannotRead, Store
from ppo_scope.runs.reopening import forked, reopened, to_show
from tests.attach import own_loop
from tests.attach.elsewhere import (
    TOKEN,
    Door,
    Loop,
    ask,
    nowhere,
    rows_of,
    set_nowhere,
    the_run,
    waiting_server,
)
from tests.attach.test_scope import UPDATES, rollout, small_scope
from tests.server.scope_page import wait_for

NO_PORTS = "0", "65536", "-1", "http"


@pytest.fixture(scope="module")
def plain():
    """(the loop, the digest of its weights) without us."""
    return own_loop.main(UPDATES, plain=True)


def test_a_server_that_comes_late_gets_it_all_and_its_end_is_noticed(plain):
    place = socket.socket()  # held until the server comes: others look for places, too
    place.bind(("127.0.0.1", 0))
    port = place.getsockname()[1]
    variables = {"PPO_SCOPE_TOKEN": TOKEN, "SLOWLY": "0.05"}
    link = f"http://127.0.0.1:{port}/#token={TOKEN}"
    with Loop("tests.attach.own_loop", 99, link=link, **variables) as loop, pytest.MonkeyPatch.context() as patch:
        while not loop.said:  # that nobody is there
            assert loop.process.poll() is None
        assert "Training goes on" in loop.said[0] and TOKEN not in loop.said[0]
        patch.setenv("PPO_SCOPE_TOKEN", TOKEN)
        place.close()
        server = waiting_server("--port", str(port))
        try:
            run = the_run(server, state="running")
            wait_for(lambda: rows_of(server, run["id"])[0].get("steps"))
            loop.process.kill()
            lost = the_run(server, state="stalled")
            _, first = rows_of(server, run["id"])
        finally:
            server.kill()
    assert first == 1
    assert lost["cause"]["summary"] == "The training loop is not connected."


def test_what_is_kept_goes_on_where_the_server_is_killed_and_begun_anew(tmp_path, monkeypatch):
    """Also where somebody looks at it from the disk by the time that its loop is back."""
    monkeypatch.setenv("PPO_SCOPE_TOKEN", TOKEN)
    library = Library(tmp_path)
    server = waiting_server("--runs-dir", str(tmp_path))
    try:
        with Loop("tests.attach.own_loop", 9999, link=server.url, SLOWLY="0.005") as loop:
            id = the_run(server, state="running")["id"]
            wait_for(lambda: library.find(id).last > 3)
            door = Door(server)
            server.kill()
            (before,) = library.runs()
            loop.process.send_signal(signal.SIGSTOP)
            server = waiting_server("--runs-dir", str(tmp_path), "--port", server.base.rpartition(":")[2].strip("/"))
            ask(server, "POST", "/api/runs", {"open": id}, door)  # what a page that was open has controls still
            loop.process.send_signal(signal.SIGCONT)
            run = the_run(server, state="running")
            assert (run["id"], run["stored"], run["unwritten"]) == (id, True, None)
            assert run["created"] == before.about["created"]
            wait_for(lambda: library.find(id).last > before.last + 5)
        server.stop()
    finally:
        server.kill()
    (kept,) = library.runs()
    with contextlib.closing(Store(kept.folder)) as store:
        assert store.series()[1].tolist() == list(range(1, kept.last + 1)), "from its first update on, without a gap"


def test_a_loop_whose_server_is_absent_trains_as_it_would(plain, monkeypatch, capfd):
    set_nowhere(monkeypatch)
    assert own_loop.main(UPDATES)[1] == plain[1]
    assert capfd.readouterr().err.count("is not reached") <= 1


def test_the_websocket_prints_nothing_of_its_own_into_somebodys_training(monkeypatch):
    """Where its reader meets what came before a write has failed, it logs a traceback."""
    asked = []

    def nobody(*_, **options):
        asked.append(options)
        raise ConnectionRefusedError

    monkeypatch.setattr(line, "connect", nobody)
    set_nowhere(monkeypatch)
    with small_scope() as scope:
        rollout(scope)
        wait_for(lambda: asked)
    assert not asked[0].get("logger", logging.getLogger("websockets.client")).isEnabledFor(logging.CRITICAL)


def test_a_wrong_token_is_said_once_and_never_asked_again(monkeypatch, capfd, plain):
    server = waiting_server()
    try:
        monkeypatch.setenv("PPO_SCOPE_URL", f"{server.base}#token={'x' * 43}")
        assert own_loop.main(UPDATES)[1] == plain[1]
        assert server.run_count() == 0
    finally:
        server.kill()
    said = capfd.readouterr().err
    assert said.count("the token in the link is not the one of this server") == 1 and "xxx" not in said


def test_what_is_no_link_or_no_setting_is_refused_at_once(monkeypatch, capfd):
    for link in (
        "127.0.0.1:8000",
        "http://127.0.0.1:8000/",
        *(f"http://127.0.0.1:{port}/#token=t" for port in NO_PORTS),
    ):
        with pytest.raises(ValueError, match="is not the link of a PPO Scope server"):
            ppo_scope.Scope(clip_range=0.2, url=link)
    with pytest.raises(ValueError, match="cliprange is no setting"):
        small_scope(cliprange=0.1)
    with pytest.raises(ValueError, match=r"clip_range is \(0.2, 0.28\), and one number .* clip_range_high"):
        ppo_scope.Scope(clip_range=(0.2, 0.28), url=nowhere())
    with pytest.raises(ValueError, match="max_grad_norm is 'half', and one number is wanted"):
        small_scope(max_grad_norm="half")
    with pytest.raises(ValueError, match=r"entropy_coef is \[0.1, 0.2\], and one number is wanted"):
        rollout(scope := small_scope(), entropy_coef=[0.1, 0.2])
    scope.close()
    monkeypatch.setenv("PPO_SCOPE_URL", "http://127.0.0.1:8000/")  # surroundings never end a training
    rollout(ppo_scope.Scope(clip_range=0.2))
    assert "The training goes on and is not watched." in capfd.readouterr().err


def test_without_a_link_a_server_is_started_that_keeps_the_run_and_ends_with_the_loop(tmp_path, plain):
    ssh = "203.0.113.7 50022 198.51.100.4 22"
    kept_in = {"XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path)}
    with Loop("tests.attach.own_loop", UPDATES, link="", SSH_CONNECTION=ssh, **kept_in) as loop:
        assert loop.digest() == plain[1]
    assert any("ssh -L" in line and "@198.51.100.4" in line for line in loop.said), "where its page is to be seen"
    link = next(line for line in loop.said if "PPO Scope shows this run" in line).split()[-1]
    place = link.partition("#")[0].removeprefix("http://").rstrip("/").split(":")

    def gone():
        with socket.socket() as knock:
            return knock.connect_ex((place[0], int(place[1]))) != 0

    wait_for(gone)
    library = Library(next(tmp_path.rglob("run.sqlite")).parents[1])
    kept = library.find("last")
    assert (kept.state, kept.last) == ("finished", UPDATES)
    settings = to_show(kept)[1].settings
    assert settings["clip_range"] == 0.1 and not {"discount", "seed"} & settings.keys(), "nothing is made up"
    with pytest.raises(CannotRead, match="cannot go on from here: its training loop is somebody else's"):
        reopened(kept, {})
    with pytest.raises(CannotRead, match="cannot be forked: its training loop is somebody else's"):
        forked(kept, None, {}, library)
