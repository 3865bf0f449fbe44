"""The dashboard in a real Chromium, on a real run: what it draws is what the trainer computed."""

import os
import re
import signal

import numpy as np
import pytest

from ppo_scope.ppo.losses import Region
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.probes import PROBES, measure
from tests.browser.dashboard import PATIENCE, Dashboard, only, panels_alone, until
from tests.live import LiveServer
from tests.moments import moment_at
from tests.server.scope_page import leaders

PANELS = ("Environment", "Episodic return", "Ratio histogram", "Clip mask", "Advantages", "Loss components")
LOOKED_AT = ("Episodic return", "Ratio histogram", "Clip mask", "Loss components")
SEED = "7"


def computed(update, kind=PhaseKind.UPDATE, minibatch=None, **changes):
    """What the trainer itself finds at that moment of the run with this seed."""
    trainer = Trainer(Settings.parse({"seed": int(SEED)}))
    for name, value in changes.items():
        trainer.change(name, value)
    for phase in trainer.phases():
        # Stepped through in order, a minibatch's number counts over the whole update.
        number = (phase.epoch - 1) * 4 + phase.minibatch
        if phase.update.index == update and phase.kind is kind and minibatch in (None, number):
            found = measure(moment_at(trainer, phase), frozenset(PROBES))
            trainer.close()
            return found
    raise AssertionError("no such moment")


@pytest.fixture
def paused(server, page):
    return Dashboard(page, only(server("--paused", "--seed", SEED), *LOOKED_AT))


def assert_mask_equals(mask, found):
    region, member = found.arrays["region"], found.arrays["in_minibatch"]
    for code, key in ((Region.INSIDE, "inside"), (Region.HELD, "held"), (Region.PULLED_BACK, "pulledBack")):
        assert int(mask[key]) == (region == code).sum(), key
    assert int(mask["notTrained"]) == (region == Region.NOT_TRAINED).sum()
    assert int(mask["dimmed"]) == (member == 0).sum()


def test_all_six_panels_are_there_and_draw_and_at_full_speed_the_newest(server, page):
    paused = Dashboard(page, only(server("--paused", "--seed", SEED), *PANELS))
    for name in PANELS:
        assert paused.panel(name).is_visible()
    paused.step(update="1")
    for name in PANELS:
        panel = paused.panel(name)
        assert panel.locator("canvas:visible").count(), f"{name} draws nothing"
        panel.locator("canvas").first.scroll_into_view_if_needed()
    paused.picture()
    assert paused.mask()["update"] == "1"
    paused.press("Play").at(state="running")
    until(paused.update, lambda update: update >= 30)
    behind = """async () => {
        const runs = await (await fetch('api/runs')).json();
        return runs[0].update - Number(document.body.dataset.update);
    }"""
    # What is painted is a few frames old; a page that painted one after the other would never catch up.
    until(lambda: page.evaluate(behind), lambda updates: updates < 15)


def test_three_steps_give_exactly_three_updates_and_what_the_trainer_computed_and_a_reload_keeps_them(paused, page):
    for update in (1, 2, 3):
        paused.step(update=str(update), phase="update")
        mask, ratio = paused.mask(), paused.ratio()
        assert (mask["update"], ratio["update"]) == (str(update), str(update))
        found = computed(update)
        assert_mask_equals(mask, found)
        assert int(ratio["samples"]) == found.arrays["ratio_counts"].sum() + found.arrays["ratio_outside"].sum()
    assert page.evaluate("document.body.dataset.update") == "3"
    before = (paused.mask(), paused.ratio())
    page.reload()
    paused.at(update="3", state="paused")
    until(lambda: (paused.mask(), paused.ratio()), lambda painted: painted == before)
    episodes = paused.panel("Episodic return").locator("canvas.episodes")
    until(lambda: episodes.get_attribute("data-episodes"), lambda count: count not in (None, "0"))


