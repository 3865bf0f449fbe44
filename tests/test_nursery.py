"""A server that a test gets from the nursery is the same as one that begins anew, and ends as that does."""

import os
import sys
from pathlib import Path

import pytest

from tests.live import LiveServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every server begins anew")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A server of each kind, in folders of their own."""
    started = [
        LiveServer("--paused", "--seed", "7", "--num-envs", "2", folder=tmp_path_factory.mktemp("place"), anew=anew)
        for anew in (False, True)
    ]
    yield started
    for one in started:
        one.stop()


def test_it_serves_the_same(both):
    ours, theirs = both
    assert ours.get("api/settings") == theirs.get("api/settings")
    assert ours.run()["settings"] == theirs.run()["settings"]
    assert ours.token != theirs.token and ours.run()["id"] != theirs.run()["id"]


def test_it_has_a_session_and_a_place_of_its_own(both):
    for one in both:
        assert os.getsid(one.pid) == one.pid
    places = [Path(f"/proc/{one.pid}/cwd").readlink() for one in both]
    assert len(set(places)) == 2 and all(place.name.startswith("place") for place in places)


@pytest.mark.parametrize("anew", [False, True])
def test_it_ends_on_an_interrupt_and_says_its_code(tmp_path, anew):
    one = LiveServer("--paused", folder=tmp_path, anew=anew)
    assert one.stop() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(one.pid, 0)


def test_a_command_line_that_is_refused_is_told_with_its_code(tmp_path):
    with pytest.raises(AssertionError, match=r"ended with 2:\n(.|\n)*--clip-range"):
        LiveServer("--clip-range", "nothing", folder=tmp_path)
