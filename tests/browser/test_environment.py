"""Environment: the policy acts in it; what it shows is said to be of the present; if there is nothing to see, why."""

import shutil

from ppo_scope.pictures.acting import HOW
from ppo_scope.pictures.failures import REMEDY
from tests.browser.dashboard import Dashboard, only, until
from tests.live import ROOT

BLIND = """
import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv


class Blind(CartPoleEnv):
    def render(self):
        raise RuntimeError("there is nothing to see")


gymnasium.register("Blind-v0", entry_point=Blind)
"""


def test_the_picture_moves(look_at):
    dashboard = look_at(panels=["Environment"])
    canvas = dashboard.picture()
    looks = set()
    until(lambda: looks.add(canvas.screenshot()) or len(looks) > 3)


CAPTIONS = """panel => new Promise((done) => {
    const [canvas, caption] = [panel.querySelector("canvas"), panel.querySelector(".caption")];
    const summary = document.getElementById(panel.getAttribute("aria-describedby"));
    const start = performance.now();
    let pictures = 0, words = 0, read = 0;
    new MutationObserver(() => words++).observe(caption, { characterData: true, childList: true, subtree: true });
    new MutationObserver(() => read++).observe(summary, { characterData: true, childList: true, subtree: true });
    new MutationObserver(() => ++pictures === 20 && done([words, read, performance.now() - start]))
        .observe(canvas, { attributeFilter: ["data-sequence"] });
})"""


def test_the_caption_of_the_pictures_can_be_read(look_at):
    dashboard = look_at(panels=["Environment"])
    dashboard.picture()
    words, read, milliseconds = dashboard.panel("Environment").evaluate(CAPTIONS)
    most = milliseconds / 250 + 2
    assert 0 < words <= most and 0 < read <= most


def test_an_environment_that_cannot_be_drawn_says_why(server, page, tmp_path):
    (tmp_path / "blind.py").write_text(BLIND)
    dashboard = Dashboard(page, only(server("--paused", "--env", "blind:Blind-v0"), "Environment"))
    panel = dashboard.panel("Environment")
    failed = "render() failed (blind.py, line 8): RuntimeError: there is nothing to see."
    why = f"blind:Blind-v0 cannot be drawn: {failed} {REMEDY}"
    until(panel.locator(".environment-reason").inner_text, lambda text: text == why)
    until(lambda: page.locator("#panel-environment-summary").text_content(), lambda text: text == why)
    dashboard.step(update="1")
    assert panel.locator(".environment-reason").inner_text() == why
    assert panel.locator("canvas").get_attribute("data-sequence") is None


def test_the_environment_says_that_it_shows_the_present_while_the_past_is_on_show(look_at):
    paused = look_at(update=2, panels=["Environment"])
    caption = paused.panel("Environment").locator(".caption")
    until(caption.inner_text, lambda text: text.startswith("episode step"))
    paused.key("ArrowLeft").at(live="false")
    until(caption.inner_text, lambda text: text.startswith("Present policy, not that of update 1"))
    paused.press("Back to live").at(live="true")
    until(caption.inner_text, lambda text: text.startswith("episode step"))


def test_without_a_picture_it_is_said_how_to_get_one_and_what_the_policy_sees_is_in_sample(server, page, tmp_path):
    shutil.copy(ROOT / "tests" / "environments" / "pixels.py", tmp_path)
    small = ("--num-envs", "2", "--rollout-steps", "16", "--epochs", "1")
    live = server("--paused", "--env", "pixels:Pixels-v0", *small)
    dashboard = Dashboard(page, only(live, "Environment", "Clip mask", "Sample"))
    reason = dashboard.panel("Environment").locator(".environment-reason")
    until(reason.inner_text, lambda text: f"its __init__ takes no render_mode; {HOW}. {REMEDY}" in text)

    dashboard.step(update="1")
    mask = dashboard.panel("Clip mask").locator("canvas").first
    mask.scroll_into_view_if_needed()
    mask.click(position={"x": 60, "y": 40})
    sample = dashboard.panel("Sample")
    size = "image => [image.naturalWidth, image.naturalHeight]"
    until(lambda: sample.locator("img").evaluate(size), lambda found: found == [44, 40])
    until(sample.inner_text, lambda text: "What the policy sees is shown above" in text)
