"""How a training loop elsewhere says who it is: the first message on its websocket; frames follow."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ppo_scope.wire.frame import PROTOCOL
from ppo_scope.wire.run import Called

OLD = "This server speaks another version of the protocol. Install the same version of PPO Scope on both sides."
UNREADABLE = "What the training loop says of itself cannot be read: {why}"


LONGEST_NAME = 200
"""Characters of a script's name, or of an environment's."""
LONGEST = 2000
"""Characters of a reason."""
LONGEST_LINES = 16_000
"""Characters of the lines that show a script."""


def text_of(told: str) -> str:
    """As a message can hold it: a file's name may have bytes that are no text."""
    return told.encode(errors="backslashreplace").decode()


def sendable(name: str) -> str:
    """The same of a name: what is long says no more."""
    return text_of(name)[:LONGEST_NAME]


Name = Annotated[str, BeforeValidator(lambda told: sendable(told) if isinstance(told, str) else told)]
"""Cut off where it is too long, and never refused."""
Text = Annotated[str, BeforeValidator(lambda told: text_of(told) if isinstance(told, str) else told)]


class NotAttachable(ValueError):
    """The loop cannot be shown; one readable line."""


class ScriptNews(BaseModel):
    """What is known of a script that is run to be shown: the body of `POST /attach/script`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    script: Name
    """Its own, without its folder."""
    code: int | None = None
    """That it has ended with."""
    why: Text | None = Field(default=None, max_length=LONGEST)
    """Why nothing of it is shown, and what to do."""
    detail: Text | None = Field(default=None, max_length=LONGEST)
    """What stands behind that."""
    lines: Text | None = Field(default=None, max_length=LONGEST_LINES)
    """What to put into the script to have it shown, and where: read from its source."""

    def tells_of(self, program: str) -> bool:
        """Whether a loop in a program of this name is in this script, or in this module."""
        return program == self.script or program.removesuffix(".py") == self.script.rpartition(".")[2]


class Greeting(BaseModel):
    """Which loop it is, and what it trains with."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    type: Literal["greeting"] = "greeting"
    protocol: int = PROTOCOL
    run: str = Field(pattern=r"^[0-9a-f]{8}$")
    """The run's identifier; the same when the loop comes back."""
    settings: dict[str, Any]
    """Those that are known, by the names of our table; `env` always."""
    library: str = Field(max_length=100)
    """Whose loop it is, in words."""
    changeable: list[str]
    """Settings that it takes from outside while it trains."""
    repeats: bool = False
    """Whether it can make an update a second time."""
    script: Name = ""
    """The program that it is in, by its name."""
    called: dict[str, Called] = {}
    """What its library calls our settings."""
    loss: str = Field(default="", max_length=200)
    """How the loss that it trains on differs from L, in words; empty: it does not."""
    inserted: str = Field(default="", max_length=LONGEST_LINES)
    """The lines that were put into its script to have it shown, in memory, each with its place; empty: none were."""
    kl_margin: float | None = None
    """How many times `target_kl` the KL may be before it ends an update's epochs; None: nobody knows."""
    limits_values: bool = False
    """Whether ε is the clip range of V as well, where V is clipped."""

    @property
    def about(self) -> dict[str, Any]:
        """What pages are told of the loop."""
        names = {"library", "changeable", "repeats", "called", "script", "loss", "inserted", "kl_margin"}
        names |= {"limits_values"}
        told = self.model_dump(include=names)
        return {**told, "began": self.settings}

    @classmethod
    def parse(cls, text: str, names: Collection[str]) -> Self:
        """The greeting of a message; `names`: of all settings that there are.

        Raises:
            NotAttachable: it is none, or one of another version.
        """
        try:
            found = cls.model_validate_json(text)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            raise NotAttachable(UNREADABLE.format(why=f"{problem['loc']}: {problem['msg']}"[:80])) from None
        if found.protocol != PROTOCOL:
            raise NotAttachable(OLD)
        unknown = sorted({*found.settings, *found.changeable, *found.called} - set(names))
        if unknown or not isinstance(found.settings.get("env"), str):
            raise NotAttachable(UNREADABLE.format(why=f"settings {unknown or 'without env'}"))
        return found
