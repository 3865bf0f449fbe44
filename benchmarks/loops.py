"""Loops of other people's libraries, to be watched by turns: each runs until `ended` says so at the end of a turn.

What is left out while a loop is not watched is all of ours, as far as the library can be rid of it between two updates.
"""

import contextlib
import io
from typing import ClassVar

import torch
from torch import nn
from torch.distributions import Categorical

M, N, EPOCHS, MINIBATCHES = 128, 4, 4, 4
"""CartPole's sizes."""


class StableBaselines:
    """A PPO of Stable-Baselines3. Environments, and what it is made with: a short update, the library's own settings,
    and 536,067 weights.
    """

    SIZES: ClassVar = {
        "small": (4, {"n_steps": 128, "batch_size": 128, "n_epochs": 4}),
        "second": (2, {"n_steps": 2048, "batch_size": 64, "n_epochs": 10}),
        "wide": (4, {"n_steps": 512, "batch_size": 256, "n_epochs": 4, "policy_kwargs": {"net_arch": [512, 512]}}),
    }

    def __init__(self, link, size="small"):
        from stable_baselines3 import PPO
        from stable_baselines3.common.env_util import make_vec_env

        envs, sizes = self.SIZES[size]
        self.updates = 4 if size == "small" else 1  # of short ones, so many as are handed over together
        self._follow(PPO("MlpPolicy", make_vec_env("CartPole-v1", envs), seed=1, device="cpu", **sizes), link)

    def _follow(self, model, link):
        from ppo_scope.attach.sb3.stable_baselines import Watched

        self._model, self._steps = model, model.n_envs * model.n_steps * self.updates
        self.watcher = Watched(self._model, link, False).watcher

    def run(self, ended):
        while not ended():
            self._model.learn(self._steps, reset_num_timesteps=False)

    def watch(self, on):
        self.watcher.off = not on


class Maskable(StableBaselines):
    """A MaskablePPO of sb3-contrib, on sixteen numbers of which half may be chosen."""

    def __init__(self, link):
        from sb3_contrib import MaskablePPO
        from sb3_contrib.common.envs import InvalidActionEnvDiscrete
        from stable_baselines3.common.env_util import make_vec_env

        envs, sizes = self.SIZES["small"]
        world = make_vec_env(InvalidActionEnvDiscrete, envs, env_kwargs={"dim": 16, "n_invalid_actions": 8})
        self.updates = 4
        self._follow(MaskablePPO("MlpPolicy", world, seed=1, device="cpu", **sizes), link)


class Recurrent(StableBaselines):
    """A RecurrentPPO of sb3-contrib, on Pendulum, whose episodes are as long as its rollouts: by where they end, one
    update takes three times as long as another.
    """

    def __init__(self, link):
        from sb3_contrib import RecurrentPPO
        from stable_baselines3.common.env_util import make_vec_env

        envs, sizes = self.SIZES["small"]
        self.updates, lstm = 1, {"lstm_hidden_size": 64}
        world = make_vec_env("Pendulum-v1", envs, env_kwargs={"max_episode_steps": sizes["n_steps"]})
        self._follow(RecurrentPPO("MlpLstmPolicy", world, policy_kwargs=lstm, seed=1, device="cpu", **sizes), link)


