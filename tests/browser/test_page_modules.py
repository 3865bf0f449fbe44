"""The page's pure modules, imported in a real Chromium from a real server: there is no other JavaScript engine."""

import struct

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


# --- state/permission.js


def test_a_run_that_trains_has_something_to_lose_before_its_state_is_told_again(modules):
    """That is said when it changes: of a run at full speed the update in it is the one that the page came at."""
    lost = modules(
        "state/permission.js",
        "const of = newest => { const s = { held: null, newest, status: { state: 'running', update: 0 },"
        " run: { state: 'running', update: 0 } }; return [m.losesTraining(s), m.lossInWords(s)]; };"
        " return [of(null), of({ header: { update: 30 } })];",
    )
    assert lost[0] == [False, ""]
    assert lost[1][0] and "its 30 updates" in lost[1][1]


STEPS = """
const of = (now, rest) => m.whyNotHere({
  role: "controller", connection: { state: "open" }, lease: { holder: true }, held: null, recorded: false,
  comparison: null, run: {}, status: { state: now }, ...rest,
}, "step");
return [null, { sequence: 1 }].map((past) =>
  ["paused", "running", "finished", "kept"].map((now) => of(now, { past }) === null)
    .concat(["paused", "running"].map((now) => of(now, { past, recorded: true }) === null)));
"""


def test_step_is_allowed_wherever_there_is_something_to_step_through(modules):
    """Of a run: paused, running, finished, kept; of a recording: at rest, playing."""
    present, past = modules("state/permission.js", STEPS)
    assert present == [True, False, False, False, False, False]
    assert past == [True, True, True, True, True, False], "a run may go on, or be over: what is kept of it is there"


# --- state/series.js

SERIES = "const s = new m.Series(); const w = (first, ...v) => s.write(first, ['x'], Float64Array.from(v));"


def test_a_series_with_a_gap_says_what_is_missing_until_it_is_there(modules):
    found = modules(
        "state/series.js",
        f"{SERIES} w(1, 10, 20); w(5, 50); const gap = s.missing();"
        " const holes = [...s.column('x')].map(String); w(3, 30, 40);"
        " return [gap, holes, s.missing(), [...s.column('x')], s.last];",
    )
    assert found == [{"from": 3, "to": 4}, ["10", "20", "NaN", "NaN", "50"], None, [10, 20, 30, 40, 50], 5]


def test_a_row_that_is_there_is_not_overwritten_and_one_given_up_is_welcome(modules):
    found = modules(
        "state/series.js",
        f"{SERIES} w(2, 20); s.forgo(1, 1); const asked = s.missing(); const fresh = [...w(1, 10, 99)];"
        " return [asked, fresh, [...s.column('x')]];",
    )
    assert found == [None, [1], [10, 20]]


def test_a_series_grows_beyond_its_first_room_and_starts_again(modules):
    found = modules(
        "state/series.js",
        f"{SERIES} s.extend(1500); w(1501, 7);"
        " const long = [s.length, s.column('x')[1500], s.missing(), s.column('y').length];"
        " s.clear(); return [...long, s.length, s.missing()];",
    )
    assert found == [1501, 7, {"from": 1, "to": 1500}, 0, 0, None]


def test_episodes_of_a_fetched_gap_come_between_those_around_it(modules):
    found = modules(
        "state/series.js",
        "const e = new m.Episodes(); const w = (rows, ...wanted) =>"
        " e.write(['update', 'r'], Float64Array.from(rows.flat()), new Set(wanted));"
        " w([[1, 10]], 1); w([[4, 40], [4, 41]], 4); w([[1, 99], [2, 20], [3, 30]], 2, 3); w([], 5);"
        " return [[...e.column('update')], [...e.column('r')], e.length];",
    )
    assert found == [[1, 2, 3, 4, 4], [10, 20, 30, 40, 41], 5]


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


# --- net/frame.js


def frame(header, payload=b""):
    text = header.encode()
    text += b" " * (-(len(text) + 4) % 8)
    return list(struct.pack("<I", len(text)) + text + payload)


