"""Way 2 for TorchRL, `ppo_scope.watch(loss, advantage=…)`: a `ClipPPOLoss`, and what estimates its advantages.

    advantage = GAE(gamma=0.99, lmbda=0.95, value_network=critic)
    loss = ClipPPOLoss(actor, critic, loss_critic_type="l2")
    ppo_scope.watch(loss, advantage=advantage)

A rollout is what the advantages are estimated of; one that is estimated anew is the same rollout. A minibatch is a call
of the loss that may be differentiated. Which samples it holds is known from what the loss reads of them: the action,
its log-probability and the target of the critic. An update ends where the next rollout comes.
"""

from __future__ import annotations

import atexit
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import optimizer as optimizers

from ppo_scope.attach import once
from ppo_scope.attach.arrays import handing_over
from ppo_scope.attach.course import epsilon
from ppo_scope.attach.loss_networks import LossNetworks
from ppo_scope.attach.loss_samples import bytes_of, places_by, samples_in
from ppo_scope.attach.loss_weights import LossWeights, plain
from ppo_scope.attach.own_loop.scope import Scope
from ppo_scope.attach.watcher import Watcher, guarded, say
from ppo_scope.probes.record import Floats, Minibatch, Update

HOOKED = ("_log_weight", "_maybe_normalize_advantage", "_get_entropy", "_critic_loss_inputs")
"""What of the loss is wrapped."""
OTHER = "This ClipPPOLoss is of a version that is not known here: it has no {names}. See the table in docs/attach.md."
NO_ADVANTAGE = (
    "ppo_scope.watch(loss, advantage=…): hand over the module that estimates the advantages too, such as GAE. What it "
    "is called with is the rollout."
)
ANOTHER_BASE = "This ClipPPOLoss weighs its ratio by another one ({name}), which is not shown here yet."
SEVERAL = "This ClipPPOLoss has several actions at once, which are not shown here yet."
GOES_ON = "The run was ended on the page. The loop is its author's and goes on; nothing of it is shown any more."


def watch(
    loss: Any, *, advantage: Any = None, env: str = "TorchRL", url: str | None = None, paused: bool = False
) -> Any:
    """Show what is trained with this loss from now on; the loss.

    Args:
        loss: a `torchrl.objectives.ClipPPOLoss`.
        advantage: the module that estimates its advantages; left out: the loss's own, where it has made one.
        env: how the run is called.
        url: the server's link; else that of `PPO_SCOPE_URL`; else a server is started that ends with this process.
        paused: wait for Play on the page before the first update.

    Raises:
        TypeError: it is one that cannot be shown; the sentence says why.
        ValueError: the link is none.
    """
    estimator = advantage if advantage is not None else vars(loss).get("_value_estimator")
    why = why_not(loss, estimator)
    if why is not None:
        raise TypeError(why)
    if not once.goes_on(loss, "loss"):
        Watched(loss, estimator, env, url, paused)
    return loss


def why_not(loss: Any, estimator: Any) -> str | None:
    """Why this cannot be watched; None: it can."""
    missing = [name for name in HOOKED if not hasattr(loss, name)]
    if missing:
        return OTHER.format(names=", ".join(missing))
    if estimator is None:
        return NO_ADVANTAGE
    for name in ("delay_actor", "max_importance_ratio"):
        if getattr(loss, name, None):
            return ANOTHER_BASE.format(name=name)
    return None if isinstance(loss.tensor_keys.action, str | tuple) else SEVERAL


