"""The page's scripts as one: what each imports and exports arrives, in the order in which they would run."""

from __future__ import annotations

import json
import re

import pytest

from ppo_scope.server.linking import linked, source_map, style_of, text_of, with_style
from ppo_scope.server.static import edition_of, frontend, texts

DIGITS = {digit: n for n, digit in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}
FILES = texts(frontend())


def lines_of(mappings: str) -> list[list[int] | None]:
    """Of each line its segment's four numbers, added up as a browser does."""
    column, whole = 0, [0, 0, 0]
    found: list[list[int] | None] = []
    for line in mappings.split(";"):
        numbers, value, shift = [], 0, 0
        for letter in line:
            digit = DIGITS[letter]
            value |= (digit & 31) << shift
            shift += 5
            if not digit & 32:
                numbers.append(-(value >> 1) if value & 1 else value >> 1)
                value = shift = 0
        if not numbers:
            found.append(None)
            continue
        column, whole = numbers[0], [old + new for old, new in zip(whole, numbers[1:], strict=True)]
        found.append([column, *whole])
    return found


def test_every_script_of_the_page_is_in_it_once_and_its_lines_are_the_files():
    lines = linked(FILES, "app.js")
    mapped = json.loads(source_map(lines, "../"))
    scripts = {name for name in FILES if name.endswith(".js")}
    assert sorted(mapped["sources"]) == sorted(f"../{name}" for name in scripts)
    segments = lines_of(mapped["mappings"])
    texts_of_lines = text_of(lines).splitlines()
    assert len(segments) == len(texts_of_lines)
    seen = {name: set() for name in scripts}
    others = []
    for text, segment in zip(texts_of_lines, segments, strict=True):
        if segment is None:
            continue
        column, source, number, at = segment
        name = mapped["sources"][source].removeprefix("../")
        theirs = FILES[name].splitlines()[number]
        seen[name].add(number)
        assert column == at == 0
        if text != theirs:
            others.append((text, theirs))
    for name in scripts:
        assert seen[name] == set(range(len(FILES[name].splitlines()))), name
    assert len(others) > 1000
    for text, theirs in others:
        assert theirs == f"export {text}" or re.match(r"import |\} from |export \{|  [\w$]+ as ", theirs), theirs


def test_each_runs_after_what_it_imports():
    given = {
        "app.js": 'import { b } from "./b.js";\nimport { a } from "./deep/a.js";\n',
        "b.js": 'import { a } from "./deep/a.js";\nexport const b = a;\n',
        "deep/a.js": 'import { c } from "../c.js";\nexport const a = c;\n',
        "c.js": "export const c = 1;\n",
        "unused.js": "export default 1;\n",
    }
    lines = linked(given, "app.js")
    assert list(dict.fromkeys(line.source for line in lines if line.source)) == ["c.js", "deep/a.js", "b.js", "app.js"]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("export default 1;\n", "export default 1;"),
        ("export let a = 1;\n", "export let a = 1;"),
        ('export * from "./b.js";\n', "export \\* from"),
        ('import b from "./b.js";\n', "import b from"),
        ('import "./b.js";\n', 'import "./b.js"'),
        ("export const { a } = b;\n", "export const"),
        ('import { a } from "./nowhere.js";\n', "nowhere.js is not there"),
        ('import { c } from "./c.js";\n', "app.js imports itself"),
        ('import { b, c } from "./b.js";\n', "b.js does not export c"),
        ('import { default as b } from "./b.js";\n', "b.js does not export default"),
        ('import { e } from "./d.js";\n', "d.js does not export e"),
        ('export { e as a } from "./d.js";\n', "d.js does not export e"),
        ('a();\nimport { b as a } from "./b.js";\n', "behind other lines"),
        ('const text = `\nimport { b } from "./b.js";\n`;\n', "behind other lines"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(script, said):
    given = {"app.js": script, "b.js": "export const b = 1;\n", "c.js": 'import { a } from "./app.js";\n'}
    given["d.js"] = "export const d = 1,\n  e = 2;\n"
    with pytest.raises(ValueError, match=f"(?s)^(app.js: )?.*{said}"):
        linked(given, "app.js")


def test_a_text_with_what_python_takes_for_an_end_of_a_line_stays_whole():
    script = 'const text = "\x0b\x85\u2028";'
    assert text_of(linked({"app.js": f"{script}\n"}, "app.js")) == f"{script}\n"


def test_one_stylesheet_has_the_rules_of_all_in_their_order():
    page = FILES["index.html"]
    names = re.findall(r'rel="stylesheet" href="([^"]+)"', page)
    whole = style_of(page, FILES)
    assert whole == "".join(f"/* {name} */\n{FILES[name]}" for name in names) and len(names) > 20
    assert {name for name in FILES if name.endswith(".css")} == set(names), "each is named"
    page = with_style(page, '<link rel="stylesheet" href="app.css" />')
    assert re.findall(r'rel="stylesheet" href="([^"]+)"', page) == ["app.css"]


def test_no_style_asks_for_a_file_beside_it():
    """In one stylesheet, which lies elsewhere, what is beside a file would not be beside it."""
    assert not re.search(r"url\((?!\"?data:)|@import", style_of(FILES["index.html"], FILES))


def test_an_edition_is_put_together_once():
    assert edition_of(frontend()) is edition_of(frontend())
