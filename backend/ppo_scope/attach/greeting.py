"""What the server is told of a loop before anything else."""

from __future__ import annotations

from collections.abc import Collection

from ppo_scope.attach.called import called_by, kl_margin_of, limits_values
from ppo_scope.attach.connecting.address import script_name
from ppo_scope.attach.facts import Facts
from ppo_scope.probes.subject import Subject
from ppo_scope.wire.attaching import Greeting, sendable


def greeting_of(
    run: str,
    subject: Subject,
    facts: Facts,
    library: str,
    changeable: Collection[str],
    seed: int | None,
    unnamed: Collection[str],
    *,
    repeats: bool,
    loss: str,
) -> Greeting:
    """Of the run by this name; the others as `Watcher` has them. `repeats`: whether an update can be made again."""
    settings = {"env": sendable(subject.env), **facts.all(), **({} if seed is None else {"seed": seed})}
    greeting = Greeting(run=run, settings=settings, library=library, changeable=sorted(changeable))
    greeting.repeats, greeting.script, greeting.loss = repeats, script_name(), loss
    greeting.called = {name: called for name, called in called_by(library).items() if name not in unnamed}
    greeting.kl_margin, greeting.limits_values = kl_margin_of(library), limits_values(library)
    return greeting
