"""What Health says of loops that are not ours: each mistake, made for real, is found, and which of its kind it is; and
nothing is said of loops without one.
"""

import math
import re
from functools import cache, partial
from statistics import fmean
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import ppo_scope
from ppo_scope.diagnosis.checks_cut import BOOTSTRAP
from ppo_scope.diagnosis.checks_loss import SIGNS as SIGNS_CHECK
from ppo_scope.diagnosis.indicators_loop import _at_a_bound
from tests.diagnosis.faulty_loop import FaultyLoop, Groups, Rare, evidence, said

SINGLE = {"epochs": 1, "minibatches": 1}
GAUSSIAN = {"continuous": True}


@cache
def looped(fault=None, updates=8, **options):
    return FaultyLoop(fault, **options).train(updates)


def unmeasured(loop):
    return loop.scope.watcher._report._budget.failed


@pytest.mark.parametrize(
    ("options", "updates"),
    [
        ({}, 24),
        (GAUSSIAN, 24),
        ({"masked": True}, 8),
        ({"ending": True}, 8),
        ({"ending": True, "critic": 1e-5}, 1),
        (SINGLE, 12),
        ({**SINGLE, **GAUSSIAN}, 12),
    ],
)
def test_a_loop_without_a_mistake_is_told_of_nothing(options, updates):
    """One epoch of one minibatch among them: r ≡ 1, k3 = 0 and L_PG ≈ 0 at every update, by design."""
    loop = looped(updates=updates, **options)
    assert said(loop) == {} and unmeasured(loop) == {}
    if "epochs" in options:
        assert loop.health.values()["kl_k3"] == pytest.approx(0, abs=1e-12), "but for rounding"
        assert loop.health.values()["far_out_share"] == 0
        assert "by design" in loop.health.unknown()["still_policy"]["why"]


@pytest.fixture
def unchecked():
    """Distributions that do not look at their own parameters, as those of other frameworks."""
    torch.distributions.Distribution.set_default_validate_args(False)
    yield
    torch.distributions.Distribution.set_default_validate_args(True)


@pytest.mark.parametrize("reward", [math.nan, math.inf])
def test_what_is_not_finite_is_said_and_no_mean_of_the_rest_looks_sound(reward, unchecked):
    """The first minibatches of that update were sound: of these alone KL and clip fraction would be 0."""
    loop = FaultyLoop("one reward", continuous=True, spoilt=reward)
    with pytest.raises(RuntimeError, match="std"):
        loop.train(3)
    summary, *_ = evidence(loop, "not_finite_samples")
    assert summary == "R of 0.39 % of the update's samples is NaN or infinite."
    values = loop.health.values()
    assert math.isnan(values["kl_k3"]) and math.isnan(values["clip_fraction"])
    assert said(loop).keys() == {"not_finite_samples"} and unmeasured(loop) == {}


RATIOS = [
    ("moving normaliser", {}, "statistics moved", "fades towards its last"),
    ("moving normaliser", GAUSSIAN, "statistics moved", "fades towards its last"),
    ("normaliser between", {}, "statistics moved", "as statistics settle"),
    ("weights moved", {}, "the weights moved", "of log r follows from state and action"),
    ("weights moved", GAUSSIAN, "the weights moved", "of log r follows from state and action"),
    ("clipped actions", GAUSSIAN, "cut off at the bound", "at or beyond a bound, and no others"),
    ("unmasked loss", {"masked": True}, "mask when it acts, and not in the loss", "smaller in the loss"),
    ("unmasked acting", {"masked": True}, "in the loss, and not when it acts", "no probability at all"),
    ("unmasked log π", {"masked": True}, "in the loss, and not where log π_old is taken", "larger in the loss"),
    ("bfloat16", {}, "another precision", "looks like rounding"),
    ("bfloat16", GAUSSIAN, "another precision", "looks like rounding"),
    ("dropout", {}, "dropout", "follows neither from state nor from action"),
]


