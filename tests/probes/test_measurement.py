"""Histograms in one pass, and sums in NumPy's own order: the same counts and the same bits as the plain way."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.probes import probes
from ppo_scope.probes.cost import Budget
from ppo_scope.probes.measurement import BINS, bin_of, counted, counted_by, evenly, median, variance_of
from ppo_scope.probes.minibatches import quantiles
from ppo_scope.probes.probes import measure, row_values
from tests.moments import moment_at

ALL = frozenset(probes.PROBES)
CODES = (1, 2, 3, 255)
floats = st.floats(-3.0, 3.0, width=32) | st.sampled_from([-1.0, 1.0, 0.0, -0.0, 31 / 32, -31 / 32])


@given(st.lists(st.tuples(st.sampled_from((0, *CODES)), floats), max_size=60))
def test_one_pass_counts_each_code_as_a_pass_of_its_own_would(samples):
    codes = np.array([code for code, _ in samples], np.uint8)
    values = np.array([value for _, value in samples], np.float32)
    counts, outside = counted_by(codes, CODES, values, -1.0, 1.0)
    within = (values >= -1.0) & (values <= 1.0)
    bins = bin_of(values, -1.0, 1.0)
    assert [row.tolist() for row in counts] == [counted(bins[within & (codes == code)]).tolist() for code in CODES]
    beyond = [[(values[codes == c] < -1).sum(), (values[codes == c] > 1).sum()] for c in CODES]
    assert outside.tolist() == np.array(beyond).tolist()
    assert (counts.dtype, outside.dtype) == (np.uint32, np.uint32)


@given(st.lists(st.integers(-200, 200), min_size=1, max_size=80))
def test_bins_are_those_of_numpy(places):
    values = np.array(places, np.float32) / 64  # on edges and in the middle of bins, and exactly so
    inside = values[np.abs(values) <= 1]
    assert counted(bin_of(inside, -1.0, 1.0)).tolist() == np.histogram(inside, BINS, (-1.0, 1.0))[0].tolist()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400))
def test_the_variance_is_numpys_to_the_bit(values):
    assert variance_of(np.array(values)) == np.var(np.array(values))


@given(st.lists(st.lists(floats, min_size=5, max_size=5), min_size=1, max_size=6), st.data())
def test_quantiles_of_all_rows_at_once_are_numpys(rows, data):
    values = np.array(rows, np.float32)
    counts = np.array([data.draw(st.integers(0, 5)) for _ in rows])
    kept = np.where(np.arange(5) < counts[:, None], values, np.inf).astype(np.float32)
    found = quantiles(kept, counts, (0.0, 0.05, 0.95, 1.0))
    for row, count, quantile in zip(values, counts, found, strict=True):
        if count:
            of = row[:count].astype(np.float64)
            assert quantile == pytest.approx(np.quantile(of, (0.0, 0.05, 0.95, 1.0)), abs=1e-9)
        else:
            assert np.isnan(quantile).all()


def test_the_row_of_an_update_and_its_snapshot_are_measured_once(make, monkeypatch):
    trainer = make({"num_envs": 2, "rollout_steps": 16})
    phase = next(phase for phase in trainer.phases() if phase.kind is PhaseKind.UPDATE)
    asked = []
    found = probes.ALWAYS
    counting = {name: lambda moment, name=name: asked.append(name) or found[name](moment) for name in found}
    monkeypatch.setattr(probes, "ALWAYS", counting)
    moment = moment_at(trainer, phase)
    row = row_values(moment)
    assert measure(moment, frozenset()).scalars == row
    assert sorted(asked) == sorted(found)


@pytest.mark.parametrize("unknown", [np.nan, np.inf, -np.inf])
@pytest.mark.filterwarnings("error")
def test_what_is_no_number_is_in_no_bin_and_what_is_infinite_lies_beyond(unknown):
    codes, values = np.ones(4, np.uint8), np.array([-1.0, 0.0, unknown, 0.5], np.float32)
    counts, outside = counted_by(codes, (1,), values, -1.0, 1.0)
    assert counts.sum() == 3
    assert outside.tolist() == [[unknown == -np.inf, unknown == np.inf]]


@pytest.mark.parametrize("unknown", [np.nan, np.inf])
@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_probes_of_an_update_that_is_not_finite_find_what_is_there(make, env, unknown):
    """A loop that is not ours trains on: a probe that failed would be switched off for the rest of its run."""
    trainer = make({"env": env, "num_envs": 2, "rollout_steps": 16})
    phase = next(phase for phase in trainer.phases() if phase.kind is PhaseKind.UPDATE)
    phase.update.batch.advantages[3] = unknown
    for minibatch in phase.update.minibatches:
        minibatch.logratio[0] = minibatch.advantages[0] = unknown
    trainer.optimisation.moving()["theta"][:3] = np.nan
    budget = Budget()
    moment = moment_at(trainer, phase)
    found = measure(moment, ALL, budget)
    assert budget.failed == {}
    assert found.arrays["advantage_counts"].sum() == np.count_nonzero(moment.covered) - 1


@given(st.lists(st.floats(width=32), min_size=1, max_size=40), st.sampled_from([np.float32, np.float64]))
def test_a_median_is_that_of_numpy(values, dtype):
    found = np.array(values, dtype)
    with np.errstate(all="ignore"):
        made, expected = median(found), float(np.median(found))
    assert made == expected or (math.isnan(made) and math.isnan(expected))


def test_places_that_are_kept_are_nobodys_to_write_to():
    assert evenly(10, 4).tolist() == [0, 3, 6, 9] and evenly(3, 4).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="read-only"):
        evenly(10, 4)[0] = 1
