"""The lines that `ppo-scope watch` writes for a script, put into it where they say, and the script run with them."""

import contextlib
import os
import re
import runpy
import sys
from pathlib import Path
from typing import ClassVar

import pytest
import torch

import ppo_scope
from ppo_scope.attach.single_file.lookout import Lookout
from ppo_scope.attach.watcher import Mark
from ppo_scope.probes.record import PhaseKind
from tests.attach.elsewhere import nowhere

HEAD = re.compile(r"# (\S+), (before|after) line (\d+), `.*`:")


def advised(path):
    """What is written for it, as it runs unchanged."""
    advice = advice_for(path)
    return None if advice is None else advice.lines


def advice_for(path):
    """The same, with all that is known of it."""
    lookout = Lookout()
    with looking(lookout), put_away():
        runpy.run_path(str(path), run_name="__main__")
    return lookout.adviser.advice


@contextlib.contextmanager
def looking(lookout):
    """It looks, as in a process in which nothing was found yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ppo_scope.attach.single_file.lookout.FOUND", Mark())
        lookout.begin()
        try:
            yield
        finally:
            lookout.end(whole=True)


def inserted(source, lines, file=None):
    """A script with the lines in it; of several files, with those of this one."""
    found = source.splitlines()
    pieces = []
    for line in lines.splitlines():
        head = HEAD.fullmatch(line)
        if head:
            pieces.append((int(head[3]) - (head[2] == "before"), [], file is None or head[1] == file))
        else:
            pieces[-1][1].append(line)
    for place, code, _ in reversed([one for one in pieces if one[2]]):
        found[place:place] = code
    return "\n".join(found) + "\n"


class Noting(ppo_scope.Scope):
    """Keeps what it was told of each update."""

    made: ClassVar = []

    def __init__(self, **facts):
        super().__init__(url=nowhere(), **facts)
        self.updates = []
        Noting.made.append(self)

    def takes(self, *given):
        super().takes(*given)
        if len(self.updates) == 0:
            reached = self.watcher.reached
            self.watcher.reached = lambda phase: (self._note(phase), reached(phase))

    def _note(self, phase):
        if phase.kind is PhaseKind.UPDATE and phase.update not in self.updates:
            self.updates.append(phase.update)


def run_with(path, monkeypatch, run=lambda path: runpy.run_path(path, run_name="__main__")):
    """(the Scopes of a script, its variables at its end)"""
    Noting.made = []
    with monkeypatch.context() as patch, put_away():
        patch.setattr(ppo_scope, "Scope", Noting)
        variables = run(str(path))
    return Noting.made, variables


@contextlib.contextmanager
def put_away():
    """What it prints; torch draws afterwards as it would have."""
    state, arguments = torch.get_rng_state(), sys.argv
    sys.argv = ["script.py"]
    try:
        with Path(os.devnull).open("w") as nothing, contextlib.redirect_stdout(nothing):
            yield
    finally:
        torch.set_rng_state(state)
        sys.argv = arguments
