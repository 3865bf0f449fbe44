"""What a `Scope` refuses leaves no trace, and costs no update its row or its number."""

import numpy as np
import pytest
import torch

from ppo_scope.attach import report
from ppo_scope.attach.own_loop.passing import Passed
from ppo_scope.probes.record import PhaseKind
from ppo_scope.wire.codes import Kind
from ppo_scope.wire.metrics import EPISODE_COLUMNS, SERIES_COLUMNS
from ppo_scope.worker.outlet import Outlet
from ppo_scope.worker.rows import Rows
from tests.attach.elsewhere import beside
from tests.attach.test_scope import noting_updates, rollout, small_scope

TWO = {"samples": torch.tensor([0, 1]), "log_prob": torch.zeros(2), "advantages": torch.tensor([1.0, -1.0])}
NONE = np.zeros((0, len(EPISODE_COLUMNS)))


@pytest.mark.parametrize("wrong", [8, -1])
def test_samples_beyond_the_rollout_are_refused_where_they_are_told_in_every_update(wrong):
    scope = small_scope()
    for _ in range(3):
        rollout(scope)
        scope.minibatch(**TWO)
        for lacking in (TWO, {**TWO, "samples": TWO["samples"].numpy()}):
            with pytest.raises(ValueError, match=f"samples holds {wrong}, and the rollout has samples 0 to 7"):
                scope.minibatch(**{**lacking, "samples": lacking["samples"] * 0 + wrong})
        scope.minibatch(**TWO)
        assert scope.update() and len(scope._update.minibatches) == 2
    scope.close()


def tell(scope, place, samples):
    """Samples that are others lie on a device, as it were: nobody looks at them before the update's end."""
    scope.minibatch(**TWO, loss=place)
    if samples is None:
        return
    one = scope._update.passed.pop()
    scope._update.passed.append(Passed(one.epoch, torch.tensor(samples), one.columns, one.valued, one.spread))


@pytest.mark.parametrize("looked", [False, True])
@pytest.mark.parametrize("yes", [False, True])
def test_of_an_update_with_samples_beyond_the_rollout_the_row_is_told_with_what_was_whole(yes, looked, monkeypatch):
    rows = {}
    monkeypatch.setattr(report.Rows, "note", lambda _, update, row, ended: rows.__setitem__(update, row))
    with beside(monkeypatch, yes):
        scope = small_scope(max_grad_norm=0.5)
        for update in (1, 2, 3, 4):
            rollout(scope)
            for place in range(3):
                tell(scope, place, [0, 99] if update == 3 and place == 1 else None)
                if looked:
                    scope.watcher.next_look = 0.0
                scope.gradient(1.0 + place)
            if update == 3:
                with pytest.raises(ValueError, match="samples holds 99, and the rollout has samples 0 to 7"):
                    scope.update()
                assert {place: float(norm) for place, norm in scope._update.gradient_norms.items()} == {0: 1, 1: 3}
                assert [told["loss"] for told in scope._losses_told] == [0, 2]
            assert scope.update() and len(scope._update.minibatches) == 3 - (update == 3)
        scope.close()
        assert list(rows) == [1, 2, 3, 4]
    told = {update: dict(zip(SERIES_COLUMNS, row, strict=True)) for update, row in rows.items()}
    assert all(row["policy_loss"] == 0 and row["gradient_norm"] == 2 for row in told.values())


def test_where_the_policy_cannot_be_judged_at_an_update_s_end_its_row_is_told_all_the_same(capfd):
    scope = small_scope(policy="discrete", judge=lambda seen: (np.zeros((len(seen), 3)), np.zeros((len(seen), 1))))
    ended = noting_updates(scope)
    for _ in (1, 2):
        rollout(scope, observations=np.zeros((4, 2, 3)), outputs=np.zeros((4, 2, 3)))
        scope.minibatch(**TWO)
        assert scope.update()
    assert capfd.readouterr().err.count("judge= has failed") == 1
    assert ended == [(1, 1), (2, 1)] and not scope.watcher.off
    scope.close()


