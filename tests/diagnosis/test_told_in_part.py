"""What Health says of loops that tell a part of what it takes: what it sees all the same, and what it waits not for."""

import math
import re
from functools import cache

import pytest
import torch
from torch import nn
from torch.distributions import Categorical

import ppo_scope
from ppo_scope.diagnosis.checks import CHECKS
from ppo_scope.diagnosis.health import Health
from ppo_scope.diagnosis.indicators import indicators
from ppo_scope.diagnosis.judging import Found
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from tests.attach.elsewhere import nowhere
from tests.diagnosis.faulty_loop import ACTIONS, CLIP, DISCOUNT, LAMBDA, FaultyLoop, M, N, World
from tests.moments import moment_at

BY_NAME = {check.name: check for check in CHECKS}
LIMIT = 0.5


class TwoHeads:
    """Somebody's PPO with one body for policy and critic, shown by `ppo_scope.Scope`.

    `scale`, `shift`: of rewards. `judge`, `entropy`: whether it tells these. `rate`: α of each update. `decided`: its
    policy has no doubt from the start. `moved`: from which update on it says that α was set on the page.
    """

    def __init__(self, *, scale=1.0, shift=0.0, judge=True, entropy=True, rate=None, decided=False, moved=None):
        torch.manual_seed(0)
        self.scale, self.shift, self.entropy = scale, shift, entropy
        self.rate, self.decided, self.moved = rate or (lambda update: 3e-4), decided, moved
        self.body = nn.Sequential(nn.Linear(3, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
        self.heads = nn.Linear(64, ACTIONS), nn.Linear(64, 1)
        self.weights = [one for part in (self.body, *self.heads) for one in part.parameters()]
        self.adam, self.world = torch.optim.Adam(self.weights), World()
        told = {"policy": "discrete", "judge": lambda seen: self.ask(torch.as_tensor(seen))} if judge else {}
        self.scope = ppo_scope.Scope(
            clip_range=CLIP, discount=DISCOUNT, gae_lambda=LAMBDA, max_grad_norm=LIMIT, url=nowhere(), **told
        )

    def ask(self, seen):
        """(logits, V)"""
        logits, value = (head(self.body((seen - 3) / 2)) for head in self.heads)
        if self.decided:
            logits = logits + 50 * torch.eye(ACTIONS)[0]
        return logits, value.squeeze(-1)

    @torch.no_grad()
    def collect(self):
        rows = []
        for _ in range(M):
            seen = self.world.state
            logits, values = self.ask(seen)
            actions = Categorical(logits=logits).sample()
            paid, cut, _ = self.world.step(actions)
            rows.append((seen, actions, Categorical(logits=logits).log_prob(actions), values, paid, cut))
        seen, actions, log_probs, values, paid, cut = (torch.stack(column) for column in zip(*rows, strict=True))
        rewards, later = self.scale * paid + self.shift, torch.zeros(N)
        advantages, after = torch.zeros(M, N), torch.cat([values[1:], self.ask(self.world.state)[1][None]])
        for t in reversed(range(M)):
            delta = rewards[t] + DISCOUNT * after[t] * ~cut[t] - values[t]
            later = advantages[t] = delta + DISCOUNT * LAMBDA * ~cut[t] * later
        kept = {"actions": actions, "rewards": rewards, "log_probs": log_probs, "values": values}
        return {**kept, "advantages": advantages, "dones": cut, "observations": seen}

    def train(self, updates):
        for update in range(1, updates + 1):
            kept, rate = self.collect(), self.rate(update)
            for group in self.adam.param_groups:
                group["lr"] = rate
            self.scope.rollout(**kept, learning_rate=rate)
            if update == self.moved:
                self.scope.watcher.changed("learning_rate", self.rate(update - 1), rate, update)
            flat = {name: one.flatten(0, 1) for name, one in kept.items()}
            targets = flat["advantages"] + flat["values"]
            for which in (which for _ in range(10) for which in torch.randperm(M * N).split(64)):
                self.step({name: one[which] for name, one in flat.items()}, targets[which], which)
            self.scope.update()
        self.scope.close()
        assert self.scope.watcher._report._budget.failed == {}
        return self.scope.watcher._report._health

    def step(self, part, targets, which):
        logits, values = self.ask(part["observations"])
        policy, raw = Categorical(logits=logits), part["advantages"]
        log_prob, used = policy.log_prob(part["actions"]), (raw - raw.mean()) / (raw.std() + 1e-8)
        ratio, entropy = torch.exp(log_prob - part["log_probs"]), {"entropy": policy.entropy()} if self.entropy else {}
        loss = -torch.min(ratio * used, ratio.clamp(1 - CLIP, 1 + CLIP) * used).mean()
        self.scope.minibatch(samples=which, log_prob=log_prob, advantages=used, values=values, **entropy)
        self.adam.zero_grad()
        (loss + 0.5 * (values - targets).square().mean()).backward()
        self.scope.gradient(nn.utils.clip_grad_norm_(self.weights, LIMIT))
        self.adam.step()


@cache
def told(updates, **options):
    return TwoHeads(**options).train(updates)


def found(health, name):
    return next(finding for finding in health.findings() if finding["name"] == name)


def names(health):
    return {row["name"] for row in health.history() if row["severity"] != "note"}


RAW = {"scale": 20.0, "shift": -40.0, "rate": lambda update: 6e-4}  # one object, so that a run of it is kept


def test_a_critic_that_is_on_its_way_and_tells_no_states_apart_for_long_is_told():
    """Rewards as they are, far from 0, and a body that the critic drives to its ends for the policy too."""
    health = told(28, **RAW)
    finding = found(health, "useless_critic")
    assert "In each of 20 updates the critic has explained nothing of the variance of V_targ, and" in finding["summary"]
    assert re.search(r"was at least [\d.]+ times that of the best constant\.$", finding["summary"])
    assert "V comes nearer by" in finding["cause"] and "the policy's too, where it shares them" in finding["cause"]
    assert finding["remedy"] == "Normalise rewards (a new run)." and finding["severity"] == "warning"


def test_the_same_loop_with_rewards_about_1_is_told_of_nothing():
    health = told(28)
    assert names(health) == set()


def test_a_norm_limit_is_not_waited_for_where_nobody_tells_what_the_policys_part_of_the_gradient_is():
    health = told(28, **RAW)
    assert health.values()["gradient_clip_factor"] < 0.1
    unknown = health.unknown()["starved_policy"]
    assert "of gradients the norm limit leaves" in unknown["why"] and not unknown["applies"]


CRITIC = {"critic_error_share": 0.6, "explained_variance": 0.0, "target_size": 12.0, "returns_differ": 1.0}
CRITIC |= {"value_coef": 0.5, "samples": 512.0, "steps_taken": 16.0, "update": 70.0, "learning_rate": 2.5e-4}


def critic(count=10, **given):
    return BY_NAME["useless_critic"].look([{**CRITIC, **given}] * count)


def test_a_critic_that_explains_nothing_is_no_good_news():
    """As a constant is: where the observations tell no more it is no fault either."""
    verdict = critic(critic_fitness=0.0, critic_fit=0.1, explained_variance=-1e-4)
    assert "explains 0.0 % of the variance" in verdict.why and "explains 10 %: hardly more" in verdict.why
    assert "not known" in critic(critic_fitness=0.0).why
    assert isinstance(critic(critic_fitness=0.0, critic_fit=0.4), Found)
    assert critic(critic_fitness=0.3, explained_variance=0.3) is None
    assert critic(critic_fitness=0.0, critic_error_share=0.03) is None, "there is next to nothing left to explain"


def test_an_alpha_that_nobody_tells_is_no_number_in_a_cause():
    way = [{**CRITIC, "critic_fitness": -4.0, "value_size": 4 + 0.01 * number} for number in range(20)]
    for row in way:
        del row["learning_rate"]
    assert "steps of α move V" in BY_NAME["useless_critic"].look(way[:10]).cause


def test_a_critic_near_a_constant_or_with_few_steps_behind_it_is_not_blind():
    way = [{**CRITIC, "critic_fitness": -4.0, "value_size": size} for size in torch.linspace(4, 6, 20).tolist()]
    assert isinstance(BY_NAME["useless_critic"].look(way), Found)
    early, seeing = ([{**row, **one} for row in way] for one in ({"update": 40.0}, {"explained_variance": 0.015}))
    assert "on its way" in BY_NAME["useless_critic"].look(early).why
    seeing[7]["explained_variance"] = 0.05
    assert "on its way" in BY_NAME["useless_critic"].look(seeing).why


@pytest.mark.parametrize("entropy", [True, False])
def test_a_policy_without_a_doubt_is_told_as_that_where_its_outputs_are_not(entropy):
    """By the entropy that the loop tells, or by its log π: that it does not move is no fault of gradients then."""
    health = told(12, judge=False, entropy=entropy, decided=True)
    assert "where that of two actions alike is ln 2" in found(health, "entropy_collapse")["summary"]
    assert "still_policy" not in names(health)
    assert health.unknown()["still_policy"]["why"] == "the policy is all but deterministic"
    doubting = told(12, judge=False, entropy=entropy)
    assert "entropy_collapse" not in names(doubting) | doubting.unknown().keys()


@pytest.mark.parametrize("continuous", [False, True])
def test_only_choices_have_an_entropy_that_log_pi_tells(continuous):
    loop = FaultyLoop(continuous=continuous)
    loop.scope.becomes(None)
    entropy = loop.train(1).health.values()["choice_entropy"]
    assert math.isnan(entropy) if continuous else 0 < entropy <= math.log(ACTIONS)


def test_a_collapse_that_cannot_be_seen_is_said_with_what_a_loop_would_have_to_tell():
    why = BY_NAME["entropy_collapse"].look([{"kl_k3": 0.01}] * 20).why
    assert "does not tell what its policy puts out: to a Scope, by policy=" in why and "entropy=" in why


@pytest.mark.parametrize("whose", ["a schedule", "the page"])
def test_a_long_step_is_put_down_to_a_schedule_that_has_raised_alpha(whose):
    rising = {"rate": lambda update: 3e-4 if update < 4 else 0.03, "moved": 4 if whose == "the page" else None}
    health = TwoHeads(**rising).train(6)
    finding = found(health, "kl_spike")
    schedule = whose == "a schedule"
    assert ("α was 0.03 there, 100 times the 0.0003 that the run began with" in finding["cause"]) == schedule
    assert (finding["setting"] == "target_kl") == schedule
    assert all(one["setting"] != "learning_rate" for one in finding["tries"]) == schedule


@pytest.mark.parametrize("given", [{}, {"set_on_page": 0.0, "desired_kl": 0.01}, {"set_on_page": 0.0}])
def test_what_a_schedule_did_is_remembered_after_the_long_step_has_passed(given):
    """Not of our own loop, which has none that raises anything, and not where α follows the KL."""
    health = Health()
    for update in range(1, 40):
        row = {"kl_k3": 0.5 if update == 8 else 0.01, "learning_rate": 1e-3 * update, "clip_range": 0.2, **given}
        fell = {"return_now": 100.0, "return_then": 400.0, "fell_since": 9.0, "fall_kept": 0.2} if update > 9 else {}
        health.take_row(update, {**row, **fell, "steps_taken": 16.0, "target_kl": math.inf})
    finding = found(health, "kl_spike")
    assert "It has passed" in finding["summary"]
    raised = given == {"set_on_page": 0.0}
    assert ("α was 0.008 there, 8 times the 0.001" in finding["cause"]) == raised


def test_an_epsilon_that_a_schedule_has_raised_is_named_too():
    health = Health()
    for update in range(1, 9):
        row = {"kl_k3": 0.5 if update == 8 else 0.01, "learning_rate": 1e-3, "clip_range": 0.1 * update}
        health.take_row(update, {**row, "set_on_page": 0.0})
    assert "ε was 0.8 there, 8 times the 0.1 that" in found(health, "kl_spike")["cause"]


def test_which_weights_are_the_policys_own_is_seen_by_their_gradients_where_names_do_not_tell():
    settings = {"num_envs": 4, "rollout_steps": 64, "shared_network": True, "max_grad_norm": 1e-4}
    trainer = Trainer(Settings.parse(settings))
    moment = next(moment_at(trainer, phase) for phase in trainer.phases() if phase.kind is PhaseKind.UPDATE)
    by_name = indicators(moment)
    parts = {f"layer.{number}": part for number, part in enumerate(moment.subject.abilities.parts().values())}
    vars(moment.subject.abilities)["parts"] = lambda: parts
    by_gradient = indicators(moment)
    for name in ("policy_step_share", "policy_pace"):
        assert by_gradient[name] == pytest.approx(by_name[name]) and math.isfinite(by_name[name])


def test_no_check_says_that_it_is_not_measured_yet_of_what_is_never_told():
    for check in CHECKS:
        verdict = check.look([{"update": 50.0, "kl_k3": 0.01}] * 20)
        assert getattr(verdict, "why", "") != "not measured yet", check.name
