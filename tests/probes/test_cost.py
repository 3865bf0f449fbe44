"""Expensive probes: rationed at full speed, measured at every stop, their cost told."""

import pytest

from ppo_scope.pictures.looks import Looks
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.cost import EXPENSIVE, ONLY_AT_REST, SHARE, TIMED, Budget
from ppo_scope.probes.probes import PROBES, measure
from ppo_scope.wire import frame
from ppo_scope.worker.due import SECONDS
from ppo_scope.worker.reporter import Attention, Reporter
from tests.moments import moment_at

WATCHED = frozenset({"gradients", "direction", "ratio", "transitions"})


class Clock:
    """Stands still until it is moved."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def look(budget, clock, name, seconds):
    with budget.spending(name):
        clock.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def trainer():
    trainer = Trainer(Settings.parse({"num_envs": 4, "rollout_steps": 16}))
    yield trainer
    trainer.close()


def test_what_has_cost_nothing_yet_is_affordable_and_single_samples_never_are(clock):
    assert Budget(clock).affordable(WATCHED) == {"gradients", "direction", "ratio"}


def test_a_probe_waits_until_its_look_is_two_percent_of_the_time(clock):
    budget = Budget(clock)
    look(budget, clock, "gradients", 0.010)
    clock.now += 0.489
    assert budget.affordable(WATCHED) == {"direction", "ratio"}
    clock.now += 0.002
    assert budget.affordable(WATCHED) == {"direction", "gradients", "ratio"}
    look(budget, clock, "gradients", 0.010)
    assert budget.costs == {"gradients": pytest.approx(0.010)}
    assert budget.shares == {"gradients": pytest.approx(0.010 / 0.501)}
    assert budget.shares["gradients"] <= SHARE


def test_a_look_that_was_dearer_makes_the_next_one_wait_longer(clock):
    budget = Budget(clock)
    spent, start = 0.0, clock.now
    for index in range(1000):
        clock.now += 0.004  # the run goes on
        if "direction" in budget.affordable(WATCHED):
            seconds = 0.010 if index % 3 else 0.030
            look(budget, clock, "direction", seconds)
            spent += seconds
    last = budget.costs["direction"]
    assert 0.7 * SHARE < (spent - last) / (clock.now - start) <= SHARE * 1.05


def test_what_is_only_timed_is_never_put_off(clock):
    budget = Budget(clock)
    for _ in range(3):
        look(budget, clock, "policy", 0.010)
        clock.now += 0.010
    assert budget.affordable(WATCHED | {"policy", "post_step"}) >= {"policy", "post_step"}
    assert budget.costs == {"policy": pytest.approx(0.010)}
    assert budget.shares == {"policy": pytest.approx(0.5)}


def test_cheap_probes_are_not_timed(clock):
    budget = Budget(clock)
    look(budget, clock, "ratio", 1.0)
    assert budget.costs == budget.shares == {}


def test_only_what_was_looked_at_has_a_cost(trainer):
    budget, moment = Budget(), None
    for phase in trainer.phases():
        moment = moment_at(trainer, phase)
        if phase.kind is PhaseKind.STEP:
            break
    found = measure(moment, frozenset({"gradients", "ratio"}), budget)
    assert budget.costs.keys() == {"gradients"} and 0 < budget.costs["gradients"] < 10
    assert "gradient_norms" in found.arrays and "direction_at" not in found.arrays


def test_every_stop_is_measured_and_passing_by_is_not(trainer):
    sent = []
    reporter = Reporter(lambda message: sent.append(frame.decode(message)), "a run")
    reporter.begin(trainer, Looks(trainer))
    reporter.looking.watch(frozenset(PROBES))
    attention = Attention.SHOWN
    for phase in trainer.phases():
        reporter.passed(moment_at(trainer, phase), attention)
        if phase.kind is PhaseKind.STEP:
            if attention is Attention.PASSING:
                break
            attention = Attention.PASSING if phase.minibatch == 2 else Attention.SHOWN
    reporter.end()
    snapshots = [(header, arrays) for header, arrays in sent if header["kind"] in ("snapshot", "passing")]
    for header, arrays in snapshots:
        stopped, kind = header["kind"] == "snapshot", header["phase"]
        assert ("gradient_norms" in arrays) == (stopped and kind in ("loss", "gradient", "step")), kind
        assert ("direction_losses" in arrays) == (stopped and kind == "step"), kind
    costs = [header["costs"] for header, _ in snapshots]
    assert costs[-1].keys() == TIMED and all(seconds > 0 for seconds in costs[-1].values())
    assert snapshots[-1][0]["shares"].keys() <= TIMED


def test_at_full_speed_most_snapshots_go_without(trainer, monkeypatch):
    """With looks that seem to cost a second each there is one, and then none for forty-nine."""
    sent = []
    reporter = Reporter(lambda message: sent.append(frame.decode(message)), "a run")
    reporter.begin(trainer, Looks(trainer))
    clock = Clock()
    reporter.looking.budget = Budget(clock)
    for name in EXPENSIVE:
        monkeypatch.setitem(PROBES, name, lambda moment, of=PROBES[name]: slow(clock, of(moment)))
    monkeypatch.setattr("ppo_scope.worker.due.SECONDS", {**SECONDS, "snapshot": 0.0})
    reporter.looking.watch(WATCHED)
    for phase in trainer.phases():
        reporter.passed(moment_at(trainer, phase), Attention.GLANCE)
        clock.now += 1.0 if phase.kind is PhaseKind.UPDATE else 0.0
        if phase.kind is PhaseKind.UPDATE and phase.update.index == 51:
            break
    reporter.end()
    snapshots = [(header["update"], arrays) for header, arrays in sent if header["kind"] == "snapshot"]
    assert [update for update, _ in snapshots] == list(range(1, 52))
    for name, again in (("direction_losses", 49), ("gradient_norms", 50)):  # one after the other
        assert [update for update, arrays in snapshots if name in arrays] == [1, again], name
    assert not ONLY_AT_REST & {name for _, arrays in snapshots for name in arrays}


def slow(clock, measurement):
    clock.now += 1.0
    return measurement
