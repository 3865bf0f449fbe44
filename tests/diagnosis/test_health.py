"""Every finding, brought about by a real run that deserves it, its cause first; none in a healthy one; and what is
remembered of it."""

import math
import pickle

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.envs.registration import register

import tests.environments.sick  # noqa: F401 - registers environments
from benchmarks.health import SICK, observe
from ppo_scope.diagnosis.checks import CHECKS, NOT_FINITE
from ppo_scope.diagnosis.health import FORGIVEN, MAX_HISTORY, Health
from ppo_scope.diagnosis.indicators import indicators
from ppo_scope.diagnosis.judging import Found, Unknown, with_powers
from ppo_scope.ppo import presets
from ppo_scope.ppo.finite import NotFiniteError
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import LIVE, Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.probes import row_values
from tests.moments import moment_at

SMALL = {"num_envs": 4, "rollout_steps": 64}
SICK_RUNS = [pytest.param(sick, id=sick.name) for sick in {sick.name.split(",")[0]: sick for sick in SICK}.values()]


LONG_ENOUGH = 5
"""Updates that a cause leads for: it has not done so by chance."""


def run(updates, *, tamper=None, changes=(), **settings):
    """Names of findings after each update, and the health itself."""
    trainer, health, seen = Trainer(Settings.parse({**SMALL, **settings})), Health(), []
    for phase in trainer.phases():
        if phase.kind is PhaseKind.ADVANTAGES and tamper:
            tamper(trainer, phase.update.index)
        if phase.kind is PhaseKind.UPDATE:
            moment = moment_at(trainer, phase)
            health.take_in(moment, row_values(moment))
            seen.append({finding["name"] for finding in health.findings()})
            for at, name, value in changes:
                if at == phase.update.index:
                    trainer.change(name, value)
            if phase.update.index == updates:
                return seen, health
    raise AssertionError


def test_an_action_that_its_mask_forbids_is_found():
    """Which our own policy never takes: the mask of one transition is turned around after it was acted by."""

    def turn(trainer, update):
        if update == 2:
            step = int(np.flatnonzero(trainer._rollouts[1].trained[:, 3])[0])
            taken = int(trainer._rollouts[1].actions[step, 3])
            trainer._rollouts[1].action_masks[step, 3] = np.arange(4) != taken

    seen, health = run(2, tamper=turn, env="tests.environments.masked:Masked-v0")
    assert ["forbidden_action" in found for found in seen] == [False, True]
    assert "the first in environment 3 at step " in named(health, "forbidden_action")["summary"]
    assert run(1)[1].unknown()["forbidden_action"]["why"] == "only where the environment says which actions are allowed"


def test_a_deviation_that_depends_on_the_state_is_that_of_the_middle_one_of_the_states():
    """As it may in somebody else's policy: what is said of σ must not be that of whichever state came first."""
    trainer = Trainer(Settings.parse({**SMALL, "env": "Pendulum-v1"}))
    moment = next(moment_at(trainer, phase) for phase in trainer.phases() if phase.kind is PhaseKind.UPDATE)
    outputs, values = moment.judged(moment.batch)
    assert indicators(moment)["smallest_deviation"] == pytest.approx(outputs[0, -1].exp().item())
    outputs[:, -1] = torch.linspace(-4, 0, len(outputs))
    moment._judged = outputs, values
    assert indicators(moment)["smallest_deviation"] == pytest.approx(math.exp(-2), rel=0.01)


@pytest.mark.parametrize(("size", "setting"), [(1.0, "the limit"), (500.0, "the critic")])
def test_what_is_not_known_of_gradients_is_not_claimed(size, setting):
    """Of a shared network, or of somebody's, whose gradients nobody has taken apart."""
    still = {"kl_k3": 0.0, "gradient_clip_factor": 0.01, "learning_rate": 1e-3, "clip_range": 0.2, "steps_taken": 16.0}
    row = {**still, "max_grad_norm": 0.5, "value_coef": 0.5, "target_size": size}
    check = next(check for check in CHECKS if check.name == "still_policy")
    cause = check.look([row] * 10).cause
    assert "next to 0 %" not in cause and "far longer" not in cause.replace("probably far longer", "")
    assert ("critic's gradient" in cause) == (setting == "the critic")


def named(health, name):
    return next(finding for finding in health.findings() if finding["name"] == name)