def test_the_first_ratio_is_a_spike_at_one_sixteen_minibatches_are_walked_and_the_mask_dims_the_rest(paused):
    for phase in ("rollout", "advantages", "loss"):
        paused.step("phase", phase=phase)
        text = paused.panel("Ratio histogram").inner_text()
        assert "–" not in text, (phase, "what was not measured is not told of")
    assert re.search(r"1\.00 to 1\.00", text), text
    for number in range(1, 17):
        epoch, minibatch = (number - 1) // 4 + 1, (number - 1) % 4 + 1
        paused.step("minibatch", update="1", epoch=str(epoch), minibatch=str(minibatch), phase="step")
        mask = until(paused.mask, lambda mask, wanted=str(minibatch): mask.get("minibatch") == wanted)
        assert int(mask["dimmed"]) == 1024 - 256
    assert_mask_equals(paused.mask(), computed(1, PhaseKind.STEP, 16))
    paused.step("minibatch", update="2", epoch="1", minibatch="1")


def test_what_is_typed_or_moved_is_applied_at_the_next_update_and_recorded(paused, page):
    box = page.get_by_label("Value coefficient, as a number")
    box.fill("1.5")
    box.press("Enter")
    paused.step(update="1")
    settings = page.evaluate("fetch('api/runs').then(r => r.json()).then(runs => runs[0].settings)")
    assert settings["value_coef"] == 1.5
    assert paused.ratio()["clipRange"] == "0.2"
    slider = paused.slider("Clip range ε")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert float(slider.input_value()) == pytest.approx(0.3)
    page.get_by_text("applies from update 2").first.wait_for(timeout=PATIENCE)
    assert paused.ratio()["clipRange"] == "0.2", "the band belongs to the update that is drawn"
    paused.step(update="2")
    assert float(paused.ratio()["clipRange"]) == pytest.approx(0.3)
    page.reload()
    paused.at(update="2", state="paused")
    assert float(paused.ratio()["clipRange"]) == pytest.approx(0.3)
    assert float(paused.slider("Clip range ε").input_value()) == pytest.approx(0.3)
    change = page.evaluate("fetch('api/runs').then(r => r.json()).then(runs => runs[0].changes)")
    made = [(c["update"], c["name"], c["old"]) for c in change]
    assert made == [(1, "value_coef", 0.5), (2, "clip_range", 0.2)]
    assert change[1]["new"] == pytest.approx(0.3)


def test_play_and_pause_by_keyboard(paused, page):
    page.keyboard.press("Space")
    paused.at(state="running")
    until(paused.update, lambda update: update >= 5)
    page.keyboard.press("Space")
    paused.at(state="paused")
    update = paused.update()
    page.wait_for_timeout(700)
    assert paused.update() == update, "a paused run does not move"
    # Right behind a rollout there is nothing to draw of it yet: the last whole update that came here stays on show.
    shown = int(paused.mask()["update"])
    words = page.locator("#panel-clip-mask-summary").text_content()
    assert (shown == update) is not (f"the panels show update {shown}, the last whole one" in words)
    page.get_by_label("Step size").select_option("update")
    page.evaluate("document.activeElement.blur()")
    # From within an update the first step ends it.
    ended = page.evaluate("document.body.dataset.phase") == "update"
    page.keyboard.press("ArrowRight")
    paused.at(state="paused", update=str(update + ended), phase="update")


def test_the_run_survives_a_closed_page(server, new_page):
    live = server("--seed", SEED)
    first = new_page()
    Dashboard(first, only(live, "Loss components")).at(state="running")
    first.close()
    before = live.run()["update"]
    until(lambda: live.run()["update"] > before)


