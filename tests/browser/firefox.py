"""A headless Firefox as it is installed, by the protocol that it speaks itself: WebDriver BiDi. Playwright drives only
a build of its own.
"""

import contextlib
import itertools
import json
import os
import shutil
import subprocess

from websockets.sync.client import connect

from tests.browser.dashboard import until
from tests.live import free_port

NAMES = ("firefox-esr", "firefox")
PATIENCE = 120.0  # seconds; a browser that has just been started on a busy machine takes its time
PREFERENCES = """
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.connectivity-service.enabled", false);
"""


def found():
    """The Firefox of this machine, if it has one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def firefox(folder, width, height):
    """A page of it, with a profile in that folder."""
    (folder / "user.js").write_text(PREFERENCES, encoding="utf-8")
    port = free_port()
    process = subprocess.Popen(
        [found(), "--headless", "--no-remote", "--profile", str(folder), "--remote-debugging-port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(folder)},
    )
    try:
        with connected(port) as socket:
            yield FirefoxPage(socket, width, height)
    finally:
        process.kill()
        process.wait()


def connected(port):
    """To a browser that is about to listen."""

    def attempt():
        with contextlib.suppress(OSError):
            return connect(f"ws://127.0.0.1:{port}/session", max_size=None)

    return until(attempt, patience=1000 * PATIENCE)


class FirefoxPage:
    """Its only page."""

    def __init__(self, socket, width, height):
        self._socket, self._numbers = socket, itertools.count(1)
        self.errors = []
        """What its console has told of errors, and scripts have thrown."""
        self._order("session.new", capabilities={})
        self._order("session.subscribe", events=["log.entryAdded"])
        self._context = self._order("browsingContext.getTree")["contexts"][0]["context"]
        self._order("browsingContext.setViewport", viewport={"width": width, "height": height}, here=True)

    def goto(self, url):
        self._order("browsingContext.navigate", url=url, wait="complete", here=True)

    def evaluate(self, script):
        """Of JavaScript that may be waited for: what JSON can say of it."""
        target = {"context": self._context}
        expression = f"(async () => JSON.stringify((await ({script})) ?? null))()"
        answer = self._order("script.evaluate", expression=expression, target=target, awaitPromise=True)
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return json.loads(answer["result"]["value"])

    def press(self, key):
        """One of the keyboard's."""
        actions = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self._order("input.performActions", actions=[{"type": "key", "id": "keys", "actions": actions}], here=True)

    def _order(self, method, *, here=False, **parameters):
        number = next(self._numbers)
        about = {"context": self._context} if here else {}
        self._socket.send(json.dumps({"id": number, "method": method, "params": {**about, **parameters}}))
        while (said := json.loads(self._socket.recv(PATIENCE))).get("id") != number:
            if said.get("method") == "log.entryAdded" and said["params"]["level"] == "error":
                self.errors.append(said["params"]["text"])
        assert said["type"] == "success", said
        return said["result"]
