"""The door of training loops elsewhere: opened by the token alone, and by nothing that is not in the protocol."""

import contextlib
import http.client
import json
from socket import SHUT_RDWR

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from ppo_scope.attach.connecting.script_news import tell
from ppo_scope.wire import frame
from ppo_scope.wire.attaching import ScriptNews
from ppo_scope.wire.frame import PROTOCOL
from tests.server.scope_page import Page, wait_for

HELLO = {
    "type": "greeting",
    "protocol": PROTOCOL,
    "run": "0123abcd",
    "settings": {"env": "theirs", "clip_range": 0.3},
    "library": "a loop",
    "changeable": [],
}


@contextlib.contextmanager
def attach(server, *, token=None, greeting=None, origin=None):
    headers = {"Authorization": f"Bearer {server.token if token is None else token}"}
    with connect(f"ws://{server.host}/attach", origin=origin or server.origin, additional_headers=headers) as socket:
        if greeting is not None:
            socket.send(json.dumps(greeting) if isinstance(greeting, dict) else greeting)
        yield socket


def refused(server, **options):
    """The status of the refusal."""
    with pytest.raises(InvalidStatus) as refusal, attach(server, **options):
        pass
    return refusal.value.response.status_code


def test_nobody_comes_in_without_the_token(scripted):
    own = scripted.own()
    assert refused(scripted, token="") == 403
    assert refused(scripted, token="guessed") == 403
    assert refused(scripted, token=scripted.session) == 403
    assert refused(scripted, origin="http://evil.example") == 403
    with (  # a page that may control is no loop
        pytest.raises(InvalidStatus),
        connect(f"ws://{scripted.host}/attach", origin=scripted.origin, additional_headers={"Cookie": own["Cookie"]}),
    ):
        pass
    runs = len(scripted.get("/api/runs"))
    with attach(scripted, greeting=HELLO) as socket:
        assert json.loads(socket.recv())["type"] == "again"
        assert len(scripted.get("/api/runs")) == runs + 1
    wait_for(lambda: scripted.get("/api/runs/0123abcd")["state"] == "failed")


@pytest.mark.parametrize(
    ("token", "news", "status"),
    [(None, "{}", 400), ("guessed", '{"script": "train.py"}', 403), (None, '{"script": "t"}', 204)],
)
def test_only_who_has_the_token_says_what_a_script_does(scripted, token, news, status):
    headers = {"Authorization": f"Bearer {token or scripted.token}", "Origin": scripted.origin}
    connection = http.client.HTTPConnection(scripted.host, timeout=30)
    connection.request("POST", "/attach/script", news, headers)
    assert connection.getresponse().status == status
    connection.close()


def test_a_loop_whose_script_has_ended_is_not_waited_for(scripted):
    """However the two come to be known one after the other; what is in another script may come back."""

    def run(id):
        return scripted.get(f"/api/runs/{id}")

    def of_script(id, script):
        return attach(scripted, greeting={**HELLO, "run": id, "script": script})

    def has_ended(script, code):
        tell(f"{scripted.origin}/#token={scripted.token}", ScriptNews(script=script, code=code))

    with of_script("aaaa0001", "train.py") as gone, of_script("aaaa0002", "other.py") as other:
        gone.recv(), other.recv()
        for socket in (gone, other):
            socket.socket.shutdown(SHUT_RDWR)
        wait_for(lambda: run("aaaa0001")["state"] == run("aaaa0002")["state"] == "stalled")
        has_ended("train.py", -9)
        wait_for(lambda: run("aaaa0001")["state"] == "killed")
        assert "SIGKILL" in run("aaaa0001")["cause"]["summary"]
        assert run("aaaa0002")["state"] == "stalled"
    with of_script("aaaa0003", "train.py") as socket:  # of a module, and known before the connection is seen to break
        socket.recv()
        has_ended("its.package.train", 3)
        assert run("aaaa0003")["state"] == "starting"
        socket.socket.shutdown(SHUT_RDWR)
        wait_for(lambda: run("aaaa0003")["state"] == "failed")
        cause = run("aaaa0003")["cause"]
        assert "exit code 3" in cause["summary"] and "printed nothing" not in str(cause)