def decode(modules, message, look):
    return modules("net/frame.js", f"const f = m.decode(new Uint8Array(given).buffer); return {look};", message)


def test_a_frame_gives_views_of_its_arrays(modules):
    header = (
        '{"kind": "snapshot", "arrays": {"a": {"dtype": "float32", "shape": [2, 2], "offset": 0},'
        ' "none": {"dtype": "float64", "shape": [0, 4], "offset": 16},'
        ' "b": {"dtype": "uint8", "shape": [3], "offset": 16}}}'
    )
    message = frame(header, struct.pack("<4f", 1, -2, 0.5, 8) + bytes([7, 8, 255]))
    shared = "f.arrays.a.buffer === f.arrays.b.buffer"
    look = f"[f.header.kind, [...f.arrays.a], f.arrays.none.length, [...f.arrays.b], {shared}]"
    assert decode(modules, message, look) == ["snapshot", [1, -2, 0.5, 8], 0, [7, 8, 255], True]


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ('{"arrays": {"a": {"dtype": "float32", "shape": [9], "offset": 0}}}', "RangeError"),
        ('{"arrays": {"a": {"dtype": "complex64", "shape": [0], "offset": 0}}}', "TypeError"),
        ('{"arrays": ', "SyntaxError"),
    ],
)
def test_a_broken_frame_is_refused(modules, header, error):
    name = modules(
        "net/frame.js",
        "try { m.decode(new Uint8Array(given).buffer); return null; } catch (error) { return error.name; }",
        frame(header),
    )
    assert name == error


# --- state/pictures.js

DECODED = """
    const [turns, byDecoder] = given, decoded = [];
    if (!byDecoder) delete globalThis.ImageDecoder;
    const kind = (bitmap) => (bitmap instanceof VideoFrame) === byDecoder && m.sizeOf(bitmap)[0];
    const note = ({ header, bitmap }) => decoded.push([header.sequence, bitmap && kind(bitmap)]);
    const decode = m.createPictureDecoder(note);
    const canvas = new OffscreenCanvas(3, 2);
    canvas.getContext("2d");
    const image = new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer());
    const arrived = (sequence, bytes) => decode({ header: { sequence, mime: "image/png" }, arrays: { image: bytes } });
    for (const turn of turns) {
        for (const [sequence, kind] of turn) arrived(sequence, { whole: image, broken: image.slice(0, 9) }[kind]);
        const last = turn.at(-1)[0];
        for (let look = 0; decoded.at(-1)?.[0] !== last; look++) {
            if (look === 1000) return decoded;
            await new Promise((resolve) => setTimeout(resolve, 5));
        }
    }
    return decoded;
"""


@pytest.mark.parametrize("by_decoder", [True, False])
def test_pictures_that_came_too_fast_are_left_out_and_a_broken_one_harms_no_other(modules, by_decoder):
    turns = [[(1, "whole"), (2, "whole"), (3, "whole")], [(4, "broken")], [(5, "none")], [(6, "whole")]]
    decoded = modules("state/pictures.js", DECODED, [turns, by_decoder])
    assert decoded == [[1, 3], [3, 3], [4, None], [5, None], [6, 3]]


CLOSED = """
    const closed = [];
    const picture = (run, name) => ({ header: { run }, bitmap: { close: () => closed.push(name) } });
    const store = m.createStore({});
    const shown = (...pictures) => pictures.map((one) => store.stage({ picture: one })) && store.commit();
    store.state.run = { id: "here" };
    shown(picture("here", "never painted"), picture("here", "first"));
    shown(picture("here", "second"));
    shown(picture("another", "of another run"));
    const told = [closed.splice(0), store.state.picture.header.run];
    store.stage({ picture: picture("here", "still waiting") });
    store.close();
    shown(picture("here", "decoded too late"));
    return [...told, closed, store.state.picture];
"""


def test_who_lets_go_of_a_picture_closes_it(modules):
    before = ["never painted", "first", "of another run"], "here"
    assert modules("state/store.js", CLOSED) == [*before, ["still waiting", "second", "decoded too late"], None]


# --- settings/setting.js

