"""Environment: the policy acts in it; what it shows is said to be of the present; if there is nothing to see, why."""

from ppo_scope.pictures.failures import REMEDY
from tests.browser.dashboard import Dashboard, until

BLIND = """
import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv


class Blind(CartPoleEnv):
    def render(self):
        raise RuntimeError("there is nothing to see")


gymnasium.register("Blind-v0", entry_point=Blind)
"""


def test_the_picture_moves(look_at):
    dashboard = look_at()
    canvas = dashboard.picture()
    looks = set()
    for _ in range(12):
        looks.add(canvas.screenshot())
        dashboard.page.wait_for_timeout(120)
    assert len(looks) > 3


def test_an_environment_that_cannot_be_drawn_says_why(server, page, tmp_path):
    (tmp_path / "blind.py").write_text(BLIND)
    dashboard = Dashboard(page, server("--paused", "--env", "blind:Blind-v0").url)
    panel = dashboard.panel("Environment")
    failed = "render() failed (blind.py, line 8): RuntimeError: there is nothing to see."
    why = f"blind:Blind-v0 cannot be drawn: {failed} {REMEDY}"
    until(panel.locator(".environment-reason").inner_text, lambda text: text == why)
    until(lambda: page.locator("#panel-environment-summary").text_content(), lambda text: text == why)
    dashboard.step(update="1")
    assert panel.locator(".environment-reason").inner_text() == why
    assert panel.locator("canvas").get_attribute("data-sequence") is None


def test_the_environment_says_that_it_shows_the_present_while_the_past_is_on_show(look_at):
    paused = look_at(update=2)
    caption = paused.panel("Environment").locator(".caption")
    until(caption.inner_text, lambda text: text.startswith("episode step"))
    paused.key("ArrowLeft").at(live="false")
    until(caption.inner_text, lambda text: text.startswith("Present policy, not that of update 1"))
    paused.press("Back to live").at(live="true")
    until(caption.inner_text, lambda text: text.startswith("episode step"))