@pytest.mark.parametrize(("phase", "state"), [("update", "stopped"), ("loss", "failed")])
def test_a_loop_of_a_process_that_a_pool_has_ended_has_failed_only_within_an_update(scripted, phase, state):
    """Its script has come to its end. Of its own process nobody has an exit code."""
    id = {"update": "aaaa0004", "loss": "aaaa0005"}[phase]
    with attach(scripted, greeting={**HELLO, "run": id, "script": "pool.py"}) as socket:
        socket.recv()
        position = {"update": 3, "phase": phase, "epoch": 1, "epochs": 1, "minibatch": 1, "minibatches": 1}
        header = {"kind": "progress", "run": id, "sequence": 1, **position, "activity": None}
        socket.send(frame.encode(header))
        wait_for(lambda: scripted.get(f"/api/runs/{id}")["update"] == 3)
        tell(f"{scripted.origin}/#token={scripted.token}", ScriptNews(script="pool.py", code=0))
        socket.socket.shutdown(SHUT_RDWR)
        wait_for(lambda: scripted.get(f"/api/runs/{id}")["state"] == state)
    assert "exit code" not in str(scripted.get(f"/api/runs/{id}")["cause"])


@pytest.mark.parametrize(
    ("greeting", "sentence"),
    [
        ("nonsense", "cannot be read"),
        ({**HELLO, "run": "<b>"}, "cannot be read"),
        ({**HELLO, "settings": {"env": "theirs", "cliprange": 0.3}}, "cliprange"),
        ({**HELLO, "settings": {}}, "without env"),
        ({**HELLO, "protocol": 1}, "another version of the protocol"),
        ({**HELLO, "more": 1}, "cannot be read"),
    ],
)
def test_what_is_no_greeting_is_refused_with_a_sentence(scripted, greeting, sentence):
    with attach(scripted, greeting=greeting) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv()
    assert closed.value.rcvd.code == 1008 and sentence in closed.value.rcvd.reason


def test_a_loop_cannot_take_the_place_of_a_run_of_ours(scripted):
    mine = scripted.run()["id"]
    greeting = {**HELLO, "run": mine}
    with attach(scripted, greeting=greeting) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv()
    assert "There is a run of this name" in closed.value.rcvd.reason


def test_a_new_run_never_ends_a_loop_that_is_not_ours_and_restart_is_refused(scripted):
    with (
        attach(scripted, greeting={**HELLO, "run": "fee1dead"}) as socket,
        Page(scripted, cookie=scripted.cookie()) as page,
    ):
        assert page.ask("open", led=False, run="fee1dead")["type"] == "ack"
        page.wait("lease", holder=True)
        answer = page.ask("restart", settings={})
        assert answer["code"] == "invalid" and "somebody else's" in answer["message"]
        # A frame that is not in the protocol, and one as large as a page may never send.
        position = {"update": 0, "phase": "ready", "epoch": 0, "epochs": 0, "minibatch": 0, "minibatches": 0}
        header = {"kind": "progress", "run": "fee1dead", "sequence": 1, **position, "activity": None}
        socket.send(b"\xff" * 100)
        socket.send(frame.encode({**header, "more": "x" * 200_000}))
        page.until(lambda: [one for one in page.headers("progress") if len(one.get("more", "")) == 200_000])
        assert page.ask("end")["type"] == "ack"
        told = [json.loads(socket.recv())["type"]]
        while told[-1] != "stop":
            told.append(json.loads(socket.recv())["type"])
    assert scripted.get("/api/runs/fee1dead")["state"] == "stopped"


def test_a_command_that_a_loop_takes_along_when_its_connection_breaks_is_answered(scripted):
    with Page(scripted, cookie=scripted.cookie()) as page:
        with attach(scripted, greeting={**HELLO, "run": "fee1600d"}) as socket:
            wait_for(lambda: "fee1600d" in [run["id"] for run in scripted.get("/api/runs")])
            assert page.ask("open", led=False, run="fee1600d")["type"] == "ack"
            page.wait("state", run="fee1600d")
            page.say(type="pause", id="heard", lease=page.lease["generation"])
            while json.loads(socket.recv())["type"] != "pause":
                pass
            socket.socket.shutdown(SHUT_RDWR)
        assert page.reply("heard", 10)["code"] == "failed"
        assert page.ask("end")["type"] == "ack"