@pytest.mark.parametrize(("fault", "options", "why", "how"), RATIOS, ids=lambda one: str(one)[:24])
def test_of_a_ratio_that_is_not_one_it_is_told_why(fault, options, why, how):
    loop = looped(fault, **options)
    summary, cause, _ = evidence(loop, "ratio_not_one")
    assert why in cause and how in summary
    (span,) = (row for row in loop.health.history() if row["name"] == "ratio_not_one")
    assert span["since"] == 1


@pytest.mark.parametrize("of", [(0.0, 1.0), (0.2, 1.0)])
def test_choices_that_a_script_keeps_with_a_fraction_lie_at_no_bound(of):
    """The smallest and the largest of two are all that there are."""
    actions = np.array([of] * 4, np.float32).reshape(-1, 1)
    moment = SimpleNamespace(subject=SimpleNamespace(distribution=None))
    assert (_at_a_bound(moment, actions) is None) == (of == (0.0, 1.0))


def test_what_is_made_of_a_wrong_ratio_is_not_called_well():
    unknown = looped("weights moved").health.unknown()
    assert unknown["kl_without_clip"] == {"why": "takes 20 updates to tell", "applies": True}
    standing = {"why": "cannot be judged while “Ratio ≠ 1” stands", "applies": True}
    assert unknown["kl_spike"] == unknown["unbounded_loss"] == standing
    assert "kl_spike" not in looped("bfloat16").health.unknown(), "which is off by next to nothing"


def test_a_few_samples_that_the_clip_does_not_bound_are_told_of_below_their_cause():
    loop = looped("clipped actions", **GAUSSIAN)
    found = {finding["name"]: finding for finding in loop.health.findings()}
    assert next(iter(found)) == "ratio_not_one" == found["unbounded_loss"]["explained_by"]
    assert "with Â < 0 and r > 3" in found["unbounded_loss"]["summary"]
    assert "dual clip" in found["unbounded_loss"]["remedy"]
    assert {"setting": "ratio_cap", "to": 3.0} in found["unbounded_loss"]["tries"]


def test_where_a_cap_bounds_them_it_is_not_said(monkeypatch):
    monkeypatch.setattr(ppo_scope, "Scope", partial(ppo_scope.Scope, ratio_cap=3.0))
    found = {finding["name"] for finding in FaultyLoop("clipped actions", **GAUSSIAN).train(8).health.findings()}
    assert "ratio_not_one" in found and "unbounded_loss" not in found


@pytest.mark.parametrize("options", [{}, GAUSSIAN])
def test_observations_that_were_written_over_are_told_as_that(options):
    summary, cause, remedy = evidence(looped("written over", **options), "ratio_not_one")
    assert "Every observation that an environment has in this rollout is the same" in summary
    assert "written over in place" in cause and "clone()" in remedy


@pytest.mark.parametrize("fault", [None, "weights moved"])
def test_a_world_with_one_state_has_written_nothing_over(fault):
    found = {row["name"]: row for row in looped(fault, still=True).health.findings()}
    assert ("ratio_not_one" in found) == bool(fault) and "written over" not in str(found)


@pytest.mark.parametrize(
    ("fault", "name", "severity", "what"),
    [
        ("zero bootstrap", "cut_as_end", "warning", "counts as 0"),
        ("own bootstrap", "wrong_bootstrap", "note", "by V(s_t)"),
        ("next bootstrap", "wrong_bootstrap", "note", "first state of the next episode"),
    ],
)
def test_a_cut_episode_that_is_bootstrapped_wrongly_is_found(fault, name, severity, what):
    loop = looped(fault)
    assert what in evidence(loop, name)[0] and "final_obs" in evidence(loop, name)[2]
    assert said(loop) == {name: severity}, "γ looks 20 steps ahead, and an episode has 10"


@pytest.mark.parametrize(
    ("options", "updates", "why"),
    [
        ({"ages": True, "rate": 1e-2}, 40, "hold γ·V(s′), as an advantage takes them"),
        ({}, 24, "γ·V"),
        ({"critic": 0.1}, 1, "vary too much beside γ·V"),
    ],
)
def test_rewards_that_hold_what_a_cut_step_leads_to_are_no_cut_that_is_taken_for_an_end(options, updates, why):
    """The remedy of that finding, followed, and the rewards told as the advantages take them."""
    loop = looped(updates=updates, paid_ahead=True, **options)
    assert "cut_as_end" not in said(loop) and why in loop.health.unknown()["cut_as_end"]["why"]
    rows = [row for row in loop.health._rows if row["cut_episodes"]]
    assert rows and all(row["cut_by_zero"] == row["cut_episodes"] for row in rows), "by δ alone it is one"