CHOSEN = """
    const choices = ["clip", "reinforce"];
    const setting = { name: "objective", label: "Objective", type: "choice", choices, default: "clip" };
    const control = m.createSetting(setting, () => {});
    const select = control.element.querySelector("select");
    const own = Object.getOwnPropertyDescriptor(HTMLSelectElement.prototype, "value");
    let written = 0;
    Object.defineProperty(select, "value", {
        get: () => own.get.call(select),
        set: (value) => (written++, own.set.call(select, value)),
    });
    for (const value of given) control.show({ value, note: "", locked: null });
    return [select.value, written];
"""


def test_a_choice_is_written_only_where_it_has_changed(modules):
    given = ["clip", "clip", "reinforce", "reinforce"]
    assert modules("settings/setting.js", CHOSEN, given) == ["reinforce", 1]


# --- state/time-travel.js

SCRUBBED = """
    const done = [], frames = [], arrive = {};
    window.requestAnimationFrame = (callback) => frames.push(callback);
    const some = () => new Promise((resolve) => setTimeout(resolve)); // time for what waits for nothing else
    const state = { run: { id: "one" }, snapshot: null, newest: null, past: null, held: null, scrubbing: false,
        series: { first: 1, column: () => [] } };
    const travel = m.createTimeTravel({ state, touch: () => done.push(`show ${state.snapshot.header.update}`) }, {
        list: async () => [1, 2, 3].map((update) => ({ sequence: update, update, phase: "update" })),
        fetch: (_, update) => (done.push(`fetch ${update}`), new Promise((resolve) => {
            arrive[update] = () => resolve({ header: { update } });
        })),
    });
    travel.goTo(1);
    await some();
    travel.goTo(2);
    travel.goTo(3); // the one before is passed over
    arrive[1]();
    await some();
    arrive[3]();
    await some();
    done.push("frame");
    frames.forEach((callback) => callback());
    await some();
    return done.slice(0, 5);
"""


def test_while_a_moment_is_drawn_the_next_one_is_fetched(modules):
    assert modules("state/time-travel.js", SCRUBBED) == ["fetch 1", "show 1", "fetch 3", "frame", "show 3"]


PLACES = """
    const column = (name) => ({ steps: rows.map((row) => 10 * row), kl_k3: rows.map((row) => row / 100) })[name] ?? [];
    const rows = given.rows;
    window.requestAnimationFrame = (callback) => callback();
    const state = { run: { id: "one" }, snapshot: { header: { update: 4, phase: "update" } }, past: null, held: null,
        newest: { header: { update: 9, phase: "update", sequence: 9, history: given.history ?? [] } },
        changes: [{ update: 6, name: "clip_range", old: 0.2, new: 0.1 }],
        series: { first: 1, columns: ["steps", "kl_k3"], column } };
    const travel = m.createTimeTravel({ state, touch: () => {} }, {
        list: async () => given.kept.map((update) => ({ sequence: update, update, phase: "update" })),
        fetch: async (_, update) => ({ arrays: {}, header: { update, phase: "update", findings: given.findings ?? [],
            scalars: { kl_k3: -1 }, settings: { clip_range: update < 6 ? 0.2 : 0.1 } } }),
    });
    const shown = [];
    for (const [way, ...of] of given.ways) {
        await travel[way](...of);
        const { snapshot: { header, unkept = null }, past } = state;
        shown.push([header.update, unkept && header.scalars.kl_k3, past?.wanted ?? null, header]);
    }
"""
ROWS = [1, 2, 3, 4, 5, 6, 7, 8, 9]


def went(modules, rows, *ways, kept=(1, 3, 4, 9)):
    """Where each of these ways has led: the update, KL if that is its row's, and what was asked for instead."""
    given = {"rows": rows, "kept": kept, "ways": ways}
    return modules("state/time-travel.js", PLACES + "return shown.map((one) => one.slice(0, 3));", given)


def test_an_update_that_is_not_kept_is_gone_to_and_shown_by_its_row(modules):
    assert went(modules, ROWS, ["goTo", 2], ["goTo", 7, True], ["goTo", 3]) == [
        [2, 0.02, None],
        [7, 0.07, None],
        [3, None, None],
    ]