def grave(seen):
    return {name for severity, name in seen.said if severity != "note"}


@pytest.mark.parametrize("sick", SICK_RUNS)
def test_a_sick_run_is_found_out_and_its_cause_comes_first(sick):
    """Of most it is after a third of the updates that a run may take to show it."""

    def found(seen):
        return {sick.leads, *sick.finds} <= seen.first.keys()

    def leads(seen):
        return seen.leaders[sick.leads] == max(seen.leaders.values(), default=0)

    def enough(seen):
        return found(seen) and leads(seen) and seen.leaders[sick.leads] >= LONG_ENOUGH

    seen = observe({"seed": 1, **sick.settings}, min(sick.updates, 30), enough)
    assert found(seen) and leads(seen), seen


@pytest.mark.parametrize(("preset", "updates"), [(None, 60), ("pendulum", 15), ("mountain-car", 100)])
def test_a_sound_run_is_told_of_nothing_that_keeps_it_from_learning(preset, updates):
    settings = dict(presets.find(preset).settings) if preset else {}
    seen = observe({"seed": 2, **settings}, updates)
    assert grave(seen) == set()


def test_the_default_run_has_a_critic_that_learns_and_a_clip_that_is_seen_at_work():
    seen = observe({"seed": 1}, 40)
    assert np.mean(seen.explained[5:30]) > 0.5
    assert np.mean(seen.clipped[5:40]) > 0.01
    assert seen.returned > 100


@pytest.mark.parametrize("seed", range(2, 6))
def test_a_policy_without_exploration_collapses_with_whatever_seed(seed):
    seen = observe({**presets.find("no-exploration").settings, "seed": seed}, 25)
    assert {"kl_spike", "entropy_collapse"} <= grave(seen)
    assert seen.leaders["kl_spike"] > 20, "and goes on being the cause"
    assert seen.returned < 30


def test_a_task_that_is_solved_is_not_called_ill():
    """Its policy is all but deterministic, and hardly anything is left to explain: this is how success looks."""
    _, health = run(40, env="ppo_scope_tests/Choice-v0", rollout_steps=128)
    assert {finding["severity"] for finding in health.findings()} <= {"note"}
    assert health.values()["entropy_share"] < 0.05
    assert "how success looks" in health.unknown()["entropy_collapse"]["why"]


def test_findings_that_follow_from_another_come_after_it_and_name_it():
    _, health = run(25, env="ppo_scope_tests/Arm-v0", normalize_rewards=False, rollout_steps=128)
    found = {finding["name"]: finding["explained_by"] for finding in health.findings()}
    assert next(iter(found)) == "wild_rewards"
    assert found["still_policy"] == found["useless_critic"] == "wild_rewards"
    still = named(health, "still_policy")
    assert "times as long as the policy's" in still["cause"] and "makes it worse" in still["cause"]
    assert "Normalise rewards" in still["remedy"] and still["setting"] == "max_grad_norm"


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_advice_for_a_critic_speaks_of_c1_only_where_it_is_small(value):
    _, health = run(
        25, value_coef=value, normalize_rewards=False, max_grad_norm=None, env="ppo_scope_tests/PaidCart-v0"
    )
    finding = named(health, "useless_critic")
    assert ("Raise c₁" in finding["remedy"]) is (value == 0.0)


@pytest.mark.parametrize(
    ("settings", "layer"),
    [
        ({"env": "ppo_scope_tests/ScaledCart-v0"}, "policy's hidden layer 1"),
        ({"activation": "relu", "learning_rate": 1.0}, "critic's hidden layer 2"),
    ],
)
def test_a_saturated_layer_is_found_by_itself(settings, layer):
    _, health = run(12, **settings)
    assert layer in named(health, "saturated_activations")["summary"]


def test_a_critic_that_learns_although_a_layer_is_saturated_is_not_called_ill():
    (check,) = (check for check in CHECKS if check.name == "saturated_activations")
    row = {"critic_saturation": 0.95, "policy_saturation": 0.0, "critic_saturated_layer": 2.0, "saturation": 0.95}
    assert check.look([{**row, "explained_variance": 0.2}] * 10) is None
    assert check.look([{**row, "explained_variance": 0.0}] * 9) is None, "it has hardly begun"
    found = check.look([{**row, "explained_variance": 0.0}] * 10)
    assert isinstance(found, Found) and "critic's hidden layer 2" in found.summary