def test_rows_are_sent_under_their_own_numbers_where_one_is_lost():
    sent = []
    rows = Rows(Outlet(lambda _: None, "run"), lambda *_: None)
    rows._outlet.send = lambda kind, arrays, **header: sent.append((kind, header["first"], arrays["rows"][:, 0]))
    for update in (1, 2, 4, 5):
        rows.note(update, np.full(len(SERIES_COLUMNS), update), [])
    rows.flush()
    rows.again(1)
    told = [(kind, first, found.tolist()) for kind, first, found in sent]
    assert told[:2] == [(Kind.SERIES, 1, [1, 2]), (Kind.SERIES, 4, [4, 5])]
    _, first, found = sent[2]
    assert first == 1 and np.array_equal(found, [1, 2, np.nan, 4, 5], equal_nan=True)


def test_a_minibatch_after_the_update_s_end_is_refused_and_what_follows_it_changes_nothing():
    """A loop that calls `update` after each epoch would have its first epoch shown alone, where r has hardly moved."""
    scope = small_scope()
    ended = noting_updates(scope)
    for update in (1, 2, 3):
        rollout(scope)
        scope.minibatch(**TWO, gradient_norm=2.0)
        scope.update()
        with pytest.raises(
            ValueError, match=r"minibatch\(\) after scope.update\(\): update\(\) is called once, when all"
        ):
            scope.minibatch(**TWO)
        scope.gradient(3.0)
        scope.step()
        assert scope.update()
        assert float(scope._update.gradient_norms[0]) == 2.0 and len(scope._update.minibatches) == 1
        assert ended == [(number, 1) for number in range(1, update + 1)]
    scope.close()


REFUSED = [
    {"loss": torch.ones(3)},
    {"value_loss": "much"},
    {"gradient_norm": [1.0, 2.0]},
    {"epoch": 0},
    {"values": torch.ones(2, 1)},
    {"samples": [0, 8]},
    {"entropy": object()},
    {"log_prob": torch.zeros(3)},
]


@pytest.mark.parametrize("wrong", REFUSED)
def test_a_minibatch_that_is_refused_and_told_again_counts_once(wrong):
    scope = small_scope()
    phases = []
    for update in (1, 2):
        rollout(scope)
        for place in range(4):
            right = {**TWO, "samples": torch.tensor([2 * place, 2 * place + 1]), "values": torch.zeros(2)}
            right |= {"entropy": torch.ones(2), "loss": 0.5, "gradient_norm": 1.0 + place}
            before = [*phases]
            scope.watcher.next_look = 0.0
            scope.watcher.reached = lambda phase: phases.append((phase.kind, phase.epoch, phase.minibatch))
            with pytest.raises(ValueError, match=r"wanted|cannot be taken|beyond|rollout has samples|counted"):
                scope.minibatch(**{**right, **wrong})
            assert phases == before
            scope.minibatch(**right)
        assert scope.update()
        made, norms = scope._update.minibatches, scope._update.gradient_norms
        assert [one.samples.tolist() for one in made] == [[0, 1], [2, 3], [4, 5], [6, 7]]
        assert [one.epoch for one in made] == [1] * 4 and len(scope._losses_told) == 4
        assert [float(norm) for norm in norms.values()] == [1, 2, 3, 4]
        assert scope._facts.minibatches == 4 and scope._facts.epochs == 1
        assert phases.count((PhaseKind.STEP, 1, 4)) == update
    scope.close()


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        ({"values": np.zeros((4, 2, 1))}, "values has the shape"),
        ({"actions": np.full((4, 2), 7)}, "actions holds 7"),
    ],
)
def test_a_rollout_that_is_refused_and_told_again_counts_once(refused, why):
    def judge(seen):
        return np.zeros((len(seen), 3)), np.zeros(len(seen))

    scope = small_scope(policy="discrete", judge=judge)
    given = {"observations": np.zeros((4, 2, 3)), "dones": np.ones((4, 2), bool), "rewards": np.ones((4, 2))}
    with pytest.raises(ValueError, match=why):
        rollout(scope, **{**given, **refused}, clip_range=0.5, learning_rate=0.1)
    assert scope.distribution is None
    rollout(scope, **given)
    assert (scope.steps, len(scope.episodes), scope._update.index) == (8, 8, 1)
    assert (scope._facts.clip_range, scope._facts.learning_rate) == (0.2, None)
    assert scope.distribution is not None
    scope.update()
    scope.close()
