"""What a loop of one's own hands to `ppo_scope.Scope`, in all the forms in which people have it."""

import json
import random
import re

import numpy as np
import pytest
import torch

import ppo_scope
from ppo_scope.attach import report
from ppo_scope.attach.record import Phase
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import row_values
from ppo_scope.probes.record import PhaseKind
from ppo_scope.worker.rows import named
from tests.attach.elsewhere import beside, nowhere

M, N, CHOICES = 4, 2, 3
DRAWN = np.random.default_rng(0).integers(0, CHOICES, (M, N))


def small_scope(**facts):
    return ppo_scope.Scope(clip_range=0.2, url=nowhere(), **facts)


def rollout(scope, **changed):
    given = {name: np.zeros((M, N), np.float32) for name in ("rewards", "log_probs", "values", "advantages")}
    scope.rollout(**{**given, "actions": np.zeros((M, N), np.int64), **changed})


def updated(scope, **changed):
    """An update, and its row."""
    rollout(scope, **changed)
    scope.minibatch(samples=np.arange(M * N), log_prob=np.zeros(M * N), advantages=np.arange(M * N) - 3.5)
    assert scope.update()
    row = row_values(Moment(scope, Phase(PhaseKind.UPDATE, scope._update)))
    return {name: value for name, value in row.items() if "seconds" not in name}


@pytest.mark.parametrize(
    "form",
    [
        lambda one: one.astype(np.float32),
        lambda one: one.astype(np.uint8),
        lambda one: one.astype(np.int32),
        lambda one: one[..., None],
        lambda one: torch.from_numpy(one).double()[..., None],
        lambda one: one.tolist(),
    ],
)
@pytest.mark.parametrize("asked", [True, False])
def test_choices_are_taken_in_whatever_numbers_they_are_told(form, asked):
    """Some loops keep them in an array of zeros, which is one of numbers with a fraction."""
    logits = np.random.default_rng(1).normal(size=(M, N, CHOICES)).astype(np.float32)
    rows = []
    for actions in (DRAWN, form(DRAWN)):
        flat = logits.reshape(-1, CHOICES)
        judge = (lambda seen, flat=flat: (flat, np.zeros(len(seen)))) if asked else None
        told = {} if asked else {"outputs": logits}
        with small_scope(policy="discrete", judge=judge) as scope:
            rows.append(updated(scope, actions=actions, observations=np.ones((M, N, 2)), **told))
            assert scope._update.rollout.actions.tolist() == DRAWN.tolist()
            assert scope._update.batch.actions.dtype is torch.int64
            distribution, batch = scope.distribution, scope._update.batch
            log_prob, _ = distribution.evaluate(batch.outputs, batch.actions)
            assert log_prob.numpy() == pytest.approx(
                torch.log_softmax(torch.from_numpy(flat), -1)[np.arange(M * N), DRAWN.reshape(-1)].numpy()
            )
    assert rows[0] == pytest.approx(rows[1], nan_ok=True)
    assert np.isfinite(rows[0]["policy_loss"]) and ("final_entropy" in rows[0]) == asked


@pytest.mark.parametrize(
    ("actions", "sentence"),
    [
        (
            np.eye(CHOICES)[DRAWN],
            r"actions has the shape \(4, 2, 3\), and policy='discrete' wants \(4, 2\): .* actions.argmax\(-1\)",
        ),
        (DRAWN + 0.5, r"actions holds [012]\.5, and policy='discrete' wants whole numbers from 0 to 2, of 3 outputs"),
        (np.full((M, N), CHOICES), "actions holds 3, and policy='discrete' wants whole numbers from 0 to 2"),
        (np.full((M, N), -1), "actions holds -1, and policy='discrete' wants"),
        (np.full((M, N), np.nan), "actions holds nan, and policy='discrete' wants"),
    ],
)
def test_what_is_no_choice_is_refused(actions, sentence):
    with small_scope(policy="discrete") as scope:
        with pytest.raises(ValueError, match=sentence):
            rollout(scope, actions=actions, outputs=np.zeros((M, N, CHOICES)))
        padded = np.arange(M)[:, None] < [M, M - 1]  # padding may hold anything
        rollout(scope, actions=np.where(padded, 1, -100), outputs=np.zeros((M, N, CHOICES)), mask=padded)
        assert scope._update.rollout.actions.tolist() == padded.astype(int).tolist()
        with pytest.raises(
            ValueError, match="puts out 4 numbers for each state, and at the first rollout there were 3"
        ):
            rollout(scope, outputs=np.zeros((M, N, 4)))


