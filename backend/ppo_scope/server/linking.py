"""The page's scripts and styles as one of each, as the server hands them over.

The page is plain ES modules. A browser that asked for each of them would ask two hundred times and more, which over a
tunnel to a machine elsewhere takes seconds. So they are put together, in the order in which they would run, each in a
function of its own that returns what it exports; not a letter of what they do is another. A source map says which file
each line is of, so that a browser's tools show the modules as they are.

What is understood is how the page's modules are written, which is all that it takes: names imported and exported as
such (no `default`, no `let`), and no circles. Anything else is refused.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

IMPORTED = re.compile(r'^import (\{[^}]*\}|\* as [\w$]+) from "([^"]+)";$', re.M)
PASSED_ON = re.compile(r'^export (\{[^}]*\}) from "([^"]+)";$', re.M)
EXPORTED = re.compile(r"^export (?=(?:async )?(?:function\*?|const|class) ([\w$]+))", re.M)
OTHER = re.compile(r"^(?:import|export)\b.*", re.M)
STYLESHEET = re.compile(r' *<link rel="stylesheet" href="([^"]+)" />\n')

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


@dataclass(frozen=True)
class Line:
    """Of a script that was put together: its text, and where that stands; no source: it was put in."""

    text: str
    source: str | None = None
    number: int = 0


def linked(scripts: Mapping[str, str], entry: str) -> list[Line]:
    """One script that does what `entry` does with all that it imports; `scripts`: name → text.

    Raises:
        ValueError: a script that is not there, one that imports itself through others, or a way to import or export
            that is not understood; with the name of the script.
    """
    order: dict[str, str] = {}
    """In which they run: each after all that it imports. Name → by what name the others know it."""
    lines: list[Line] = []

    def place(name: str, importers: tuple[str, ...]) -> None:
        if name in order:
            return
        if name in importers or name not in scripts:
            raise ValueError(f"{name} {'imports itself' if name in importers else 'is not there'}: {importers}")
        for found in re.finditer(f"{IMPORTED.pattern}|{PASSED_ON.pattern}", scripts[name], re.M):
            place(beside(name, found[2] or found[4]), (*importers, name))
        order[name] = f"${len(order)}"
        lines.extend(_inlined(name, scripts[name], order) if name == entry else _enclosed(name, scripts[name], order))

    place(entry, ())
    return lines


def beside(name: str, path: str) -> str:
    """What a script means by a path, from the page's folder on."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def text_of(lines: Sequence[Line]) -> str:
    """The script."""
    return "".join(f"{line.text}\n" for line in lines)


def source_map(lines: Sequence[Line], folder: str) -> str:
    """Which line of which file each line is, for a browser's tools; `folder`: where the files are, seen from the map.

    Source: ECMA-426, "Source map format". Each line is one segment, its numbers relative to those of the one before.
    """
    sources = list(dict.fromkeys(line.source for line in lines if line.source is not None))
    places = {source: n for n, source in enumerate(sources)}
    groups = []
    source = number = 0
    for line in lines:
        if line.source is None:
            groups.append("")
            continue
        groups.append(f"A{_vlq(places[line.source] - source)}{_vlq(line.number - number)}A")
        source, number = places[line.source], line.number
    mapped = {"version": 3, "sources": [folder + name for name in sources], "names": [], "mappings": ";".join(groups)}
    return json.dumps(mapped)


def style_of(page: str, styles: Mapping[str, str]) -> str:
    """All stylesheets that a page names, in the order in which it does; `styles`: name → text."""
    return "".join(f"/* {name} */\n{styles[name]}" for name in STYLESHEET.findall(page))


def with_style(page: str, element: str) -> str:
    """A page with one element in place of those that name its stylesheets."""
    elements = iter([f"    {element}\n"])
    return STYLESHEET.sub(lambda _: next(elements, ""), page)


def _enclosed(name: str, script: str, order: Mapping[str, str]) -> list[Line]:
    exports = [found[1] for found in EXPORTED.finditer(script)]
    for found in PASSED_ON.finditer(script):
        of = order[beside(name, found[2])]
        exports += [f"{other or own}: {of}.{own}" for own, other in re.findall(r"([\w$]+)(?: as ([\w$]+))?", found[1])]
    return [
        Line(f"const {order[name]} = (() => {{"),
        *_inlined(name, script, order),
        Line(f"return {{ {', '.join(exports)} }};"),
        Line("})();"),
    ]


def _inlined(name: str, script: str, order: Mapping[str, str]) -> list[Line]:
    """Its lines, as many as there are: what it imports is taken from what others have returned."""

    def taken(found: re.Match[str]) -> str:
        names = found[1].removeprefix("* as ").replace(" as ", ": ")
        return f"const {names} = {order[beside(name, found[2])]};"

    script = IMPORTED.sub(taken, script)
    script = PASSED_ON.sub(lambda found: "\n" * found[0].count("\n"), script)
    script = EXPORTED.sub("", script)
    if left := OTHER.search(script):
        raise ValueError(f"{name}: {left[0]!r} is not understood")
    return [Line(text, name, number) for number, text in enumerate(script.splitlines())]


def _vlq(number: int) -> str:
    rest = abs(number) << 1 | (number < 0)
    digits = ""
    while True:
        rest, digit = rest >> 5, rest & 31
        digits += DIGITS[digit | 32 if rest else digit]
        if not rest:
            return digits
