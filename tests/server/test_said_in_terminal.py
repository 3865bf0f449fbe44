"""What `ppo-scope serve` says where it was started: whoever looks there is told why nothing trains."""

import pytest

from tests.live import ROOT, LiveServer
from tests.server.scope_page import wait_for

ENVIRONMENTS = "tests.environments.unstartable"
WHY = [("InitRaises", "no_such_asset"), ("StepRaises", "the axle broke"), ("StepLeaves", "exit code 7")]


@pytest.mark.parametrize(("environment", "why"), WHY)
def test_why_a_run_has_ended_by_itself_is_said_once(environment, why):
    server = LiveServer("--env", f"{ENVIRONMENTS}:{environment}-v0", "--seed", "1", folder=ROOT)
    try:
        wait_for(lambda: "ppo-scope: Run " in server.output)
    finally:
        server.interrupt()
    said = [line for line in server.output.splitlines() if line.startswith("ppo-scope: ")]
    assert len(said) == 1 and why in said[0], server.output


def test_of_a_run_that_was_ended_nothing_is_said():
    server = LiveServer("--seed", "1", "--total-steps", "512")
    server.interrupt()
    assert "ppo-scope:" not in server.output
