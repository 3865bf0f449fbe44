"""What Health once said of sound runs, or advised where it could not help: each by its kind, and its opposite."""

import math

import numpy as np
import pytest

from ppo_scope.diagnosis.checks import CHECKS
from ppo_scope.diagnosis.health import Health
from ppo_scope.diagnosis.judging import Found, Unknown
from ppo_scope.diagnosis.progress import Progress
from ppo_scope.diagnosis.tries import tries
from tests.diagnosis.test_health import named, run

BY_NAME = {check.name: check for check in CHECKS}
CLEANRL = {
    "num_envs": 4,
    "rollout_steps": 128,
    "learning_rate": 2.5e-4,
    "value_coef": 0.25,
    "value_clip_range": 0.2,
    "normalize_rewards": False,
    "hidden_sizes": (16,),
}
"""Its ppo.py with one narrow layer: rewards as they are, and steps that are short beside V_targ."""
FAR = {"critic_error_share": 0.8, "critic_fitness": -4.0, "explained_variance": 0.0, "target_size": 12.0}
FAR |= {"returns_differ": 1.0, "value_coef": 0.5, "samples": 512.0, "update": 50.0, "steps_taken": 16.0}
FAR |= {"critic_saturation": 0.0, "learning_rate": 2.5e-4}


def critic(sizes, **given):
    """What is said of a critic whose V was of these sizes."""
    return BY_NAME["useless_critic"].look([{**FAR, "value_size": size, **given} for size in sizes])


@pytest.mark.parametrize("falls", [False, True])
def test_a_critic_that_hardly_moves_beside_a_large_v_targ_is_told_what_sets_its_pace(falls):
    """The value clip holds nothing here: without it the run is the same, bit by bit."""
    rate = {"anneal_learning_rate": True, "total_steps": 20_480} if falls else {"learning_rate": 1.2e-4}
    _, health = run(22, **CLEANRL | rate)
    found = named(health, "useless_critic")
    assert "V comes nearer by" in found["cause"] and "steps of α = " in found["cause"]
    assert "value clip" not in found["cause"] + found["remedy"]
    assert ("and α, which falls, is 0 in 20." in found["cause"]) == falls
    assert "raise α" in found["remedy"] and found["tries"] == [{"setting": "learning_rate", "by": 3.0}]
    seen, _ = run(22, **CLEANRL | {"learning_rate": 2e-3})
    assert not any("useless_critic" in found for found in seen), "with longer steps it is there in time"


def test_a_value_clip_that_holds_most_values_is_what_sets_the_pace():
    held = critic(np.linspace(2, 2.1, 10), values_held=0.9, value_clip_range=0.2, value_clips_off=50.0)
    assert "no more than the value clip of 0.2" in held.cause and held.setting == "value_clip_range"
    assert tries("useless_critic", held.setting)


@pytest.mark.parametrize("sizes", [[0.0] * 10, [3.0] * 10, np.linspace(3, 2, 10)])
def test_a_critic_that_does_not_move_towards_v_targ_is_useless_and_no_pace_is_told(sizes):
    found = critic(sizes)
    assert isinstance(found, Found) and found.cause is None


@pytest.mark.parametrize("seed", range(5))
def test_a_critic_on_its_way_is_not_useless_because_one_rollout_is_another_one(seed):
    """V_targ and V are of other states in each: 8 % nearer in 10 updates, and as much to and fro."""
    sizes = np.linspace(5.8, 6.8, 10) + np.random.default_rng(seed).normal(0, 0.1, 10)
    sizes[0], sizes[-1] = 6.3, 6.3
    assert isinstance(critic(sizes), Unknown)


def test_a_critic_that_tells_states_apart_is_not_called_one_that_predicts_nothing():
    found = critic([5.0] * 10, explained_variance=0.3, critic_error_share=0.6)
    assert "explains 30 % of the variance" in found.summary and "off by much the same everywhere" in found.cause
    assert "explains" not in critic([5.0] * 10).summary


def risen(*stretches):
    """What `Progress` says after each of these (mean, worst, deviation) of the latest episodes."""
    progress = Progress()
    names = "episodic_return_mean", "return_low", "return_deviation"
    rows = [dict(zip(names, stretch, strict=True)) for stretch in stretches]
    return [progress.take_in({**row, "episodes": 100.0, "return_high": 0.0}) for row in rows]


