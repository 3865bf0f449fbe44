"""Whether a run that has met what pays once or twice, and no more, is told so: one lucky episode is no signal."""

import pytest

from ppo_scope.diagnosis.checks import CHECKS
from ppo_scope.diagnosis.judging import Found, Unknown
from tests.diagnosis.test_health import named, run

(CHECK,) = (check for check in CHECKS if check.name == "rare_signal")
RARE = {"episodes": 100.0, "return_usual": 0.0, "return_usual_share": 0.99, "returns_differ": 1.0}
RARE |= {"return_best": 1.0, "return_worst": 0.0}


def test_a_run_of_hundreds_of_episodes_of_which_few_were_paid_is_told_that_its_reward_is_rare():
    """A large lake of slippery ice: once an episode has come to the goal, "no reward signal yet" is over."""
    seen, health = run(20, env="FrozenLake-v1", env_kwargs={"map_name": "8x8"}, num_envs=8, rollout_steps=128)
    assert "no_signal" not in seen[-1] and "rare_signal" in seen[-1]
    found = named(health, "rare_signal")
    assert found["severity"] == "note" and "returned the same, 0; the best of all returned 1" in found["summary"]
    assert found["tries"] == [{"setting": "entropy_coef", "to": 0.03}]


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param({"return_usual_share": 0.9}, id="paid in a tenth"),
        pytest.param({"return_usual": 1.0}, id="all but the best, and few that failed"),
        pytest.param({"return_usual": -15.0, "return_best": -13.0, "return_worst": -9e3}, id="CliffWalking, learned"),
        pytest.param({"return_usual_share": 0.01}, id="returns of real numbers"),
    ],
)
def test_what_is_paid_often_or_always_is_no_finding(sound):
    assert CHECK.look([{**RARE, **sound}] * 20) is None


def test_it_takes_episodes_and_updates_and_one_that_was_paid():
    assert isinstance(CHECK.look([RARE] * 10), Found)
    assert isinstance(CHECK.look([RARE] * 9), Unknown)
    assert isinstance(CHECK.look([{**RARE, "episodes": 30.0}, *[RARE] * 9]), Unknown)
    assert isinstance(CHECK.look([{**RARE, "returns_differ": 0.0}] * 10), Unknown), "no_signal speaks of that"
    assert CHECK.look([{**RARE, "return_usual": -1.0}, *[RARE] * 9]) is None, "what is usual has changed"


def test_what_is_said_of_episodes_that_are_alike_is_said_of_those_that_were_looked_at():
    """An update may bring more of them than the latest 100: of the others nothing is known."""
    (check,) = (check for check in CHECKS if check.name == "no_signal")
    found = check.look([{"episodes": 100.0, "returns_differ": 0.0, "episodic_return_mean": -0.01}])
    assert found.summary.startswith("The latest 100 episodes have all returned the same, −0.01:")
