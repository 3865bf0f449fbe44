"""What a `ClipPPOLoss` is formed and weighed with, and how it is set."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ppo_scope.attach.clip_ranges import ClipRanges


class LossWeights:
    """Of one loss: ε, c₁ and c₂ are tensors that it holds."""

    def __init__(self, loss: Any) -> None:
        self._loss = loss

    def _edges(self) -> tuple[Tensor, Tensor]:
        """Where the loss has ε and ε⁺: two places, or one."""
        if hasattr(self._loss, "clip_epsilon"):
            return self._loss.clip_epsilon, self._loss.clip_epsilon
        return self._loss.clip_epsilon_low, self._loss.clip_epsilon_high

    def now(self) -> dict[str, Any]:
        """At the moment, by the names of our settings: whoever wrote the loop may have it fall."""
        loss, (low, high) = self._loss, self._edges()
        return {
            "clip_range": plain(low),
            **({} if high is low else {"clip_range_high": plain(high)}),
            "value_coef": 0.0 if loss.critic_coeff is None else plain(loss.critic_coeff),
            "entropy_coef": plain(loss.entropy_coeff) if loss.entropy_bonus else 0.0,
        }

    def changes(self) -> dict[str, Any]:
        """How each of them is set."""
        low, high = self._edges()
        if high is low:
            found: dict[str, Any] = {"clip_range": low.fill_}
        else:
            found = ClipRanges(plain(low), plain(high), lambda *both: (low.fill_(both[0]), high.fill_(both[1]))).change
        if self._loss.critic_coeff is not None:
            found["value_coef"] = self._loss.critic_coeff.fill_
        if self._loss.entropy_bonus:
            found["entropy_coef"] = self._loss.entropy_coeff.fill_
        return found


def plain(found: Any) -> float:
    """A number of single precision as it was written."""
    return float(f"{float(found):.7g}")
