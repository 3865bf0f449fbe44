"""A loop of one's own, shown by `ppo_scope.Scope`: the same weights, every row, and mistakes that are named."""

import contextlib
import json
import re
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import ppo_scope
from ppo_scope.attach import report, watcher
from ppo_scope.attach.record import Phase
from ppo_scope.ppo.losses import Region
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.record import PhaseKind
from ppo_scope.wire.attaching import ScriptNews, sendable, text_of
from ppo_scope.wire.frame import decode
from ppo_scope.wire.metrics import MINIBATCH_COLUMNS
from ppo_scope.worker.outlet import position_of
from tests.attach import own_loop
from tests.attach.elsewhere import (
    bare,
    beside,
    nowhere,
    shown_here,
    the_run,
    waiting_server,
)
from tests.live import environment
from tests.server.scope_page import wait_for

UPDATES = 12


@pytest.fixture(scope="module")
def plain():
    """(the loop, the digest of its weights) without us."""
    return own_loop.main(UPDATES, plain=True)


def test_shown_with_every_row_and_the_same_weights(plain, monkeypatch):
    (_, digest), run, rows, first = shown_here(monkeypatch, lambda: own_loop.main(UPDATES))
    assert digest == plain[1]
    assert run["environment"] == "somebody's" and run["seed"] is None
    assert run["settings"]["clip_range"] == 0.1 and "discount" not in run["settings"], "nothing is made up"
    assert first == 1 and len(rows["loss"]) == UPDATES
    # By the loop's own numbers: its loss, of the mean over its minibatches.
    last = next(p.update for p in own_loop.PlainLoop().phases() if p.kind.value == "update")
    assert rows["loss"][0] == pytest.approx(np.mean([float(one.loss) for one in last.minibatches]), abs=1e-6)
    assert rows["policy_loss"][0] == pytest.approx(np.mean([float(m.policy_loss) for m in last.minibatches]), abs=1e-6)
    assert rows["final_kl_exact"][-1] > 0, "its policy was judged under the final weights"


def test_what_is_measured_beside_the_loop_is_to_the_bit_what_it_would_find_itself(plain, monkeypatch):
    found = {}
    for yes in (False, True):
        with beside(monkeypatch, yes) as clerks:
            (_, digest), _, rows, first = shown_here(monkeypatch, lambda: own_loop.main(UPDATES))
        assert [one._begun for one in clerks] == [True] * yes and (digest, first) == (plain[1], 1)
        found[yes] = bare(rows)
    assert (
        found[True] == found[False] and min(found[True]["final_kl_exact"]) > 0 and len(found[True]["loss"]) == UPDATES
    )


