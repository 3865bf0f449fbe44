"""Browser windows in which tests take turns."""

import base64
import contextlib
import json
from json import dumps
from urllib.parse import urlsplit

from playwright.sync_api import Error


class Windows:
    """As many as are in use at a time. They stay open: the first document of a window takes four times the processor
    time of a later one.
    """

    def __init__(self, chromium):
        self._chromium = chromium
        self._idle = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for windows in self._idle.values():
            for one in windows:
                one.context.close()

    @contextlib.contextmanager
    def lent(self, faults, *, viewport, **options):
        """One of this size, with cookies and storage of its own."""
        idle = self._idle.setdefault(json.dumps(options, sort_keys=True), [])
        one = idle.pop() if idle else Window(self._chromium, {"viewport": viewport, **options})
        with one.lent(faults, viewport):
            yield one
        idle.append(one)


class Asked:
    """A request that waits for its answer; used as Playwright's routes are."""

    def __init__(self, protocol, event):
        self._protocol, self._event = protocol, event
        self.request = self
        self.url, self.method = event["request"]["url"], event["request"]["method"]

    @property
    def post_data_json(self):
        return json.loads(self._event["request"]["postData"])

    def fulfill(self, *, status=200, content_type="", json=None, body=b""):
        if json is not None:
            content_type, body = "application/json", dumps(json)
        headers = [{"name": "Content-Type", "value": content_type}] if content_type else []
        data = base64.b64encode(body.encode() if isinstance(body, str) else body).decode()
        answer = {"requestId": self._event["requestId"], "responseCode": status, "responseHeaders": headers}
        with contextlib.suppress(Error):  # who has asked may have gone
            self._protocol.send("Fetch.fulfillRequest", {**answer, "body": data})


class Window:
    """One that stays open. Its tab is lent to test after test: a document in a tab that has had the page before takes
    half of the processor time of one in a tab of its own.
    """

    def __init__(self, chromium, options):
        self.context = chromium.new_context(**options)
        self.tab = None
        self._renew()

    @contextlib.contextmanager
    def lent(self, faults, viewport):
        """Its tab, and those that are opened beside it; afterwards all but that one are closed, and nothing is kept."""
        before = list(self.context.pages)
        if self.tab.viewport_size != viewport:
            self.tab.set_viewport_size(viewport)
        self.context.on("page", faults.watch)
        faults.watch(self.tab, self._leave)
        yield
        self.context.remove_listener("page", faults.watch)
        faults.leave_pages()
        for page in self.context.pages:
            if page not in before:
                page.close()
        self.context.set_offline(False)
        if self._spoilt:
            self._renew()
        self._protocol.send("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"})

    def script(self, source):
        """Have each document of the tab run this before anything of its own, until the tab is lent again."""
        added = self._protocol.send("Page.addScriptToEvaluateOnNewDocument", {"source": source})
        self._scripts.append(added["identifier"])

    def answer(self, patterns, reply):
        """Have `reply` answer what the tab asks for under these addresses, until it is lent again.

        Playwright's own routes have every request of a page wait, and none of them come from the browser's cache.
        """

        def paused(event):
            reply(Asked(self._protocol, event))

        self._protocol.on("Fetch.requestPaused", paused)
        self._protocol.send("Fetch.enable", {"patterns": [{"urlPattern": pattern} for pattern in patterns]})
        self._answering.append(paused)

    def _leave(self):
        """Go where no page of ours is, and have what a tab keeps for itself forgotten."""
        try:
            self.tab.unroute_all()
            for paused in self._answering:
                self._protocol.send("Fetch.disable")
                self._protocol.remove_listener("Fetch.requestPaused", paused)
            self._answering.clear()
            for one in self._scripts:
                self._protocol.send("Page.removeScriptToEvaluateOnNewDocument", {"identifier": one})
            self._scripts.clear()
            for origin in list(self._visited):
                self.tab.goto(f"{origin}/api/health")
                self.tab.evaluate("sessionStorage.clear()")
        except Error:  # it was closed, or the server is gone that one would have to ask
            self._spoilt = True
        self._visited.clear()

    def _renew(self):
        left, self.tab = self.tab, self.context.new_page()
        self._visited, self._spoilt, self._scripts, self._answering = set(), False, [], []
        self.tab.on("framenavigated", self._note)
        self._protocol = self.context.new_cdp_session(self.tab)
        self._protocol.send("Page.enable")
        if left:
            left.close()

    def _note(self, frame):
        parts = urlsplit(frame.url)
        if frame.parent_frame is None and parts.scheme == "http":
            self._visited.add(f"{parts.scheme}://{parts.netloc}")
