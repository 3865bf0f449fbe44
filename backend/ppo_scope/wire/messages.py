"""What pages may say: strict models of every message, and the one way to read them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar, get_args

import pydantic_core
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError, model_validator

from ppo_scope.wire.headers import Quantity

MAX_BYTES = 16 * 1024
"""The longest message or request body."""

Identifier = Annotated[str, Field(min_length=1, max_length=64)]
Probe = Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]


class Message(BaseModel):
    """Anything that a page says."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Resume(Message):
    """The first message, within 10 seconds: starts the stream.

    Where another connection of this `client` is still open, that one is closed with 1008.
    """

    type: Literal["resume"]
    protocol: int
    client: Identifier
    """A random id of this tab: the same after a reload, another one in a copy of the tab."""
    server_epoch: Identifier | None
    run: Identifier | None
    """The run to look at; null for the newest."""
    sequence: int | None
    """The last frame seen of it, or null: the page counts its identifiers anew."""
    session: Annotated[str, Field(max_length=128)] | None = None
    """The secret of `POST api/session`."""


class Heartbeat(Message):
    """The answer to the server's."""

    type: Literal["heartbeat"]


class Request(Message):
    """A message that is answered."""

    type: str
    id: Identifier


class Watch(Request):
    """What this page looks at, of the run in whose room it is. Only the last word counts.

    All pages of a room get the same frames. What they want together is looked at five times a second at most.
    """

    type: Literal["watch"]
    probes: Annotated[list[Probe], Field(max_length=32)]
    """The union of what its visible panels need."""
    environment: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """The one from which on it wants samples, where a rollout has more than 4,096; null: environments drawn by the
    seed. That of the page that leads counts."""


class TakeControl(Request):
    """This page wants to lead the run that it looks at."""

    type: Literal["take_control"]


class Open(Request):
    """Look at another run from now on: the page goes to its room, and takes no lease along."""

    type: Literal["open"]
    run: Identifier
    """One of the list `runs`, also one that has ended."""


class Led(Request):
    """A command of the page that leads; `lease` is the generation of its lease."""

    lease: int


class Play(Led):
    """Train on."""

    type: Literal["play"]
    pace: Annotated[float | None, Field(ge=0.1, le=30)] = None
    """Phases a second in slow motion; null: full speed."""


class Pause(Led):
    """Stop at the next phase."""

    type: Literal["pause"]


class Until(Message):
    """What a step may go on until: the first update in which the quantity passes the limit."""

    quantity: Quantity
    above: float | None = None
    """The limit: of the return it is enough by itself, the others have to exceed it; `not_finite` has none."""

    @model_validator(mode="after")
    def _limited(self) -> Until:
        if (self.above is None) != (self.quantity == "not_finite"):
            raise ValueError("not_finite has no limit `above`, and everything else needs one")
        return self


class Step(Led):
    """Go on to the end of the next phase, minibatch, epoch or update, of ten updates, or until something happens."""

    type: Literal["step"]
    size: Literal["phase", "minibatch", "epoch", "update", "updates", "until"]
    until: Until | None = None
    """Of the size `until`, and of no other."""

    @model_validator(mode="after")
    def _complete(self) -> Step:
        if (self.until is None) == (self.size == "until"):
            raise ValueError("`until` belongs to the size until, and to no other")
        return self


class Set(Led):
    """Change a live setting from the next update on."""

    type: Literal["set"]
    name: Identifier
    value: JsonValue


class Redo(Led):
    """Make the update that has just ended anew with other live settings, to compare."""

    type: Literal["redo"]
    settings: Annotated[dict[Identifier, JsonValue], Field(max_length=64)] = {}
    """Empty: those that wait."""


class Keep(Led):
    """Which of the two outcomes to go on from. Until then `play`, `step` and `redo` are refused."""

    type: Literal["keep"]
    which: Literal["old", "new"]
    """With `old`, what was tried waits no longer, unless it was changed again meanwhile."""


class Cancel(Led):
    """Give up a new run that has not proved yet that it trains, or else the second outcome that `redo` is computing."""

    type: Literal["cancel"]


