"""The one table of presets: environments with what they need to be solved, and lessons; what each is for.

Figures come from where `source` says; L_VF has no ½ here, so a value coefficient of CleanRL's is halved.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ppo_scope.ppo import extras

ZOO = "rl-baselines3-zoo, hyperparams/ppo.yml"
CLEANRL = "CleanRL"


@dataclass(frozen=True)
class Preset:
    """Settings under a name; what is not named keeps its default."""

    name: str
    title: str
    about: str
    """What it is for, in a sentence, and what happens there."""
    source: str
    settings: Mapping[str, Any]
    expect: str = ""
    """What comes of it with seed 1, as `docs/presets.md` draws it."""

    @property
    def missing(self) -> extras.Extra | None:
        """The extra that has to be installed first."""
        return extras.missing(self.settings)


PRESETS: tuple[Preset, ...] = (
    Preset(
        "cartpole",
        "CartPole",
        "For a first look: balance a pole, with a clear rise within half a minute.",
        "our own: the defaults, with a learning rate that is annealed",
        {"env": "CartPole-v1", "anneal_learning_rate": True, "total_steps": 500_000},
        "A mean return of 250 after 46,000 steps, and of 500, the most there is, after 107,000.",
    ),
    Preset(
        "acrobot",
        "Acrobot",
        "For a return that is at its worst until the goal is met by chance: swing a two-link arm up to a line, at −1 a "
        "step.",
        f"{ZOO}: normalised observations, 16 × 256, λ 0.94, no entropy bonus; 8 minibatches here",
        {
            "env": "Acrobot-v1",
            "num_envs": 16,
            "rollout_steps": 256,
            "minibatches": 8,
            "gae_lambda": 0.94,
            "entropy_coef": 0.0,
            "learning_rate": 3e-4,
            "normalize_observations": True,
        },
        "A mean return of −310 after 33,000 steps, of −120 after 57,000 and of −90 after 102,000.",
    ),
    Preset(
        "mountain-car",
        "MountainCar",
        "For exploration: rock a weak car out of a valley, where nothing is paid before the top.",
        f"{ZOO}: normalised observations and rewards, 16 short rollouts, λ 0.98, no entropy bonus; α is ours",
        {
            "env": "MountainCar-v0",
            "num_envs": 16,
            "rollout_steps": 16,
            "minibatches": 4,
            "gae_lambda": 0.98,
            "entropy_coef": 0.0,
            "learning_rate": 1e-3,
            "anneal_learning_rate": True,
            "total_steps": 1_000_000,
            "normalize_observations": True,
            "normalize_rewards": True,
        },
        "A mean return of −130 after 46,000 steps, then none that is better before 500,000, and −120 at the end.",
    ),
    Preset(
        "pendulum",
        "Pendulum",
        "For one continuous action: swing a pendulum up and hold it there.",
        f"{ZOO}: 4 × 1,024, λ 0.95, γ 0.9, 10 epochs, α 0.001; normalised rewards are ours",
        {
            "env": "Pendulum-v1",
            "num_envs": 4,
            "rollout_steps": 1024,
            "minibatches": 64,
            "epochs": 10,
            "discount": 0.9,
            "entropy_coef": 0.0,
            "learning_rate": 1e-3,
            "normalize_rewards": True,
        },
        "A mean return of −920 after 29,000 steps, of −230 after 53,000, and of −170 to −200 from 126,000 on.",
    ),
    Preset(
        "lunar-lander",
        "LunarLander",
        "For a return of many parts: land between two flags, softly.",
        "our own, from rl-baselines3-zoo's γ 0.999 and λ 0.98: shorter rollouts, α 0.001 annealed, c₂ 0.005, "
        "normalised rewards",
        {
            "env": "LunarLander-v3",
            "num_envs": 16,
            "rollout_steps": 256,
            "minibatches": 64,
            "discount": 0.999,
            "gae_lambda": 0.98,
            "entropy_coef": 0.005,
            "learning_rate": 1e-3,
            "anneal_learning_rate": True,
            "total_steps": 1_000_000,
            "normalize_rewards": True,
        },
        "A mean return of 50 after 122,000 steps, of 200, which counts as solved, after 237,000, and 270 at the end.",
    ),
    Preset(
        "half-cheetah",
        "HalfCheetah",
        "For many continuous actions, and what the continuous details are for: run with six joints.",
        f"{CLEANRL}, ppo_continuous_action.py",
        {
            "env": "HalfCheetah-v5",
            "num_envs": 1,
            "rollout_steps": 2048,
            "minibatches": 32,
            "epochs": 10,
            "value_coef": 0.25,
            "entropy_coef": 0.0,
            "learning_rate": 3e-4,
            "anneal_learning_rate": True,
            "total_steps": 1_000_000,
            "normalize_observations": True,
            "normalize_rewards": True,
        },
        "A mean return of 460 after 153,000 steps, of 1,000 after 250,000 and of 1,500 after 840,000.",
    ),
    Preset(
        "breakout",
        "Breakout, from pixels",
        "For learning from pixels: an Atari game through the Nature CNN, slow without a GPU.",
        f"{CLEANRL}, ppo_atari.py; without its ends of episodes at lost lives and its clipped rewards",
        {
            "env": "ale_py:ALE/Breakout-v5",
            "env_kwargs": {"frameskip": 1},
            "frame_skip": 4,
            "frame_size": 84,
            "grayscale": True,
            "frame_stack": 4,
            "shared_network": True,
            "num_envs": 8,
            "clip_range": 0.1,
            "value_coef": 0.25,
            "learning_rate": 2.5e-4,
            "anneal_learning_rate": True,
            "total_steps": 10_000_000,
            "normalize_rewards": False,
        },
    ),
    Preset(
        "taxi",
        "Taxi with its mask",
        "For action masks: fetch a passenger and bring him where he wants to go. Driving into walls and stopping where "
        "nobody gets in or out is forbidden, and hatched in Policy and Sample.",
        "our own: 16 environments, and a learning rate of 0.0025 that is annealed",
        {
            "env": "Taxi-v4",
            "num_envs": 16,
            "learning_rate": 2.5e-3,
            "anneal_learning_rate": True,
            "total_steps": 150_000,
        },
    ),
    Preset(
        "without-the-mask",
        "Lesson: without the mask",
        "The same taxi has to find out for itself where nobody waits and nobody wants to get out: each try costs 10 "
        "points. It learns not to try, and drives about until the 200 steps of its episode are over: −200.",
        "our own: the preset taxi with use_action_mask off",
        {
            "env": "Taxi-v4",
            "use_action_mask": False,
            "num_envs": 16,
            "learning_rate": 2.5e-3,
            "anneal_learning_rate": True,
            "total_steps": 150_000,
        },
    ),
    Preset(
        "no-leash",
        "Lesson: no leash",
        "For what the clip prevents: the ratio without it, and 20 epochs on the same data. KL and r run away, and the "
        "return falls as often as it rises. Switch the objective to clip, and the same settings climb.",
        "our own; with each of 10 seeds: KL above 0.1 in most updates, below 0.1 in all with clip, and after 51,000 "
        "steps a lower return than with clip",
        {"objective": "unclipped", "num_envs": 4, "epochs": 20},
        "A mean return of 200 after 37,000 steps, of 50 again after 45,000, and of 320 at the end.",
    ),
    Preset(
        "leash-clip",
        "Lesson: one leash, the clip",
        "The settings of “no leash”, with PPO's clip: 20 epochs on the same data, and the ratio stops paying beyond 1 ± ε. "
        "Put the two other leashes beside it, with the same seed.",
        "our own; see no-leash",
        {"objective": "clip", "num_envs": 4, "epochs": 20},
    ),
    Preset(
        "leash-penalty",
        "Lesson: another leash, the penalty",
        "The settings of “no leash”, with the paper's second leash: a price β on the KL, doubled and halved so that the "
        "KL of an update comes near its target.",
        "our own, and Schulman et al. 2017, section 4",
        {"objective": "kl_penalty", "num_envs": 4, "epochs": 20},
    ),
    Preset(
        "too-tight",
        "Lesson: too tight",
        "For a clip that is too narrow: ε = 0.02 holds what has hardly moved, and learning takes twice as long.",
        "our own; with each of 10 seeds: after 15,000 steps a mean return of 50 to 63, with ε = 0.2 of 128 to 143; a "
        "fifth of the samples and more outside of 1 ± ε, against 4 %",
        {"clip_range": 0.02, "num_envs": 4},
        "A mean return of 50 after 14,000 steps and of 475 after 73,000.",
    ),
    Preset(
        "no-exploration",
        "Lesson: no exploration",
        "For a policy that tries nothing any more: no entropy bonus and a learning rate that is far too high. After "
        "the first updates it does the same whatever it sees, and learns no more.",
        "our own; with each of 10 seeds: entropy below 10⁻⁶ of its maximum within 3 updates, and a return of 9 from "
        "then on",
        {"num_envs": 4, "entropy_coef": 0.0, "learning_rate": 0.3},
        "A mean return of 22 at first, and of 9 from 2,000 steps on.",
    ),
)


def find(name: str) -> Preset:
    """The preset of that name.

    Raises:
        ValueError: there is none; the nearest names are given.
    """
    by_name = {preset.name: preset for preset in PRESETS}
    if name in by_name:
        return by_name[name]
    near = difflib.get_close_matches(name, by_name, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(by_name)}"
    raise ValueError(f"preset {name!r}: there is none of that name; {hint}")


def table() -> list[dict[str, Any]]:
    """The presets as plain rows."""
    return [
        {
            "name": preset.name,
            "title": preset.title,
            "about": preset.about,
            "source": preset.source,
            "settings": dict(preset.settings),
            "expect": preset.expect,
            "missing": str(preset.missing) if preset.missing else None,
        }
        for preset in PRESETS
    ]
