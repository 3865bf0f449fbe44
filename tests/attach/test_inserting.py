"""The lines that show a script are put into it in memory: they only tell, and every line of it stays where it is."""

import ast
import inspect
import linecache
import sys
import textwrap
import traceback
from pathlib import Path

import pytest
import torch

from ppo_scope.attach.advising.advice import advice_of
from ppo_scope.attach.inserting import guard
from ppo_scope.attach.inserting.guard import Guard
from ppo_scope.attach.inserting.lines import NotInserted, tree_with
from ppo_scope.attach.inserting.running import File, run
from tests.attach.advised import advice_for, run_with
from tests.attach.test_advice import LEAST, LOSS, RATIO, SCRIPTS, SHAPES, WHOLE, shows


@pytest.fixture(scope="module")
def advices():
    """That of each."""
    return {name: advice_for(SCRIPTS / f"{name}.py") for name in SHAPES}


@pytest.fixture
def running(monkeypatch):
    """How a script is run as the main program, with a guard of its own."""
    monkeypatch.setattr(guard, "GUARD", Guard())

    def with_lines(advice):
        def run_it(path):
            with monkeypatch.context() as patch:
                patch.setitem(sys.modules, "__main__", sys.modules["__main__"])
                patch.setattr(sys, "meta_path", [*sys.meta_path])
                run(path, File(path, tree_with(advice)), as_module=False)
                return vars(sys.modules["__main__"])

        return run_it

    return with_lines


@pytest.mark.parametrize("name", SHAPES)
def test_a_script_with_the_lines_in_it_shows_what_it_does_and_trains_the_same_bits(name, advices, running, monkeypatch):
    path = SCRIPTS / f"{name}.py"
    text = path.read_text()
    plain = run_with(path, monkeypatch)
    (scope,), variables = run_with(path, monkeypatch, running(advices[name]))
    shows(scope, name)
    assert all(map(torch.equal, plain[1]["weights"], variables["weights"])), "it trains as without them"
    assert guard.GUARD.on and path.read_text() == text
