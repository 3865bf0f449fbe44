"""A PPO of Stable-Baselines3 on the page: it comes by itself, is stepped, changed where it can be, and ended."""

import json
import re

import pytest

from tests.attach.elsewhere import Loop, rows_of, the_run, waiting_server
from tests.browser.dashboard import Dashboard, only, panels_alone, until
from tests.browser.stage import snapshot

LOOKED_AT = ("Policy", "Gradients", "Step direction", "Health")


@pytest.fixture
def server():
    """Named before `new_page` by a test, it is ended after the pages: none of them asks a server that is gone."""
    live = waiting_server()
    yield live
    live.kill()


def test_a_loop_that_is_not_ours_from_its_coming_to_its_end(server, new_page):
    page = new_page(viewport={"width": 1440, "height": 1000})
    page.goto(only(server, *LOOKED_AT, "Clip mask"))
    until(lambda: page.get_by_text("The first training loop that connects to this server is shown here.").is_visible())
    assert not page.get_by_text("Another tab controls this run").is_visible()
    with Loop("tests.attach.sb3_loop", 10_000_000, link=server.url) as loop:
        dashboard = Dashboard.of(page)
        until(dashboard.update, lambda update: update >= 3)
        assert "Stable-Baselines3 PPO" in page.locator("button.run").inner_text()
        assert page.locator("#panels > section").last.get_attribute("aria-label") == "Environment", "it cannot be drawn"
        dashboard.press("Pause").at(state="paused")
        before = dashboard.update()
        dashboard.step("minibatch")
        until(lambda: page.get_by_text(re.compile(r"epoch \d of 3 · minibatch \d of 3")).first.is_visible())
        assert int(dashboard.mask()["update"]) == dashboard.update()
        for name in LOOKED_AT:
            panel = dashboard.panel(name)
            panel.scroll_into_view_if_needed()
            until(lambda panel=panel: panel.locator(".chart, .findings, li").count() > 0)
            assert not panel.get_by_text("Not shown for this run").is_visible(), name
        # ε is read at every update: it can be changed. α is not: its slider says so.
        assert dashboard.slider("Learning rate α").is_disabled()
        assert page.get_by_role("button", name="Restart", exact=True).is_disabled()
        assert server.run()["attached"]["limits_values"] is False, "clip_range_vf is another setting"
        dashboard.type("Clip range", 0.07)
        dashboard.step("update")
        dashboard.step("update")
        until(lambda: server.run()["changes"])
        change = server.run()["changes"][0]
        assert (change["name"], change["old"], change["new"]) == ("clip_range", 0.2, 0.07)
        assert change["update"] > before and server.run()["settings"]["clip_range"] == 0.07
        dashboard.press("Play").at(state="running")
        page.locator("button.run").click()
        page.get_by_role("button", name="End this run").click()
        page.get_by_role("button", name="End it").click()
        dashboard.at(state="stopped")
        assert len(loop.digest()) == 64, "`learn` has returned, and the script went on to its end"


@pytest.mark.parametrize(
    ("margin", "line", "said"),
    [
        (1.5, "0.03", "Epoch 2 is the last: the KL of its last minibatch exceeded 1.5 × the target of 0.02."),
        (1.0, "0.02", "Epoch 2 is the last: the KL of its last minibatch exceeded the target of 0.02."),
        (None, None, "Epoch 2 is the last: the KL of its last minibatch exceeded what its training loop allows."),
    ],
)
def test_where_the_kl_ends_the_epochs_of_a_loop_that_is_not_ours(stage, margin, line, said):
    header, arrays = snapshot(3, "epoch")
    told = {"epoch": 2, "epochs": 4, "minibatch": 4, "minibatches": 4, "stopped_by_kl": True}
    settings = {**header["settings"], "target_kl": 0.02}
    attached = {"library": "a loop", "changeable": [], "kl_margin": margin}
    played = stage(query=panels_alone("KL and clipping"), run={"attached": attached})
    played.frame({**header, **told, "run": played.run["id"], "settings": settings}, arrays)
    until(played.sentence, lambda text: text.startswith(said))
    numbers = played.dashboard.panel("KL and clipping").locator(".readout")
    until(numbers.inner_text, lambda text: ("stops at" in text) == (line is not None))
    assert line is None or line in numbers.inner_text()
    played.frame({**header, **told, "run": played.run["id"], "stopped_by_kl": False, "epoch": 3}, arrays)
    until(played.sentence, lambda text: text == "Epoch 3 of 4 is over.")  # shuffled or not


