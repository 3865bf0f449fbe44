"""A browser window in which tests take turns with one tab."""

import contextlib
from urllib.parse import urlsplit

from playwright.sync_api import Error


class Window:
    """One that stays open. Its tab is lent to test after test: a document in a tab that has had the page before takes
    half of the processor time of one in a tab of its own, and a third of one in a window of its own.
    """

    def __init__(self, chromium, options):
        self.context = chromium.new_context(**options)
        self._size = options["viewport"]
        self.tab = None
        self._renew()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    @contextlib.contextmanager
    def lent(self, faults):
        """Its tab, and those that are opened beside it; afterwards all but that one are closed, and nothing is kept."""
        before = list(self.context.pages)
        self.context.on("page", faults.watch)
        faults.watch(self.tab, self._leave)
        yield
        self.context.remove_listener("page", faults.watch)
        faults.leave_pages()
        for page in self.context.pages:
            if page not in before:
                page.close()
        if self._spoilt:
            self._renew()
        self._storage.send("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"})

    def _leave(self):
        """Go where no page of ours is, and have what a tab keeps for itself forgotten."""
        try:
            self.tab.unroute_all()
            self.tab.set_viewport_size(self._size)
            for origin in list(self._visited):
                self.tab.goto(f"{origin}/api/health")
                self.tab.evaluate("sessionStorage.clear()")
        except Error:  # it was closed, or the server is gone that one would have to ask
            self._spoilt = True
        self._visited.clear()

    def _renew(self):
        left, self.tab = self.tab, self.context.new_page()
        self._visited, self._spoilt = set(), False
        self.tab.on("framenavigated", self._note)
        self._storage = self.context.new_cdp_session(self.tab)
        if left:
            left.close()

    def _note(self, frame):
        parts = urlsplit(frame.url)
        if frame.parent_frame is None and parts.scheme == "http":
            self._visited.add(f"{parts.scheme}://{parts.netloc}")
