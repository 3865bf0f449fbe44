"""What an expression of a script holds while it runs: names, attributes and subscripts are looked up, and lists of
arrays laid on each other, which no code of the script's takes part in. Nothing of it is called.
"""

from __future__ import annotations

import ast
import inspect
import operator
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType, ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ppo_scope.attach.advising.source import Bit, Source
from ppo_scope.attach.advising.tree import LAID, OF_EACH, Scope, called
from ppo_scope.attach.arrays import taken

LARGEST = 1 << 24
"""Numbers of an array that are looked at."""
NESTED = 2
"""Attributes of attributes in which arrays are looked for."""
ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


class Unknown(Exception):
    """It cannot be said without running something."""


class Living:
    """The functions of these files that are at work."""

    def __init__(self, source: Source, frames: Sequence[FrameType]) -> None:
        """`frames`: theirs, and perhaps others, the innermost first."""
        self._source = source
        self._outside = {tree: file.names for tree, file in zip(source.trees, source.files, strict=True)}
        self._spaces: dict[Scope, Mapping[str, Any]] = {}
        for frame in frames:
            scope = _scope_of(frame, source)
            if scope is not None:
                self._spaces.setdefault(scope, frame.f_locals)
        self.scopes = tuple(self._spaces)

    def value(self, bit: Bit) -> Any:
        """Raises `Unknown`."""
        try:
            return self._of(bit.node, bit.scope, {})
        except KeyError as error:  # a name that nothing is called by
            raise Unknown from error

    def array(self, bit: Bit, size: int | None = None) -> NDArray[Any] | None:
        """Its numbers; None: they are not known, too many, or not as many as that."""
        try:
            found = self.value(bit)
            if is_one(found, list | tuple):
                found = laid(found)
            if not is_one(found, Tensor | np.ndarray) or _count(found) > LARGEST:
                return None
            if size is not None and _count(found) != size:
                return None
            return taken(found)
        except Exception:
            return None

    def is_list(self, bit: Bit) -> bool:
        """Whether it is seen to be one, and no array."""
        try:
            return is_one(self.value(bit), list | tuple)
        except Exception:
            return False

    def has_gradient(self, bit: Bit) -> bool | None:
        """Whether it is differentiated; None: not known."""
        try:
            found = self.value(bit)
        except Exception:
            return None
        return found.requires_grad if is_one(found, Tensor) else None

    def arrays(self, scope: Scope) -> Iterator[ast.expr]:
        """Expressions for the arrays of two axes or more that a function has: by a name, by a key of a dict that has
        one, or as an attribute of an object that has one, which may be an attribute itself.
        """
        for name, value in tuple(self._spaces.get(scope, {}).items()):
            if not name.startswith("__"):
                yield from _arrays_in(ast.Name(name, ast.Load()), value)

    def _of(self, node: ast.expr, scope: Scope, own: Mapping[str, Any]) -> Any:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return own[node.id] if node.id in own else self._named(node.id, scope)
        if isinstance(node, ast.Attribute):
            return attribute_of(self._of(node.value, scope, own), node.attr)
        if isinstance(node, ast.Subscript):
            return self._part(node, scope, own)
        if isinstance(node, ast.ListComp) and len(node.generators) == 1:
            through = node.generators[0]
            if isinstance(through.target, ast.Name) and not through.ifs:
                rows = self._of(through.iter, scope, own)
                if is_one(rows, list | tuple):
                    return [self._of(node.elt, scope, {**own, through.target.id: row}) for row in rows]
        if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            sides = [self._of(one, scope, own) for one in (node.left, node.right)]
            if all(is_one(one, Tensor | np.ndarray | int | float) for one in sides):
                with torch.no_grad():
                    return ARITHMETIC[type(node.op)](*sides)
            raise Unknown
        either = called(node, "logical_or")
        if either and len(either) == 2:
            return np.logical_or(*(laid(self._of(one, scope, own)) for one in either))
        given = called(node, *LAID, *OF_EACH)
        if given and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            module = self._of(node.func.value, scope, own)
            if module is torch or module is np:
                inside = laid(self._of(given[0], scope, own), joined="cat" in node.func.attr)
                with torch.no_grad():
                    return getattr(module, node.func.attr)(inside) if node.func.attr in OF_EACH else inside
        raise Unknown

    def _named(self, name: str, scope: Scope) -> Any:
        for one in self._source.within(scope):
            space = self._spaces.get(one)
            if space is not None and name in space:
                return space[name]
            if space is None and self._source.binder(name, scope) is one and not isinstance(one, ast.Module):
                raise Unknown  # it is one of a function that is not at work
        if name in self._source.aliases:
            return sys.modules[self._source.files[self._source.aliases[name]].module]
        return self._outside[self._source.module_of(scope)][name]

    def _part(self, node: ast.Subscript, scope: Scope, own: Mapping[str, Any]) -> Any:
        whole = self._of(node.value, scope, own)
        if isinstance(node.slice, ast.Slice):
            parts = (node.slice.lower, node.slice.upper, node.slice.step)
            index: Any = slice(*(None if one is None else self._of(one, scope, own) for one in parts))
        else:
            index = self._of(node.slice, scope, own)
        plain = is_one(index, int | str | slice | Tensor | np.ndarray)
        if plain and (type(whole) in (dict, list, tuple) or is_one(whole, Tensor | np.ndarray)):
            with torch.no_grad():
                return whole[index]
        raise Unknown


