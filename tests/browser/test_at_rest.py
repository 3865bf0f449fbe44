"""A run at rest: what stays on show, what a moved slider does to it, and what it leaves alone."""

import pytest

from tests.browser.dashboard import panels_alone, until

TALL = {"width": 1440, "height": 2200}
PANELS = ("Ratio histogram", "Clip mask", "KL and clipping", "Loss components")


def earlier(played, name):
    return played.dashboard.panel(name).locator(".body").get_attribute("data-earlier") is not None


def play_on(played, update):
    """The update ends, the next rollout is collected, and Pause is heard."""
    played.run["update"] = update
    played.state("running", playing=True)
    played.snapshot(update, "update")
    played.run["update"] = update + 1
    played.snapshot(update + 1, "rollout")
    played.state("paused", update=update + 1, phase="rollout")


def test_after_pause_the_last_whole_update_stays_on_show_dimmed_and_named(stage, page):
    page.set_viewport_size(TALL)  # what is out of sight is not drawn
    played = stage(query=panels_alone("Environment", *PANELS))
    play_on(played, 4)
    played.dashboard.at(update="5", phase="rollout")
    for name in PANELS:
        panel = played.dashboard.panel(name)
        until(lambda: earlier(played, name))  # noqa: B023
        until(panel.locator(".note").inner_text, lambda text: text.startswith("update 4"))
        assert panel.locator(".cover").is_hidden(), name
        assert "opacity" in panel.locator(".body").evaluate("body => getComputedStyle(body).filter")
    assert played.dashboard.mask()["update"] == "4"
    shown = "Update 5 has only its rollout so far: the panels show update 4, the last whole one, dimmed."
    until(played.sentence, lambda text: text == shown)
    until(played.page.locator("#formula .whose").inner_text, lambda text: text == "update 4; mean of the update")
    assert not earlier(played, "Environment")
    # A moved slider previews what is on show.
    played.state("paused", update=5, phase="rollout", pending={"clip_range": 0.05})
    until(played.dashboard.mask, lambda mask: (mask["update"], mask["preview"]) == ("4", "0.05"))
    # And who goes on sees the moment at hand.
    played.state("running", update=5, phase="rollout")
    played.snapshot(5, "loss", epoch=1, minibatch=1)
    played.state("paused", update=5, phase="loss", epoch=1, minibatch=1)
    until(played.dashboard.mask, lambda mask: mask["update"] == "5")
    until(lambda: not any(earlier(played, name) for name in PANELS))


def test_who_steps_to_a_rollout_sees_it(stage, page):
    page.set_viewport_size(TALL)
    played = stage(query=panels_alone("Environment", *PANELS))
    played.state("running", playing=False)
    played.run["update"] = 4
    played.snapshot(4, "rollout")
    played.state("paused", phase="rollout")
    played.dashboard.at(update="4", phase="rollout", state="paused")  # said once all panels are drawn
    assert played.dashboard.mask()["update"] == "4"
    assert not any(earlier(played, name) for name in PANELS)


def test_what_a_step_was_to_go_on_until_is_said_once_it_has_come(stage):
    played = stage(query="?panels=loss-components")
    met = {"quantity": "kl_k3", "above": 0.01, "value": 0.0123, "update": 3}
    played.state("paused", met=met)
    until(played.sentence, lambda text: text == "KL (k3) > 0.01 was met at update 3: 0.0123, mean of the update.")
    played.state("paused")
    until(played.sentence, lambda text: "was met" not in text)


@pytest.mark.parametrize("theme", ["light", "projector"])
def test_what_waits_moves_nothing_below_it(stage, theme):
    played = stage(query=f"?theme={theme}&panels=loss-components")
    places = "[...document.querySelectorAll('#settings > .setting')].map(e => e.getBoundingClientRect().top)"
    seen = [None]
    until(lambda: seen.append(played.page.evaluate(places)) or seen, lambda seen: seen[-1] and seen[-1] == seen[-2])
    before = seen[-1]
    offer = played.page.get_by_role("button", name="Apply to this update", exact=True)
    assert not offer.is_visible()
    for pending in ({"clip_range": 0.3}, {"clip_range": 0.3, "value_coef": 1.0, "entropy_coef": 0.02}):
        played.state("paused", pending=pending)
        until(offer.is_visible)
        for name in pending:
            until(played.page.locator(f"#setting-{name} .applies").inner_text, lambda text: "applies from" in text)
        assert played.page.evaluate(places) == before


def test_in_the_middle_of_an_update_it_is_said_beforehand_that_it_is_finished_first(stage):
    played = stage(query="?panels=loss-components")
    played.run["update"] = 4
    played.snapshot(4, "loss", epoch=1, minibatch=1)
    played.state("paused", phase="loss", epoch=1, minibatch=1, pending={"clip_range": 0.3})
    until(played.page.get_by_role("button", name="Finish update 4, then apply to it", exact=True).is_visible)
    assert not played.page.get_by_role("button", name="Apply to this update", exact=True).is_visible()


def test_what_the_numbers_are_of_is_said_however_fast_they_came(stage):
    """At full speed texts wait for each other, and the last ones are written when nothing follows."""
    played = stage(query="?panels=clip-mask")
    whose = played.page.locator("#formula .whose")
    until(whose.is_visible)
    played.state("running", playing=True)
    for update in range(4, 12):
        played.snapshot(update, "rollout")  # of which there are no losses
        until(whose.is_hidden)
        played.snapshot(update, "update")
        until(lambda update=update: played.dashboard.mask()["update"] == str(update))
        until(whose.is_visible)


def test_a_run_is_said_to_rest_once_the_moment_of_its_rest_is_painted_and_not_because_it_had_rested_before(modules):
    """A status may come before its snapshot, and all of a step between two paintings."""
    found = modules(
        "page/painted.js",
        """
        const paint = (sequence, state, of) => {
            const header = { update: sequence, phase: "step", epoch: 1, minibatch: sequence, sequence };
            m.report({ snapshot: { header }, status: { state, sequence: of }, past: false });
            return document.body.dataset.state ?? null;
        };
        return [paint(1, "paused", 1), paint(2, "paused", 3), paint(3, "paused", 3), paint(4, "running", null),
            paint(5, "paused", 6), paint(6, "paused", 6)];
        """,
    )
    assert found == ["paused", None, "paused", "running", "running", "paused"]