@pytest.mark.parametrize(
    ("own", "given"),
    [
        (("policy",), {}),
        (("policy_head", "policy_free"), {"env": "Pendulum-v1", "shared_network": True}),  # log σ is no critic's
    ],
)
def test_the_pace_of_weights_is_by_steps_that_were_made(own, given):
    """A minibatch that target_kl ends the update at is measured, and moves nothing: Adam's own count tells."""
    trainer, ended = Trainer(Settings.parse({**SMALL, "target_kl": 0.003, "learning_rate": 0.003, **given})), 0
    before = 0.0
    for phase in trainer.phases():
        if phase.kind is not PhaseKind.UPDATE:
            continue
        moment, update = moment_at(trainer, phase), phase.update
        made, before = (
            float(trainer.optimisation.moving()["steps"]) - before,
            float(trainer.optimisation.moving()["steps"]),
        )
        ended += len(update.minibatches) - made == 1
        parts = [part for name, part in trainer.network.parts().items() if name.startswith(own)]
        moved = (trainer.network.theta - update.theta_before).detach().numpy().astype(float)
        moved = np.concatenate([moved[part] for part in parts])
        size = np.sqrt(np.mean(np.square(moved[moved != 0])))
        assert indicators(moment)["policy_pace"] == pytest.approx(
            size / (update.learning_rate * np.sqrt(made)), rel=1e-5
        )
        if update.index == 6:
            break
    assert ended > 1
    trainer.close()


def test_actions_cut_off_are_counted():
    _, health = run(12, env="ppo_scope_tests/Range-v0", env_kwargs={"low": 0.0, "high": 1.0})
    finding = named(health, "actions_cut_off")
    assert finding["severity"] == "note" and "% of the numbers that make actions" in finding["summary"]


def test_a_policy_that_collects_is_not_the_one_that_is_judged():
    """What a faulty implementation does: the weights move between the rollout and the first minibatch."""

    def tamper(trainer, update):
        if update == 2:
            with torch.no_grad():
                trainer.network.theta += 0.01

    seen, _ = run(3, tamper=tamper)
    assert ["ratio_not_one" in found for found in seen] == [False, True, False]


MANY = {
    "multi_discrete": gym.spaces.MultiDiscrete([10] * 200),
    "multi_binary": gym.spaces.MultiBinary(1000),
    "box": gym.spaces.Box(-1, 1, (400,)),
}


class Many(gym.Env):
    """Actions of hundreds of components, whose log π is in the hundreds."""

    observation_space = gym.spaces.Box(-1, 1, (3,))

    def __init__(self, action):
        self.action_space = MANY[action]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), float(np.mean(action)), False, False, {}


register("ppo_scope_tests/Many-v0", entry_point=Many, disable_env_checker=True)


@pytest.mark.parametrize("action", MANY)
def test_rounding_of_a_large_log_probability_is_no_fault_but_another_policy_is(action):
    def tamper(trainer, update):
        if update == 3:
            with torch.no_grad():
                trainer.network.theta += 0.01

    env = {"env": "ppo_scope_tests/Many-v0", "env_kwargs": {"action": action}, "num_envs": 4, "rollout_steps": 32}
    seen, health = run(4, tamper=tamper, **env)
    assert ["ratio_not_one" in found for found in seen] == [False, False, True, False], health.values()


@pytest.mark.parametrize(
    ("error", "limit", "wrong"), [(9e-5, None, False), (2e-4, None, True), (2e-4, 8e-4, False), (9e-4, 8e-4, True)]
)
def test_the_limit_of_the_first_ratio_is_the_one_that_is_measured(error, limit, wrong):
    (check,) = (check for check in CHECKS if check.name == "ratio_not_one")
    row = {"first_ratio_error": error, **({"first_ratio_limit": limit} if limit else {})}
    assert (check.found([row]) is not None) == wrong


