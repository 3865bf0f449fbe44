"""The page's scripts, as they import one another."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping

IMPORTED = re.compile(r"""((?:\bfrom|\bimport)\s*\(?\s*)"(\.{1,2}/[^"]+\.js)\"""")


def beside(name: str, path: str) -> str:
    """What a script means by a path, from the page's folder on."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def with_names(name: str, script: str, named: Callable[[str], str | None]) -> str:
    """A script with other names for those that it imports; None: it keeps the one that it has."""

    def instead(found: re.Match[str]) -> str:
        other = named(beside(name, found[2]))
        return found[0] if other is None else f'{found[1]}"{other}"'

    return IMPORTED.sub(instead, script)


def reached(scripts: Mapping[str, str], entry: str) -> list[str]:
    """All scripts that one cannot do without, by their names, the nearest first; `scripts`: name → text."""
    found = {entry: None}
    for name in (waiting := [entry]):
        new = (beside(name, path) for _, path in IMPORTED.findall(scripts[name]))
        for other in new:
            if other in scripts and other not in found:
                found[other] = None
                waiting.append(other)
    return list(found)
