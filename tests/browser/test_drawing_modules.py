"""What charts are drawn with, as pure modules: scales, ranges, curves, the clip mask's cells."""

import pytest

# --- ui/scale.js

LOG = "{ slider: [1e-5, 1e-2], scale: 'log', minimum: 0, maximum: 1, step: null }"
LINEAR = "{ slider: null, scale: 'linear', minimum: 0, maximum: 1, step: 0.01 }"


def test_a_logarithmic_slider_reaches_both_ends_and_comes_back_to_where_it_was(modules):
    found = modules(
        "ui/scale.js",
        f"const s = m.scaleOf({LOG});"
        " return { low: s.value(s.minimum), high: s.value(s.maximum), below: s.position(1e-9),"
        " above: s.position(5), top: s.maximum,"
        " back: Array.from({ length: s.maximum + 1 }, (_, p) => s.position(s.value(p)) - p) };",
    )
    assert (found["low"], found["high"]) == (1e-5, 1e-2)
    assert (found["below"], found["above"]) == (0, found["top"])
    assert set(found["back"]) == {0}


def test_a_linear_slider_gives_numbers_that_somebody_would_choose(modules):
    found = modules(
        "ui/scale.js",
        f"const s = m.scaleOf({LINEAR}); return [s.value(0.1 + 0.2), s.position(-1), s.position(7), s.position(0.25)];",
    )
    assert found == [0.3, 0, 1, 0.25]


# --- draw/ranges.js


def test_a_steady_range_stays_until_the_data_leave_it_and_then_has_room_ahead(modules):
    found = modules(
        "draw/ranges.js",
        "const r = new m.SteadyRange(); const first = r.fit(0, 9); const same = r.fit(0, 7) === first;"
        " const next = r.fit(0, 11); return [first, same, next, r.fit(NaN, NaN) === next];",
    )
    first, same, following, kept = found
    assert first == [0, 10] and same and kept
    assert following[0] == 0 and following[1] > 11


def test_a_range_that_became_too_large_is_given_up_after_its_patience(modules):
    found = modules(
        "draw/ranges.js",
        "const r = new m.SteadyRange(); r.fit(0, 100); const held = r.fit(0, 1, 3)[1]; r.fit(0, 1, 3);"
        " const more = [r.fit(0, 1, 3), r.fit(0, 1, 3), r.fit(0, 1, 3)].at(-1)[1]; return [held, more];",
    )
    assert found == [100, 1]


def test_ranges_of_nothing_and_of_one_value_can_be_drawn(modules):
    found = modules(
        "draw/ranges.js",
        "const of = (...a) => new m.SteadyRange().fit(...a);"
        " return [of(NaN, 1), of(5, 5), of(0, 0), m.extent([], [NaN]).map(String), m.extent([3, NaN, -2], [7])];",
    )
    nothing, one, zero, empty, both = found
    assert nothing == [0, 1]
    assert one[0] <= 5 <= one[1] and one[0] < one[1]
    assert zero[0] <= 0 <= zero[1] and zero[0] < zero[1]
    assert empty == ["Infinity", "-Infinity"]
    assert both == [-2, 7]


def test_round_numbers(modules):
    assert modules("draw/ranges.js", "[0.003, 1, 1.1, 40, 99].map(m.roundUp)") == pytest.approx([0.005, 1, 2, 50, 100])


# --- draw/curves.js


def test_a_thinned_curve_keeps_its_peaks(modules):
    found = modules(
        "draw/curves.js",
        "const x = Array.from({ length: 4000 }, (_, i) => i); const y = x.map(() => 0); y[1234] = 9; y[2345] = -7;"
        " const t = m.thin(x, y, 100); return [t.x.length, Math.max(...t.y), Math.min(...t.y), t.x[t.y.indexOf(9)],"
        " t.x.every((v, i) => !i || v > t.x[i - 1])];",
    )
    points, top, bottom, where, ascending = found
    assert points <= 200
    assert (top, bottom, where, ascending) == (9, -7, 1234, True)


