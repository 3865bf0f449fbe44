"""rsl_rl, by a class path in its config: its bits stay, and its numbers are those that it has itself."""

import inspect
import re
import sys
import textwrap

import numpy as np
import pytest

from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import measure
from ppo_scope.probes.record import PhaseKind
from tests.attach.elsewhere import bare, beside, rows_of, set_nowhere, shown_here, the_run, waiting_server

pytest.importorskip("rsl_rl", reason="rsl_rl (rsl-rl-lib) is not installed")
from rsl_rl.algorithms import PPO as Theirs  # noqa: N811

from tests.attach import rsl_loop

UPDATES = 6


def test_its_bits_stay_and_its_numbers_are_its_own(monkeypatch):
    plain = rsl_loop.made(rsl_loop.OWN)
    logged, learn = [], plain.alg.update
    plain.alg.update = lambda: logged.append(learn()) or logged[-1]
    plain.learn(UPDATES)
    server = waiting_server()
    try:
        monkeypatch.setenv("PPO_SCOPE_URL", server.url)
        runner = rsl_loop.made(rsl_loop.WATCHED)
        loop, moments, norm = runner.alg._loop, [], []
        reached = loop.watcher.reached

        def at(phase):
            update, moment = phase.update, Moment(loop, phase)
            if phase.kind is PhaseKind.LOSS:
                if len(update.told) == 2:
                    found = measure(moment, frozenset({"gradients", "policy", "direction"}))
                    assert {"gradients", "policy", "direction"} <= set(found.measured), found.lacks
                terms = loop.policy.differentiate(update, update.minibatches[-1])
                norm.append(np.linalg.norm(terms[0] + terms[1] - 0.01 * terms[2]))
            elif phase.kind is PhaseKind.GRADIENT:
                assert float(update.gradient_norms[len(update.told) - 1]) == pytest.approx(norm[-1], rel=1e-4)
            elif phase.kind is PhaseKind.UPDATE:
                moments.append((update.learning_rate, float(moment.exact_kl.mean())))
            reached(phase)
            loop.watcher.next_look = 0.0  # as if somebody waited for every phase

        loop.watcher.reached = at
        runner.learn(UPDATES)
        loop.watcher.close()
        run = the_run(server, state="finished")
        rows, first = rows_of(server, run["id"])
    finally:
        server.kill()
    assert rsl_loop.digest(runner) == rsl_loop.digest(plain)
    assert (run["environment"], first, len(rows["loss"])) == ("Points", 1, UPDATES)
    for ours, theirs in {"policy_loss": "surrogate", "value_loss": "value", "entropy": "entropy"}.items():
        assert rows[ours] == pytest.approx([one[theirs] for one in logged], rel=1e-6, abs=1e-6), ours
    assert len({alpha for alpha, _ in moments}) > 1, "α must have been adapted for this to mean anything"
    assert moments[-1][0] == runner.alg.learning_rate and min(kl for _, kl in moments) > 0
    assert max(rows["first_ratio_error"]) < 1e-5 and rows["episodic_return_mean"][-1] is not None


def test_what_is_measured_beside_it_is_to_the_bit_what_it_would_find_itself(monkeypatch):
    def learned():
        runner = rsl_loop.made(rsl_loop.WATCHED)
        runner.learn(UPDATES)
        runner.alg._loop.watcher.close()
        return rsl_loop.digest(runner)

    found = {}
    for yes in (False, True):
        with beside(monkeypatch, yes) as clerks:
            digest, _, rows, _ = shown_here(monkeypatch, learned)
        assert [one._begun for one in clerks] == [True] * yes
        found[yes] = digest, bare(rows)
    assert found[True] == found[False] and max(found[True][1]["learning_rate_raised"]) > 0


def test_what_update_calls_otherwise_is_asked_for(monkeypatch):
    """What a minibatch puts out is known by its names in `update`, as long as those mean what they say."""

    def learned():
        runner = rsl_loop.made(rsl_loop.WATCHED)
        runner.learn(2)
        runner.alg._loop.watcher.close()
        return runner.alg._loop._by_name

    known, _, rows, _ = shown_here(monkeypatch, learned)
    source = textwrap.dedent(inspect.getsource(Theirs.update))
    for name, other in {"entropy": "entropy_batch", "values": "value_batch"}.items():
        source = re.sub(rf"(?<![._\"]){name}(?= =|\.mean| -|\)| \*)", other, source)
    space = dict(vars(sys.modules[Theirs.__module__]))
    exec(source, space)
    monkeypatch.setattr(Theirs, "update", space["update"])
    otherwise, _, same, _ = shown_here(monkeypatch, learned)
    assert (known, otherwise) == (True, False) and bare(same) == bare(rows)


def test_what_is_not_known_of_it_is_trained_and_not_watched(monkeypatch, capfd):
    set_nowhere(monkeypatch)
    runner = rsl_loop.made(rsl_loop.WATCHED)
    runner.alg.symmetry = None
    assert runner.alg._loop is not None
    memory = {"class_name": "RNNModel", "rnn_type": "lstm", "rnn_hidden_dim": 8, "rnn_num_layers": 1}
    changed = rsl_loop.config(rsl_loop.WATCHED)
    changed["actor"] |= memory
    changed["critic"] |= memory
    monkeypatch.setattr(rsl_loop, "config", lambda *_, **__: changed)
    runner = rsl_loop.made(rsl_loop.WATCHED)
    runner.learn(1)
    assert runner.alg._loop is None
    assert "This run of rsl_rl is not watched: a recurrent model is not known here." in capfd.readouterr().err
