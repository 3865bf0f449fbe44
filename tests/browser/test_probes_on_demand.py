"""Probes run only while somebody looks: what is hidden or out of sight is not measured."""

import itertools
import json

from ppo_scope.wire import frame
from tests.browser.dashboard import Dashboard, until


def newest(live):
    """(header, arrays) of the newest moment."""
    path = f"api/runs/{live.run()['id']}/moments"
    sequence = json.loads(live.get(path))["moments"][-1][0]
    return frame.decode(live.get(f"{path}/{sequence}"))


def test_a_panel_that_is_hidden_or_out_of_sight_is_not_measured(server, page):
    live = server("--paused", "--seed", "7")
    page.set_viewport_size({"width": 1440, "height": 2400})
    dashboard = Dashboard(page, live.url)
    updates = itertools.count(1)

    def measured():
        """What is measured where the next update ends."""
        update = next(updates)
        dashboard.step(update=str(update), phase="update")
        where = {"kind": "snapshot", "update": update, "phase": "update"}
        _, arrays = until(lambda: newest(live), lambda moment: where.items() <= moment[0].items())
        return arrays.keys()

    until(measured, lambda arrays: arrays >= {"gradient_norms", "direction_losses"})
    dashboard.panel("Gradients").get_by_role("button", name="Hide Gradients").click()
    seen = until(measured, lambda arrays: "gradient_norms" not in arrays)
    assert "direction_losses" in seen, "its neighbour is still looked at"
    page.get_by_role("button", name="Show Gradients").click()
    until(lambda: newest(live)[1], lambda arrays: "gradient_norms" in arrays)  # without a further step
    page.set_viewport_size({"width": 1440, "height": 900})
    page.evaluate("scrollTo(0, 0)")
    until(measured, lambda arrays: not arrays & {"gradient_norms", "direction_losses"})
    # What is just below the window is measured for whoever scrolls on, but not while it would be drawn all the time.
    policy = dashboard.panel("Policy")
    policy.evaluate("panel => scrollBy(0, panel.getBoundingClientRect().top - innerHeight - 40)")
    until(measured, lambda arrays: "policy_now" in arrays)
    page.get_by_role("button", name="Play", exact=True).click()
    until(lambda: newest(live)[1], lambda arrays: "policy_now" not in arrays)
    page.get_by_role("button", name="Pause", exact=True).click()
    until(lambda: live.run()["state"] == "paused")

    def stepped():
        page.get_by_role("button", name="Step", exact=True).click()
        return newest(live)[1]

    until(stepped, lambda arrays: "policy_now" in arrays)  # where it rests after a rollout there is none of it yet
