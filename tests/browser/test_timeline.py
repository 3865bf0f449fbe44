"""The timeline: marks where settings changed, a cursor that stays where it is held, and how far back one can go."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.browser.dashboard import Dashboard, only, until
from tests.browser.test_first_light import SEED
from tests.browser.test_stepping import note

MARKS = """({ canvas, colour }) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, 1);
    const [r, g, b] = colour;
    const runs = [];
    for (let x = 0; x < canvas.width; x++) {
        const hit = [r, g, b, 255].every((c, i) => data[4 * x + i] === c);
        if (hit && (!x || runs.at(-1)?.end !== x)) runs.push({ start: x, end: x + 1 });
        else if (hit) runs.at(-1).end = x + 1;
    }
    return { width: canvas.width, at: runs.map(({ start }) => start) };
}"""

COLOUR = """() => {
    const e = document.createElement("i");
    e.style.color = "var(--clip)";
    document.body.append(e);
    const colour = getComputedStyle(e).color.match(/\\d+/g).slice(0, 3).map(Number);
    e.remove();
    return colour;
}"""
"""Of the clip, and of what was changed."""


def marks(page):
    """Where the spark line has marks in the colour of the clip, in pixels from its left."""
    canvas = page.locator("#timeline canvas").element_handle()
    return page.evaluate(MARKS, {"canvas": canvas, "colour": page.evaluate(COLOUR)})


def written(page):
    """Pixels that are nearly of the colour of the words of changes, where these stand."""
    shot = np.asarray(Image.open(io.BytesIO(page.locator(".track").screenshot())).convert("RGB"), int)[2:13]
    return int((abs(shot - page.evaluate(COLOUR)).max(axis=2) < 90).sum())


def kept(live):
    return json.loads(live.get(f"api/runs/{live.run()['id']}/moments"))


def test_changed_settings_are_marked_where_they_apply_and_the_reach_is_said(server, page):
    few_phases = ("--num-envs", "4", "--rollout-steps", "32", "--minibatches", "2", "--epochs", "1")
    live = server("--paused", "--seed", SEED, *few_phases)
    dashboard = Dashboard(page, only(live, "Loss components"))
    changed = {
        2: ("clip_range", "Clip range", 0.3),
        3: ("entropy_coef", "Entropy coefficient", 0.05),
        4: ("clip_range", "Clip range", 0.1),
        5: ("value_coef", "Value coefficient", 0.3),
        6: ("entropy_coef", "Entropy coefficient", 0.02),
    }
    for update in range(1, 9):
        if update in changed:
            name, label, value = changed[update]
            dashboard.type(label, value)
            until(lambda: note(dashboard, name))  # noqa: B023
        dashboard.step(update=str(update))
    cursor = page.get_by_role("slider", name="Timeline")
    until(lambda: cursor.get_attribute("max"), lambda last: last == "8")
    found = until(lambda: marks(page), lambda found: len(found["at"]) == len(changed))
    expected = [8 + update / 8 * (found["width"] - 16) for update in changed]
    assert found["at"] == pytest.approx(expected, abs=1)
    title = cursor.get_attribute("title")
    assert "from update 3: entropy coef 0.01 → 0.05" in title
    assert "from update 6: entropy coef 0.05 → 0.02" in title
    assert "from update 2" not in title, "the latest four"

    page.set_viewport_size({"width": 930, "height": 600})  # an update is narrower than the words of a mark
    until(lambda: page.locator("#timeline canvas").get_attribute("data-words"), lambda words: "0.02" in words)
    said = written(page)
    dashboard.key("ArrowLeft").at(update="7", live="false")
    assert written(page) == pytest.approx(said, rel=0.01), "the cursor hides nothing of them"
    dashboard.key("l").at(update="8", live="true")

    reach = page.get_by_role("button", name="Back to the start")
    until(reach.is_visible)
    answer = until(lambda: kept(live), lambda answer: answer["unmeasured"] == 0)
    megabytes = f"{answer['bytes'] / 2**20:.3g} of {answer['room'] / 2**20:g}\u00a0MB kept"
    until(lambda: reach.get_attribute("title"), lambda title: megabytes in title)
    assert megabytes in cursor.get_attribute("title")
    assert answer["room"] == 112 * 2**20

    reach.click()
    until(dashboard.update, lambda update: update == 0)
    until(lambda: page.get_by_role("button", name="Back to live").is_visible() and not reach.is_visible())


def test_how_far_back_is_said_in_words(server, page):
    page.goto(server("--paused").base)
    words = page.evaluate(
        """async () => {
            const { keptInWords, reachInWords } = await import(new URL("state/kept.js", document.baseURI).href);
            const kept = { oldest: 412, bytes: 61 * 2 ** 20, room: 112 * 2 ** 20 };
            return [reachInWords(kept), keptInWords(kept), reachInWords({ ...kept, oldest: null })];
        }"""
    )
    assert words[0] == "back to update 412"
    assert words[1].startswith("One can go back to update 412; 61 of 112\u00a0MB kept.") and "make room" in words[1]
    assert words[2] == ""


def test_a_grabbed_cursor_never_jumps_while_the_run_goes_on(server, page):
    live = server("--seed", SEED)
    dashboard = Dashboard(page, only(live, "Loss components"))
    until(dashboard.update, lambda update: update >= 20)
    cursor = page.get_by_role("slider", name="Timeline")
    box = cursor.bounding_box()
    place = "e => [e.value, e.max, Number(e.value) / Number(e.max)]"
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    held = cursor.evaluate(place)
    dashboard.at(live="false")
    until(dashboard.update, lambda update: 0 < int(held[0]) - update < 10 or update == int(held[0]))
    shown, running = dashboard.update(), live.run()["update"]
    seen = []
    until(
        lambda: seen.append((cursor.evaluate(place), dashboard.update())) or live.run()["update"],
        lambda now: now > running + 15,
    )
    assert all(one == (held, shown) for one in seen), seen
    page.mouse.up()
    # Let go, it keeps its update, and the track takes in what has come meanwhile.
    until(lambda: int(cursor.get_attribute("max")), lambda last: last > running)
    assert dashboard.update() == shown
    assert int(cursor.input_value()) == shown


def test_every_phase_of_a_step_can_be_gone_back_to_at_once_and_the_next_one_is_there_already(server, page):
    """The run has measured none of them when it comes to rest; one is asked for while another one is looked at."""
    live = server("--paused", "--seed", SEED, "--epochs", "2")
    dashboard = Dashboard(page, only(live, "Loss components")).step(update="1")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/moments/" in request.url else None)
    page.get_by_label("Step size").select_option("phase")
    place = ("update", "phase", "epoch", "minibatch")
    listed = [row[1:] for row in kept(live)["moments"]]
    for moment in listed[-2:-12:-1]:
        dashboard.press("Back").at(**dict(zip(place, map(str, moment), strict=True)), live="false")
    until(lambda: len(asked), lambda times: times == 11)  # one more than are shown
    assert len(set(asked)) == 11, "each once"