class End(Led):
    """End the run: its process goes, what is known of it stays, and so do its pages."""

    type: Literal["end"]


class Restart(Led):
    """A new run instead of this one, with its settings, the seed among them."""

    type: Literal["restart"]
    settings: Annotated[dict[Identifier, JsonValue], Field(max_length=128)]
    """Name → value, changed against those of this run; may be empty."""


AnyMessage = (
    Resume | Heartbeat | Watch | TakeControl | Play | Pause | Step | Set | Redo | Keep | Cancel | Restart | Open | End
)
TYPES: tuple[type[Message], ...] = get_args(AnyMessage)
_adapter: TypeAdapter[AnyMessage] = TypeAdapter(Annotated[AnyMessage, Field(discriminator="type")])


class Fork(Message):
    """Where a run branches off from one that is kept."""

    run: Identifier
    update: Annotated[int, Field(ge=1, le=2**53)] | None = None
    """Before this one, or before the nearest earlier one of which a state is kept; null: the newest."""


class NewRun(Message):
    """Body of `POST api/runs`: a run `beside` the others, or else `instead` of one.

    At most one of `resume`, `fork` and `open` says that it is no new one.
    """

    settings: Annotated[dict[Identifier, JsonValue], Field(max_length=128)] = {}
    """Changed against the defaults; of a run that goes on or branches off, against its own."""
    resume: Identifier | None = None
    """Go on with this run, which is kept; live settings and `total_steps` may be others."""
    fork: Fork | None = None
    """Branch off from a kept run; live settings, `seed` and `total_steps` may be others."""
    open: Identifier | None = None
    """Show this run, which is kept, and train nothing; it has no settings of its own and ends no other."""
    paused: bool = False
    beside: bool = False
    """No other run ends for it. There are as many at once as the machine has cores, and two at least."""
    instead: Identifier | None = None
    """The run that is to end once the new one has shown that it trains; the newest, where none is named."""
    lease: int | None = None
    """The generation of the lease of the run that is to end; may be null only where nobody leads it (else 403)."""

    @model_validator(mode="after")
    def _one(self) -> NewRun:
        if sum(which is not None for which in (self.resume, self.fork, self.open)) > 1:
            raise ValueError("a run goes on, branches off or is opened: one of `resume`, `fork` and `open`")
        if self.open is not None and self.settings:
            raise ValueError("a run that is opened is shown as it was: it takes no `settings`")
        return self


class Session(Message):
    """Body of `POST api/session`."""

    token: Annotated[str, Field(max_length=128)]


Body = TypeVar("Body", bound=BaseModel)


class Malformed(ValueError):
    """Not a message; `id` is its identifier where one could be read."""

    def __init__(self, reason: str, id: str | None = None) -> None:
        super().__init__(reason)
        self.id = id


def parse(text: str | bytes) -> AnyMessage:
    """Read a websocket message.

    Raises:
        Malformed: with one line that says what is wrong.
    """
    data = _json(text)
    try:
        return _adapter.validate_python(data)
    except ValidationError as error:
        raise Malformed(_explain(error), _identifier(data)) from None


def parse_body(model: type[Body], text: bytes) -> Body:
    """Read the body of a request.

    Raises:
        Malformed: with one line that says what is wrong.
    """
    try:
        return model.model_validate(_json(text))
    except ValidationError as error:
        raise Malformed(_explain(error)) from None


def _json(text: str | bytes) -> Any:
    """JSON as the standard has it: no NaN, no lone surrogates, bounded in depth and size. The models refuse 1e999."""
    if len(text) > MAX_BYTES:
        raise Malformed(f"A message may have at most {MAX_BYTES:,} bytes.")
    try:
        data = pydantic_core.from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise Malformed(f"This is not JSON: {error}.") from None
    if not isinstance(data, dict):
        raise Malformed("A message is a JSON object.")
    return data


def _identifier(data: dict[str, Any]) -> str | None:
    value = data.get("id")
    return value if isinstance(value, str) and len(value) <= 64 else None


def _explain(error: ValidationError) -> str:
    """The first problem in one line."""
    detail = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in detail["loc"])[:80]
    return f"{where}: {detail['msg']}." if where else f"{detail['msg']}."
