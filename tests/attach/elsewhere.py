"""A server that waits for loops, and what a test asks of it."""

import contextlib
import http.client
import json
import os
import re
import signal
import threading

from ppo_scope.attach import report
from ppo_scope.wire.frame import PROTOCOL
from tests.live import ROOT, LiveServer
from tests.programs import TO_TRAIN, begin
from tests.server.scope_page import PATIENCE, Page, wait_for

TOKEN = "a-token-that-only-these-tests-have"


def waiting_server(*arguments):
    """`ppo-scope watch`, with nothing kept."""
    return LiveServer("--runs-dir", "off", *arguments, verb="watch")


class Door:
    """Of a live server, as the pages of `scope_page` come in."""

    def __init__(self, server):
        self.origin = server.base.rstrip("/")
        self.host = self.origin.removeprefix("http://")
        connection = http.client.HTTPConnection(self.host, timeout=30)
        headers = {"Origin": self.origin, "Content-Type": "application/json"}
        connection.request("POST", "/api/session", json.dumps({"token": server.token}), headers)
        answer = connection.getresponse()
        self.session, self.cookie = json.loads(answer.read())["session"], answer.headers["Set-Cookie"].split(";")[0]
        connection.close()


def ask(server, method, path, body, door=None):
    """What it answers to who may control it, by what a page got at this door; else at its own."""
    door = door or Door(server)
    connection = http.client.HTTPConnection(door.host, timeout=30)
    headers = {"Origin": door.origin, "Cookie": door.cookie, "X-PPO-Scope-Session": door.session}
    connection.request(method, path, json.dumps(body), {**headers, "Content-Type": "application/json"})
    with contextlib.closing(connection):
        answer = connection.getresponse()
        told = json.loads(answer.read())
    assert answer.status < 300, told
    return told


@contextlib.contextmanager
def leading(server):
    """A page that leads, and looks at everything that there is."""
    door = Door(server)
    with Page(door, cookie=door.cookie, resume=False) as page:
        known = {"server_epoch": None, "run": None, "sequence": None, "session": door.session}
        page.say(type="resume", protocol=PROTOCOL, client="leader", **known)
        page.wait("role", role="controller")  # no lease: there is no run yet
        yield page


class Watching:
    """`ppo-scope watch SCRIPT`, and what it prints. It ends with the test, and its script with it.

    anew: its server and its script are processes of its own that import all they need, as they are outside of tests.
    """

    PATIENCE = 30
    """Seconds that it has to end as by Ctrl-C."""

    def __init__(self, *arguments, folder=ROOT, anew=False):
        command = ["-W", "ignore", "-m", "ppo_scope", "watch", "--no-browser", "--runs-dir", "off"]
        options = {"folder": folder, "adopted": not anew, "imported": TO_TRAIN, "PYTHONWARNINGS": "ignore"}
        self.process = begin(*command, *map(str, arguments), **options)
        self.lines = []
        self._outputs = (self.process.stdout, self.process.stderr)
        self._readers = [
            threading.Thread(target=lambda output=output: self.lines.extend(output), daemon=True)
            for output in self._outputs
        ]
        for reader in self._readers:
            reader.start()

    def said(self, pattern):
        return wait_for(lambda: re.search(pattern, "".join(self.lines)), timeout=240)

    @property
    def url(self):
        """The link that it prints."""
        return self.said(r"http://\S+?/#token=\S+")[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(self.PATIENCE)
        finally:  # whatever has become of it, nothing of it trains beside the tests that follow
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self._close()

    def _close(self):
        for reader, output in zip(self._readers, self._outputs, strict=True):
            reader.join(5)
            output.close()


class Loop:
    """A program that trains, in a process of its own, shown by the server of this link."""

    def __init__(self, module, *arguments, link, **variables):
        command = ["-W", "ignore", "-m", module, *map(str, arguments)]
        self.process = begin(*command, adopted=True, imported=TO_TRAIN, PPO_SCOPE_URL=link, **variables)
        self.said = []
        self._reader = threading.Thread(target=lambda: self.said.extend(self.process.stderr), daemon=True)
        self._reader.start()

    def digest(self):
        """Of its weights, once it has ended."""
        return self.printed()[-1]

    def printed(self):
        """Line by line, once it has ended."""
        lines = self.process.stdout.read().splitlines()
        assert self.process.wait(60) == 0, self.said
        self._reader.join(5)
        return lines

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self._reader.join(5)
        self.process.stdout.close()
        self.process.stderr.close()


def shown_here(monkeypatch, train):
    """A loop in this process, with a server that shows it: (what `train` returns, its run, its rows, the first one)."""
    server = waiting_server()
    try:
        monkeypatch.setenv("PPO_SCOPE_URL", server.url)
        returned = train()
        run = the_run(server, state="finished")
        return returned, run, *rows_of(server, run["id"])
    finally:
        server.kill()


@contextlib.contextmanager
def beside(monkeypatch, yes):
    """Whether loops of this process are measured beside them, then from the first update on; the clerks of that."""
    hire, clerks = report.hired, []

    def hired(library):
        clerks.append(hire(library))
        wait_for(lambda: clerks[-1].ready, timeout=120)
        return clerks[-1]

    with monkeypatch.context() as patch:
        patch.setattr(report, "hired", hired if yes else lambda _: None)
        yield clerks


def rows_of(server, run):
    """The series that a server has of a run, by column."""
    told = json.loads(server.get(f"api/runs/{run}/series"))
    return {name: [row[place] for row in told["rows"]] for place, name in enumerate(told["columns"])}, told["first"]


def bare(series):
    """Without the columns of seconds, which differ."""
    return {name: values for name, values in series.items() if "second" not in name}


def the_run(server, *, timeout=PATIENCE, **wanted):
    """The newest run, once it is as it is wanted."""

    def found():
        runs = json.loads(server.get("api/runs"))
        return runs[0] if runs and all(runs[0][name] == value for name, value in wanted.items()) else None

    return wait_for(found, timeout)


def newcomer(page, since):
    """The name of a run that a page is told of from this message on, and was not before."""

    def told(messages):
        return [run["id"] for message in messages if message["type"] == "runs" for run in message["runs"]]

    known = set(told(page.messages[:since]))
    return page.until(lambda: next((run for run in told(page.messages[since:]) if run not in known), None))


def nowhere():
    """A link to a place where nobody listens."""
    return f"http://127.0.0.1:1/#token={TOKEN}"


def set_nowhere(monkeypatch):
    monkeypatch.setitem(os.environ, "PPO_SCOPE_URL", nowhere())
