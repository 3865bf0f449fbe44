"""The lines that show a script are put into it in memory: they only tell, and every line of it stays where it is."""

import ast
import contextlib
import os
import re
import sys
from collections import Counter
from pathlib import Path

import numpy
import pytest
import torch

from ppo_scope.attach.advising.advice import advice_of
from ppo_scope.attach.advising.draft import Piece
from ppo_scope.attach.advising.parting import Put
from ppo_scope.attach.inserting import anew, guard
from ppo_scope.attach.inserting.guard import Guard
from ppo_scope.attach.inserting.inserter import Inserter, files_with
from ppo_scope.attach.inserting.lines import NotInserted, tree_with
from ppo_scope.attach.inserting.running import File, run
from tests.attach.advised import advice_for, run_with
from tests.attach.test_advice import CHANGES, LEAST, LOSS, RATIO, SCRIPTS, SHAPES, WHOLE, shows


@pytest.fixture(scope="module")
def advices():
    """That of each."""
    return {name: advice_for(SCRIPTS / f"{name}.py") for name in SHAPES}


@pytest.fixture
def main(monkeypatch):
    """Runs a script as the main program, with files of our own in the place of others: its variables."""
    monkeypatch.setattr(guard, "GUARD", Guard())

    def run_it(script, files, *, as_module=False):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "__main__", sys.modules["__main__"])
            patch.setattr(sys, "meta_path", [*sys.meta_path])
            run(script, files, as_module=as_module)
            return vars(sys.modules["__main__"])

    return run_it


def run_inserted(path, advice, main, monkeypatch):
    """(the Scopes of a script with these lines in it, its variables)"""
    return run_with(path, monkeypatch, lambda path: main(path, files_with(advice)))


@pytest.mark.parametrize("name", SHAPES)
def test_a_script_with_the_lines_in_it_shows_what_it_does_and_trains_the_same_bits(name, advices, main, monkeypatch):
    path = SCRIPTS / f"{name}.py"
    text = path.read_text()
    plain = run_with(path, monkeypatch)
    (scope,), variables = run_inserted(path, advices[name], main, monkeypatch)
    shows(scope, name)
    assert all(map(torch.equal, plain[1]["weights"], variables["weights"])), "it trains as without them"
    assert guard.GUARD.on and path.read_text() == text


def places_in(tree):
    """Where each of its nodes stands."""
    names = ("lineno", "col_offset", "end_lineno")
    return Counter((type(one).__name__, *(getattr(one, name) for name in names)) for one in nodes_of(tree))


def nodes_of(tree):
    return (one for one in ast.walk(tree) if hasattr(one, "lineno"))


@pytest.mark.parametrize("name", SHAPES)
def test_every_line_of_the_script_stays_where_it_is_and_ours_stand_where_they_go(name, advices):
    advice = advices[name]
    (put,) = advice.puts
    tree = tree_with(put, advice.names)
    bare = places_in(ast.parse(put.text))
    assert bare - places_in(tree) == Counter(), "tracebacks name the lines of the file"
    lines = {piece.line for piece in put.pieces}
    more = places_in(tree) - bare
    assert {line for kind, line, start, *_ in more if kind != "NamedExpr" and start == 0} <= lines


DRAWS = "torch.nn.Sequential(torch.nn.Linear(4, 1), torch.nn.Dropout(0.5))"
NOTES = """import numpy, torch
class Notes(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.mean, self.own = numpy.zeros(2), torch.nn.Linear(2, 1)
    def forward(self, x):
        self.mean += x.numpy().mean(0) + numpy.random.normal(size=2)
        return self.own(x - torch.from_numpy(self.mean).float())
"""
REMEMBERS = "nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1))"


@pytest.mark.parametrize(
    ("name", "own", "other"),
    [
        ("generator", "torch.nn.Linear(4, 1)", DRAWS),  # V is asked for within the value loss, before
        ("gaussian", "nn.Linear(2, 1)", REMEMBERS),  # and after the policy's step
        ("gaussian", "nn.Linear(2, 1)", "nn.Sequential(nn.Linear(2, 1), nn.Dropout(0.5))"),
        ("gaussian", "nn.Linear(2, 1)", "Notes()"),  # of its own, and with NumPy's generator
    ],
)
def test_what_draws_or_remembers_trains_the_same_bits_too(name, own, other, main, monkeypatch, tmp_path):
    text, script = (SCRIPTS / f"{name}.py").read_text(), tmp_path / "mine.py"
    assert own in text
    script.write_text(NOTES + text.replace(own, other))
    numpy.random.seed(0)
    plain = run_with(script, monkeypatch)
    advice = advice_for(script)
    numpy.random.seed(0)
    (scope,), variables = run_inserted(script, advice, main, monkeypatch)
    assert guard.GUARD.on and len(scope.updates) == 3 and scope.updates[0].minibatches[0].values is not None
    one, other = (held_by(found) for found in (plain[1], variables))
    assert len(one) >= 4 and all(map(torch.equal, one, other))


