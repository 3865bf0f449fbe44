"""Numbers on axes, whole at every size: ticks, margins, names of bars and layers, as pure functions of the page."""

import itertools

import pytest

AXIS = "draw/axis.js"
EVERY_SIZE = [
    (-1.5e7, 0, "number"),
    (-2.7e6, -2.6e6, "number"),
    (-1e-8, 3e-8, "number"),
    (0, 1e-300, "number"),
    (-1e300, 1e300, "number"),
    (0, 1, "number"),
    (-0.3, 0.7, "number"),
    (12_000, 12_004, "number"),
    (0, 3, "count"),
    (0, 2_000_000, "count"),
    (0, 1e-4, "share"),
    (0, 1, "share"),
]


def ticks(modules, low, high, kind, length, more=""):
    """Of an axis whose labels take 7 pixels a character."""
    room = f"{{ length: {length}, each: (text) => 7 * text.length, between: 8{more} }}"
    return modules(AXIS, f"m.ticksIn([{low}, {high}], {room}, 6, '{kind}')")


def value(text):
    """The number that a label says."""
    digits = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻−", "0123456789--")
    share = text.endswith("%")
    mantissa, _, power = text.rstrip("%").replace(",", "").translate(digits).partition("×10")
    return float(mantissa) * 10.0 ** int(power or 0) / (100 if share else 1)


@pytest.mark.parametrize("length", [40, 120, 400, 3000])
@pytest.mark.parametrize(("low", "high", "kind"), EVERY_SIZE)
def test_a_tick_says_its_number_and_no_two_touch(modules, low, high, kind, length):
    found = ticks(modules, low, high, kind, length)
    places, texts = found["tickvals"], found["ticktext"]
    assert len(places) == len(texts) >= (2 if length >= 400 else 0)
    span = high - low
    for at, text in zip(places, texts, strict=True):
        assert value(text) == pytest.approx(at, rel=1e-9, abs=1e-9 * span)
        assert low - 1e-6 * span <= at <= high + 1e-6 * span
    for (one, left), (other, right) in itertools.pairwise(zip(places, texts, strict=True)):
        assert (other - one) / span * length >= 3.5 * (len(left) + len(right)) + 8 - 1e-6


@pytest.mark.parametrize(
    ("low", "high", "kind", "texts"),
    [
        (-1.5e7, 0, "number", ["−1.5×10⁷", "−1.0×10⁷", "−0.5×10⁷", "0"]),
        (0, 40_000, "number", ["0", "10,000", "20,000", "30,000", "40,000"]),
        (0, 3_000_000, "count", ["0", "1,000,000", "2,000,000", "3,000,000"]),
        (0, 4e-9, "number", ["0", "1×10⁻⁹", "2×10⁻⁹", "3×10⁻⁹", "4×10⁻⁹"]),
        (-1, 1, "number", ["−1.0", "−0.5", "0", "0.5", "1.0"]),
        (0, 2e-4, "share", ["0%", "0.005%", "0.010%", "0.015%", "0.020%"]),
        (0, 0.2, "share", ["0%", "5%", "10%", "15%", "20%"]),
        (0, 2, "count", ["0", "1", "2"]),
    ],
)
def test_labels_of_an_axis_are_in_one_style(modules, low, high, kind, texts):
    assert ticks(modules, low, high, kind, 400)["ticktext"] == texts


def test_a_label_without_room_at_the_end_is_left_out_and_two_are_found_farther_inside(modules):
    cut = ", before: 2, after: 2"
    assert ticks(modules, 0, 1, "number", 200, cut)["ticktext"] == ["0.2", "0.4", "0.6", "0.8"]
    found = ticks(modules, -2.5e6, 2.5e6, "number", 130, cut)
    assert found["ticktext"] == ["−1×10⁶", "1×10⁶"]


def test_nothing_is_said_of_a_range_that_is_none(modules):
    for low, high in ((1, 1), (2, 1), ("NaN", 1), (0, "Infinity")):
        assert ticks(modules, low, high, "number", 300) == {"tickvals": [], "ticktext": []}


# --- draw/fit.js

MEASURE = "(text) => 7 * text.length"


def fitted(modules, layout, width=300, height=200):
    margin = "margin: { l: 38, r: 10, t: 8, b: 36 }"
    return modules("draw/fit.js", f"m.fit({{ {margin}, {layout} }}, {width}, {height}, {MEASURE})")


def test_the_margin_holds_the_widest_label_and_the_title(modules):
    small = fitted(modules, "xaxis: { range: [0, 1] }, yaxis: { range: [0, 1] }")
    assert small["margin"]["l"] == 38
    large = fitted(modules, "xaxis: { range: [0, 1] }, yaxis: { range: [-1.5e7, 0], title: { text: 'return' } }")
    assert large["margin"]["l"] >= 7 * len("−1.5×10⁷") + 20
    right = fitted(modules, "yaxis: { range: [0, 1] }, yaxis2: { range: [0, 1e-9], side: 'right', overlaying: 'y' }")
    assert right["margin"]["r"] >= 7 * len("0.2×10⁻⁹")