def test_of_a_loop_that_cannot_be_asked_what_its_policy_has_become_no_sample_is_said_to_be_after_the_last_step(stage):
    header, arrays = snapshot(3, "update")
    told = {name: value for name, value in header["scalars"].items() if not name.startswith("final_")}
    told |= {"ratio_min": 0.4, "ratio_max": 2.5, "ratio_counted_min": 0.71, "ratio_counted_max": 1.36}
    panels = ("Ratio histogram", "Clip mask")
    played = stage(query=panels_alone(*panels), run={"attached": {"library": "a loop", "changeable": []}})
    played.frame({**header, "run": played.run["id"], "scalars": told}, arrays)
    histogram, mask = (played.dashboard.panel(name) for name in panels)
    until(histogram.inner_text, lambda text: "whole rollout, each as it was last in a loss" in text)
    assert "0.71 to 1.36" in histogram.inner_text(), "an earlier epoch may have seen others"
    assert "each as it was last in a loss" in mask.inner_text()
    assert not any("after the last step" in panel.inner_text() for panel in (histogram, mask))
    judged = {**told, "final_ratio_min": 0.71, "final_ratio_max": 1.36}
    played.frame({**header, "run": played.run["id"], "scalars": judged}, arrays)
    for panel in (histogram, mask):
        until(panel.inner_text, lambda text: "after the last step" in text)


def test_a_preview_of_the_clip_range_that_clips_v_as_well_says_no_loss(stage):
    header, arrays = snapshot(3, "update")
    attached = {"library": "a loop", "changeable": ["clip_range"], "limits_values": True}
    played = stage(query=panels_alone("Loss components"), run={"attached": attached})
    told = {"run": played.run["id"], "settings": {**header["settings"], "value_clip_range": 0.2}}
    played.frame({**header, **told}, arrays)
    played.dashboard.type("Clip range", 0.1)
    label = played.page.locator("#formula .whose")
    until(label.inner_text, lambda text: "L is not known, for here ε clips V as well: LPG " in text)
    readout = played.dashboard.panel("Loss components").locator(".readout")
    until(readout.inner_text, lambda text: text.count(" → –") == 2), "neither c₁·L_VF nor L"


def test_the_parts_of_the_clip_fraction_add_up_where_advantages_are_0(stage):
    """As in a group whose answers were all paid the same: r moves with the others, and nothing holds it."""
    header, arrays = snapshot(3, "update")
    played = stage(query=panels_alone("KL and clipping"), run={"attached": {"library": "a loop", "changeable": []}})
    shares = {"held_fraction": 0.03, "pulled_back_fraction": 0.04}
    readout = played.dashboard.panel("KL and clipping").locator(".readout")
    for clip, rest in ((0.12, True), (0.07, False)):
        scalars = {**header["scalars"], **shares, "clip_fraction": clip}
        played.frame({**header, "run": played.run["id"], "scalars": scalars}, arrays)
        until(readout.inner_text, lambda text, clip=clip: f"clip fraction {100 * clip:.1f}" in " ".join(text.split()))
        parts = re.findall(r"[=+] (?:held|pulled back|of Â = 0)\s+([\d.]+)", readout.inner_text())
        assert len(parts) == 2 + rest and sum(map(float, parts)) == pytest.approx(100 * clip)


def test_epochs_and_minibatches_that_a_loop_does_not_tell_are_those_that_it_made(stage):
    header, arrays = snapshot(3, "update")
    counted = {"epoch": 8, "epochs": 8, "minibatch": 6, "minibatches": 6}
    untold = {name: value for name, value in header["settings"].items() if name not in ("epochs", "minibatches")}
    attached = {"library": "a loop of its own", "changeable": [], "kl_margin": None}
    played = stage(query=panels_alone("KL and clipping"), run={"attached": attached})
    played.state("running", playing=True)
    played.frame({**header, **counted, "run": played.run["id"], "settings": untold}, arrays)
    until(played.sentence, lambda text: "used in 8 epochs of 6 minibatches, then thrown away" in text)


def test_nobody_is_said_to_control_a_loop_that_is_over_or_does_not_answer(stage):
    attached = {"library": "a loop", "changeable": [], "repeats": False, "called": {}, "script": "", "began": {}}
    played = stage(query=panels_alone("Loss components"), run={"attached": attached})
    played.say("lease", holder=False, generation=2)
    take, play = (played.page.get_by_role("button", name=name, exact=True) for name in ("Take control", "Play"))
    until(take.is_visible)
    assert "Another tab controls this run. " in played.text()
    for state in ("finished", "stopped", "failed", "killed", "out_of_memory", "deleted"):
        played.state(state, gone=True)
        played.dashboard.at(state=state)
        until(lambda: not take.is_visible())
        assert "Another tab" not in played.text() and "Another tab" not in play.get_attribute("title"), state
    played.state("stalled")
    until(lambda: "Another tab controls this run once its training loop answers again." in played.text())
    played.say("lease", holder=True, generation=3)
    until(lambda: play.get_attribute("title"), lambda title: "nothing can be asked of it" in title)
    assert "restart" not in play.get_attribute("title"), "a loop elsewhere is not restarted from here"


