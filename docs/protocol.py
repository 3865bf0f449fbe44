"""The tables of docs/protocol.md, made from `ppo_scope.wire` by `python docs/generate.py`. The text is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from ppo_scope.server import roles
from ppo_scope.wire import answers, codes, frame, headers, messages, run, told
from ppo_scope.wire.fields import fields, summary

HERE = Path(__file__).parent
BEGINS, ENDS = "<!-- {name}: made from the code -->", "<!-- end -->"


def protocol_page() -> str:
    """`docs/protocol.md`, its tables renewed."""
    text = (HERE / "protocol.md").read_text(encoding="utf-8")
    for name, table in TABLES.items():
        begins = BEGINS.format(name=name)
        if text.count(begins) != 1:
            raise ValueError(f"docs/protocol.md must have one {begins}")
        start = text.index(begins) + len(begins)
        end = text.index(ENDS, start)
        text = text[:start] + "\n" + "\n".join(table()) + "\n" + text[end:]
    return text


def _header() -> list[str]:
    return [line.replace("`protocol`: that", f"`protocol`: {frame.PROTOCOL}, that") for line in _list(headers.Header)]


ROUTES = {
    ("GET", "/api/health"): "whether the server is there, its version, and `server_epoch`",
    ("POST", "/api/session"): "the token of the printed link, for a cookie and a secret",
    ("GET", "/api/settings"): "the table of settings",
    ("GET", "/api/metrics"): "the table of metrics",
    ("GET", "/api/presets"): "settings under a name",
    ("GET", "/api/environments"): "ids that can be asked for, each with the extra that is missing",
    ("GET", "/api/health-checks"): "what is looked for in every run",
    ("GET", "/api/runs"): "all runs, the newest first",
    ("POST", "/api/runs"): "a new run, or one that is kept: to go on with, to branch off from, to look at",
    ("GET", "/api/kept"): "the runs that are kept on disk",
    ("GET", "/api/kept/{kept_id}"): "one of them, with its settings, their changes and its states",
    ("DELETE", "/api/kept/{kept_id}"): "remove it, for good",
    ("GET", "/api/comparison"): "return over steps of several runs, put together by their settings",
    ("GET", "/api/sweeps/{name}"): "what a sweep plans",
    ("GET", "/api/runs/{run_id}"): "a run",
    ("GET", "/api/runs/{run_id}/series"): "`?from=&to=&format=json` or `frame`: rows of the series, and episodes",
    ("GET", "/api/runs/{run_id}/frames/{update}"): "the snapshot at the end of an update",
    (
        "GET",
        "/api/runs/{run_id}/moments",
    ): "everything that one can go back to: {columns}; how many are `unmeasured`, the `bytes` of the rest, the `room`",
    (
        "GET",
        "/api/runs/{run_id}/moments/{sequence}",
    ): "its frame, or the one that replaced it",
    ("GET", "/api/runs/{run_id}/pictures/{update}/{environment}/{step}"): "a JPEG of the state that was noted",
}


WHO = {
    roles.Access.PUBLIC: "everybody",
    roles.Access.VIEWER: "who watches",
    roles.Access.CONTROLLER: "who may control",
}


def _routes() -> list[str]:
    columns = ", ".join(f"`{name}`" for name in headers.MOMENT_COLUMNS)
    about = {route: text.replace("{columns}", columns) for route, text in ROUTES.items()}
    known = [(method, path, who) for (method, path), who in roles.ROUTES.items() if path.startswith("/api/")]
    rows = ((f"`{method} {path[1:]}`", f"{WHO[who]}: {about[method, path]}") for method, path, who in known)
    return _rows(("route", "who may ask, and for what"), rows)


def _kinds() -> list[str]:
    return _rows(("kind", "what it is"), ((f"`{kind}`", kind.meaning) for kind in codes.Kind))


def _errors() -> list[str]:
    return _rows(("code", "what it means"), ((f"`{code}`", code.meaning) for code in codes.ErrorCode))


def _closes() -> list[str]:
    return _rows(("code", "what it means"), ((str(code.value), code.meaning) for code in codes.CloseCode))


def _states() -> list[str]:
    ends = ((state, " It stays so." if state in codes.ENDED else "") for state in codes.RunState)
    return _rows(("state", "what it means"), ((f"`{state}`", f"{state.meaning}.{end}") for state, end in ends))


def _told() -> list[str]:
    return _rows(("`type`", "when, and its other fields"), map(_message, get_args(told.Told)))


def _said() -> list[str]:
    return _rows(("`type`", "what it asks for, and its other fields"), map(_message, messages.TYPES))


def _run() -> list[str]:
    return _list(run.Run)


def _brief() -> list[str]:
    return _list(run.RunBrief)


def _new_run() -> list[str]:
    return _list(messages.NewRun)


def _kept() -> list[str]:
    return _list(answers.KeptRunWhole)


def _comparison() -> list[str]:
    return _list(answers.ComparedGroup)


SHARED = frozenset({"type", "id", "lease"})
"""Fields that the text around the table speaks of."""


def _message(of: type[Any]) -> tuple[str, str]:
    found = fields(of)
    (name,) = get_args(found["type"].hint)
    hidden = SHARED if issubclass(of, BaseModel) else {"type"}
    others = [_field(field, *described) for field, described in found.items() if field not in hidden]
    about = summary(of)
    return f"`{name}`", f"{about} {_listed(others)}".strip()


def _list(of: type[Any]) -> list[str]:
    return [f"- {_field(name, *field)}" for name, field in fields(of).items()]


def _field(name: str, hint: Any, required: bool, about: str) -> str:
    literal = next((one for one in (hint, *get_args(hint)) if get_origin(one) is Literal), None)
    words = _choice(get_args(literal)) if literal is not None else ""
    described = ". ".join(part.rstrip(".") for part in (words, about if words else _lowered(about)) if part)
    return f"`{name}`: {described}" if described else f"`{name}`"


def _choice(words: tuple[str, ...]) -> str:
    named = [f"`{one}`" for one in words]
    return " or ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


def _lowered(sentence: str) -> str:
    """As it goes on after a colon."""
    return sentence[:1].lower() + sentence[1:]


def _listed(fields: list[str]) -> str:
    """Those with nothing to say first, in one breath."""
    silent = [field for field in fields if ": " not in field]
    return "; ".join(([", ".join(silent)] if silent else []) + [field for field in fields if field not in silent])


def _rows(head: tuple[str, str], rows: Iterable[tuple[str, str]]) -> list[str]:
    return [_row(head), "|---|---|", *map(_row, rows)]


def _row(columns: tuple[str, str]) -> str:
    return "| " + " | ".join(column.replace("|", r"\|") for column in columns) + " |"


TABLES: dict[str, Callable[[], list[str]]] = {
    "header": _header,
    "kinds": _kinds,
    "routes": _routes,
    "errors": _errors,
    "closes": _closes,
    "states": _states,
    "told": _told,
    "said": _said,
    "run": _run,
    "brief": _brief,
    "new-run": _new_run,
    "kept": _kept,
    "comparison": _comparison,
}
"""Name of a place in docs/protocol.md → the lines that belong there."""


FILES: dict[str, Callable[[], str]] = {"protocol.md": protocol_page}
"""Path from here → what the file holds."""
