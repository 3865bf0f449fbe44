"""Why a process ended."""

import signal

import pytest

from ppo_scope.runs import ending


def classify(exitcode, reported="running", asked=False, out_of_memory=False, output="last words"):
    return ending.classify(exitcode, reported=reported, asked=asked, out_of_memory=out_of_memory, output=output)


@pytest.mark.parametrize(
    ("exitcode", "given", "state"),
    [
        (0, {"reported": "finished"}, "finished"),
        (0, {"reported": "finished", "asked": True}, "finished"),
        (-signal.SIGTERM, {"reported": "finished", "asked": True}, "finished"),
        (-signal.SIGKILL, {"reported": "finished"}, "finished"),
        (0, {"reported": "stopped"}, "stopped"),
        (1, {"reported": "failed"}, "failed"),
        (0, {"asked": True}, "stopped"),
        (-signal.SIGTERM, {"asked": True}, "stopped"),
        (-signal.SIGKILL, {"asked": True}, "stopped"),
        (-signal.SIGKILL, {}, "killed"),
        (-signal.SIGKILL, {"out_of_memory": True}, "out_of_memory"),
        (-signal.SIGSEGV, {"out_of_memory": True}, "killed"),
        (1, {}, "failed"),
        (0, {}, "failed"),
        (1, {"reported": "starting", "output": ""}, "failed"),
    ],
)
def test_every_ending_has_its_state_and_what_is_not_expected_its_cause(exitcode, given, state):
    result = classify(exitcode, **given)
    assert result.state == state
    explained = {"killed", "out_of_memory"} | ({"failed"} if given.get("reported") != "failed" else set())
    assert (result.cause is not None) == (state in explained)
    if result.cause:
        assert all(result.cause.describe().values()) or not given.get("output", "x")


def test_the_signal_is_named():
    assert "SIGKILL" in classify(-9).cause.summary
    assert "signal 63" in classify(-63).cause.summary or "SIGRT" in classify(-63).cause.summary
    assert "crashed" in classify(-signal.SIGSEGV).cause.summary


def test_kills_are_read_from_the_kernels_counter(tmp_path, monkeypatch):
    missing, counter = tmp_path / "missing", tmp_path / "memory.events"
    counter.write_text("low 0\nhigh 0\nmax 3\noom 1\noom_kill 4\noom_group_kill 0\n")
    monkeypatch.setattr(ending, "_counters", lambda: [missing, counter])
    assert ending.out_of_memory_kills() == 4
    monkeypatch.setattr(ending, "_counters", lambda: [missing])
    assert ending.out_of_memory_kills() == 0
