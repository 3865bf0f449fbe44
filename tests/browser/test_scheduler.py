"""When the page is drawn: rounds, the browser's frames, and texts."""

import pytest

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