@pytest.mark.parametrize("waits", [True, False])
def test_a_slow_update_is_told_at_its_end_and_not_with_the_next(waits, monkeypatch):
    """Else a page shows a loop whose updates take a minute as it was a minute ago, and every other update alone."""
    monkeypatch.setattr(report, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(report, "WAITED", 1e6 if waits else 0.0)
    sent = []
    with beside(monkeypatch, True) as clerks:
        scope = small_scope()
        for update in range(1, 5):
            rollout(scope)
            scope.minibatch(samples=[0, 1], log_prob=[0, 0], advantages=[1, -1])
            if update == 1:
                scope.watcher._report._rows.note = lambda number, *_: sent.append(number)
            scope.update()
            if not waits and clerks[0].owes:  # it may have answered at once
                wait_for(lambda: clerks[0]._poll.poll(0))
                scope.watcher._report.at(Phase(PhaseKind.ADVANTAGES, scope._update))
            assert sent == list(range(1, update + 1)) and not clerks[0].owes
        scope.close()


def test_updates_that_wait_are_told_where_none_follows(monkeypatch):
    """As where a notebook's cell has ended: its last updates would be seen with the next cell alone."""
    sent = []
    with beside(monkeypatch, True) as clerks:
        scope = small_scope()
        for update in (1, 2, 3):
            rollout(scope)
            scope.minibatch(samples=[0, 1], log_prob=[0, 0], advantages=[1, -1])
            if update == 1:
                scope.watcher._report._rows.note = lambda number, *_: sent.append(number)
            scope.update()
        assert sent != [1, 2, 3] and clerks[0].at_work
        scope.watcher._beat()
        assert sent != [1, 2, 3], "an update has ended just now"
        monkeypatch.setattr(report, "UNWATCHED_SECONDS", 0.0)
        wait_for(lambda: scope.watcher._beat() or sent == [1, 2, 3])
        scope.close()


def test_how_a_loop_is_at_rest_is_said_of_its_last_update_and_not_of_the_last_look(monkeypatch):
    monkeypatch.setattr(report, "UNWATCHED_SECONDS", 1e6)  # no look is due
    told = {}
    for yes in (False, True):
        with beside(monkeypatch, yes):
            scope = small_scope()
            for update in (1, 2, 3):
                rollout(scope)
                scope.minibatch(samples=[0, 1], log_prob=[0, 0.5 * (update > 1)], advantages=[1, -1])
                scope.update()
            headers, shown = [], scope.watcher._report
            monkeypatch.setattr(shown._outlet, "send", lambda *_, into=headers, **header: into.append(header))
            shown.show()
            told[yes] = {name: headers[-1][name] for name in ("findings", "history", "unknown", "health")}
            scope.close()
    assert told[True] == told[False] and told[True]["findings"]


@pytest.mark.parametrize("yes", [False, True])
def test_of_an_update_in_which_a_finding_begins_a_snapshot_with_its_samples_is_kept_though_nobody_looks(
    yes, monkeypatch
):
    monkeypatch.setattr(report, "UNWATCHED_SECONDS", 1e6)  # none is kept because it is time for one
    server, spike = waiting_server(), 9
    try:
        monkeypatch.setenv("PPO_SCOPE_URL", server.url)
        with beside(monkeypatch, yes) as clerks:
            scope = ppo_scope.Scope(clip_range=0.2)
            for update in range(1, 13):
                rollout(scope, advantages=np.arange(-4, 4, dtype=np.float32).reshape(4, 2))
                far = 3.0 if update == spike else 0.01
                scope.minibatch(samples=np.arange(8), log_prob=[far, -far] * 4, advantages=np.arange(-4.0, 4.0))
                scope.update()
                if update == 1:
                    the_run(server)  # it is connected: what is shown from now on arrives
            scope.close()
        assert [one._begun for one in clerks] == [True] * yes
        run = the_run(server, state="finished")["id"]
        told = json.loads(server.get(f"api/runs/{run}/moments"))["moments"]
        numbers = {update: sequence for sequence, update, phase, *_ in told if phase == "update"}
        assert spike in numbers and spike + 1 not in numbers, numbers
        header, arrays = decode(server.get(f"api/runs/{run}/moments/{numbers[spike]}"))
    finally:
        server.kill()
    assert ("kl_spike", spike) in {(one["name"], one["since"]) for one in header["findings"]}
    assert {"ratio", "samples", "advantages"} <= set(header["measured"]) and not header["failed"]
    assert arrays["region"].shape == (2, 4) and (arrays["ratio"] > np.exp(2.9)).sum() == 4


def small_scope(**facts):
    return ppo_scope.Scope(clip_range=0.2, url=nowhere(), **facts)


def rollout(scope, **changed):
    given = {name: np.zeros((4, 2), np.float32) for name in ("rewards", "log_probs", "values", "advantages")}
    scope.rollout(**{**given, "actions": np.zeros((4, 2), np.int64), **changed})


def test_an_error_of_ours_ends_the_watching_and_not_the_training(capfd):
    scope = small_scope()
    rollout(scope)
    scope._count = object()
    scope.minibatch(samples=[0, 1], log_prob=[0, 0], advantages=[1, 2])
    said = capfd.readouterr().err
    assert "watches no more; the training goes on" in said
    scope.minibatch(samples="nonsense", log_prob=None, advantages=None)
    assert scope.update() is True
    assert "watches no more" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"advantages": torch.ones(3, 1)},
            r"advantages has the shape \(3, 1\), and \(3,\) is wanted: .* table of 3 × 3",
        ),
        ({"log_prob": np.ones(4)}, r"log_prob has the shape \(4,\), and \(3,\) is wanted: one for each sample"),
        ({"samples": [0, 1, 8]}, r"samples holds 8, and the rollout has samples 0 to 7"),
        ({"values": torch.ones(3, 3)}, r"values has the shape \(3, 3\)"),
        ({"samples": [[0, 1, 2]]}, r"samples has the shape \(1, 3\)"),
        ({"samples": np.arange(8) < 3}, "samples holds True and False, and the places of B samples are wanted"),
        ({"samples": torch.tensor([0.0, 1.0, 1.5])}, "samples holds numbers with a fraction"),
        ({"log_prob": object()}, "log_prob cannot be taken as an array of numbers"),
        ({"advantages": [1, [2], 3]}, "advantages cannot be taken as an array of numbers"),
        ({"loss": torch.ones(3)}, r"loss has the shape \(3,\), and one number is wanted"),
        ({"gradient_norm": [1.0, 2.0]}, r"the norm of the gradient has the shape \(2,\), and one number is wanted"),
    ],
)
def test_shapes_of_a_minibatch_that_do_not_fit_are_refused(changed, sentence):
    scope = small_scope()
    rollout(scope)
    given = {"samples": [0, 1, 2], "log_prob": np.zeros(3), "advantages": np.ones(3), "values": np.zeros(3)}
    with pytest.raises(ValueError, match=sentence):
        scope.minibatch(**{**given, **changed})
    scope.minibatch(**given)  # it goes on
    scope.close()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"values": np.zeros((4, 2, 1))}, r"values has the shape \(4, 2, 1\), and \(4, 2\) is wanted"),
        ({"advantages": np.zeros(8)}, r"advantages has the shape \(8,\), and the rollout \(4, 2\): steps come first"),
        ({"rewards": np.zeros((6, 2))}, r"rewards has the shape \(6, 2\), and log_probs and advantages have \(4, 2\)"),
        ({"rewards": np.zeros(8)}, r"rewards has the shape \(8,\), and \[M, N\] is wanted"),
        ({"log_probs": None}, "log_probs is missing"),
        ({"outputs": np.zeros((4, 2))}, r"outputs has the shape \(4, 2\), and \(4, 2, O\) is wanted: logits, or means"),
        ({"outputs": np.zeros((8, 3))}, r"outputs has the shape \(8, 3\), and \(4, 2, O\) is wanted"),
        ({"observations": [["a", "b"]] * 4}, "observations cannot be taken as an array of numbers: it holds str"),
    ],
)
def test_shapes_of_a_rollout_that_do_not_fit_are_refused(changed, sentence):
    scope = small_scope()
    with pytest.raises(ValueError, match=sentence):
        rollout(scope, **changed)
    scope.close()


