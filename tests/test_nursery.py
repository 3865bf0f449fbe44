"""A server that a test gets from the nursery is the same as one that begins anew, and ends as that does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ppo_scope.attach.beside import clerk
from tests.live import ROOT, LiveServer, environment
from tests.nursery import Forked

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


def test_after_an_optimiser_has_stepped_a_server_still_comes_from_it():
    """Torch names a folder in the environment then."""
    weights = torch.nn.Parameter(torch.zeros(2))
    weights.grad = torch.ones(2)
    torch.optim.Adam([weights]).step()
    assert LiveServer.nursery.differs(environment()) == set()
    assert LiveServer.nursery.differs({**environment(), "COLUMNS": "7"}) == {"COLUMNS"}


def test_a_command_line_that_is_refused_is_told_with_its_code(tmp_path):
    with pytest.raises(AssertionError, match=r"ended with 2:\n(.|\n)*--clip-range"):
        LiveServer("--clip-range", "nothing", folder=tmp_path)


def test_what_a_loop_begins_beside_itself_comes_from_it_with_the_same_ends_and_ends_as_told(monkeypatch):
    """Descriptors have the numbers there that the command line says; what is asked of a process can be asked of it."""
    begins = vars(clerk)["subprocess"].Popen
    heard, said = os.pipe()
    code = f"import os, sys, torch; os.write({said}, sys.stdin.readline().encode()); print(os.environ['PPO_SCOPE_ONE'])"
    waits = f"{code}; import time; time.sleep(600)"
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    for name, adopted in (("PPO_SCOPE_ONE", True), ("OMP_NUM_THREADS", False)):
        monkeypatch.setenv("PPO_SCOPE_ONE", "given")
        monkeypatch.setenv(name, "1")
        process = begins([sys.executable, "-c", waits], pass_fds=[said], **streams)
        assert isinstance(process, Forked) is adopted, "threads are counted when torch is imported"
        with process.stdin, process.stdout:
            print("a line", file=process.stdin, flush=True)
            assert os.read(heard, 100) == b"a line\n"
            assert process.stdout.readline() == ("1\n" if adopted else "given\n")
            assert process.poll() is None
            process.terminate()
            assert process.wait(30) == -signal.SIGTERM
    for end in (heard, said):
        os.close(end)


TESTS = """
import time
from tests.live import ROOT, LiveServer, environment
from tests.nursery import Nursery

LiveServer.nursery = Nursery(environment())
print(LiveServer("--paused", "--num-envs", "2").pid, flush=True)
time.sleep(600)
"""


def test_it_does_not_outlive_tests_that_are_killed():
    tests = subprocess.Popen([sys.executable, "-c", TESTS], cwd=ROOT, stdout=subprocess.PIPE)
    server = int(tests.stdout.readline())
    os.kill(server, 0)
    tests.kill()
    tests.wait()
    end = time.monotonic() + 30
    while Path(f"/proc/{server}").exists():
        assert time.monotonic() < end, "it lives on"
        time.sleep(0.05)