def held_by(variables):
    """Its weights, and the running statistics of its critic."""
    return [*variables["weights"], *(variables["trainer"].critic.buffers() if "trainer" in variables else ())]


HIDDEN = ("total = paid + 0.9 * total", "total = np.add(paid, 0.9 * total)")


@pytest.mark.parametrize(("changed", "as_given"), [(CHANGES[0][:2], "paid + 0"), (HIDDEN, "float(paid)")])
def test_rewards_are_gathered_where_the_environment_gives_them(changed, as_given, main, monkeypatch, tmp_path):
    text, script = (SCRIPTS / "with_buffer.py").read_text(), tmp_path / "mine.py"
    script.write_text(text.replace(*changed))
    advice = advice_for(script)
    assert f"own_rewards.append({as_given})\n" in advice.lines and not advice.open
    (scope,), _ = run_inserted(script, advice, main, monkeypatch)
    assert guard.GUARD.on and [len(update.minibatches) for update in scope.updates] == [6] * 3
    assert all((update.rollout.rewards == 1.0).all() for update in scope.updates), "CartPole pays 1 a step"


BROKEN = [
    ("samples=ids", "samples=ids[1 / 0]", "(ZeroDivisionError: division by zero)"),
    ("actions=moves", "actions=moves.unknown", "has no attribute 'unknown'"),
    ("log_prob=new", "log_prob=new[1:]", "log_prob"),  # which is refused with a sentence, of a run that has begun
]


@pytest.mark.parametrize(("own", "wrong", "said"), BROKEN)
def test_an_error_in_a_line_that_was_put_in_ends_the_watching_and_is_said_once(
    own, wrong, said, advices, main, monkeypatch, capfd
):
    advice = advices["with_buffer"]
    (put,) = advice.puts
    pieces = [one._replace(code=[line.replace(own, wrong) for line in one.code]) for one in put.pieces]
    assert pieces != list(put.pieces)
    path, told = SCRIPTS / "with_buffer.py", []
    monkeypatch.setattr(guard, "tell", lambda _, news: told.append(news.why))
    plain = run_with(path, monkeypatch)
    scopes, variables = run_inserted(path, advice._replace(puts=[put._replace(pieces=pieces)]), main, monkeypatch)
    printed = capfd.readouterr().err
    assert printed.count("A line that was put in has failed") == 1 and said in printed and not guard.GUARD.on
    assert all(map(torch.equal, plain[1]["weights"], variables["weights"]))
    assert len(told) == (own != "log_prob=new"), "where there is no run yet, the page is told of the script"
    assert all(scope.watcher.off for scope in scopes if scope.updates or not told)


WRITTEN = [
    ((RATIO, LEAST, f"{WHOLE}; x = 1"), None),
    ((RATIO, LEAST, f"{WHOLE}\n            opt.zero_grad(); loss.backward()"), None),  # it may go before both
    ((RATIO, LEAST, f"{WHOLE}\n            v = v * 1; loss.backward()"), "line 13 has several statements"),
    ((RATIO, LEAST, WHOLE.replace("v, ret", "head(net(obs[ix])[2]), ret")), None),  # it is kept
    (
        (RATIO, LEAST, f"{WHOLE.replace('v, ret', 'head(net(obs[ix])[2]), ret')}; net = head"),
        "`head(net(obs[ix])[2])`, which line 14 tells, would be asked once more",
    ),
    ((RATIO, LEAST, WHOLE.replace("v, ret", "learn(obs[ix]), ret") + "; obs = net"), "`learn(obs[ix])`"),
]


@pytest.mark.parametrize(("loss", "why"), WRITTEN)
def test_lines_that_do_not_go_in_or_would_run_more_of_the_script_are_not_put_in(loss, why, tmp_path):
    (tmp_path / "mine.py").write_text(LOSS.format(*loss))
    advice = advice_of(str(tmp_path / "mine.py"))
    with contextlib.nullcontext() if why is None else pytest.raises(NotInserted, match=re.escape(why or "")):
        files_with(advice)


