"""The page's constants and types, made from `ppo_scope.wire` by `python docs/generate.py`."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import JsonValue

from ppo_scope.ppo import leashes, losses, settings
from ppo_scope.records import recorded
from ppo_scope.server import hub, security
from ppo_scope.wire import answers, codes, frame, headers, messages, metrics, run, told
from ppo_scope.wire.fields import fields, summary, words_of

HERE = Path(__file__).parent
NOTE = "Made from the code by `python docs/generate.py`; do not edit."

# The page's constants


def wire_script() -> str:
    """`frontend/wire.js`: numbers and codes of the protocol."""
    lines = [f"// {NOTE}", "// Numbers and codes of what travels between server and page: docs/protocol.md.", ""]
    lines += [
        _constant("PROTOCOL", frame.PROTOCOL, "Of the server that this page belongs to."),
        _constant("OLDEST_RECORDED", recorded.OLDEST_PROTOCOL, "Protocol of the oldest recordings that can be shown."),
        _constant("LENGTH_BYTES", recorded.LENGTH_BYTES, "Of the length before each frame of a recording."),
        _constant("HEARTBEAT", hub.HEARTBEAT, "Seconds between two signs of life of the server."),
        _constant("SESSION_HEADER", security.SESSION_HEADER, "Carries the secret of unsafe requests."),
        _constant("MOMENT_COLUMNS", headers.MOMENT_COLUMNS, "Of the list of moments that one can go back to."),
        _constant("ENDED", [state for state in codes.RunState if state in codes.ENDED], "What no run leaves."),
        _table("CLOSE", codes.CloseCode),
        _table("REGION", losses.Region),
    ]
    return "\n".join(lines)


def trainer_script() -> str:
    """`frontend/ppo/constants.js`: the trainer's numbers that the page computes with, too."""
    lines = [f"// {NOTE}", "// Numbers of the trainer that the page computes with, too.", ""]
    lines += [
        _constant("SMALLEST_CLIP_RANGE", losses.SMALLEST_CLIP_RANGE, "Below it rounding would decide who is held."),
        _constant("LARGEST_LOGRATIO", losses.LARGEST_LOGRATIO, "Where log r ends, so that r stays finite."),
        _constant("KL_MARGIN", settings.KL_MARGIN, "How many times target_kl a minibatch's k3 may be."),
        _constant(
            "KL_COEF_MARGIN", leashes.KL_COEF_MARGIN, "How many times its target the KL may be before β is moved."
        ),
        _constant("KL_COEF_FACTOR", leashes.KL_COEF_FACTOR, "By how much β is moved."),
        _constant("KL_COEF_BOUNDS", settings.KL_COEF_BOUNDS, "Between which the KL moves β."),
        _constant("RATE_MARGIN", leashes.RATE_MARGIN, "How many times desired_kl the KL may be before α is moved."),
        _constant("FIRST_RATIO_LIMIT", metrics.FIRST_RATIO_LIMIT, "What rounding makes of π/π, at most: |r − 1|."),
    ]
    return "\n".join(lines)


def _constant(name: str, value: Any, about: str) -> str:
    return f"/** {about} */\nexport const {name} = {_literal(value)};\n"


def _literal(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}".replace("e-0", "e-")
    if isinstance(value, (tuple, list)):
        return f"/** @type {{const}} */ ([{', '.join(map(_literal, value))}])"
    return json.dumps(value)


def _table(name: str, of: type[Enum]) -> str:
    about = " ".join((of.__doc__ or "").split("\n")[0].split())
    rows = "".join(f"  {one.name}: {json.dumps(one.value)},\n" for one in of)
    return f"/** {about} */\nexport const {name} = /** @type {{const}} */ ({{\n{rows}}});\n"


# The page's types

