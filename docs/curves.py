"""Draws how the return of each preset rises, from what `docs/recordings.py` has noted.

`python -m docs.curves` writes `docs/curves/*.svg`; nothing is trained for it. The pictures bring their own background,
light or dark as the reader's system asks, so that they are legible on any page.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CURVES = Path(__file__).parent / "curves"
WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 40, 44
STYLE = """\
  .paper { fill: #ffffff } text { fill: #3d444d; font: 13px system-ui, sans-serif } .grid { stroke: #e4e6e9 }
  .spread { fill: #0069a8; opacity: .16 } .mean { fill: none; stroke: #0069a8; stroke-width: 2 }
  .range { stroke: #a12b7b; opacity: .55; stroke-width: 3 } .evaluated { fill: #a12b7b }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #1c2026 } text { fill: #c6cdd6 } .grid { stroke: #333a44 } .spread { fill: #5cb8ee; opacity: .2 }
    .mean { stroke: #5cb8ee } .range { stroke: #ec86c8 } .evaluated { fill: #ec86c8 }
  }"""

Recording = dict[str, Any]
"""As `docs/recordings.py` writes it."""


def recordings() -> dict[str, Recording]:
    """By the names of their presets, as far as there are any."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(CURVES.glob("*.json"))}


def in_words(recording: Recording) -> str:
    """What a reader can expect: after how many steps how much of the rise is there, and where it ends."""
    training, evaluation = recording["training"], recording["evaluation"]
    first, last, best = training[0][1], training[-1][1], max(training, key=lambda row: row[1])
    words = [f"The mean return begins at {_number(first)}"]
    rise = best[1] - first
    for share, name in ((0.5, "half of its rise is made"), (0.9, "nine tenths of it")):
        after = next(row[0] for row in training if row[1] >= first + share * rise)
        words.append(f"{name} after {_steps(after)} steps" if rise > 0.05 * abs(first) else "")
    words.append(f"it ends at {_number(last)} after {_steps(training[-1][0])}")
    _, mean, low, high = evaluation[-1]
    spread = f" ({_number(low)} to {_number(high)})" if low != high else ""
    told = ", ".join(word for word in words[:-1] if word) + f"; {words[-1]}."
    return f"{told} Without chance: {_number(mean)}{spread} at the end."


def svg(recording: Recording) -> str:
    """The curve of a recording, as a document."""
    training, evaluation = recording["training"], recording["evaluation"]
    values = [value for _, *three in (*training, *evaluation) for value in three]
    low, high, step = _scale(min(values), max(values))
    end = training[-1][0]

    def x(steps: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * steps / end, 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low), 1)

    spread = [(x(row[0]), y(row[3])) for row in training] + [(x(row[0]), y(row[2])) for row in reversed(training)]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>Return of the preset {recording['preset']} over its steps</title>",
        f"<style>\n{STYLE}\n</style>",
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}" rx="8"/>',
        *_legend(),
        *(_row(y(value), _number(value)) for value in _marks(low, high, step)),
        *(_column(x(steps), _steps(steps)) for steps in _marks(0, end, _scale(0, end)[2])),
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">environment steps</text>',
        f'<polygon class="spread" points="{_points(spread)}"/>',
        f'<polyline class="mean" points="{_points((x(row[0]), y(row[1])) for row in training)}"/>',
    ]
    for steps, mean, lowest, highest in evaluation:
        at = x(steps)
        lines.append(f'<line class="range" x1="{at}" x2="{at}" y1="{y(lowest)}" y2="{y(highest)}"/>')
        lines.append(_triangle(at, y(mean)))
    return "\n".join([*lines, "</svg>", ""])


def _legend() -> list[str]:
    return [
        f'<line class="mean" x1="{LEFT}" x2="{LEFT + 22}" y1="20" y2="20"/>',
        f'<text x="{LEFT + 28}" y="24">training, mean of 100 episodes</text>',
        f'<rect class="spread" x="{LEFT + 244}" y="12" width="22" height="16"/>',
        f'<text x="{LEFT + 272}" y="24">eight of ten of them</text>',
        f'<line class="range" x1="{LEFT + 424}" x2="{LEFT + 424}" y1="12" y2="28"/>',
        _triangle(LEFT + 424, 20),
        f'<text x="{LEFT + 434}" y="24">without chance: mean and range</text>',
    ]


def _row(y: float, text: str) -> str:
    grid = f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
    return f'{grid}<text x="{LEFT - 8}" y="{round(y + 4.5, 1)}" text-anchor="end">{text}</text>'


def _column(x: float, text: str) -> str:
    anchor = "end" if x > WIDTH - RIGHT - 30 else "middle"
    return f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="{anchor}">{text}</text>'


def _triangle(x: float, y: float) -> str:
    return f'<polygon class="evaluated" points="{_points([(x - 4, y + 3), (x + 4, y + 3), (x, y - 5)])}"/>'


def _points(points: Any) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _scale(low: float, high: float) -> tuple[float, float, float]:
    """(from, to, distance of the marks): round numbers, about five of them."""
    width = (high - low) or 1.0
    rough = width / 6
    size = 10 ** math.floor(math.log10(rough))
    step = size * next(factor for factor in (1, 2, 5, 10) if factor * size >= rough)
    return math.floor(low / step) * step, math.ceil(high / step) * step, step


def _marks(low: float, high: float, step: float) -> Iterator[float]:
    for number in range(round((high - low) // step) + 1):
        yield low + number * step


def _number(value: float) -> str:
    digits = 0 if abs(value) >= 100 or value == round(value) else 1
    return f"{value:,.{digits}f}".replace("-", "−")


def _steps(steps: float) -> str:
    return f"{float(f'{steps:.2g}'):,.0f}"


if __name__ == "__main__":
    for name, recording in recordings().items():
        (CURVES / f"{name}.svg").write_text(svg(recording), encoding="utf-8")
