"""A PPO of Stable-Baselines3 on the page: it comes by itself, is stepped, changed where it can be, and ended."""

import re

import pytest

from tests.attach.elsewhere import Loop, waiting_server
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
