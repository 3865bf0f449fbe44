"""The lines that show a script's own loop by `ppo_scope.Scope`, in the script's own words, and where they go."""

from __future__ import annotations

import ast
import contextlib
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

from numpy.typing import NDArray

from ppo_scope.attach.single_file.living import Living
from ppo_scope.attach.single_file.named import DEEP
from ppo_scope.attach.single_file.reading import Reading, reading_of
from ppo_scope.attach.single_file.recurrence import Collected, collected_in
from ppo_scope.attach.single_file.source import Bit, Function, Scope, Source, called, is_name, is_pure, parameters
from ppo_scope.attach.single_file.update_of import (
    Rows,
    Taken,
    asked_with,
    before_it_is_normalised,
    place_of,
    rows_in,
    taken_in,
)

INTO = "# {file}, {side} line {line}, `{words}`:"
TO_FILL_IN = "...,  # to fill in: "
OWN_REWARDS = "the environment's own: not scaled, and without γ·V(s′) in them"
MISSING = {
    "actions": "[M, N, …], steps first, as the policy drew them",
    "rewards": "[M, N], " + OWN_REWARDS,
    "log_probs": "[M, N], log π_old",
    "advantages": "[M, N], before they are normalised",
}
MAKERS = ("make", "make_vec")
LEFT_OUT = {
    "values": "...  # [M, N], V of the critic that collected",
    "dones": "...  # [M, N], ends of episodes; with truncated=…, those of them that were cut",
}
"""May be left out."""
WIDE = ("actions", "observations")
AS_ONE = "as of one environment; of N, whose samples lie step by step: reshape(-1, N), and so the others"
FLAT = ("flatten", "squeeze", "ravel", "view", "reshape")
LONGEST_WORDS = 60


class Piece(NamedTuple):
    """Lines that go into the file."""

    line: int
    after: bool
    code: list[str]
    """As far to the right as the line that they stand beside."""


class Adviser:
    """Reads the files of who calls `backward`, each function once."""

    def __init__(self) -> None:
        self.lines: str | None = None
        """Those of which the least is missing."""
        self._read: set[CodeType] = set()

    def look(self, frame: FrameType) -> None:
        """At who calls, and at who has called that."""
        if frame.f_code in self._read:
            return
        self._read.add(frame.f_code)
        with contextlib.suppress(Exception):  # whatever it is that cannot be read, the script goes on
            for path, frames in _by_file(frame).items():
                lines = advice_of(path, frames)
                if lines is not None and (self.lines is None or _missing_in(lines) < _missing_in(self.lines)):
                    self.lines = lines
                    return


def _by_file(frame: FrameType | None) -> dict[str, list[FrameType]]:
    """The nearest callers, the innermost first."""
    found: dict[str, list[FrameType]] = {}
    for _ in range(DEEP):
        if frame is None:
            break
        found.setdefault(frame.f_code.co_filename, []).append(frame)
        frame = frame.f_back
    return {path: frames for path, frames in found.items() if Path(path).is_file()}


def _missing_in(lines: str) -> int:
    return lines.count(TO_FILL_IN) + lines.count(AS_ONE)


def advice_of(path: str, frames: Sequence[FrameType]) -> str | None:
    """What to put into this file; None: no PPO is seen in it.

    Args:
        path: the file.
        frames: its functions that are at work, the innermost first; there may be none.
    """
    source = Source(Path(path).read_text(encoding="utf-8"))
    living = Living(source, frames)
    reading = reading_of(source, living.has_gradient, living.scopes)
    if reading is None:
        return None
    return _Writer(source, living, reading).text(Path(path).name)


