"""Servers and pages for the tests of the wire."""

import pytest

from tests.server.scope_page import Page, ServerProcess, wait_for


@pytest.fixture(scope="module")
def scripted():
    """One server for a module, with a worker that does what it is told; paused."""
    with ServerProcess() as server:
        wait_for(lambda: server.run()["state"] == "paused")
        yield server


@pytest.fixture
def launch():
    """Makes servers of a test's own: `launch(worker, paused=…)`; ended afterwards."""
    started = []

    def start(*arguments, **options):
        started.append(ServerProcess(*arguments, **options))
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.fixture
def page(scripted):
    """A page that leads, on the module's server."""
    with Page(scripted, cookie=scripted.cookie()) as page:
        page.wait("lease", holder=True)
        yield page


@pytest.fixture
def viewer(scripted):
    """A page that may only watch."""
    with Page(scripted) as page:
        yield page
