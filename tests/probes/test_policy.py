"""The policy before and now: shifts and entropies in every action space, against sums of their own."""

import numpy as np
import pytest

from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.probes.measurement import BINS
from ppo_scope.probes.probes import measure
from tests.ppo.test_spaces import ACTIONS, sampled
from tests.probes.test_transitions import BOTH, moment_of


@pytest.mark.parametrize("kind", [PhaseKind.STEP, PhaseKind.UPDATE])
@pytest.mark.parametrize("action", ACTIONS)
def test_the_shift_and_the_places_are_those_of_the_transitions(action, kind):
    moment = moment_of(sampled("box", action), kind)
    arrays = measure(moment, BOTH).arrays
    covered = (arrays["in_minibatch"] == 1) & (arrays["region"] != 0)
    moved = (arrays["policy_new"] - arrays["policy_old"])[covered].astype(np.float64).mean(0)
    assert arrays["policy_shift"] == pytest.approx(moved, abs=1e-6)
    places = arrays["policy_places"]
    assert len({tuple(place) for place in places.tolist()}) == len(places) == 8
    for (environment, step), before, now in zip(places, arrays["policy_before"], arrays["policy_now"], strict=True):
        assert np.array_equal(before, arrays["policy_old"][environment, step])
        assert np.array_equal(now, arrays["policy_new"][environment, step])


@pytest.mark.parametrize("action", ACTIONS)
def test_entropies_are_counted_over_a_range_that_holds_them(action):
    moment = moment_of(sampled("box", action), PhaseKind.UPDATE)
    found = measure(moment, BOTH)
    low, high = found.scalars["entropy_low"], found.scalars["entropy_high"]
    distribution = moment.trainer.distribution
    if distribution.max_entropy is not None:
        assert (low, high) == (0.0, pytest.approx(distribution.max_entropy, rel=1e-5))
    for row, outputs in zip(
        found.arrays["entropy_counts"], (moment.batch.outputs, moment.judged(moment.batch)[0]), strict=True
    ):
        entropies = distribution.evaluate(outputs, moment.batch.actions)[1].numpy()[moment.trained]
        expected, _ = np.histogram(entropies.clip(low, high), BINS, (low, high))
        assert np.abs(row.astype(int) - expected).sum() <= 4  # some lie on an edge
        assert row.sum() == moment.trained.sum()


def test_the_states_on_show_stay_the_same_all_through_an_update():
    places = [
        measure(moment_of("CartPole-v1", kind), BOTH).arrays["policy_places"].tolist()
        for kind in (PhaseKind.ADVANTAGES, PhaseKind.STEP, PhaseKind.UPDATE)
    ]
    assert places[0] == places[1] == places[2]


@pytest.mark.parametrize("kind", [PhaseKind.STEP, PhaseKind.UPDATE])
@pytest.mark.parametrize("action", ["discrete", "multi_discrete"])
def test_what_a_mask_forbids_is_said_and_has_no_probability_and_the_maximum_follows(action, kind):
    moment = moment_of("tests.environments.masked:Masked-v0", kind, env_kwargs={"action": action})
    found = measure(moment, BOTH)
    arrays = found.arrays
    assert found.measured == sorted(BOTH)
    told = moment.update.rollout.action_masks.swapaxes(0, 1)
    assert np.array_equal(arrays["allowed"], told)
    for name in ("policy_old", "policy_new"):
        assert (arrays[name][~told] == 0).all()
        assert np.isfinite(arrays[name]).all()
    for place, allowed in zip(arrays["policy_places"], arrays["policy_allowed"], strict=True):
        assert np.array_equal(allowed, told[tuple(place)])
    covered = (arrays["in_minibatch"] == 1) & (arrays["region"] != 0)
    counts = [4] if action == "discrete" else [2, 3, 4]
    parts = np.split(told[covered], np.cumsum(counts)[:-1], axis=-1)
    largest = sum(np.log(part.sum(-1)) for part in parts)
    assert found.scalars["entropy_high"] == pytest.approx(largest.max(), rel=1e-5)
    assert found.scalars["entropy_allowed"] == pytest.approx(largest.mean(), rel=1e-5)
