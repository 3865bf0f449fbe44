"""What the server answers over HTTP about several runs: those that are kept, their comparison, the plan of a sweep."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from ppo_scope.wire.headers import SettingValue
from ppo_scope.wire.run import Change, Parent


class KeptRunTold(TypedDict):
    """A run in the folder of runs, as `GET api/kept` has it."""

    id: str
    environment: str
    """Empty where the run cannot be read; so are other texts."""
    seed: int | None
    state: str
    """As a state of runs, what it is at, where a server has it and it has not finished, or how it ended; interrupted:
    nobody ended it, and no server has it any more; unreadable. Of a run that goes on in this server, its state."""
    here: bool
    """It went on in this server; not where it is only shown."""
    in_use: bool
    """Another server has it: it can neither go on here nor be deleted."""
    created: str
    update: int
    """The newest with a row; 0 where there is none."""
    resumes_at: int | None
    """The update that it would go on with; null where no state is kept."""
    size: int
    """Bytes on the disk."""
    parent: Parent | None
    sweep: str | None
    """The name of the sweep that it belongs to."""
    varied: dict[str, SettingValue]
    """The settings that are varied in that sweep, as this run has them, its seed aside."""
    script: str
    """Of a training loop that is not ours, the program that it is in; else empty."""
    foreign: bool
    """Its training loop is not ours: it can neither go on here nor be branched off from."""
    problem: str
    """Why it cannot be read; empty where it can."""
    returns: list[float | None]
    """The curve of the mean return: at most 32 values, evenly spread over the updates, the newest among them."""


class KeptRunWhole(KeptRunTold):
    """The same, as `GET api/kept/{kept_id}` has it."""

    settings: dict[str, SettingValue]
    """With which it was begun."""
    changes: list[Change]
    states: list[int]
    """Updates before which a state is kept, to go on or to branch off from, the earliest first."""


class Shelf(TypedDict):
    """The runs that are kept: the answer of `GET api/kept`."""

    folder: str | None
    """Where; null where this server keeps none."""
    runs: list[KeptRunTold]
    """The newest first, at most 200."""
    more: int
    """How many older ones are there beyond those."""


class Compared(TypedDict):
    """A run of those that make up one curve."""

    id: str
    seed: int | None
    last: float
    """The last of its steps at which its return is known."""
    final: float | None
    """Its return at the last step of the group's curve."""


class ComparedGroup(TypedDict):
    """Runs that differ in nothing they learn by but the seed, and what they have achieved together."""

    environment: str
    settings: dict[str, SettingValue]
    """Those that are not the same in all groups."""
    changes: list[Change]
    """That were made while they went on."""
    parent: Parent | None
    """Where they branched off from another run."""
    runs: list[Compared]
    """One for each seed, in the order of the seeds."""
    measure: Literal["iqm", "mean"]
    """The interquartile mean over the runs, of three and more; or their mean."""
    steps: list[float]
    """Of the environment, as far as all of its runs have come; empty where there is none that they have in common."""
    values: list[float]
    """At each of those steps."""
    low: list[float] | None
    """Where the 95 % interval begins, at each step by itself; null of a single run, and where SciPy is missing."""
    high: list[float] | None
    """Where it ends."""
    lower: list[float] | None
    """The first quartile of its runs at each of those steps; null of fewer than three."""
    upper: list[float] | None
    """The third one: between them is the middle half of the runs."""


class ComparedCurve(TypedDict):
    """The return of one run over its own steps, at some of its updates."""

    steps: list[float]
    """Of the environment, rising: its first, its last, and others between them."""
    returns: list[float]
    """As measured there."""


class LeftOut(TypedDict):
    """A run that no curve is made of."""

    id: str
    why: str


class Comparison(TypedDict):
    """Runs put together by their settings: the answer of `GET api/comparison`."""

    groups: list[ComparedGroup]
    """In the order of the settings that differ."""
    curves: dict[str, ComparedCurve]
    """Of each run that is in a group, by its identifier."""
    differing: list[str]
    """Names of the settings that are not the same in all groups."""
    left_out: list[LeftOut]
    missing: str | None
    """What is not installed, and what is not drawn for want of it: a sentence; null where nothing is missing."""


class PlannedRun(TypedDict):
    """One run of a sweep, begun or not."""

    values: dict[str, SettingValue]
    """Of the settings that are varied, and its seed."""
    run: str | None
    """Its identifier, once it has begun."""


class SweepTold(TypedDict):
    """What a sweep plans: the answer of `GET api/sweeps/{name}`."""

    name: str
    vary: dict[str, list[SettingValue]]
    """The settings that are varied, in the order in which they were said, and the values of each."""
    steps: int | None
    """As many as its longest run is to make, at least; null where one has no end."""
    planned: list[PlannedRun]
