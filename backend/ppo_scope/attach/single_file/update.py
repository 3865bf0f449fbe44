"""An update of a script as it is recorded: what its variables say of the rollout before the first minibatch."""

from __future__ import annotations

from math import nan, prod

import numpy as np

from ppo_scope.attach.arrays import taken
from ppo_scope.attach.course import course
from ppo_scope.attach.facts import Facts
from ppo_scope.attach.late import LateUpdate
from ppo_scope.attach.single_file.acting import Acting
from ppo_scope.attach.single_file.agent import Agent
from ppo_scope.attach.single_file.named import Found, layout_of, leaks_in, rough_of
from ppo_scope.attach.single_file.remembering import RememberingAgent
from ppo_scope.attach.single_file.scripted import Scripted, ScriptForm

ROLLED = ("rewards", np.float32), ("dones", np.bool_)
"""What a rollout has of every step."""


def update_of(found: Found, facts: Facts, index: int, acting: Acting, agent: Agent, steps: int) -> LateUpdate:
    """The record of an update that begins, and of the rollout [M, N] that it learns from.

    Args:
        found: the script's variables, at its first minibatch.
        facts: what it is made with.
        index: of the update.
        acting: its environments, which are asked for the episodes that have ended.
        agent: its policy, before the first step.
        steps: transitions that were trained on before.
    """
    layout = layout_of(found)
    rewards, starts = (taken(found[name], kind).reshape(layout) for name, kind in ROLLED)
    ends = np.concatenate([starts[1:], taken(found["next_done"], np.bool_).reshape(1, -1)])
    cut, ended = acting.rollout(rewards, starts, ends, steps)
    decays = [nan if one is None else one for one in (facts.discount, facts.gae_lambda)]
    form = ScriptForm(agent.discrete, prod(decays))
    source = form, Scripted.of(found, ends, cut, remembers=isinstance(agent, RememberingAgent))
    alpha = nan if facts.learning_rate is None else facts.learning_rate
    judged = agent.outputs_at if agent.distribution is not None else None
    update = LateUpdate(index, facts, alpha, agent.theta(), source, ended, judged)
    update.size = len(found["samples"])
    update.known |= {**leaks_in(found), "cuts_ignored": float(acting.ignored)}
    if rough_of(found["log_prob"]):
        update.known["log_prob_of_halves"] = 1.0
    if (late := acting.resets_late) is not None:
        update.known["reset_steps"] = float(np.count_nonzero(starts)) if late else 0.0
    args = found["args"]
    total, alpha_at_first = (getattr(args, name, None) for name in ("total_timesteps", "learning_rate"))
    update.known |= course(steps + rewards.size, total, alpha_at_first)
    return update