class _Writer:
    """Of one file."""

    def __init__(self, source: Source, living: Living, reading: Reading) -> None:
        self._source, self._living, self._reading = source, living, reading
        self._place = place_of(source, reading)
        self._scope_name, self._told_name = _free(source, "scope"), _free(source, "told")
        self._taken = taken_in(source, reading.old_log_prob)
        self._collected: Collected = collected_in(source)
        self._told: dict[tuple[int, Scope], dict[str, str]] = {}
        self._pieces: list[Piece] = []
        self._rows: Rows | None = None

    def text(self, file: str) -> str:
        """All of it."""
        before, after = self._place.first, self._place.last
        minibatch = self._minibatch()
        rollout = self._rollout()
        in_function = isinstance(self._place.scope, Function)
        name = self._scope_name
        self._pieces += [
            Piece(self._imports(), True, ["import ppo_scope", "", f"{name} = None", *self._told_line()]),
            Piece(
                before.lineno,
                False,
                [f"global {name}"] * in_function + [f"if {name} is None:", *_in(self._made()), *rollout],
            ),
            minibatch,
            *(
                Piece(line, False, [*_call(f"{self._told_name}.update", told)])
                for (line, _), told in self._told.items()
            ),
            Piece(after.end_lineno or after.lineno, True, [f"{name}.update()"]),
        ]
        return "\n\n".join(self._written(file))

    def _written(self, file: str) -> Iterator[str]:
        for piece in sorted(self._pieces, key=lambda one: (one.line, one.after)):
            words = self._source.lines[piece.line - 1].strip() if piece.line else ""
            indent = self._indent_at(piece)
            side = "after" if piece.after else "before"
            head = INTO.format(
                file=file, side=side, line=piece.line, words=textwrap.shorten(words, LONGEST_WORDS, placeholder=" …")
            )
            yield "\n".join([head, *(indent + one if one else one for one in piece.code)])

    def _indent_at(self, piece: Piece) -> str:
        """As the statement that begins there, or that ends there."""
        line = self._place.first.lineno if piece.after and piece.line > self._place.first.lineno else piece.line
        if piece.after and self._place.first is not self._place.last:
            line = piece.line if piece.line < self._place.first.lineno else self._place.last.lineno
        text = self._source.lines[line - 1] if line else ""
        return text[: len(text) - len(text.lstrip())]

    def _imports(self) -> int:
        """The last line of the imports at the beginning."""
        line = 0
        for place, one in enumerate(self._source.tree.body):
            words = isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and not place
            if not words and not isinstance(one, ast.Import | ast.ImportFrom):
                break
            line = one.end_lineno or one.lineno
        return line

    def _told_line(self) -> list[str]:
        return [f"{self._told_name} = {{}}"] if self._told else []

    # What it trains with

    def _made(self) -> list[str]:
        """The making of a Scope."""
        reading = self._reading
        given = {"env": self._environment(), "clip_range": self._setting([reading.clip_range])}
        if reading.clip_range_high is not None:
            given["clip_range_high"] = self._setting([reading.clip_range_high])
        if reading.value_coef is None:
            given["value_coef"] = f"{TO_FILL_IN}c₁ of mean (V − V_targ)²; 0 where there is no critic"
        else:
            given["value_coef"] = self._setting(reading.value_coef)
        given["entropy_coef"] = self._setting(reading.entropy_coef) if reading.entropy_coef is not None else "0.0"
        return _call(f"{self._scope_name} = ppo_scope.Scope", given)

    def _environment(self) -> str | None:
        """What it is made by."""
        for node in self._source.nodes:
            if isinstance(node, ast.Call) and called(node, *MAKERS) is not None and node.args:
                return self._there(Bit(node.args[0], self._source.scope_of(node)))
        return None

    def _setting(self, factors: Sequence[Bit | float]) -> str:
        """Their product, as it is where the Scope is made."""
        words, number = [], 1.0
        for one in factors:
            if isinstance(one, float):
                number *= one
                continue
            there = self._there(one)
            if there is None:
                line = getattr(one.node, "lineno", 0)
                return f"{TO_FILL_IN}`{self._source.words(one.node)}` of line {line}, which is not known here"
            words.append(f"({there})" if len(factors) > 1 and " " in there else there)
        if number != 1.0 or not words:
            words.insert(0, f"{number:.9g}" if number != int(number) else f"{number:.1f}")
        return " * ".join(words)

    def _there(self, bit: Bit) -> str | None:
        """As it is called before the update."""
        node = self._source.carried(bit, self._place.scope, self._place.first.lineno)
        return None if node is None else self._source.words(node)

    # The rollout

    def _rollout(self) -> list[str]:
        reading, source = self._reading, self._source
        wholes = {
            "log_probs": self._whole(reading.old_log_prob),
            "advantages": self._whole(reading.used),
            "returns": self._whole(reading.target),
        }
        wholes["actions"], wholes["observations"] = self._asked()
        if wholes["log_probs"] is not None:
            self._rows = rows_in(source, self._living, wholes["log_probs"], self._place)
        given: dict[str, str | None] = {}
        for name in ("actions", "rewards", "log_probs", "advantages", "values", "returns", "dones", "observations"):
            whole = wholes.get(name)
            if name == "rewards":
                words = self._collected_as("rewards")
                given[name] = f"{words},  # {OWN_REWARDS}" if words else None
            elif name == "values":
                given[name] = self._collected_as("values")
            elif name == "dones":
                given |= self._ends()
                if "dones" in given:
                    continue
                given[name] = None
            elif name == "advantages" and whole is not None:
                given[name] = self._raw_advantages(whole)
            else:
                given[name] = None if whole is None else self._by_steps(whole, wide=name in WIDE)
            if given[name] is None:
                if name in MISSING:
                    given[name] = TO_FILL_IN + MISSING[name]
                else:
                    given[name] = LEFT_OUT.get(name)
        unsure = self._layout()[0][1] == 1 and TO_FILL_IN in (given["rewards"] or "")
        if unsure and given["log_probs"] and TO_FILL_IN not in given["log_probs"]:
            given["log_probs"] = f"{given['log_probs']},  # {AS_ONE}"
        alpha = self._learning_rate()
        if alpha is not None:
            given["learning_rate"] = alpha
        return _call(f"{self._scope_name}.rollout", given)

    def _whole(self, bit: Bit | None) -> Bit | None:
        """All samples, as they are before the update."""
        if bit is None:
            return None
        source, place = self._source, self._place
        found = taken_in(source, bit)
        if found is not None:
            if self._taken is not None and ast.dump(found.by) != ast.dump(self._taken.by):
                return None
            bits = [found.whole]
        elif self._taken is not None:
            return None
        else:
            bits = sorted(
                source.chain(bit), key=lambda one: not is_pure(one.node)
            )  # as it is, rather than less its gradient
        for one in bits:
            node = source.carried(one, place.scope, place.first.lineno)
            if node is not None and not self._is_made_within(node):
                if is_pure(one.node) and ast.unparse(node) == ast.unparse(one.node) and one.scope is place.scope:
                    return one
                return Bit(node, place.scope)
        return None

    def _is_made_within(self, node: ast.expr) -> bool:
        """Whether one of its names is bound in the update itself."""
        place, source = self._place, self._source
        first, last = place.first.lineno, place.last.end_lineno or place.last.lineno
        names = [one.id for one in ast.walk(node) if isinstance(one, ast.Name)]
        return any(
            first <= one.statement.lineno <= last
            for name in names
            if source.binder(name, place.scope) is place.scope
            for one in source.definitions(name, place.scope)
        )

    def _asked(self) -> tuple[Bit | None, Bit | None]:
        """(actions, observations) of all samples."""
        seen, acted = asked_with(self._source, self._reading)
        actions = self._whole(acted)
        others = [whole for whole in map(self._whole_array, seen) if whole is not None]
        if actions is not None:
            others = [one for one in others if ast.dump(one.node) != ast.dump(actions.node)]
        elif len(others) > 1:
            actions = next((one for one in others if self._are_choices(one)), others[1])
            others = [one for one in others if one is not actions]
        return actions, others[0] if others else None

    def _whole_array(self, bit: Bit) -> Bit | None:
        whole = self._whole(bit)
        if whole is None or (self._taken is None and self._living.scopes and self._living.array(whole) is None):
            return None
        return whole

    def _are_choices(self, bit: Bit) -> bool:
        array = self._living.array(bit)
        return array is not None and array.dtype.kind in "iu"

    def _by_steps(self, whole: Bit, *, wide: bool = False) -> str:
        """[M, N] of an array of all samples, or [M, N, …]."""
        rows = self._rows
        found = rows_in(self._source, self._living, whole, self._place, rows.layout) if rows else None
        if found is not None and rows is not None and (found.by_environment == rows.by_environment or 1 in rows.layout):
            return self._source.words(found.node)
        words = self._source.words(whole.node)
        array = self._living.array(whole)
        return self._reshaped(words, f", *{words}.shape[1:]" if wide and (array is None or array.ndim > 1) else "")

    def _reshaped(self, words: str, more: str = "") -> str:
        rows = self._rows
        if rows is None or rows.layout[1] == 1:
            return f"{words}.reshape(-1, 1{more})"
        width = self._width(rows)
        if rows.by_environment:
            return f"{words}.reshape({width}, -1{more}).swapaxes(0, 1)"
        return f"{words}.reshape(-1, {width}{more})"

    def _width(self, rows: Rows) -> str:
        """N, in the script's words where there are some."""
        node = rows.node
        if is_pure(node):
            return f"{self._source.words(node)}.shape[1]"
        rows_of = node.args[0] if isinstance(node, ast.Call) and node.args else None
        if rows_of is not None and is_pure(rows_of):
            return f"len({self._source.words(rows_of)}[0])"
        if isinstance(rows_of, ast.ListComp) and isinstance(rows_of.elt, ast.Attribute):
            return f"len({self._source.words(rows_of.generators[0].iter)}[0].{rows_of.elt.attr})"
        return str(rows.layout[1])

    def _raw_advantages(self, whole: Bit) -> str:
        """Â as it was before it was normalised."""
        normal = before_it_is_normalised(self._source, whole, self._place)
        if normal is None:
            return self._by_steps(whole)
        inner, statement = normal
        words = self._source.words(inner)
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if not any(is_name(one, words) for one in targets):
            return self._by_steps(Bit(inner, whole.scope))
        name = _free(self._source, f"raw_{words}")
        self._pieces.append(Piece(statement.lineno, False, [f"{name} = {words}"]))
        return self._reshaped(name)

    def _collected_as(self, name: str) -> str | None:
        """What is added up step by step, where it has the rollout's layout."""
        bit: Bit | None = getattr(self._collected, name)
        if bit is None:
            return None
        node = self._source.carried(bit, self._place.scope, self._place.first.lineno)
        if node is None or not self._names_known(node):
            return None
        whole = Bit(node, self._place.scope)
        array = self._living.array(whole)
        if array is None or self._is_made_within(node):
            return None
        layout, count = self._layout()
        words, is_list = self._source.words(node), self._is_list(whole)
        if is_list:
            words = self._laid(words, array)
        if array.ndim == 2 and array.shape == layout:
            return words
        if layout[1] == 1 and array.shape == (count,):
            return f"{words}.reshape(-1, 1)"
        return None

    def _layout(self) -> tuple[tuple[int, int], int]:
        if self._rows is not None:
            return self._rows.layout, self._rows.layout[0] * self._rows.layout[1]
        whole = self._whole(self._reading.old_log_prob)
        array = None if whole is None else self._living.array(whole)
        count = -1 if array is None else array.size
        return (count, 1), count

    def _is_list(self, bit: Bit) -> bool:
        try:
            return isinstance(self._living.value(bit), list | tuple)
        except Exception:
            return False

    def _laid(self, words: str, array: NDArray[Any]) -> str:
        known = "torch" if self._has("torch") else "np"
        if array.ndim > 1:
            return f"{known}.stack({words})"
        return f"torch.tensor({words})" if known == "torch" else f"np.array({words})"

    def _has(self, name: str) -> bool:
        return bool(self._source.definitions(name, self._source.tree))

    def _names_known(self, node: ast.expr) -> bool:
        """Whether the file has what we have written into it."""
        return called(node, "logical_or") is None or self._has("np")

    def _ends(self) -> dict[str, str | None]:
        """`dones`, and `truncated` where terminated steps are told apart."""
        ends, over = self._collected_as("ends"), self._collected_as("terminated")
        if ends is None:
            return {} if over is None else {"dones": over}
        found: dict[str, str | None] = {"dones": ends}
        if over is not None:
            arrays = [self._living.array(one) for one in (self._collected.ends, self._collected.terminated) if one]
            sign = "^" if any(one is not None and one.dtype.kind == "b" for one in arrays) else "-"
            found["truncated"] = f"{ends} {sign} {over}"
        return found

    def _learning_rate(self) -> str | None:
        """α, of the optimizer that makes the step."""
        inner = self._inner()
        scope = self._source.scope_of(inner)
        for node in ast.walk(scope):
            if isinstance(node, ast.Call) and called(node, "step") and not node.args and node.lineno >= inner.lineno:
                assert isinstance(node.func, ast.Attribute)
                words = self._there(Bit(node.func.value, scope)) if is_pure(node.func.value) else None
                return None if words is None else f'{words}.param_groups[0]["lr"]'
        return None

    # A minibatch

    def _inner(self) -> ast.stmt:
        """Before it a minibatch is told."""
        reading, source = self._reading, self._source
        call = reading.backward
        if call is None:
            return reading.policy
        other = reading.value_backward
        if other is not None and other is not call and reading.value is not None:
            scope = source.scope_of(call)
            if reading.value.scope is not scope and self._is_beside(call, other):
                return source.statement_of(other)
        return source.statement_of(call)

    def _is_beside(self, one: ast.Call, other: ast.Call) -> bool:
        """Whether they are of the same minibatch."""
        source = self._source
        return source.scope_of(one) is source.scope_of(other) and (
            source.loops_around(one) == source.loops_around(other)
        )

    def _minibatch(self) -> Piece:
        reading, source = self._reading, self._source
        inner = self._inner()
        after = reading.backward is None
        scope = source.scope_of(inner)
        call, other = reading.backward, reading.value_backward
        apart = call is not None and other is not None and call is not other and not self._is_beside(call, other)
        told: dict[str, Bit | None] = {
            "log_prob": reading.log_prob,
            "advantages": reading.used,
            "values": None if apart else reading.value,
            "entropy": reading.entropy,
            **{
                name: bit
                for name, bit in reading.losses.items()
                if not (apart and name == "value_loss") and not (name == "loss" and call is not other and other)
            },
        }
        given = {"samples": self._samples(scope, inner)}
        for name, bit in told.items():
            if bit is None:
                continue
            if bit.scope is scope:
                line = inner.lineno + (1 if after else 0)
                words = self._at(bit, line, only_there=name.endswith("loss"))
                if words is not None:
                    given[name] = words + self._flat(name, bit)
            elif name != "loss":
                place = self._leaving(bit.scope)
                words = self._at(bit, place)
                if words is not None:
                    self._told.setdefault((place, bit.scope), {})[name] = words + self._flat(name, bit)
        for name in ("log_prob", "advantages"):
            if name not in given and not any(name in told for told in self._told.values()):
                given[name] = f"{TO_FILL_IN}[B], " + ("log π" if name == "log_prob" else "Â as the loss uses it")
        if apart and other is not None:
            given["values"] = f"...  # V is trained by itself, at line {other.lineno}"
        more = [f"**{self._told_name}"] if self._told else []
        return Piece(
            inner.end_lineno or inner.lineno if after else inner.lineno,
            after,
            _call(f"{self._scope_name}.minibatch", {name: one for name, one in given.items() if one}, more),
        )

    def _samples(self, scope: Scope, inner: ast.stmt) -> str | None:
        found: Taken | None = self._taken
        if found is None:
            words = self._at(self._reading.log_prob, inner.lineno) if self._reading.log_prob.scope is scope else None
            if words is not None:
                return f"range(len({words}))"
            whole = self._whole(self._reading.old_log_prob)
            there = None if whole is None else self._source.carried(whole, scope, inner.lineno)
            return (
                f"{TO_FILL_IN}range(S), all of S samples"
                if there is None
                else f"range(len({self._source.words(there)}))"
            )
        index = self._source.words(found.by)
        if isinstance(found.by, ast.Slice):
            index = f"range(len({self._source.words(found.whole.node)}))[{index}]"
        once = inside = index if index.isidentifier() else f"({index})"
        if found.scope is not scope:
            statement = self._source.statement_of(found.by)
            self._told.setdefault((statement.lineno, found.scope), {})["samples"] = index
            inside = _free(self._source, "index")
            once = f'({inside} := {self._told_name}.pop("samples"))'
        rows = self._rows_of_log_probs()
        if rows is not None and rows.by_environment:
            node = rows.node
            steps = f"{self._source.words(node)}.shape[0]" if is_pure(node) else str(rows.layout[0])
            return f"{once} % {steps} * {self._width(rows)} + {inside} // {steps}"
        return index if found.scope is scope else None

    def _rows_of_log_probs(self) -> Rows | None:
        whole = self._whole(self._reading.old_log_prob)
        return None if whole is None else rows_in(self._source, self._living, whole, self._place)

    def _leaving(self, scope: Scope) -> int:
        """The line at whose beginning all of a function is known."""
        own = [
            one
            for one in ast.walk(scope)
            if isinstance(one, ast.Return | ast.Yield) and self._source.scope_of(one) is scope
        ]
        return self._source.statement_of(own[-1]).lineno if own else scope.body[-1].lineno

    def _flat(self, name: str, bit: Bit) -> str:
        """What makes [B] of it, where that is needed."""
        if name.endswith("loss"):
            return ""
        array = self._living.array(bit)
        if array is not None:
            return "" if array.ndim == 1 else ".flatten()"
        bare = isinstance(bit.node, ast.Call) and called(bit.node, *FLAT) is None
        return ".flatten()" if name == "values" and bare else ""

    def _at(self, bit: Bit, line: int, *, only_there: bool = False) -> str | None:
        """As it is called at a line of its own function; what its names are, where those come later, unless it is
        wanted only as it is there.
        """
        for _ in range(4):
            node, scope = bit.node, bit.scope
            names = [one for one in ast.walk(node) if isinstance(one, ast.Name)]
            later = [
                one
                for one in names
                if self._source.binder(one.id, scope) is scope
                and one.id not in parameters(scope)
                and not self._source.is_there(one.id, scope, line)
            ]
            if not later:
                return self._source.words(node)
            before = self._source.origin(bit)
            if only_there or not isinstance(node, ast.Name) or before is None or before.scope is not scope:
                return None
            bit = before
        return None


def _free(source: Source, name: str) -> str:
    """A name that the file has for nothing else."""
    taken = {one.id for one in source.nodes if isinstance(one, ast.Name)}
    taken |= {one.arg for one in source.nodes if isinstance(one, ast.arg)}
    while name in taken:
        name += "_"
    return name


def _in(code: Sequence[str]) -> list[str]:
    return ["    " + one for one in code]


def _call(name: str, given: Mapping[str, str | None], more: Sequence[str] = ()) -> list[str]:
    """Of a function, an argument a line."""
    lines = [_argument(key, value) for key, value in given.items() if value is not None]
    return [f"{name}(", *lines, *(f"    {one}," for one in more), ")"]


def _argument(key: str, value: str) -> str:
    """A comment, where it may be left out."""
    if value.startswith("...  # "):
        return f"    # {key}=…: {value.removeprefix('...  # ')}"
    return f"    {key}={value}" if ",  # " in value else f"    {key}={value},"
