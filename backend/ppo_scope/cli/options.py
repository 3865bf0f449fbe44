"""Options that commands share: every setting, and where a server listens."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any, Protocol

from ppo_scope.ppo import presets
from ppo_scope.ppo.settings import Settings, table


class Commands(Protocol):
    """What argparse gives to add commands to."""

    def add_parser(self, name: str, *, help: str) -> argparse.ArgumentParser:
        """One more."""


def add_place(parser: argparse.ArgumentParser) -> None:
    """Where a server listens, and who may show its page."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=_port, help="port to listen on (default: 8000, or the next free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    parser.add_argument(
        "--frame-ancestors",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="whose pages may embed this one, such as http://localhost:8888 of a notebook; may be given several times",
    )


def _port(text: str) -> int:
    port = int(text) if text.isdecimal() else -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: it must be a number from 0 to 65535")
    return port


def above_zero(text: str) -> int:
    """A whole number, as argparse reads one. Raises: argparse.ArgumentTypeError."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def zero_or_more(text: str) -> int:
    """A whole number, as argparse reads one. Raises: argparse.ArgumentTypeError."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def add_settings(parser: argparse.ArgumentParser, *, has_end: bool = False) -> None:
    """One option for each setting. `has_end`: a run without one would never come back."""
    parser.add_argument("--preset", metavar="NAME", help=_about_presets())
    groups = {title: parser.add_argument_group(title) for title in dict.fromkeys(row["group"] for row in table())}
    for row in table():
        group = groups[row["group"]]
        demanded = has_end and row["name"] == "total_steps"
        name, off = f"--{row['name'].replace('_', '-')}", ", or off" if row["optional"] and not demanded else ""
        default = "off" if row["default"] is None else _text(row["default"])
        note = f"{row['help']} (default: {default})".replace("%", "%%")
        if demanded:
            note = "End of the run. Needed, unless the preset has one: train stops there."
        if row["type"] == "bool":
            group.add_argument(name, action=argparse.BooleanOptionalAction, help=note, default=argparse.SUPPRESS)
        else:
            group.add_argument(
                name,
                type=reader(row),
                choices=row["choices"],
                metavar=None if row["choices"] else f"{row['type'].upper()}{off}",
                help=note,
                default=argparse.SUPPRESS,
            )


def _about_presets() -> str:
    """The names, and of which an extra is missing."""
    names = [
        f"{one.name} (extra {one.missing.name} is missing)" if one.missing else one.name for one in presets.PRESETS
    ]
    return f"begin with the settings of one of these: {', '.join(names)}; `ppo-scope presets` describes them"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value)
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def reader(row: dict[str, Any]) -> Callable[[str], Any]:
    """What makes a value of a setting of its text; it raises argparse.ArgumentTypeError where it cannot."""
    converters: dict[str, tuple[Callable[[str], Any], str]] = {
        "float": (float, "a number"),
        "int": (_integer, "a whole number"),
        "sizes": (_sizes, "whole numbers like 64,64"),
        "bool": (_switch, "on or off"),
        "object": (_object, 'a JSON object like {"max_episode_steps": 200}'),
    }
    convert, expected = converters.get(row["type"], (str, "text"))

    def read(text: str) -> Any:
        if row["optional"] and text.lower() in ("off", "none"):
            return None
        try:
            return convert(text)
        except (ValueError, OverflowError, KeyError):
            raise argparse.ArgumentTypeError(f"{text!r} is not {expected}") from None

    return read


def _switch(text: str) -> bool:
    return {"on": True, "true": True, "off": False, "false": False}[text.lower()]


def _integer(text: str) -> int:
    """People write 1e6 and 500_000 for steps."""
    number = float(text)
    if number != int(number):
        raise ValueError(text)
    return int(number)


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part.strip())


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(text)
    return value


def given(options: argparse.Namespace) -> dict[str, Any]:
    """What was asked for: the preset's settings, and over them those that were given one by one.

    Raises:
        ValueError: there is no such preset.
    """
    named = getattr(options, "preset", None)
    preset = dict(presets.find(named).settings) if named else {}
    return {**preset, **{name: value for name, value in vars(options).items() if name in Settings.model_fields}}
