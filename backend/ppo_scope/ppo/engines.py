"""The two engines: torch differentiates, or NumPy does it by hand.

Small networks on the CPU go by hand: nearly all of the time of torch would go into dispatching tiny operations. Images,
and other devices, go by torch. A test holds both equal for every space and objective.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ppo_scope.ppo import by_hand, losses
from ppo_scope.ppo.dense import Dense
from ppo_scope.ppo.distributions import Distribution
from ppo_scope.ppo.engine import Engine, Floats, InNumpy, Loss, Rule, Samples, in_numpy
from ppo_scope.ppo.masks import forbid
from ppo_scope.ppo.networks import ActorCritic


def engine_of(network: ActorCritic, distribution: Distribution) -> Engine:
    """The quicker one for these networks, where they are."""
    dense = network.dense() if network.device.type == "cpu" else None
    return TorchEngine(network, distribution) if dense is None else NumpyEngine(dense, distribution)


class TorchEngine:
    """See `Engine`."""

    def __init__(self, network: ActorCritic, distribution: Distribution) -> None:
        self._network = network
        self._distribution = distribution

    def losses(self, samples: Samples[Tensor], rule: Rule) -> Callable[[slice], Loss]:
        """See `Engine`."""

        def of(part: slice) -> Loss:
            logratio, outputs, values, kl, terms = self._terms(samples.part(part), rule)
            loss = losses.total(*terms, rule.value_coef, rule.entropy_coef)
            policy_loss, value_loss, entropy = (term.detach() for term in terms)
            return Loss(
                outputs=outputs.detach(),
                values=values.detach(),
                logratio=logratio.detach(),
                policy_loss=policy_loss,
                value_loss=value_loss,
                entropy=entropy,
                loss=loss.detach(),
                kl=None if kl is None else kl.detach(),
                differentiate=lambda: self._network.gradient(loss),
            )

        return of

    def gradients(self, samples: Samples[Tensor], rule: Rule) -> tuple[Floats, Floats, Floats]:
        """See `Engine`."""
        *_, terms = self._terms(samples, rule)
        theta = self._network.theta
        policy, value, entropy = (torch.autograd.grad(term, theta, retain_graph=True)[0] for term in terms)
        return policy.cpu().numpy(), value.cpu().numpy(), entropy.cpu().numpy()

    @torch.no_grad()
    def outputs(self, theta: Tensor, observations: Tensor, action_masks: Tensor | None = None) -> Tensor:
        """See `Engine`."""
        return forbid(self._network.at(theta, observations)[0], action_masks)

    def _terms(
        self, s: Samples[Tensor], rule: Rule
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None, tuple[Tensor, Tensor, Tensor]]:
        """(log r [B], policy outputs [B, O], V [B], mean KL or None, (L_PG, L_VF, S))."""
        outputs, values = self._network(s.observations)
        outputs = forbid(outputs, s.action_masks)
        log_probs, entropies = self._distribution.evaluate(outputs, s.actions)
        logratio = log_probs - s.log_probs
        ratio = losses.ratio_of(logratio)
        policy = losses.policy_loss(rule.objective, log_probs, ratio, s.advantages, rule.edges)
        value = losses.value_loss(values, s.targets, s.values, rule.value_clip_range)
        policy_loss, kl = policy @ s.weights, None
        if s.outputs is not None:
            kl = self._distribution.divergence(s.outputs, outputs) @ s.weights
            if rule.penalises:
                policy_loss = policy_loss + rule.kl_coef * kl
        return logratio, outputs, values, kl, (policy_loss, value @ s.weights, entropies @ s.weights)


class NumpyEngine:
    """See `Engine`; `dense` lies on the very memory of θ."""

    def __init__(self, dense: Dense, distribution: Distribution) -> None:
        self._dense = dense
        self._distribution = distribution

    def losses(self, samples: Samples[Tensor], rule: Rule) -> Callable[[slice], Loss]:
        """See `Engine`."""
        dense, known = self._dense, in_numpy(samples)

        def of(part: slice) -> Loss:
            with np.errstate(over="ignore", invalid="ignore"):  # noticed, and named, by `finite.check_gradient`
                terms = by_hand.forward(dense, self._distribution, known.part(part), rule)

            def differentiate() -> Tensor:
                with np.errstate(over="ignore", invalid="ignore"):
                    return torch.from_numpy(by_hand.backward(dense, terms))

            policy_loss, value_loss, entropy, loss = torch.from_numpy(terms.scalars).unbind()
            return Loss(
                outputs=torch.from_numpy(terms.outputs),
                values=torch.from_numpy(terms.values),
                logratio=torch.from_numpy(terms.logratio),
                policy_loss=policy_loss,
                value_loss=value_loss,
                entropy=entropy,
                loss=loss,
                kl=None if terms.kl is None else torch.tensor(terms.kl),
                differentiate=differentiate,
                arrays=InNumpy(terms.outputs, terms.values, terms.logratio, terms.scalars),
            )

        return of

    def gradients(self, samples: Samples[Tensor], rule: Rule) -> tuple[Floats, Floats, Floats]:
        """See `Engine`."""
        # c₁ = 1 and c₂ = −1: the slopes are those of L_VF and S themselves.
        told = replace(rule, value_coef=1.0, entropy_coef=-1.0)
        terms = by_hand.forward(self._dense, self._distribution, in_numpy(samples), told)
        none = np.zeros_like(terms.d_values)
        return (
            by_hand.backward(self._dense, replace(terms, d_values=none, d_entropies=none)),
            by_hand.backward(self._dense, replace(terms, d_log_probs=none, d_entropies=none, d_penalty=None)),
            by_hand.backward(self._dense, replace(terms, d_log_probs=none, d_values=none, d_penalty=None)),
        )

    def outputs(self, theta: Tensor, observations: Tensor, action_masks: Tensor | None = None) -> Tensor:
        """See `Engine`."""
        outputs = torch.from_numpy(self._dense.at(theta.numpy()).outputs(observations.numpy()))
        return forbid(outputs, action_masks)