def test_a_return_that_began_with_a_wide_scatter_can_be_at_its_best():
    """CliffWalking: random walks return −2,000 ± 3,000, and what is learned is −15 each time."""
    assert [row["at_best"] for row in risen((-2000, -9000, 3000), (-15, -17, 1))] == [0, 1]
    assert [row["at_best"] for row in risen((-2000, -9000, 3000), (-1500, -9000, 3000))] == [0, 0]
    assert risen((-2000, -9000, 3000), (-15, -17, 1), (-1900, -9000, 3000))[-1]["at_best"] == 0


def policy(differ, shares):
    row = {"episodes": 40.0, "samples": 512.0, "steps_taken": 16.0, "entropy_coef": 0.01, "update": 60.0}
    rows = [{**row, "returns_differ": told, "entropy_share": share} for told, share in zip(differ, shares, strict=True)]
    return BY_NAME["uniform_policy"].look(rows)


def test_a_policy_is_uniform_by_right_as_long_as_all_episodes_return_the_same():
    """Acrobot by CleanRL's settings: −500 each for 20 or 30 updates."""
    same = [0.999] * 20
    assert isinstance(policy([0.0] * 20, same), Unknown) and isinstance(policy([0.0] * 8 + [1.0] * 12, same), Unknown)
    assert isinstance(policy([1.0] * 20, same), Found)
    begun = np.linspace(0.998, 0.992, 20)
    begun[10], begun[-1] = 0.991, 0.995
    assert policy([1.0] * 20, begun) is None, "it falls, but for one rollout"


def fallen(**given):
    """A finding of a return that has fallen at update 15, of rows with these numbers."""
    health = Health()
    back = {"return_now": 100.0, "return_then": 400.0, "fell_since": 15.0, "fall_kept": 0.2}
    for update in range(1, 20):
        health.take_row(update, {**back, "kl_k3": 0.005, "target_kl": math.inf, "steps_taken": 16.0, **given})
    return named(health, "return_fell")


def test_advice_against_a_fall_is_what_the_run_has_not_done_yet():
    assert "or a target KL" in fallen()["remedy"] and {"setting": "target_kl", "to": 0.02} in fallen()["tries"]
    leashed = fallen(target_kl=0.01)
    assert "or a lower target KL" in leashed["remedy"] and {"setting": "target_kl", "by": 0.5} in leashed["tries"]
    single = fallen(steps_taken=1.0, kl_k3=0.0, final_kl_exact=0.004)
    assert "epochs" not in single["remedy"] and "target KL" not in single["remedy"]
    assert {one["setting"] for one in single["tries"]} == {"learning_rate", "epochs"}  # pages leave out what it has
    assert "at their ends came to 0.004" in single["cause"]


@pytest.mark.parametrize("single", [False, True])
def test_a_fall_without_a_long_step_is_not_put_down_to_one(single):
    name = "final_kl_exact" if single else "kl_k3"
    steps = {"steps_taken": 1.0, "kl_k3": 0.0} if single else {}
    assert "by no single long step" in fallen(**steps, **{name: 0.005})["cause"]
    assert "by no single long step" not in fallen(**steps, **{name: 0.05})["cause"]


REMEMBERS = [(12, "max_grad_norm", 0.02)]
"""The norm limit cuts nothing off for 12 updates, and nearly all from then on: Adam's memory is 60 updates long."""


def test_a_policy_is_starved_where_adam_remembers_gradients_that_were_not_cut_off():
    """Acrobot by CleanRL's settings: its value clip holds most values at first, whose minibatches are not cut off."""
    seen, health = run(28, max_grad_norm=None, changes=REMEMBERS)
    assert not any("starved_policy" in found for found in seen[:21])
    found = named(health, "starved_policy")
    assert "of α·√n in the mean" in found["summary"] and "Adam remembers longer gradients" in found["cause"]
    assert health.values()["policy_pace"] < 0.15 and "value clip" not in found["cause"]
    assert found["setting"] == "max_grad_norm" and "still_policy" not in seen[-1]
    seen, health = run(28, max_grad_norm=0.02)
    assert health.values()["policy_pace"] > 0.3, "where it cuts off as much from the start Adam makes up for it"
    assert not any("starved_policy" in found for found in seen)