NAMED = {
    headers.SettingValue: "SettingValue",
    headers.Dtype: "Dtype",
    headers.Phase: "Phase",
    headers.Quantity: "Quantity",
}
WORDS = (codes.RunState, codes.ErrorCode)
BODIES = (messages.NewRun, messages.Session)
PARTS: tuple[type[Any], ...] = (
    headers.ArraySpec,
    headers.Doing,
    headers.Header,
    headers.Try,
    headers.Finding,
    headers.Spell,
    headers.Silent,
    headers.MadeAgain,
    headers.SnapshotHeader,
    headers.SeriesHeader,
    headers.PictureHeader,
    headers.ComparisonHeader,
    run.Cause,
    run.Change,
    run.Evaluation,
    run.Parent,
    run.Kept,
    told.Met,
    run.Called,
    run.Attached,
    run.Branch,
    run.Resumption,
    answers.KeptRunTold,
    answers.KeptRunWhole,
    answers.Shelf,
    answers.Compared,
    answers.ComparedGroup,
    answers.ComparedCurve,
    answers.LeftOut,
    answers.Comparison,
    answers.PlannedRun,
    answers.SweepTold,
    run.Run,
    run.RunBrief,
    told.LeaseHeld,
)


def types_page() -> str:
    """`frontend/wire-types.d.ts`: headers of frames, and the messages of both directions."""
    lines = [f"// {NOTE}", "// What travels between server and page: docs/protocol.md.", ""]
    lines += [f"export type {name} = {_in_full(hint)};" for hint, name in NAMED.items()]
    lines += [f"export type {of.__name__} = {_words(of)};" for of in WORDS]
    lines.append("")
    lines += [_interface(part) for part in PARTS]
    lines += [_interface(message) for message in get_args(told.Told)]
    lines += [_either("Told", "What the server says.", get_args(told.Told))]
    lines += [_interface(message) for message in (messages.Until, messages.Fork, *messages.TYPES, *BODIES)]
    lines += [_either("Said", "What a page says.", messages.TYPES)]
    return "\n".join(lines)


def _interface(of: type[Any]) -> str:
    own = fields(of)
    base = next((one for one in getattr(of, "__orig_bases__", ()) if one in PARTS), None)
    if base is not None:
        own = {name: field for name, field in own.items() if name not in fields(base)}
    extends = f" extends {base.__name__}" if base is not None else ""
    lines = [f"/** {summary(of)} */", f"export interface {of.__name__}{extends} {{"]
    for name, (hint, required, about) in own.items():
        lines += [f"  /** {about} */"] if about else []
        lines.append(f"  {name}{'' if required else '?'}: {_typescript(hint)};")
    return "\n".join([*lines, "}", ""])


def _either(name: str, about: str, of: Iterable[type[Any]]) -> str:
    return f"/** {about} */\nexport type {name} = {' | '.join(one.__name__ for one in of)};\n"


def _words(of: type[Enum]) -> str:
    return " | ".join(json.dumps(one.value) for one in of)


SIMPLE = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
    Any: "any",
    JsonValue: "unknown",
}


def _typescript(hint: Any) -> str:
    return NAMED.get(hint) or _in_full(hint)


def _in_full(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if (words := words_of(hint)) is not None:
        return words.__name__
    if origin is Annotated:
        return _typescript(arguments[0])
    if origin is Literal:
        return " | ".join(json.dumps(one) for one in arguments)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(dict.fromkeys(_typescript(one) for one in arguments))
    if origin is list:
        inner = _typescript(arguments[0])
        return f"({inner})[]" if " | " in inner else f"{inner}[]"
    if origin is dict:
        return f"{{ [name: string]: {_typescript(arguments[1])} | undefined }}"
    if hint in SIMPLE:
        return SIMPLE[hint]
    return str(hint.__name__)


FILES: dict[str, Callable[[], str]] = {
    "../frontend/wire.js": wire_script,
    "../frontend/wire-types.d.ts": types_page,
    "../frontend/ppo/constants.js": trainer_script,
}
"""Path from here → what the file holds."""
