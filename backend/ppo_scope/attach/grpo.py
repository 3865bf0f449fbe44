"""Way 2 for language models, `ppo_scope.watch(trainer)`: a `GRPOTrainer` of TRL.

    trainer = GRPOTrainer(model, reward_funcs, args, train_dataset, …)
    ppo_scope.watch(trainer)
    trainer.train()

Rows are sequences, steps are tokens. An update is what is made of one generation of completions; a minibatch is a step
of the optimizer, of all that has been accumulated for it. What the trainer calls is wrapped on this trainer alone, and
each part does exactly what it did. What is padding, or is not trained on for another reason, counts in no number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ppo_scope.attach import once
from ppo_scope.attach.arrays import handing_over
from ppo_scope.attach.clip_ranges import ClipRanges
from ppo_scope.attach.own_loop.scope import Scope
from ppo_scope.attach.tokens import PLACE, Part, Words, hand_over, token_first
from ppo_scope.attach.watcher import Watcher, guarded

HOOKED = (
    "_generate_and_score_completions",
    "_calculate_rewards",
    "_get_per_token_logps_and_entropies",
    "_compute_loss",
    "_get_grad_norm",
)
"""What of the trainer is wrapped."""
NEXT_TO_NOTHING = 1e-12
WITH_CLIP = ("grpo", "bnpo", "dr_grpo", "dapo", "luspo")
OTHER = "This GRPOTrainer is of a version that is not known here: it has no {names}. See the table in docs/attach.md."
NO_CLIP = "This GRPOTrainer's loss_type={loss!r} has no clip, which is what is looked at. There are {known}."
MORE = "This GRPOTrainer's {name}={value!r} changes its loss in a way that is not shown here yet."
LOW_CAP = (
    "This GRPOTrainer's delta={delta} lies below the upper edge of its clip range, 1 + {high}, where it caps nothing."
)
MASKS = {
    "off_policy_mask_threshold": (None, "get_off_policy_mask"),
    "top_entropy_quantile": (1.0, "get_high_entropy_mask"),
}
"""Settings that leave tokens out of the loss: their value where they leave out none, and who says which."""
BONUS_OF_SOME = (
    "This GRPOTrainer's entropy_coef={coef} with top_entropy_quantile={quantile} pays for the entropy of some tokens "
    "alone, which is not shown here yet."
)


def watch(trainer: Any, *, url: str | None = None, paused: bool = False) -> Any:
    """Show what this trainer's `train` does from now on; the trainer.

    Args:
        trainer: a `trl.GRPOTrainer`.
        url: the server's link; else that of `PPO_SCOPE_URL`; else a server is started that ends with this process.
        paused: wait for Play on the page before the first update.

    Raises:
        TypeError: its loss is one that cannot be shown; the sentence says why.
        ValueError: the link is none.
    """
    why = why_not(trainer)
    if why is not None:
        raise TypeError(why)
    if not once.goes_on(trainer, "trainer"):
        Watched(trainer, url, paused)
    return trainer


def why_not(trainer: Any) -> str | None:
    """Why this cannot be watched; None: it can."""
    missing = [name for name in HOOKED if not hasattr(trainer, name)]
    if missing:
        return OTHER.format(names=", ".join(missing))
    if trainer.loss_type not in WITH_CLIP:
        return NO_CLIP.format(loss=trainer.loss_type, known=", ".join(WITH_CLIP))
    if trainer.args.delta is not None and trainer.args.delta <= 1 + trainer.epsilon_high:
        return LOW_CAP.format(delta=trainer.args.delta, high=trainer.epsilon_high)
    unknown = [name for name in _masked_by(trainer) if not hasattr(trainer, MASKS[name][1])]
    if getattr(trainer.args, "use_adaptive_entropy", False):
        unknown.append("use_adaptive_entropy")
    if unknown:
        return MORE.format(name=unknown[0], value=getattr(trainer.args, unknown[0]))
    if (coef := getattr(trainer.args, "entropy_coef", 0.0)) and "top_entropy_quantile" in _masked_by(trainer):
        return BONUS_OF_SOME.format(coef=coef, quantile=trainer.args.top_entropy_quantile)
    return None


def _masked_by(trainer: Any) -> list[str]:
    """Which settings leave tokens out of its loss."""
    return [name for name, (none, _) in MASKS.items() if getattr(trainer.args, name, none) != none]


class Watched:
    """A trainer, and its hooks."""

    def __init__(self, trainer: Any, url: str | None, paused: bool) -> None:
        self._trainer = trainer
        args = trainer.args
        self._per_update = args.steps_per_generation * trainer.num_iterations
        facts = {"max_grad_norm": args.max_grad_norm} if args.max_grad_norm else {}
        ranges = ClipRanges(float(trainer.epsilon_low), float(trainer.epsilon_high), self._clip_at)
        change = ranges.change
        change["ratio_cap"] = partial(setattr, args, "delta")
        if trainer.beta:  # else it has no reference
            facts["kl_coef"], change["kl_coef"] = float(trainer.beta), self._price_at
        self._scope = Scope(
            env=Path(getattr(trainer.model.config, "name_or_path", "")).name or type(trainer.model).__name__,
            **ranges.told,
            ratio_cap=args.delta,
            value_coef=0.0,
            entropy_coef=float(getattr(trainer, "entropy_coef", None) or 0.0),
            learning_rate=float(args.learning_rate),
            seed=args.seed,
            weights=trainer.model,
            change=change,
            library=f"TRL GRPOTrainer, loss_type={trainer.loss_type}",  # by which tokens weigh otherwise than in L_PG
            paused=paused,
            url=url,
            num_envs=args.per_device_train_batch_size * args.steps_per_generation,
            rollout_steps=trainer.max_completion_length,
            epochs=trainer.num_iterations,
            minibatches=max(1, args.steps_per_generation // args.gradient_accumulation_steps),
            **facts,
        )
        self._generated: list[dict[str, Any]] = []  # that no update has been made of yet
        self._rewards: Tensor | None = None
        self._found: tuple[Tensor, Tensor] | None = None
        self._masks: list[Tensor] = []  # of the tokens of a loss, by which some of them count for nothing
        self._parts: list[Part] = []  # that the optimizer's next step is made of
        self._done = self._wanted = 0  # parts of the update under way
        self._generations = self._losses = 0  # since the latest update: counted whatever becomes of the watching
        self._norm: Any = None
        self._words = Words(self._tokenizer)
        self._hook()
        once.note(trainer, self)

    def _clip_at(self, low: float, high: float) -> None:
        """The trainer reads them there at every loss."""
        self._trainer.epsilon_low, self._trainer.epsilon_high = low, high

    def _price_at(self, value: float) -> None:
        """The trainer reads it there at every loss. At 0 it would not ask its reference any more, and miss what that
        says in the update in which β comes back.
        """
        self._trainer.beta = value or NEXT_TO_NOTHING

    @property
    def tells(self) -> bool:
        """Whether its run goes on."""
        return self._scope.tells

    @property
    def watcher(self) -> Watcher:
        """Of its scope."""
        return self._scope.watcher

    def _hook(self) -> None:
        trainer = self._trainer
        generate, reward, judge, loss, norm = (getattr(trainer, name) for name in HOOKED)

        def generated(*arguments: Any, **named: Any) -> Any:
            found = generate(*arguments, **named)
            if trainer.model.training:
                self._generations += 1
                self._scope.begins()
                self._take_generated(found)
            return found

        def rewarded(*arguments: Any, **named: Any) -> Any:
            self._rewards = found = reward(*arguments, **named)
            return found

        def judged(*arguments: Any, **named: Any) -> Any:
            found = judge(*arguments, **named)
            self._found = found[:2]
            return found

        def lost(model: Any, inputs: Any) -> Any:
            self._masks.clear()
            found = loss(model, inputs)
            if trainer.model.training:
                self._losses += 1
                self._take_part(inputs)
            return found

        def normed(*arguments: Any, **named: Any) -> Any:
            self._norm = norm(*arguments, **named)
            return self._norm

        for name, hook in zip(HOOKED, (generated, rewarded, judged, lost, normed), strict=True):
            setattr(trainer, name, hook)
        for one in _masked_by(trainer):
            setattr(trainer, MASKS[one][1], self._noting(getattr(trainer, MASKS[one][1])))
        trainer.add_callback(_listener(self))

    def _noting(self, masking: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def masked(*arguments: Any, **named: Any) -> Tensor:
            found = masking(*arguments, **named)
            self._masks.append(found)
            return found

        return masked

    @guarded
    def _take_generated(self, found: dict[str, Any]) -> None:
        """Completions have come, in groups."""
        count = len(found["completion_ids"])
        offset = sum(len(one["completion_ids"]) for one in self._generated)
        found[PLACE] = torch.arange(offset, offset + count)
        assert self._rewards is not None
        weights = self._trainer.reward_weights.to(self._rewards.device)
        rewards = (self._rewards * weights).nansum(1)
        first = self._trainer.accelerator.process_index * count
        self._generated.append({**found, "rewards": rewards[first : first + count].cpu(), "all_rewards": rewards.cpu()})

    @guarded
    def _take_part(self, inputs: dict[str, Any]) -> None:
        """The loss of some sequences has been made."""
        assert self._found is not None
        log_prob, entropy = (one.detach().float().cpu() for one in self._found)
        mask = inputs["completion_mask"].bool().cpu()
        if "tool_mask" in inputs:
            mask = mask & inputs["tool_mask"].bool().cpu()
        old = inputs.get("old_per_token_logps")
        old = log_prob if old is None else old.float().cpu()
        beta, reference = self._trainer.beta, inputs.get("ref_per_token_logps")
        penalty = None
        if beta and reference is not None:
            away = reference.float().cpu() - log_prob
            penalty = beta * (away.exp() - away - 1)
        if self._trainer.importance_sampling_level == "sequence":
            far = ((log_prob - old) * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True).clamp(min=1)
            log_prob = old + far
        if penalty is not None and getattr(self._trainer.args, "use_bias_correction_kl", False):
            penalty = penalty * (log_prob - old).exp()
        used = inputs["advantages"].float().cpu()
        used = (used[:, None] if used.ndim == 1 else used).expand_as(log_prob)
        if "importance_sampling_ratio" in inputs:  # which the whole term is multiplied with
            used = used * inputs["importance_sampling_ratio"].float().cpu()
        for one in self._masks:
            used = used * one.float().cpu()
        self._parts.append(Part(inputs[PLACE].cpu(), log_prob, old, used, entropy, penalty))

    @guarded
    def stepping(self) -> None:
        """The gradient of all parts is there, and the optimizer is about to make its step."""
        if not self._parts:
            return
        with handing_over():
            self._hand_over()

    def _hand_over(self) -> None:
        if self._generated:
            self._begin()
        parts, self._parts = self._parts, []
        epoch = 1 + self._done * self._trainer.num_iterations // self._wanted
        hand_over(self._scope, parts, epoch=epoch, gradient_norm=None if self._norm is None else float(self._norm))
        self._done += len(parts)

    def stepped(self) -> bool:
        """The step is made. False: somebody has ended the run on the page."""
        if not self._generations or self._losses < self._per_update * self._generations:
            return True
        self._generations = self._losses = 0
        return self._scope.update()

    def over(self) -> None:
        """`train` is about to return."""
        self._scope.close()

    def _begin(self) -> None:
        """The record of an update, of all completions that have come since the last one."""
        generated, self._generated = self._generated, []
        trainer = self._trainer
        self._done, self._wanted = 0, self._per_update * len(generated)
        steps = max(trainer.max_completion_length, *(one["completion_ids"].shape[1] for one in generated))

        def joined(name: str) -> Tensor:
            return token_first([one[name].cpu() for one in generated], steps)

        tokens, mask = joined("completion_ids"), joined("completion_mask").bool()
        trained = mask & joined("tool_mask").bool() if "tool_mask" in generated[0] else mask
        lengths = mask.sum(0)
        last = torch.arange(steps)[:, None] == lengths - 1
        ended_itself = tokens == self._tokenizer.eos_token_id
        credit = torch.cat([one["advantages"].cpu().float() for one in generated])
        rewards = torch.cat([one["rewards"].float() for one in generated])
        self._scope.rollout(
            actions=tokens,
            rewards=last * rewards,
            log_probs=self._old(generated, steps),
            advantages=(credit if credit.ndim == 1 else credit.T).expand(steps, -1),
            dones=last,
            truncated=last & ~ended_itself,
            mask=trained,
            text=self._words.sequences(tokens, lengths),
            learning_rate=float(trainer.optimizer.param_groups[0]["lr"]),
        )

    def _old(self, generated: Sequence[dict[str, Any]], steps: int) -> Tensor:
        """[M, N] log π_old: what the trainer has noted, or what its only step has found, whose weights they are."""
        if "old_per_token_logps" in generated[0]:
            return token_first([one["old_per_token_logps"].cpu().float() for one in generated], steps)
        found = torch.zeros(sum(len(one["completion_ids"]) for one in generated), steps)
        for part in self._parts:
            found[part.places, : part.log_prob.shape[1]] = part.old_log_prob
        return found.T

    @property
    def _tokenizer(self) -> Any:
        processing = self._trainer.processing_class
        return getattr(processing, "tokenizer", processing)


def _listener(watched: Watched) -> Any:
    """A callback of the trainer."""
    from transformers import TrainerCallback

    class Listening(TrainerCallback):  # type: ignore[misc]  # the library may not be there
        """Tells where the trainer is."""

        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Between gradient and step."""
            watched.stepping()

        def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
            """After the step."""
            if not watched.stepped():
                control.should_training_stop = True
            return control

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """All is done."""
            watched.over()

    return Listening()