def test_what_was_refused_at_the_first_rollout_says_nothing_of_the_next():
    with small_scope(policy="discrete") as scope:
        with pytest.raises(ValueError, match="of 2 outputs"):
            rollout(scope, actions=np.full((M, N), 2), outputs=np.zeros((M, N, 2)))
        rollout(scope, actions=np.full((M, N), 2), outputs=np.zeros((M, N, CHOICES)))
        assert scope.distribution.outputs == CHOICES
    with small_scope(policy="gaussian") as scope:
        with pytest.raises(ValueError, match="actions of 1 wants 2"):
            rollout(scope, outputs=np.zeros((M, N, 4)))
        rollout(scope, actions=np.zeros((M, N, 2)), outputs=np.zeros((M, N, 4)))
        with pytest.raises(ValueError, match=r"puts out 4 numbers for each state, and .* with actions of 1 wants 2"):
            rollout(scope, outputs=np.zeros((M, N, 4)))


@pytest.mark.parametrize("shape", [(M, N), (M, N, 1), (M, N, 2, 3)])
@pytest.mark.parametrize("kind", [np.float32, np.int64])
def test_densities_of_actions_of_any_shape_are_those_of_their_own_means(shape, kind):
    """And of a single one of no axis no table is made."""
    actions = np.random.default_rng(2).normal(0, 3, shape).astype(kind)
    width = int(np.prod(shape[2:]))
    with small_scope(policy="gaussian") as scope:
        rollout(scope, actions=actions, outputs=np.zeros((M, N, 2 * width)))
        batch = scope._update.batch
        log_prob, _ = scope.distribution.evaluate(batch.outputs, batch.actions)
        assert log_prob.shape == (M * N,)
        assert log_prob.numpy() == pytest.approx(
            torch.distributions.Normal(0, 1)
            .log_prob(torch.from_numpy(actions).reshape(M * N, width).float())
            .sum(-1)
            .numpy(),
            rel=1e-5,
        )


def linear(kind=torch.float32):
    """A policy with a critic, and how it is asked in the way that everybody writes first."""
    actor, critic = torch.nn.Linear(2, CHOICES).to(kind), torch.nn.Linear(2, 1).to(kind)
    return actor, lambda seen: (actor(seen), critic(seen).squeeze(-1))


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("yes", [False, True])
def test_a_judge_is_given_what_was_told_in_the_kind_in_which_it_was_told(kind, yes, monkeypatch):
    seen, (actor, judge) = torch.randn(M, N, 2, dtype=kind).requires_grad_(), linear(kind)
    given = []

    def noting(found):
        given.append(found)
        return judge(found)

    with beside(monkeypatch, yes), small_scope(policy="discrete", judge=noting) as scope:
        row = updated(scope, observations=seen)
        assert np.isfinite(row["final_entropy"]) and scope._update.batch.outputs.shape == (M * N, CHOICES)
        rollout(scope, observations=seen.detach().float().numpy())
    *tensors, array = given
    assert len(tensors) == 2 and isinstance(array, np.ndarray) and array.shape == (M * N, 2)
    for one in tensors:
        assert one.dtype is kind and torch.equal(one, seen.reshape(-1, 2)) and not one.requires_grad
    assert actor.weight.grad is None


def test_to_ask_a_judge_moves_no_generator_no_gradient_and_nothing_of_the_rollout():
    def drawing(seen):
        assert not torch.is_grad_enabled()
        (torch.rand(1), np.random.rand(), random.random())
        seen *= 0
        return np.zeros((M * N, CHOICES)), np.zeros(M * N)

    def state():
        return torch.random.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()

    for form in (np.asarray, torch.from_numpy):
        before = state()
        with small_scope(policy="discrete", judge=drawing) as scope:
            updated(scope, observations=form(np.ones((M, N, 2))))
            assert state() == before
            assert scope._update.batch.observations.eq(1).all() and scope._update.rollout.observations.all()


ANSWERS = (
    (lambda seen: {}["its own"], r"KeyError: 'its own' \(test_scope_handed.py, line \d+\)"),
    (lambda seen: np.zeros((len(seen), 3)), "judge gives ndarray, and a pair is wanted"),
    (lambda seen: (np.zeros((3, 3)), np.zeros(len(seen))), r"outputs of judge has the shape \(3, 3\)"),
    (lambda seen: (np.zeros((len(seen), 3)), np.zeros((len(seen), 1))), r"values of judge has the shape \(8, 1\)"),
    (lambda seen: (np.zeros((len(seen), 4)), np.zeros(len(seen))), "puts out 4 numbers .* first rollout there were 3"),
    (lambda seen: ("nonsense", np.zeros(len(seen))), "outputs of judge cannot be taken as an array of numbers"),
)


