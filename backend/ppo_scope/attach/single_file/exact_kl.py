"""A term of a script's loss for the exact KL between π_old and its policy: of the distributions, not of their samples.

It comes to the weights by another way than log π. What comes to each of them by that way alone is held against the
gradient of the KL as the agent tells it, which is asked for what it puts out now and did before the first step of the
update. There both are the same, and KL and gradient are nothing; β is then told by how the gradient bends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ppo_scope.attach.kl_estimates import EITHER, FORWARD, REVERSE, exact_kl
from ppo_scope.attach.single_file.agent import Agent, Asked
from ppo_scope.attach.single_file.graph import between, cut_off
from ppo_scope.attach.single_file.named import CLOSE, Found, Unlike, places_of

MOVED = 1e-3
"""Of log r: beyond it the policy is not the one that has collected any more, and neither is known."""
ROUNDED = 1e-6
"""Of how the gradient bends along a step of size 1 of each weight, by which rounding of what is put out moves it."""
LEAST = 1e-5
"""β: less is what rounding leaves of something that is nothing."""
APART = 4.0
"""Times as far off as it may be, from where on a direction is the wrong one: nearer, rounding might have decided."""
ANOTHER = (
    "its loss has something besides in it that was nothing while r was 1, and is not {coef:.6g} times the exact KL of "
    "π_old and the policy, in either direction: another distance from π_old, or β that has changed within the update"
)


class ExactKL:
    """Of one script's agent, in one update."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.direction = EITHER
        """In which it is taken, as far as minibatches have told: a name of `EXACT`."""
        self._weights = agent.weights()
        self._old = torch.empty(0)  # [S, O], what the policy that has collected put out
        self._along: list[Tensor] = []  # a direction in which the weights might go
        self._bent = 0.0

    @classmethod
    def in_loss(cls, agent_of: Callable[[], Agent], found: Found, loss: Tensor) -> ExactKL | None:
        """Of a loss that comes to weights by another way than its terms do: to those of an agent that can be asked."""
        reached = {id(node.variable) for node in between(found, loss) if hasattr(node, "variable")}
        if not reached:
            return None
        agent = agent_of()
        known = type(agent) is Agent and agent.distribution is not None  # one that remembers is asked in sequences
        return cls(agent) if known and reached <= agent.places() else None

    def begin(self, found: Found, loss: Tensor) -> float | None:
        """β, at the first minibatch of an update, 0 where nothing is there; None: what is there is no such term.

        Args:
            found: its variables.
            loss: as L is, with its graph, which stays.
        """
        logratio = found["log_prob"].detach() - found["log_probs"].detach()[places_of(found)]
        if not bool(logratio.abs().max() <= MOVED):
            return None
        with torch.no_grad():
            self._old = self._agent.put_out(self._asked(found))
        if not self._along:
            drawing = torch.Generator().manual_seed(0)
            self._along = [torch.randn(one.shape, generator=drawing).to(one) for one in self._weights]
        try:
            with cut_off(found):
                rest, bent = self._bends(loss)
            ours = self._bends(self._kl(found, EITHER).mean())[1]
        except RuntimeError:  # something in it has no second derivative
            return None
        self._bent, most, size = float(ours.abs().max()), float(bent.abs().max()), float(ours @ ours)
        beta = float(bent @ ours) / size if size else 0.0
        off = max(float((bent - beta * ours).abs().max()), float(rest.abs().max()))
        return beta if beta >= 0 and off <= CLOSE * most else None

    def _bends(self, loss: Tensor) -> tuple[Tensor, Tensor]:
        """Its gradient by the weights [P], and how that changes along the direction [P]."""
        with torch.enable_grad():
            first = self._gradient(loss, create_graph=True)
            ahead = [(one * along).sum() for one, along in zip(first, self._along, strict=True)]
            whole = torch.stack(ahead).sum()
            second = self._gradient(whole) if whole.requires_grad else [torch.zeros_like(one) for one in first]
        return _flat(first), _flat(second)

    def _gradient(self, loss: Tensor, *, create_graph: bool = False) -> list[Tensor]:
        """By each weight; nothing, where it does not come to it."""
        made: Sequence[Tensor | None] = torch.autograd.grad(
            loss, self._weights, retain_graph=True, create_graph=create_graph, allow_unused=True
        )
        return [torch.zeros_like(one) if by is None else by for one, by in zip(self._weights, made, strict=True)]

    def _kl(self, found: Found, estimate: str) -> Tensor:
        """[B], of the minibatch at hand."""
        places, distribution = places_of(found), self._agent.distribution
        assert distribution is not None
        new = self._agent.put_out(self._asked(found), places)
        return exact_kl(distribution, self._old[places.to(self._old.device)], new, estimate)

    @staticmethod
    def _asked(found: Found) -> Asked:
        return Asked(found["observations"].detach(), found["actions"].detach())

    def price(self, found: Found, coef: float) -> Tensor:
        """β·KL [B] of the minibatch at hand."""
        with torch.no_grad():
            return (coef * self._kl(found, self.direction)).float().cpu()

    def check(self, found: Found, loss: Tensor, coef: float) -> None:
        """Whether β times the KL has the gradient that comes to the weights by another way, to each of them. In which
        direction is known from the first minibatch on at which the other one has not, by far.

        Raises:
            Unlike: it has not.
        """
        if not _has_policy(found, loss):
            return
        with cut_off(found):
            theirs = _flat(self._gradient(loss))
        if not bool(theirs.isfinite().all()):  # that is for Health to say
            return
        asked = [FORWARD, REVERSE] if self.direction == EITHER else [self.direction]
        (off, nearest), *others = sorted((self._off(theirs, found, one, coef), one) for one in asked)
        if not off <= 1.0:
            raise Unlike(ANOTHER.format(coef=coef))
        if all(other > APART for other, _ in others):
            self.direction = nearest

    def _off(self, theirs: Tensor, found: Found, estimate: str, coef: float) -> float:
        """How many times as far as it may be it is off ours, at the weight where it is most."""
        with torch.enable_grad():
            ours = _flat(self._gradient(coef * self._kl(found, estimate).mean()))
        near = CLOSE * torch.maximum(theirs.abs().max(), ours.abs().max()) + ROUNDED * coef * self._bent
        most = float((theirs - ours).abs().max())
        return most / float(near) if most else 0.0


def _has_policy(found: Found, loss: Tensor) -> bool:
    """Whether it is more than the value loss by itself, which may be differentiated after the policy's step."""
    if any(hasattr(node, "variable") for node in between(found, loss)):
        return True
    return torch.autograd.grad(loss, found["log_prob"], retain_graph=True, allow_unused=True)[0] is not None


def _flat(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([one.detach().cpu().double().reshape(-1) for one in parts])
