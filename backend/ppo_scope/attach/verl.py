"""verl: a module that its workers import, by one line of the config.

    actor_rollout_ref.model.external_lib=ppo_scope.attach.verl

From then on the actor's `train_mini_batch` tells what it does. The loss itself is verl's own: it is called as ever, and
what it was called with is read, which says more than a loss of ours in verl's registry would be told: entropies, the
reference model, and where a minibatch and an update end. Rows are sequences, steps are tokens. Written to verl 0.9.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from verl.trainer.ppo.core_algos import kl_penalty
from verl.utils import tensordict_utils
from verl.workers.engine_workers import TrainingWorker
from verl.workers.utils.losses import ppo_loss
from verl.workers.utils.padding import no_padding_2_padding

from ppo_scope.attach.arrays import handing_over
from ppo_scope.attach.clip_ranges import ClipRanges
from ppo_scope.attach.own_loop.scope import Scope
from ppo_scope.attach.tokens import PLACE, Part, Words, hand_over
from ppo_scope.attach.watcher import Watcher, guarded, say

UNSEEN = "This run of verl is not watched: {what}. The training goes on."
SHARDED = ("fsdp", "fsdp2")
"""The engines whose every process has the loss."""
NEEDED = ("responses", "response_mask", "old_log_probs", "advantages", "token_level_rewards")
FAR_OFF = 1e6
"""A ratio that none comes to."""
GOES_ON = "The run was ended on the page: it is not watched any more. verl trains on; end it where it was started."


class Actor:
    """A worker that trains the policy, and its hooks."""

    def __init__(self, worker: Any, data: Any) -> None:
        self._config = config = worker.loss_fn.keywords["config"]
        self._engine, tokenizer = worker.engine, worker.model_config.tokenizer
        self._words, self._end = Words(tokenizer), tokenizer.eos_token_id
        rows, steps = padded(data["response_mask"]).shape
        ranges = ClipRanges(float(config.clip_ratio_low), float(config.clip_ratio_high), self._clip_at)
        self._scope = Scope(
            env=Path(worker.model_config.path).name,
            **ranges.told,
            ratio_cap=_cap_of(config),
            value_coef=0.0,  # the critic is trained in other workers
            entropy_coef=float(config.entropy_coeff),
            learning_rate=self._learning_rate(),
            seed=int(tensordict_utils.get(data, "seed", 42)),
            weights=worker.engine.module,
            change={**ranges.change, "ratio_cap": self._cap_at, "entropy_coef": partial(self._set, "entropy_coeff")},
            library="verl",
            num_envs=rows,
            rollout_steps=steps,
            epochs=int(tensordict_utils.get(data, "epochs", 1)),
            max_grad_norm=worker.optimizer_config.clip_grad,
        )
        self._parts: list[Part] = []  # that the optimizer's next step is made of
        self._done = self._per_epoch = 0  # minibatches of the update under way
        self._hook(worker)

    @property
    def watcher(self) -> Watcher:
        """Of its scope."""
        return self._scope.watcher

    def updating(self, train: Callable[[], Any], data: Any) -> tuple[Any, bool]:
        """(what verl's own `train` gives, whether to go on watching) of an update."""
        self._scope.begins()
        data[PLACE] = torch.arange(len(data))
        self._collected(data)
        found = train()
        data.pop(PLACE, None)
        going_on = self._scope.update()
        if not going_on:
            self._scope.close()
            say(GOES_ON)
        return found, going_on

    def let_go(self, worker: Any) -> None:
        """Put verl's own functions back."""
        worker.loss_fn = self._loss
        del self._engine.optimizer_step

    def _hook(self, worker: Any) -> None:
        self._loss, step = worker.loss_fn, self._engine.optimizer_step

        def lost(*, model_output: Any, data: Any, dp_group: Any = None) -> Any:
            found = self._loss(model_output=model_output, data=data, dp_group=dp_group)
            if torch.is_grad_enabled() and PLACE in data:
                self._take_part(model_output, data)
            return found

        def stepped() -> Any:
            self._stepping()
            norm = step()
            if norm is not None:
                self._scope.gradient(norm)
            self._scope.step()
            return norm

        worker.loss_fn, self._engine.optimizer_step = lost, stepped

    def _set(self, name: str, value: float) -> None:
        """verl's configs are not to be written to, and the loss reads them anew at each call."""
        object.__setattr__(self._config, name, value)

    def _clip_at(self, low: float, high: float) -> None:
        for name, value in (("clip_ratio", low), ("clip_ratio_low", low), ("clip_ratio_high", high)):
            self._set(name, value)

    def _cap_at(self, value: float | None) -> None:
        """Its loss has always one."""
        self._set("clip_ratio_c", FAR_OFF if value is None else value)

    def _learning_rate(self) -> float:
        return float(self._engine.optimizer.param_groups[0]["lr"])

    @guarded
    def _collected(self, data: Any) -> None:
        """What the update learns from, of the sequences that are this process's share."""
        with handing_over():
            self._collect(data)

    def _collect(self, data: Any) -> None:
        tokens, mask, old, advantages, rewards = (padded(data[name]) for name in NEEDED)
        rows, steps = mask.shape
        mask, places = mask.bool(), torch.arange(steps)
        lengths = 1 + (places * mask).amax(1)  # what a tool has written lies between tokens of the policy's own
        last = (places == (lengths - 1)[:, None]) & mask.any(1, keepdim=True)
        size = tensordict_utils.get(data, "mini_batch_size")  # of all processes
        shares = self._engine.get_data_parallel_size()
        self._per_epoch = rows * shares // size if size else int(tensordict_utils.get(data, "num_mini_batch"))
        self._done = 0
        self._parts.clear()
        self._scope.rollout(
            actions=tokens.T,
            rewards=(rewards * mask).T,
            log_probs=old.float().T,
            advantages=advantages.float().T,
            dones=last.T,
            truncated=(last & (tokens != self._end)).T,
            mask=mask.T,
            text=self._words.sequences(tokens.T, lengths),
            learning_rate=self._learning_rate(),
            epochs=int(tensordict_utils.get(data, "epochs", 1)),
            minibatches=self._per_epoch,
        )

    @guarded
    def _take_part(self, model_output: Any, data: Any) -> None:
        """The loss of some sequences has been made."""

        def by_token(name: str) -> Tensor | None:
            found = model_output.get(name)
            return None if found is None else no_padding_2_padding(found.detach(), data).float().cpu()

        log_prob, entropy = by_token("log_probs"), by_token("entropy")
        assert log_prob is not None
        used = padded(data["advantages"]).float().cpu()
        if "rollout_is_weights" in data:  # which the whole term is multiplied with
            used = used * padded(data["rollout_is_weights"]).float().cpu()
        penalty = None
        if self._config.use_kl_loss:
            reference = padded(data["ref_log_prob"]).float().cpu()
            far = kl_penalty(log_prob, reference, self._config.kl_loss_type)
            penalty = self._config.kl_loss_coef * far
        old = padded(data["old_log_probs"]).float().cpu()
        self._parts.append(Part(data[PLACE].cpu(), log_prob, old, used, entropy, penalty))

    @guarded
    def _stepping(self) -> None:
        """The gradient of all parts is there, and the optimizer is about to make its step."""
        parts, self._parts = self._parts, []
        if not parts:
            return
        with handing_over():
            hand_over(self._scope, parts, epoch=1 + self._done // self._per_epoch)
        self._done += 1


def _cap_of(config: Any) -> float:
    """c, as its loss reads it."""
    return float(config.get("clip_ratio_c", 3.0))


def padded(found: Tensor) -> Tensor:
    """[B, T] of what may be nested."""
    return torch.nested.to_padded_tensor(found, 0) if found.is_nested else found


def why_not(worker: Any, data: Any) -> str | None:
    """Why this actor cannot be watched; None: it can."""
    config, strategy = worker.loss_fn.keywords["config"], worker.engine_config.strategy
    mode = config.policy_loss.get("loss_mode", "vanilla")
    missing = [name for name in NEEDED if name not in data]
    if strategy not in SHARDED:
        return f"its engine {strategy!r} is not known here; there are {', '.join(SHARDED)}"
    if mode != "vanilla":
        return f"loss_mode={mode!r} is not the clipped objective, which is what is looked at"
    if _cap_of(config) <= 1 + config.clip_ratio_high:
        return f"its clip_ratio_c={_cap_of(config):g} lies below the upper edge of its clip range"
    return f"its batches have no {', '.join(missing)}" if missing else None


def watched(train: Callable[..., Any]) -> Callable[..., Any]:
    """verl's `train_mini_batch`, watched where it is that of a policy."""
    actors: weakref.WeakKeyDictionary[Any, Actor | None] = weakref.WeakKeyDictionary()

    def actor_of(worker: Any, data: Any) -> Actor | None:
        if worker in actors:
            return actors[worker]
        loss, made = worker.loss_fn, None
        if isinstance(loss, partial) and loss.func is ppo_loss:
            try:
                why = why_not(worker, data)
                made = Actor(worker, data) if why is None else None
            except Exception as error:  # ours, or that of a version that is made otherwise
                why = f"something of it is not known here ({error})"
            if why is not None:
                say(UNSEEN.format(what=why))
        actors[worker] = made
        return made

    @wraps(train)
    def trained(self: Any, data: Any) -> Any:
        actor = actor_of(self, data)
        if actor is None:
            return train(self, data)
        found, going_on = actor.updating(partial(train, self, data), data)
        if not going_on:
            actor.let_go(self)
            actors[self] = None
        return found

    return trained


TrainingWorker.train_mini_batch = watched(TrainingWorker.train_mini_batch)