def test_what_a_policy_puts_out_has_to_fit_its_kind(capfd):
    given = {"actions": np.zeros((4, 2, 1)), "observations": np.zeros((4, 2, 3))}
    sentence = "puts out 3 numbers .* actions of 1 wants 2: means"
    with small_scope(policy="gaussian") as scope, pytest.raises(ValueError, match=sentence):
        rollout(scope, **given, outputs=np.zeros((4, 2, 3)))
    with small_scope(policy="gaussian", judge=lambda seen: (np.zeros((8, 3)), np.zeros(8))) as scope:
        rollout(scope, **given)
        assert re.search(sentence, capfd.readouterr().err), "where it is asked, no training ends by that"


def test_a_coarser_precision_is_taken_as_the_numbers_that_it_holds():
    names = "rewards", "log_probs", "values", "advantages", "observations", "outputs", "actions"
    given = {name: torch.randn(4, 2, *[3] * (name in names[4:]), dtype=torch.bfloat16) for name in names}
    scope = small_scope()
    rollout(scope, **given)
    batch = scope._update.batch
    found = (scope._update.rollout.rewards, batch.log_probs, batch.values, batch.advantages)
    found += (batch.observations, batch.outputs, batch.actions)
    for name, one in zip(names, found, strict=True):
        assert torch.equal(torch.as_tensor(one).flatten(), given[name].float().flatten()), name
    column = torch.randn(3, dtype=torch.bfloat16)
    told = {"log_prob": column, "advantages": column, "values": column, "loss": column[0], "gradient_norm": column[1]}
    scope.minibatch(samples=[0, 1, 2], **told)
    with pytest.raises(ValueError, match=r"values has the shape \(3, 1\)"):
        scope.minibatch(samples=[0, 1, 2], **{**told, "values": column[:, None]})
    assert torch.equal(scope._update.minibatches[0].values, column.float())
    scope.close()