def test_what_is_not_finite_is_found_where_the_run_halts():
    trainer = Trainer(Settings.parse({**SMALL, "env": "ppo_scope_tests/ScaledCart-v0"}))
    health = Health()
    trainer.environments.vector.envs[0].unwrapped.state = np.full(4, np.nan)
    trainer.environments.observations[0] = np.nan
    with pytest.raises(NotFiniteError) as caught:
        next(trainer.phases())
    health.halted(caught.value, 1)
    (finding,) = health.findings()
    assert (finding["name"], finding["severity"], finding["since"]) == (NOT_FINITE.name, "error", 1)
    assert "observation" in finding["summary"]
    assert "environment" in finding["remedy"] and finding["setting"] is None, "no learning rate would help"
    health.halted(NotFiniteError("the gradient is not finite"), 1)
    assert health.findings()[0]["setting"] == "learning_rate"
    assert [(row["name"], row["until"]) for row in health.history()] == [("not_finite", None)], (
        "one after the other is one"
    )


def test_a_finding_that_has_passed_is_remembered():
    """A KL spike is told for as long as it is among the last updates, and afterwards since when until when it was."""
    seen, health = run(20, changes=[(2, "learning_rate", 0.1), (3, "learning_rate", 1e-5)])
    assert "kl_spike" in seen[2] and "kl_spike" not in seen[-1]
    (row,) = (row for row in health.history() if row["name"] == "kl_spike")
    assert (row["since"], row["severity"], row["title"]) == (3, "warning", "KL spike")
    assert 3 <= row["until"] < 20


def after_a_spike(returns=(20.0, 20.0, 20.0)):
    """A KL spike at update 3, and a collapse of entropy that begins with it; mean returns before, then and later."""
    health, episodes = Health(), {"episodes": 20.0, "return_low": 9.0, "return_high": 500.0, "return_deviation": 10.0}
    for update in range(1, 60):
        values = {"kl_k3": 1.0 if update == 3 else 0.01, "entropy_share": 0.01 if 3 < update < 50 else 0.5}
        mean = returns[(update > 2) + (update > 3)]
        health.take_row(update, {**values, **episodes, "episodic_return_mean": mean})
        yield update, health


def test_a_cause_that_has_passed_leads_for_as_long_as_what_it_left_behind_goes_on():
    for update, health in after_a_spike():
        found = [(row["name"], row["explained_by"], row["since"], row["until"]) for row in health.findings()]
        if 20 < update < 50:
            assert found == [("kl_spike", None, 3, 3), ("entropy_collapse", "kl_spike", 8, None)]
            assert "It has passed; what follows from it has not." in health.findings()[0]["summary"]
    assert found == []
    spans = [(row["name"], row["since"], row["until"]) for row in health.history()]
    assert spans == [("kl_spike", 3, 3), ("entropy_collapse", 8, 49)]


def test_a_note_tells_of_a_cause_that_has_passed_and_does_not_bring_it_back():
    """A policy that keeps most of what it has gained is worth a note only."""
    (collapse,) = next(health.findings() for update, health in after_a_spike((20.0, 500.0, 400.0)) if update == 30)
    assert (collapse["name"], collapse["severity"], collapse["since"]) == ("entropy_collapse", "note", 8)
    assert collapse["cause"].endswith("It began after another finding: KL spike, at update 3.")


def test_a_policy_that_has_decided_is_no_finding_while_the_return_is_at_its_best():
    health = next(health for update, health in after_a_spike((20.0, 500.0, 490.0)) if update == 30)
    assert health.findings() == [] and not health.unknown()["entropy_collapse"]["applies"]


def test_a_finding_goes_on_since_it_began_and_ends_with_its_cause():
    seen, health = run(14, max_grad_norm=1e-6)
    assert "still_policy" not in seen[8] and "still_policy" in seen[9]
    found = named(health, "still_policy")
    assert found["since"] == 10 and "The gradient norm limit of 1×10⁻⁶ " in found["cause"]
    assert "×10⁻" in found["summary"] and "e-" not in found["summary"] + found["cause"]
    seen, health = run(22, max_grad_norm=1e-6, changes=[(14, "max_grad_norm", None)])
    assert "still_policy" not in seen[-1]
    (row,) = (row for row in health.history() if row["name"] == "still_policy")
    assert row["since"] == 10 and 14 <= row["until"] < 22


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("4.4e-09 of 1e−05, and −2e+06", "4.4×10⁻⁹ of 1×10⁻⁵, and −2×10⁶"),
        ("1e12", "1×10¹²"),
        ("Update 20 of run 1e5c, the e-step", "Update 20 of run 1e5c, the e-step"),
    ],
)
def test_sentences_write_powers_of_ten_as_the_page_does(text, written):
    assert with_powers(text) == written


