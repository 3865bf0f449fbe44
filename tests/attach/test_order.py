"""A minibatch that names other samples than those whose numbers it tells is refused, where the numbers prove it."""

import numpy as np
import pytest

import ppo_scope
from ppo_scope.attach.own_loop.order import Of, in_order
from tests.attach.elsewhere import set_nowhere

M, N, B = 24, 4, 32
TRAINED = np.ones((M, N), np.bool_)


def a_rollout(seed=0, *, log_probs=None):
    drawn = np.random.default_rng(seed)
    made = drawn.normal(size=(2, M, N)).astype(np.float32)
    return {"log_probs": made[0] - 3 if log_probs is None else log_probs, "advantages": 5 * made[1] + 2}


def by_environment(table):
    return table.swapaxes(0, 1).reshape(-1)


def normalised(found):
    return (found - found.mean()) / (found.std() + 1e-8)


def numbers_of(table, index, flat=np.ravel):
    """What a loop whose arrays are flattened in this way has of a minibatch; rounding as of another batch's size."""
    return flat(table["log_probs"])[index] * np.float32(1 + 3e-7), normalised(flat(table["advantages"])[index])


def told_to_a_scope(scope, table, samples, log_prob, advantages, **more):
    zeros = np.zeros((M, N), np.float32)
    scope.rollout(actions=zeros, rewards=zeros, values=zeros, **table)
    scope.minibatch(samples=samples, log_prob=log_prob, advantages=advantages, **more)


@pytest.fixture
def scope(monkeypatch):
    set_nowhere(monkeypatch)
    with ppo_scope.Scope(env="ordered", clip_range=0.2) as found:
        yield found


@pytest.mark.parametrize("updates_before", [0, 1])
def test_samples_counted_environment_by_environment_are_refused_with_what_to_pass(scope, updates_before):
    flat, index = a_rollout(), np.random.default_rng(3).permutation(M * N)[:B]
    for seed in range(updates_before):  # in which nothing told it: a policy that is uniform yet
        uniform = a_rollout(seed, log_probs=np.full((M, N), -0.7, np.float32))
        told_to_a_scope(scope, uniform, index, *numbers_of(uniform, index, by_environment))
        scope.update()
    numbers = numbers_of(flat, index, by_environment)
    with pytest.raises(
        ValueError, match=r"environment by environment, n·24 \+ t.*samples % 24\) \* 4 \+ samples // 24"
    ):
        told_to_a_scope(scope, flat, index, *numbers)
    told_to_a_scope(scope, flat, index % M * N + index // M, *numbers)  # what it says to pass is right
    told_to_a_scope(scope, flat, index, *numbers_of(flat, index))


def test_it_is_refused_at_a_padded_rollout_too():
    table, index = a_rollout(), np.arange(0, M * N, 2)
    trained = np.random.default_rng(1).random((M, N)) < 0.8
    junk = {name: np.where(trained, found, 99) for name, found in table.items()}
    log_prob, advantages = junk["log_probs"], junk["advantages"]
    used = Of(by_environment(table["log_probs"])[index], by_environment(table["advantages"])[index])
    with pytest.raises(ValueError, match="environment by environment"):
        in_order(index, used, None, Of(log_prob.ravel(), advantages.ravel()), trained)


@pytest.mark.parametrize("envs", [1, N])
def test_places_within_the_minibatch_and_of_shuffled_arrays_are_refused(envs):
    table, order = a_rollout(), np.random.default_rng(3).permutation(M * N)
    held = Of(*(table[name].ravel() for name in ("log_probs", "advantages")))
    used = Of(held.log_probs[order[:B]], normalised(held.advantages[order[:B]]))
    with pytest.raises(ValueError, match=rf"samples 0, 1, 2, …, and .* those of {order[0]}, {order[1]}, {order[2]}"):
        in_order(np.arange(B), used, None, held, TRAINED.reshape(-1, envs))


def test_a_right_order_is_known_and_looked_at_no_more(scope):
    table, index = a_rollout(), np.random.default_rng(3).permutation(M * N)[:B]
    told_to_a_scope(scope, table, index, *numbers_of(table, index))
    assert scope._ordered
    uniform = a_rollout(log_probs=np.full((M, N), -0.7, np.float32))
    held = Of(*(uniform[name].ravel() for name in ("log_probs", "advantages")))
    used = Of(held.log_probs[index], held.advantages[index])
    assert in_order(index, used, None, held, TRAINED) is False, "a uniform policy fits in every order"


@pytest.mark.parametrize("advantages", ["its own", "one for each environment"])
@pytest.mark.parametrize(
    "fault", ["log π alone", "log π of the step after", "Â alone", "log π_old", "another policy", "two samples"]
)
def test_what_the_numbers_do_not_prove_is_left_to_health(fault, advantages):
    """A loop that takes one array of several in another order has a mistake of its own, which `samples` is not."""
    table, index = a_rollout(), np.random.default_rng(3).permutation(M * N)[:B]
    if advantages != "its own":  # where log π of the step after has the same Â, as in a group of answers
        table["advantages"] = np.broadcast_to(table["advantages"][0], (M, N))
    if fault == "two samples":
        index = index[:2]
    held = Of(*(table[name].ravel() for name in ("log_probs", "advantages")))
    later = Of(held.log_probs[(index + N) % (M * N)], held.advantages[index])
    swapped, right = (Of(*numbers_of(table, index, flat)) for flat in (by_environment, np.ravel))
    used, old = {
        "log π alone": (Of(swapped.log_probs, right.advantages), None),
        "log π of the step after": (later, None),
        "Â alone": (Of(right.log_probs, swapped.advantages), None),
        "log π_old": (swapped, right.log_probs),
        "another policy": (
            Of(swapped.log_probs + np.linspace(0, 1, len(index), dtype=np.float32), swapped.advantages),
            None,
        ),
        "two samples": (swapped, None),
    }[fault]
    assert not in_order(index, used, old, held, TRAINED) or fault == "Â alone"
