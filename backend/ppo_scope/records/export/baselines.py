"""The policy of a state as a model of Stable-Baselines3, which loads it, acts by it and trains it further.

It is compared with ours on observations of its space before it is written: what would act otherwise is not written.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from ppo_scope.ppo.inference import inference_of
from ppo_scope.ppo.normalization import CLIP, EPSILON, RunningStatistics
from ppo_scope.ppo.settings import Settings
from ppo_scope.records.export.policy import Policy, policy_of
from ppo_scope.records.extras import needed
from ppo_scope.records.loading import LoadedRun

COMPARED = 64
"""Observations."""
TOLERANCE = 1e-4
"""Of log π and V, relative to their size or to 1: what rounding makes of the same sums in another order."""
HEADS = {"policy_head": "action_net", "value_head": "value_net"}


class CannotExpress(ValueError):
    """Stable-Baselines3 has nothing that acts like this policy; one readable line."""


@dataclass(frozen=True)
class Written:
    """What was written, and what one has to know of it."""

    files: list[Path]
    update: int
    """Before which the weights are."""
    notes: list[str]


def write_sb3(run: LoadedRun, path: Path, at: int | None = None) -> Written:
    """A zip for `PPO.load`, or for `MaskablePPO.load` where the environment says which actions it allows.

    Where observations or rewards are normalised, a file for `VecNormalize.load` lies beside it.

    Raises:
        Missing: Stable-Baselines3 (or sb3-contrib) is not installed.
        CannotExpress: it has no such policy.
        CannotRead: no such state is kept, or it is damaged.
        UnusableEnvironment, EnvironmentFault: the environment cannot be made.
        OSError: it cannot be written.
    """
    update, state = run.state_before(at)
    with policy_of(state) as policy:
        if policy.environments.masks is not None:
            algorithm, name = needed("sb3_contrib").MaskablePPO, "sb3_contrib.MaskablePPO"
        else:
            algorithm, name = needed("stable_baselines3").PPO, "stable_baselines3.PPO"
        model, normalizer = _model(algorithm, policy)
        _compare(model.policy, normalizer, policy)
        notes = _notes(name, path, policy, normalizer)
    model.num_timesteps = state["steps"]
    files = [path]
    model.save(path)
    if normalizer is not None:
        files.append(_normalizer_file(path))
        normalizer.save(str(files[-1]))
    return Written(files, update, notes)


def _normalizer_file(path: Path) -> Path:
    return path.with_name(f"{path.stem}.vecnormalize.pkl")


def _notes(name: str, path: Path, policy: Policy, normalizer: Any) -> list[str]:
    notes = [f"{name}.load({path.name!r}) loads it. It begins with Adam's moments at 0."]
    if normalizer is not None:
        notes.append(f"VecNormalize.load({_normalizer_file(path).name!r}, venv) normalises as this run did.")
    if policy.settings.shared_network and not policy.environments.spaces.is_image:
        notes.append(
            "Its shared trunk stands there twice, once for each network: it acts the same, and trains otherwise."
        )
    if policy.environments.spaces.is_image or policy.settings.leave_out:
        notes.append(f"It sees what the environment gives through {', '.join(policy.environments.wrappers)}.")
    return notes


def _model(algorithm: Any, policy: Policy) -> tuple[Any, Any]:
    """(theirs with our weights, their `VecNormalize` or None)."""
    settings, images = policy.settings, policy.environments.spaces.is_image
    several = isinstance(policy.environments.vector.single_observation_space, gym.spaces.Dict)
    kind = "CnnPolicy" if images else "MultiInputPolicy" if several else "MlpPolicy"
    sizes = [] if images else list(settings.hidden_sizes)
    activation = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}[settings.activation]
    how: dict[str, Any] = {
        "net_arch": {"pi": sizes, "vf": sizes},
        "activation_fn": activation,
        "ortho_init": False,
        "normalize_images": images,
        "share_features_extractor": settings.shared_network,
    }
    venv, normalizer = _vector(policy)
    like = _like(settings)
    with _theirs(settings.env):
        model = algorithm(kind, normalizer or venv, policy_kwargs=how, device="cpu", **like)
    _give(model.policy, policy)
    return model, normalizer


@contextlib.contextmanager
def _theirs(env: str) -> Iterator[None]:
    """A call of theirs, which refuses spaces and shapes in many ways; raises CannotExpress."""
    try:
        yield
    except (AssertionError, AttributeError, KeyError, NotImplementedError, RuntimeError, ValueError) as error:
        said = str(error).partition("\n")[0]
        raise CannotExpress(
            f"Stable-Baselines3 has no policy for the spaces of {env} ({said}). Take the weights along as .safetensors."
        ) from None


def _vector(policy: Policy) -> tuple[Any, Any]:
    """(a vector environment of theirs with our spaces, the same normalised as ours or None)."""
    vec_env = needed("stable_baselines3.common.vec_env")
    vector, settings = policy.environments.vector, policy.settings
    observation, action = vector.single_observation_space, vector.single_action_space
    if np.any(getattr(action, "start", 0)):
        raise CannotExpress(f"Stable-Baselines3 counts actions from 0, and those of {settings.env} begin elsewhere.")
    with _theirs(settings.env):
        venv = vec_env.DummyVecEnv([lambda: _Spaces(observation, action)] * settings.num_envs)
    if not policy.normalizes and policy.returns is None:
        return venv, None
    if policy.normalizes and not isinstance(observation, gym.spaces.Box):
        raise CannotExpress(
            f"Stable-Baselines3 normalises arrays only, and observations of {settings.env} are none. "
            "Take the weights along as .safetensors."
        )
    normalizer = vec_env.VecNormalize(
        venv,
        norm_obs=policy.normalizes,
        norm_reward=policy.returns is not None,
        clip_obs=CLIP,
        clip_reward=CLIP,
        gamma=settings.discount,
        epsilon=EPSILON,
    )
    if policy.normalizes:
        _take(normalizer.obs_rms, policy.statistics, observation.shape or ())
    if policy.returns is not None:
        _take(normalizer.ret_rms, policy.returns, ())
    return venv, normalizer


def _take(theirs: Any, ours: RunningStatistics, shape: tuple[int, ...]) -> None:
    theirs.mean, theirs.var = ours.mean.reshape(shape).copy(), ours.variance.reshape(shape).copy()
    theirs.count = ours.count


def _like(settings: Settings) -> dict[str, Any]:
    """Their arguments that mean the same."""
    return {
        "learning_rate": settings.learning_rate,
        "n_steps": settings.rollout_steps,
        "batch_size": max(2, settings.rollout_steps * settings.num_envs // settings.minibatches),
        "n_epochs": settings.epochs,
        "gamma": settings.discount,
        "gae_lambda": settings.gae_lambda,
        "clip_range": settings.clip_range,
        "ent_coef": settings.entropy_coef,
        "vf_coef": settings.value_coef,
        "max_grad_norm": settings.max_grad_norm if settings.max_grad_norm is not None else math.inf,
        "normalize_advantage": settings.normalize_advantages != "off",
        "seed": settings.seed % 2**32,
    }


@torch.no_grad()
def _give(theirs: Any, policy: Policy) -> None:
    """Copy our weights into theirs."""
    known = dict(policy.network.layers.named_parameters())
    for name, weights in known.items():
        for place in _places(name, policy):
            with _theirs(policy.settings.env):
                theirs.get_parameter(place).copy_(weights)


def _places(name: str, policy: Policy) -> list[str]:
    """Where a parameter of ours stands in theirs; a shared trunk of numbers stands there twice."""
    module, _, rest = name.partition(".")
    if module == "policy_free":
        return ["log_std"]
    if module in HEADS:
        return [f"{HEADS[module]}.{rest}"]
    both = module == "policy_trunk" and policy.settings.shared_network
    if not policy.environments.spaces.is_image:
        nets = ["policy_net", "value_net"] if both else [module.replace("_trunk", "_net")]
        return [f"mlp_extractor.{net}.{rest}" for net in nets]
    extractor = (
        "features_extractor" if both else "pi_features_extractor" if "policy" in module else "vf_features_extractor"
    )
    index, _, suffix = rest.partition(".")
    convolutions = 6  # with what lies between them
    return [f"{extractor}." + (f"cnn.{rest}" if int(index) < convolutions else f"linear.0.{suffix}")]


@torch.no_grad()
def _compare(theirs: Any, normalizer: Any, policy: Policy) -> None:
    """Raises CannotExpress: they do not act the same."""
    spaces, space = policy.environments.spaces, policy.environments.vector.single_observation_space
    space.seed(0)
    inference, draws = inference_of(policy.network), np.random.default_rng(0)
    for _ in range(COMPARED):
        seen = space.sample()
        outputs, values = inference.judge(inference.normalized(spaces.prepare_one(seen)))
        actions = spaces.distribution.act(outputs, spaces.distribution.noise(draws, (1,)))
        log_probs, _ = spaces.distribution.evaluate(torch.from_numpy(outputs), torch.from_numpy(actions))
        shown = seen if normalizer is None else normalizer.normalize_obs(seen)
        tensor, _ = theirs.obs_to_tensor(shown)
        their_values, their_log_probs, _ = theirs.evaluate_actions(tensor, torch.from_numpy(actions))
        alike = np.allclose(values, their_values.flatten().numpy(), TOLERANCE, TOLERANCE)
        if not alike or not np.allclose(log_probs.numpy(), their_log_probs.numpy(), TOLERANCE, TOLERANCE):
            raise CannotExpress(
                f"Stable-Baselines3 would act otherwise on {policy.settings.env}: it prepares its observations in "
                "another way. Take the weights along as .safetensors."
            )


class _Spaces(gym.Env[Any, Any]):
    """Nothing but spaces: a model is made for them, and saved without its environment."""

    def __init__(self, observation: gym.Space[Any], action: gym.Space[Any]) -> None:
        self.observation_space, self.action_space = observation, action
