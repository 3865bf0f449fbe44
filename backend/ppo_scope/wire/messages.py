"""What pages may say: strict models of every message, and the one way to read them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar, get_args

import pydantic_core
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError, model_validator

MAX_BYTES = 16 * 1024
"""The longest message or request body."""

Identifier = Annotated[str, Field(min_length=1, max_length=64)]
Probe = Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]


class Message(BaseModel):
    """Anything that a page says."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Resume(Message):
    """The first message: starts the stream."""

    type: Literal["resume"]
    protocol: int
    client: Identifier
    server_epoch: Identifier | None
    run: Identifier | None
    sequence: int | None
    session: Annotated[str, Field(max_length=128)] | None = None


class Heartbeat(Message):
    """The answer to the server's."""

    type: Literal["heartbeat"]


class Request(Message):
    """A message that is answered."""

    type: str
    id: Identifier


class Watch(Request):
    """What this page's visible panels need, and the environment that it wants to see where not all can be shown.

    All pages get the same frames: of the environments that of the page that leads counts.
    """

    type: Literal["watch"]
    probes: Annotated[list[Probe], Field(max_length=32)]
    environment: Annotated[int, Field(ge=0, le=1_000_000)] | None = None


class TakeControl(Request):
    """This page wants to lead."""

    type: Literal["take_control"]


class Open(Request):
    """Look at another run from now on."""

    type: Literal["open"]
    run: Identifier


class Led(Request):
    """A command of the page that leads; `lease` is the generation of its lease."""

    lease: int


class Play(Led):
    """Train on: at full speed, or in slow motion at `pace` phases a second."""

    type: Literal["play"]
    pace: Annotated[float | None, Field(ge=0.1, le=30)] = None


class Pause(Led):
    """Stop at the next phase."""

    type: Literal["pause"]


class Until(Message):
    """What a step may go on until: the first update in which the quantity passes the limit."""

    quantity: Literal["episodic_return_mean", "kl_k3", "clip_fraction", "not_finite"]
    above: float | None = None

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

    @model_validator(mode="after")
    def _complete(self) -> Step:
        if (self.until is None) == (self.size == "until"):
            raise ValueError("`until` belongs to the size until, and to no other")
        return self


class Set(Led):
    """Change a live setting from the next update on. The training process judges the value."""

    type: Literal["set"]
    name: Identifier
    value: JsonValue


class Redo(Led):
    """Make the update at hand anew with other live settings, to compare; without any, with those that wait."""

    type: Literal["redo"]
    settings: Annotated[dict[Identifier, JsonValue], Field(max_length=64)] = {}


class Keep(Led):
    """Which of the two outcomes to go on from."""

    type: Literal["keep"]
    which: Literal["old", "new"]


class Cancel(Led):
    """Give up the run that is being started, or else the second outcome of an update that is being computed."""

    type: Literal["cancel"]


class End(Led):
    """End the run: its process goes, what is known of it stays."""

    type: Literal["end"]


class Restart(Led):
    """A new run in place of this one, with the settings of this one, changed by `settings`."""

    type: Literal["restart"]
    settings: Annotated[dict[Identifier, JsonValue], Field(max_length=128)]


AnyMessage = (
    Resume | Heartbeat | Watch | TakeControl | Play | Pause | Step | Set | Redo | Keep | Cancel | Restart | Open | End
)
TYPES: tuple[type[Message], ...] = get_args(AnyMessage)
_adapter: TypeAdapter[AnyMessage] = TypeAdapter(Annotated[AnyMessage, Field(discriminator="type")])


class NewRun(Message):
    """Body of `POST api/runs`: a run `beside` the others, or else `instead` of one, the newest where none is named."""

    settings: Annotated[dict[Identifier, JsonValue], Field(max_length=128)] = {}
    paused: bool = False
    beside: bool = False
    instead: Identifier | None = None
    lease: int | None = None
    """The generation of the lease of the run that is to go."""


class Session(Message):
    """Body of `POST api/session`."""

    token: Annotated[str, Field(max_length=128)]


Body = TypeVar("Body", NewRun, Session)


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
