"""Way 3, `ppo_scope.Scope`: a loop of one's own, in any framework, says what it does where it does it.

    scope = ppo_scope.Scope(env="my-world", clip_range=0.2, value_coef=0.5, entropy_coef=0.01)
    while …:
        …collect…
        scope.rollout(actions=…, rewards=…, log_probs=…, values=…, advantages=…, returns=…, dones=…)
        for each epoch, for each minibatch:
            …its loss…
            scope.minibatch(samples=…, log_prob=…, advantages=…, values=…, entropy=…)
            …its step…
        if not scope.update():
            break

It needs no change elsewhere: what is handed over is copied, nothing is computed with the loop's own generators, and an
error of ours ends the watching, not the training.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from ppo_scope.attach.arrays import Misshapen, rows_of, samples_of, taken
from ppo_scope.attach.episodes import Episodes
from ppo_scope.attach.record import Batch, Facts, Phase, Rollout, Seen, Update
from ppo_scope.attach.server import server_of
from ppo_scope.attach.watcher import Watcher, guarded, say
from ppo_scope.ppo.distributions import Categorical, DiagonalGaussian
from ppo_scope.probes.record import Batch as AnyBatch
from ppo_scope.probes.record import Episode, PhaseKind
from ppo_scope.probes.subject import Abilities, Distribution

Judge = Callable[[Any], tuple[Any, Any]]
"""(policy outputs [S, O], V [S]) of observations [S, …] under the weights as they are."""

ROLLOUT_FIRST = "scope.minibatch() before scope.rollout(): say first what the update learns from."
OUT_OF_ROLLOUT = "samples holds {index}, and the rollout has samples 0 to {last}: t·N + n is environment n at step t."
LARGER = "A minibatch of {got} samples after one of {first}: the first of a run has to be the largest."
KINDS = ("discrete", "gaussian")
KIND = f"policy= is {' or '.join(map(repr, KINDS))}: what the outputs mean, logits or means followed by log σ."


class Scope:
    """One run of one's own loop."""

    observation_space: gym.Space[Any] | None = None
    is_image = False
    abilities: Abilities

    def __init__(
        self,
        *,
        clip_range: float,
        value_coef: float = 0.5,
        entropy_coef: float = 0.0,
        learning_rate: float | None = None,
        env: str = "my loop",
        seed: int | None = None,
        policy: str | None = None,
        judge: Judge | None = None,
        reward_threshold: float | None = None,
        paused: bool = False,
        url: str | None = None,
        **facts: Any,
    ) -> None:
        """Say what the loop trains with, and connect.

        Args:
            clip_range: ε.
            value_coef: c₁, of L_VF = mean (V − V_targ)². A loss with ½ before it has c₁/2 here.
            entropy_coef: c₂.
            learning_rate: α; `rollout` may say another one each time.
            env: how the run is called.
            seed: shown beside it.
            policy: "discrete" or "gaussian": what the policy's outputs mean, where `judge` or outputs are handed over.
            judge: (outputs, values) of observations under the weights as they are; it draws nothing.
            reward_threshold: a return that counts as solved.
            paused: wait for Play on the page before the first update.
            url: the server's link; else that of `PPO_SCOPE_URL`; else a server is started that ends with this process.
            facts: more that the page shows, by the names of our settings: max_grad_norm, target_kl, discount, …

        Raises:
            ValueError: a name is none of our settings, or the link is none.
        """
        if policy is not None and policy not in KINDS:
            raise ValueError(KIND)
        told = {"clip_range": clip_range, "value_coef": value_coef, "entropy_coef": entropy_coef, **facts}
        if learning_rate is not None:
            told["learning_rate"] = learning_rate
        self._facts = facts_of(told)
        self.env, self.reward_threshold = env, reward_threshold
        self.observation = "not told"
        self.distribution: Distribution | None = None
        self.steps = 0
        self._policy, self._judge = policy, judge
        self._seed, self._paused = seed, paused
        self._address = server_of(url, say)
        self._losses_told: list[dict[str, float]] = []  # of each minibatch of this update
        self.abilities = Abilities(
            judge=self._judged if judge is not None else None, losses_told=lambda: self._losses_told
        )
        self._episodes = Episodes()
        self._update: Update | None = None
        self._index = 0
        self._size: int | None = None  # of the largest minibatch
        self._within = (0, 0)  # epoch, minibatch
        self._stepped = True
        self._began = 0.0
        self._watcher: Watcher | None = None

    @property
    def episodes(self) -> Sequence[Episode]:
        """The latest, of which means are taken."""
        return self._episodes.latest

    @property
    def watcher(self) -> Watcher:
        """From the first rollout on, whose layout it says."""
        if self._watcher is None:
            self._watcher = Watcher(
                self,
                self._facts,
                address=self._address,
                library="a loop of its own",
                paused=self._paused,
                seed=self._seed,
            )
        return self._watcher

    def rollout(
        self,
        *,
        actions: Any,
        rewards: Any,
        log_probs: Any,
        values: Any,
        advantages: Any,
        returns: Any = None,
        dones: Any = None,
        truncated: Any = None,
        observations: Any = None,
        outputs: Any = None,
        mask: Any = None,
        deltas: Any = None,
        learning_rate: float | None = None,
        epochs: int | None = None,
        minibatches: int | None = None,
        clip_range: float | None = None,
        entropy_coef: float | None = None,
    ) -> None:
        """What the next update learns from, M steps of N environments, [M, N] each, steps first.

        Args:
            actions: [M, N, …], as the policy drew them.
            rewards: as the environment gave them.
            log_probs: log π_old(a|s).
            values: V_old(s).
            advantages: Â, before they are normalised.
            returns: V_targ; left out: Â + V_old.
            dones: whether the step ended an episode; with `truncated`, those that were cut among them.
            truncated: see `dones`.
            observations: [M, N, …].
            outputs: [M, N, O], of the policy that collected: logits, or means followed by log σ.
            mask: which steps are trained on; False: padding, or the step of an autoreset.
            deltas: δ.
            learning_rate: α of this update; so the next four.
            epochs: passes over the rollout.
            minibatches: of an epoch.
            clip_range: ε.
            entropy_coef: c₂.

        Raises:
            ValueError: a shape does not fit; the sentence names the mistake.
        """
        layout = np.shape(taken(rewards))
        if len(layout) != 2:
            raise Misshapen(f"rewards has the shape {layout}, and [M, N] is wanted: steps first, then environments.")
        moved: dict[str, Any] = {"learning_rate": learning_rate, "epochs": epochs, "minibatches": minibatches}
        moved |= {"clip_range": clip_range, "entropy_coef": entropy_coef}
        told = {name: value for name, value in moved.items() if value is not None}
        self._facts = replace(
            self._facts, num_envs=layout[1], rollout_steps=layout[0], **told, told=tuple({*self._facts.told, *told})
        )
        self._collected(
            layout,
            actions,
            rewards,
            log_probs,
            values,
            advantages,
            returns,
            dones,
            truncated,
            observations,
            outputs,
            mask,
            deltas,
        )

    @guarded
    def _collected(
        self,
        layout: tuple[int, int],
        actions: Any,
        rewards: Any,
        log_probs: Any,
        values: Any,
        advantages: Any,
        returns: Any,
        dones: Any,
        truncated: Any,
        observations: Any,
        outputs: Any,
        mask: Any,
        deltas: Any,
    ) -> None:
        def rows(found: Any, name: str, meaning: str, dtype: Any = np.float32) -> Any:
            return rows_of(found, name, meaning, layout, dtype)

        def flat(found: np.ndarray[Any, Any]) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(found.reshape(layout[0] * layout[1], *found.shape[2:])))

        reward = rows(rewards, "rewards", "what the environment gave")
        old_values = rows(values, "values", "V of the critic that collected")
        raw = rows(advantages, "advantages", "Â before it is normalised")
        targets = raw + old_values if returns is None else rows(returns, "returns", "V_targ")
        none = np.zeros(layout, np.bool_)
        cut = none if truncated is None else rows(truncated, "truncated", "episodes that were cut", np.bool_)
        ended = none if dones is None else rows(dones, "dones", "ends of episodes", np.bool_)
        trained = ~none if mask is None else rows(mask, "mask", "steps that are trained on", np.bool_)
        acted = taken(actions)
        seen = np.zeros((*layout, 0), np.float32) if observations is None else taken(observations)
        for found, name in ((acted, "actions"), (seen, "observations")):
            if found.shape[:2] != layout:
                rows_of(found[..., 0] if found.ndim > 2 else found, name, "[M, N, …]", layout, None)
        made = None if outputs is None else taken(outputs, np.float32)
        self._become(acted, seen, made)
        episodes = self._episodes.take(reward, ended | cut, self.steps)
        self.steps += int(trained.sum())
        batch = Batch(
            observations=flat(seen),
            actions=flat(acted),
            told_outputs=None if made is None else flat(made),
            log_probs=flat(rows(log_probs, "log_probs", "log π of the policy that collected")),
            values=flat(old_values),
            advantages=flat(raw),
            targets=flat(targets),
        )
        if made is None and self._judge is not None:
            batch.told_outputs = self._judged(batch)[0].clone()
        self._index += 1
        self._update = Update(
            index=self._index,
            settings=self._facts,
            learning_rate=self._facts.learning_rate or float("nan"),
            rollout=Rollout(seen, acted, reward, ended & ~cut, cut, trained, episodes),
            batch=batch,
            rewards=reward,
            deltas=None if deltas is None else rows(deltas, "deltas", "δ"),
        )
        self._within, self._stepped, self._began = (0, 0), True, time.perf_counter()
        self._losses_told.clear()
        self.watcher.reached(Phase(PhaseKind.ADVANTAGES, self._update))

    @guarded
    def minibatch(
        self,
        *,
        samples: Any,
        log_prob: Any,
        advantages: Any,
        values: Any = None,
        entropy: Any = None,
        old_log_prob: Any = None,
        gradient_norm: Any = None,
        epoch: int | None = None,
        loss: Any = None,
        policy_loss: Any = None,
        value_loss: Any = None,
    ) -> None:
        """A minibatch of the update, between its loss and its step; [B] each.

        Args:
            samples: which samples of the rollout: t·N + n is environment n at step t.
            log_prob: log π(a|s) under the weights as they are.
            advantages: Â as the loss uses it: normalised, where it is.
            values: V(s) under the weights as they are.
            entropy: of the policy in each state.
            old_log_prob: as the ratio of the loss takes it; left out: what `rollout` was given.
            gradient_norm: before it is cut off.
            epoch: from 1 on; left out, an epoch ends where as many samples have passed as the rollout has.
            loss: L as the loop's own code finds it: Health holds it against what these numbers give. So the next two.
            policy_loss: L_PG.
            value_loss: L_VF, without coefficient.

        Raises:
            ValueError: as in `rollout`.
        """
        update = self._update
        if update is None or update.batch is None:
            raise Misshapen(ROLLOUT_FIRST)
        which = taken(samples, np.int64)
        if which.ndim != 1:
            raise Misshapen(f"samples has the shape {which.shape}, and [B] is wanted: the places of B samples.")
        size, last = len(which), len(update.batch.values) - 1
        if size == 0 or which.min() < 0 or which.max() > last:
            raise Misshapen(OUT_OF_ROLLOUT.format(index="nothing" if size == 0 else which.max(), last=last))
        if self._size is not None and size > self._size:
            raise Misshapen(LARGER.format(got=size, first=self._size))
        self._size = self._size or size
        places = torch.from_numpy(which)
        old = update.batch.log_probs[places]
        if old_log_prob is not None:
            meaning = "log π of the policy that collected"
            old = torch.from_numpy(samples_of(old_log_prob, "old_log_prob", meaning, size))
        self._step_done()
        number = self._within[1] + 1
        per_epoch = -(-(last + 1) // self._size)
        now = epoch if epoch is not None else 1 + len(update.told) // per_epoch
        if now != self._within[0]:
            if self._within[0]:
                self.watcher.reached(Phase(PhaseKind.EPOCH, update, *self._within))
            number = 1
        self._within = now, number
        if number > update.settings.minibatches or now > update.settings.epochs:
            self._facts = update.settings = replace(
                update.settings,
                minibatches=max(number, update.settings.minibatches),
                epochs=max(now, update.settings.epochs),
            )

        def told(found: Any, name: str) -> Tensor:
            return torch.from_numpy(samples_of(found, name, "one for each sample", size))

        update.told.append(
            Seen(
                epoch=now,
                samples=which,
                log_prob=told(log_prob, "log_prob"),
                old_log_prob=old,
                advantages=told(advantages, "advantages"),
                old_values=update.batch.values[places],
                targets=update.batch.targets[places],
                values=None if values is None else told(values, "values"),
                entropy=None if entropy is None else told(entropy, "entropy"),
            )
        )
        update.size = self._size
        own = {"loss": loss, "policy_loss": policy_loss, "value_loss": value_loss}
        self._losses_told.append({name: float(taken(one)) for name, one in own.items() if one is not None})
        if gradient_norm is not None:
            update.gradient_norms[len(update.told) - 1] = torch.tensor(float(taken(gradient_norm)))
        self._stepped = False
        update.seconds_optimise = time.perf_counter() - self._began
        self.watcher.reached(Phase(PhaseKind.LOSS, update, *self._within))

    def update(self, *, stopped_by_kl: bool = False) -> bool:
        """The update is done. False: somebody has ended the run on the page; what follows is for the loop to say."""
        self._updated(stopped_by_kl)
        return self._watcher is None or not self._watcher.stopping

    @guarded
    def _updated(self, stopped_by_kl: bool) -> None:
        update = self._update
        if update is None:
            return
        update.stopped_by_kl = stopped_by_kl
        self._step_done()
        if self._within[0]:
            self.watcher.reached(Phase(PhaseKind.EPOCH, update, *self._within))
        update.seconds_optimise = time.perf_counter() - self._began
        self.watcher.reached(Phase(PhaseKind.UPDATE, update, *self._within))

    def close(self) -> None:
        """The run is over: what is owed is sent. Done by itself where the process ends."""
        if self._watcher is not None:
            self._watcher.close()

    def _step_done(self) -> None:
        """The step after the minibatch before is done: nobody says so when it is."""
        if not self._stepped:
            self._stepped = True
            self.watcher.reached(Phase(PhaseKind.STEP, self._update, *self._within))

    def _become(self, actions: Any, observations: Any, outputs: Any) -> None:
        """What can be known of the spaces from the first rollout."""
        if self.distribution is not None or self._index:
            return
        self.observation = f"arrays of shape {observations.shape[2:]}" if observations.shape[-1] else "not told"
        count = None if outputs is None else outputs.shape[-1]
        if count is None and self._judge is not None:
            count = taken(self._judge(observations[:1].reshape(-1, *observations.shape[2:]))[0]).shape[-1]
        if self._policy == "discrete" and count is not None:
            self.distribution = Categorical(count)
        elif self._policy == "gaussian":
            width = int(np.prod(actions.shape[2:]))
            self.distribution = DiagonalGaussian(np.full(width, -np.inf), np.full(width, np.inf))

    @torch.no_grad()
    def _judged(self, batch: AnyBatch) -> tuple[Tensor, Tensor]:
        assert self._judge is not None
        outputs, values = self._judge(batch.observations.numpy())
        return torch.from_numpy(taken(outputs, np.float32)), torch.from_numpy(
            samples_of(values, "values of judge", "one for each observation", len(batch.values))
        )


def facts_of(told: Mapping[str, Any]) -> Facts:
    """What a loop says that it trains with, by the names of our settings.

    Raises:
        ValueError: a name is none of them.
    """
    known = Facts.__dataclass_fields__.keys() - {"told"}
    for name in told:
        if name not in known:
            raise ValueError(f"{name} is no setting that is shown of a loop; there are {', '.join(sorted(known))}.")
    layout = {"num_envs": 1, "rollout_steps": 1, "epochs": 1, "minibatches": 1}
    return Facts(**{**layout, **told}, told=tuple(told))
