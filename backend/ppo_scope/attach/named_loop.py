"""A PPO in one file, as CleanRL's are: found in an unchanged script by what its variables are called.

    ppo-scope watch ppo.py --its --arguments

Wherever `backward` is called, the variables of who called it are looked at. Where they are those of a PPO's update, by
name, shape and meaning (r = exp(log π − log π_old), and L put together of its terms), it is followed from there on;
nothing is shown that does not pass. The script's own gradient, limit of the norm and step are done as it does them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from ppo_scope.attach.acting import Acting
from ppo_scope.attach.agent import Agent
from ppo_scope.attach.arrays import taken
from ppo_scope.attach.loop import Loop, deltas_of
from ppo_scope.attach.record import Batch, Facts, Habits, Rollout, Told, Update, minibatches_of, seen_of
from ppo_scope.attach.report import Beside
from ppo_scope.attach.scope import facts_of
from ppo_scope.attach.server import server_of
from ppo_scope.attach.watcher import Watcher, guarded, say
from ppo_scope.probes.record import PhaseKind

NAMES = {
    "observations": ("b_obs",),
    "actions": ("b_actions",),
    "log_probs": ("b_logprobs",),
    "advantages": ("b_advantages",),
    "targets": ("b_returns",),
    "values": ("b_values",),
    "samples": ("mb_inds", "minibatch_ind"),
    "log_prob": ("newlogprob", "newlogproba"),
    "ratio": ("ratio",),
    "used": ("mb_advantages",),
    "value": ("newvalue", "new_values"),
    "entropy": ("entropy",),
    "rewards": ("rewards",),
    "dones": ("dones",),
    "next_done": ("next_done",),
    "args": ("args",),
}
"""What is looked for, and what CleanRL's files call it, today and in earlier years."""
TELLING = ("log_probs", "samples", "log_prob", "ratio")
"""Whoever has these has a PPO's update, if perhaps one that is not known here."""
SETTINGS = {
    "clip_range": ("clip_coef",),
    "value_coef": ("vf_coef",),
    "entropy_coef": ("ent_coef",),
    "epochs": ("update_epochs",),
    "minibatches": ("num_minibatches", "n_minibatch"),
    "max_grad_norm": ("max_grad_norm",),
    "target_kl": ("target_kl",),
    "discount": ("gamma",),
    "gae_lambda": ("gae_lambda",),
}
NEEDED = ("clip_range", "value_coef", "entropy_coef", "epochs", "minibatches")
CHANGEABLE = ("clip_range", "value_coef", "entropy_coef", "epochs", "max_grad_norm", "target_kl")
HALF = 0.5
"""Their value loss is half of ours, and their c₁ twice ours."""
DEEP = 8
"""Callers that are looked at: `backward` may be called for the script by another library."""
EXACT, NEARLY = 1e-6, 1e-5

LOOKED_FOR = "`backward` called where {names} are"
UNLIKE = "What looks like a PPO at {place} is not shown: {why}."
ANOTHER = "From update {index} on, {why}: nothing more is shown, and the training goes on."


class Unlike(Exception):
    """It is not what it looks like; why, without a full stop."""


@dataclass(frozen=True)
class Settings:
    """Where the script keeps them."""

    args: Any

    def __getitem__(self, name: str) -> Any:
        return next((getattr(self.args, one) for one in SETTINGS[name] if hasattr(self.args, one)), None)

    def set(self, name: str, value: Any) -> None:
        """Whoever reads it next finds it so."""
        setattr(self.args, next(one for one in SETTINGS[name] if hasattr(self.args, one)), value)


@dataclass(frozen=True)
class Found:
    """An update's variables, by what they mean."""

    values: dict[str, Any]
    variables: Mapping[str, Any]
    """All that the caller has."""
    place: str

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def missing(self) -> list[str]:
        """What there is none of, as it would be called."""
        return [NAMES[name][0] for name in NAMES if name not in self.values]

    @property
    def settings(self) -> Settings:
        """Where its `args` are."""
        return Settings(self.values["args"])


def found_in(frame: FrameType | None) -> Found | None:
    """The variables of the nearest caller who has a PPO's update; None: there is none."""
    for _ in range(DEEP):
        if frame is None:
            return None
        own, others = frame.f_locals, frame.f_globals
        if all(any(one in own for one in NAMES[name]) for name in TELLING):
            values = {
                name: own[one] if one in own else others[one]
                for name, called in NAMES.items()
                for one in called
                if one in own or one in others
            }
            return Found(values, own, f"{frame.f_code.co_filename}:{frame.f_lineno}")
        frame = frame.f_back
    return None


