"""verl's training worker, watched by one line of its config: the same weights, its own numbers, padding in none.

verl 0.9 and the TRL of `make libraries` cannot be installed together: it wants an environment of its own.
"""

import json
import math

import pytest

from tests.attach.elsewhere import Loop, leading, nowhere, rows_of, the_run, waiting_server
from tests.server.scope_page import wait_for

pytest.importorskip("verl", reason="verl is not installed")
pytestmark = pytest.mark.timeout(600)  # to import it takes long

UPDATES = 3
LOOP = "tests.attach.libraries.verl_loop"


@pytest.fixture(scope="module")
def server():
    started = waiting_server()
    yield started
    started.kill()


def ended(*arguments, link):
    """(its digest, its logs by update, what was said) of a loop that has come to its end."""
    with Loop(LOOP, UPDATES, *arguments, link=link) as loop:
        logs, digest = loop.printed()[-2:]
        return digest, json.loads(logs), loop.said


def means(logs, name):
    return [math.fsum(one[name]) / len(one[name]) for one in logs]


def test_it_is_shown_by_its_own_numbers_and_trains_to_the_same_weights(server):
    plain, _, _ = ended("--plain", link=nowhere())
    digest, logs, said = ended(link=server.url)
    assert digest == plain, said
    run = the_run(server, state="finished")
    rows, first = rows_of(server, run["id"])
    layout = [run["settings"][name] for name in ("num_envs", "rollout_steps", "epochs")]
    assert (first, len(rows["loss"]), run["environment"], layout) == (1, UPDATES, "tiny-llama", [16, 12, 2])
    # A minibatch of 8 sequences in two parts; what is logged is the mean over the same tokens.
    assert rows["loss"] == pytest.approx(means(logs, "loss"), abs=1e-6)
    assert rows["gradient_norm"] == pytest.approx(means(logs, "grad_norm"), rel=1e-5)
    assert rows["entropy"] == pytest.approx(means(logs, "actor/entropy_loss"), rel=1e-5)
    assert rows["penalty"] == pytest.approx([0.04 * one for one in means(logs, "kl_loss")], abs=1e-7)
    assert rows["penalty"][0] > 1e-4
    assert rows["episodic_return_mean"][0] == logs[0]["reward"]
    assert rows["steps"][0] < 12 * 16, "no padding counts"
    assert rows["first_ratio_error"] == [0] * UPDATES and rows["ratio_max"][0] > 1.1
    assert rows["value_loss"] == [None] * UPDATES, "the critic is trained elsewhere"


def test_two_ranges_and_the_cap_are_those_of_its_loss(server):
    _, logs, said = ended("--clips", 0.02, 0.05, 1.1, link=server.url)
    run = the_run(server, state="finished")
    rows, _ = rows_of(server, run["id"])
    began = run["attached"]["began"]
    assert [began[name] for name in ("clip_range", "clip_range_high", "ratio_cap")] == [0.02, 0.05, 1.1], said
    assert rows["loss"] == pytest.approx(means(logs, "loss"), abs=1e-6)
    held, capped = (means(logs, f"actor/pg_clipfrac{end}") for end in ("", "_lower"))
    assert min(held) > 0.05 and max(capped) > 0.01, "both must be met for this to mean anything"
    # verl's are means over parts, which have not all as many tokens.
    assert rows["held_fraction"] == pytest.approx([one + more for one, more in zip(held, capped, strict=True)], rel=0.1)


def test_its_clip_range_is_moved_on_the_page_and_the_run_is_ended_there(server):
    with leading(server) as page, Loop(LOOP, 1000, link=server.url) as loop:
        run = the_run(server, timeout=240, state="running")["id"]
        page.ask("open", led=False, run=run)
        page.wait("lease", holder=True)
        assert page.ask("set", name="clip_range", value=0.05)["type"] == "ack"
        wait_for(lambda: rows_of(server, run)[0].get("clip_range", [])[-1:] == [0.05], timeout=120)
        page.ask("end")
        wait_for(lambda: any("verl trains on" in line for line in loop.said), timeout=120)
        assert loop.process.poll() is None
