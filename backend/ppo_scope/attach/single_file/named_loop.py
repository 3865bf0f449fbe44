"""The loop of a PPO in one file, as CleanRL's are, followed by what its variables are called.

Its variables are read wherever `backward` is called in it (`lookout.py`). The script's own gradient, limit of the norm
and steps are done as it does them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from math import prod
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ppo_scope.attach.arrays import taken
from ppo_scope.attach.called import HALF
from ppo_scope.attach.connecting.server import server_of
from ppo_scope.attach.course import has_gradient
from ppo_scope.attach.facts import as_read
from ppo_scope.attach.late import Brief
from ppo_scope.attach.ranks import Ranks
from ppo_scope.attach.report import Beside
from ppo_scope.attach.single_file.acting import Acting
from ppo_scope.attach.single_file.agent import Agent
from ppo_scope.attach.single_file.clip_ranges import both_of
from ppo_scope.attach.single_file.coefficients import Coefficients, Waiting
from ppo_scope.attach.single_file.named import (
    Found,
    Unlike,
    alpha_of,
    brief_of,
    can_be_set,
    found_in,
    is_too_far,
    layout_of,
    learner_in,
    rough_of,
)
from ppo_scope.attach.single_file.optimizers import Several, moves, optimizers_in, reaches, set_alpha
from ppo_scope.attach.single_file.proven_loss import ProvenLoss
from ppo_scope.attach.single_file.proving import ProvingLoop, is_looked_at
from ppo_scope.attach.single_file.remembering import RememberingAgent
from ppo_scope.attach.single_file.update import update_of
from ppo_scope.attach.turns import numbered
from ppo_scope.attach.watcher import Watcher, guarded, say
from ppo_scope.probes.record import PhaseKind

CHANGEABLE = ("clip_range", "clip_range_high", "value_coef", "entropy_coef", "epochs", "max_grad_norm", "target_kl")
BOTH = ("log_prob", "value")
"""What a minibatch is known by."""
LONGER = (
    "another minibatch has come after the {minibatches} that an update has by update_epochs of args, which is "
    "{epochs}, so that it is not known where it ends"
)
BY_HALVES = (
    "at one backward {new} is another one than at the one before, and {old} is not: both have to be there when the "
    "first term of a minibatch's loss is differentiated"
)


class NamedLoop(ProvingLoop):
    """The loop of such a script."""

    def __init__(
        self,
        found: Found,
        loss: Tensor,
        url: str | None,
        ranks: Ranks,
        coefficients: Coefficients | None = None,
        waited: Waiting | None = None,
        number: int = 1,
    ) -> None:
        """Follow it.

        Args:
            found: its variables, with
            loss: what is about to be differentiated.
            url: the server's link.
            ranks: the processes that it trains in.
            coefficients: what is in the losses of a minibatch of it, where `args` do not tell that.
            waited: for those; its first update is over then.
            number: of its agent, among those of its script.

        Raises:
            Unlike: it is not what it looks like.
        """
        self._optimizers = optimizers_in(found.variables)
        agent_of = cache(lambda: _agent_in(found))
        proven = ProvenLoss(found, loss, agent_of, alpha_of(found, self.optimizer), coefficients)
        super().__init__(found, proven, 0 if waited is None else 1)
        self._ranks = ranks
        self._advantages: Tensor | None = None  # of the latest update
        self._first_to_step: Any = None  # of the optimizers, in the update under way
        self._steps, self._steps_each = 0, max(1, len(self._optimizers))  # of the latest minibatch, and of a whole one
        self._log_probs: Any = None  # those of the update under way: others are another one's
        self._version = 0
        self.learner = learner_in(found)
        """Another one's updates are another run's."""
        self._acting = Acting(found.variables.get("envs"))
        self._over = True
        self._held: tuple[Tensor, ...] = ()  # log π and V of the latest minibatch, so that nothing else lies there
        self._cut: set[tuple[int, ...]] = set()  # which weights' gradients were limited in it
        self._per_epoch = 1  # minibatches
        self._brief: list[Brief] = []  # the update's; so the norms
        self._norms: dict[int, Tensor] = {}
        self._whole = -1  # minibatches of an epoch as large as the first, where the samples make a smaller one besides
        self._changed: tuple[str, ...] = ()  # from the next update on
        args = found["args"]
        self.env = str(getattr(args, "env_id", None) or getattr(args, "gym_id", "an environment"))
        self.policy: Agent = agent_of()
        self.policy.form, self._weights = replace(self.loss.form, exact=None), self.policy.places()
        space = self._acting.observation_space
        self.observation_space = space
        seen = found["observations"]
        self.observation = str(space) if space is not None else f"arrays of shape {tuple(seen.shape[1:])}"
        self.is_image = seen.ndim == 4
        self.steps = 0 if waited is None else waited.steps
        alpha = bool(self._optimizers) and not self.loss.facts.anneal_learning_rate
        changeable = [name for name in CHANGEABLE if name not in self.loss.unsaid and found.settings.takes(name)]
        if not self.loss.clip.movable:
            changeable = [name for name in changeable if name != "clip_range_high"]
        beta = self.loss.beta_called is not None and can_be_set(found["args"], self.loss.beta_called)
        beside = space is not None and not seen.is_cuda and self.policy.distribution is not None
        self.watcher = Watcher(
            self,
            self.loss.facts,
            address=server_of(url, say) if self._reports else None,
            library=numbered("a PPO in one file", number),
            loss=self.loss.form.brief,
            changeable=(*changeable, *(["learning_rate"] if alpha else []), *(["kl_coef"] if beta else [])),
            seed=self.loss.facts.seed,
            beside=Beside(self.as_it_is, "torch") if beside else None,
            quiet=not self._reports,
            unnamed=(
                *self.loss.unsaid,
                *self.loss.clip.unnamed(found.settings),
                *(["ratio_cap"] if self.loss.facts.ratio_cap is None else []),
            ),
            values_apart=found.settings.limits_values_apart,
        )

    @property
    def optimizer(self) -> Any:
        """What makes its steps; None: it cannot be seen."""
        found = self._optimizers
        return Several.of(found) if len(found) > 1 else next(iter(found), None)

    # Hooks

    def passes(self, variables: Any, loss: Tensor) -> bool:
        """Note a minibatch of the update under way, and its loss; False: there is more to do with it than that.

        As everything between two operations of the loop it is done with cold caches, where each function that is
        called for it costs.
        """
        found, watcher = self.found, self.watcher
        if self._count + 1 in self._to_check:
            return False
        if variables is not found.variables or self._over or watcher.off or perf_counter() >= watcher.next_look:
            return False
        try:
            if self._is_anothers(found) or self._still_there(found):
                return False
            self._note(found, loss)
        except Exception:  # which comes again, and is told
            return False
        return True

    def _is_anothers(self, found: Found) -> bool:
        """Whether log π_old is that of another update than the latest: another array, or the same one written anew."""
        return found["log_probs"] is not self._log_probs or version_of(self._log_probs) != self._version

    def _still_there(self, found: Found) -> list[str]:
        """Which of log π and V are still those of the latest minibatch. Where both are, this is another loss: of an
        auxiliary phase, or one more of its terms.
        """
        each = zip(BOTH, self._held, strict=False)
        return [name for name, held in each if found[name].data_ptr() == held.data_ptr()]

    def _note(self, found: Found, loss: Tensor) -> None:
        if self._count == 1 and self._first_to_step is not None and self._update is not None:
            self._update.known["gradient_kept"] = has_gradient(self._first_to_step)
        if self._count:
            self._steps_each = max(1, self._steps)
        self._steps = 0
        self._told_losses.append(self.loss.form.undone(found, loss.detach()))
        self._cut.clear()
        if self._count == self._whole:
            self._count_anew(found)
        epoch, number = divmod(self._count, self._per_epoch)
        exact = self.loss.form.exact
        penalty = None if exact is None else exact.price(found, self.loss.facts.kl_coef)
        self._brief.append(brief_of(found, epoch + 1, penalty))
        self._held = found["log_prob"].detach(), found["value"].detach()
        self._count, self._within = self._count + 1, (epoch + 1, number + 1)

    @guarded
    def differentiating(self, found: Found, loss: Tensor) -> None:
        """The loss of a minibatch is there."""
        self.found = found
        still = self._still_there(found)
        anothers = self._is_anothers(found)
        if anothers and len(still) < len(BOTH):
            self.finish(stopped_by_kl=self._is_cut_short())  # whatever is left of the one before was not to be
            self._collected(found, loss)
        if self._update is None or self.watcher.off:
            return
        if self._over:
            if not anothers and not still and not self._update.stopped_by_kl and reaches(loss, self._weights):
                self._lose(LONGER.format(epochs=self.loss.facts.epochs, minibatches=self._count))
            return
        if len(still) == len(BOTH):
            own = self._steps < self._steps_each and reaches(loss, self._weights)
            if self._count == 1:
                try:
                    self.loss.add(found, loss, proven=own and self._proves)
                except Unlike as why:
                    self._lose(str(why))
                    return
            if own:
                # Terms that are differentiated one by one add up to it.
                self._told_losses[-1] = self._told_losses[-1] + self.loss.form.undone(found, loss.detach())
        elif still:
            old, new = (found.called[name] for name in sorted(BOTH, key=lambda name: name not in still))
            self._lose(BY_HALVES.format(old=old, new=new))
        else:
            self._note(found, loss)
            looks = self._count in self._to_check or (self.watcher.stepped and self.loss.sound)
            if not looks or self._is_still_like_it(found, loss):
                self._at(PhaseKind.LOSS)

    def clipped(self, norm: Tensor, weights: Sequence[Tensor]) -> None:
        """The limit of these weights' gradient's norm has been applied; where the critic's are limited by themselves,
        the norm is that of both.
        """
        if self._over or not any(id(one) in self._weights for one in weights):
            return
        place, which = self._count - 1, (len(weights), id(weights[0]), id(weights[-1]))
        if place in self._norms:
            if which not in self._cut:
                self._norms[place] = torch.hypot(self._norms[place], norm)
        else:
            self._norms[place] = norm
            if perf_counter() >= self.watcher.next_look:
                self._gradient_there()
        self._cut.add(which)

    @guarded
    def _gradient_there(self) -> None:
        self._at(PhaseKind.GRADIENT)

    def stepped(self, optimizer: Any) -> None:
        """An optimizer has made its step; a minibatch may be over with it, and an update."""
        update = self._update
        if self._over or update is None or not self._count or not self._is_own(optimizer):
            return
        self._first_to_step = self._first_to_step or optimizer
        self._steps += 1
        if self._steps != self._steps_each:
            return
        if perf_counter() >= self.watcher.next_look:
            self._step_made()
        facts = update.settings
        if self._within[1] < self._per_epoch:
            return
        self._end_epoch()
        found = found_in(sys._getframe(2), self.found) if facts.target_kl is not None else None
        far = found is not None and is_too_far(found, facts.target_kl)
        if far or self._within[0] >= facts.epochs:
            self.finish(stopped_by_kl=far and self._within[0] < facts.epochs)

    def finish(self, *, stopped_by_kl: bool = False) -> None:
        """The update under way is over."""
        if self._over or self._update is None:
            return
        self._over = True
        self._compare_coefficients()
        if self.loss.form.delta is None and self._told_losses:  # else it has another value loss than ours
            self._update.known["told_loss"] = float(self._told_losses[-1])
            if self.loss.sound and not rough_of(self.found["log_prob"]):
                self._update.known["loss_proven"] = 1.0
            self._compare_losses()
        known, going_on = self._ranks.compare(self, self._update, going_on=not self.watcher.stopping)
        self._update.known |= known
        self._updated(stopped_by_kl=stopped_by_kl)
        self._take_changes()
        if (self.watcher.stopping or not going_on) and not self.watcher.off:
            self.watcher.close()
            raise SystemExit(0)

    def leave(self) -> None:
        """What tells of its environments is taken out of them."""
        self._acting.leave()

    def alone(self) -> None:
        """Nothing is watched any more: processes that train together with this one need not wait for it."""
        self._ranks.leave()

    # Inside

    def _is_own(self, optimizer: Any) -> bool:
        """Whether it moves the agent: what is learned besides may have one of its own."""
        return any(one is optimizer for one in self._optimizers) or moves(optimizer, self._weights)

    def _is_cut_short(self) -> bool:
        """Whether minibatches of the update under way have not come. A GradScaler may leave out the last one's step."""
        return self._count < self._per_epoch * self.loss.facts.epochs

    def _count_anew(self, found: Found) -> None:
        """An epoch has come to what is left of its samples: to a smaller minibatch, or to the next epoch."""
        update = self._update
        if update is not None and len(found["samples"]) == update.size:
            self._per_epoch, self._whole = self._whole, -1
            update.settings = self.loss.leave_out(self._per_epoch)

    def _collected(self, found: Found, loss: Tensor) -> None:
        """A rollout is whole, and its first loss."""
        self._index += 1
        self._optimizers = optimizers_in(found.variables)
        before = self.loss.facts
        try:
            self.loss.begin(found, loss)
        except Unlike as why:
            self._lose(str(why))
            return
        facts = self.loss.read(found, alpha_of(found, self.optimizer))
        for name in self._changed if self._reports else ():
            self.watcher.changed(name, getattr(before, name), getattr(facts, name), self._index)
        self._changed = ()
        often = is_looked_at(self._index)
        self._proves = checked = self._reports and (often or self.watcher.attended or not self._checked)
        try:
            if checked and self.loss.sound:
                self.loss.prove(found, loss)
                facts, self._checked = self.loss.facts, True
        except Unlike as why:
            self._lose(str(why))
            return
        self._log_probs, self._version = found["log_probs"], version_of(found["log_probs"])
        update = update_of(found, facts, self._index, self._acting, self.policy, self.steps)
        update.known["log_probs_anew"] = float(found["advantages"] is self._advantages)
        self._advantages, self._first_to_step = found["advantages"], None
        samples = prod(layout_of(found))
        self.steps += samples
        self._count, self._per_epoch = 0, facts.minibatches
        looks_again = checked and often and self.loss.sound  # it takes more than a millisecond
        last = self._per_epoch * facts.epochs
        again = range(2, last + 1) if self.loss.open else (self._per_epoch, last)
        self._to_check = set(again) if looks_again else set()
        self._whole = -1 if self.loss.drops or not samples % update.size else facts.minibatches - 1
        self._brief, self._norms, self._told_losses = update.brief, update.gradient_norms, []
        self._over = False
        self._begin(update, update.episodes)
        self._about_to_step()

    def _take_changes(self) -> None:
        """What was set on the page takes effect, from the next update on."""
        self._set(self._ranks.spread(self.watcher.begins()))

    @guarded
    def _set(self, wanted: dict[str, Any]) -> None:
        for name, value in both_of(wanted, self.loss.facts.clip_range).items():
            if name == "learning_rate":
                set_alpha(self.optimizer.param_groups, value)
            elif name == "kl_coef":
                setattr(self.found["args"], str(self.loss.beta_called), value)
            else:
                self.found.settings.set(name, value / HALF if name == "value_coef" else as_read(name, value))
        self._changed = tuple(wanted)


def _agent_in(found: Found) -> Agent:
    """As it can be asked, if it can."""
    places = torch.as_tensor(taken(found["samples"], np.int64)).to(found["log_prob"].device)
    whole = found["observations"], found["actions"], places, found["log_prob"]
    remembering = RememberingAgent.in_sequences(found.variables, *whole)
    sample = found["observations"][places], found["actions"][places], found["log_prob"]
    return remembering or Agent.of(found.variables, *sample)


def version_of(array: Any) -> int:
    """How often it has been written to, where torch counts that."""
    return 0 if array is None or not isinstance(array, Tensor) or array.is_inference() else array._version