def test_drawings_beside_each_other_give_way_to_the_labels_between_them(modules):
    axes = (
        "xaxis: { range: [0, 1], domain: [0, 0.46] }, xaxis2: { range: [0, 1], domain: [0.5, 1], anchor: 'y2' },"
        " yaxis: { range: [0, 1] }, yaxis2: { range: [-1e-6, 1e-6], anchor: 'x2' }"
    )
    found = fitted(modules, axes)
    left, right = found["domains"]["xaxis"], found["domains"]["xaxis2"]
    width = 300 - found["margin"]["l"] - found["margin"]["r"]
    widest = max(len(text) for text in found["ticks"]["yaxis2"]["ticktext"])
    assert (right[0] - left[1]) * width >= 7 * widest
    assert fitted(modules, axes.replace("1e-6", "1"), 900)["domains"] == {}


def test_labels_of_drawings_above_each_other_do_not_meet(modules):
    found = fitted(
        modules,
        "xaxis: { range: [0, 9] }, yaxis: { range: [0, 5], domain: [0.54, 1] },"
        " yaxis2: { range: [0, 4], domain: [0, 0.46] }",
        height=140,
    )
    high = 140 - 8 - 36
    places = [(0.54 + 0.46 * at / 5) * high for at in found["ticks"]["yaxis"]["tickvals"]]
    places += [0.46 * at / 4 * high for at in found["ticks"]["yaxis2"]["tickvals"]]
    assert len(places) >= 3
    assert all(other - one >= 15 for one, other in itertools.pairwise(sorted(places)))


def test_of_names_that_an_axis_brings_those_that_come_first_are_kept(modules):
    names = "tickvals: [0, 1, 2, 3], ticktext: ['0·0', '1·20', '2·40', 'selected']"
    found = fitted(modules, f"xaxis: {{ range: [0, 3.5], {names}, first: [3] }}, yaxis: {{ range: [0, 1] }}", width=150)
    assert found["ticks"]["xaxis"]["ticktext"] == ["0·0", "selected"]


# --- ppo/layers.js, panels/policy/bars.js


def names(modules, layers, room):
    made = "given.map((name) => ({ name, short: name.replace(/^(policy|value) /, ''), group: name.split(' ')[0] }))"
    return modules("ppo/layers.js", f"m.namesOf({made}, {room}, {MEASURE})", layers)


def test_names_of_layers_are_whole_or_say_the_network_once(modules):
    few = ["policy 1", "policy head", "value 1", "value head"]
    assert names(modules, few, 60) == [name.replace(" ", "<br>") for name in few]
    many = [f"{net} {layer}" for net in ("policy", "value") for layer in (1, 2, 3, 4, 5, 6, "head")]
    found = names(modules, many, 16)
    assert [name.split("<br>")[-1] for name in found] == [
        *["1", "2", "3", "4", "5", "", "head"],
        *["", "2", "3", "4", "5", "", "head"],
    ]
    assert [name.split("<br>")[0] for name in found if not name.startswith("<br>")].count("policy") == 1


def bar_names(modules, columns, groups, length):
    about = {"columns": columns, "groups": groups}
    chosen = f"m.barNames(given, given.columns.length)([0, 1], {{ length: {length}, measure: {MEASURE} }})"
    return modules("panels/policy/bars.js", chosen, about)["ticktext"]


def test_names_of_actions_are_all_or_every_so_many_or_those_of_their_groups(modules):
    actions = [f"a = {k}" for k in range(200)]
    assert bar_names(modules, actions[:3], [3], 90) == ["0", "1", "2"]
    assert bar_names(modules, actions, [200], 290) == ["0", "20", "40", "60", "80", "100", "120", "140", "160", "180"]
    joints = [f"{symbol}{'₀₁₂₃₄₅₆₇₈₉'[i]}" for symbol in "μσ" for i in range(10)]
    assert bar_names(modules, joints, [10, 10], 120) == ["μ", "σ"]
    assert bar_names(modules, joints, [10, 10], 900) == joints
    choices = [f"{name} = {k}" for name, n in (("a₀", 5), ("a₁", 6)) for k in range(n)]
    assert bar_names(modules, choices, [5, 6], 150) == ["a₀", "a₁"]


def test_bars_have_room_for_fewer_states_the_more_there_are_and_the_selected_one_stays(modules):
    of = "[2, 17, 40, 200].map((bars) => m.roomFor({ bars }, 290))"
    assert modules("panels/policy/bars.js", of) == [23, 2, 1, 1]


def test_groups_of_environments_are_full_and_leave_none_out(modules):
    found = modules(
        "panels/environments.js", "[m.groupsOf(64, 2), m.groupsOf(6, 4), m.groupsOf(4, 4), m.groupsOf(4, 0)]"
    )
    assert len(found[0]) == 32 and found[0][-1] == {"first": 62, "last": 63}
    assert found[1:] == [[{"first": 0, "last": 3}, {"first": 2, "last": 5}], [], []]
