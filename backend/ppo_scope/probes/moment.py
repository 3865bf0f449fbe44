"""One phase of a training loop, seen through arrays: what several probes need is derived here, once.

Nothing here changes the loop, draws from its generators or leaves a gradient behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ppo_scope.ppo import losses
from ppo_scope.probes.record import Batch, Floats, Minibatch, Phase, PhaseKind, Update
from ppo_scope.probes.subject import Distribution, Subject, needed
from ppo_scope.wire.metrics import MINIBATCH_COLUMNS

MINIBATCH_PHASES = frozenset({PhaseKind.LOSS, PhaseKind.GRADIENT, PhaseKind.STEP})
RATIO_MIN, RATIO_MAX = (MINIBATCH_COLUMNS.index(name) for name in ("ratio_min", "ratio_max"))


class Moment:
    """A phase and what can be derived from it. S samples, M steps, N environments."""

    def __init__(self, subject: Subject, phase: Phase) -> None:
        self.subject = subject
        self.phase = phase
        self.environment: int | None = None
        """The environment that somebody wants to see, where not all can be shown sample by sample."""
        self._judged: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def scope(self) -> str:
        """What histograms and scalars cover: "minibatch" or "rollout"."""
        return "minibatch" if self.phase.kind in MINIBATCH_PHASES else "rollout"

    @property
    def update(self) -> Update:
        """The update under way.

        Raises:
            LookupError: none has begun.
        """
        if self.phase.update is None:
            raise LookupError("no update has begun")
        return self.phase.update

    @property
    def batch(self) -> Batch | None:
        """The rollout as samples, once its advantages are estimated."""
        return self.phase.update.batch if self.phase.update is not None else None

    @cached_property
    def trained(self) -> NDArray[np.bool_]:
        """[S] whether the row is a transition."""
        return self.update.rollout.trained.reshape(-1)

    @cached_property
    def in_minibatch(self) -> NDArray[np.bool_]:
        """[S] whether the sample belongs to the minibatch at hand; all do in scope "rollout"."""
        member = np.ones(self.trained.shape, np.bool_)
        if self.scope == "minibatch":
            member[:] = False
            member[_numpy(self.update.minibatches[-1].samples)] = True
        return member

    @cached_property
    def after(self) -> tuple[Floats, Floats, Floats, Floats] | None:
        """(log r, exact KL, entropy, V) [S] of the whole rollout under the weights as they are, at the update's end.

        None at other phases, and of a subject that cannot judge: what its minibatches saw last then stands for it.
        """
        batch = self.batch
        if self.phase.kind is not PhaseKind.UPDATE or batch is None:
            return None
        if self.subject.abilities.judge is None or self.subject.distribution is None:
            return None
        outputs, values = self.judged(batch)
        kl = torch.full_like(values, torch.nan)
        if batch.outputs is not None:
            with torch.no_grad():
                kl = self.distribution.kl(batch.outputs, outputs)
        return self.logratio_now, _numpy(kl), _numpy(self.now[1]), _numpy(values)

    @cached_property
    def now(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(log π(a|s), entropy) [S] of the whole rollout under the weights as they are.

        Raises:
            LookupError: no advantages are estimated yet.
            Lacking: the subject cannot judge, or does not tell what its outputs mean.
        """
        if self.batch is None:
            raise LookupError("there are no samples yet")
        outputs, _ = self.judged(self.batch)
        with torch.no_grad():
            return self.distribution.evaluate(outputs, self.batch.actions)

    @cached_property
    def logratio_now(self) -> Floats:
        """[S] log r under the weights as they are; raises as `now`."""
        log_probs, _ = self.now
        assert self.batch is not None
        return _numpy(log_probs - self.batch.log_probs)

    @cached_property
    def ratio_now(self) -> Floats:
        """[S] r under the weights as they are, as the loss takes it; raises as `now`."""
        return losses.ratio_in_numpy(self.logratio_now)

    def judged(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """(policy outputs [S, O], V [S]) of the whole rollout under the weights as they are; computed once.

        Raises:
            Lacking: the subject cannot judge.
        """
        if self._judged is None:
            self._judged = needed(self.subject.abilities.judge, "judge")(batch)
        return self._judged

    @property
    def distribution(self) -> Distribution:
        """What the policy's outputs mean.

        Raises:
            Lacking: the subject does not tell.
        """
        return needed(self.subject.distribution, "distribution")

    @cached_property
    def logratio(self) -> Floats:
        """[S] log r, as last computed in this update: 0 for samples that no minibatch has seen yet."""
        if self.after is not None:
            return self.after[0]
        latest = np.zeros(self.trained.shape, np.float32)
        for minibatch in self._recent:
            latest[_numpy(minibatch.samples)] = _numpy(minibatch.logratio)
        return latest

    @cached_property
    def ratio(self) -> Floats:
        """[S] r, as the loss takes it."""
        if self.after is not None:
            return self.ratio_now
        latest, recent = np.ones(self.trained.shape, np.float32), self._recent
        first = len(self.update.minibatches) - len(recent)
        for minibatch, ratio in zip(recent, self._minibatch_ratios[first:], strict=True):
            latest[_numpy(minibatch.samples)] = ratio
        return latest

    @cached_property
    def _minibatch_ratios(self) -> Floats:
        """[J, B] r of each minibatch of this update so far."""
        logratios = [_numpy(minibatch.logratio) for minibatch in self.update.minibatches]
        return losses.ratio_in_numpy(np.stack(logratios)) if logratios else np.empty((0, 0), np.float32)

    def values(self, batch: Batch) -> Floats:
        """[S] V, as last computed in this update: V_old for samples that no minibatch has seen yet."""
        if self.after is not None:
            return self.after[3]
        latest: Floats = _numpy(batch.values).copy()
        for minibatch in self._recent:
            latest[_numpy(minibatch.samples)] = _numpy(minibatch.values)
        return latest

    @cached_property
    def advantages_used(self) -> Floats:
        """[S] Â as last used in the loss; NaN for samples that no minibatch has seen yet."""
        used = np.full(self.trained.shape, np.nan, np.float32)
        for minibatch in self._recent:
            used[_numpy(minibatch.samples)] = _numpy(minibatch.advantages)
        return used

    @cached_property
    def regions(self) -> NDArray[np.uint8]:
        """[S] region codes (`losses.Region`)."""
        return self.regions_of(self.ratio, self.advantages_used)

    def regions_of(self, ratio: Floats, used: Floats) -> NDArray[np.uint8]:
        """[S] region codes of these ratios and of Â as used [S], NaN where not known."""
        settings = self.update.settings
        codes = losses.regions(ratio, used, self.trained, settings.clip_range, settings.objective)
        codes[clipped(ratio, settings.clip_range) & np.isnan(used) & self.trained] = losses.Region.UNKNOWN
        return codes

    @property
    def _recent(self) -> Sequence[Minibatch]:
        """The minibatches that saw each sample last: this epoch's, after those of the epoch before."""
        return self.update.minibatches[-2 * self.update.settings.minibatches :]

    @cached_property
    def minibatch_rows(self) -> NDArray[np.float64]:
        """[J, C] of `MINIBATCH_COLUMNS`, one row per minibatch of this update so far."""
        if not self.update.minibatches or self.batch is None:
            return np.empty((0, len(MINIBATCH_COLUMNS)))
        return _minibatch_rows(self.update, self._minibatch_ratios, self.batch, self.subject.distribution)

    def aggregated(self) -> dict[str, float]:
        """Metrics of the minibatches that the phase covers: the one at hand, the epoch's, or the update's."""
        rows = self.minibatch_rows
        if self.scope == "minibatch":
            rows = rows[-1:]
        elif self.phase.kind is PhaseKind.EPOCH:
            rows = rows[[minibatch.epoch == self.phase.epoch for minibatch in self.update.minibatches]]
        if not len(rows):
            return {}
        # NaN where there is none: no gradient where target_kl stopped the update, nothing at all of autoreset rows.
        known = ~np.isnan(rows)
        counts = known.sum(0)
        means = np.where(known, rows, 0.0).sum(0) / np.where(counts > 0, counts, np.nan)
        values: dict[str, float] = dict(zip(MINIBATCH_COLUMNS, means.tolist(), strict=True))
        if counts[RATIO_MIN]:
            values["ratio_min"] = float(rows[known[:, RATIO_MIN], RATIO_MIN].min())
        if counts[RATIO_MAX]:
            values["ratio_max"] = float(rows[known[:, RATIO_MAX], RATIO_MAX].max())
        return values


def clipped(ratio: Floats, clip_range: float) -> NDArray[np.bool_]:
    """Where |r − 1| > ε, by the very comparisons of `losses.regions`."""
    above, below = losses.beyond(ratio, clip_range)
    outside: NDArray[np.bool_] = above | below
    return outside


def _numpy(tensor: torch.Tensor) -> NDArray[Any]:
    return tensor.detach().cpu().numpy()


def _minibatch_rows(
    update: Update, ratio: Floats, batch: Batch, distribution: Distribution | None
) -> NDArray[np.float64]:
    """All minibatches at once: J rows of B samples each. In NumPy, which is quicker than torch at these sizes."""
    minibatches, settings = update.minibatches, update.settings
    logratio = np.stack([_numpy(m.logratio) for m in minibatches])
    trained = np.stack([_numpy(m.trained) for m in minibatches])
    advantages = np.stack([_numpy(m.advantages) for m in minibatches])
    # As the loss takes it, and in double precision, which holds the squares of the largest too.
    logratio = np.minimum(logratio, np.float32(losses.LARGEST_LOGRATIO))
    counts = trained.sum(1)
    divisors = np.where(counts > 0, counts, np.nan)  # of no sample there is no mean
    codes = losses.regions(ratio, advantages, trained, settings.clip_range, settings.objective)
    _, value_weight, entropy_weight = losses.term_weights(settings.value_coef, settings.entropy_coef)

    def mean(values: NDArray[Any]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.where(trained, values, 0).sum(1, dtype=np.float64) / divisors
        return found

    terms = _minibatch_scalars(minibatches, counts > 0)
    low, q05, q95, high = _quantiles(ratio, trained, (0.0, 0.05, 0.95, 1.0))
    ratio_mean = mean(ratio)
    columns = {
        "loss": terms["loss"],
        "policy_loss": terms["policy_loss"],
        "value_loss": terms["value_loss"],
        "entropy": terms["entropy"],
        "value_term": value_weight * terms["value_loss"],
        "entropy_term": entropy_weight * terms["entropy"],
        "kl_k1": mean(-logratio),
        "kl_k3": mean(np.expm1(logratio) - logratio),
        "kl_exact": mean(_exact_kl(minibatches, batch, distribution)),
        "clip_fraction": mean(clipped(ratio, settings.clip_range)),
        "held_fraction": mean(codes == losses.Region.HELD),
        "pulled_back_fraction": mean(codes == losses.Region.PULLED_BACK),
        "ratio_min": low,
        "ratio_max": high,
        "ratio_mean": ratio_mean,
        "ratio_q05": q05,
        "ratio_q95": q95,
        "effective_sample_size": _quotient(ratio_mean**2, mean(np.square(ratio, dtype=np.float64))),
        "gradient_norm": terms["gradient_norm"],
        "gradient_clip_factor": np.minimum(1.0, (settings.max_grad_norm or np.inf) / (terms["gradient_norm"] + 1e-6)),
    }
    return np.stack([columns[name] for name in MINIBATCH_COLUMNS], axis=1)


def _quotient(over: NDArray[np.float64], under: NDArray[np.float64]) -> NDArray[np.float64]:
    """NaN where there is nothing to divide by: no sample, or ratios that are all 0 in single precision."""
    return np.divide(over, under, out=np.full_like(over, np.nan), where=under > 0)


def _minibatch_scalars(
    minibatches: Sequence[Minibatch], populated: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """The terms of the loss and the norm of its gradient, [J] each; NaN where a minibatch has no gradient."""
    names = ("loss", "policy_loss", "value_loss", "entropy", "gradient_norm")
    values = [v for m in minibatches for v in (m.loss, m.policy_loss, m.value_loss, m.entropy, m.gradient_norm)]
    missing = torch.tensor(torch.nan, device=minibatches[0].loss.device)
    stacked = torch.stack([missing if value is None else value.detach() for value in values])
    columns = _numpy(stacked).astype(np.float64).reshape(-1, len(names))
    columns[~populated] = np.nan  # of no sample there is no mean
    return dict(zip(names, columns.T, strict=True))


def _exact_kl(minibatches: Sequence[Minibatch], batch: Batch, distribution: Distribution | None) -> Floats:
    """[J, B]; NaN where the policies' outputs are not known."""
    shape = len(minibatches), len(minibatches[0].samples)
    now = [m.outputs for m in minibatches if m.outputs is not None]
    if distribution is None or batch.outputs is None or len(now) < len(minibatches):
        return np.full(shape, np.nan, np.float32)
    samples = torch.cat([m.samples for m in minibatches])
    return _numpy(distribution.kl(batch.outputs.index_select(0, samples), torch.cat(now))).reshape(shape)


def _quantiles(values: Floats, kept: NDArray[np.bool_], shares: tuple[float, ...]) -> list[NDArray[np.float64]]:
    """Quantiles of each row's kept values, between neighbours in proportion; NaN where none is kept."""
    ordered = np.sort(np.where(kept, values, np.inf), axis=1).astype(np.float64)
    counts = kept.sum(1)
    found = []
    for share in shares:
        place = share * np.maximum(counts - 1, 0)
        left = np.floor(place).astype(np.int64)
        right = np.minimum(left + 1, np.maximum(counts - 1, 0))
        low, high = (np.take_along_axis(ordered, index[:, None], 1)[:, 0] for index in (left, right))
        with np.errstate(invalid="ignore"):  # both may be infinite
            between = np.where(low == high, low, low + (place - left) * (high - low))
        found.append(np.where(counts > 0, between, np.nan))
    return found