def test_a_short_curve_is_left_as_it_is_and_gaps_stay_gaps(modules):
    found = modules(
        "draw/curves.js",
        "const t = m.thin([1, 2, 3], [5, NaN, 6]); const all = m.thin([1, 2], [NaN, NaN]);"
        " return [t.x, t.y.map(String), all.y.map(String), m.thin([], []), m.stairs({ x: [], y: [] })];",
    )
    assert found[:3] == [[1, 2, 3], ["5", "NaN", "6"], ["NaN", "NaN"]]
    assert found[3] == found[4] == {"x": [], "y": []}


def test_the_outline_of_a_histogram_and_how_far_it_reaches(modules):
    found = modules(
        "draw/curves.js", "[m.outline([1, 3], -1, 1), m.reach([0, 0, 5, 0], 2), m.reach([0, 0], 1), m.reach([], 1)]"
    )
    assert found[0] == {"x": [-1.5, -0.5, 0.5, 1.5], "y": [0, 1, 3, 0]}
    assert found[1:] == [1, 0, 0]


def test_the_signed_logarithm_is_odd_and_its_ticks_are_round_and_apart(modules):
    found = modules(
        "draw/curves.js",
        "const { to, from, ticks } = m.signedLog; const range = [to(-0.5), to(900)];"
        " const t = ticks(range, { length: 120 });"
        " return [to(0), to(3) + to(-3), from(to(-7)), t.ticktext,"
        " t.tickvals.every((at) => at >= range[0] && at <= range[1])];",
    )
    zero, odd, back, texts, inside = found
    assert (zero, odd, inside) == (0, 0, True)
    assert back == pytest.approx(-7)
    assert "0" in texts and "100" in texts


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (-1e3, 2e20, ["0", "10⁵", "10¹²", "10¹⁹"]),
        (-4e-4, 0, ["−0.0004", "−0.0002", "0"]),
    ],
)
def test_the_signed_logarithm_has_ticks_for_numbers_of_every_size(modules, low, high, texts):
    found = modules(
        "draw/curves.js",
        f"const s = m.signedLog; return s.ticks([s.to({low}), s.to({high})], {{ length: 80 }}).ticktext;",
    )
    assert set(texts) <= set(found)


# --- panels/mask/layout.js


def layout(modules, width, height, rows, columns, total, look):
    arranged = f"const l = m.arrange({{ width: {width}, height: {height}, ratio: 1 }}, {rows}, {columns}, {total});"
    return modules("panels/mask/layout.js", f"{arranged} return {look};")


@pytest.mark.parametrize("size", [(360, 240, 8, 128), (240, 200, 2, 2048), (900, 500, 1, 16), (300, 180, 64, 128)])
def test_the_middle_of_every_cell_is_that_cell(modules, size):
    width, height, rows, columns = size
    wrong = layout(
        modules,
        width,
        height,
        rows,
        columns,
        rows,
        "Array.from({ length: l.rows * l.columns }, (_, i) => i)"
        ".map((i) => ({ row: Math.floor(i / l.columns), column: i % l.columns }))"
        ".filter((c) => { const b = l.place(c); const f = l.at(b.x + b.width / 2, b.y + b.height / 2);"
        " return !f || f.row !== c.row || f.column !== c.column; }).length",
    )
    assert wrong == 0


def test_rows_that_do_not_fit_are_left_out_and_long_ones_go_on_in_further_lines(modules):
    found = layout(modules, 360, 140, 64, 128, 64, "[l.rows, l.total, l.linesPerRow]")
    assert found[0] < 64 and found[1:] == [64, 1]
    per_line, lines = layout(modules, 300, 240, 2, 2048, 8, "[l.perLine, l.linesPerRow]")
    assert per_line < 2048 and per_line % 16 == 0 and lines == -(-2048 // per_line)


def test_a_point_outside_of_the_mask_is_no_sample(modules):
    assert (
        layout(modules, 360, 240, 8, 128, 8, "[l.at(0, 0), l.at(359, 239), l.at(l.left - 2, l.top + 2)]") == [None] * 3
    )