def test_one_update_back_or_on_is_one_update_whatever_is_kept(modules):
    ways = [["back", "update"], ["back", "update"], ["back", "update"], ["forward", "update"], ["forward", "updates"]]
    assert [place[:2] for place in went(modules, ROWS, *ways)] == [
        [3, None],
        [2, 0.02],
        [1, None],
        [2, 0.02],
        [9, None],
    ]
    ways = [["goTo", 7], ["back", "update"], ["back", "phase"], ["forward", "phase"], ["back", "updates"]]
    assert [place[0] for place in went(modules, ROWS, *ways)] == [7, 6, 4, 9, 1]


def test_what_a_pointer_cannot_tell_apart_is_gone_to_where_it_is_kept(modules):
    assert went(modules, ROWS, ["goTo", 5, False, 1], ["goTo", 6, False, 1]) == [[4, None, None], [6, 0.06, None]]


def test_where_there_is_neither_snapshot_nor_row_the_next_is_shown_and_it_is_told_what_was_asked_for(modules):
    """Towards the update; beyond what began in it."""
    assert went(modules, [], ["goTo", 2], ["goTo", 4], ["goTo", 2, True], ["goTo", 3], ["back", "update"]) == [
        [1, None, 2],
        [4, None, None],
        [3, None, 2],
        [3, None, None],
        [1, None, 2],
    ]


def test_an_update_shown_by_its_row_has_the_settings_and_findings_of_its_time(modules):
    def spell(name, since, until):
        return {"name": name, "title": name, "severity": "warning", "since": since, "until": until}

    history = [spell("kl_spike", 5, None), spell("entropy_collapse", 6, None), spell("useless_critic", 2, 5)]
    found = {**history[0], "summary": "KL was 2.", "cause": "", "remedy": "", "setting": None, "until": None}
    given = {"rows": ROWS, "kept": [1, 4, 9], "ways": [["goTo", 5], ["goTo", 6]]}
    told = "return shown.map(([, , , { settings, findings }]) => [settings, findings]);"
    before, after = modules("state/time-travel.js", PLACES + told, {**given, "history": history, "findings": [found]})
    assert before[0] == {"clip_range": 0.2} and after[0] == {"clip_range": 0.1}
    assert [(one["name"], one["summary"]) for one in before[1]] == [("kl_spike", "KL was 2."), ("useless_critic", "")]
    assert [one["name"] for one in after[1]] == ["kl_spike", "entropy_collapse"]


# --- page/scheduler.js, where nothing else asks for frames

FRAMES = """async ({ fresh, calm, draws }) => {
    const { createScheduler } = await import("./page/scheduler.js");
    let listener, frames = 0, drawn = 0, began = performance.now();
    const own = window.requestAnimationFrame;
    window.requestAnimationFrame = (callback) => (frames++, own.call(window, callback));
    const status = { state: "running" };
    const page = {
        state: { status, stepping: false, past: null, scrubbing: false, other: null, snapshot: null },
        subscribe: (its) => void (listener = its),
        commit: () => fresh && listener(["snapshot"]),
        waiting: () => fresh, // a snapshot, or a picture
    };
    await new Promise((done) => createScheduler(page).add({
        needs: ["snapshot"],
        calm,
        draw: () => void (++drawn === draws ? done() : fresh || setTimeout(() => listener(["snapshot"]))),
    }));
    return [frames, performance.now() - began];
}"""


@pytest.mark.parametrize(
    "given",
    [
        {"fresh": "snapshot", "calm": 0, "draws": 20, "least": 19 * 30},
        {"fresh": "picture", "calm": 0, "draws": 10, "least": 9 * 70},  # of its own: it waits for others
        {"fresh": None, "calm": 200, "draws": 5, "least": 4 * 190},
    ],
    ids=("snapshot", "picture", "calm"),
)
def test_a_run_that_goes_on_takes_one_frame_of_the_browser_for_each_round(window, files, given):
    page = window.context.new_page()
    page.goto(f"{files}wire.js")
    frames, milliseconds = page.evaluate(FRAMES, given)
    page.close()
    assert given["draws"] <= frames <= given["draws"] + 2
    assert milliseconds >= given["least"]


