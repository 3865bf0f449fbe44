"""A loop in JAX, shown by `ppo_scope.Scope`: its arrays are taken as they are, and our numbers are its own."""

import numpy as np
import pytest

import ppo_scope
from tests.attach.elsewhere import nowhere, shown_here

jax = pytest.importorskip("jax", reason="JAX is not installed: make libraries")

UPDATES = 6


def test_a_loop_in_jax_is_shown_by_its_own_numbers_and_trains_to_the_same_weights(monkeypatch):
    from tests.attach.libraries import jax_loop

    (digest, own), run, rows, first = shown_here(monkeypatch, lambda: jax_loop.main(UPDATES))
    assert digest == jax_loop.main(UPDATES, plain=True)[0]
    assert (first, len(rows["loss"]), run["environment"]) == (1, UPDATES, "CartPole-v1")
    by_update = np.reshape(own, (UPDATES, -1, 3)).mean(1)
    for place, name in enumerate(("loss", "policy_loss", "value_loss")):
        assert rows[name] == pytest.approx(by_update[:, place].tolist(), abs=1e-6, rel=1e-6)
    assert rows["first_ratio_error"][-1] < 1e-6 and rows["final_kl_exact"][-1] > 0


def test_what_has_one_axis_too_many_in_jax_is_refused_with_the_sentence():
    scope = ppo_scope.Scope(clip_range=0.2, url=nowhere())
    zeros = jax.numpy.zeros((4, 2))
    scope.rollout(actions=zeros.astype(int), rewards=zeros, log_probs=zeros, values=zeros, advantages=zeros)
    with pytest.raises(ValueError, match=r"values has the shape \(3, 1\), and \(3,\) is wanted: .* table of 3 × 3"):
        scope.minibatch(
            samples=jax.numpy.arange(3),
            log_prob=jax.numpy.zeros(3),
            advantages=jax.numpy.ones(3),
            values=jax.numpy.zeros((3, 1)),
        )
    scope.close()