def spiking(health, updates):
    """Rows that are all well but for the KL of some updates."""
    for update in range(1, updates[-1] + 1):
        health.take_row(update, {"kl_k3": 1.0 if update in updates else 0.01})


def test_what_comes_and_goes_is_one_finding():
    health = Health()
    spiking(health, [3, 3 + FORGIVEN, 40])
    spans = [(row["since"], row["until"]) for row in health.history()]
    assert spans == [(3, 3 + FORGIVEN), (40, None)]


def test_what_is_pickled_after_every_update_is_what_it_would_be_by_itself():
    """Rows are pickled once each: not the earlier one of an update that is made anew."""
    pickled, other = Health(), Health()
    for update, kl in [*((update, 0.01 * update) for update in range(1, 30)), (29, 1.0)]:
        for health in (pickled, other):
            health.take_row(update, {"kl_k3": kl})
        twin = pickle.loads(pickle.dumps(pickled))
        assert twin.told({}) == other.told({})
    assert twin.values()["kl_k3"] == 1.0
    for health in (twin, other):
        health.take_row(30, {"kl_k3": 0.01})
    assert twin.told({}) == other.told({})


def test_history_is_bounded():
    health = Health()
    spiking(health, [1 + 20 * number for number in range(MAX_HISTORY + 5)])
    assert len(health.history()) == MAX_HISTORY
    assert health.history()[0]["since"] == 1 + 20 * 5


def test_an_update_that_is_made_anew_leaves_no_trace_of_what_it_was():
    trainer, health = Trainer(Settings.parse({**SMALL, "learning_rate": 0.1})), Health()
    phase = next(phase for phase in trainer.phases() if phase.kind is PhaseKind.UPDATE)
    moment = moment_at(trainer, phase)
    health.take_in(moment, row_values(moment))
    assert [row["name"] for row in health.history()] == ["kl_spike"]
    outcome = trainer.redo({"learning_rate": 1e-5})
    trainer.adopt(outcome)
    moment = moment_at(trainer, outcome.phase)
    health.amend(moment, row_values(moment))
    assert health.findings() == [] and health.history() == []


def test_a_check_that_knows_nothing_yet_says_so():
    health = Health()
    assert health.unknown().keys() == {check.name for check in CHECKS}
    _, health = run(3)
    unknown = health.unknown()
    assert unknown["useless_critic"] == {"why": "takes 10 updates to tell", "applies": True}
    assert unknown["action_reach"] == {"why": "only where actions have a range", "applies": False}
    assert "kl_spike" not in unknown and "ratio_not_one" not in unknown


def test_causes_come_before_what_they_explain():
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    for check in CHECKS:
        assert all(names.index(other) > names.index(check.name) for other in check.explains), check.name


def test_every_check_names_cause_and_remedy_and_leads_to_a_setting_that_can_be_moved():
    for check in (*CHECKS, NOT_FINITE):
        assert check.cause and check.remedy and check.threshold
        assert check.setting is None or check.setting in LIVE
        assert check.otherwise or check is NOT_FINITE


def test_what_a_critic_explains_is_told_as_it_is():
    (check,) = (check for check in CHECKS if check.name == "useless_critic")
    row = {"critic_error_share": 0.9, "explained_variance": -0.12, "critic_fit": 0.4, "critic_fitness": 0.0}
    row |= {"returns_differ": 1.0, "value_coef": 0.5}
    verdict = check.look([row] * 10)
    assert isinstance(verdict, Found)
    assert "explained −12.0 % of the variance on average, worse than a constant" in verdict.summary
    assert "explains 40 %" in verdict.summary
    beaten_by_nothing = check.look([{**row, "critic_fit": -0.1}] * 10)
    assert isinstance(beaten_by_nothing, Unknown), "nothing that simple could do better: no fault, and no good news"
    assert "explains −12.0 % of the variance" in beaten_by_nothing.why and "hardly more" in beaten_by_nothing.why
    assert check.look([{**row, "critic_error_share": 0.04}] * 10) is None, "next to nothing is left to explain"
    assert not isinstance(check.look([{**row, "explained_variance": math.nan}] * 10), Found)