@pytest.mark.parametrize(
    ("answer", "sentence", "good", "yes"),
    [
        *((*ANSWERS[0], good, yes) for good in (0, 1, 2) for yes in (False, True)),
        *((*one, 2, False) for one in ANSWERS[1:]),
    ],
)
def test_a_judge_that_fails_is_named_once_and_all_but_its_panels_goes_on(
    answer, sentence, good, yes, monkeypatch, capfd
):
    """After so many `good` answers, of which it gives two an update."""
    calls, rows = [], []

    def judge(seen):
        calls.append(seen)
        return answer(seen) if len(calls) > good else (np.zeros((len(seen), CHOICES)), np.zeros(len(seen)))

    monkeypatch.setattr(report, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(report, "WAITED", 1e6)  # each row is told at once
    with beside(monkeypatch, yes), small_scope(policy="discrete", judge=judge) as scope:
        for update in range(4):
            rollout(scope, observations=np.ones((M, N, 2)))
            if not update:
                scope.watcher._report._rows.note = lambda number, row, _: rows.append(named([*row]))
            scope.minibatch(samples=np.arange(M * N), log_prob=np.zeros(M * N), advantages=np.arange(M * N) - 3.5)
            assert scope.update()
        assert not scope.watcher.off and not scope.watcher._report._budget.failed
    assert len(rows) == 4 and np.isfinite([row["policy_loss"] for row in rows]).all(), "nothing else is lost"
    assert [np.isfinite(row["final_entropy"]) for row in rows] == [2 * update + 2 <= good for update in range(4)]
    assert len(calls) == good + 1
    said = capfd.readouterr().err
    assert said.count("judge= has failed, and is not asked any more; the training goes on") == 1
    assert re.search(sentence, said)


def test_what_cannot_be_asked_is_refused_where_it_is_said():
    with pytest.raises(ValueError, match=r"judge is 3, and a function is wanted: of observations \[S, …\]"):
        small_scope(policy="discrete", judge=3)
    with small_scope(policy="discrete", judge=linear()[1]) as scope:
        with pytest.raises(ValueError, match="observations is missing: judge= is asked of them"):
            rollout(scope)
        rollout(scope, observations=torch.ones(M, N, 2))
        assert scope.distribution is not None


LENGTHS = np.array([5, 3, 2, 0, 5])
REAL = np.arange(5)[:, None] < LENGTHS
LAST = np.arange(5)[:, None] == LENGTHS - 1
"""Padded episodes, each in a column of its own."""


@pytest.mark.parametrize(
    "ends",
    [
        {"dones": LAST},
        {"dones": LAST | ~REAL},  # it is over, and stays so
        {"dones": np.arange(5)[:, None] == np.minimum(LENGTHS, 4)},  # told with the first step of padding
        {"dones": np.arange(5)[:, None] * np.ones(5) == 4},  # with the last one
        {"truncated": LAST | ~REAL},
        {"dones": ~REAL | LAST, "truncated": LAST},
    ],
)
def test_padding_is_no_part_of_an_episode(ends):
    rewards = np.random.default_rng(3).normal(size=(5, 5)).astype(np.float32)
    given = {name: np.zeros((5, 5)) for name in ("actions", "log_probs", "values", "advantages")}
    padded = np.where(REAL, rewards, np.nan)
    with small_scope() as scope:
        for update in (1, 2):
            scope.rollout(**given, rewards=padded, mask=REAL, **ends)
            found = scope._update.rollout
            told = sorted((one.length, one.episodic_return) for one in found.episodes)
            true = sorted((length, rewards[:length, row].sum()) for row, length in enumerate(LENGTHS) if length)
            assert np.array(told) == pytest.approx(np.array(true)), update
            over = found.truncated if "truncated" in ends else found.terminated
            assert (over == (LAST & REAL)).all() and not (found.truncated & found.terminated).any()


def test_an_episode_goes_on_over_steps_that_are_not_trained_on_from_one_rollout_to_the_next():
    """As those of an opponent's turn, in one of which it ends."""
    with small_scope() as scope:
        told = []
        for mask, ends in (([1, 0, 1, 1], [0, 0, 0, 0]), ([0, 0, 0, 1], [0, 1, 1, 0]), ([1, 1, 1, 0], [0, 0, 0, 1])):
            rewards = np.array([[1.0], [10.0], [100.0], [1000.0]])
            given = {name: np.zeros((4, 1)) for name in ("actions", "log_probs", "values", "advantages")}
            scope.rollout(**given, rewards=rewards, mask=np.array(mask)[:, None], dones=np.array(ends)[:, None])
            told += [(one.length, one.episodic_return) for one in scope._update.rollout.episodes]
    assert told == [(3, 1101.0), (4, 1111.0)]


ROW = torch.ones(N, requires_grad=True)
NO_ARRAYS = (
    ([ROW] * M, "Can't call numpy.. on Tensor that requires grad"),
    ([[1.0, 2.0], [3.0]] * 2, "inhomogeneous"),
    (torch.ones(M, N, device="meta"), "meta"),
    (torch.ones(M, N).to_sparse(), "Sparse"),
    (np.ones((M, N), complex), "it holds complex128"),
    (torch.ones(M, N, dtype=torch.complex64), "it holds complex64"),
    ([np.ones(N, complex)] * M, "it holds complex128"),
    ([["1", "2"]] * M, "it holds str"),
    ("hello", "it holds str"),
)
"""What arrays cannot be made of, and why."""


@pytest.mark.parametrize(("value", "why"), NO_ARRAYS)
def test_what_is_no_array_of_numbers_is_named(value, why, capfd):
    """Whatever it is, no error of another kind comes out of it."""
    sentence = "cannot be taken as an array of numbers: .*" + why
    with small_scope() as scope:
        for name in ("rewards", "advantages", "actions", "observations", "dones", "mask", "outputs"):
            with pytest.raises(ValueError, match=f"{name} {sentence}"):
                rollout(scope, **{name: value})
        rollout(scope)
        for name in ("log_prob", "values", "samples"):
            told = {"samples": [0, 1], "log_prob": [0, 0], "advantages": [0, 0], "values": [0, 0]}
            with pytest.raises(ValueError, match=f"{name} {sentence}"):
                scope.minibatch(**{**told, name: value})
        assert not scope.watcher.off
    assert "Please report it" not in capfd.readouterr().err


def test_a_list_of_arrays_is_an_array():
    rows = np.random.default_rng(4).normal(size=(M, N))
    for given in ([*rows], [*torch.from_numpy(rows)], rows.tolist(), [list(torch.from_numpy(one)) for one in rows]):
        with small_scope() as scope:
            rollout(scope, rewards=given, values=given, dones=[[True, 0]] * M, outputs=[[[0.5] * 3] * N] * M)
            assert scope._update.rollout.rewards.tolist() == rows.astype(np.float32).tolist()
            assert scope._update.batch.values.tolist() == rows.astype(np.float32).reshape(-1).tolist()
            assert scope._update.rollout.terminated.tolist() == [[True, False]] * M


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"rewards": None}, "rewards is missing: what the environment gave"),
        (
            {"text": [None] * N},
            "text holds None, and a list of tokens, each as text, is wanted for each of 2 sequences",
        ),
        ({"text": (["a"] for _ in range(N))}, "text holds something of type generator, and a list of tokens"),
        ({"text": [[1, 2]] * N}, r"text holds \[1, 2\], and"),
        ({"text": 3}, "text holds something of type int, and"),
        ({"text": [["a"]]}, "text has 1 sequences, and the rollout 2"),
    ],
)
def test_what_a_rollout_cannot_have_is_named(changed, sentence):
    with small_scope() as scope:
        with pytest.raises(ValueError, match=sentence):
            rollout(scope, **changed)
        rollout(scope, text=[["a", "b"], []])
        assert not scope.watcher.off