class Watched:
    """A loss, its rollouts, and its hooks."""

    def __init__(self, loss: Any, estimator: Any, env: str, url: str | None, paused: bool) -> None:
        self._loss, self._keys, self._estimator = loss, loss.tensor_keys, estimator
        self._weights = LossWeights(loss)
        told: dict[str, Any] = {} if not loss.clip_value else {"value_clip_range": plain(loss.clip_value)}
        for name, of in (("discount", "gamma"), ("gae_lambda", "lmbda")):
            if (value := getattr(estimator, of, None)) is not None:
                told[name] = plain(value)
        self._scope = Scope(
            env=env,
            normalize_advantages="minibatch" if loss.normalize_advantage else "off",
            weights=loss,
            library="TorchRL ClipPPOLoss",
            change=self._weights.changes(),
            paused=paused,
            url=url,
            **self._weights.now(),
            **told,
        )
        self._networks = LossNetworks(loss)
        self._mine = {id(one) for _, one in self._networks.own}
        self._rollout: Any = None
        self._places: dict[bytes, int] | dict[bytes, deque[int]] = {}
        self._data: Any = None  # of the minibatch at hand
        self._caught: dict[str, Tensor] = {}
        self._asking = self._ended = False
        self._alpha: float | None = None
        self._hook()
        once.note(loss, self)

    @property
    def tells(self) -> bool:
        """Whether its run goes on."""
        return self._scope.tells

    @property
    def watcher(self) -> Watcher:
        """Of its scope."""
        return self._scope.watcher

    # The hooks: each does what it did, and says so

    def _hook(self) -> None:
        loss = self._loss
        weigh, normalize, entropy, inputs = (getattr(loss, name) for name in HOOKED)

        def weighed(*arguments: Any, **named: Any) -> Any:
            found = weigh(*arguments, **named)
            self._caught["logratio"] = found[0]
            return found

        def normalized(*arguments: Any, **named: Any) -> Any:
            self._caught["advantages"] = found = normalize(*arguments, **named)
            return found

        def spread(*arguments: Any, **named: Any) -> Any:
            self._caught["entropy"] = found = entropy(*arguments, **named)
            return found

        def judged(*arguments: Any, **named: Any) -> Any:
            found = inputs(*arguments, **named)
            self._caught["values"] = found[1]
            return found

        for name, hook in zip(HOOKED, (weighed, normalized, spread, judged), strict=True):
            object.__setattr__(loss, name, hook)
        estimating = self._estimator.register_forward_hook(lambda _, given, made: self._estimated(made))
        losing = loss.register_forward_hook(lambda _, given, made: self._lost(given))
        before = optimizers.register_optimizer_step_pre_hook(lambda one, *_: self._stepping(one))
        after = optimizers.register_optimizer_step_post_hook(lambda one, *_: self._stepped(one))
        clip = nn.utils.clip_grad_norm_

        def clipped(parameters: Any, *arguments: Any, **named: Any) -> Tensor:
            held = list(parameters) if not isinstance(parameters, Tensor) else [parameters]
            norm = clip(held, *arguments, **named)
            if any(id(one) in self._mine for one in held):
                self._scope.gradient(norm)
            return norm

        nn.utils.clip_grad_norm_ = clipped  # where loops find it

        def let_go() -> None:
            for one in (estimating, losing, before, after):
                one.remove()
            for name in HOOKED:
                object.__delattr__(loss, name)
            nn.utils.clip_grad_norm_ = clip

        self._let_go = let_go

    def _estimated(self, made: Any) -> None:
        """A rollout has got its advantages."""
        if self._ended or self._asking:
            return
        same = self._rollout is not None and made.get(self._keys.action).data_ptr() == self._rollout
        if not same:
            if self._rollout is not None and not self._scope.update():
                self._end(GOES_ON)
                return
            self._rollout = made.get(self._keys.action).data_ptr()
        try:
            with handing_over():
                self._take(made, again=same)
        except Exception as error:  # not of the loop's making: it goes on
            self._ended = True
            self._let_go()
            self.watcher.give_up(error)
            return
        if not same and self._scope.first:
            atexit.register(self._over)

    def _take(self, made: Any, *, again: bool) -> None:
        batch, steps = made.ndim, made.shape[-1]
        layout = steps, made.numel() // steps

        def rows(key: Any) -> NDArray[Any]:
            found: Tensor = made.get(key)
            return _flat(found.reshape(-1, steps, *found.shape[batch:]).transpose(0, 1), layout)

        keys, of = self._keys, self._estimator.tensor_keys
        actions, log_probs, targets = rows(keys.action), rows(keys.sample_log_prob), rows(keys.value_target)
        self._places = places_by(actions, log_probs, targets)
        if again:  # anew, by a critic that has learned: what the loss uses of it comes with each minibatch
            return
        data = made.detach().reshape(-1, steps).transpose(0, 1)
        policy, outputs = self._networks.policy(data.reshape(-1))
        if policy == "discrete" and actions.ndim == 3:
            actions = actions.argmax(-1)
        done, terminated = rows(("next", of.done)), rows(("next", of.terminated))
        seen = [data.get(key) for key in self._loss.actor_network.in_keys]
        self._networks.shapes = [
            (key, tuple(one.shape[2:])) for key, one in zip(self._loss.actor_network.in_keys, seen, strict=True)
        ]
        mask = data.get(("collector", "mask"), None)
        if policy is not None:
            self._scope.becomes(policy)
        self._scope.abilities = replace(
            self._scope.abilities,
            theta=self._networks.theta,
            parts=self._networks.parts,
            judge=self._judge if policy is not None else None,
            differentiate=self._differentiate if self._networks.pure else None,
        )
        self._scope.rollout(
            actions=actions,
            rewards=rows(("next", of.reward)),
            log_probs=log_probs,
            values=rows(keys.value) if self._loss.critic_coeff is not None else None,
            advantages=rows(keys.advantage),
            returns=targets,
            dones=done,
            truncated=done & ~terminated,
            observations=torch.cat([one.reshape(*layout, -1).float() for one in seen], -1),
            outputs=None if outputs is None else outputs.reshape(*layout, -1),
            mask=None if mask is None else _flat(mask, layout),
            deltas=self._deltas(data, rows, terminated),
            learning_rate=self._alpha,
            **self._weights.now(),
        )

    def _deltas(self, data: Any, rows: Any, terminated: NDArray[Any]) -> NDArray[Any] | None:
        """δ = r + γ·V(s′) − V(s), where the estimator has told V of the next states."""
        key, discount = self._keys.value, getattr(self._estimator, "gamma", None)
        if discount is None or data.get(("next", key), None) is None:
            return None
        follows = plain(discount) * rows(("next", key)) * ~terminated
        found: NDArray[Any] = rows(("next", self._estimator.tensor_keys.reward)) + follows - rows(key)
        return found

    @guarded
    def _lost(self, given: Any) -> None:
        """The loss of a minibatch is made."""
        if self._asking or self._ended or self._rollout is None or not torch.is_grad_enabled() or not given:
            return
        data = self._data = given[0]
        caught = {name: one.detach().reshape(-1) for name, one in self._caught.items()}
        keys = self._keys
        read = [data.get(key).detach() for key in (keys.action, keys.sample_log_prob, keys.value_target)]
        old = read[1].reshape(-1)
        with handing_over():
            self._scope.minibatch(
                samples=samples_in(self._places, bytes_of(len(old), [one.cpu().numpy() for one in read])),
                log_prob=old + caught["logratio"],
                old_log_prob=old,
                advantages=caught["advantages"],
                values=caught.get("values"),
                returns=read[2].reshape(-1),
                entropy=caught.get("entropy"),
            )

    def _stepping(self, optimizer: Any) -> None:
        """The optimizer is about to make its step."""
        if self._ended or self._rollout is None or not self._is_mine(optimizer):
            return
        gradients = [one.grad for _, one in self._networks.own if one.grad is not None]
        self._alpha = float(optimizer.param_groups[0]["lr"])
        self._scope.tell(**epsilon(optimizer))
        if gradients and not self._scope.has_gradient:
            self._scope.gradient(nn.utils.get_total_norm(gradients))

    def _stepped(self, optimizer: Any) -> None:
        if not self._ended and self._rollout is not None and self._is_mine(optimizer):
            self._scope.step()

    def _is_mine(self, optimizer: Any) -> bool:
        return any(id(one) in self._mine for group in optimizer.param_groups for one in group["params"])

    def _over(self) -> None:
        """The process ends: so does the update that it is in."""
        if not self._ended:
            self._scope.update()
            self._end("")

    def _end(self, why: str) -> None:
        self._ended = True
        self._let_go()
        self._scope.close()
        if why:
            say(why)

    def _judge(self, batch: Any) -> tuple[Tensor, Tensor]:
        """What an update has led to is found once."""
        return batch.told_after or self._networks.judge(batch)

    def _differentiate(self, update: Update, minibatch: Minibatch) -> Sequence[Floats]:
        """Of the loss's own terms, by a pass of its own."""
        caught, self._caught, self._asking = self._caught, {}, True
        try:
            with torch.enable_grad(), torch.random.fork_rng():
                made = self._loss(self._data.clone(False))
                terms = [made.get("loss_objective")]
                critic = made.get("loss_critic", None)
                terms.append(None if critic is None else critic / self._loss.critic_coeff)
                entropy = self._caught.get("entropy")
                terms.append(None if entropy is None else entropy.mean())
                return [self._networks.gradient(term) for term in terms]
        finally:
            self._caught, self._asking = caught, False


def _flat(found: Tensor, layout: tuple[int, ...]) -> NDArray[Any]:
    """[M, N] of [M, N, 1], as TorchRL has it; what is wider stays so."""
    array: NDArray[Any] = found.detach().cpu().numpy()
    return array.reshape(layout) if array.shape == (*layout, 1) else array