def told_of(found: Found) -> Told:
    """The minibatch at hand, as it hangs on its loss."""
    samples = taken(found["samples"], np.int64)
    places = torch.from_numpy(samples).to(found["log_probs"].device)
    data = Brought(
        old_values=found["values"][places],
        old_log_prob=found["log_probs"][places],
        advantages=found["used"],
        returns=found["targets"][places],
    )
    return Told(0, samples, data, (found["value"].flatten(), found["log_prob"], found["entropy"]))


class Brought(NamedTuple):
    """[B] each."""

    old_values: Tensor
    old_log_prob: Tensor
    advantages: Tensor
    returns: Tensor


def check(found: Found, loss: Tensor, facts: Facts) -> None:
    """Whether they are what they are called.

    Raises:
        Unlike: they are not.
    """
    layout = found["rewards"].shape
    if len(layout) != 2:
        raise Unlike(f"rewards has the shape {tuple(layout)}, and [steps, environments] is known here")
    size = layout[0] * layout[1]
    for name in ("log_probs", "advantages", "targets", "values"):
        if found[name].shape != (size,):
            raise Unlike(f"{NAMES[name][0]} has the shape {tuple(found[name].shape)}, and rewards {tuple(layout)}")
    count = len(found["samples"])
    for name in ("log_prob", "ratio", "used", "value", "entropy"):
        if found[name].shape != (count,):
            shape = tuple(found[name].shape)
            raise Unlike(f"{NAMES[name][0]} has the shape {shape}, and the minibatch {count} samples")
    told = told_of(found)
    log_prob = told.found[1].detach()
    expected = torch.exp(log_prob - told.data.old_log_prob)
    if not torch.allclose(found["ratio"].detach(), expected, rtol=EXACT, atol=EXACT):
        raise Unlike("ratio is not exp(newlogprob − b_logprobs[mb_inds])")
    steps = found.variables.get("values")
    if isinstance(steps, Tensor) and steps.shape == layout and not torch.equal(steps.flatten(), found["values"]):
        raise Unlike("b_values does not hold values step by step")
    ours, theirs = float(minibatches_of([seen_of(told)], facts, count, Habits())[0].loss), float(loss.detach())
    if abs(ours - theirs) > NEARLY * max(1.0, abs(theirs)):
        made_of = "the clipped policy loss, c₁ times the value loss and c₂ times the entropy"
        raise Unlike(f"its loss is {theirs:.6g}, and {made_of} make {ours:.6g}")


def facts_in(found: Found, alpha: float | None) -> Facts:
    """What it trains with.

    Raises:
        Unlike: something is missing that a loss is made with.
    """
    args, settings = found["args"], found.settings
    for name in NEEDED:
        if settings[name] is None:
            raise Unlike(f"args has no {SETTINGS[name][0]}")
    told = {name: settings[name] for name in SETTINGS if settings[name] is not None}
    told["value_coef"] = HALF * float(told["value_coef"])
    for name in ("clip_range", "entropy_coef"):
        told[name] = float(told[name])
    told["value_clip_range"] = told["clip_range"] if getattr(args, "clip_vloss", False) else None
    told["normalize_advantages"] = "minibatch" if getattr(args, "norm_adv", False) else "off"
    told["anneal_learning_rate"] = bool(getattr(args, "anneal_lr", False))
    if alpha is not None:
        told["learning_rate"] = alpha
    steps, rows = found["rewards"].shape
    return facts_of({**told, "num_envs": rows, "rollout_steps": steps, "seed": int(getattr(args, "seed", 0) or 0)})


