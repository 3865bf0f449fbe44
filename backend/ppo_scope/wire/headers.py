"""What the headers of frames hold, as pages get them: docs/protocol.md says what each means.

The page's types are made from these classes (docs/wire.py), and a test holds the frames of a real run against them.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

SettingValue = float | str | bool | list[float] | dict[str, Any] | None
Numbers = dict[str, float | None]

Dtype = Literal["uint8", "uint32", "int32", "float32", "float64"]
"""What a browser can read in place as a typed array."""
Phase = Literal["ready", "rollout", "advantages", "loss", "gradient", "step", "epoch", "update"]
Quantity = Literal["episodic_return_mean", "kl_k3", "clip_fraction", "not_finite"]
"""What a step may go on until: of the series, and that something is not finite."""
Severity = Literal["error", "warning", "note"]

POSITION = ("update", "phase", "epoch", "epochs", "minibatch", "minibatches")
"""Where in a run a frame was made."""
START: dict[str, Any] = dict.fromkeys(POSITION, 0) | {"phase": "ready"}
"""Before anything was done."""
MOMENT_COLUMNS = ("sequence", "update", "phase", "epoch", "minibatch")
"""Of the list of moments that one can go back to."""


class ArraySpec(TypedDict):
    """Where an array lies in a frame."""

    dtype: Dtype
    shape: list[int]
    offset: int


class Doing(TypedDict):
    """Something that takes its time, and how far it is."""

    name: Literal["collecting", "redo", "trial", "starting", "training", "evaluating", "measuring"]
    done: int
    of: int
    seconds: float
    """How long the unit at hand has taken so far: of a rollout, the vector step."""
    longest: float
    """The longest one so far."""


class Header(TypedDict):
    """Of every frame."""

    protocol: int
    """That of the server."""
    kind: Literal["snapshot", "passing", "series", "picture", "progress", "comparison", "run"]
    run: str
    """Its identifier."""
    sequence: int
    """Counts up by one with every frame of this run; pictures, which another process draws, have numbers of their own
    from 0."""
    update: int
    """That the data belong to, counted from 1; 0 before the first rollout."""
    phase: Phase
    """Nothing is done yet at `ready`."""
    epoch: int
    """Position inside the update, counted from 1; 0 before the first. So of the next three."""
    epochs: int
    """0 also in the first update of a loop that does not say how many there are; `minibatches` in its first epoch."""
    minibatch: int
    minibatches: int
    scalars: Numbers
    """Name → number, or null where the quantity is not defined."""
    arrays: dict[str, ArraySpec]
    """Name → `{"dtype": "float32", "shape": [8, 128], "offset": 0}`."""
    activity: NotRequired[Doing | None]
    """Of a frame of kind progress: what takes its time now; null: nothing."""


class Try(TypedDict):
    """A setting that is tried with another value: `to` that one, or the present one times `by`."""

    setting: str
    to: NotRequired[SettingValue]
    by: NotRequired[float]


class Finding(TypedDict):
    """Something that is wrong with the run, and what to do about it."""

    name: str
    """What kind of finding it is; one of those in docs/health.md."""
    title: str
    severity: Severity
    summary: str
    """What happened, with its numbers."""
    cause: str
    remedy: str
    setting: str | None
    """The setting that the remedy speaks of."""
    tries: NotRequired[list[Try]]
    """With which values the remedy is tried, the likeliest first."""
    since: int
    """The update at which it was first seen, without a break since."""
    until: NotRequired[int | None]
    """The last update that it was seen in, where only what it left behind goes on."""
    explained_by: NotRequired[str | None]
    """The name of the finding that this one follows from."""


class Spell(TypedDict):
    """When something was wrong with the run."""

    name: str
    title: str
    severity: Severity
    """The gravest that it was."""
    since: int
    until: int | None
    """The last update of it; null: it goes on."""


class Silent(TypedDict):
    """Why a check can say nothing; `applies`: yet."""

    why: str
    applies: bool


class MadeAgain(TypedDict):
    """What has come of an update that was made again from what is kept of it."""

    same: bool | None
    """Whether it came to the very numbers of its row; null where there is no row."""
    differing: dict[str, list[float]]
    """Column → as kept, as it is now."""


class SnapshotHeader(Header):
    """Of a snapshot. What is optional is not in recordings of older versions."""

    scope: Literal["minibatch", "rollout"]
    """What histograms and scalars cover."""
    settings: dict[str, SettingValue]
    """The live settings that this update was made with: ε, c₂ and β as in force, annealed and adapted."""
    chosen: NotRequired[dict[str, SettingValue]]
    """Of those three, the ones that were set to something else than what was in force: name → as set."""
    stopped_by_kl: bool | None
    """Whether `target_kl` has ended the epochs of this update; null where that is not known."""
    pictured: NotRequired[bool]
    """Whether the environments of this rollout can be drawn, step by step."""
    unpictured: NotRequired[str | None]
    """Why none are noted any more."""
    steps: int
    """Environment steps collected so far in the run."""
    minibatch_columns: NotRequired[list[str]]
    """Names of the columns of the array `minibatches`."""
    notes: NotRequired[dict[str, Any]]
    """What a probe has to say in words: names of layers, of actions, of parts of an observation."""
    measured: NotRequired[list[str]]
    """Names of the probes that this moment was measured by."""
    failed: NotRequired[dict[str, str]]
    """What went wrong with a probe, in a sentence: it is switched off for the rest of the run."""
    lacks: NotRequired[dict[str, str]]
    """Probe → a sentence, of those that need what this run's training loop cannot do or does not tell."""
    findings: NotRequired[list[Finding]]
    """What is wrong with the run, in plain words."""
    history: NotRequired[list[Spell]]
    """What has been wrong so far, the earliest first."""
    unknown: NotRequired[dict[str, Silent]]
    """The checks that can say nothing, and why."""
    health: NotRequired[dict[str, float]]
    """What the checks of the run's health look at."""
    judged_after: NotRequired[int | None]
    """Of a run that is shown from the disk: after which update findings, history and health were told; null: never."""
    made_again: NotRequired[MadeAgain]
    """Of a run that is shown from the disk, at the end of an update."""
    costs: NotRequired[dict[str, float]]
    """What the probes that are timed cost: seconds of the last look."""
    shares: NotRequired[dict[str, float]]
    """What part of the time their last few looks took."""


class SeriesHeader(Header):
    """Of rows of the series."""

    columns: list[str]
    first: int
    """The update of the first row."""
    amends: NotRequired[bool]
    """The update has been made anew: its row takes the place of the one before."""
    episode_columns: NotRequired[list[str]]


class PictureHeader(Header):
    """Of a picture."""

    mime: str | None
    reason: NotRequired[str]
    """Why there is no picture, in words: this environment cannot be rendered."""


class ComparisonHeader(Header):
    """Of two outcomes of one update."""

    open: bool
    """False: it is decided, or given up."""
    settings: NotRequired[dict[str, dict[str, SettingValue]]]
    """The live settings of the `old` and of the `new` outcome."""
