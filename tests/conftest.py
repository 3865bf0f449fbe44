"""What tests of the whole share: servers, a browser, and pages that tolerate no fault."""

import contextlib
from urllib.parse import urlsplit

import pytest

from ppo_scope.ppo.threads import use_one_thread
from tests.live import LiveServer, NoChromiumError
from tests.live import chromium as open_chromium

use_one_thread()  # as every training process does: two that share cores otherwise wait for each other

DESKTOP = {"viewport": {"width": 1440, "height": 900}}
LOCAL = {"127.0.0.1", "localhost"}
LOCAL_SCHEMES = {"about", "blob", "data"}


@pytest.fixture(scope="session")
def leaving():
    """Servers that were told to end, and may take the time of the next test for it."""
    servers = []
    yield servers
    for one in servers:
        one.stop()


@pytest.fixture
def server(tmp_path, leaving):
    """Makes servers: `server("--paused", "--seed", "3")`; each is ended with the test."""
    started = []

    def start(*arguments):
        started.append(LiveServer(*arguments, folder=tmp_path))
        return started[-1]

    yield start
    for one in leaving:
        one.stop()
    for one in started:
        one.interrupt()
    leaving[:] = started


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium. Not for the session: while Playwright lives, this thread has a running event loop, and
    tests of other modules want to run one of their own.
    """
    with contextlib.ExitStack() as stack:
        missing = ""
        try:
            browser = stack.enter_context(open_chromium("--process-per-site"))  # see `window`
        except NoChromiumError as error:
            missing = str(error)
        if missing:  # said out here, so that pytest shows the line and no traceback
            pytest.fail(missing, pytrace=False)
        yield browser


class Faults:
    """What a page must not do: errors in its console, and requests that leave the machine."""

    def __init__(self):
        self._seen = []
        self._expected = []

    def expect(self, *words):
        """Faults that contain one of these are what the test is about, as when it ends a server."""
        self._expected.extend(words)

    def watch(self, page):
        """Note every fault of this page."""
        page.on("console", lambda message: self._note_console(message))
        page.on("pageerror", lambda error: self._seen.append(f"uncaught: {error}"))
        page.on("request", lambda request: self._note_request(request.url))
        page.on("websocket", lambda socket: self._note_request(socket.url))

    def unexpected(self):
        return [fault for fault in self._seen if not any(word in fault for word in self._expected)]

    def _note_console(self, message):
        if message.type == "error":
            where = message.location.get("url", "")
            self._seen.append(f"console: {message.text} ({where})")

    def _note_request(self, url):
        parts = urlsplit(url)
        if parts.scheme not in LOCAL_SCHEMES and parts.hostname not in LOCAL:
            self._seen.append(f"left the machine: {url}")


@pytest.fixture
def faults():
    """The faults of this test's pages; none may be left at its end but those it expects."""
    seen = Faults()
    yield seen
    assert not seen.unexpected()


@pytest.fixture
def new_page(chromium, faults):
    """Opens pages, each with cookies and storage of its own: `new_page(viewport=…)`; faults fail the test."""
    contexts = []

    def open_page(**options):
        context = chromium.new_context(**{**DESKTOP, **options})
        contexts.append(context)
        context.on("page", faults.watch)
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def window(chromium):
    """A browser window that stays open. Its tab keeps a process alive that has compiled the page's scripts already: a
    page in a process of its own takes twice the processor time until it is up.
    """
    context = chromium.new_context(**DESKTOP)
    tab = context.new_page()
    tab.route("**", lambda route: route.fulfill(body=""))
    tab.goto("http://127.0.0.1/")
    storage = context.new_cdp_session(tab)
    yield context, lambda: storage.send("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"})
    context.close()


@pytest.fixture
def page(window, faults):
    """One page that finds nothing stored; any console error or request that leaves the machine fails the test."""
    context, forget = window
    before = list(context.pages)
    context.on("page", faults.watch)
    yield context.new_page()
    context.remove_listener("page", faults.watch)
    for page in context.pages:
        if page not in before:
            page.close()
    forget()
