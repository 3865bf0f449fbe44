"""What the page says, and offers, once a run is over; and what it leaves out of a long one."""

import math
import operator
from functools import partial

import numpy as np
import pytest

from ppo_scope.wire import frame
from tests.browser.dashboard import until
from tests.browser.stage import SOCKET

ENDS = {
    "finished": "The run has finished: it has made all its steps.",
    "stopped": "The run was stopped.",
    "failed": "The run failed, and its training process is gone.",
    "killed": "The training process was killed.",
    "out_of_memory": "The training process ran out of memory.",
}


def test_every_end_disables_what_is_no_longer_possible_and_says_why(stage):
    played = stage(query="?panels=loss-components")
    page = played.page
    for state, why in ENDS.items():
        played.state(state, pending={"clip_range": 0.3})
        played.dashboard.at(state=state)
        for name in ("Play", "Pause", "Step"):
            button = page.get_by_role("button", name=name, exact=True)
            until(button.is_disabled)
            expected = f"{why} Restart begins a new one."
            until(partial(button.get_attribute, "title"), partial(operator.eq, expected))
        assert not page.get_by_role("button", name="Apply to this update").is_visible()
        assert page.get_by_role("button", name="Restart", exact=True).last.is_enabled()
        assert played.dashboard.slider("Clip range ε").is_disabled()
        assert "weights are" not in played.text()
        assert "applies from update" not in played.text()


def test_nothing_is_called_live_that_has_ended_and_a_lost_connection_brings_nothing(stage):
    played = stage(query="?panels=loss-components")
    pill = played.page.locator(".live-pill")
    for state in ENDS:
        played.state("paused")
        until(pill.inner_text, lambda text: text == "Live")
        played.state(state)
        until(pill.inner_text, lambda text: text == "Newest")
    played.state("paused")
    until(pill.inner_text, lambda text: text == "Live")
    played.lose()
    until(pill.inner_text, lambda text: text == "Newest")


def test_how_a_run_ended_stays_at_the_top_of_a_phone(stage):
    played = stage(query="?panels=loss-components")
    played.page.set_viewport_size({"width": 390, "height": 844})
    played.state("killed")
    until(played.page.locator(".banner").is_visible)
    played.page.evaluate("scrollTo(0, 500)")
    until(lambda: played.page.locator(".banner").bounding_box()["y"], lambda top: top == 0)


def test_one_word_says_how_a_run_stands_in_the_bar_and_in_the_list(stage):
    """Whatever has become of its process since."""
    played = stage(query="?panels=loss-components")
    page = played.page
    page.get_by_role("button", name="Runs:").click()
    bar, listed = page.locator(".now .run-state"), page.locator(".run-item-state")
    for state in ENDS:
        played.state(state, gone=True)
        run = {**played.run, "state": state, "gone": True, "sweep": None, "script": "", "returns": [], "created": ""}
        played.say("runs", runs=[run])
        until(bar.inner_text, lambda word, state=state: word == state.replace("_", " "))
        until(listed.inner_text, lambda word: word == bar.inner_text())
        ender = page.get_by_role("button", name="End this run")
        until(partial(ender.get_attribute, "title"), partial(operator.eq, "The run has ended."))


def test_what_has_finished_is_explained_where_there_is_something_to_explain(stage):
    played = stage(query="?panels=loss-components")
    banner = played.page.locator(".banner")
    played.state("finished")
    played.dashboard.at(state="finished")
    assert not banner.is_visible()
    cause = {"summary": "It has made room.", "detail": "", "remedy": "Open it by the list of runs."}
    played.state("finished", gone=True, cause=cause)
    until(banner.inner_text, lambda text: "It has made room." in text and "Open it by the list" in text)
    banner.get_by_role("button", name="Restart").click()
    until(lambda: played.said("restart"))


@pytest.mark.parametrize("state", ENDS)
def test_the_focus_goes_to_what_can_be_pressed_once_a_run_has_died(stage, state):
    """From Pause, which whoever has pressed Play has in hand, it does not go to a Play that does nothing."""
    played = stage(query="?panels=loss-components")
    play, pause = (played.page.get_by_role("button", name=name, exact=True) for name in ("Play", "Pause"))
    played.state("running")
    until(pause.is_enabled)
    pause.focus()
    played.state(state)
    until(pause.is_disabled)
    assert play.is_disabled()
    assert played.page.evaluate("document.activeElement.matches('.bar button:enabled')")


def test_before_a_server_has_answered_a_page_does_not_say_that_it_has_no_run(window, page, files):
    window.script(SOCKET)
    page.goto(files)
    until(lambda: page.evaluate("window.played?.socket.readyState") == 1)
    until(page.locator(".sentence").inner_text, lambda text: text == "Connecting to the server.")
    words = page.locator("body").inner_text()
    assert "no run" not in words.lower() and "not connected" not in words.lower()
    assert page.locator(".live-pill").inner_text() != "Live"


