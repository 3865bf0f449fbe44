"""Which mistake a loss gives away by its number, held against losses that torch has made with it."""

import pytest
import torch

from ppo_scope.attach.facts import facts_of
from ppo_scope.attach.record import Habits, Seen, minibatches_of
from ppo_scope.diagnosis.checks_loss import LOSS
from ppo_scope.diagnosis.judging import Found
from ppo_scope.diagnosis.mistakes import MISTAKES
from ppo_scope.diagnosis.told_loss import mistake_in, parts_of

C1, C2, EPSILON, B = 0.5, 0.01, 0.2, 64
SETTINGS = facts_of({"clip_range": EPSILON, "value_coef": C1, "entropy_coef": C2, "value_clip_range": EPSILON})


def told(mistake, *, size):
    """(a loss in single precision that was made with it, of values of about `size`, what it was made of)"""
    generator = torch.Generator().manual_seed(3)

    def drawn(width=1.0):
        return width * torch.randn(B, generator=generator)

    old, used, old_values, entropy = drawn() - 2, drawn(), drawn(size), drawn().abs()
    log_prob, values, targets = old + drawn(0.2), old_values + drawn(0.3), old_values + drawn(size)
    ratio = (log_prob - old).exp()
    if mistake == "ratio_of_itself":
        ratio = torch.ones(B)
    clip = ratio if mistake == "no_clip" else ratio.clamp(1 - EPSILON, 1 + EPSILON)
    sign = -1.0 if mistake == "policy_sign" else 1.0
    larger = torch.minimum if mistake == "least_for_most" else torch.maximum
    weighing = used[:, None] if mistake == "table_of_policy" else used
    policy = larger(-sign * weighing * ratio, -sign * weighing * clip)
    v = values[:, None] if mistake == "table_of_values" else values
    near = old_values + (v - old_values).clamp(-EPSILON, EPSILON)
    value = C1 * torch.maximum((v - targets).square(), (near - targets).square()).mean()
    policy = policy.sum() if mistake == "sum_of_policy" else policy.mean()
    policy = -policy if mistake == "policy_turned" else policy
    entropies = -C2 * entropy.mean()
    if mistake in ("entropy_sign", "no_entropy"):
        entropies = -entropies if mistake == "entropy_sign" else 0
    if mistake in ("value_sign", "no_values"):
        value = -value if mistake == "value_sign" else 0
    loss = policy + value + entropies
    seen = Seen(1, torch.arange(B).numpy(), log_prob, old, used, old_values, targets, values, entropy)
    (one,) = minibatches_of([seen], SETTINGS, B, Habits())
    return float(-loss if mistake == "whole_turned" else loss), parts_of(one, old_values, targets, SETTINGS)


@pytest.mark.parametrize("size", [1.0, 50.0])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_known_by_the_loss_that_it_makes(mistake, size):
    loss, parts = told(mistake, size=size)
    assert mistake_in(loss, parts, SETTINGS) in (mistake, None if size > 1 else mistake)


@pytest.mark.parametrize("size", [1.0, 50.0, 1e4])
def test_a_sound_loss_and_an_unknown_one_are_no_mistake(size):
    loss, parts = told(None, size=size)
    assert mistake_in(loss, parts, SETTINGS) is None
    assert mistake_in(loss + 0.0123 * size, parts, SETTINGS) is None


@pytest.mark.parametrize(
    ("learned", "mistake"), [(0.01, "ratio_of_itself"), (0.0, None)], ids=["learned", "learned nothing"]
)
def test_a_table_of_normalised_advantages_is_told_apart_from_a_ratio_of_itself_by_what_was_learned(learned, mistake):
    """Both are the mean of Â where no r is clipped, and a table has no gradient: r does not go the way of Â."""
    seen = torch.linspace(-1, 1, B)
    by_chance = 0.001 * seen.square() - 0.0001 * seen
    log_prob = learned * seen + by_chance
    one = Seen(1, torch.arange(B).numpy(), log_prob, torch.zeros(B), seen, seen, seen, seen, seen.abs())
    (made,) = minibatches_of([one], SETTINGS, B, Habits())
    told = -C2 * float(seen.abs().mean())
    assert abs(told - float(made.loss)) > 1e-5
    assert mistake_in(told, parts_of(made, seen, seen, SETTINGS), SETTINGS) == mistake


@pytest.mark.parametrize(("off", "proven", "found"), [(0.01, True, True), (0.01, False, False), (1e-4, True, False)])
def test_a_loss_that_was_ours_and_is_another_one_since_is_seen_where_it_is_but_little_off(off, proven, found):
    row = {"told_loss": 2.0 + off, "our_loss": 2.0, "losses_told": 1.0, "advantage_size": 1.0}
    rows = [{**row, "update": float(index), **({"loss_proven": 1.0} if proven else {})} for index in range(1, 4)]
    verdict = LOSS.found(rows)
    assert isinstance(verdict, Found) is found