def test_of_a_run_that_nobody_watched_each_update_can_be_gone_to_and_what_is_not_kept_of_it_is_said(server, new_page):
    """Of most of its updates there is no snapshot: those are shown by their rows, and no other takes their place."""
    last = 40
    with Loop("tests.attach.own_loop", last, link=server.url) as loop:
        loop.printed()
    run = the_run(server, state="finished")
    rows, first = rows_of(server, run["id"])
    moments = json.loads(server.get(f"api/runs/{run['id']}/moments"))["moments"]
    kept = {update for _, update, phase, *_ in moments if phase == "update"}
    missing = [n for n in range(2, last - 1) if n not in kept]
    gone = min(missing, key=lambda n: n - 1 in kept)  # of two that follow each other, if there are such
    page = new_page()
    page.goto(only(server, "Loss components", "Ratio histogram", "Health"))
    dashboard = Dashboard.of(page).at(update=str(last))
    cursor, where = page.get_by_role("slider", name="Timeline"), page.locator("#timeline .where")
    cursor.fill(str(gone))
    dashboard.at(update=str(gone), live="false")
    assert cursor.input_value() == str(gone)
    said = f"No snapshot of update {gone} is kept, only its numbers"
    nearest = max(n for n in kept if n < gone), min(n for n in kept if n > gone)
    until(where.inner_text, lambda text: f"update {gone}: only its numbers are kept" in text)
    for place in (dashboard.panel("Ratio histogram"), dashboard.panel("Health")):
        text = until(place.inner_text, lambda text: said in text)
        assert f"The nearest are of updates {nearest[0]} and {nearest[1]}." in text
    assert said in cursor.get_attribute("aria-valuetext")
    assert dashboard.panel("Health").locator(".checked li").count() == 0, "what the checks looked at is not kept"
    loss = rows["loss"][gone - first]
    assert float(
        page.locator("#formula").get_by_text("L, total loss").locator("..").inner_text().split()[-1]
    ) == pytest.approx(loss, abs=1e-4)

    for update in (gone - 1, gone, gone + 1):  # by the keys, one update after the other
        dashboard.key("ArrowRight" if update > gone - 1 else "ArrowLeft").at(update=str(update), live="false")
        told = f"update {update}: only its numbers are kept" if update not in kept else f"update {update}"
        until(where.inner_text, lambda text: " ".join(text.split()).startswith(told))  # noqa: B023


def test_of_a_run_that_begins_while_one_that_is_over_is_on_show_it_is_said_and_one_goes_there(stage):
    played = stage()
    brief = {"environment": "CartPole-v1", "seed": None, "update": 3, "sweep": None, "script": "", "returns": []}
    first = {**brief, "id": "first", "state": "paused", "created": "2026-01-01T10:00:00Z"}
    second = {**brief, "id": "second", "state": "running", "created": "2026-01-01T11:00:00Z", "script": "train.py"}
    third = {**second, "id": "third", "created": "2026-01-01T12:00:00Z", "script": "again.py"}
    notice = played.page.locator(".notice", has_text="A new run has begun")
    older = {**brief, "id": "older", "state": "paused", "created": "2026-01-01T09:00:00Z"}
    played.say("runs", runs=[first, older])
    others = played.page.locator("button.run")
    until(lambda: "+1" in others.inner_text())
    played.page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    played.say("runs", runs=[second, first, older])
    until(lambda: "+2" in others.inner_text())
    assert not notice.is_visible(), "the run at hand goes on"
    played.state("finished")
    until(notice.is_visible)
    assert "A new run has begun: train.py · CartPole-v1." in notice.inner_text()
    notice.get_by_role("button", name="Dismiss").click()
    until(lambda: not notice.is_visible())
    played.say("runs", runs=[{**second, "update": 9}, first, older])
    swept = {**third, "id": "swept", "sweep": "grid", "created": "2026-01-01T13:00:00Z"}
    played.say("runs", runs=[swept, third, second, first, older])
    until(lambda: "A new run has begun: again.py · CartPole-v1." in notice.inner_text())
    assert played.page.locator("body").get_attribute("data-update") == "3", "nothing has happened unasked"
    notice.get_by_role("button", name="Show it").click()
    assert until(lambda: played.said("open"))[-1]["run"] == "third"


def test_how_a_loops_loss_differs_from_l_stands_with_the_terms_of_l(stage):
    attached = {"library": "a PPO in one file", "loss": "its loss is L / 4", "changeable": [], "called": {}}
    header, arrays = snapshot(3, "update")
    played = stage(query=panels_alone("Loss components"), run={"attached": attached})
    played.frame({**header, "run": played.run["id"]}, arrays)
    hint = played.dashboard.panel("Loss components").locator(".hint")
    until(hint.inner_text, lambda text: text.endswith("term by term. What the script trains on: its loss is L / 4"))
    assert "a PPO in one file · its loss is L / 4" in played.text()
