"""A PPO in one file, changed where a test wants it, and followed in this process."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np

from ppo_scope.attach.single_file.lookout import Lookout
from ppo_scope.attach.single_file.named_loop import NamedLoop
from tests.attach.elsewhere import nowhere
from tests.programs import trained

SCRIPT = Path(__file__).with_name("one_file.py")


def plain(*arguments, script=SCRIPT):
    """What the script prints where nobody watches: its numbers, and its weights' digest."""
    *numbers, digest = trained("-W", "ignore", str(script), *arguments).stdout.splitlines()
    return np.array([json.loads(line) for line in numbers]), digest


def followed(monkeypatch, capfd, *arguments, at=lambda loop, phase: None, script=SCRIPT):
    """(what has looked out, what was printed) of a script in this process; `at` is called at each phase."""
    begin = NamedLoop.__init__

    def begun(loop, *options):
        begin(loop, *options)
        reached = loop.watcher.reached

        def tell(phase):
            at(loop, phase)
            reached(phase)
            loop.watcher.next_look = 0.0  # as if somebody waited for every phase

        loop.watcher.reached = tell

    monkeypatch.setattr(NamedLoop, "__init__", begun)
    monkeypatch.setattr(sys, "argv", [str(script), *arguments])
    lookout = Lookout(nowhere())
    lookout.begin()
    try:
        runpy.run_path(str(script), run_name="__main__")
    finally:
        lookout.end(whole=True)
    printed = capfd.readouterr()
    assert "watches no more" not in printed.err, printed.err
    if lookout.loop is not None:
        lookout.loop.watcher.close()
    return lookout, printed


def changed(folder, *changes):
    """The script with other words in the place of some."""
    source = SCRIPT.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in source
        source = source.replace(old, new)
    (script := folder / "changed.py").write_text(source, encoding="utf-8")
    return script


POLICY_LOSS = "pg_loss = torch.max(-mb_advantages * ratio, -mb_advantages * clipped).mean()"


def capped(cap):
    """A dual clip, in the place of the clip."""
    return (
        POLICY_LOSS,
        "pg_loss = torch.max(-mb_advantages * ratio, -mb_advantages * clipped)\n"
        f"                capped = torch.min(pg_loss, -{cap} * mb_advantages)\n"
        "                pg_loss = torch.where(mb_advantages < 0, capped, pg_loss).mean()",
    )
