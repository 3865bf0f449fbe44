"""What objects hold, as plain values: taken from one environment, put into another that was made in the same way.

No class is ever looked up by a name that was kept, and no code runs that came with it: values go into objects that are
there. What cannot be expressed (the world of a physics engine, a window, a set, whose order is nobody's) is left as it
is there. Whether the rest is enough has to be tried: `resuming.py`.
"""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv

Tree = Any
"""None, bool, int, float, str, an array, or a list or dict (by str) of such."""

LARGEST_PART = 2000
"""Values in one attribute: beyond that it is taken for a table that never changes, and left out."""
PLAIN = frozenset({type(None), bool, int, float, str})
NUMBERS = "biuf"
"""Kinds of arrays."""
LEFT = {"is": "left"}
NOTHING = object()
"""There is no such part."""
BIT_GENERATORS = {
    kind.__name__: kind
    for kind in (np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64)
}


class NotKept(Exception):
    """A state cannot be kept, or does not fit the object; the message says why, as the end of a sentence."""


class _TooLarge(Exception):
    """So many values are a table."""


def taken(whole: object) -> Tree:
    """What an object and its parts hold."""
    return _Taking().tree(whole)


def put(whole: object, tree: Tree) -> None:
    """Give an object, and its parts, what was taken from one of its kind.

    Raises:
        NotKept: it is made of other parts. It may have been changed in part, and is of no use any more.
    """
    _Putting().value(tree, whole)


def made(tree: Tree) -> Any:
    """What was taken, where nothing is in its place.

    Raises:
        NotKept: it was no number, text, list, dictionary, array or generator.
    """
    return _Putting().value(tree, NOTHING)


class _Taking:
    """One walk through an object. What is met again is named by the number of its first place."""

    def __init__(self) -> None:
        self._numbers: dict[int, int | None] = {}  # None: it is left out
        self._met: list[object] = []  # kept alive, or an id might be used again
        self._packages: set[str] = set()
        self._values = 0  # of the attribute at hand

    def tree(self, value: Any) -> Tree:
        self._values += 1
        if self._values > LARGEST_PART:
            raise _TooLarge
        if type(value) in PLAIN:
            return value
        if isinstance(value, np.generic) and value.dtype.kind in NUMBERS:
            return {"is": "scalar", "of": np.array(value)}
        if id(value) in self._numbers:
            known = self._numbers[id(value)]
            return LEFT if known is None else {"is": "same", "of": known}
        self._numbers[id(value)] = number = len(self._met)
        self._met.append(value)
        content = self._content(value)
        if content is None:
            self._numbers[id(value)] = None
            return LEFT
        return {"number": number, **content}

    def _attribute(self, value: Any) -> Tree:
        """Counted by itself; where it is too large, all that was met in it is forgotten but that it is left out."""
        outside, self._values = self._values, 0
        known = len(self._met)
        try:
            return self.tree(value)
        except _TooLarge:
            for met in self._met[known + 1 :]:
                self._numbers.pop(id(met), None)
            del self._met[known + 1 :]
            self._numbers[id(value)] = None
            return LEFT
        finally:
            self._values = outside

    def _content(self, value: Any) -> dict[str, Tree] | None:
        """Of something that others may refer to as well; None where it cannot be expressed."""
        if isinstance(value, np.ndarray):
            return {"is": "array", "of": value.copy()} if value.dtype.kind in NUMBERS else None
        if type(value) in (list, tuple):
            return {"is": type(value).__name__, "of": [self.tree(part) for part in value]}
        if type(value) is deque:
            return {"is": "deque", "limit": value.maxlen, "of": [self.tree(part) for part in value]}
        if type(value) is dict:
            return {"is": "dict", "of": [[self.tree(key), self.tree(part)] for key, part in value.items()]}
        if isinstance(value, np.random.Generator):
            return {"is": "generator", "of": self.tree(value.bit_generator.state)}
        if type(value) is np.random.RandomState:
            return {"is": "random_state", "of": self.tree(value.get_state(legacy=False))}
        if type(value) is random.Random:
            return {"is": "random", "of": self.tree(value.getstate())}
        if self._has_parts(value):
            parts = {name: self._attribute(part) for name, part in vars(value).items()}
            return {"is": "object", "class": _class_of(value), "of": parts}
        return None

    def _has_parts(self, value: object) -> bool:
        """An environment, a space, or something that comes from the same package as an environment."""
        package = type(value).__module__.partition(".")[0]
        if isinstance(value, gym.Env | VectorEnv):
            self._packages.add(package)
            return True
        own = package in self._packages - {"gymnasium", "ppo_scope"} and hasattr(value, "__dict__")
        return isinstance(value, gym.Space) or (own and not isinstance(value, type))


class _Putting:
    """The same walk, through an object that is given what was taken from another."""

    def __init__(self) -> None:
        self._made: dict[int, Any] = {}

    def value(self, tree: Tree, there: Any) -> Any:
        """What the tree says, made in or from what is in its place; where it says nothing, what is there."""
        if not isinstance(tree, dict):
            return tree
        if tree["is"] == "left":
            if there is NOTHING:
                raise NotKept("it holds something in a list that cannot be expressed")
            return there
        if tree["is"] == "same":
            return self._made[tree["of"]]
        if tree["is"] == "scalar":
            return tree["of"][()]
        if tree["is"] == "object":
            return self._object(tree, there)
        made = self._made[tree["number"]] = self._content(tree, there)
        return made

    def _object(self, tree: dict[str, Tree], there: Any) -> Any:
        if _class_of(there) != tree["class"]:
            raise NotKept(f"a {tree['class']} was kept where there is a {_class_of(there)}")
        self._made[tree["number"]] = there
        here = vars(there)
        for name, part in tree["of"].items():
            if not _left(part) or name in here:
                here[name] = self.value(part, here.get(name, NOTHING))
        return there

    def _content(self, tree: dict[str, Tree], there: Any) -> Any:
        kind, content = tree["is"], tree["of"]
        if kind == "array":
            return content.copy()
        if kind == "dict":
            known = there if isinstance(there, dict) else {}
            keys = [(self.value(key, NOTHING), part) for key, part in content]
            return {key: self.value(part, known.get(key, NOTHING)) for key, part in keys}
        if kind in ("list", "tuple", "deque"):
            return self._sequence(kind, content, there, tree.get("limit"))
        state = self.value(content, NOTHING)
        if kind == "generator":
            generator = BIT_GENERATORS[state["bit_generator"]]()
            generator.state = state
            return np.random.Generator(generator)
        if kind == "random_state":
            old = np.random.RandomState()
            old.set_state(state)
            return old
        if kind == "random":
            plain = random.Random()
            plain.setstate(state)
            return plain
        raise NotKept(f"{kind!r} is none of its kinds")

    def _sequence(self, kind: str, content: list[Tree], there: Any, limit: int | None) -> Any:
        fits = type(there).__name__ == kind and len(there) == len(content)
        known = list(there) if fits else [NOTHING] * len(content)
        parts = [self.value(part, one) for part, one in zip(content, known, strict=True)]
        return deque(parts, limit) if kind == "deque" else tuple(parts) if kind == "tuple" else parts


def _left(tree: Tree) -> bool:
    return isinstance(tree, dict) and tree["is"] == "left"


def _class_of(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
