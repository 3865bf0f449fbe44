"""What the tests of a module share, since to start a run and to open its page takes longer than most tests."""

import pytest

from tests.browser.dashboard import Dashboard
from tests.browser.stage import Stage
from tests.live import ROOT, LiveServer

SEED = ("--seed", "7")


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory, leaving):
    """Makes servers with a paused run; those that ask for the same arguments, and the same place, get the same one."""
    servers = {}

    def start(*arguments, update=0, minibatch=0):
        key = (*arguments, update, minibatch)
        if key not in servers:
            servers[key] = LiveServer("--paused", *SEED, *arguments, folder=tmp_path_factory.mktemp("shared"))
        return servers[key]

    yield start
    for one in servers.values():
        one.interrupt()
    leaving.extend(servers.values())


@pytest.fixture
def serve_here(leaving):
    """Makes servers of this test alone, with a paused run, that find the environments of the tests."""
    started = []

    def start(*arguments):
        started.append(LiveServer("--paused", *SEED, *arguments, folder=ROOT))
        return started[-1]

    yield start
    for one in started:
        one.interrupt()
    leaving.extend(started)


@pytest.fixture
def look_at(shared_server, page):
    """This test's page, on a run that others look at too, at the end of an update: `look_at(*arguments, update=2)`; or
    after so many minibatches of the first epoch that follows.

    The run has to stay where it is, with the settings that it has.
    """

    def join(*arguments, update=0, minibatch=0, query=""):
        live = shared_server(*arguments, update=update, minibatch=minibatch)
        dashboard = Dashboard(page, f"{live.base}{query}#token={live.token}")
        if live.run()["update"] == 0:
            for number in range(update):
                dashboard.step(update=str(number + 1), phase="update")
            for number in range(minibatch):
                dashboard.step("minibatch", update=str(update + 1), phase="step", minibatch=str(number + 1))
        phase = "step" if minibatch else "update" if update else "ready"
        return dashboard.at(state="paused", update=str(update + (minibatch > 0)), phase=phase)

    return join


@pytest.fixture(scope="module")
def modules(chromium, tmp_path_factory):
    """Evaluates in a page of a real server: `modules("state/format.js", "m.count(1e6)")`, where `m` is the module."""
    server = LiveServer("--paused", folder=tmp_path_factory.mktemp("modules"))
    context = chromium.new_context()
    page = context.new_page()
    page.goto(server.base)

    def evaluate(module, expression, argument=None):
        return page.evaluate(
            f"async (given) => {{ const m = await import('./{module}'); {body(expression)} }}", argument
        )

    yield evaluate
    context.close()
    server.stop()


def body(expression):
    return expression if "return " in expression else f"return {expression};"


@pytest.fixture(scope="module")
def files(tmp_path_factory, leaving):
    """Where a real server has the page's files, its settings and its presets."""
    server = LiveServer("--paused", folder=tmp_path_factory.mktemp("files"))
    yield server.base
    server.interrupt()
    leaving.append(server)


@pytest.fixture
def stage(files, page):
    """This test's page, with a server that the test plays: `stage(update=3)`."""
    return lambda **how: Stage(page, files, **how)
