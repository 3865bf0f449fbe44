"""Whether a run in which no episode ends is told so, as a fault where it is one alone; and that long ones are none."""

from copy import copy
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest

from ppo_scope.diagnosis.checks import CHECKS
from ppo_scope.diagnosis.ends import Ends
from ppo_scope.diagnosis.judging import ENDS_UNTOLD, Found, Unknown
from tests.diagnosis.faulty_loop import EPISODE, FaultyLoop, evidence, said
from tests.diagnosis.test_health import named, run

(CHECK,) = (check for check in CHECKS if check.name == "no_end")
CLIFF = {"env": "CliffWalking-v1", "seed": 3, "num_envs": 8, "rollout_steps": 128}
gym.register("ppo_scope_tests/Walkers-v0", FaultyLoop, max_episode_steps=EPISODE)


def test_a_walk_that_never_ends_and_costs_the_same_at_every_step_is_a_fault():
    seen, health = run(42, **CLIFF)
    assert not any("no_end" in found for found in seen[:39])
    found = named(health, "no_end")
    assert found["severity"] == "warning" and health.findings()[0] == found
    assert "No episode has ended yet: for 5,376 steps of each of 8 environments" in found["summary"]
    assert "γ = 0.99 looks about 100 ahead" in found["summary"] and "no step was paid more than −1" in found["summary"]
    assert "max_episode_steps" in found["remedy"] and found["tries"] == [{"setting": "entropy_coef", "to": 0.03}]


def test_the_remedy_brings_episodes_that_end():
    seen, health = run(22, **CLIFF, env_kwargs={"max_episode_steps": 200})
    assert not any("no_end" in found for found in seen) and health.values()["steps_without_end"] < 200


def test_a_loop_that_keeps_ends_for_itself_is_told_so_where_its_environment_has_a_time_limit():
    loop = FaultyLoop("ends unnoticed", env="ppo_scope_tests/Walkers-v0").train(2)
    assert said(loop)["no_end"] == "warning"
    summary, cause, remedy = evidence(loop, "no_end")
    assert "for 64 steps of each of 8 environments" in summary and f"episodes after {EPISODE}" in summary
    assert "the loop does not notice" in cause and "`dones`" in remedy
    assert "no_end" not in said(FaultyLoop(env="ppo_scope_tests/Walkers-v0").train(2))
    assert "no_end" not in said(FaultyLoop("ends unnoticed").train(2)), "nobody knows when they should end"


OF_EPISODES = {"wrong_advantages", "wrong_bootstrap", "cut_as_end", "other_rewards", "no_end", "endless_return"}
OF_EPISODES |= {"no_signal", "rare_signal", "return_fell"}


@pytest.mark.parametrize("ending", [False, True])
def test_a_loop_that_tells_of_no_ends_is_accused_of_nothing_that_only_ends_would_show(ending):
    """Neither `dones` nor `truncated`: whether episodes end, where, and what they return is not known."""
    loop = FaultyLoop("ends untold", env="ppo_scope_tests/Walkers-v0", ending=ending).train(24)
    unknown = loop.health.unknown()
    assert said(loop) == {} and unknown.keys() >= OF_EPISODES
    for name in OF_EPISODES:
        assert "does not tell where episodes end" in unknown[name]["why"] and not unknown[name]["applies"], name
    told = FaultyLoop(env="ppo_scope_tests/Walkers-v0", ending=ending).train(24).health.unknown()
    assert not any("where episodes end" in unknown["why"] for unknown in told.values())


NO_ENDS_SEEN = {"discount": 1.0, "terminated_ends": 0.0, "truncated_ends": 0.0, "returns_differ": 0.0, "episodes": 0.0}
GROWING = [{**NO_ENDS_SEEN, "target_size": 2.0 + number, "update": 1.0 + number} for number in range(20)]
CUT_OFF = [{"ends_told": 0.0, "lasts_told": 2.0, "lasts_alone": 2.0}] * 20
BLIND = {"critic_error_share": 0.9, "explained_variance": -1.0, "critic_fitness": -1.0, "target_size": 9.0}
BLIND |= {"value_coef": 0.5, "samples": 512.0, "steps_taken": 16.0, "update": 70.0, "reward_low": 0.0}


@pytest.mark.parametrize(("name", "rows"), [("endless_return", GROWING), ("wrong_advantages", CUT_OFF)])
def test_what_looks_like_no_end_is_none_where_ends_are_not_told(name, rows):
    (check,) = (check for check in CHECKS if check.name == name)
    assert isinstance(check.look(rows), Found)
    assert check.look([{**row, "ends_untold": 1.0} for row in rows]) == ENDS_UNTOLD


