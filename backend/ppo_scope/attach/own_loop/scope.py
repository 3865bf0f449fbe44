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

import contextlib
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self

import torch
from torch import nn

from ppo_scope.attach.arrays import Misshapen, number_of
from ppo_scope.attach.facts import facts_of, refuse_nonsense, with_rollout
from ppo_scope.attach.own_loop.handed import (
    MAY_BE_TOLD,
    Handed,
    epoch_of,
    handed,
    layout_of,
    leaks_in,
    norm_of,
    not_alike,
    noted,
    places_of,
)
from ppo_scope.attach.own_loop.judging import Judge, Judging
from ppo_scope.attach.own_loop.order import LOOKED_AT, looked_at
from ppo_scope.attach.own_loop.passing import Passed, PassingUpdate, copied
from ppo_scope.attach.own_loop.told_loop import ToldLoop
from ppo_scope.attach.ranks import Weights
from ppo_scope.attach.record import Phase, text_of
from ppo_scope.attach.restless import Layers
from ppo_scope.attach.watcher import guarded, say
from ppo_scope.probes.record import PhaseKind

NOTHING: dict[str, float] = {}
"""Of its losses, a loop tells as a rule."""
EMPTY = (
    "scope.minibatch() was called without a sample: a mean over none is no number, so such minibatches are left out. "
    "Look whether your loop makes a step with them: its loss is NaN there."
)
NOT_CHANGED = "What was handed over to set {name} has failed at {value}. The training goes on without the change:"
ROLLOUT_FIRST = "scope.minibatch() before scope.rollout(): say first what the update learns from."
UPDATE_LAST = (
    "scope.minibatch() after scope.update(): update() is called once, when all epochs are over, and the next "
    "scope.rollout() begins another one."
)


