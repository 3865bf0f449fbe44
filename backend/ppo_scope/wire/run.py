"""What is known of a run, as pages are told it: what it is, how it stands, and what has happened to it."""

from __future__ import annotations

from typing import Annotated, NotRequired

from typing_extensions import TypedDict

from ppo_scope.wire.codes import RunState
from ppo_scope.wire.headers import SettingValue

State = Annotated[str, RunState]
"""One of them."""


class Cause(TypedDict):
    """Why something is as it is: what happened, the evidence, and what to do."""

    summary: str
    detail: NotRequired[str | None]
    remedy: NotRequired[str | None]


class Change(TypedDict):
    """A setting took effect."""

    update: int
    """The first update made with the new value."""
    name: str
    old: SettingValue
    new: SettingValue


class Evaluation(TypedDict):
    """What the policy that an update left has achieved without chance, in environments of its own."""

    update: int
    steps: int
    """Of the training, up to there."""
    mean: float | None
    """Of the episodes' returns; so of the next two. Null where the environment failed."""
    lowest: float | None
    highest: float | None
    episodes: int
    unfinished: int
    """How many of them were cut because they did not end; their return is the sum so far."""
    fault: str | None
    """Why there are none, in one line."""
    best: bool
    """Higher than all before it: its weights are kept."""


class Parent(TypedDict):
    """Where a run branched off from another one."""

    run: str
    update: int
    """Before which it did: the first that is its own."""


class Branch(TypedDict):
    """Another run that branched off from this one."""

    run: str
    update: int
    """Before which it did."""


class Resumption(TypedDict):
    """A run went on from a state that was kept."""

    before: int
    """The first update that it made then."""
    anew: str | None
    """Why its environments began new episodes there; null where they went on to the same bits."""


class Called(TypedDict):
    """What a library calls one of our settings."""

    text: str
    """As one writes it there, with {} for the value."""
    times: float
    """Its value is ours times this."""
    off: str
    """What it has in place of a number where it is off."""


class Attached(TypedDict):
    """Of a run whose training loop is somebody else's."""

    library: str
    """Whose it is, in words."""
    changeable: list[str]
    """Settings that it takes from outside while it trains; the others are as it was begun with."""
    repeats: bool
    """Whether it can make an update a second time, with other settings."""
    called: dict[str, Called]
    """Our settings, as its library calls them; empty where nobody knows."""
    script: str
    """The name of the program that it is in; empty where it has none, as in a notebook."""
    began: dict[str, SettingValue]
    """The settings that it has told, as they were when it began."""
    loss: NotRequired[str]
    """How the loss that it trains on differs from L, in words; empty where it does not."""
    inserted: NotRequired[str]
    """The lines that were put into its script to have it shown, in memory, and where; empty: none were."""
    kl_margin: NotRequired[float | None]
    """How many times `target_kl` the KL may be before it ends an update's epochs; null where nobody knows."""
    limits_values: NotRequired[bool]
    """Whether ε is the clip range of V as well, where V is clipped."""


class Kept(TypedDict):
    """What is known of a run on the disk that is shown without training."""

    state: str
    """How it ended; `interrupted` where it did not, and `running` where it goes on in another server."""
    cause: Cause | None
    last: int
    """Its newest update."""
    resumes_at: int | None
    """The update that it would go on with; null where no state is kept."""
    parent: Parent | None


class Run(TypedDict):
    """A run, as in `GET api/runs/{id}`."""

    id: str
    environment: str
    seed: int | None
    """Null where a training loop that is not ours has not told it."""
    state: State
    gone: bool
    """Its process has ended; what has been measured of it is there to be looked at."""
    update: int
    settings: dict[str, SettingValue]
    """All, as they are now."""
    changes: list[Change]
    """The newest 200."""
    changes_dropped: NotRequired[int]
    """How many came before them."""
    evaluations: NotRequired[list[Evaluation]]
    """The newest 1,000."""
    forks: NotRequired[list[Branch]]
    """Runs that branched off from this one."""
    pauses: NotRequired[list[int]]
    """Updates at which it stopped playing: the newest 200."""
    pending: NotRequired[dict[str, SettingValue]]
    """Settings that wait for the next update."""
    kept: NotRequired[Kept]
    """Of a run that is shown from the disk."""
    cause: Cause | None
    stored: NotRequired[bool]
    """Whether it is kept on disk."""
    unwritten: str | None
    """What the disk says, while it does not take what is to be kept, or why none of it is; the run goes on."""
    created: str
    """When, in the format of ISO 8601."""
    device: str
    reward_threshold: float | None
    """Of the environment; null where it has none, and while starting."""
    observation: str | None
    """The space, in words; null while starting."""
    action: str | None
    """The space, in words; null while starting."""
    wrappers: NotRequired[list[str] | None]
    """All that is at work between the bare environment and the training, from the inside out; null while starting."""
    attached: NotRequired[Attached]
    """Only where the training loop is not ours. Its settings are those that it tells."""
    max_entropy: NotRequired[float | None]
    """Of the policy's distribution, where it has one; not there while starting."""
    parent: NotRequired[Parent | None]
    """Of a fork; else null."""
    sweep: NotRequired[str | None]
    """The name of the sweep that it belongs to."""
    resumed: NotRequired[list[Resumption]]
    """When it went on from a state that was kept, the earliest first."""


class RunBrief(TypedDict):
    """A run, as the list `runs` has it."""

    id: str
    environment: str
    seed: int | None
    """Null where a training loop that is not ours has not told it."""
    state: State
    gone: bool
    """Its process has ended; what has been measured of it is there to be looked at."""
    update: int
    created: str
    sweep: str | None
    """The name of the sweep that it belongs to."""
    script: str
    """Of a training loop that is not ours, the program that it is in; else empty."""
    returns: list[float | None]
    """The curve of the mean return: at most 32 values, evenly spread over the updates, the newest among them."""
