"""Probes run only while somebody looks: what is hidden or out of sight is not measured."""

import json

from ppo_scope.probes import frame
from tests.browser.dashboard import Dashboard, until


def newest(live):
    """Names of the arrays of the newest snapshot."""
    path = f"api/runs/{live.run()['id']}/moments"
    sequence = json.loads(live.get(path))["moments"][-1][0]
    return frame.decode(live.get(f"{path}/{sequence}"))[1].keys()


def test_a_panel_that_is_hidden_or_out_of_sight_is_not_measured(server, page):
    live = server("--paused", "--seed", "7")
    page.set_viewport_size({"width": 1440, "height": 2400})
    dashboard = Dashboard(page, live.url).step(update="1")
    until(lambda: newest(live) >= {"gradient_norms", "direction_losses"})

    def after_a_step():
        dashboard.step("minibatch")
        return newest(live)

    dashboard.panel("Gradients").get_by_role("button", name="Hide Gradients").click()
    seen = until(after_a_step, lambda arrays: "gradient_norms" not in arrays)
    assert "direction_losses" in seen, "its neighbour is still looked at"
    page.get_by_role("button", name="Show Gradients").click()
    until(lambda: newest(live), lambda arrays: "gradient_norms" in arrays)  # without a further step
    page.set_viewport_size({"width": 1440, "height": 900})
    page.evaluate("scrollTo(0, 0)")
    until(after_a_step, lambda arrays: not arrays & {"gradient_norms", "direction_losses"})