def noting_updates(scope):
    """[(its number, its minibatches)] of those that are reported as ended."""
    reached, ended = scope.watcher.reached, []

    def noted(phase):
        if phase.kind is PhaseKind.UPDATE:
            ended.append((phase.update.index, len(phase.update.minibatches)))
        reached(phase)

    scope.watcher.reached = noted
    return ended


def test_each_update_is_reported_once_whether_its_end_is_told_never_or_twice():
    """Rows of the series follow each other: one too few, or too many, and all that come after it are lost."""
    values = []
    scope = small_scope(change={"clip_range": values.append})
    ended = noting_updates(scope)
    for times in (1, 0, 2, 1):
        scope.watcher.orders.obey({"type": "set", "name": "clip_range", "value": 0.1 * (len(values) + 1), "id": None})
        rollout(scope)
        for _ in range(times + 1):
            scope.minibatch(samples=[0, 1], log_prob=[0, 0], advantages=[1, -1])
        for _ in range(times):
            assert scope.update()
    assert ended == [(1, 2), (2, 1), (3, 3), (4, 2)]
    assert values == pytest.approx([0.1, 0.2, 0.3, 0.4]), "what was set takes effect at the next rollout in any case"
    scope.close()


UNCLOSED = """
import numpy, ppo_scope
scope = ppo_scope.Scope(clip_range=0.2)
rows = {name: numpy.zeros((4, 2)) for name in ("actions", "rewards", "log_probs", "advantages")}
scope.rollout(**rows)
scope.update()
"""


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_process_ends_though_its_scope_was_never_closed(rank):
    """The one of a process that only takes part has no line, and no thread begins at the process's very end."""
    with_others = {**environment(), "TORCHELASTIC_RUN_ID": "tests", "RANK": rank, "PPO_SCOPE_URL": nowhere()}
    subprocess.run([sys.executable, "-c", UNCLOSED], env=with_others, timeout=60, check=True)


@pytest.mark.parametrize("which", ["of before", "in flight", "none"])
def test_what_failed_before_a_run_is_no_cause_of_its_end_and_what_ends_it_is(which, monkeypatch):
    """A notebook remembers the error of a cell for as long as it runs."""
    monkeypatch.setattr(sys, "last_value", ZeroDivisionError("of another cell"), raising=False)
    scope, states = small_scope(), []
    rollout(scope)
    if which == "of before":
        monkeypatch.setattr(sys, "last_value", NameError("of a cell since then"))
    scope.watcher._report.state = lambda state, cause=None, **_: states.append((state, cause and cause["summary"]))
    with contextlib.suppress(KeyError):
        try:
            if which == "in flight":
                raise KeyError("its own")
        finally:
            scope.close()
    [(state, cause)] = states
    assert (state, "its own" in (cause or "")) == (("failed", True) if which == "in flight" else ("finished", False))