def test_a_server_that_was_ended_has_said_so(server, page, faults):
    faults.expect("ERR_CONNECTION_REFUSED", "WebSocket", "Failed to load resource")
    live = server("--paused", "--seed", SEED)
    Dashboard(page, only(live, "Clip mask")).at(state="paused")
    live.stop()
    said = page.get_by_text("The server was ended, and what it trained with it.")
    said.wait_for(timeout=PATIENCE)
    page.wait_for_event("websocket", timeout=PATIENCE)
    page.wait_for_event("websocket", timeout=PATIENCE)  # the first one has failed
    assert said.is_visible(), "and that holds while nobody answers"


def test_server_gone_and_back_is_survived(server, page, faults, tmp_path):
    faults.expect("ERR_CONNECTION_REFUSED", "WebSocket", "Failed to load resource")
    live = server("--paused", "--seed", SEED)
    dashboard = Dashboard(page, only(live, "Clip mask"))
    dashboard.step(update="1")
    mask = dashboard.mask()
    port = live.base.rstrip("/").rsplit(":", 1)[1]
    live.kill()
    page.get_by_text("The connection to the server is lost").wait_for(timeout=PATIENCE)
    assert dashboard.mask() == mask, "the last picture stays"
    again = LiveServer("--paused", "--seed", SEED, "--port", port, folder=tmp_path)
    try:
        page.get_by_text("The run on show ended with the old one, at update 1").wait_for(timeout=PATIENCE)
        assert dashboard.mask() == mask, "it is not swapped for another without a word"
        dashboard.press("Show the new run")
        dashboard.at(update="0", state="paused")
        page.reload()
        dashboard.at(update="0", state="paused")
        assert not page.get_by_text("The run on show ended").is_visible()
    finally:
        again.stop()


def test_a_killed_training_process_is_named_and_can_be_restarted(server, page):
    live = server("--seed", SEED)
    dashboard = Dashboard(page, only(live, "Loss components"))
    dashboard.at(state="running")
    worker = min(leaders(live.pid))  # the others draw
    os.kill(worker, signal.SIGKILL)
    dashboard.at(state="killed")
    page.get_by_text("SIGKILL").first.wait_for(timeout=PATIENCE)
    page.get_by_role("button", name="Restart").last.click()
    dashboard.at(state="running", update="[1-9][0-9]*")


def test_themes_are_chosen_and_kept(lasting):
    paused = lasting(update=1, panels=LOOKED_AT)
    page, theme = paused.page, "document.documentElement.dataset.theme"
    first = page.evaluate(theme)
    paused.key("t")
    assert page.evaluate(theme) != first
    chosen = page.evaluate(theme)
    page.reload()
    paused.at(state="paused")
    assert page.evaluate(theme) == chosen


def test_help_lists_the_shortcuts(lasting):
    page = lasting(update=1, panels=LOOKED_AT).page
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog")
    assert sheet.is_visible()
    assert "Space" in sheet.inner_text()
    page.keyboard.press("Escape")
    assert not sheet.is_visible()


def test_who_has_no_token_watches_only(server, new_page):
    live = server("--paused", "--seed", SEED)
    page = new_page()
    viewer = Dashboard(page, live.base + panels_alone("Clip mask"))
    assert page.get_by_role("button", name="Play", exact=True).is_disabled()
    assert page.get_by_role("button", name="Step", exact=True).is_disabled()
    assert viewer.slider("Clip range ε").is_disabled()
    leader = Dashboard(new_page(), only(live, "Clip mask"))
    leader.step(update="1")
    viewer.at(update="1")
    assert viewer.mask() == leader.mask()


def test_numbers_in_the_formula_add_up(lasting):
    found = computed(1).scalars
    total = found["policy_loss"] + 0.5 * found["value_loss"] - 0.01 * found["entropy"]
    assert found["loss"] == pytest.approx(total, rel=1e-5)
    shown = lasting(update=1, panels=LOOKED_AT).page.locator("body").inner_text().replace("−", "-")
    assert f"{found['entropy']:.4f}" in shown
    assert re.search(re.escape(f"{found['loss']:.4f}"[:6]), shown), found["loss"]
    assert np.isfinite(total)
