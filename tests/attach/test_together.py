"""Processes that train together, started by torchrun: the first reports, and what differs between them is found."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from ppo_scope.attach.ranks import disagreement
from ppo_scope.diagnosis.checks_together import RANKS_APART
from tests.attach.elsewhere import Door, leading, nowhere, the_run, waiting_server
from tests.live import free_port
from tests.programs import run
from tests.programs import trained as alone
from tests.server.scope_page import Page

UPDATES = 6


def trained(how, *options, **begins):
    """(digest by rank, every last ε, what was said) of two processes that have trained."""
    return begun("tests/attach/together_loop.py", str(UPDATES), how, *options, **begins)


def begun(*program, link, torchrun=False):
    """The same of any program; `torchrun`: begun by that itself, which imports twice as much, or as it would."""
    if torchrun:
        launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
        return told_by([run(*launcher, *program, PPO_SCOPE_URL=link, OMP_NUM_THREADS="1")])
    shared = {"PPO_SCOPE_URL": link, "WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "tests"}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    with ThreadPoolExecutor() as side_by_side:
        done = side_by_side.map(lambda rank: alone(*program, **shared, RANK=rank, LOCAL_RANK=rank), ("0", "1"))
        return told_by(list(done))


def told_by(done):
    said = "".join(one.stderr for one in done)
    assert not any(one.returncode for one in done), said[-6000:]
    told = [line.split() for one in done for line in one.stdout.splitlines() if len(line.split()) == 3]
    return {rank: digest for rank, digest, _ in told}, {float(clip) for *_, clip in told}, said


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
    plain, _, _ = trained("healthy", "--plain", link=nowhere())
    digests, _, said = trained("healthy", link=server.url, torchrun=True)
    assert digests == plain and digests["0"] == digests["1"] and "ppo-scope" not in said
    assert server.run_count() == 1, "one of them reports"
    found, unknown = findings_of(server)
    assert "ranks_apart" not in found | unknown


def test_processes_that_have_come_apart_are_found(server):
    digests, _, _ = trained("apart", link=server.url)
    assert digests["0"] != digests["1"]
    found, _ = findings_of(server)
    assert "After the update 1 of 2 processes have other weights than the first" in found["ranks_apart"]
    assert "KL (k3) of their own samples:" in found["ranks_apart"]


def test_what_is_set_on_the_page_takes_effect_in_all_of_them(server):
    with leading(server) as page:
        thread = threading.Thread(target=narrowed, args=(page, server))
        thread.start()
        digests, clips, _ = trained("healthy", "--paused", link=server.url)
        thread.join(30)
    assert clips == {0.05} and digests["0"] == digests["1"]
    changes = the_run(server, state="finished")["changes"]
    assert [(one["name"], one["new"], one["update"]) for one in changes] == [("clip_range", 0.05, 2)]


def test_an_unchanged_script_is_shown_by_its_first_process_and_compared_with_the_others(server):
    script = ("tests/attach/one_file.py", "--iterations", str(UPDATES))
    plain, _, _ = begun(*script, link=nowhere())
    before = server.run_count()
    digests, _, said = begun("-m", "ppo_scope.attach.script", *script, link=server.url)
    assert digests == plain and digests["0"] == digests["1"] and "ppo-scope" not in said
    assert server.run_count() == before + 1, "one of them reports"
    found, unknown = findings_of(server)
    assert "ranks_apart" not in found | unknown, "they were compared"
    digests, _, said = begun("tests/attach/failing_process.py", *script, link=server.url)
    assert digests == plain and "made to fail" in said, "none of them waits for one that is not watched any more"
    assert "ranks_apart" in findings_of(server)[1], "they are not compared any more"


def narrowed(page, server):
    """Somebody at the page, who sets ε before the first update."""
    run = the_run(server, state="paused")["id"]
    page.ask("open", led=False, run=run)
    page.wait("lease", holder=True)
    page.wait("state", run=run, state="paused")
    assert page.ask("set", name="clip_range", value=0.05)["type"] == "ack"
    page.ask("play", pace=None)


@pytest.mark.parametrize(
    ("told", "summary"),
    [
        ([(0.01, 0, 1e-4, 5), (0.012, 0, 1e-4, 5)], None),
        ([(0.01, 0, 1e-4, 5), (0.012, 0.3, 1e-4, 5)], "rank 1 had r off 1 by up to 0.3, and 1 of 2 processes had not"),
        ([(0.3, 0, 1e-4, math.nan), (0.01, 0, 1e-4, math.nan)], "KL (k3) of their own samples: 0.3 in rank 0, 0.01 in"),
        ([(0.01, 0, 1e-4, 5), (math.nan, math.nan, math.nan, 5)], None),
    ],
)
def test_what_is_said_of_their_numbers(told, summary):
    found = RANKS_APART.look([{"steps": 1.0, **disagreement(torch.tensor(told, dtype=torch.float64))}])
    assert found is None if summary is None else summary in found.summary