@pytest.mark.parametrize("name", ["values", "entropy", "old_log_prob", "returns", "penalty"])
def test_minibatches_of_an_update_tell_the_same(name):
    scope = small_scope()
    given = {"samples": torch.tensor([0, 1]), "log_prob": torch.zeros(2), "advantages": torch.tensor([1.0, -1.0])}
    for first, second in (({}, {name: torch.ones(2)}), ({name: torch.ones(2)}, {})):
        rollout(scope)
        scope.minibatch(**given, **first)
        with pytest.raises(ValueError, match=f"{name} was told of some minibatches of this update, and not of others"):
            scope.minibatch(**given, **second)
        assert scope.update()
    scope.close()


@pytest.mark.parametrize("kind", [torch.tensor, np.array])
def test_a_minibatch_of_no_samples_is_left_out_and_ends_no_training(kind, capfd):
    """As where a mask leaves nothing of it."""
    scope = small_scope()
    ended = noting_updates(scope)
    none, two = kind(np.zeros(0)), {"log_prob": kind([0.0, 0.0]), "advantages": kind([1.0, -1.0])}
    for _ in range(2):
        rollout(scope)
        for samples in ([0, 1], [], [2, 3]):
            told = two if samples else {"log_prob": none, "advantages": none}
            scope.minibatch(samples=kind(np.array(samples, np.int64)), **told)
            scope.gradient(len(samples) + samples[0] if samples else np.nan)
            scope.step()
        norms = {place: float(norm) for place, norm in scope._update.gradient_norms.items()}
        assert scope.update() and norms == {0: 2, 1: 4}, "the norm of a minibatch that is left out is nobody's"
    rollout(scope)
    scope.minibatch(samples=[], log_prob=[], advantages=[])
    assert scope.update()
    assert ended == [(1, 2), (2, 2), (3, 0)]
    scope.close()
    assert capfd.readouterr().err.count("called without a sample") == 1


def test_settings_may_be_arrays_of_one_number_of_whatever_kind():
    """What is no number of Python's own cannot be told to a server."""
    said = []
    whole = {"seed": np.int64(3), "epochs": np.int32(2), "reward_threshold": np.float32(9)}
    scope = small_scope(**whole, minibatches=torch.tensor(4), anneal_clip_range=np.bool_(False))
    rollout(scope, epochs=np.int64(3), learning_rate=torch.tensor(0.5))
    scope.watcher._line.send = said.append
    scope.watcher._report.introduce()
    scope.watcher._report.show()
    assert len(said) >= 3 and json.loads(scope.watcher._line._greeting())["settings"]["seed"] == 3
    assert (scope._facts.epochs, scope._facts.minibatches, scope._facts.learning_rate) == (3, 4, 0.5)
    scope.close()
    with pytest.raises(ValueError, match=r"epochs is 2\.5, and a whole number is wanted"):
        small_scope(epochs=2.5)


NONSENSE = (
    (float("nan"), "clip_range is nan, and a finite number is wanted"),
    (float("inf"), "clip_range is inf, and a finite number is wanted"),
    (-0.1, r"clip_range is -0\.1, and a number of at least 0 is wanted"),
    (None, "clip_range is None, and one number is wanted"),
)


@pytest.mark.parametrize(("clip_range", "sentence"), NONSENSE)
def test_numbers_that_nothing_can_be_computed_with_are_refused_where_they_are_said(clip_range, sentence):
    """They would end the watching later, at a phase that has nothing to do with them."""
    with pytest.raises(ValueError, match=sentence):
        ppo_scope.Scope(clip_range=clip_range, url=nowhere())
    scope = small_scope(max_grad_norm=float("inf"), value_coef=-1.0, entropy_coef=-0.01)  # off; signs are for Health
    if clip_range is not None:
        with pytest.raises(ValueError, match=sentence):
            rollout(scope, clip_range=clip_range)
    rollout(scope)
    for epoch in (0, -1, 1.5, float("nan"), "first"):
        with pytest.raises(ValueError, match=r"epoch (is|cannot be taken)"):
            scope.minibatch(samples=[0, 1], log_prob=[0, 0], advantages=[0, 0], epoch=epoch)
    scope.minibatch(samples=[0, 1], log_prob=[0, 0], advantages=[0, 0], epoch=np.int64(1))
    assert not scope.watcher.off
    scope.close()
    with pytest.raises(ValueError, match="epochs is 0, and a number of at least 1 is wanted"):
        small_scope(epochs=0)