def test_nothing_is_put_in_while_something_is_open_or_where_a_process_cannot_be_begun_anew(
    advices, tmp_path, monkeypatch
):
    (tmp_path / "mine.py").write_text(LOSS.format(RATIO, LEAST, WHOLE))
    advice, complete = advice_of(str(tmp_path / "mine.py")), advices["with_buffer"]
    assert advice.open == ["rewards"]
    beginning, begun = anew.Beginning(), []
    monkeypatch.setattr(beginning, "begin_anew", begun.append)
    asked, unasked = (Inserter(beginning, "mine.py", asked=one) for one in (True, False))
    for one in (asked, unasked):
        one.complete(advice)
    unasked.complete(complete)
    assert not begun, "it is open, or nobody has asked"
    assert "not put in the lines of a Scope: rewards is to be filled in, or looked at." in asked.said_of(advice)
    assert "could not be read" in asked.said_of(None) and not unasked.said_of(None) and not unasked.said_of(advice)
    assert "`ppo-scope watch --insert mine.py` makes the Scope by itself" in unasked.said_of(complete)
    module = Inserter(beginning, "a.mine", asked=False, as_module=True)
    assert "`ppo-scope watch --insert -m a.mine` makes" in module.said_of(complete)
    asked.complete(complete)
    assert begun == [complete]
    with monkeypatch.context() as patch:
        patch.setenv("WORLD_SIZE", "2")
        assert "several processes train together" in asked.said_of(complete)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 1)
        assert "in a process that the script has begun itself" in asked.said_of(complete)


def test_lines_are_handed_on_and_are_put_into_the_file_that_they_were_written_for_alone(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(LOSS.format(RATIO, LEAST, WHOLE))
    monkeypatch.chdir(tmp_path)
    advice = advice_of("mine.py")
    monkeypatch.setenv(anew.VARIABLE, anew.written(advice))
    beginning = anew.Beginning()
    (put,) = advice.puts
    handed = put._replace(path=str(tmp_path / "mine.py"), pieces=[*map(tuple, put.pieces)])
    assert beginning.advice == advice._replace(puts=[handed])
    assert anew.VARIABLE not in os.environ, "whatever the script begins is begun without them"
    (tmp_path / "mine.py").write_text("x = 2")
    monkeypatch.setenv(anew.VARIABLE, anew.written(advice))
    beginning = anew.Beginning()
    assert beginning.advice is None and beginning.why_not() == "its file has changed since it was read"


HELD = """
import sys
class Kept:
    pass
sys.argv += [__file__, __name__, 1, Kept]
"""


@pytest.mark.parametrize(
    ("script", "as_module"), [("held.py", False), ("imports.py", False), ("apart", True), ("held", True)]
)
def test_a_file_is_run_with_lines_in_it_wherever_it_is(script, as_module, main, tmp_path, monkeypatch):
    (tmp_path / "apart").mkdir()
    for name in ("held", "imports", "apart/__main__"):
        (tmp_path / f"{name}.py").write_text(HELD if name == "held" else "import held")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "held", raising=False)
    monkeypatch.setattr(sys, "argv", [script, "--seed", "3"])
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    arguments = sys.argv
    main(script, [File("held.py", ast.parse(HELD.replace("1", "2")))], as_module=as_module)
    *_, path, name, which, kept = arguments
    assert which == 2 and Path(path).samefile("held.py") and arguments[1:3] == ["--seed", "3"]
    assert name == ("held" if script in ("imports.py", "apart") else "__main__") == kept.__module__
    if script == "held.py":
        assert path == "held.py"
    assert not list(tmp_path.rglob("held*.pyc")), "nothing of it stays"


@pytest.mark.parametrize(
    ("line", "after", "goes_in"),
    [
        ("a(); b()", False, True),
        ("a(); b()", True, True),
        ("x = a(); b()", False, False),  # tells x, which is not made yet
        ("b(); x = a()", True, False),  # or another one by then
        ("if a: b()", False, False),  # would tell it where the script does nothing
    ],
)
def test_lines_stand_beside_several_statements_where_the_side_makes_no_difference(line, after, goes_in):
    pieces = [Piece(0, False, ["import ppo_scope"], 0), Piece(1, after, ["scope.minibatch(samples=x)"], 1)]
    put = Put("mine.py", f"{line}\n", pieces, "scope")
    with contextlib.nullcontext() if goes_in else pytest.raises(NotInserted, match="line 1 has several statements"):
        tree_with(put, ["scope"])
