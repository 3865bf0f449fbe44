"""What the tests of the page share, since to start a run and to open its page takes longer than most tests: a browser,
pages that tolerate no fault, and servers.
"""

import contextlib

import pytest

from tests.browser.dashboard import Dashboard, panels_alone
from tests.browser.faults import Faults
from tests.browser.stage import Stage
from tests.browser.window import Window, Windows
from tests.live import ROOT, LiveServer, NoChromiumError
from tests.live import chromium as open_chromium

SEED = ("--seed", "7")
DESKTOP = {"viewport": {"width": 1440, "height": 900}}
FLAGS = ("--process-per-site", "--js-flags=--no-opt,--no-maglev")
"""For the first see `window`; no page of a test lives long enough to earn what it costs to optimise its scripts."""


@pytest.fixture(scope="package")
def chromium():
    """A headless Chromium for all tests of the page. Not for the session: while Playwright lives, this thread has a
    running event loop, and tests elsewhere want to run one of their own.
    """
    with contextlib.ExitStack() as stack:
        missing = ""
        try:
            browser = stack.enter_context(open_chromium(*FLAGS))
        except NoChromiumError as error:
            missing = str(error)
        if missing:  # said out here, so that pytest shows the line and no traceback
            pytest.fail(missing, pytrace=False)
        yield browser


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item):
    """Leave the pages of a test before any of its servers is ended: a page asks its server as long as it is open."""
    if "faults" in item.funcargs:
        item.funcargs["faults"].leave_pages()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Say what the pages of a failed test showed: of a machine out of reach nothing else can be seen."""
    report = yield
    if call.when == "call" and report.failed:
        for name in {"faults", "lasting"} & item.funcargs.keys():
            report.sections.append(("what the pages showed", item.funcargs[name].shown()))
    return report


@pytest.fixture
def faults():
    """The faults of this test's pages; none may be left at its end but those it expects."""
    seen = Faults()
    yield seen
    assert not seen.unexpected()


@pytest.fixture(scope="package")
def windows(chromium):
    """Browser windows, each with cookies and storage of its own, in which tests take turns."""
    with Windows(chromium) as some:
        yield some


@pytest.fixture
def new_page(windows, faults):
    """Opens pages, each with cookies and storage of its own: `new_page(viewport=…)`; faults fail the test."""
    with contextlib.ExitStack() as lent:
        yield lambda **options: lent.enter_context(windows.lent(faults, **{**DESKTOP, **options})).tab


@pytest.fixture(scope="package")
def window(chromium):
    """The window whose tab most tests share."""
    one = Window(chromium, DESKTOP)
    yield one
    one.context.close()


@pytest.fixture
def page(window, faults):
    """A tab that finds nothing stored; any console error or request that leaves the machine fails the test.

    Other tests have it before and after: what would stay with it, as a script for every document, is for `window`.
    """
    with window.lent(faults, **DESKTOP):
        yield window.tab


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory, leaving):
    """Makes servers with a paused run; those that ask for the same arguments, and the same place, get the same one.

    Those whose page lasts have others: it leads as long as it is there.
    """
    servers = {}

    def start(*arguments, update=0, minibatch=0, lasting=False):
        key = (*arguments, update, minibatch, lasting)
        if key not in servers:
            servers[key] = LiveServer("--paused", *SEED, *arguments, folder=tmp_path_factory.mktemp("shared"))
        return servers[key]

    yield start
    for one in servers.values():
        one.interrupt()
    leaving.extend(servers.values())


@pytest.fixture
def ending(leaving):
    """Servers that this test starts: they are told to end when it is over and its pages are closed."""
    started = []
    yield started
    for one in started:
        one.interrupt()
    leaving.extend(started)


@pytest.fixture
def serve_here(ending):
    """Makes servers of this test alone, with a paused run, that find the environments of the tests."""

    def start(*arguments):
        ending.append(LiveServer("--paused", *SEED, *arguments, folder=ROOT))
        return ending[-1]

    return start


@pytest.fixture
def look_at(shared_server, page):
    """This test's page, on a run that others look at too, at the end of an update: `look_at(*arguments, update=2)`; or
    after so many minibatches of the first epoch that follows. `panels`: those alone that it shows.

    The run has to stay where it is, with the settings that it has.
    """

    def join(*arguments, update=0, minibatch=0, **what):
        return joined(page, shared_server(*arguments, update=update, minibatch=minibatch), update, minibatch, **what)

    return join


@pytest.fixture(scope="module")
def lasting(windows, shared_server):
    """As `look_at`, on a page that the tests of a file share: they only look, or put back what they change."""
    faults, pages = Faults(), {}
    with contextlib.ExitStack() as lent:

        def join(*arguments, update=0, minibatch=0, panels=()):
            key = (*arguments, update, minibatch, *panels)
            if key not in pages:
                page = lent.enter_context(windows.lent(faults, **DESKTOP)).tab
                live = shared_server(*arguments, update=update, minibatch=minibatch, lasting=True)
                pages[key] = joined(page, live, update, minibatch, panels=panels)
            return pages[key]

        join.shown = faults.shown
        yield join
    assert not faults.unexpected()


def joined(page, live, update, minibatch, *, query="", panels=()):
    """This page on a run that others look at too; the first of them steps it there."""
    query = query or (panels and panels_alone(*panels)) or ""
    dashboard = Dashboard(page, f"{live.base}{query}#token={live.token}")
    if live.run()["update"] == 0:
        for number in range(update):
            dashboard.step(update=str(number + 1), phase="update")
        for number in range(minibatch):
            dashboard.step("minibatch", update=str(update + 1), phase="step", minibatch=str(number + 1))
    phase = "step" if minibatch else "update" if update else "ready"
    return dashboard.at(state="paused", update=str(update + (minibatch > 0)), phase=phase)


@pytest.fixture(scope="module")
def modules(window, files):
    """Evaluates in a document of a real server: `modules("state/format.js", "m.count(1e6)")`; `m` is the module."""
    page = empty_page(window, files)

    def evaluate(module, expression, argument=None):
        return page.evaluate(
            f"async (given) => {{ const m = await import('./{module}'); {body(expression)} }}", argument
        )

    yield evaluate
    page.close()


def empty_page(window, files):
    """A document that can import what a server serves, and has nothing in it."""
    page = window.context.new_page()
    page.route(files, lambda route: route.fulfill(content_type="text/html", body="<!doctype html>"))
    page.goto(files)
    return page


def body(expression):
    return expression if "return " in expression else f"return {expression};"


@pytest.fixture(scope="package")
def files(tmp_path_factory, leaving):
    """Where a real server has the page's files, its settings and its presets."""
    server = LiveServer("--paused", folder=tmp_path_factory.mktemp("files"))
    yield server.base
    server.interrupt()
    leaving.append(server)


@pytest.fixture
def stage(files, window, page):
    """This test's page, with a server that the test plays: `stage(update=3)`."""
    return lambda **how: Stage(page, files, window, **how)