class RslRl:
    """The runner of rsl_rl on eight points on a line."""

    updates = 4

    def __init__(self, _):
        from rsl_rl.runners import OnPolicyRunner

        from tests.attach.rsl_loop import WATCHED, Points, config

        about = config(WATCHED, num_learning_epochs=EPOCHS, num_mini_batches=MINIBATCHES)
        about |= {"num_steps_per_env": M * N // Points.num_envs}
        for one in ("actor", "critic"):
            about[one]["hidden_dims"] = [64, 64]
        torch.manual_seed(1)
        self._runner = OnPolicyRunner(Points(), about, log_dir=None, device="cpu")
        self._loop = self._runner.alg._loop
        self.watcher = self._loop.watcher

    def run(self, ended):
        with contextlib.redirect_stdout(io.StringIO()):
            while not ended():
                self._runner.learn(self.updates)

    def watch(self, on):
        self.watcher.off = not on
        self._runner.alg._loop = self._loop if on else None


class TorchRL:
    """Its tutorial's loop, at CartPole's sizes."""

    updates = 1

    def __init__(self, link):
        from torchrl.collectors import Collector
        from torchrl.data import LazyTensorStorage, ReplayBuffer, SamplerWithoutReplacement

        from ppo_scope.attach.clip_loss import Watched
        from tests.attach.libraries.torchrl_loop import made

        env, actor, self._loss, self._advantage = made(width=64)
        size = M * N
        self._collector = Collector(env, actor, frames_per_batch=size, total_frames=-1)
        storage = {"storage": LazyTensorStorage(size), "sampler": SamplerWithoutReplacement()}
        self._buffer = ReplayBuffer(**storage, batch_size=size // MINIBATCHES)
        self._watched = Watched(self._loss, self._advantage, "CartPole-v1", link, False)
        self._on = True

    @property
    def watcher(self):
        return self._watched.watcher

    def run(self, ended):
        from tests.attach.libraries.torchrl_loop import learn

        adam = torch.optim.Adam(self._loss.parameters(), 3e-4)
        for data in self._collector:
            learn(data, self._loss, self._advantage, self._buffer, adam, EPOCHS, lambda *_: None)
            if ended():
                break
        self._collector.shutdown()

    def watch(self, on):
        if on != self._on:
            (self._watched._hook if on else self._watched._let_go)()
        self._on = on


class Trl:
    """A `GRPOTrainer` on a tiny language model."""

    updates = 1

    def __init__(self, link):
        from ppo_scope.attach.grpo import Watched
        from tests.attach.libraries.grpo_loop import trainer

        self._trainer = trainer(1_000_000)
        self._watched = Watched(self._trainer, link, False)

    @property
    def watcher(self):
        return self._watched.watcher

    def run(self, ended):
        from transformers import TrainerCallback

        args, watched = self._trainer.args, self._watched
        steps = args.steps_per_generation * self._trainer.num_iterations

        class Counting(TrainerCallback):
            """After the one that watches."""

            def on_optimizer_step(self, _, state, control, **__):
                if (state.global_step + 1) % steps == 0 and ended():
                    control.should_training_stop = True
                return control

        watched._scope.close, closing = lambda: None, watched._scope.close
        self._trainer.add_callback(Counting())
        with contextlib.redirect_stdout(io.StringIO()):
            self._trainer.train()
        watched._scope.close = closing

    def watch(self, on):
        self.watcher.off = not on


class Own:
    """Somebody's own PPO on CartPole, in plain torch, with the three calls of `Scope`."""

    updates = 4

    def __init__(self, link):
        import gymnasium as gym

        import ppo_scope

        torch.manual_seed(1)
        self._envs = gym.make_vec("CartPole-v1", N)
        self._policy, self._critic = (
            nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, width))
            for width in (2, 1)
        )
        self._weights = [*self._policy.parameters(), *self._critic.parameters()]
        self._adam = torch.optim.Adam(self._weights, 2.5e-4, eps=1e-5)
        self._scope = ppo_scope.Scope(
            env="CartPole-v1",
            clip_range=0.2,
            value_coef=0.5,
            entropy_coef=0.01,
            learning_rate=2.5e-4,
            epochs=EPOCHS,
            minibatches=MINIBATCHES,
            url=link,
        )
        self._on = True

    @property
    def watcher(self):
        return self._scope.watcher

    def run(self, ended):
        seen, count = torch.as_tensor(self._envs.reset(seed=1)[0]), 0
        while True:
            seen = self._update(seen)
            count += 1
            if count % self.updates == 0 and ended():
                return

    def watch(self, on):
        self._on = on

    def _update(self, seen):
        scope = self._scope if self._on else None
        kept = {name: [] for name in ("observations", "actions", "log_probs", "values", "rewards", "terminated", "cut")}
        with torch.no_grad():
            for _ in range(M):
                drawn = Categorical(logits=self._policy(seen))
                actions = drawn.sample()
                follows, rewards, terminated, cut, _ = self._envs.step(actions.numpy())
                row = (seen, actions, drawn.log_prob(actions), self._critic(seen).squeeze(-1))
                row += (
                    torch.as_tensor(rewards, dtype=torch.float32),
                    torch.as_tensor(terminated),
                    torch.as_tensor(cut),
                )
                for name, one in zip(kept, row, strict=True):
                    kept[name].append(one)
                seen = torch.as_tensor(follows)
            last = self._critic(seen).squeeze(-1)
        data = {name: torch.stack(each) for name, each in kept.items()}
        ends = data["terminated"] | data["cut"]
        advantages = torch.zeros(M, N)
        added = torch.zeros(N)
        for t in reversed(range(M)):
            following = last if t == M - 1 else data["values"][t + 1]
            delta = data["rewards"][t] + 0.99 * following * ~ends[t] - data["values"][t]
            advantages[t] = added = delta + 0.99 * 0.95 * added * ~ends[t]
        returns = advantages + data["values"]
        if scope is not None:
            same = ("observations", "actions", "log_probs", "values", "rewards")
            about = {"advantages": advantages, "returns": returns, "dones": ends, "truncated": data["cut"]}
            scope.rollout(**{name: data[name] for name in same}, **about)
        flat = {name: one.flatten(0, 1) for name, one in {**data, "advantages": advantages, "returns": returns}.items()}
        for _ in range(EPOCHS):
            for samples in torch.randperm(M * N).chunk(MINIBATCHES):
                self._minibatch({name: one[samples] for name, one in flat.items()}, samples, scope)
        if scope is not None:
            scope.update()
        return seen

    def _minibatch(self, data, samples, scope):
        drawn, values = Categorical(logits=self._policy(data["observations"])), self._critic(data["observations"])
        log_prob, values, entropy = drawn.log_prob(data["actions"]), values.squeeze(-1), drawn.entropy()
        raw = data["advantages"]
        used, ratio = (raw - raw.mean()) / (raw.std() + 1e-8), (log_prob - data["log_probs"]).exp()
        policy_loss = torch.maximum(-used * ratio, -used * ratio.clamp(0.8, 1.2)).mean()
        value_loss = (values - data["returns"]).square().mean()
        loss = policy_loss + 0.5 * value_loss - 0.01 * entropy.mean()
        if scope is not None:
            scope.minibatch(samples=samples, log_prob=log_prob, advantages=used, values=values, entropy=entropy)
        self._adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._weights, 0.5)
        self._adam.step()


LOOPS = {
    "sb3": StableBaselines,
    "maskable": Maskable,
    "recurrent": Recurrent,
    "rsl_rl": RslRl,
    "torchrl": TorchRL,
    "trl": Trl,
    "own": Own,
}
