"""The agent of a script as probes ask it: a module with `get_action_and_value(observations, actions)`.

Or, as it was in earlier years, with `get_action(observations, actions)` and `get_value(observations)`. What its policy
puts out is what its distribution, one of torch's, is asked log π of.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Normal

from ppo_scope.attach.kl_estimates import EXACT, exact_kl
from ppo_scope.attach.policy import AT_ONCE, Policy
from ppo_scope.attach.single_file.forms import PLAIN
from ppo_scope.attach.single_file.optimizers import Several, agent_in, optimizers_in
from ppo_scope.ppo import distributions
from ppo_scope.ppo.distributions import Distribution
from ppo_scope.probes.record import Floats, Minibatch, Update

TRIED = 64
"""Samples by which it is seen whether an agent can be asked."""
AGREES = 1e-4


class Asked(NamedTuple):
    """What it takes to ask it, of samples."""

    observations: Tensor
    """[S, …]"""
    actions: Tensor
    """[S, …]"""


class Agent(Policy):
    """One of a script, or what stands in its place where there is none that can be asked."""

    names = {  # noqa: RUF012  # nobody writes to it
        "actor_mean": "policy_trunk",
        "actor_logstd": "policy_free",
        "actor": "policy_trunk",
        "critic": "value_trunk",
    }

    distribution: Distribution | None
    form = PLAIN
    """How its loss is made of ours: gradients are of its own."""

    @classmethod
    def of(cls, variables: Mapping[str, Any], observations: Tensor, actions: Tensor, log_prob: Tensor) -> Agent:
        """The agent among a script's variables.

        Args:
            variables: of the script.
            observations: [B, …] of some samples, with
            actions: [B, …] theirs, and
            log_prob: [B] log π(a|s) under the present weights: it is asked for nothing where it tells something else.
        """
        module = agent_in(variables)
        if module is None:
            groups = Several.of(optimizers_in(variables)).param_groups
            module = nn.Module()
            module.weights = nn.ParameterList({id(one): one for group in groups for one in group["params"]}.values())
        made = cls(module, None)
        observations, actions = observations[:TRIED].detach(), actions[:TRIED].detach()
        try:
            with made._as_it_is(), torch.no_grad():
                found, outputs = asked(module, observations, actions)
        except Exception:  # an agent that is called otherwise
            return made
        made.distribution = meant_by(outputs, actions, found[1], log_prob[:TRIED].detach())
        return made

    def places(self) -> set[int]:
        """Of its weights, by `id`."""
        return set(map(id, self._parameters))

    def weights(self) -> list[nn.Parameter]:
        """Those that are trained."""
        return self._parameters

    @property
    def discrete(self) -> bool:
        """Whether its actions are choices."""
        return isinstance(self.distribution, distributions.Categorical)

    def put_out(self, of: Asked, which: Tensor | None = None) -> Tensor:
        """[S, O] as it is now, or [B, O] of these samples; with its graph, where gradients are on."""
        with self._as_it_is():
            return self._put_out(self._module, of, which)

    def differentiate(self, update: Update, minibatch: Minibatch) -> Sequence[Floats]:
        """See `Policy`."""
        found = super().differentiate(update, minibatch)
        settings: Any = update.settings
        if settings.kl_estimate in EXACT:
            found = [*found, self._gradient_of_price(update, minibatch)]
        times = np.float32(self.form.times(int(minibatch.trained.sum())))
        return found if times == 1 else [times * one for one in found]

    def _gradient_of_price(self, update: Any, minibatch: Minibatch) -> Floats:
        """d(β·KL)/dθ [P] of an exact KL."""
        settings, which = update.settings, minibatch.samples[minibatch.trained]
        assert self.distribution is not None
        with torch.enable_grad():
            new = self.put_out(update.batch, which)
            kl = exact_kl(self.distribution, update.batch.outputs[which], new, settings.kl_estimate)
            return self._gradient(settings.kl_coef * kl.mean())

    def _value_losses(self, values: Tensor, targets: Tensor, old: Tensor, limit: float | None) -> Tensor:
        return self.form.value_losses(values, targets, old, limit)

    def _put_out(self, module: Any, batch: Any, which: Tensor | None = None) -> Tensor:
        observations, actions = batch.observations, batch.actions
        if which is not None:
            observations, actions = observations[which], actions[which]
        made = []
        for seen, acted in zip(torch.split(observations, AT_ONCE), torch.split(actions, AT_ONCE), strict=True):
            outputs = asked(module, seen.to(self.device), acted.to(self.device))[1]
            assert outputs is not None
            made.append(put_together(outputs).cpu())
        return torch.cat(made)

    def _values(self, module: Any, batch: Any) -> Tensor:
        parts = torch.split(batch.observations, AT_ONCE)
        return torch.cat([module.get_value(part.to(self.device)).flatten() for part in parts]).cpu()

    def _evaluated(self, update: Update, minibatch: Minibatch) -> tuple[Tensor, Tensor, Tensor | None]:
        batch = update.batch
        assert batch is not None
        which = minibatch.samples[minibatch.trained]
        seen, actions = batch.observations[which].to(self.device), batch.actions[which].to(self.device)
        return asked(self._module, seen, actions)[0]


def asked(module: Any, seen: Tensor, actions: Tensor, *memory: Any) -> tuple[tuple[Tensor, Tensor, Tensor], Any]:
    """(V, log π(a|s), entropy) [B], and the policy's distribution; None in its place where it has several.

    Args:
        module: the agent.
        seen: [B, …].
        actions: [B, …].
        memory: what one that remembers is given between the two.
    """
    with _listening() as heard:
        if hasattr(module, "get_action_and_value"):
            _, log_prob, entropy, value = module.get_action_and_value(seen, *memory, actions)[:4]
        else:
            _, log_prob, entropy = module.get_action(seen, actions)
            value = module.get_value(seen)
    return (value.flatten(), log_prob, entropy), heard[0] if len(heard) == 1 else None


@contextlib.contextmanager
def _listening() -> Iterator[list[Any]]:
    """Which distributions are asked for log π meanwhile."""
    heard: list[Any] = []
    before = {kind: kind.log_prob for kind in (Categorical, Normal)}

    def hearing(ask: Any) -> Any:
        def log_prob(distribution: Any, value: Tensor) -> Tensor:
            heard.append(distribution)
            found: Tensor = ask(distribution, value)
            return found

        return log_prob

    for kind, ask in before.items():
        kind.log_prob = hearing(ask)  # type: ignore[method-assign]
    try:
        yield heard
    finally:
        for kind, ask in before.items():
            kind.log_prob = ask  # type: ignore[method-assign]


def put_together(found: Categorical | Normal) -> Tensor:
    """[B, O]"""
    if isinstance(found, Categorical):
        logits: Tensor = found.logits
        return logits
    return torch.cat([found.mean, found.stddev.log()], dim=-1)


def meant_by(outputs: Any, actions: Tensor, log_prob: Tensor, expected: Tensor) -> Distribution | None:
    """What an agent's outputs mean; None: that is not known here.

    Args:
        outputs: the distribution that it has asked for log π.
        actions: [B, …] those of which it was asked.
        log_prob: [B] what it has told of them, and
        expected: [B] what the script has. Of a policy that squashes its actions, or takes a mean over the parts of
            one, neither is what the distribution that was asked says.
    """
    if outputs is None or not _agree(log_prob, expected):
        return None
    meant, put_out = distribution_of(outputs), put_together(outputs)
    acted = actions.reshape(-1).long() if isinstance(outputs, Categorical) else actions
    try:
        said = meant.evaluate(put_out, acted)[0]
    except (RuntimeError, IndexError):  # outputs of other shapes than these actions have
        return None
    return meant if _agree(said.to(expected.device), expected) else None


def _agree(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one.float(), other.float(), atol=AGREES, rtol=AGREES)


def distribution_of(found: Categorical | Normal) -> Distribution:
    """What its outputs mean."""
    if isinstance(found, Categorical):
        return distributions.Categorical(found.logits.shape[-1])
    width = found.mean.shape[-1]
    return distributions.DiagonalGaussian(np.full(width, -np.inf), np.full(width, np.inf))
