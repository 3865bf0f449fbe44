"""The optimizers of a script: one, or one for the policy and another for the critic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.optim import Optimizer

ACTING = ("actor", "policy")
"""How that begins what the policy is called by, whose optimizer's α is the one that is shown."""


class Several(NamedTuple):
    """Optimizers as if they were one."""

    state: Mapping[Tensor, Any]
    param_groups: Sequence[dict[str, Any]]

    @classmethod
    def of(cls, optimizers: Sequence[Optimizer]) -> Several:
        """What each remembers, and the groups of all, the first one's first."""
        state = {weight: kept for one in optimizers for weight, kept in one.state.items()}
        return cls(state, [group for one in optimizers for group in one.param_groups])


def optimizers_in(variables: Mapping[str, Any]) -> list[Optimizer]:
    """Those among a script's variables that move its agent, the policy's first; all, where there is no agent."""
    found = list({id(one): one for one in variables.values() if isinstance(one, Optimizer)}.values())
    agent = variables.get("agent")
    parts = dict(variables)
    if isinstance(agent, nn.Module):
        parts = vars(agent)["_modules"]
        found = [one for one in found if moves(one, {id(weight) for weight in agent.parameters()})]
    acting = {
        id(weight)
        for name, part in parts.items()
        if name.startswith(ACTING) and isinstance(part, nn.Module)
        for weight in part.parameters()
    }
    return sorted(found, key=lambda one: not moves(one, acting))


def moves(optimizer: Optimizer, weights: set[int]) -> bool:
    """Whether any of these, by `id`, is its."""
    return any(id(weight) in weights for group in optimizer.param_groups for weight in group["params"])


def set_alpha(groups: Sequence[dict[str, Any]], alpha: float) -> None:
    """That of the first group; the others keep their proportion to it."""
    before = groups[0]["lr"]
    for group in groups:
        group["lr"] = alpha if group["lr"] == before or not before else group["lr"] / before * alpha


def reaches(loss: Tensor, weights: set[int]) -> bool:
    """Whether its gradient comes to any of these weights, by `id`."""
    waiting, seen = [loss.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            if id(getattr(node, "variable", None)) in weights:
                return True
            seen.add(node)
            waiting += [one for one, _ in node.next_functions]
    return False
