"""Loops of other people's libraries on the page: stepped by minibatch, and what is drawn is what the library has."""

import importlib.util
import json
import os
from pathlib import Path

import pytest

from tests.attach.elsewhere import Loop, waiting_server
from tests.browser.dashboard import Dashboard, until

CLEANRL = os.environ.get("CLEANRL", "")
STARTS = 240_000  # milliseconds: such a library takes long to import
SMALL = ("--num-steps", 32, "--num-minibatches", 2, "--update-epochs", 2, "--total-timesteps", 10_000_000)


def without(module):
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"{module} is not installed")


@pytest.fixture
def server():
    """Named before `new_page` by a test, it is ended after the pages: none of them asks a server that is gone."""
    live = waiting_server()
    yield live
    live.kill()


class Watched:
    """A loop of somebody's that is held, its page, and where it writes down its own numbers."""

    def __init__(self, page, loop, own):
        self.page, self.dashboard, self._loop, self._own = page, Dashboard.of(page), loop, own
        until(lambda: loop.process.poll() is not None or self.dashboard.update() >= 2, patience=STARTS)
        assert loop.process.poll() is None, loop.said
        self.dashboard.press("Pause").at(state="paused")

    def place(self):
        """Where the loop stands: (update, phase, epoch, minibatch)."""
        return tuple(self.dashboard.data().get(name) for name in ("update", "phase", "epoch", "minibatch"))

    def step(self, size="minibatch"):
        before = self.place()
        self.dashboard.step(size)
        until(self.place, lambda now: now != before)
        return self.place()

    def step_until(self, arrived):
        """By minibatches."""
        for _ in range(40):
            if arrived(*self.step()):
                return
        raise AssertionError(f"not arrived: {self.place()}")

    def drawn(self, *names):
        """Numbers of the panel of the loss, each to half of its last digit."""
        panel = self.dashboard.panel("Loss components")
        panel.scroll_into_view_if_needed()
        read = "rows => rows.map(row => [...row.children].map(cell => cell.textContent.trim()))"
        pairs = dict(until(lambda: panel.locator(".readout div").evaluate_all(read)))
        return [rounded(pairs[name.replace("_", "")]) for name in names]  # an index is lowered

    def own(self, number):
        """Line `number` of what the loop itself has written, from 1 on; it writes at the end of an update, or later."""
        for _ in range(3):
            lines = self._own.read_text().splitlines()
            if len(lines) >= number:
                return json.loads(lines[number - 1])
            self.step("update")
        return until(lambda: json.loads(self._own.read_text().splitlines()[number - 1]))


def rounded(text):
    """What a number that was drawn may have been."""
    digits, _, exponent = text.replace("−", "-").partition("e")
    last = 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
    return pytest.approx(float(digits) * 10.0 ** int(exponent or 0), abs=0.51 * last)


@pytest.fixture
def watched(server, new_page, tmp_path):
    loops = []

    def begin(module, *arguments):
        page = new_page(viewport={"width": 1440, "height": 1000})
        page.goto(server.url)
        own = tmp_path / "own.json"
        loops.append(Loop(module, *(own if one is OWN else one for one in arguments), link=server.url))
        return Watched(page, loops[-1], own)

    yield begin
    for loop in loops:
        loop.__exit__()


OWN = object()
"""Among arguments: where the loop writes down its numbers."""


@pytest.mark.skipif(not CLEANRL, reason="CLEANRL names no folder with CleanRL's files")
@without("tyro")
def test_cleanrl(watched):
    found = watched("tests.attach.libraries.cleanrl_loop", OWN, Path(CLEANRL) / "ppo.py", *SMALL)
    found.step_until(lambda _, phase, epoch, minibatch: (phase, epoch, minibatch) == ("step", "2", "2"))
    policy_loss, value_term = found.drawn("L_PG", "c₁·L_VF")
    own = found.own(found.dashboard.update())  # it logs the last minibatch of an update
    assert own["losses/policy_loss"] == policy_loss and own["losses/policy_loss"] != 0
    assert 0.5 * own["losses/value_loss"] == value_term


@without("rsl_rl")
def test_rsl_rl(watched):
    found = watched("tests.attach.rsl_loop", OWN)
    assert found.step()[1] == "step"
    found.step("update")
    until(found.place, lambda now: now[1] == "update")
    policy_loss, value_term = found.drawn("L_PG", "c₁·L_VF")
    own = found.own(found.dashboard.update())  # the means of an update
    assert own["surrogate"] == policy_loss and own["value"] == value_term


@without("torchrl")
def test_torchrl(watched):
    found = watched("tests.attach.libraries.torchrl_loop", 1_000_000, "--own", OWN)
    found.step_until(lambda _, phase, epoch, minibatch: (phase, epoch, minibatch) == ("step", "2", "3"))
    policy_loss, loss = found.drawn("L_PG", "L")
    own = found.own(8 * (found.dashboard.update() - 1) + 4 + 3)
    assert own["loss_objective"] == policy_loss and own["total"] == loss
    values = found.dashboard.panel("Values")
    values.scroll_into_view_if_needed()
    until(lambda: values.locator(".chart").count() > 0)
    if folder := os.environ.get("PICTURES"):
        values.screenshot(path=Path(folder) / "torchrl-values.png")


@without("trl")
def test_grpo_has_the_price_of_its_reference_in_formula_and_sliders(watched):
    found = watched("tests.attach.libraries.grpo_loop", 100_000)
    page, dashboard = found.page, found.dashboard
    until(
        lambda: page.get_by_role(
            "group", name="The loss: L = L_PG + c₁·L_VF − c₂·S + β·KL to the reference policy"
        ).is_visible()
    )
    until(lambda: "+ β·KL to the reference" in dashboard.panel("Loss components").locator(".hint").inner_text())
    assert page.locator("#setting-kl_coef .default").inner_text() == "began at 0.04"
    assert (
        dashboard.slider("Clip range ε").is_enabled()
        and page.locator("#setting-kl_coef input[type=range]").is_enabled()
    )
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=Path(folder) / "grpo-price.png")
