"""What follows from the state of the page, as pure modules: what may be done, series, pictures, settings."""

import pytest

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


# --- state/beside.js


def test_runs_of_a_sweep_are_told_apart_by_what_is_varied_whichever_is_at_hand(modules):
    found = modules(
        "state/beside.js",
        "const runs = [[1, 0.1], [2, 0.1], [1, 0.3]].map(([seed, clip_range]) => ({ seed, gamma: 0.99, clip_range }));"
        " return [...runs.map((own) => m.variedInWords(own, runs)), m.variedInWords(runs[0], [runs[0]])];",
    )
    assert found == ["clip range 0.1", "clip range 0.1", "clip range 0.3", ""]
