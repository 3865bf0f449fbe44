"""The page with a server that a test plays: what it says is said by the test, message by message and frame by frame.

Files, settings and presets come from a real server; its websocket and what concerns a run do not. So a test can bring a
page into any state that the protocol knows, in the time that it takes to open one.
"""

import base64
import copy
import functools
import gzip
import json
import struct
from pathlib import Path

from ppo_scope.wire import frame
from tests.browser.dashboard import Dashboard, until

RECORDING = Path(__file__).parents[2] / "frontend" / "recordings" / "cartpole.rec"
SOCKET = """
(() => {
  class Played extends EventTarget {
    static OPEN = 1;
    constructor() {
      super();
      this.readyState = 0;
      window.played = { socket: this, sent: window.played?.sent ?? [] };
      setTimeout(() => {
        this.readyState = 1;
        this.onopen?.();
      });
      this.beat = setInterval(() => this.say('{"type": "heartbeat"}'), 2000);
    }
    say(data) {
      this.onmessage?.({ data });
    }
    send(text) {
      window.played.sent.push(JSON.parse(text));
    }
    close(code = 1006, reason = "") {
      clearInterval(this.beat);
      this.readyState = 3;
      this.onclose?.({ code, reason });
    }
  }
  window.WebSocket = Played;
})();
"""
SAY = "text => window.played.socket.say(text)"
SAY_BYTES = "text => window.played.socket.say(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer)"


@functools.cache
def recorded():
    """(run, [(header, arrays)]) of the recording that comes with the page."""
    packed = gzip.decompress(RECORDING.read_bytes())
    frames, at = [], 0
    while at < len(packed):
        (length,) = struct.unpack_from("<Q", packed, at)
        frames.append(frame.decode(packed[at + 8 : at + 8 + length]))
        at += 8 + length
    return frames[0][0]["run"], frames[1:]


def snapshot(update, phase="update", **header):
    """The newest recorded snapshot of a phase up to an update, (header, arrays), as if it were of that update."""
    for found, arrays in reversed(recorded()[1]):
        if found["kind"] in {"snapshot", "passing"} and found["update"] <= update and found["phase"] == phase:
            return {**found, "kind": "snapshot", "update": update, **header}, arrays
    raise LookupError(f"nothing was recorded of update {update}, {phase}")


