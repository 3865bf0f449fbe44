"""What the server says to pages over their socket: a class for every message, with what its fields mean.

What pages say is in `messages.py`. The page's types and the tables of docs/protocol.md are made from both.
"""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import TypedDict

from ppo_scope.wire.codes import ErrorCode
from ppo_scope.wire.headers import Phase, Quantity, SettingValue
from ppo_scope.wire.run import Cause, Change, Evaluation, Run, RunBrief, State

Code = Annotated[str, ErrorCode]
"""One of them."""


class Met(TypedDict):
    """A condition that came true: what a step of size `until` was to go on until."""

    quantity: Quantity
    above: float
    value: float
    update: int


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
    gone: bool
    """Its process has ended; what has been measured of it is there to be looked at."""
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
    """What the disk says, while it does not take what is to be kept, or why none of it is; the run goes on."""
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
    lines: str | None
    """What to put into the script to have it shown, and where; null where its source does not tell."""


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
    """A sign of life, every 2 seconds."""

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