def test_what_is_to_set_a_setting_is_looked_at_before_it_is_needed_and_ends_no_training_where_it_fails(capfd):
    for change, sentence in (
        ({"clip_rang": print}, "change: clip_rang cannot be moved on the page; .*clip_range"),
        ({"clip_range": 0.3}, r"change: what is to set clip_range is 0\.3, and a function"),
    ):
        with pytest.raises(ValueError, match=sentence):
            small_scope(change=change)
    scope = small_scope(change={"clip_range": lambda value: 1 / 0, "entropy_coef": lambda value: None})
    rollout(scope)
    scope.watcher.orders._pending = {"clip_range": 0.3, "entropy_coef": 0.1}
    scope.update()
    rollout(scope)
    assert (scope._facts.clip_range, scope._facts.entropy_coef) == (0.2, 0.1)
    assert "set clip_range has failed at 0.3. The training goes on" in capfd.readouterr().err
    scope.close()


def test_a_name_is_told_that_is_no_text_or_longer_than_a_message(monkeypatch):
    """Else nothing is shown of a script whose name has a byte of another coding."""
    monkeypatch.setattr(sys, "argv", ["/tmp/caf\udce9.py"])
    scope = small_scope(env="\ud800" + 100_000 * "x")
    rollout(scope)
    told = json.loads(scope.watcher._line._greeting())
    assert told["script"] == r"caf\udce9.py" and told["settings"]["env"].startswith(r"\ud800xx")
    assert len(told["settings"]["env"]) == 200
    scope.close()
    for name in (sys.argv[0], 300 * "y"):  # of `ppo-scope watch SCRIPT`
        news = ScriptNews(script=name, why=name, detail=name, lines=name)
        told = ScriptNews.model_validate_json(news.model_dump_json())
        assert told.script == sendable(name) and told.why == told.detail == told.lines == text_of(name)
    with pytest.raises(ValidationError):
        ScriptNews.model_validate({"script": 3})


def test_what_fails_again_on_the_way_out_is_said_once(capfd, monkeypatch):
    scope = small_scope()
    rollout(scope)
    monkeypatch.setattr(scope.watcher, "_settle", lambda: 1 / 0)
    scope.watcher.give_up(KeyError("of ours"))
    said = capfd.readouterr().err
    assert "KeyError" in said and "ZeroDivisionError" not in said


@pytest.mark.parametrize("failing", [False, True])
def test_a_with_statement_ends_the_run(failing):
    states = []
    with contextlib.suppress(ZeroDivisionError), small_scope() as scope:
        rollout(scope)
        scope.watcher._report.state = lambda state, *_, **__: states.append(str(state))
        if failing:
            raise ZeroDivisionError
    assert states == ["failed" if failing else "finished"]


