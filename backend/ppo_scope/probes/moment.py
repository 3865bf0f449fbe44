"""One phase of a training loop, seen through arrays: what several probes need is derived here, once.

Nothing here changes the loop, draws from its generators or leaves a gradient behind.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ppo_scope.ppo import losses
from ppo_scope.ppo.distributions import KLFrom, choices_in
from ppo_scope.ppo.engine import clip_edges
from ppo_scope.ppo.masks import largest_entropies
from ppo_scope.probes import minibatches
from ppo_scope.probes.measurement import variance_of
from ppo_scope.probes.minibatches import Minibatches
from ppo_scope.probes.record import Batch, Floats, Phase, PhaseKind, Update
from ppo_scope.probes.subject import Distribution, Subject, needed
from ppo_scope.wire.metrics import MINIBATCH_COLUMNS

MINIBATCH_PHASES = frozenset({PhaseKind.LOSS, PhaseKind.GRADIENT, PhaseKind.STEP})
OF_GRADIENT = [place for place, name in enumerate(MINIBATCH_COLUMNS) if name.startswith("gradient_")]
RATIO_MIN, RATIO_MAX = (MINIBATCH_COLUMNS.index(name) for name in ("ratio_min", "ratio_max"))


class Moment:
    """A phase and what can be derived from it. S samples, M steps, N environments."""

    def __init__(self, subject: Subject, phase: Phase) -> None:
        self.subject = subject
        self.phase = phase
        self.environment: int | None = None
        """The environment that somebody wants to see, where not all can be shown sample by sample."""
        self.scalars: dict[str, dict[str, float]] = {}
        """What the row of its update and its snapshot both tell, by who found it: `probes.once`."""
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
    def whole(self) -> bool:
        """Whether all rows are transitions."""
        return bool(self.trained.all())

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """[transitions], where they are among the samples."""
        return np.flatnonzero(self.trained)

    def transitions(self, found: NDArray[Any]) -> NDArray[Any]:
        """Of [S], those that are transitions; not a copy where all are."""
        return found if self.whole else found[self.trained]

    @cached_property
    def targets(self) -> NDArray[np.float64]:
        """[transitions] V_targ; raises as `now`, where there are none yet."""
        if self.batch is None:
            raise LookupError("there are no samples yet")
        return self.transitions(_numpy(self.batch.targets)).astype(np.float64)

    @cached_property
    def target_variance(self) -> tuple[float, float]:
        """(Var(V_targ), what of it may be rounding)."""
        return variance_of(self.targets), (1e-6 * float(np.abs(self.targets).max())) ** 2

    @cached_property
    def in_minibatch(self) -> NDArray[np.bool_]:
        """[S] whether the sample belongs to the minibatch at hand; all do in scope "rollout"."""
        member = np.ones(self.trained.shape, np.bool_)
        if self.scope == "minibatch":
            member[:] = False
            member[_numpy(self.update.minibatches[-1].samples)] = True
        return member

    @cached_property
    def covered(self) -> NDArray[np.bool_]:
        """[S] whether the sample is one of the transitions that the phase covers."""
        return self.in_minibatch & self.trained

    @cached_property
    def _covered_places(self) -> NDArray[np.int64]:
        """Where `covered` is true: to take by places is quicker than to look at every sample again."""
        return np.flatnonzero(self.covered)

    def covering(self, found: NDArray[Any], axis: int = 0) -> NDArray[Any]:
        """Of [S], or of that axis, the transitions that the phase covers; not a copy where those are all."""
        return found if self.whole and self.scope == "rollout" else found.take(self._covered_places, axis=axis)

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
        with torch.no_grad():
            kl = torch.full_like(values, torch.nan) if self.kl_from_old is None else self.kl_from_old(outputs)
        return self.logratio_now, _numpy(kl), _numpy(self.now[1]), _numpy(values)

    @cached_property
    def kl_from_old(self) -> KLFrom | None:
        """KL(π_old ‖ ·) of the samples; None where the old policy's outputs are not known, or what they mean."""
        before, distribution = None if self.batch is None else self.batch.outputs, self.subject.distribution
        return None if before is None or distribution is None else KLFrom(distribution, before)

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
            log_probs, entropies = self.distribution.evaluate(outputs, self.batch.actions)
        return log_probs.float(), entropies.float()  # actions may be of double precision

    @cached_property
    def logratio_now(self) -> Floats:
        """[S] log r under the weights as they are; raises as `now`."""
        log_probs, _ = self.now
        assert self.batch is not None
        logratio: Floats = _numpy(log_probs) - _numpy(self.batch.log_probs)
        return logratio

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

    @cached_property
    def finite(self) -> bool:
        """Whether the weights are, what the policy makes of the samples, and what it was trained on."""
        batch, abilities = self.batch, self.subject.abilities
        known = (
            [] if batch is None else [batch.log_probs, batch.advantages, *(one.loss for one in self.update.minibatches)]
        )
        try:
            known += [] if abilities.theta is None else [abilities.theta()]
            known += [] if batch is None or abilities.judge is None else self.judged(batch)
        except Exception:  # that it fails says nothing of what it would be
            return True
        return all(bool(one.isfinite().all()) for one in known)

    @cached_property
    def action_masks(self) -> NDArray[np.bool_] | None:
        """[S, O] which actions were allowed; None where nobody says, or the distribution is none of choices."""
        masks = None if self.batch is None else self.batch.action_masks
        return None if masks is None or choices_in(self.subject.distribution) is None else _numpy(masks)

    @cached_property
    def largest_entropies(self) -> Floats | None:
        """[S] of a policy that is wholly undecided between what is allowed; None where nothing is forbidden."""
        choices = choices_in(self.subject.distribution)
        if self.action_masks is None or choices is None:
            return None
        return largest_entropies(self.action_masks, choices)

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
        return self._latest(np.zeros(self.trained.shape, np.float32), "logratio")

    @cached_property
    def ratio(self) -> Floats:
        """[S] r, as the loss takes it."""
        if self.after is not None:
            return self.ratio_now
        return self._latest(np.ones(self.trained.shape, np.float32), "ratio")

    @cached_property
    def exact_kl(self) -> Floats:
        """[S] KL(π_old(·|s)‖π(·|s)), as last computed in this update: 0 for samples that no minibatch has seen yet.

        NaN where the policies' outputs are not known.
        """
        if self.after is not None:
            return self.after[1]
        found = np.zeros(self.trained.shape, np.float32)
        if self.seen is not None and self.batch is not None:
            kl = self.seen.exact_kl(self.kl_from_old)
            self.seen.spread(kl, found, 2 * self.update.settings.minibatches)
        return found

    def values(self, batch: Batch) -> Floats:
        """[S] V, as last computed in this update: V_old for samples that no minibatch has seen yet."""
        if self.after is not None:
            return self.after[3]
        return self._latest(_numpy(batch.values).copy(), "values")

    @cached_property
    def advantages_used(self) -> Floats:
        """[S] Â as last used in the loss; NaN for samples that no minibatch has seen yet."""
        return self._latest(np.full(self.trained.shape, np.nan, np.float32), "advantages")

    @cached_property
    def seen(self) -> Minibatches | None:
        """The minibatches of this update so far; None before the first."""
        return Minibatches(self.update.minibatches) if self.update.minibatches else None

    def _latest(self, before: Floats, what: str) -> Floats:
        """`before` [S], and over it what the minibatches that saw each sample last have of it."""
        if self.seen is not None:  # this epoch's, after those of the epoch before
            self.seen.spread(getattr(self.seen, what), before, 2 * self.update.settings.minibatches)
        return before

    @cached_property
    def regions(self) -> NDArray[np.uint8]:
        """[S] region codes (`losses.Region`)."""
        return self.regions_of(self.ratio, self.advantages_used)

    def regions_of(self, ratio: Floats, used: Floats) -> NDArray[np.uint8]:
        """[S] region codes of these ratios and of Â as used [S], NaN where not known."""
        edges = clip_edges(self.update.settings)
        codes = losses.regions(ratio, used, self.trained, edges, self.update.settings.objective)
        codes[clipped(ratio, edges) & np.isnan(used) & self.trained] = losses.Region.UNKNOWN
        return codes

    @cached_property
    def minibatch_rows(self) -> NDArray[np.float64]:
        """[J, C] of `MINIBATCH_COLUMNS`, one row per minibatch of this update so far."""
        if self.seen is None or self.batch is None:
            return np.empty((0, len(MINIBATCH_COLUMNS)))
        return minibatches.rows(self.seen, self.update.settings, self.kl_from_old)

    def aggregated(self) -> dict[str, float]:
        """Metrics of the minibatches that the phase covers: the one at hand, the epoch's, or the update's."""
        rows, each = self.minibatch_rows, self.update.minibatches
        if not len(rows) or self.seen is None:
            return {}
        # Without samples there is nothing to tell, nor of a gradient where target_kl stopped the update. What is known
        # and no number stays none in the mean: a loop that has come to NaN must not look like one of KL 0.
        known = np.repeat(self.seen.trained.any(axis=1, keepdims=True), rows.shape[1], axis=1)
        if any(unknown := [minibatch.gradient_norm is None for minibatch in each]):
            known[np.ix_(unknown, OF_GRADIENT)] = False
        if self.scope == "minibatch":
            rows, known = rows[-1:], known[-1:]
        elif self.phase.kind is PhaseKind.EPOCH:
            these = [minibatch.epoch == self.phase.epoch for minibatch in each]
            rows, known = rows[these], known[these]
        counts = known.sum(0)
        means = np.where(known, rows, 0.0).sum(0) / np.where(counts > 0, counts, np.nan)
        values: dict[str, float] = dict(zip(MINIBATCH_COLUMNS, means.tolist(), strict=True))
        if counts[RATIO_MIN]:
            values["ratio_min"] = float(rows[known[:, RATIO_MIN], RATIO_MIN].min())
        if counts[RATIO_MAX]:
            values["ratio_max"] = float(rows[known[:, RATIO_MAX], RATIO_MAX].max())
        return values


def clipped(ratio: Floats, edges: losses.Edges) -> NDArray[np.bool_]:
    """Where r is outside of the clip range, by the very comparisons of `losses.regions`."""
    above, below = losses.beyond(ratio, edges)
    outside: NDArray[np.bool_] = above | below
    return outside


def _numpy(tensor: torch.Tensor) -> NDArray[Any]:
    return tensor.detach().cpu().numpy()
