"""What a step has passed is listed at once, and measured when somebody asks for it: with a real process."""

import os
import signal
import time

from ppo_scope.records.moments import listed
from ppo_scope.runs import live
from ppo_scope.wire import frame
from tests.runs.house import House


def stepped(house, **settings):
    """A run that has made one update in one step."""
    run = house.start(paused=True, **settings)
    house.state(state="paused")
    assert house.send("step", size="update")[1] is None
    house.state(state="paused", phase="update")
    return run


def phases(run):
    return [row[2:] for row in listed(run.record.moments()) if row[1] == 1]


def all_of(settings):
    inner = [
        (phase, k, m)
        for k in range(1, settings["epochs"] + 1)
        for m in range(1, settings["minibatches"] + 1)
        for phase in ("loss", "gradient", "step", *(["epoch"] if m == settings["minibatches"] else []))
    ]
    last = settings["epochs"], settings["minibatches"]
    return [("rollout", 0, 0), ("advantages", 0, 0), *inner, ("update", *last)]


def test_every_phase_of_a_step_can_be_gone_back_to_at_once():
    with House() as house:
        run = stepped(house)
        assert phases(run) == all_of(run.settings)
        where = house.run.describe()["update"], run.status()["phase"]
        for sequence, *place in listed(run.record.moments())[:8]:
            header, _ = frame.decode(house.do(run.moment(sequence)))
            assert header["sequence"] == sequence
            assert [header[name] for name in ("update", "phase", "epoch", "minibatch")] == place
        assert (house.run.describe()["update"], run.status()["phase"]) == where, "the run has not moved"
        assert house.do(run.moment(10**6)) is None
        assert phases(run) == all_of(run.settings)


def test_a_run_that_rests_measures_all_of_it():
    with House() as house:
        run = stepped(house)
        numbers = [row[0] for row in listed(run.record.moments())]
        house.until(lambda: not any(map(run.record.owed, numbers)))
        assert all(house.call(run.record.moment, number) for number in numbers)


def test_it_can_be_gone_back_to_once_the_next_updates_have_begun_and_once_the_run_has_ended():
    with House() as house:
        run = stepped(house)
        house.send("step", size="update")
        house.state(state="paused", update=2, phase="update")
        house.send("step", size="phase")
        house.state(state="paused", update=3, phase="rollout")
        for sequence, *_ in [row for row in listed(run.record.moments()) if row[1] < 3][:6]:
            assert frame.header(house.do(run.moment(sequence)))["sequence"] == sequence
        house.do(run.stop())
        left = listed(run.record.moments())
        assert len(left) > 6 and all(house.do(run.moment(row[0])) for row in left)


def test_what_is_lost_with_its_process_is_not_listed_any_more_and_said():
    with House() as house:
        run = stepped(house, epochs=10)
        os.kill(run.pid, signal.SIGSTOP)  # it measures no more
        numbers = [row[0] for row in listed(run.record.moments())]
        lost = [number for number in numbers if house.call(run.record.owed, number)]
        asked = house.begin(run.moment(lost[0]))
        os.kill(run.pid, signal.SIGKILL)
        house.state(state="killed")
        assert [row[0] for row in listed(run.record.moments())] == [n for n in numbers if n not in lost]
        assert asked.result(30) is None
        assert f"{len(lost)} phases" in run.cause["detail"]


def test_a_process_that_does_not_come_to_it_is_not_waited_for_long(monkeypatch):
    monkeypatch.setattr("ppo_scope.runs.measuring.PATIENCE", 0.1)
    with House() as house:
        run = stepped(house, epochs=10)
        os.kill(run.pid, signal.SIGSTOP)
        number = next(n for n, *_ in listed(run.record.moments()) if house.call(run.record.owed, n))
        first = house.begin(run.moment(number))
        time.sleep(0.05)  # who comes later, and is sent away with the first one, hears the same
        assert [house.do(run.moment(number)), first.result(30)] == [live.NOT_YET] * 2
        os.kill(run.pid, signal.SIGCONT)
        house.until(lambda: not run.record.owed(number))