class NamedLoop(Loop):
    """The loop of such a script."""

    def __init__(self, found: Found, loss: Tensor, url: str | None) -> None:
        """Raises `Unlike`."""
        super().__init__()
        self._facts = facts_in(found, _alpha(found))
        check(found, loss, self._facts)
        self._found = found
        self._log_probs: Tensor | None = None  # those of the update under way: others are another one's
        self._acting = Acting(found.variables.get("envs"))
        self._over = True
        self._changed: tuple[str, ...] = ()  # from the next update on
        args = found["args"]
        self.env = str(getattr(args, "env_id", None) or getattr(args, "gym_id", "an environment"))
        places = torch.as_tensor(taken(found["samples"], np.int64)).to(found["log_prob"].device)
        sample = found["observations"][places], found["actions"][places], found["log_prob"]
        self.policy: Agent = Agent.of(found.variables, *sample)
        space = self._acting.observation_space
        self.observation_space = space
        seen = found["observations"]
        self.observation = str(space) if space is not None else f"arrays of shape {tuple(seen.shape[1:])}"
        self.is_image = seen.ndim == 4
        self.steps = 0
        anneals = self._facts.anneal_learning_rate
        changeable = [name for name in CHANGEABLE if any(hasattr(args, one) for one in SETTINGS[name])]
        beside = space is not None and not seen.is_cuda and self.policy.distribution is not None
        self.watcher = Watcher(
            self,
            self._facts,
            address=server_of(url, say),
            library="a PPO in one file",
            change={name: lambda _: None for name in (*changeable, *([] if anneals else ["learning_rate"]))},
            seed=self._facts.seed,
            beside=Beside(self.as_it_is, "torch") if beside else None,
        )

    # Hooks

    @guarded
    def differentiating(self, found: Found, loss: Tensor) -> None:
        """The loss of a minibatch is there."""
        self._found = found
        if found["log_probs"] is not self._log_probs:
            self.finish(stopped_by_kl=True)  # whatever is left of the one before was not to be
            self._collected(found, loss)
        update = self._update
        if update is None or self.watcher.off:
            return
        told = told_of(found)
        per_epoch = -(-len(update.batch.values) // update.size) if update.batch is not None else 1
        epoch, number = divmod(len(update.told), per_epoch)
        self._within = epoch + 1, number + 1
        update.told.append(told._replace(epoch=epoch + 1))
        self._at(PhaseKind.LOSS)

    def clipped(self, norm: Tensor) -> None:
        """The limit of the gradient's norm has been applied."""
        if not self._over:
            self._differentiated(norm)

    def stepped(self, frame: FrameType | None) -> None:
        """The optimizer has made its step; an update may be over with it."""
        update = self._update
        if self._over or update is None or not update.told:
            return
        self._step_made()
        facts = update.settings
        if self._within[1] < facts.minibatches:
            return
        self._end_epoch()
        found = found_in(frame)
        far = found is not None and _is_too_far(found, facts.target_kl)
        if far or self._within[0] >= facts.epochs:
            self.finish(stopped_by_kl=far and self._within[0] < facts.epochs)

    def finish(self, *, stopped_by_kl: bool = False) -> None:
        """The update under way is over."""
        if self._over or self._update is None:
            return
        self._over = True
        self._updated(stopped_by_kl=stopped_by_kl)
        self._take_changes()
        if self.watcher.stopping and not self.watcher.off:
            self.watcher.close()
            raise SystemExit(0)

    # Inside

    def _collected(self, found: Found, loss: Tensor) -> None:
        """A rollout is whole, and its first loss."""
        self._index += 1
        before, alpha = self._facts, _alpha(found)
        self._facts = facts = facts_in(found, alpha)
        for name in self._changed:
            self.watcher.changed(name, getattr(before, name), getattr(facts, name), self._index)
        self._changed = ()
        try:
            check(found, loss, facts)
        except Unlike as why:
            say(ANOTHER.format(index=self._index, why=why))
            self.watcher.close(finished=False)
            return
        self._log_probs = found["log_probs"]
        rewards = taken(found["rewards"], np.float32)
        layout = rewards.shape
        starts = taken(found["dones"], np.bool_)
        ends = np.concatenate([starts[1:], taken(found["next_done"], np.bool_).reshape(1, -1)])
        cut, ended = self._acting.rollout(rewards, ends, self.steps)
        self.steps += rewards.size

        def samples(name: str) -> Tensor:
            copied: Tensor = found[name].detach().cpu().clone()
            return copied

        actions, advantages = samples("actions"), samples("advantages")
        if self.policy.discrete:
            actions = actions.long()
        observations = samples("observations")
        theta = self.policy.theta()
        batch = Batch(
            observations=observations,
            actions=actions,
            log_probs=samples("log_probs"),
            values=samples("values"),
            advantages=advantages,
            targets=samples("targets"),
        )
        if self.distribution is not None:
            batch.judged = lambda batch: self.policy.outputs_at(batch, theta)
        decay = (facts.discount or 0.0) * (facts.gae_lambda or 0.0)
        deltas = deltas_of(advantages.numpy().reshape(layout), ends, decay)

        def by_step(of: Tensor) -> Any:
            return of.numpy().reshape(*layout, *of.shape[1:])

        yes = np.ones(layout, np.bool_)
        rollout = Rollout(by_step(observations), by_step(actions), rewards, ends & ~cut, cut, yes, tuple(ended))
        update = Update(
            self._index, facts, alpha if alpha is not None else float("nan"), rollout, batch, theta, rewards, deltas
        )
        update.size = len(found["samples"])
        self._over = False
        self._begin(update, ended)

    def _take_changes(self) -> None:
        """What was set on the page takes effect, from the next update on."""
        wanted = self.watcher.begins()
        for name, value in wanted.items():
            if name == "learning_rate":
                for group in self._found.variables["optimizer"].param_groups:
                    group["lr"] = value
            else:
                self._found.settings.set(name, value / HALF if name == "value_coef" else value)
        self._changed = tuple(wanted)


def _alpha(found: Found) -> float | None:
    """Of the script's optimizer."""
    optimizer = found.variables.get("optimizer")
    if isinstance(optimizer, torch.optim.Optimizer):
        return float(optimizer.param_groups[0]["lr"])
    return getattr(found["args"], "learning_rate", None)


def _is_too_far(found: Found, target_kl: float | None) -> bool:
    """Whether the script is about to end the update for its KL."""
    args, kl = found["args"], found.variables.get("approx_kl")
    if target_kl is None or not isinstance(kl, Tensor) or not getattr(args, "kle_stop", True):
        return False
    return bool(kl > target_kl)


class Lookout:
    """Looks at who calls `backward`, until one is found, and then follows that one."""

    def __init__(self, url: str | None = None) -> None:
        self._url = url
        self.loop: NamedLoop | None = None
        self.calls = 0
        """Of `backward`, by whomever."""
        self.nearest: Found | None = None
        self._refused: set[str] = set()

    def begin(self) -> None:
        """From now on, in this process."""
        backward, clip = torch.Tensor.backward, nn.utils.clip_grad_norm_
        self._before = backward, clip

        def differentiated(loss: Tensor, *arguments: Any, **named: Any) -> None:
            self._look(sys._getframe(1), loss)
            backward(loss, *arguments, **named)  # type: ignore[no-untyped-call]

        def clipped(*arguments: Any, **named: Any) -> Tensor:
            norm: Tensor = clip(*arguments, **named)
            if self.loop is not None:
                self.loop.clipped(norm)
            return norm

        def stepped(*_: Any) -> None:
            if self.loop is not None:
                self.loop.stepped(sys._getframe(1))

        torch.Tensor.backward = differentiated  # type: ignore[assignment,method-assign]
        nn.utils.clip_grad_norm_ = clipped
        self._steps = register_optimizer_step_post_hook(stepped)

    def end(self) -> None:
        """The script is over: what was put in its way is taken out of it."""
        torch.Tensor.backward, nn.utils.clip_grad_norm_ = self._before  # type: ignore[method-assign]
        self._steps.remove()
        if self.loop is not None:
            self.loop.finish(stopped_by_kl=False)

    def why_none(self) -> str:
        """What was looked for here, and how far that got."""
        names = ", ".join(called[0] for called in NAMES.values())
        seen = f"{LOOKED_FOR.format(names=names)} (it was called {self.calls} times"
        if self.nearest is not None and (missing := self.nearest.missing()):
            return f"{seen}; at {self.nearest.place} there is no {', '.join(missing)})"
        return f"{seen})"

    def _look(self, frame: FrameType, loss: Tensor) -> None:
        self.calls += 1
        if self.loop is not None and self.loop.watcher.off:
            return
        found = found_in(frame)
        if found is None:
            return
        if self.loop is None:
            self.nearest = found
            self._try(found, loss)
        if self.loop is not None:
            self.loop.differentiating(found, loss)

    def _try(self, found: Found, loss: Tensor) -> None:
        if found.missing() or found.place in self._refused:
            return
        try:
            self.loop = NamedLoop(found, loss, self._url)
        except Unlike as why:
            self._refused.add(found.place)
            say(UNLIKE.format(place=found.place, why=why))
