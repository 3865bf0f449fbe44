"""Processes that train together, started by torchrun: the first reports, and what differs between them is found."""

import subprocess
import sys

import pytest

from tests.attach.elsewhere import Door, nowhere, the_run, waiting_server
from tests.live import ROOT, environment
from tests.server.scope_page import Page

UPDATES = 6


def trained(how, *options, link):
    """(digest by rank, what was said) of two processes that have trained."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "tests/attach/together_loop.py", str(UPDATES), how, *options],
        cwd=ROOT,
        env={**environment(), "PPO_SCOPE_URL": link, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    digests = dict(line.split() for line in done.stdout.splitlines() if len(line.split()) == 2)
    return digests, done.stderr


@pytest.fixture(scope="module")
def server():
    started = waiting_server()
    yield started
    started.kill()


def findings_of(server):
    """What was found in the newest run, once it is over."""
    the_run(server, state="finished")
    door = Door(server)
    with Page(door, cookie=door.cookie) as page:
        newest = page.until(lambda: [one for one in page.headers("snapshot") if one["update"] == UPDATES])
        return {one["name"]: one["summary"] for one in newest[-1]["findings"]}, newest[-1]["unknown"]


def test_where_all_is_well_nothing_is_found_and_nothing_is_changed(server):
    plain, _ = trained("healthy", "--plain", link=nowhere())
    digests, said = trained("healthy", link=server.url)
    assert digests == plain and digests["0"] == digests["1"] and "ppo-scope" not in said
    assert server.run_count() == 1, "one of them reports"
    found, unknown = findings_of(server)
    assert "ranks_apart" not in found | unknown


@pytest.mark.parametrize(
    ("how", "summary"),
    [
        ("apart", "After the update 1 of 2 processes have other weights than the first: a sum over their bits differs"),
        ("stale", "At its first minibatch rank 1 had r off 1 by up to"),
    ],
)
def test_processes_that_have_come_apart_are_found(server, how, summary):
    digests, _ = trained(how, link=server.url)
    assert (digests["0"] == digests["1"]) == (how == "stale")
    found, _ = findings_of(server)
    assert summary in found["ranks_apart"]
    if how == "apart":
        assert "KL (k3) of their own samples:" in found["ranks_apart"]
