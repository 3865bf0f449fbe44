"""A run that has not begun, and a page of it, for all tests of the guide."""

import pytest

from tests.browser.guide.guided import SEED, Guided, frames_of, opened
from tests.live import LiveServer


@pytest.fixture(scope="package")
def live(tmp_path_factory):
    live = LiveServer("--paused", "--seed", SEED, folder=tmp_path_factory.mktemp("guide"))
    yield live
    live.stop()


@pytest.fixture(scope="package")
def fresh(windows, live):
    """A page on a run that has not begun, and never does."""
    with opened(windows) as page:
        yield Guided(page, live)


@pytest.fixture(scope="package")
def example():
    return frames_of("two-networks")