@pytest.mark.parametrize("clip", [None, 0.2])
def test_a_value_clip_is_named_as_what_makes_minibatches_differ(clip):
    row = {"kl_k3": 1e-5, "gradient_clip_factor": 0.02, "policy_step_share": 0.8, "policy_pace": 0.08}
    row |= {"samples": 512.0, "steps_taken": 16.0, "update": 70.0, "max_grad_norm": 0.5, "critic_gradient_ratio": 5.0}
    row |= {"adam_epsilon": 1e-5, "value_coef": 0.25, **({"value_clip_range": clip} if clip else {})}
    found = BY_NAME["starved_policy"].look([row] * 10)
    assert ("value clip" in found.cause) == (clip is not None) and "Switch the gradient norm limit off" in found.remedy
    large = BY_NAME["starved_policy"].look([{**row, "target_size": 30.0}] * 10)
    assert large.remedy.startswith("Normalise rewards"), "then that helps more, and CartPole too"
    for name, sound in (("policy_pace", 0.3), ("gradient_clip_factor", 0.2)):
        assert not isinstance(BY_NAME["starved_policy"].look([{**row, name: sound}] * 10), Found)


def test_where_alpha_falls_a_policy_that_hardly_moves_is_still_or_starved_and_not_neither():
    row = {"gradient_clip_factor": 0.02, "policy_step_share": 0.8, "policy_pace": 0.08, "learning_rate": 1.5e-4}
    row |= {"samples": 512.0, "steps_taken": 16.0, "update": 70.0, "max_grad_norm": 0.5, "anneals": 1.0}
    for kl in (1e-7, 2e-7, 3e-7, 8e-7, 2e-6):
        rows = [{**row, "kl_k3": kl}] * 10
        found = [isinstance(BY_NAME[name].look(rows), Found) for name in ("starved_policy", "still_policy")]
        assert sorted(found) == [False, True], kl


@pytest.mark.parametrize(("limit", "advice"), [(1e-4, "Raise the gradient norm limit, to 0.5"), (0.5, "Switch the")])
def test_a_norm_limit_is_not_to_be_raised_to_what_it_is(limit, advice):
    row = {"kl_k3": 0.0, "gradient_clip_factor": 0.01, "learning_rate": 1e-3, "clip_range": 0.2, "steps_taken": 16.0}
    row |= {"max_grad_norm": limit, "policy_step_share": 0.7, "critic_gradient_ratio": 2.0, "samples": 512.0}
    found = BY_NAME["still_policy"].look([{**row, "update": 50.0}] * 10)
    assert advice in found.remedy and "remember longer gradients" in found.cause


def bonus(shares, pull=0.9, **given):
    row = {"entropy_coef": 0.5, "bonus_pull": pull, "samples": 1024.0, "steps_taken": 16.0, "update": 30.0, **given}
    return BY_NAME["strong_bonus"].look([{**row, "entropy_share": share} for share in shares])


def test_a_bonus_is_too_strong_where_it_pulls_as_the_advantages_do_and_the_policy_decides_no_further():
    found = bonus([0.9] * 20)
    assert "0.9 times as long as that of L_PG, with c₂ = 0.5" in found.summary and "above 90 % of its" in found.summary
    assert bonus([0.9] * 20, pull=0.4) is None
    assert bonus(np.linspace(0.95, 0.9, 20)) is None, "it goes on deciding"
    assert bonus([0.8] * 20) is None, "it has decided"
    assert isinstance(bonus([0.9] * 20, entropy_coef=0.01), Unknown)
    assert isinstance(bonus([math.nan] * 20), Unknown), "σ has checks of its own"


def test_how_a_bonus_pulls_is_measured_where_c2_is_large_alone():
    values = [run(1, entropy_coef=c2)[1]._rows[-1].get("bonus_pull", math.nan) for c2 in (0.01, 0.1, 1.0)]
    assert math.isnan(values[0]) and 0 < values[1] < values[2]
