"""What Health says of a script in which somebody has made a mistake, watched unchanged otherwise."""

import re

import pytest

from tests.attach.test_named_loop import SCRIPT, followed

ALPHA = 'optimizer.param_groups[0]["lr"] = (1.0 - iteration / args.iterations) * args.learning_rate'
LOSS = "loss = pg_loss - args.ent_coef * entropy.mean() + args.vf_coef * v_loss"
NORMALISING = "mb_advantages = (mb_advantages - mb_advantages.mean()) / (mb_advantages.std() + 1e-8)"
EARLY = "early = globals().setdefault('early', (mb_advantages.mean(), mb_advantages.std()))"
FROZEN = f"{EARLY}; mb_advantages = (mb_advantages - early[0]) / early[1]"
CLIPPED = "pg_loss = torch.max(-mb_advantages * ratio, -mb_advantages * clipped).mean()"
SHUFFLE = "np.random.shuffle(envinds if args.lstm else b_inds)"
GAE_MADE = "                after = values[t]\n"
NORMALISED = "        advantages = (advantages - advantages.mean(0)) / advantages.std(0)\n"
AGAIN = "b_logprobs = agent.get_action_and_value(b_obs, b_actions)[1].detach()\n            "
LATE = "            obs[step] = torch.Tensor(seen)\n"
MISTAKES = [
    (LOSS, LOSS.replace("pg_loss -", "pg_loss +"), ("3",), "loss_differs", "is L_PG + c₁·L_VF + c₂·S"),
    (CLIPPED, CLIPPED.replace("-mb", "mb"), ("3",), "loss_differs", "with −Â for Â in L_PG"),
    (CLIPPED, CLIPPED.replace("max", "min"), ("6",), "loss_differs", "the smaller of −Â·r and"),
    (
        "newlogprob - b_logprobs[mb_inds]",
        "newlogprob - newlogprob.detach()",
        ("6",),
        "loss_differs",
        "with r = 1 at every",
    ),
    ("newvalue, old = newvalue.view(-1), ", "old = ", ("7",), "loss_differs", "a table of all pairs of samples"),
    ("= b_advantages[mb_inds]", "= b_advantages[np.sort(mb_inds)]", ("3",), "other_advantages", "a correlation of"),
    ("= b_advantages[mb_inds]", "= b_returns[mb_inds]", ("5",), "other_advantages", "was V_targ, but for scale"),
    ("= b_advantages[mb_inds]", "= -b_advantages[mb_inds]", ("3",), "other_advantages", "its sign is turned"),
    ("- mb_advantages.mean()) /", "+ 5) /", ("3",), "other_advantages", "what its loss gets has a mean of"),
    (NORMALISING, FROZEN, ("6",), "other_advantages", "divided by 3.01: the same two numbers, where the mean"),
    ("Adam(agent.parameters()", "Adam(agent.actor.parameters()", ("3",), "untrained_network", "weight of the critic"),
    ("Adam(agent.parameters()", "Adam(agent.critic.parameters()", ("3",), "untrained_network", "weight of the policy"),
    ("optimizer.zero_grad()", "pass", ("3",), "kept_gradients", "was still there"),
    (GAE_MADE, f"{GAE_MADE}{NORMALISED}", ("3",), "wrong_advantages", "Â had been normalised before"),
    (SHUFFLE, f"{AGAIN}{SHUFFLE}", ("3",), "moving_old_policy", "computed anew, on one rollout"),
    ("b_obs[mb_inds], *memory, b_actions[mb_inds]", "b_obs[mb_inds]", ("2",), "ratio_not_one", "r is 1 to rounding"),
    (
        "torch.tensor(reward)\n",
        f"torch.tensor(reward)\n{LATE}",
        ("2",),
        "ratio_not_one",
        "in the state of the step before",
    ),
    (ALPHA, "optimizer = torch.optim.Adam(agent.parameters())", ("5",), "forgetful_optimizer", "made 12 steps"),
    (ALPHA, 'optimizer.param_groups[0]["lr"] = 0', ("4",), "spent_learning_rate", "no step moves anything"),
    ("torch.Tensor(seen)", "1000 * torch.Tensor(seen)", ("4",), "wild_observations", "The networks see numbers"),
    ("terminations | truncations", "terminations", ("--continuous", "7"), "wrong_bootstrap", "has cut 4 of the latest"),
    (
        "= b_advantages[mb_inds]",
        "= b_returns[mb_inds] - newvalue.view(-1)",
        ("2",),
        "leaking_gradient",
        "flows into Â",
    ),
]


@pytest.fixture
def health_of(monkeypatch, capfd, tmp_path):
    """Of the script with one of its lines written otherwise."""

    def trained(right, wrong, *others, iterations):
        source = SCRIPT.read_text(encoding="utf-8")
        assert source.count(right) == 1
        script = tmp_path / "script.py"
        script.write_text(source.replace(right, wrong), encoding="utf-8")
        lookout, _ = followed(monkeypatch, capfd, *others, "--iterations", iterations, script=script)
        assert lookout.loop is not None
        report = lookout.loop.watcher._report
        assert report._budget.failed == {}
        return report._health

    return trained


@pytest.mark.parametrize(("right", "wrong", "arguments", "name", "words"), MISTAKES, ids=lambda one: str(one)[:18])
def test_a_mistake_in_a_script_is_told(health_of, right, wrong, arguments, name, words):
    *others, iterations = arguments
    found = health_of(right, wrong, *others, iterations=iterations).findings()
    assert words in {finding["name"]: finding["summary"] for finding in found}[name]


@pytest.mark.parametrize("mode", ["NEXT_STEP", "SAME_STEP"])
def test_steps_of_a_reset_are_told_of_where_a_script_trains_on_them(health_of, mode):
    """And of each episode the environment tells as many steps as are seen of it, but for that one."""
    health = health_of("(making)", f"(making, autoreset_mode=gym.vector.AutoresetMode.{mode})", iterations="6")
    notes = {row["name"]: row["severity"] for row in health.history()}
    assert notes == ({"reset_steps": "note"} if mode == "NEXT_STEP" else {})
    assert health.values()["paid_episodes"] > 10


def test_a_critic_that_is_slow_and_on_its_way_is_no_useless_one(health_of):
    """A value clip of 0.2 and returns that nobody scales: V takes dozens of updates to come to V_targ."""
    slow = "= 0.5, 0.01, True, True, True", "= 0.5, 1e-3, False, True, True"
    health = health_of(*slow, iterations="14")
    assert {row["name"] for row in health.history()} == {"reset_steps"}
    assert "V is on its way to V_targ: off by" in health.unknown()["useless_critic"]["why"]


def test_a_critic_that_alpha_alone_keeps_from_v_targ_is_not_put_down_to_the_value_clip(health_of):
    """CleanRL's α, which falls to 0, and its value clip of 0.2, on returns that nobody scales."""
    health = health_of("= 0.5, 0.01, True, True, True", "= 0.5, 2.5e-4, True, True, True", iterations="30")
    found = {finding["name"]: finding for finding in health.findings()}
    assert health.values()["values_held"] == 0 and "tight_value_clip" not in found
    assert re.search(r"there in [\d,]+ updates, and α, which falls, is 0 in 1\.", found["useless_critic"]["cause"])
    assert found["useless_critic"]["setting"] == "learning_rate"
