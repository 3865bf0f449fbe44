"""The agent of a script, whatever it is called, and its optimizers: one, or one for the policy and another for the
critic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.optim import Optimizer

ACTING = ("actor", "policy")
"""How that begins what the policy is called by, whose optimizer's α is the one that is shown."""


ASKED_BY = ("get_action_and_value",), ("get_action", "get_value")
"""How a script's agent is asked: today, and in earlier years."""


class Several(NamedTuple):
    """Optimizers as if they were one."""

    state: Mapping[Tensor, Any]
    param_groups: Sequence[dict[str, Any]]

    @classmethod
    def of(cls, optimizers: Sequence[Optimizer]) -> Several:
        """What each remembers, and the groups of all, the first one's first."""
        state = {weight: kept for one in optimizers for weight, kept in one.state.items()}
        return cls(state, [group for one in optimizers for group in one.param_groups])


def agent_in(variables: Mapping[str, Any]) -> nn.Module | None:
    """What a script calls its agent; else the one module that can be asked as an agent is, and that an optimizer moves:
    among its variables, or what `self` has. None: there is none, or several.
    """
    if isinstance(agent := variables.get("agent"), nn.Module):
        return agent
    there = _in_reach(variables)
    asked = [one for one in there if isinstance(one, nn.Module) and any(_has(one, *names) for names in ASKED_BY)]
    optimizers = [one for one in there if isinstance(one, Optimizer)]
    found: dict[frozenset[int], nn.Module] = {}
    for one in asked:
        weights = frozenset(id(weight) for weight in one.parameters())
        if not optimizers or any(moves(optimizer, set(weights)) for optimizer in optimizers):
            found.setdefault(weights, one)  # one that is compiled is the same
    return next(iter(found.values())) if len(found) == 1 else None


def _in_reach(variables: Mapping[str, Any]) -> list[Any]:
    """What a script's variables are, and what `self` has, each once."""
    own = variables.get("self")
    attributes = getattr(own, "__dict__", {})
    parts = attributes.get("_modules", {}) if isinstance(own, nn.Module) else {}
    there = (*variables.values(), *attributes.values(), *parts.values())
    return list({id(one): one for one in there}.values())


def _has(one: nn.Module, *names: str) -> bool:
    return all(callable(getattr(one, name, None)) for name in names)


def optimizers_in(variables: Mapping[str, Any]) -> list[Optimizer]:
    """Those among a script's variables that move its agent, the policy's first; all, where there is no agent."""
    found = [one for one in _in_reach(variables) if isinstance(one, Optimizer)]
    agent = agent_in(variables)
    parts = dict(variables)
    if agent is not None:
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
    return any(id(one) in weights for one in reached_from(loss))


def reached_from(loss: Tensor) -> Iterator[Tensor]:
    """What its gradient comes to."""
    waiting, seen = [loss.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            leaf = getattr(node, "variable", None)
            if leaf is not None:
                yield leaf
            seen.add(node)
            waiting += [one for one, _ in node.next_functions]