def test_minibatches_may_have_any_sizes():
    scope, draws = small_scope(), np.random.default_rng(1)
    ended = noting_updates(scope)
    for sizes in ((1, 3, 4, 5, 3), (8, 2)):
        rollout(scope)
        expected = []
        for size in sizes:
            log_prob, used = draws.normal(0, 0.3, size).astype(np.float32), draws.normal(size=size).astype(np.float32)
            told = {"log_prob": torch.from_numpy(log_prob), "advantages": torch.from_numpy(used)}
            scope.minibatch(samples=torch.from_numpy(draws.permutation(8)[:size]), **told)
            ratio = np.exp(log_prob)
            expected.append(np.maximum(-used * ratio, -used * ratio.clip(0.8, 1.2)).mean())
            assert float(scope._update.minibatches[-1].policy_loss) == pytest.approx(expected[-1], rel=1e-5)
        made = scope._update.minibatches
        assert [int(one.trained.sum()) for one in made] == [*sizes] and {len(one.trained) for one in made} == {
            max(sizes)
        }
        assert [float(one.policy_loss) for one in made] == pytest.approx(expected, rel=1e-5)
        assert [one.epoch for one in made] == [1 + sum(sizes[:place]) // 8 for place in range(len(sizes))]
        moment = Moment(scope, Phase(PhaseKind.LOSS, scope._update, 1, 1))
        row = dict(zip(MINIBATCH_COLUMNS, moment.minibatch_rows[0], strict=True))
        assert row["policy_loss"] == pytest.approx(expected[0], rel=1e-5)
        assert scope.update()
    assert ended == [(1, 5), (2, 2)]
    scope.close()


def test_the_ratio_may_rise_by_another_range_from_one_rollout_to_the_next():
    scope = small_scope(clip_range_high=np.float32(0.5))
    held = []
    for told in ({}, {"clip_range_high": torch.tensor(0.3)}, {"clip_range": 0.5, "clip_range_high": 0.6}):
        rollout(scope, **told)
        log_prob = np.log(np.array([0.7, 1.4, 1.55, 1.0], np.float32))
        scope.minibatch(samples=[0, 1, 2, 3], log_prob=log_prob, advantages=np.array([-1, 1, 1, 1], np.float32))
        moment = Moment(scope, Phase(PhaseKind.LOSS, scope._update, 1, 1))
        held.append((moment.regions[:4] == Region.HELD).tolist())
        assert scope.update()
    scope.close()
    assert held == [[True, False, True, False], [True, True, True, False], [False, False, False, False]]


def test_what_a_loss_pays_for_the_kl_to_a_reference_is_a_term_of_it_and_padding_costs_nothing():
    draws = np.random.default_rng(0)
    steps, rows, beta = 6, 4, 0.3
    mask = np.arange(steps)[:, None] < [6, 3, 5, 1]
    old, now, reference = (draws.normal(-1, 0.2, (steps, rows)).astype(np.float32) for _ in range(3))
    credit = np.broadcast_to(draws.normal(size=rows).astype(np.float32), (steps, rows))
    scope = ppo_scope.Scope(clip_range=0.2, value_coef=0.0, url=nowhere())
    scope.rollout(actions=old, rewards=credit, log_probs=old, advantages=credit, mask=mask)
    penalty = beta * (np.exp(reference - now) - (reference - now) - 1)
    flat = {"log_prob": now.reshape(-1), "advantages": credit.reshape(-1), "penalty": penalty.reshape(-1)}
    scope.minibatch(samples=np.arange(steps * rows), **flat)
    update = scope._update
    row = dict(
        zip(MINIBATCH_COLUMNS, Moment(scope, Phase(PhaseKind.LOSS, update, 1, 1)).minibatch_rows[0], strict=True)
    )
    scope.watcher.close()
    assert row["penalty"] == pytest.approx(penalty[mask].mean(), rel=1e-6)
    assert row["loss"] == pytest.approx(row["policy_loss"] + penalty[mask].mean(), rel=1e-6)
    assert update.minibatches[0].penalty == pytest.approx(row["penalty"])


def test_a_loop_that_is_held_in_a_thread_keeps_no_process_from_its_end(monkeypatch):
    """Whoever ends the process has not pressed Play before."""
    monkeypatch.setattr(watcher, "ALONE_SECONDS", 1e6)
    held, hold = threading.Event(), watcher.Watcher._hold
    monkeypatch.setattr(watcher.Watcher, "_hold", lambda me: (held.set(), hold(me)))
    scope = small_scope(paused=True)
    training = threading.Thread(target=rollout, args=(scope,), daemon=True)
    training.start()
    assert held.wait(30)
    ending = threading.Thread(target=scope.close, daemon=True)
    ending.start()
    for thread in (ending, training):
        thread.join(30)
        assert not thread.is_alive()


def test_what_a_loop_does_not_tell_is_no_setting_of_its_run():
    scope = small_scope()
    rollout(scope)
    scope.minibatch(samples=[0, 1], log_prob=[0, 0], advantages=[1, -1])
    scope.minibatch(samples=[2, 3], log_prob=[0, 0], advantages=[1, -1])
    assert not scope._facts.all().keys() & {"epochs", "minibatches"}
    assert scope._update.settings.minibatches == 2, "it is counted, all the same"
    scope.close()
    told = small_scope(epochs=4, minibatches=2)._facts.all()
    assert (told["epochs"], told["minibatches"]) == (4, 2)


def test_the_loss_of_a_loop_without_a_critic_has_no_term_of_it_though_its_coefficient_is_left_out():
    found = {}
    for coefficient in ({}, {"value_coef": 0.0}):
        scope = small_scope(entropy_coef=0.5, **coefficient)
        for _ in (1, 2):
            rollout(scope, values=None)
            two = {"samples": [0, 1], "log_prob": [0.1, 0], "advantages": [1, -1], "entropy": [0.25, 0.25]}
            scope.minibatch(**two, loss=-0.2)
            assert scope.update()
        moment = Moment(scope, Phase(PhaseKind.UPDATE, scope._update, 1, 1))
        row = dict(zip(MINIBATCH_COLUMNS, moment.minibatch_rows[0], strict=True))
        assert row["loss"] == pytest.approx(row["policy_loss"] - 0.125) and np.isnan(row["value_loss"])
        found[str(coefficient)] = scope._update.settings.live(), scope._facts.value_coef
        scope.close()
    assert all(one == found["{}"] for one in found.values()) and found["{}"][1] == 0


@pytest.mark.parametrize("telling", ["rollout", "minibatch", "coefficient", "coefficient later"])
def test_a_critic_that_is_told_of_in_part_keeps_its_coefficient(telling):
    scope = small_scope(**({"value_coef": 0.5} if telling == "coefficient" else {}))
    for _ in (1, 2):
        given = {} if telling == "rollout" else {"values": None, "returns": np.zeros((4, 2))}
        rollout(scope, **given, **({"value_coef": 0.5} if telling == "coefficient later" else {}))
        told = {"values": [1.0, 1.0]} if telling == "minibatch" else {}
        scope.minibatch(samples=[0, 1], log_prob=[0, 0], advantages=[1, -1], **told)
        assert scope._update.settings.value_coef == 0.5
        loss = float(scope._update.minibatches[0].loss)
        assert loss == 0.5 if told else np.isnan(loss)
        assert scope.update()
    scope.close()


@pytest.mark.parametrize("told", [{}, {"epochs": 2}, {"epochs": 2, "minibatches": 2}])
def test_how_many_epochs_and_minibatches_there_are_is_not_said_before_it_is_known(told):
    """Else the page says "1 of 1", "2 of 2" and so on as they come."""
    scope, said = small_scope(**told), []
    for _ in (1, 2):
        rollout(scope)
        scope.watcher.reached = lambda phase: said.append((position_of(phase), scope._update.index))
        for _ in range(2):
            for samples in (range(4), range(4, 8)):
                scope.watcher.next_look = 0.0
                scope.minibatch(samples=list(samples), log_prob=[0] * 4, advantages=[1, -1, 1, -1])
                scope.step()
        assert scope.update()
    lengths = [(one["phase"], one["epoch"], one["epochs"], one["minibatches"]) for one, index in said if index == 1]
    epochs, minibatches = told.get("epochs", 0), told.get("minibatches", 0)
    assert lengths[:4] == [(phase, 1, epochs, minibatches) for phase in ("loss", "step") * 2]
    assert lengths[4:6] == [("epoch", 1, epochs, 2), ("loss", 2, epochs, 2)] and lengths[-1] == ("update", 2, 2, 2)
    assert all((one["epochs"], one["minibatches"]) == (2, 2) for one, index in said if index == 2)
    scope.close()
