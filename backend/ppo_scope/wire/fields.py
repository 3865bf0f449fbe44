"""What the classes of the wire say of their fields: types, which may be left out, and their docstrings.

The page's types and the tables of docs/protocol.md are made from it.
"""

from __future__ import annotations

import ast
import functools
import inspect
import operator
import textwrap
import types
import typing
from enum import Enum
from typing import Annotated, Any, NamedTuple, NotRequired, get_args, get_origin

from pydantic import BaseModel


class Field(NamedTuple):
    """Of a message, a header or a part of one."""

    hint: Any
    """Its type, without bounds; `Annotated` with an enum where it is one of its words."""
    required: bool
    about: str
    """What it means, in a line; may be empty."""


def fields(of: type[Any]) -> dict[str, Field]:
    """Those of a model or a TypedDict, those that it inherits first."""
    about = _documented(of)
    hints = typing.get_type_hints(of, include_extras=True)
    if issubclass(of, BaseModel):
        required = {name: field.is_required() for name, field in of.model_fields.items()}
    else:
        required = {name: get_origin(hint) is not NotRequired for name, hint in hints.items()}
    return {name: Field(_bare(hints[name]), needed, about.get(name, "")) for name, needed in required.items()}


def words_of(hint: Any) -> type[Enum] | None:
    """The enum whose words a type is one of, if it is."""
    return next((one for one in get_args(hint)[1:] if _is_enum(one)), None) if get_origin(hint) is Annotated else None


def summary(of: type[Any]) -> str:
    """The class's docstring in a line."""
    return in_a_line(inspect.getdoc(of) or "")


def in_a_line(text: str) -> str:
    """Without breaks."""
    return " ".join(text.split())


def _is_enum(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Enum)


def _bare(hint: Any) -> Any:
    """A type without what is said of its presence and its bounds."""
    if get_origin(hint) is NotRequired or (get_origin(hint) is Annotated and words_of(hint) is None):
        return _bare(get_args(hint)[0])
    if get_origin(hint) in (typing.Union, types.UnionType):
        return functools.reduce(operator.or_, map(_bare, get_args(hint)))
    return hint


def _documented(of: type[Any]) -> dict[str, str]:
    """The docstring of each field, its own and those of the classes that it builds on."""
    found: dict[str, str] = {}
    for base in (*getattr(of, "__orig_bases__", of.__bases__), of):
        if not getattr(base, "__annotations__", None) or base is BaseModel:
            continue
        if base is not of:
            found |= _documented(base)
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(tree, ast.ClassDef)
        for field, text in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                assert isinstance(field.target, ast.Name)
                found[field.target.id] = in_a_line(str(text.value.value))
    return found
