"""Going back to an update that was, whether or not it is kept, in the page's pure modules."""

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