def test_a_stalled_run_is_not_over(stage):
    """It may come back, and hears meanwhile: it can be paused, and a new one would cost what it has learned."""
    played = stage(query="?panels=loss-components")
    page = played.page
    played.state("stalled")
    played.dashboard.at(state="stalled")
    for name in ("Play", "Step"):
        button = page.get_by_role("button", name=name, exact=True)
        until(partial(button.get_attribute, "title"), lambda title: "has not come back for a while" in title)
        assert button.is_disabled()
    assert page.get_by_role("button", name="Pause", exact=True).is_enabled()
    assert played.dashboard.slider("Clip range ε").is_enabled()
    played.dashboard.press("Restart")
    until(page.get_by_role("dialog", name="its 3 updates").is_visible)


def test_restarting_a_finished_run_warns_and_a_dead_one_does_not(stage):
    played = stage(query="?panels=loss-components")
    played.state("finished")
    played.dashboard.at(state="finished")
    played.dashboard.press("Restart")
    question = played.page.get_by_role("dialog", name="its 3 updates")
    until(question.is_visible)
    played.page.keyboard.press("Escape")
    played.state("killed")
    played.dashboard.at(state="killed")
    played.page.locator(".banner").get_by_role("button", name="Restart").click()
    until(lambda: played.said("restart"))


def rows(played, first, count):
    """A frame of series: returns that swing."""
    columns = ["update", "steps", "episodic_return_mean", "kl_k3", "loss"]
    update = np.arange(first, first + count, dtype=np.float64)
    table = np.stack([update, 48 * update, np.sin(update), np.abs(np.sin(update)), np.cos(update)], axis=1)
    header = {"kind": "series", "protocol": frame.PROTOCOL, "first": first, "columns": columns, "update": first}
    place = {"phase": "update", "epoch": 0, "epochs": 2, "minibatch": 0, "minibatches": 2, "scalars": {}}
    played.frame({**header, **place}, {"rows": table})


def test_a_long_curve_says_that_it_is_thinned_and_a_short_one_does_not(stage):
    played = stage(run={"changes_dropped": 57})
    rows(played, 1, 3)
    returns = played.dashboard.panel("Episodic return").locator(".note")
    until(
        lambda: returns.get_attribute("title"), lambda said: said == "The oldest 57 changes of settings are not marked."
    )
    rows(played, 4, 3000)
    until(returns.inner_text, lambda text: text.startswith("thinned") and text.endswith("not all changes"))
    assert "lowest and the highest of every 16 updates" in returns.get_attribute("title")
    cursor = played.page.get_by_role("slider", name="Timeline")
    until(lambda: "Thinned" in cursor.get_attribute("title") and "oldest 57 changes" in cursor.get_attribute("title"))
    for name in ("Loss components", "KL and clipping"):
        panel = played.dashboard.panel(name)
        panel.scroll_into_view_if_needed()
        until(panel.locator(".note").inner_text, lambda text: text == "thinned")
        until(panel.text_content, lambda text: "lowest and the highest of every 32 updates" in text)


def test_rows_that_the_server_does_not_keep_are_counted(modules):
    found = modules(
        "state/series.js",
        "const s = new m.Series(); s.extend(9); s.forgo(1, 5); const gone = s.forgone;"
        " s.write(2, ['x'], Float64Array.from([1, 2])); const left = s.forgone; s.forgo(1, 6); const more = s.forgone;"
        " s.clear(); return [gone, left, more, s.forgone];",
    )
    assert found == [5, 3, 4, 0], "what has come is there, whatever the server does not keep"


@pytest.mark.parametrize("ratio", [math.inf, 1e38, 2.0])
def test_a_ratio_beyond_all_bounds_is_bounded_as_in_training(modules, ratio):
    found = modules(
        "state/previewed.js",
        "const header = { phase: 'update', scalars: { final_value_loss: 1, final_entropy: 1 }, arrays: {},"
        " settings: { objective: 'clip', clip_range: 0.2, value_coef: 0.5, entropy_coef: 0.01 } };"
        " const arrays = { ratio: Float32Array.of(given === null ? Infinity : given), region: Uint8Array.of(2),"
        " advantage_used: Float32Array.of(-1) };"
        " const snapshot = { header, arrays };"
        " const batch = m.batchOf(snapshot);"
        " const run = { settings: { num_envs: 1, rollout_steps: 1 } };"
        " const off = { clip_range_high: null, ratio_cap: null };"
        " const preview = { ...off, clip_range: 0.3, value_coef: 0.5, entropy_coef: 0.01 };"
        " return [batch.ratio[0], m.previewOf({ snapshot, preview, run }).then.terms.policy_loss];",
        None if math.isinf(ratio) else ratio,
    )
    expected = min(ratio, np.float32(math.exp(80)))
    assert found == pytest.approx([expected, expected], rel=1e-6)


def test_a_sample_with_a_huge_ratio_is_written_in_numbers(modules):
    found = modules(
        "panels/sample/words.js",
        "const lines = m.calculation({ ...given, ratio: Math.fround(Math.exp(80)) });"
        " return lines.map(({ sum, value }) => [sum, m.n(value)]);",
        {
            "logratio": 95.2,
            "logProbNew": -0.1,
            "logProbOld": -95.3,
            "objective": "clip",
            "used": 1.5,
            "clipRange": {"clip_range": 0.2, "clip_range_high": None, "ratio_cap": None},
            "region": 2,
        },
    )
    assert found[1][0] == "exp(min(95.200, 80))"
    assert not any("∞" in text or "NaN" in text for pair in found for text in pair)
