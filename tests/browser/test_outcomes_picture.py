"""The picture of an update made twice: where bars and bands lie, read off by the picture's own ticks."""

import itertools

import numpy as np
import pytest

LIMIT = np.log(2)  # four bins: from 1/2 over 1 to 2
OLD = {"inside": [0, 30, 50, 0], "held": [10, 0, 0, 5], "pulledBack": [0, 5, 0, 0]}
NEW = {"inside": [0, 40, 60, 0]}
COLOURS = {"inside": "#00ff00", "held": "#ff0000", "pulledBack": "#0000ff", "clip": "#ffff00"}

PAINT = """
    const [frame, colours, seen] = [given.frame, given.colours, []];
    const width = given.width ?? 800;
    const pen = new OffscreenCanvas(width, 400).getContext("2d");
    pen.fillRect = (x, y, width, height) => void seen.push({ fill: pen.fillStyle, x, y, width, height });
    const longOf = (text) => pen.measureText(text).width;
    pen.fillText = (text, x, y) => void seen.push({ text, x, y, align: pen.textAlign, long: longOf(text) });
    pen.moveTo = (x, y) => void seen.push({ stroke: pen.strokeStyle, x, y });
    pen.lineTo = (x, y) => Object.assign(seen.at(-1), { toX: x, toY: y });
    const element = { dataset: {} };
    const canvas = { pen, ratio: 1, width, height: 400, element, fit() {}, hatching: () => "black" };
    const plain = { ink: "#111111", inkSoft: "#222222", panel: "#ffffff", line: "#333333", grid: "#444444" };
    frame.arrays = Object.fromEntries(Object.entries(frame.arrays).map(([name, all]) => [name, new Uint32Array(all)]));
    m.paintOutcomes(canvas, m.outcomesOf(frame), { ...plain, ...colours, font: "serif", scale: 1 });
    return seen;
"""


def frame(**more):
    """Of an update with ε = 0.2, made again with 0.5."""
    regions = ("inside", "held", "pulledBack", "unheld", "unknown")
    arrays = {
        f"{which}_ratio_counts": [n for region in regions for n in counts.get(region, [0] * 4)]
        for which, counts in (("old", OLD), ("new", NEW))
    }
    settings = {which: {"objective": "clip", "clip_range": at, **more} for which, at in (("old", 0.2), ("new", 0.5))}
    header = {"settings": settings, "scalars": {"old_ratio_limit": LIMIT, "new_ratio_limit": LIMIT}}
    return {"header": header, "arrays": arrays}


@pytest.fixture(scope="module")
def painted(modules):
    """Everything that is painted of the old outcome and of the new one."""
    seen = modules("compare/outcomes.js", PAINT, {"frame": frame(), "colours": COLOURS})
    return [[one for one in seen if (one["x"] >= 400) == new] for new in (False, True)]


class Picture:
    """One of the two, measured by its ticks: r on a logarithmic axis, shares on one of square roots."""

    def __init__(self, seen):
        ticks = {one["text"]: one for one in seen if "text" in one}
        half, double, twenty, fifty = (ticks[text] for text in ("0.5", "2", "20%", "50%"))
        self._x = np.polyfit([half["x"], double["x"]], np.log([0.5, 2]), 1)
        self._y = np.polyfit([twenty["y"], fifty["y"]], np.sqrt([0.2, 0.5]), 1)
        self._seen = seen

    def r(self, x):
        return float(np.exp(np.polyval(self._x, x)))

    def share(self, y):
        """Of the samples; 0 at the axis."""
        return float(np.polyval(self._y, y) ** 2)

    def bars(self, region):
        """(r at the left, share at the foot, share at the top) of its bars."""
        mine = [one for one in self._seen if one.get("fill") == COLOURS[region] and one["height"] != 10]
        return [(self.r(one["x"]), self.share(one["y"] + one["height"]), self.share(one["y"])) for one in mine]

    def edges(self):
        """Where the band's lines stand."""
        return [self.r(one["x"]) for one in self._seen if one.get("stroke") == COLOURS["clip"]]

    def band(self):
        (one,) = [one for one in self._seen if one.get("fill", "").startswith("rgba(255, 255, 0")]
        return self.r(one["x"]), self.r(one["x"] + one["width"])


def test_bars_stand_at_their_bins_and_on_each_other(painted):
    old, new = map(Picture, painted)
    root = 2**0.5
    assert old.bars("inside") == [pytest.approx(bar, abs=1e-6) for bar in ((1 / root, 0, 0.3), (1, 0, 0.5))]
    assert old.bars("held") == [pytest.approx(bar, abs=1e-6) for bar in ((0.5, 0, 0.1), (root, 0, 0.05))]
    assert old.bars("pulledBack") == [pytest.approx((1 / root, 0.3, 0.35), abs=1e-6)]
    assert new.bars("inside") == [pytest.approx(bar, abs=1e-6) for bar in ((1 / root, 0, 0.4), (1, 0, 0.6))]
    assert new.bars("held") == new.bars("pulledBack") == []


def test_each_has_the_band_of_its_own_clip_range(painted):
    for seen, clip_range in zip(painted, (0.2, 0.5), strict=True):
        edges = pytest.approx((1 - clip_range, 1 + clip_range))
        assert Picture(seen).band() == edges
        assert tuple(Picture(seen).edges()) == edges


@pytest.mark.parametrize("width", [300, 340, 420, 700])
@pytest.mark.parametrize("more", [{}, {"clip_range_high": 0.28, "ratio_cap": 3.0}], ids=str)
def test_what_stands_over_a_picture_is_whole_however_narrow_it_is(modules, width, more):
    seen = modules("compare/outcomes.js", PAINT, {"frame": frame(**more), "colours": COLOURS, "width": width})
    half = (width - 18) / 2
    above = [one for one in seen if one.get("align") == "left"]
    said = " ".join(one["text"] for one in above)
    for words in ("r as it was, ε = 0.2", "r with the change, ε = 0.5", *(["c = 3"] if more else [])):
        assert words in said
    for one in above:
        left = 0 if one["x"] < half else half + 18
        assert one["x"] + one["long"] <= left + half + 1, one["text"]
    places = sorted((one["x"] >= half, one["y"], one["x"], one["long"]) for one in above)
    for (side, y, x, long), (next_side, next_y, next_x, _) in itertools.pairwise(places):
        assert side != next_side or next_y >= y + 17 or next_x >= x + long, "one lies on another"


def test_the_smallest_and_largest_r_of_an_outcome_are_those_of_the_samples_that_are_counted(modules):
    told = frame()
    ends = {"old_ratio_counted_min": 0.8, "old_ratio_counted_max": 1.3}
    told["header"]["scalars"] |= {**ends, "old_final_ratio_min": 0.5, "old_final_ratio_max": 2.0}
    told["header"]["scalars"] |= {"new_final_ratio_min": 0.6, "new_final_ratio_max": 1.7}
    assert modules("compare/outcomes.js", "m.outcomesOf(given).map((one) => one.extremes)", told) == [
        [0.8, 1.3],
        [0.6, 1.7],  # of a recording that does not know them
    ]
