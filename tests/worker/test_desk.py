"""Updates that are measured together come to what they come to one by one, to the bit."""

import math

import pytest

from ppo_scope.diagnosis import indicators
from ppo_scope.diagnosis.health import Health
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes import probes
from ppo_scope.probes.cost import Budget
from ppo_scope.probes.trainers import Facts
from ppo_scope.wire import frame
from ppo_scope.wire.metrics import SERIES_COLUMNS
from ppo_scope.worker.desk import TOGETHER, Desk, Given, State, Task, Wish
from ppo_scope.worker.notes import Layout, Slot

SMALL = {"num_envs": 2, "rollout_steps": 32, "epochs": 2, "minibatches": 2, "hidden_sizes": [8]}
CASES = {
    "the default run": {},
    "a learning rate far too large": {"learning_rate": 0.3},
    "a normal policy, V clipped, rewards scaled": {
        "env": "Pendulum-v1",
        "value_clip_range": 0.2,
        "normalize_rewards": True,
    },
    "a KL penalty and a shared network": {"objective": "kl_penalty", "kl_coef": 1.0, "shared_network": True},
}
COUNT = 2 * TOGETHER + 3
WISHED = TOGETHER + 1
"""Of this update, within a group otherwise, a snapshot is wished for."""


def noted(settings, count=COUNT):
    """(what is true of a run, its first updates as they are handed to a desk)"""
    trainer, given, layout = Trainer(Settings.parse({**SMALL, **settings})), [], None
    try:
        for phase in trainer.phases():
            if phase.kind is not PhaseKind.UPDATE:
                continue
            update, moving = phase.update, trainer.optimisation.moving()
            layout = layout or Layout.of(update, moving)
            slot = Slot(layout, memoryview(bytearray(layout.size)))
            read = slot.read(slot.write(update, moving), update.settings, update.chosen)
            wish = Wish(frozenset(probes.PROBES), None, {}) if len(given) == WISHED else None
            given.append(Given(*read, Task(trainer.steps, 0.0, phase.epoch, phase.minibatch, wish)))
            if len(given) == count:
                return Facts.of(trainer), given
    finally:
        trainer.close()


def measured(facts, groups):
    """(row, complaints, snapshot) of each, and how the run is after each group"""
    desk, told, after = Desk(facts, State(Health(), Budget()), []), [], []
    for group in groups:
        for row, complaints, looked in desk.measure(group):
            told.append((row, complaints, None if looked is None else without_times(looked.frame)))
        health = desk.state.health
        after.append(repr((health.told({}), health.values(), list(health._rows), health._spans, health._before[0])))
    return told, after


def without_times(made):
    header, arrays = frame.decode(bytes(made))
    told = {name: value for name, value in header.items() if name not in ("costs", "shares", "sequence")}
    return repr(told), {name: array.tobytes() for name, array in arrays.items()}


@pytest.mark.parametrize("case", CASES)
def test_measured_together_they_are_what_they_are_one_by_one(case):
    facts, given = noted(CASES[case])
    one_by_one, after_each = measured(facts, [[one] for one in given])
    together, after = measured(facts, [given])
    assert together == one_by_one and sum(looked is not None for *_, looked in together) == 1
    assert after == after_each[-1:]


def test_they_are_measured_in_step_up_to_a_snapshot(monkeypatch):
    facts, given = noted({})
    order = []

    def seen(what, function):
        def noting(moment, *more):
            order.append((what, moment.update.index))
            return function(moment, *more)

        return noting

    for name in ("_critic", "_observations"):
        monkeypatch.setattr(indicators, name, seen(name, getattr(indicators, name)))
    measured(facts, [given])
    groups = [range(1, TOGETHER + 1), range(TOGETHER + 1, WISHED + 2), range(WISHED + 2, WISHED + 2 + TOGETHER)]
    whole = [(name, update) for group in groups for name in ("_critic", "_observations") for update in group]
    assert order[: len(whole)] == whole


def test_what_cannot_be_measured_of_one_is_of_the_others(monkeypatch):
    facts, given = noted({}, TOGETHER)
    sound, _ = measured(facts, [given])
    critic = indicators._critic

    def fails(moment, *more):
        if moment.update.index == 2:
            raise ZeroDivisionError("of this one")
        return critic(moment, *more)

    monkeypatch.setattr(indicators, "_critic", fails)
    desk = Desk(facts, State(Health(), Budget()), [])
    answers = desk.measure(given)
    assert [answer.row for answer in answers] == [row for row, *_ in sound]
    assert [[what for what, _ in answer.complaints] for answer in answers] == [[], ["health"], [], []]
    assert [row["update"] for row in desk.state.health._rows] == [1, 3, 4]


def test_a_row_that_cannot_be_measured_is_one_of_steps(monkeypatch):
    facts, given = noted({}, TOGETHER)
    final = probes._final_scalars

    def fails(moment, batch):
        if moment.update.index == 3:
            raise ZeroDivisionError("of this one")
        return final(moment, batch)

    monkeypatch.setattr(probes, "_final_scalars", fails)
    answers = Desk(facts, State(Health(), Budget()), []).measure(given)
    assert [[what for what, _ in answer.complaints] for answer in answers] == [[], [], ["series"], []]
    rows = [dict(zip(SERIES_COLUMNS, memoryview(answer.row).cast("d"), strict=True)) for answer in answers]
    assert [math.isnan(row["loss"]) for row in rows] == [False, False, True, False]
    assert [row["steps"] for row in rows] == [one.task.steps for one in given]


def test_the_latest_can_be_made_anew_after_a_group():
    facts, given = noted({"learning_rate": 0.3}, TOGETHER)

    def amended(groups):
        health = Health()
        desk = Desk(facts, State(health, Budget()), [])
        for group in groups:
            desk.measure(group)
        health.amend(desk._moment_of(given[-1], desk._subjects[0]), {"kl_k3": 1.0})
        return repr((health._rows, health._spans, health._verdicts, vars(health._fall), vars(health._progress)))

    assert amended([given]) == amended([[one] for one in given])