class Scope(ToldLoop):
    """One run of one's own loop.

    Arrays of a rollout are [M, N], steps first, and `samples` of a minibatch count in them: t·N + n is environment n at
    step t. So a loop passes, by how it flattens them,

        actions.reshape(M * N, …)[index]                   # samples=index
        actions.swapaxes(0, 1).reshape(N * M, …)[index]    # samples=index % M * N + index // M
    """

    def __init__(
        self,
        *,
        clip_range: float,
        value_coef: float | None = None,
        entropy_coef: float = 0.0,
        learning_rate: float | None = None,
        env: str = "my loop",
        seed: int | None = None,
        policy: str | None = None,
        judge: Judge | None = None,
        reward_threshold: float | None = None,
        weights: Weights | None = None,
        library: str = "a loop of its own",
        change: Mapping[str, Callable[[Any], Any]] | None = None,
        paused: bool = False,
        url: str | None = None,
        **facts: Any,
    ) -> None:
        """Say what the loop trains with, and connect.

        Args:
            clip_range: ε.
            value_coef: c₁, of L_VF = mean (V − V_targ)². A loss with ½ before it has c₁/2 here. Left out: 0.5, or 0
                where there is no critic, for neither `rollout` nor `minibatch` tells values.
            entropy_coef: c₂.
            learning_rate: α; `rollout` may say another one each time.
            env: how the run is called.
            seed: shown beside it.
            policy: "discrete" or "gaussian": what the policy's outputs mean, where `judge` or outputs are handed over.
            judge: (outputs [S, O], values [S]) of observations [S, …] under the weights as they are. These come as they
                were told: tensors of that kind in that place, or arrays. Where it fails that is said, and all else
                goes on.
            reward_threshold: a return that counts as solved.
            weights: the policy as a module of torch, or what gives its arrays: compared between processes that train
                together.
            library: whose loop it is, in words.
            change: settings that the loop reads anew at every update, by our names, and how to set them: they can be
                moved on the page.
            paused: wait for Play on the page before the first update.
            url: the server's link; else that of `PPO_SCOPE_URL`; else a server is started that ends with this process.
            facts: more that the page shows, by the names of our settings: clip_range_high, ratio_cap, max_grad_norm,
                target_kl, discount, …

        Raises:
            ValueError: a name is none of our settings, a number is none that it can be, the link is none, or another
                argument is of no use.
        """
        judging = Judging(policy, judge)
        told = {"clip_range": clip_range, "value_coef": 0.5 if value_coef is None else value_coef}
        told |= {"entropy_coef": entropy_coef, **facts}
        if learning_rate is not None:
            told["learning_rate"] = learning_rate
        known = facts_of(told)
        refuse_nonsense({name: getattr(known, name) for name in told})
        super().__init__(
            known,
            judging,
            env=env,
            reward_threshold=reward_threshold,
            seed=seed,
            library=library,
            weights=weights,
            change=change or {},
            paused=paused,
            url=url,
        )
        self._layers: Layers | None = None
        self._assumed = value_coef is None  # c₁, which nobody has told
        self._count = self._passed = 0  # of minibatches in this update, and of the samples in them
        self._tells = (False,) * len(MAY_BE_TOLD)  # which of them minibatches bring
        self._ends_told = False  # whether any rollout has said where episodes end
        self._ordered = False  # whether `samples` is known to be in the rollout's order
        self._within = (0, 0)  # epoch, minibatch
        self._stepped, self._begun = True, False
        self._empty = self._empty_said = False  # the minibatch at hand is left out; that there are empty ones
        self._open = False  # an update that has begun has not ended
        self._began = 0.0
        self._places = torch.arange(0)  # of the rollout's samples
        self._refused: Misshapen | None = None  # what is wrong in this update, to be raised where it ends

    @property
    def has_gradient(self) -> bool:
        """Whether the norm of the latest minibatch's gradient is known."""
        return self._update is not None and self._count - 1 in self._update.gradient_norms

    def begins(self) -> None:
        """An update begins: what was set on the page takes effect. `rollout` does it by itself, if nobody has.

        Where several processes train together each has to come here, whether or not its watching has failed: what was
        set on the page of the first takes effect in all of them.
        """
        if self._begun:
            return
        self._begun = True
        watched = self._watcher is not None and not self._watcher.off
        changes = self._watcher.begins() if self._watcher is not None and watched else {}
        for name, value in self._ranks.spread(changes).items():
            try:
                self._change[name](value)
            except Exception:  # somebody has moved a slider, and no training ends by that
                say(f"{NOT_CHANGED.format(name=name, value=value)}\n{traceback.format_exc()}")
                continue
            old = getattr(self._facts, name)
            self._facts = replace(self._facts, **{name: value})
            if self._watcher is not None and watched and not self._quiet:
                self._watcher.changed(name, old, value, self._index + 1)

    @guarded
    def gradient(self, norm: Any) -> None:
        """The gradient of the minibatch is there: its norm, before it is cut off. May be left out."""
        update = self._update
        if update is not None and self._open and self._count and not self._empty:
            update.gradient_norms[self._count - 1] = norm_of(norm)
            self._at(PhaseKind.GRADIENT)

    @guarded
    def step(self) -> None:
        """The step after the minibatch is done. May be left out: the next call says as much."""
        self._step_done()

    def tell(self, **known: float) -> None:
        """What Health can only know from the loop, of the update at hand: its checks name what they look at."""
        if self._update is not None:
            self._update.known |= known

    def rollout(
        self,
        *,
        actions: Any,
        rewards: Any,
        log_probs: Any,
        advantages: Any,
        values: Any = None,
        returns: Any = None,
        dones: Any = None,
        truncated: Any = None,
        observations: Any = None,
        outputs: Any = None,
        mask: Any = None,
        deltas: Any = None,
        text: Sequence[Sequence[str]] | None = None,
        learning_rate: float | None = None,
        epochs: int | None = None,
        minibatches: int | None = None,
        clip_range: float | None = None,
        clip_range_high: float | None = None,
        ratio_cap: float | None = None,
        value_coef: float | None = None,
        entropy_coef: float | None = None,
    ) -> None:
        """What the next update learns from, M steps of N environments, [M, N] each, steps first.

        Args:
            actions: [M, N, …], as the policy drew them; with policy="discrete" [M, N], which of the O choices each is.
            rewards: as the environment gave them: before they are scaled, and before γ·V(s′) is added where an episode
                is cut. Returns are added up of these; what the loss takes instead is in `advantages` and `returns`.
            log_probs: log π_old(a|s).
            advantages: Â, before they are normalised.
            values: V_old(s); left out: there is no critic.
            returns: V_targ; left out: Â + V_old.
            dones: whether the step ended an episode; with `truncated`, those that were cut among them.
            truncated: see `dones`.
            observations: [M, N, …].
            outputs: [M, N, O], of the policy that collected: logits, or means followed by log σ.
            mask: which steps are trained on; False: padding, or the step of an autoreset. Nothing counts those, and an
                episode that ends there has ended with the last step before.
            deltas: δ.
            text: of a language model's tokens, one list for each of N sequences; the page then speaks of those.
            learning_rate: α of this update; so the next four.
            epochs: passes over the rollout.
            minibatches: of an epoch.
            clip_range: ε.
            clip_range_high: ε⁺, where r may rise by another range than it may fall by.
            ratio_cap: c, where r counts no further for Â < 0 (dual clip).
            value_coef: c₁.
            entropy_coef: c₂.

        Raises:
            ValueError: a shape does not fit, a number is none that it can be, what is told is no array of numbers, or
                no choices with policy="discrete", or `judge` lacks observations; the sentence names the mistake.
        """
        moved: dict[str, Any] = {"learning_rate": learning_rate, "epochs": epochs, "minibatches": minibatches}
        moved |= {"clip_range": clip_range, "clip_range_high": clip_range_high, "ratio_cap": ratio_cap}
        moved |= {"value_coef": value_coef, "entropy_coef": entropy_coef}
        layout = layout_of(rewards)
        hand_over = partial(
            handed,
            layout,
            actions=actions,
            rewards=rewards,
            log_probs=log_probs,
            values=values,
            advantages=advantages,
            returns=returns,
            dones=dones,
            truncated=truncated,
            observations=observations,
            outputs=outputs,
            mask=mask,
            deltas=deltas,
            text=text,
        )
        self.takes(layout, moved, hand_over)

    def takes(self, layout: tuple[int, int], moved: Mapping[str, Any], hand_over: Callable[[], Handed]) -> None:
        """What `rollout` is told, by who has taken it over before it was known whose it is.

        Raises:
            ValueError: as in `rollout`.
        """
        if self._open:  # its loop has left the update before in the middle
            self._begun = False
            self.left()
        self.begins()
        before, self._facts = self._facts, with_rollout(self._facts, layout, moved)
        try:
            self._collected(hand_over)
        except Misshapen:
            self._facts = before
            raise
        self._assumed = self._assumed and moved.get("value_coef") is None

    @guarded
    def _collected(self, hand_over: Callable[[], Handed]) -> None:
        found = hand_over()
        rollout, batch = found.rollout, found.batch
        self._judging.hears(found, first=not self._index)
        self._asks_while_it_can()
        if not self._index:  # from here on nothing is refused
            seen = rollout.observations.shape[2:]
            self.observation = f"arrays of shape {seen}" if rollout.observations.shape[-1] else "not told"
        if rollout.text is not None and self.abilities.text is None:
            self.abilities = replace(self.abilities, text=text_of)
        rollout.episodes = self._episodes.take(rollout.rewards, found.ends, self.steps, rollout.trained)
        self.steps += int(rollout.trained.sum())
        self._index += 1
        self._update = PassingUpdate(
            index=self._index,
            settings=self._facts,
            learning_rate=self._facts.learning_rate or float("nan"),
            rollout=rollout,
            batch=batch,
            theta_before=None if self.abilities.theta is None else self.abilities.theta(),
            rewards=rollout.rewards,
            deltas=found.deltas,
        )
        self._ends_told |= found.tells_ends
        if not self._ends_told:
            self.tell(ends_untold=1.0)
        self._within, self._stepped, self._began = (0, 0), True, time.perf_counter()
        self._count, self._passed, self._open = 0, 0, True
        self._losses_told.clear()
        self._refused = None
        if len(self._places) != len(batch.values):
            self._places = torch.arange(len(batch.values))
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
        returns: Any = None,
        penalty: Any = None,
        gradient_norm: Any = None,
        epoch: int | None = None,
        loss: Any = None,
        policy_loss: Any = None,
        value_loss: Any = None,
    ) -> None:
        """A minibatch of the update, between its loss and its step; [B] each.

        Args:
            samples: [B], which samples of the rollout: t·N + n is environment n at step t, whatever order the loop
                flattens it in; see `Scope`.
            log_prob: log π(a|s) under the weights as they are.
            advantages: Â as the loss uses it: normalised, where it is.
            values: V(s) under the weights as they are.
            entropy: of the policy in each state.
            old_log_prob: as the ratio of the loss takes it; left out: what `rollout` was given.
            returns: V_targ as the loss takes it; left out: what `rollout` was given.
            penalty: what the loss adds for the KL to a reference policy, β in it; left out: it adds nothing.
            gradient_norm: before it is cut off.
            epoch: from 1 on; left out, an epoch ends where as many samples have passed as the rollout has.
            loss: L as the loop's own code finds it: Health holds it against what these numbers give. So the next two.
            policy_loss: L_PG.
            value_loss: L_VF, without coefficient.

        Raises:
            ValueError: as in `rollout`; so where what is told is, by the rollout's numbers, that of other samples.
        """
        update = self._update
        if update is None or update.batch is None or not self._open:
            raise Misshapen(ROLLOUT_FIRST if update is None else UPDATE_LAST)
        told = (
            values is not None,
            entropy is not None,
            old_log_prob is not None,
            returns is not None,
            penalty is not None,
        )
        if told != self._tells and self._count:
            raise not_alike(told, self._tells)
        count, alike, which = update.batch.values.shape[0], None, None
        if self._index > 1 and old_log_prob is None and returns is None and penalty is None:
            alike = copied(samples, log_prob, advantages, values, entropy, self._places)
        if alike is None:
            which = places_of(samples, count)
        now, found = 1 + self._passed // count if epoch is None else epoch_of(epoch), None
        if which is not None and len(which):
            columns = {"log_prob": log_prob, "advantages": advantages, "values": values, "entropy": entropy}
            found = noted(now, which, **columns, old_log_prob=old_log_prob, returns=returns, penalty=penalty)
        if loss is policy_loss is value_loss is None:
            losses = NOTHING
        else:
            own = {"loss": loss, "policy_loss": policy_loss, "value_loss": value_loss}
            losses = {name: number_of(one, name) for name, one in own.items() if one is not None}
        norm = None if gradient_norm is None else norm_of(gradient_norm)
        if not self._count and not self._ordered and self._index <= LOOKED_AT:
            self._ordered = looked_at(update, samples, log_prob, advantages, old_log_prob)

        self._step_done()  # from here on nothing is refused: who is told what is wrong may tell it once more
        self._tells, self._empty = told, alike is None and found is None
        if self._empty:
            self._leave_out()
            return
        if self._assumed and not self._count and values is None and update.batch.values.isnan().all():
            self._assumed = False
            self._facts = update.settings = replace(update.settings, value_coef=0.0)  # there is no critic
        number, size = self._within[1] + 1, len(samples)
        self._passed += size
        if now != self._within[0]:
            if self._within[0]:
                self._at(PhaseKind.EPOCH)
            number = 1
        self._within = now, number
        if number > update.settings.minibatches or now > update.settings.epochs:
            self._facts = update.settings = replace(
                update.settings,
                minibatches=max(number, update.settings.minibatches),
                epochs=max(now, update.settings.epochs),
            )

        if alike is not None:
            update.passed.append(Passed(now, *alike, values is not None, entropy is not None))
        elif found is not None:
            if update.passed:
                self._leave_out_others(update)
            update.told.append(found)
        self._count += 1
        update.size = max(size, update.size)
        if self._count == 1:  # as it is in all of them
            update.known |= leaks_in(advantages, old_log_prob, returns)
        self._losses_told.append(losses)
        if norm is not None:
            update.gradient_norms[self._count - 1] = norm
        self._stepped = False
        self._at(PhaseKind.LOSS)

    def _leave_out(self) -> None:
        """A minibatch holds nothing."""
        if not self._empty_said:
            self._empty_said = True
            say(EMPTY)

    def _leave_out_others(self, update: PassingUpdate) -> None:
        """Minibatches of samples that the rollout has not count for nothing, and the update's end says so."""
        wrong = update.of_others()
        if wrong:
            self._refused = self._refused or next(iter(wrong.values()))
            self._empty = self._empty or self._count - 1 in wrong
            update.leave_out(wrong)
            self._losses_told[:] = [one for place, one in enumerate(self._losses_told) if place not in wrong]
            self._count -= len(wrong)

    def update(self, *, stopped_by_kl: bool = False) -> bool:
        """The update is done. False: somebody has ended the run on the page; what follows is for the loop to say.

        Said once more for the same rollout it changes nothing.

        Where several processes train together each has to call it: they compare what they have, and stop together.

        Raises:
            ValueError: something that was told of this update shows only now not to fit; the rest of it is shown.
        """
        going_on = self._watcher is None or not self._watcher.stopping
        update = self._update if self._open else None
        watched = self._watcher is not None and not self._watcher.off
        known, going_on = self._ranks.compare(self, update if watched else None, going_on=going_on)
        if update is not None:
            update.known |= known
        self._begun = False
        self._updated(stopped_by_kl)
        together = self._ranks.together
        return going_on if together else self._watcher is None or not self._watcher.stopping

    def left(self) -> None:
        """An update that has been left in the middle is over as it is."""
        self._updated(stopped_by_kl=False)

    @guarded
    def _updated(self, stopped_by_kl: bool) -> None:
        update = self._update
        if update is None or not self._open:
            return
        self._open = False
        update.stopped_by_kl = stopped_by_kl
        if isinstance(self._weights, nn.Module):
            self._layers = self._layers or Layers(self._weights)
            update.known |= self._layers.told()
        self._step_done()
        if self._within[0]:
            self._at(PhaseKind.EPOCH)
        update.seconds_optimise = time.perf_counter() - self._began
        if update.passed:
            self._leave_out_others(update)
        if update.batch is not None and self.abilities.judge is not None:
            with contextlib.suppress(Exception):  # what needs it is missing then
                update.batch.told_after = self.abilities.judge(update.batch)
            self._asks_while_it_can()
        self.watcher.reached(Phase(PhaseKind.UPDATE, update, *self._within))
        if self._refused is not None:
            raise self._refused

    def close(self) -> None:
        """The run is over: what is owed is sent. Done by itself where the process ends."""
        self._close(sys.exc_info()[1])

    def __enter__(self) -> Self:
        """As long as the loop is in it."""
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """The run is over, by this error if there is one."""
        self._close(error)

    def _close(self, error: BaseException | None) -> None:
        if self._watcher is not None:
            self._watcher.close(error=error)

    def _at(self, kind: PhaseKind) -> None:
        """The loop has come to a phase within an update."""
        watcher, update = self._watcher, self._update
        if watcher is not None and update is not None and time.perf_counter() >= watcher.next_look:
            update.seconds_optimise = time.perf_counter() - self._began
            if update.passed:
                self._leave_out_others(update)
            watcher.reached(Phase(kind, update, *self._within))

    def _step_done(self) -> None:
        """The step after the minibatch before is done: nobody says so when it is."""
        if not self._stepped:
            self._stepped = True
            self._at(PhaseKind.STEP)