@pytest.mark.parametrize(
    ("fault", "severity", "number", "remedy"),
    [
        ("own bootstrap", "note", r"changes by (\S+) a step", "It makes little here, and may stay"),
        ("next bootstrap", "warning", r"episode: (\S+) off V", "with s′ the last observation"),
    ],
)
def test_how_much_a_wrong_bootstrap_does_is_told_and_decides_how_grave_it_is(fault, severity, number, remedy):
    """Where V rises with the time, that of the step before is next to right, and that of a beginning is not."""
    loop = looped(fault, 40, ages=True, rate=1e-2)
    summary, _, advice = evidence(loop, "wrong_bootstrap")
    truly = math.sqrt(fmean(off * off for off in loop.cuts_off[-20:]))
    assert 0.5 < float(re.search(number, summary)[1]) / truly < 2 and remedy in advice
    verdict = BOOTSTRAP.look(list(loop.health._rows))
    assert (verdict.severity or BOOTSTRAP.severity) == severity, "before the return, at its best, excuses it"
    assert said(loop) == {"wrong_bootstrap": "note"}
    assert said(looped(updates=40, ages=True, rate=1e-2)) == {}


@pytest.mark.parametrize(
    ("fault", "updates", "words"),
    [("double softmax", 4, "never below 0, and summed up to 1"), ("hidden double softmax", 30, "up to the bound")],
)
def test_probabilities_that_are_taken_for_logits_are_found(fault, updates, words):
    """The sound loop above decides as fast, and goes past where such a bound would be."""
    loop = looped(fault, updates, ages=True, rate=1e-2)
    summary, cause, remedy = evidence(loop, "double_softmax")
    assert words in summary and "more than 48 %" in summary, "e/(e + 3), of 4 actions"
    assert "takes another one" in cause and "probs=" in remedy
    sound = looped(updates=40, ages=True, rate=1e-2).health
    assert sound.values()["least_probability"] < -1 and "double_softmax" not in sound.unknown()


ADVANTAGES = [
    ("no ends", "error", "went on into the next one"),
    ("late ends", "error", "at the first step of each of the next ones the sum stops"),
    ("early ends", "error", "at the step before each end the sum stops"),
    ("value after the end", "error", "V of the state after the end"),
    ("last by zero", "warning", "rollouts of environments"),
    ("scaled targets", "warning", "·(Â + V)"),
]


@pytest.mark.parametrize(("fault", "severity", "words"), ADVANTAGES, ids=lambda one: str(one)[:16])
def test_of_advantages_that_are_made_wrongly_it_is_told_how(fault, severity, words):
    loop = looped(fault, ending=True)
    assert words in evidence(loop, "wrong_advantages")[0] and unmeasured(loop) == {}
    assert said(loop) == {"wrong_advantages": severity}


@pytest.mark.parametrize(
    ("fault", "which", "others"),
    [
        ("broadcast", "whichever of V and V_targ", "log π"),
        ("broadcast raw", "whichever of Â and log π", "V_targ"),
    ],
)
def test_a_loss_of_all_pairs_of_samples_is_told_as_what_it_is(fault, which, others):
    """And the remedy is of what this term is made of: squeezed elsewhere there would be two such tables."""
    loop = looped(fault, 12)
    summary, cause, remedy = evidence(loop, "loss_differs")
    assert "table of all pairs" in summary and "(B, 1) meets one of shape (B,)" in cause
    assert f"squeeze {which} has the axis of 1" in remedy and others not in remedy
    assert said(loop)["loss_differs"] == "error"