def test_a_critic_is_judged_without_ends_where_rewards_differ():
    (check,) = (check for check in CHECKS if check.name == "useless_critic")
    untold = {**NO_ENDS_SEEN, **BLIND, "ends_untold": 1.0}
    assert isinstance(check.look([{**untold, "reward_high": 1.0}] * 20), Found)
    assert check.look([{**untold, "reward_high": 0.0}] * 20) == ENDS_UNTOLD
    assert "do not differ yet" in check.look([{**NO_ENDS_SEEN, **BLIND, "reward_high": 1.0}] * 20).why


def test_a_loop_whose_episodes_have_not_ended_is_not_said_to_keep_something_for_itself():
    """It tells all that it has: what is missing are the episodes."""
    unknown = FaultyLoop("ends unnoticed").train(22).health.unknown()
    for name, why in (
        ("return_fell", "takes two stretches of 20 episodes"),
        ("rare_signal", "no episode has ended yet"),
    ):
        assert unknown[name]["why"].startswith(why) and not unknown[name]["applies"]


def verdicts(steps, *, rollout=128, episode=0, end=0, paid=(0.0, 1.0), **known):
    """What is said after each rollout of so many steps, of two environments. They end all at once: every `episode`
    steps, where that is given, up to step `end`."""
    ends, rows, found = Ends(), [], []
    for last in range(rollout, steps + 1, rollout):
        place = np.arange(last - rollout, last) + 1
        over = (place % episode == 0) & (place <= (end or steps)) if episode else np.zeros(rollout, np.bool_)
        there = SimpleNamespace(
            terminated=np.stack([over, over], 1),
            truncated=np.zeros((rollout, 2), np.bool_),
            trained=np.ones((rollout, 2), np.bool_),
            episodes=[SimpleNamespace(length=episode) for _ in range(2 * int(over.sum()))],
        )
        low, high = paid
        told = {"reward_low": low, "reward_high": high, "reward_high_share": 1.0, "discount": 0.99, **known}
        rows.append({**told, **ends.take_in(there)})
        found.append(CHECK.look(rows[-20:]))
    return found


def severities(found):
    return [one.severity or CHECK.severity for one in found if isinstance(one, Found)]


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param({"steps": 9_900}, id="the first ten thousand steps of any run"),
        pytest.param({"steps": 4_900, "paid": (-1.0, -1.0)}, id="the first five thousand where each costs the same"),
        pytest.param({"steps": 40_000, "episode": 1_000, "time_limit": 1_000.0}, id="HalfCheetah"),
        pytest.param({"steps": 40_000, "episode": 9_000}, id="a long game, in step in all environments"),
        pytest.param({"steps": 30_000, "time_limit": 27_000.0}, id="a limit that is known and far away"),
        pytest.param({"steps": 32_000, "episode": 6_000, "end": 18_000}, id="episodes that have become longer"),
    ],
)
def test_long_episodes_are_no_finding(sound):
    assert severities(verdicts(**sound)) == []


def test_a_task_that_goes_on_by_its_nature_is_worth_a_note():
    found = verdicts(20_000)
    assert severities(found[:78]) == [] and isinstance(found[0], Unknown)
    assert severities(found[78:]) == ["note"] * len(found[78:])
    assert "by its nature" in CHECK.cause and found[-1].remedy is None
    free = verdicts(20_000, paid=(0.0, 0.0))
    assert set(severities(free)) == {"note"}, "where nothing is ever lost that may be how success looks"
    assert set(severities(verdicts(20_000, paid=(1.0, 1.0)))) == {"note"}, "and so it is where staying pays"


def test_episodes_that_end_no_more_are_told_of_with_how_long_they_were():
    found = verdicts(26_000, episode=4_000, end=8_000, paid=(-100.0, -1.0))
    assert severities(found) == ["warning"] * (26_000 // 128 - -(-20_000 // 128) + 1)
    assert found[-1].summary.startswith("After episodes of 4,000 steps or less none ends: for 17,984 steps")


def test_a_step_that_costs_more_now_and_then_does_not_hide_that_the_others_cost_the_same():
    for share, severity in ((0.995, "warning"), (0.9, "note")):
        found = verdicts(12_000, paid=(-100.0, -1.0), reward_high_share=share)
        assert severities(found)[-1] == severity


def test_a_rollout_that_is_made_anew_counts_once():
    ends = Ends()
    before = copy(ends)
    rollout = SimpleNamespace(
        terminated=np.zeros((64, 2), np.bool_), truncated=np.zeros((64, 2), np.bool_), episodes=[]
    )
    rollout.trained = np.ones((64, 2), np.bool_)
    assert [ends.take_in(rollout)["steps_without_end"], before.take_in(rollout)["steps_without_end"]] == [64, 64]
