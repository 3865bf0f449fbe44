"""One phase of the trainer, seen through arrays: what several probes need is derived here, once.

Nothing here changes the trainer, draws from its generators or leaves a gradient behind.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ppo_scope.ppo import losses
from ppo_scope.ppo.phases import Batch, Minibatch, Phase, PhaseKind, Update
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.metrics import MINIBATCH_COLUMNS

Floats = NDArray[np.float32]
UNKNOWN_REGION = 255
"""Outside of 1 ± ε, but the update ended before the sample's advantage was used."""

MINIBATCH_PHASES = frozenset({PhaseKind.LOSS, PhaseKind.GRADIENT, PhaseKind.STEP})
RATIO_MIN, RATIO_MAX = (MINIBATCH_COLUMNS.index(name) for name in ("ratio_min", "ratio_max"))


class Moment:
    """A phase and what can be derived from it. S samples, M steps, N environments."""

    def __init__(self, trainer: Trainer, phase: Phase) -> None:
        self.trainer = trainer
        self.phase = phase

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
        """(log r, exact KL, entropy, V) [S] of the whole rollout under the weights as they are, at the update's end."""
        batch = self.batch
        if self.phase.kind is not PhaseKind.UPDATE or batch is None:
            return None
        with torch.no_grad():
            outputs, values = self.trainer.network(batch.observations)
            log_probs, entropies = self.trainer.distribution.evaluate(outputs, batch.actions)
            kl = self.trainer.distribution.kl(batch.outputs, outputs)
        logratio = log_probs - batch.log_probs
        return _numpy(logratio), _numpy(kl), _numpy(entropies), _numpy(values)

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
    def advantages_used(self) -> Floats:
        """[S] Â as last used in the loss; NaN for samples that no minibatch has seen yet."""
        used = np.full(self.trained.shape, np.nan, np.float32)
        for minibatch in self._recent:
            used[_numpy(minibatch.samples)] = _numpy(minibatch.advantages)
        return used

    @cached_property
    def regions(self) -> NDArray[np.uint8]:
        """[S] region codes (`losses.Region`, or `UNKNOWN_REGION`)."""
        ratio = torch.from_numpy(np.exp(self.logratio))
        used = torch.from_numpy(self.advantages_used)
        clip_range = self.update.settings.clip_range
        codes = losses.regions(ratio, used, torch.from_numpy(self.trained), clip_range)
        codes[((ratio - 1.0).abs() > clip_range) & used.isnan() & torch.from_numpy(self.trained)] = UNKNOWN_REGION
        return codes.numpy()

    @property
    def _recent(self) -> list[Minibatch]:
        """The minibatches that saw each sample last: this epoch's, after those of the epoch before."""
        return self.update.minibatches[-2 * self.update.settings.minibatches :]

    @cached_property
    def minibatch_rows(self) -> NDArray[np.float64]:
        """[J, C] of `MINIBATCH_COLUMNS`, one row per minibatch of this update so far."""
        if not self.update.minibatches or self.batch is None:
            return np.empty((0, len(MINIBATCH_COLUMNS)))
        return _minibatch_rows(self.update, self.batch, self.trainer)

    def aggregated(self) -> dict[str, float]:
        """Metrics of the minibatches that the phase covers: the one at hand, the epoch's, or the update's."""
        rows = self.minibatch_rows
        if self.scope == "minibatch":
            rows = rows[-1:]
        elif self.phase.kind is PhaseKind.EPOCH:
            rows = rows[[minibatch.epoch == self.phase.epoch for minibatch in self.update.minibatches]]
        if not len(rows):
            return {}
        # Where target_kl stops an update, its last minibatch has no gradient: the mean is over those that have.
        known = ~np.isnan(rows)
        with np.errstate(invalid="ignore"):
            means = np.where(known, rows, 0.0).sum(0) / known.sum(0)
        values: dict[str, float] = dict(zip(MINIBATCH_COLUMNS, means.tolist(), strict=True))
        values["ratio_min"] = float(rows[:, RATIO_MIN].min())
        values["ratio_max"] = float(rows[:, RATIO_MAX].max())
        return values


def _numpy(tensor: torch.Tensor) -> NDArray[Any]:
    return tensor.detach().cpu().numpy()


def _minibatch_rows(update: Update, batch: Batch, trainer: Trainer) -> NDArray[np.float64]:
    """All minibatches at once: J rows of B samples each, means weighted by w (`losses.mean_weights`)."""
    minibatches, settings = update.minibatches, update.settings
    with torch.no_grad():
        logratio = torch.stack([m.logratio for m in minibatches])
        advantages = torch.stack([m.advantages for m in minibatches])
        trained = torch.stack([m.trained for m in minibatches])
        samples = torch.stack([m.samples for m in minibatches])
        kl = trainer.distribution.kl(batch.outputs[samples], torch.stack([m.outputs for m in minibatches]))
        weights = losses.mean_weights(trained)
        ratio = logratio.exp()
        codes = losses.regions(ratio, advantages, trained, settings.clip_range)
        means = torch.stack(
            [
                -logratio,
                logratio.expm1() - logratio,
                kl,
                ((ratio - 1.0).abs() > settings.clip_range).float(),
                (codes == losses.Region.HELD).float(),
                (codes == losses.Region.PULLED_BACK).float(),
                ratio,
                ratio.square(),
            ]
        )
        means = (means * weights).sum(-1)
        missing = logratio.new_tensor(torch.nan)
        terms = torch.stack(
            [
                term
                for m in minibatches
                for term in (
                    m.loss.detach(),
                    m.policy_loss,
                    m.value_loss,
                    m.entropy,
                    missing if m.gradient_norm is None else m.gradient_norm,
                )
            ]
        ).view(len(minibatches), 5)
        known = ratio.masked_fill(~trained, torch.nan)
        quantiles = torch.nanquantile(known, torch.tensor([0.0, 0.05, 0.95, 1.0], device=known.device), dim=-1)
    k1, k3, exact, clipped, held, pulled, mean, square = _numpy(means).astype(np.float64)
    loss, policy_loss, value_loss, entropy, norm = _numpy(terms).astype(np.float64).T
    low, q05, q95, high = _numpy(quantiles).astype(np.float64)
    factor = np.minimum(1.0, (settings.max_grad_norm or np.inf) / (norm + 1e-6))
    columns = {
        "loss": loss,
        "policy_loss": policy_loss,
        "value_loss": value_loss,
        "entropy": entropy,
        "value_term": settings.value_coef * value_loss,
        "entropy_term": -settings.entropy_coef * entropy,
        "kl_k1": k1,
        "kl_k3": k3,
        "kl_exact": exact,
        "clip_fraction": clipped,
        "held_fraction": held,
        "pulled_back_fraction": pulled,
        "ratio_min": low,
        "ratio_max": high,
        "ratio_mean": mean,
        "ratio_q05": q05,
        "ratio_q95": q95,
        "effective_sample_size": mean**2 / square,
        "gradient_norm": norm,
        "gradient_clip_factor": factor,
    }
    return np.stack([columns[name] for name in MINIBATCH_COLUMNS], axis=1)
