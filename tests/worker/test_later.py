"""What a step has passed is measured later, to the very bytes that measuring at once gives."""

import pytest

from ppo_scope.probes import cost
from ppo_scope.probes.probes import PROBES
from ppo_scope.records.record import RunRecord
from ppo_scope.wire import frame
from ppo_scope.wire.codes import Kind
from ppo_scope.worker import due, later, loop, reporter
from ppo_scope.worker.later import Later
from tests.moments import moment_at
from tests.worker.driver import EVERYTHING, Driver, step

TIMES = ("costs", "shares", "sequence")
SECONDS = "seconds_"


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A busy machine takes its time, and no look at a probe for a slow one."""
    monkeypatch.setattr(reporter, "END_SECONDS", 3600.0)
    monkeypatch.setattr(cost, "SLOW_SECONDS", 3600.0)


class Resting(Driver):
    """Has the run rest between two commands until all is measured."""

    def receive(self, timeout):
        if timeout > 0 and len(self.worker.report.looking.later):
            return None
        return super().receive(timeout)


def measure_at_once(monkeypatch):
    """As the trainer itself is at that phase, by its own networks."""

    def note(self, phase, told):
        self.measure(self.announce(), moment_at(self.trainer, phase), told)

    monkeypatch.setattr(Later, "note", note)


def place(header):
    return header["update"], header["phase"], header["epoch"], header["minibatch"]


def measured(driver):
    """By place: what was measured of each phase that was passed, without its number and what a clock tells."""
    found = {}
    for header, arrays in driver.of(Kind.PASSING):
        told = {name: value for name, value in header.items() if name not in TIMES}
        told["scalars"] = {n: v for n, v in header["scalars"].items() if not n.startswith(SECONDS)}
        found[place(header)] = told, {name: array.tobytes() for name, array in arrays.items()}
    return found


def announced(driver):
    """(number, place) of each phase that was passed, in the order of the run."""
    return [(number, tuple(where)) for header, _ in driver.of(Kind.PASSED) for number, *where in header["passed"]]


def passed(driver):
    return [where for _, where in announced(driver)]


def numbers(driver):
    return [number for number, _ in announced(driver)]


def measured_numbers(driver):
    return [header["sequence"] for header, _ in driver.of(Kind.PASSING)]


CASES = {
    "discrete": {},
    "not all actions are allowed": {"env": "tests.environments.masked:Masked-v0"},
    "a box, with all that is normalised": {
        "env": "Pendulum-v1",
        "normalize_observations": True,
        "normalize_rewards": True,
    },
    "one network, ended by target_kl": {"shared_network": True, "target_kl": 1e-9, "activation": "relu"},
    "by torch": {
        "env": "tests.environments.pixels:Pixels-v0",
        "num_envs": 2,
        "rollout_steps": 8,
        "minibatches": 2,
        "epochs": 2,
    },
}


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_measured_late_is_measured_at_once_to_the_byte(monkeypatch, settings):
    """The updates that follow, with other settings, have collected other rollouts by then."""
    change = {"type": "set", "name": "clip_range", "value": 0.3}
    watch_less = {"type": "watch", "probes": ["ratio"]}
    commands = [EVERYTHING, step("minibatch"), step(), step(), change, step(), watch_less, step("epoch"), step("epoch")]
    late = Driver(commands, **settings)
    measure_at_once(monkeypatch)
    soon = Driver(commands, **settings)
    assert late.weights == soon.weights
    assert measured_numbers(late) == numbers(late)[::-1], "none before the end, and the latest first"
    assert measured_numbers(soon) == numbers(soon) and passed(soon) == passed(late)
    assert measured(late) == measured(soon)


def test_a_run_that_rests_measures_what_it_has_passed(monkeypatch):
    monkeypatch.setattr(loop, "REST_SECONDS", 0.0)
    driver = Resting([EVERYTHING, step(), step("minibatch")])
    kinds = [(header["kind"], header["update"]) for header, _ in driver.frames]
    stop, late = kinds.index((Kind.SNAPSHOT, 1)), [at for at, kind in enumerate(kinds) if kind == (Kind.PASSING, 1)]
    assert stop < late[0], "once it stands still"
    assert late[-1] < kinds.index((Kind.SNAPSHOT, 2)), "and before it is told to go on"
    assert measured(driver).keys() == set(passed(driver))
    newest, _ = driver.of(Kind.PASSING)[0]
    assert set(newest["measured"]) == PROBES.keys() - {"gradients", "direction"}


class GoingBack(Driver):
    """A command may name a phase that was passed by its place in their order."""

    def receive(self, timeout):
        command = super().receive(timeout)
        if command and "passed" in command:
            return {"type": "measure", "sequence": numbers(self)[command["passed"]]}
        return command


def test_who_goes_back_is_not_made_to_wait():
    """Asked for at rest, and within a rollout; the number 1 is that of nothing that was passed."""
    within, nothing = {"passed": 4, "at_once": True}, {"type": "measure", "sequence": 1}
    driver = GoingBack([EVERYTHING, step(), {"passed": 3}, step(), nothing, step("phase"), within])
    found = measured_numbers(driver)
    assert found[:2] == numbers(driver)[3:5] and sorted(found) == numbers(driver), "each once"
    kinds = [(header["kind"], header["update"]) for header, _ in driver.frames]
    assert kinds.index((Kind.PASSING, 1)) < kinds.index((Kind.SNAPSHOT, 2)), "before the next step"


@pytest.mark.parametrize(("limit", "value"), [("MOST", 3), ("ROOM", 20_000), ("ROOM", 0)])
def test_what_there_is_no_room_for_is_measured_on_the_way(monkeypatch, limit, value):
    whole = Driver([EVERYTHING, step(), step()])
    monkeypatch.setattr(later, limit, value)
    driver = Driver([EVERYTHING, step(), step()])
    assert measured(driver) == measured(whole) and driver.weights == whole.weights
    on_the_way = measured_numbers(driver)[: len(numbers(driver)) // 2]
    assert on_the_way == numbers(driver)[: len(on_the_way)], "the oldest first"
    assert driver.worker.report.looking.later.bytes == 0, "nothing is held in the end"


@pytest.mark.parametrize(("limit", "value"), [("MOST", 20), ("ROOM", 250_000)])
def test_a_step_does_not_wait_for_what_lies_two_updates_behind(monkeypatch, limit, value):
    """What there is no room for is dropped, an update at a time, and not listed any more."""
    monkeypatch.setattr(later, limit, value)
    steps = [EVERYTHING, *(step() for _ in range(5))]
    driver = Driver(steps, epochs=1, minibatches=2)
    dropped = {number for header, _ in driver.of(Kind.PASSED) for number in header["dropped"]}
    of_update = {update: {n for n, (u, *_) in announced(driver) if u == update} for update in range(1, 6)}
    gone = [update for update, them in of_update.items() if them <= dropped]
    assert gone and dropped == set().union(*(of_update[update] for update in gone)), "whole updates"
    assert gone == list(range(1, len(gone) + 1)) and len(gone) <= 3, "the oldest"
    assert set(measured_numbers(driver)) == set(numbers(driver)) - dropped, "all others are measured in the end"
    record = RunRecord("run", {})
    for header, arrays in driver.of(Kind.PASSED):
        record.add(Kind.PASSED, header, frame.encode(header, arrays))
    assert {number for _, number in record.moments()} == set(numbers(driver)) - dropped


@pytest.mark.filterwarnings("ignore:overflow")
def test_of_an_update_that_was_given_up_nothing_is_measured_any_more():
    explosive = {"env": "Pendulum-v1", "learning_rate": 1.0, "entropy_coef": 100.0}
    not_finite = step("until", until={"quantity": "not_finite", "above": None})
    updates = Driver([not_finite], **explosive).worker.trainer.updates
    driver = Driver([*[step()] * updates, step(), step("phase")], **explosive)
    (event,) = driver.events("abandoned")
    of_it = {n for n, where in announced(driver) if where[0] == event["abandoned"] and n < event["sequence"]}
    assert of_it and not of_it & set(measured_numbers(driver))


def test_of_an_update_that_was_made_anew_neither():
    redo = {"type": "redo", "settings": {"clip_range": 0.3}}
    old, new = (Driver([EVERYTHING, step(), redo, {"type": "keep", "which": which}]) for which in ("old", "new"))
    assert measured(old).keys() == set(passed(old)) and passed(new) and not measured(new)


def test_where_there_is_no_room_for_a_copy_the_training_goes_on(monkeypatch):
    def clone(*_):
        raise MemoryError("no room")

    whole = Driver([EVERYTHING, step()])
    monkeypatch.setattr(Later, "_theta", clone)
    driver = Driver([EVERYTHING, step()])
    assert driver.weights == whole.weights and not passed(driver)
    assert "no room" in driver.of(Kind.SNAPSHOT)[-1][0]["failed"]["passed"]


@pytest.mark.parametrize("kept", [True, False])
def test_at_its_end_a_run_measures_what_it_has_passed_if_somebody_will_look_at_it(kept):
    driver = Driver([EVERYTHING, step(), {"type": "stop", "kept": kept}])
    assert bool(driver.of(Kind.PASSING.value)) is kept


class PausedWithinARollout(Driver):
    """Of the fourth update, at full speed."""

    paused = False

    def receive(self, timeout):
        if timeout == 0.0 and not self.paused and self.worker.trainer.updates == 3 and self.worker.trainer.under_way:
            self.paused = True
            return {"type": "pause"}
        return super().receive(timeout)


def ends(driver):
    """By update: the last snapshot of its end, without its number and what a clock tells."""
    return {
        header["update"]: (
            {name: value for name, value in header.items() if name not in (*TIMES, "scalars")},
            {n: v for n, v in header["scalars"].items() if not n.startswith(SECONDS)},
            {name: array.tobytes() for name, array in arrays.items()},
        )
        for header, arrays in driver.of(Kind.SNAPSHOT)
        if header["phase"] == "update"
    }


@pytest.mark.parametrize(
    "settings", [{}, {"env": "Pendulum-v1", "normalize_observations": True, "shared_network": True}, {"env": "Taxi-v4"}]
)
def test_who_pauses_behind_a_rollout_sees_the_end_of_the_update_before_it_whole(monkeypatch, settings):
    monkeypatch.setitem(due.SECONDS, "snapshot", 0.0)
    monkeypatch.setattr(cost, "SHARE", 1.0)
    expected = ends(PausedWithinARollout([EVERYTHING, {"type": "play"}], **settings))[3]
    monkeypatch.setitem(due.SECONDS, "snapshot", float("inf"))
    driver = PausedWithinARollout([EVERYTHING, {"type": "play"}], **settings)
    assert 2 not in ends(driver), "it went by unseen, as the third has"
    header, scalars, arrays = ends(driver)[3]
    assert set(header["measured"]) == set(expected[0]["measured"]) | {"transitions"}, "for which there is time now"
    wider = ("arrays", "measured", "notes")
    assert all(header[name] == value for name, value in expected[0].items() if name not in wider)
    assert all(scalars[name] == value for name, value in expected[1].items())
    assert all(arrays[name] == value for name, value in expected[2].items())
    last = driver.of(Kind.SNAPSHOT)[-1][0]
    assert (last["update"], last["phase"]) == (4, "rollout")