def attribute_of(holder: Any, name: str) -> Any:
    """As it lies there: no property is asked, nor `__getattr__`. Raises `Unknown`."""
    own = own_of(holder)
    if name in own:
        return own[name]
    if is_one(holder, nn.Module):
        for place in ("_parameters", "_buffers", "_modules"):
            if name in own.get(place, {}):
                return own[place][name]
    fields = getattr(type(holder), "_fields", ())
    if is_one(holder, tuple) and name in fields:
        return holder[fields.index(name)]
    found = inspect.getattr_static(holder, name, None)
    if is_one(found, bool | int | float | str | Tensor | np.ndarray | list | dict):
        return found
    if inspect.ismemberdescriptor(found):  # of `__slots__`
        return found.__get__(holder)
    raise Unknown


def is_one(value: Any, kinds: Any) -> bool:
    """Whether it is of such a type: nothing that it says of itself is asked."""
    return issubclass(type(value), kinds)


def own_of(holder: Any) -> dict[str, Any]:
    """Its attributes, as they lie there."""
    try:
        found = object.__getattribute__(holder, "__dict__")
    except AttributeError:
        return {}
    return found if type(found) is dict else {}


def laid(rows: Any, *, joined: bool = False) -> Any:
    """Numbers, or arrays of one shape, one after the other, along an axis of their own unless they are `joined`. Raises
    `Unknown`.
    """
    if is_one(rows, Tensor | np.ndarray):
        return rows
    if not is_one(rows, list | tuple) or not rows:
        raise Unknown
    numbers = all(is_one(one, Tensor | np.ndarray | np.generic | int | float) for one in rows)
    if not numbers or sum(map(_count, rows)) > LARGEST:
        raise Unknown
    arrays = [taken(one) for one in rows]
    return np.concatenate(arrays) if joined else np.stack(arrays)


def _arrays_in(node: ast.expr, value: Any, depth: int = 0) -> Iterator[ast.expr]:
    if _is_array(value):
        yield node
    elif type(value) is dict:
        for key, one in tuple(value.items()):
            if isinstance(key, str) and _is_array(one):
                yield ast.Subscript(node, ast.Constant(key), ast.Load())
    elif depth < NESTED and not is_one(value, type | ModuleType | nn.Module):
        for key, one in tuple(own_of(value).items()):
            yield from _arrays_in(ast.Attribute(node, key, ast.Load()), one, depth + 1)


def _is_array(value: Any) -> bool:
    return is_one(value, Tensor | np.ndarray) and value.ndim > 1


def _count(one: Any) -> int:
    return int(np.prod(one.shape)) if is_one(one, Tensor | np.ndarray) else 1


def _scope_of(frame: FrameType, source: Source) -> Scope | None:
    """The function that a frame is of."""
    code = frame.f_code
    number = next((number for number, file in enumerate(source.files) if file.path == code.co_filename), None)
    if number is None:
        return None
    if code.co_name == "<module>":
        return source.trees[number]
    line = code.co_firstlineno + source.first_of(number) - 1
    for one in source.functions.get(code.co_name, []):
        if line == min([one.lineno, *(by.lineno for by in one.decorator_list)]):
            return one
    return None