TEXTS = """async (draws) => {
    const { createScheduler } = await import("./page/scheduler.js");
    const { overwrite } = await import("./page/texts.js");
    const node = document.body.appendChild(document.createTextNode(""));
    const written = [];
    new MutationObserver(() => written.push(node.data)).observe(node, { characterData: true });
    let listener, drawn = 0, began = performance.now();
    const page = {
        state: { status: { state: "running" }, stepping: false, past: null, scrubbing: false, snapshot: null },
        subscribe: (its) => void (listener = its),
        commit: () => listener(["snapshot"]),
        waiting: () => (drawn < draws ? "snapshot" : null),
    };
    createScheduler(page).add({ needs: ["snapshot"], draw: () => overwrite(node, String(++drawn)) });
    while (node.data !== String(draws)) await new Promise((resolve) => setTimeout(resolve, 10));
    return [written, performance.now() - began];
}"""


def test_at_full_speed_texts_are_written_a_few_times_a_second_and_at_last_those_of_what_was_drawn(window, files):
    page = window.context.new_page()
    page.goto(f"{files}wire.js")
    written, milliseconds = page.evaluate(TEXTS, 30)
    page.close()
    assert written[-1] == "30" and len(written) <= 3 + milliseconds / 150


# --- net/commands.js

ORDERS = """
    const heard = [];
    const commands = m.createCommands((message) => heard.push(message.id) > 0);
    const done = [];
    const note = (word) => () => void done.push(word);
    const soon = () => new Promise((resolve) => setTimeout(resolve));
"""


def test_what_was_ordered_is_settled_once_all_of_it_is_answered_or_lost(modules):
    found = modules(
        "net/commands.js",
        f"{ORDERS} await commands.settled(); for (const type of ['set', 'keep', 'step'])"
        " commands.send(type).then(note(type), note('lost'));"
        " commands.settled().then(note('settled')); await commands.settled(1); done.push('later');"
        " commands.settle({ type: 'ack', id: heard[0] }); await soon(); commands.settle({ type: 'ack', id: heard[2] });"
        " await soon(); commands.abandon(); await soon(); return done;",
    )
    assert found == ["later", "set", "step", "lost", "settled"]


# --- state/beside.js


def test_runs_of_a_sweep_are_told_apart_by_what_is_varied_whichever_is_at_hand(modules):
    found = modules(
        "state/beside.js",
        "const runs = [[1, 0.1], [2, 0.1], [1, 0.3]].map(([seed, clip_range]) => ({ seed, gamma: 0.99, clip_range }));"
        " return [...runs.map((own) => m.variedInWords(own, runs)), m.variedInWords(runs[0], [runs[0]])];",
    )
    assert found == ["clip range 0.1", "clip range 0.1", "clip range 0.3", ""]


# --- net/socket.js

SILENCE = """
const said = [], seconds = [], [Real, interval] = [window.WebSocket, window.setInterval];
window.setInterval = (second) => seconds.push(second);
window.WebSocket = class { constructor() { window.theirs = this; } };
const nothing = () => {};
const socket = new m.Socket({ onMessage: nothing, onLost: nothing, onQuiet: (quiet) => said.push(quiet) });
const pass = (count) => { for (let n = 0; n < count; n++) seconds[0](); return said.join(); };
const hear = () => { window.theirs.onmessage({ data: '{"type": "heartbeat"}' }); return said.join(); };
pass(2 * m.QUIET);
socket.connect();
[window.WebSocket, window.setInterval] = [Real, interval];
return [m.QUIET, pass(m.QUIET - 1), hear(), pass(m.QUIET - 1), pass(1), pass(3), hear(), hear()];
"""


def test_a_silent_server_is_noticed_in_the_seconds_in_which_a_page_could_have_heard_it(modules):
    """Not by the clock: a page that was busy for long has yet to look at what has come."""
    quiet, *said = modules("net/socket.js", SILENCE)
    assert quiet == 5
    assert said == ["", "", "", "true", "true", "true,false", "true,false"]