class Stage:
    """A page, and what a test lets its server say. It leads, on the run of the recording, paused after update 3."""

    def __init__(self, page, base, window, *, query="", update=3, leads=True, run=None, recording=b"", **header):
        self.page = page
        self.base = base
        self.moments = []
        self.answers = {}
        window.script(SOCKET)
        self.recording = recording
        window.answer(("*/api/runs", "*/api/runs?*", "*/api/runs/*", "*/recordings/*.rec"), self._answer)
        self.posted = []
        self.post_answer = (201, {"id": "posted"})
        self.sequence = 100
        self.run = {**copy.deepcopy(recorded()[0]), "id": "first", "update": update, "state": "paused", **(run or {})}
        page.goto(f"{base}{query}")
        self.greet(leads=leads)
        self.snapshot(update, "update" if update else "ready", **header)
        self.state()
        self.dashboard = Dashboard.of(page)

    def greet(self, epoch="one", *, leads=True, run=None):
        """What a server says first."""
        until(lambda: self.page.evaluate("window.played?.socket.readyState") == 1)
        until(lambda: any(said["type"] == "resume" for said in self.said()))
        self.run = run or self.run
        role = "controller" if leads else "viewer"
        self.say("hello", protocol=frame.PROTOCOL, server_epoch=epoch, role=role, run=self.run, lease=None)
        self.say("role", role=role)
        self.say("lease", holder=leads, generation=1)

    def say(self, kind, **fields):
        self.page.evaluate(SAY, json.dumps({"type": kind, **fields}))

    def said(self, *kinds):
        """What the page has said, of these kinds."""
        sent = self.page.evaluate("window.played.sent")
        return [message for message in sent if not kinds or message["type"] in kinds]

    def answer(self, kind, code=None, message="", detail=None):
        """Answer the newest command of a kind, once it is there."""
        command = until(lambda: self.said(kind))[-1]
        if code is None:
            self.say("ack", id=command["id"])
        else:
            self.say("error", id=command["id"], code=code, message=message, detail=detail)

    def state(self, state=None, **fields):
        """Where the run is."""
        self.run["state"] = state or self.run["state"]
        told = {"update": self.run["update"], "phase": "update", "epoch": 0, "minibatch": 0, "sequence": None}
        rest = {"pending": {}, "cause": None, "pausing": False, "playing": False, "pace": None}
        self.say("state", run=self.run["id"], state=self.run["state"], **{**told, **rest, **fields})

    def frame(self, header, arrays=None):
        self.sequence += 1
        whole = {"run": self.run["id"], "sequence": self.sequence, **header}
        whole.pop("arrays", None)
        message = frame.encode(whole, arrays)
        self.page.evaluate(SAY_BYTES, base64.b64encode(message).decode())

    def snapshot(self, update, phase="update", **fields):
        header, arrays = snapshot(update, phase)
        self.frame({**header, "run": self.run["id"], "sequence": self.sequence + 1, **fields}, arrays)

    def progress(self, **fields):
        header = {"kind": "progress", "protocol": frame.PROTOCOL, "update": self.run["update"] + 1, "phase": "rollout"}
        place = {"epoch": 0, "epochs": 2, "minibatch": 0, "minibatches": 2, "scalars": {}, "activity": None}
        self.frame({**header, **place, **fields})

    def doing(self, name, done, of, seconds=0.0, **fields):
        self.progress(activity={"name": name, "done": done, "of": of, "seconds": seconds}, **fields)

    def turn_away(self, reason):
        """The server closes the connection because there is no room."""
        self.page.evaluate("reason => window.played.socket.close(1013, reason)", reason)

    def lose(self):
        """The connection breaks; the page comes back by itself."""
        self.page.evaluate("window.played.sent.length = 0, window.played.socket.close()")

    def sees(self, text):
        """Wait for words anywhere on the page."""
        until(lambda: text in self.text())
        return self

    def text(self):
        return self.page.locator("body").inner_text()

    def sentence(self):
        return self.page.locator(".sentence").inner_text()

    def _answer(self, asked):
        path = asked.url.split("?")[0]
        if path.endswith(".rec"):
            return asked.fulfill(body=self.recording)
        return self._about_run(asked) if "/api/runs/" in path else self._post_run(asked)

    def _about_run(self, route):
        path = route.request.url.split("/api/runs/")[1].split("?")[0]
        name = path.partition("/")[2]
        if name in self.answers:
            return route.fulfill(**self.answers[name])
        if name == "moments":
            kept = sorted((moment for moment, _ in self.moments), key=lambda moment: moment["sequence"])
            rows = [[m["sequence"], m["update"], m["phase"], m["epoch"], m["minibatch"]] for m in kept]
            return route.fulfill(json={"moments": rows, "bytes": 1, "room": 2**20})
        for header, arrays in self.moments:
            if name == f"moments/{header['sequence']}":
                return route.fulfill(body=frame.encode({k: v for k, v in header.items() if k != "arrays"}, arrays))
        if name.startswith("series"):
            empty = {"kind": "series", "protocol": frame.PROTOCOL, "run": self.run["id"], "sequence": 1, "first": 1}
            return route.fulfill(body=frame.encode({**empty, "update": 1, "columns": [], "scalars": {}}, {}))
        return route.fulfill(json=self.run)

    def _post_run(self, route):
        if route.request.method != "POST":
            return route.fulfill(json=[self.run])
        self.posted.append(route.request.post_data_json)
        status, body = self.post_answer
        return route.fulfill(status=status, json=body)
