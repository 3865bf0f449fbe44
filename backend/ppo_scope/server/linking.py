"""The page's scripts and styles as one of each, as the server hands them over.

The page is plain ES modules. A browser that asked for each of them would ask two hundred times and more, which over a
tunnel to a machine elsewhere takes seconds. So they are put together, in the order in which they would run, each in a
function of its own that returns what it exports; not a letter of what they do is another. A source map says which file
each line is of, so that a browser's tools show the modules as they are.

What is understood is how the page's modules are written, which is all that it takes: names imported and exported as
such (no `default`, no `let`), imports before anything else, and no circles. Anything else is refused.
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
HEAD = re.compile(rf"(?:\s|//.*|/\*[\s\S]*?\*/|{IMPORTED.pattern}|{PASSED_ON.pattern})*", re.M)
"""What stands before the first line that does something."""
NAMES = re.compile(r"([\w$]+)(?: as ([\w$]+))?")
"""Of those in braces: one, and how it is called elsewhere."""
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
        ValueError: a script that is not there, one that imports itself through others, a name that nobody exports, or
            a way to import or export that is not understood; with the name of the script.
    """
    order: dict[str, str] = {}
    """In which they run: each after all that it imports. Name → by what name the others know it."""
    exported: dict[str, dict[str, str]] = {}
    """By each of them: name → what it is."""
    lines: list[Line] = []

    def place(name: str, importers: tuple[str, ...]) -> None:
        if name in order:
            return
        if name in importers or name not in scripts:
            raise ValueError(f"{name} {'imports itself' if name in importers else 'is not there'}: {importers}")
        script = scripts[name]
        for found in _ways_in(name, script):
            other = beside(name, found[2] or found[4])
            place(other, (*importers, name))
            wanted = [own for own, _ in NAMES.findall(found[1] or found[3]) if not found[0].startswith("import *")]
            if missing := [own for own in wanted if own not in exported[other]]:
                raise ValueError(f"{name}: {other} does not export {', '.join(missing)}")
        order[name] = f"${len(order)}"
        exported[name] = _exports(name, script, order)
        inlined = _inlined(name, script, order)
        lines.extend(inlined if name == entry else _enclosed(order[name], inlined, exported[name]))

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


def _ways_in(name: str, script: str) -> list[re.Match[str]]:
    """Where it takes something from another one."""
    head = HEAD.match(script)
    found = list(re.finditer(f"{IMPORTED.pattern}|{PASSED_ON.pattern}", script, re.M))
    for one in found:
        if one[0].startswith("import") and (head is None or one.start() >= head.end()):
            raise ValueError(f"{name}: {one[0]!r} is not understood behind other lines")
    return found


def _exports(name: str, script: str, order: Mapping[str, str]) -> dict[str, str]:
    """What others may import: name → what it is."""
    exports = {found[1]: found[1] for found in EXPORTED.finditer(script)}
    for found in PASSED_ON.finditer(script):
        of = order[beside(name, found[2])]
        exports |= {other or own: f"{of}.{own}" for own, other in NAMES.findall(found[1])}
    return exports


def _enclosed(called: str, inlined: list[Line], exports: Mapping[str, str]) -> list[Line]:
    told = ", ".join(name if name == what else f"{name}: {what}" for name, what in exports.items())
    return [Line(f"const {called} = (() => {{"), *inlined, Line(f"return {{ {told} }};"), Line("})();")]


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
    # Not by `splitlines`: what else it takes for the end of a line may stand in a text.
    return [Line(text, name, number) for number, text in enumerate(script.removesuffix("\n").split("\n"))]


def _vlq(number: int) -> str:
    rest = abs(number) << 1 | (number < 0)
    digits = ""
    while True:
        rest, digit = rest >> 5, rest & 31
        digits += DIGITS[digit | 32 if rest else digit]
        if not rest:
            return digits