def test_a_policy_that_a_loss_of_all_pairs_holds_still_is_told_why():
    """Normalised advantages sum up to nothing, so L_PG is 0 both as it should be and as it is."""
    loop = looped("broadcast policy", 11)
    summary, cause, remedy = evidence(loop, "still_policy")
    assert "in size, and α 0.003" in summary and "(B, 1) that meet r of shape (B,)" in cause and "shapes" in remedy


def test_a_schedule_that_goes_on_beyond_its_end_is_found():
    loop = looped("schedule beyond its end", rate=3e-3)
    summary, cause, _ = evidence(loop, "spent_learning_rate")
    assert "below 0: −0.00" in summary and "uphill" in cause and said(loop)["spent_learning_rate"] == "error"


SIGNS = [
    ({"entropy_coef": -0.05}, "warning", "c₂ is −0.05, so what is minimised is L_PG + c₁·L_VF + 0.05·S.", "certain"),
    ({"entropy_coef": -0.05, **GAUSSIAN}, "warning", "L_PG + c₁·L_VF + 0.05·S", "certain"),
    ({"value_coef": -0.5}, "error", "c₁ is −0.5, so what is minimised is L_PG − 0.5·L_VF − c₂·S.", "driven away"),
]


@pytest.mark.parametrize(("options", "severity", "words", "why"), SIGNS, ids=lambda one: str(one)[:24])
def test_a_coefficient_of_the_wrong_sign_is_found(options, severity, words, why):
    """Its loss is what its numbers give, so it is not another one than it says."""
    loop = looped(updates=3, **options)
    summary, cause, remedy = evidence(loop, "wrong_sign")
    assert words in summary and why in cause and "loss" in remedy
    assert said(loop)["wrong_sign"] == severity and "loss_differs" not in said(loop)
    sound = looped(updates=3, entropy_coef=0.05)
    assert said(sound) == {}


def test_an_entropy_that_is_told_with_a_minus_is_no_wrong_sign():
    """Of choices, whose entropy is never below 0: −S that is added pays for staying undecided."""
    look = SIGNS_CHECK.look
    assert look([{"entropy_coef": -0.05, "entropy": -1.2}]) is None
    assert look([{"entropy_coef": -0.05, "entropy": 1.2}]).severity == "warning"
    assert look([{"entropy_coef": -0.05, "entropy": -1.2, "smallest_deviation": 0.1}]).severity == "warning"


def test_half_a_loss_is_a_note():
    loop = looped("half")
    assert said(loop) == {"loss_differs": "note"} and "½" in evidence(loop, "loss_differs")[1]


@pytest.mark.parametrize(
    ("fault", "severity", "words"),
    [("never shuffled", "warning", "in every epoch of every update, 25 %"), ("shuffled once", "note", "has others")],
)
def test_an_order_that_is_not_drawn_anew_is_found(fault, severity, words):
    loop = looped(fault)
    assert said(loop) == {"same_minibatches": severity}
    assert words in evidence(loop, "same_minibatches")[0]


@pytest.mark.parametrize(("possible", "severity"), [(1.0, None), (0.5, "note"), (0.0, "warning")])
def test_groups_that_agree_are_told_of(possible, severity):
    """Of prompts that nobody can answer all answers are paid the same."""
    loop = Groups(possible=possible).train(6)
    assert said(loop).get("no_advantage") == severity and unmeasured(loop) == {}
    if severity == "warning":
        assert "All 32 sequences" in evidence(loop, "no_advantage")[0]


def test_a_kl_that_rises_while_less_is_clipped_is_found():
    loop = Rare().train(22)
    summary, _, _ = evidence(loop, "kl_without_clip")
    assert "k3 has risen from" in summary and "the clip fraction fell from" in summary
    assert "kl_without_clip" not in said(Rare(rises=1.0).train(22))


def test_what_a_loop_never_tells_is_waited_for_no_longer():
    unknown = looped(updates=24).health.unknown()
    for name, needed in (
        ("saturated_activations", "hidden layers"),
        ("starved_policy", "gradient()"),
        ("useless_critic", "judge="),
    ):
        assert unknown[name]["why"].startswith("this training loop does not tell ") and needed in unknown[name]["why"]
        assert not unknown[name]["applies"]