def test_what_nothing_exceeds_is_no_limit_at_whichever_rollout_it_is_told():
    with small_scope(ratio_cap=float("inf")) as scope:
        for cap, held in ((None, None), (3.0, 3.0), (float("inf"), None), (None, None), (np.float32(2), 2.0)):
            rollout(scope, ratio_cap=cap)
            assert scope._facts.ratio_cap == held
            scope.minibatch(samples=[0, 1], log_prob=[3, 0], advantages=[-1, 1])
            assert scope.update() and not scope.watcher.off


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"change": ["clip_range"]}, r"change is \['clip_range'\], and a dict is wanted"),
        ({"url": 3}, "Something of type int is not the link of a PPO Scope server: it is like http"),
        ({"library": None}, "library is None, and whose loop it is, in words, is wanted"),
        ({"reward_threshold": "a"}, "reward_threshold is 'a', and one number is wanted"),
        ({"reward_threshold": float("nan")}, "reward_threshold is nan, and a finite number is wanted"),
        ({"weights": 3}, "weights is 3, and a module of torch, or a function"),
        ({"seed": "a"}, "seed is 'a', and a whole number is wanted"),
    ],
)
def test_what_a_scope_cannot_be_made_of_is_named(changed, sentence):
    with pytest.raises(ValueError, match=sentence):
        ppo_scope.Scope(**{"clip_range": 0.2, "url": nowhere(), **changed})


