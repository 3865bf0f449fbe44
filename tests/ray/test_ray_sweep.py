"""`ppo-scope sweep --ray`, on a real cluster of several nodes: live, and whatever becomes of a node."""

import json
import os
import subprocess
import sys
from urllib.request import Request, urlopen

import numpy as np
import pytest

from ppo_scope.cli import main
from ppo_scope.records.library import Library
from tests.live import ROOT, LiveServer, environment
from tests.server.scope_page import Page, wait_for
from tests.server.test_sweep import GRID, SMALL, details, result, rows_of, runs_of, the_one

pytest.importorskip("ray", reason="Ray is not installed: make libraries")

START_SECONDS = 200


class Nodes:
    """A head without a core, and three nodes with one each, in a process of their own."""

    def __init__(self, folder):
        place = folder / "address"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.ray.cluster", str(place), "3"],
            cwd=ROOT,
            env={**environment(), "PYTHONPATH": os.pathsep.join([environment()["PYTHONPATH"], str(ROOT)])},
            stdin=subprocess.PIPE,
            text=True,
        )
        wait_for(lambda: self._process.poll() is not None or place.exists(), START_SECONDS)
        assert self._process.poll() is None, "the cluster did not begin"
        self.address = place.read_text()

    def lose(self, number):
        self._process.stdin.write(f"lose {number}\n")
        self._process.stdin.flush()

    def close(self):
        self._process.stdin.close()
        self._process.wait(60)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    found = Nodes(tmp_path_factory.mktemp("cluster"))
    yield found
    found.close()


def swept(folder, *more):
    return LiveServer(
        "--runs-dir", str(folder), *GRID, *SMALL, "--total-steps", "16000", *more, "--json", verb="sweep", anew=True
    )


class Door:
    """What a `Page` needs of a server."""

    def __init__(self, server):
        self.origin = server.base.partition("/?")[0]
        self.host = self.origin.removeprefix("http://")
        asked = Request(
            f"{self.origin}/api/session",
            json.dumps({"token": server.token}).encode(),
            {"Origin": self.origin, "Content-Type": "application/json"},
        )
        with urlopen(asked) as answer:
            self.session, self.cookie = json.load(answer)["session"], answer.headers["Set-Cookie"].split(";")[0]


def stepped(server, run):
    """Stop a run on its page, have it go one update further, and let it go on."""
    door = Door(server)
    with Page(door, cookie=door.cookie, run=run) as page:
        page.say(type="watch", probes=["advantages"])
        for command, how in (("pause", {}), ("step", {"size": "update"}), ("play", {})):
            assert page.ask(command, **how)["type"] == "ack"
            if command != "play":
                wait_for(lambda: details(server)({"id": run})["state"] == "paused", 30)
        assert page.headers("snapshot")


def resumptions(server):
    return [one for run in map(details(server), runs_of(server)) for one in run.get("resumed", ())]


@pytest.mark.timeout(900)
def test_a_sweep_on_a_cluster_outlives_a_node_and_ctrl_c_and_comes_to_the_same(tmp_path, nodes):
    here, there = Library(tmp_path / "here"), Library(tmp_path / "there")
    expected = result(swept(here.folder))
    assert expected["finished"] == 4

    server = swept(there.folder, "--ray", nodes.address)
    wait_for(lambda: len([run for run in runs_of(server) if run["update"] > 20]) == 3, 240)
    # The first state is kept before the first update, and a second one after a second or more, however fast it goes.
    wait_for(lambda: len([run for run in there.runs() if (run.resumes_at or 0) > 1]) == 3, 120)
    stepped(server, runs_of(server)[0]["id"])
    nodes.lose(0)
    wait_for(lambda: resumptions(server), 120)
    assert all(one["before"] > 1 for one in resumptions(server)), "it goes on from a state, not anew"
    assert server.stop() == 1
    assert not all(run.state == "finished" for run in there.runs()), "something is left to be done"

    found = result(swept(there.folder, "--ray", nodes.address))
    assert found["finished"] == 4 and len(there.runs()) == 4, "no run was made twice"
    for one, other in zip(the_one(here).planned, the_one(there).planned, strict=True):
        (updates, rows), (others, expected_rows) = rows_of(there.place(other.run)), rows_of(here.place(one.run))
        assert updates == others
        np.testing.assert_array_equal(rows, expected_rows)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--ray", "127.0.0.1:1"), "no Ray cluster is reached there"),
        (("--ray", "somewhere"), "HOST:PORT"),
        (("--ray", "ray://127.0.0.1:10001"), "clients are not taken"),
    ],
)
def test_a_cluster_that_is_none_is_told_in_a_line_before_anything_begins(tmp_path, capsys, given, words):
    assert main(["sweep", "--no-browser", "--runs-dir", str(tmp_path), "--seeds", "2", *SMALL, *given]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and words in said.err and said.out == ""
    assert not list(tmp_path.rglob("*.json"))


def test_a_cluster_without_what_the_runs_need_is_told_in_a_line(tmp_path, nodes):
    command = [sys.executable, "-m", "ppo_scope", "sweep", "--no-browser", "--runs-dir", str(tmp_path), "--seeds", "2"]
    told = subprocess.run(
        [*command, *SMALL, "--device", "cuda", "--ray", nodes.address],
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert told.returncode == 2 and told.stdout == "" and "has no GPU" in told.stderr.splitlines()[-1]
