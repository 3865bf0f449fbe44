"""What the server says to pages: a class for every message, with what its fields mean.

What pages say is in `messages.py`. The page's types and the tables of docs/protocol.md are made from both.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from typing_extensions import TypedDict

from ppo_scope.wire.codes import ErrorCode, RunState
from ppo_scope.wire.headers import Phase, Quantity, SettingValue

State = Annotated[str, RunState]
"""One of them."""
Code = Annotated[str, ErrorCode]
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


class Met(TypedDict):
    """A condition that came true: what a step of size `until` was to go on until."""

    quantity: Quantity
    above: float
    value: float
    update: int


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


class KeptRunTold(TypedDict):
    """A run in the folder of runs, as `GET api/kept` has it."""

    id: str
    environment: str
    """Empty where the run cannot be read; so are other texts."""
    seed: int | None
    state: str
    """running: a server has it, and it has not finished; interrupted: nobody ended it, and no server has it any more;
    unreadable; or how it ended, as a state of runs. Of a run that goes on in this server, its state."""
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
    script: str
    """Of a training loop that is not ours, the program that it is in; else empty."""
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
    """What the disk says, while it does not take what is to be kept; the run goes on."""
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
    update: int
    created: str
    sweep: str | None
    """The name of the sweep that it belongs to."""
    script: str
    """Of a training loop that is not ours, the program that it is in; else empty."""
    returns: list[float | None]
    """The curve of the mean return: at most 32 values, evenly spread over the updates, the newest among them."""


class LeaseHeld(TypedDict):
    """Of the greeting."""

    holder: bool
    generation: int


class Hello(TypedDict):
    """The greeting, before the page has said anything."""

    type: Literal["hello"]
    protocol: int
    server_epoch: str
    """New after each start of the server."""
    run: Run | None
    """The newest one."""
    lease: LeaseHeld
    """`holder` is always false here: a message `lease` follows `resume`."""


class RoleTold(TypedDict):
    """The first answer to `resume`."""

    type: Literal["role"]
    role: Literal["controller", "viewer"]


class StateTold(TypedDict):
    """The state of the run that the page looks at, whenever something of it changes."""

    type: Literal["state"]
    run: str
    state: State
    update: int
    phase: Phase
    epoch: int
    epochs: int
    minibatch: int
    minibatches: int
    sequence: int | None
    """Of the snapshot that belongs to this state; null where there is none."""
    playing: bool
    """It goes on until it is told to stop, and not to the end of a step."""
    pausing: bool
    """Pause was heard; the run stands still as soon as its rollout is whole."""
    pace: float | None
    """Phases a second in slow motion; null at full speed and at rest."""
    pending: dict[str, SettingValue]
    """Settings that wait for the next update."""
    cause: Cause | None
    unwritten: str | None
    """What the disk says, while it does not take what is to be kept; the run goes on."""
    met: Met | None
    """Of a step of size `until` that has come to its condition, until the run goes on."""


class ChangeTold(Change):
    """A setting of the run that the page looks at took effect."""

    type: Literal["change"]
    run: str


class EvaluationsTold(TypedDict):
    """Policies of the run that the page looks at were evaluated; anew, where an update has been made anew."""

    type: Literal["evaluations"]
    run: str
    evaluations: list[Evaluation]


class RunTold(TypedDict):
    """The page looks at this run from now on: it opened it, came back to it, or it took the place of the one before."""

    type: Literal["run"]
    run: Run


class RunsTold(TypedDict):
    """All runs of the server, the newest first: after `resume`, and soon after the state of one of them changes."""

    type: Literal["runs"]
    runs: list[RunBrief]


class AwaitedTold(TypedDict):
    """The script that the server was begun for, of which no run is shown yet; after `resume`, and when it changes."""

    type: Literal["awaited"]
    script: str
    """Its name."""
    code: int | None
    """That it has ended with; null while it runs."""
    why: str | None
    """Why nothing of it is shown, and what to do: for people; null where nothing speaks against it."""
    detail: str | None
    """What stands behind that."""


class LeaseTold(TypedDict):
    """Who leads the run that the page looks at."""

    type: Literal["lease"]
    holder: bool
    """This page does."""
    generation: int
    """Counts up whenever another tab does; commands carry it."""


class Ack(TypedDict):
    """The message with this identifier was carried out."""

    type: Literal["ack"]
    id: str


class ErrorTold(TypedDict):
    """The message with this identifier was refused."""

    type: Literal["error"]
    id: str | None
    """Null where the message had none."""
    code: Code
    message: str
    """A sentence for people."""
    detail: str | None
    """What stands behind it, such as a traceback's tail."""


class HeartbeatTold(TypedDict):
    """A sign of life, every 5 seconds."""

    type: Literal["heartbeat"]


Told = (
    Hello
    | RoleTold
    | StateTold
    | ChangeTold
    | EvaluationsTold
    | RunTold
    | RunsTold
    | AwaitedTold
    | LeaseTold
    | Ack
    | ErrorTold
    | HeartbeatTold
)
"""Any of them."""