def test_whose_loop_it_is_may_be_told_in_many_words():
    with small_scope(library="x" * 1000) as scope:
        rollout(scope)


@pytest.mark.parametrize("yes", [False, True])
def test_what_is_measured_in_a_loop_that_raises_on_overflow_is_what_it_is_elsewhere(yes, monkeypatch, capfd):
    """Its own arithmetic raises as before."""
    rows = []
    with np.errstate(all="raise"), beside(monkeypatch, yes), small_scope() as scope:
        for update in (1, 2):
            advantages = np.full((M, N), 1e300)  # more than single precision holds
            rollout(scope, advantages=advantages, log_probs=np.full((M, N), -1e-42))
            if update == 1:
                scope.watcher._report._rows.note = lambda number, row, _: rows.append(named([*row]))
            told = {"samples": np.arange(M * N), "advantages": np.arange(M * N) - 3.5}
            scope.minibatch(**told, log_prob=np.full(M * N, 90.0), entropy=np.full(M * N, 1e-40))
            scope.minibatch(**told, log_prob=np.full(M * N, -1e-41), entropy=np.full(M * N, 1e-40))
            assert scope.update()
            with pytest.raises(FloatingPointError):
                np.float32(1e30) * np.float32(1e30)
        assert not scope.watcher.off and not scope.watcher._report._budget.failed
    assert len(rows) == 2 and not np.isnan([row["policy_loss"] for row in rows]).any()
    assert "Please report it" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"advantages"}, "a gradient flows into Â."),
        ({"old_log_prob", "returns"}, "a gradient flows into V_targ and log π_old."),
        (set(), None),
    ],
)
@pytest.mark.parametrize("yes", [False, True])
def test_a_gradient_that_flows_through_what_was_measured_is_told_to_health(told, sentence, yes, monkeypatch):
    with beside(monkeypatch, yes), small_scope() as scope:
        for _ in range(3):
            rollout(scope)
            given = {name: torch.zeros(M * N) for name in ("log_prob", "old_log_prob", "values", "returns")}
            given["advantages"] = torch.arange(M * N) - 3.5
            for name in {*told, "log_prob", "values"}:
                given[name] = given[name].clone().requires_grad_()
            scope.minibatch(samples=torch.arange(M * N), **given)
            assert scope.update()
        scope.watcher._report.flush()
        scope.watcher._report._judge()
        judged = scope.watcher._report._judged or scope.watcher._report._health.told({})
    found = [one for one in judged["findings"] if one["name"] == "leaking_gradient"]
    assert len(found) == (sentence is not None)
    assert all(sentence in json.dumps(one, ensure_ascii=False) for one in found)
    assert "leaking_gradient" not in json.dumps(judged["unknown"])


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"discount": 1.5}, r"discount is 1\.5, and a number of at most 1 is wanted"),
        ({"gae_lambda": 2}, r"gae_lambda is 2\.0, and a number of at most 1 is wanted"),
        ({"ratio_cap": 0.9}, r"ratio_cap is 0\.9, and a number above 1 is wanted"),
        ({"ratio_cap": 1}, r"ratio_cap is 1\.0, and a number above 1 is wanted"),
    ],
)
def test_numbers_beyond_what_they_can_be_are_refused_and_unusual_ones_are_not(told, sentence):
    with pytest.raises(ValueError, match=sentence):
        small_scope(**told)
    unusual = {"clip_range_high": 1e3, "learning_rate": 5.0, "ratio_cap": 1.01, "max_grad_norm": 1e9, "epochs": 10_000}
    with small_scope(discount=1, gae_lambda=0, value_coef=1e4, **unusual) as scope:
        if "ratio_cap" in told:
            with pytest.raises(ValueError, match=sentence):
                rollout(scope, **told)
        rollout(scope, clip_range=50.0)
