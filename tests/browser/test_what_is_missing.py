"""A panel that has nothing to show says why, and never waits for what will not come."""

import functools

import numpy as np
import pytest

from ppo_scope.probes.subject import Lacking
from tests.browser.dashboard import panels_alone, until
from tests.browser.stage import snapshot

ALL = ["advantages", "direction", "gradients", "minibatches", "policy", "post_step", "ratio", "samples", "values"]
NAN = "The reward of environment 2 at step 17 of the rollout is not finite: nan."
HALT = {
    "name": "not_finite",
    "title": "Not finite",
    "severity": "error",
    "summary": NAN,
    "cause": "The environment returned it from step().",
    "remedy": "Look at what the environment computes in step(): the training cannot mend it.",
    "setting": None,
    "since": 0,
}

LOOKED_AT = ("Health", "Policy", "Gradients", "Clip mask", "Loss components")


@pytest.fixture
def explained(stage):
    """A played server, and the panels whose explanations are looked at."""
    return functools.partial(stage, query=panels_alone(*LOOKED_AT))


def words(played, name):
    panel = played.dashboard.panel(name)
    panel.scroll_into_view_if_needed()
    return panel.inner_text()


def test_a_first_rollout_that_is_not_finite_is_explained_at_once(explained):
    played = explained(update=0, findings=[HALT])
    cause = {"summary": NAN, "remedy": HALT["remedy"], "detail": None}
    played.state("paused", phase="ready", cause=cause)
    until(lambda: words(played, "Health"), lambda text: NAN in text and "step()" in text)
    health = played.dashboard.panel("Health")
    assert not health.get_by_role("button", name="Go to").count()
    assert "Waits for" not in health.inner_text()
    until(played.sentence, lambda text: text == NAN)
    badge = played.page.locator(".health-badge")
    until(badge.is_visible)
    assert badge.evaluate("badge => badge.scrollWidth <= badge.clientWidth"), "it is cut off"
    assert badge.inner_text() == HALT["title"]
    badge.click()
    sheet = played.page.get_by_role("group", name="What is wrong")
    assert NAN in sheet.inner_text() and HALT["remedy"] in sheet.inner_text(), "without scrolling"
    sheet.get_by_role("button", name="Why, and what else").click()
    until(health.get_by_role("button", name="Maximise").is_visible)
    assert not sheet.is_visible() and health.locator(".verdict").is_visible()
    played.snapshot(0, "ready", findings=[{**HALT, "title": "A number of the environment is not finite"}])
    until(badge.inner_text, lambda text: text == "1 finding")


@pytest.mark.parametrize("layout", ["", "&stage=clip-mask"])
def test_in_a_narrow_window_a_finding_is_whole_in_its_frame_and_the_run_keeps_its_name(stage, page, layout):
    played = stage(
        query=f"{panels_alone('Clip mask')}{layout}", findings=[{**HALT, "title": "A long name of a finding"}]
    )
    badge, name = page.locator(".health-badge"), page.locator(".run-environment")
    until(badge.is_visible)
    for theme in ("light", "dark", "projector"):
        until(lambda: page.locator("html").get_attribute("data-theme"), lambda now, theme=theme: now == theme)
        for width in (390, 721, 820, 1024, 1366):
            page.set_viewport_size({"width": width, "height": 900})
            assert badge.evaluate("badge => badge.scrollWidth <= badge.clientWidth"), (theme, width)
            assert name.bounding_box()["width"] > 20, (theme, width)
            box = badge.bounding_box()
            assert box["x"] + box["width"] <= width, (theme, width)
        played.dashboard.key("t")


@pytest.mark.parametrize(("size", "others"), [("update", ""), ("update", "+1"), ("until", "+1")])
def test_beside_a_finding_and_the_number_of_other_runs_the_run_keeps_its_name(stage, page, size, others):
    played = stage(query=panels_alone("Clip mask"), findings=[HALT])
    until(page.locator(".health-badge").is_visible)
    brief = {"environment": "CartPole-v1", "seed": 2, "update": 3, "sweep": None, "script": "", "returns": []}
    other = {**brief, "id": "other", "state": "paused", "created": "2026-01-01T10:00:00Z"}
    if others:
        played.say("runs", runs=[{**other, "id": played.run["id"]}, other])
    until(page.locator(".runs-count").inner_text, lambda text: text == others)
    page.get_by_label("Step size").select_option(size)
    page.get_by_label("Step size").evaluate("list => list.blur()")
    name = page.locator(".run-environment")
    whole = "name => [name.scrollWidth, name.clientWidth, document.documentElement.scrollWidth, innerWidth]"
    for theme in ("light", "dark", "projector"):
        until(lambda: page.locator("html").get_attribute("data-theme"), lambda now, theme=theme: now == theme)
        for width in (1280, 1366, 1440, 1536, 1600, 1920):
            page.set_viewport_size({"width": width, "height": 720})
            until(lambda: name.evaluate(whole), lambda seen: seen[0] <= seen[1] and seen[2] <= seen[3], patience=3000)
        page.keyboard.press("t")


def test_a_cause_without_a_finding_is_in_health_too(explained):
    played = explained(update=0)
    until(lambda: words(played, "Health"), lambda text: "Waits for the first update" in text)
    played.state("failed", phase="ready", cause={"summary": NAN, "remedy": "Mend it.", "detail": "Traceback"})
    until(lambda: words(played, "Health"), lambda text: NAN in text and "Mend it." in text)
    assert "Waits for" not in words(played, "Health")
    assert "the run failed" in words(played, "Health").lower()


def test_a_probe_that_failed_is_named_where_it_is_needed(explained):
    played = explained(measured=ALL)
    until(lambda: played.dashboard.mask().get("update") == "3")
    why = "The probe “policy” failed: ZeroDivisionError: division by zero. It is switched off for this run."
    played.snapshot(4, measured=[name for name in ALL if name != "policy"], failed={"policy": why})
    until(lambda: words(played, "Policy"), lambda text: why in text)
    assert "Waits for" not in words(played, "Policy")
    until(lambda: played.dashboard.mask().get("update") == "4")
    slow = "The probe “gradients” takes too long and is switched off for this run."
    played.snapshot(5, measured=ALL, failed={"policy": why, "gradients": slow})
    until(lambda: words(played, "Gradients"), lambda text: slow in text)
    extra = "The probe “samples” failed."
    played.snapshot(6, measured=ALL, failed={"samples": extra})
    until(lambda: words(played, "Clip mask"), lambda text: extra in text)
    note = played.dashboard.panel("Loss components").locator(".note")
    until(lambda: note.get_attribute("title"), lambda text: extra in (text or ""))
    assert "without samples" in note.inner_text()


def test_what_a_training_loop_cannot_do_is_said_where_it_is_needed(explained):
    played = explained(measured=ALL)
    until(lambda: played.dashboard.mask().get("update") == "3")
    lacks = {name: str(Lacking(what)) for name, what in {"gradients": "differentiate", "samples": "outputs"}.items()}
    played.snapshot(4, measured=[name for name in ALL if name not in lacks], lacks=lacks)
    until(lambda: words(played, "Gradients"), lambda text: lacks["gradients"] in text)
    assert "Waits for" not in words(played, "Gradients")
    until(lambda: words(played, "Clip mask"), lambda text: lacks["samples"] in text)
    note = played.dashboard.panel("Loss components").locator(".note")
    until(lambda: note.get_attribute("title"), lambda text: lacks["samples"] in (text or ""))
    played.snapshot(5, measured=ALL)
    until(lambda: words(played, "Gradients"), lambda text: lacks["gradients"] not in text)


def past(played, update, measured, **fields):
    """Look at a moment of the past, at which so much was measured."""
    header, arrays = snapshot(update)
    kept = {name: value for name, value in arrays.items() if not fields.get("without") or name not in fields["without"]}
    header = {**header, "run": played.run["id"], "sequence": 50 + update, "measured": measured}
    header["kind"] = fields.get("kind", "snapshot")
    played.moments.append((header, kept))
    played.dashboard.key("ArrowLeft")
    played.dashboard.at(update=str(update), live="false")


def test_a_past_moment_that_was_not_measured_says_so_and_why(explained):
    played = explained(measured=ALL)
    policy = ["policy_places", "policy_before", "policy_now", "policy_shift", "entropy_counts"]
    gone = [*policy, "gradient_norms", "gradient_cosines", "gradient_shared"]
    past(played, 2, ["advantages", "minibatches", "ratio", "samples", "values"], without=gone)
    not_then = "Not measured at this moment, because no page showed this panel then"
    until(lambda: words(played, "Policy"), lambda text: f"{not_then}." in text)
    until(lambda: words(played, "Gradients"), lambda text: f"{not_then}, or the run went at full speed" in text)
    assert "Waits for" not in words(played, "Policy")
    there = played.dashboard.panel("Policy").get_by_role("button", name="Go to the newest update")
    until(there.is_visible)
    played.snapshot(4, measured=["samples"])
    until(lambda: words(played, "Policy"), lambda text: "step or play on with this panel in sight" in text)
    assert not there.is_visible(), "nobody has had it measured there either"
    past(played, 1, ["advantages", "samples"], without=gone, kind="passing")
    until(lambda: words(played, "Policy"), lambda text: "passed on the way of a larger step" in text)


def test_a_moment_that_does_not_say_what_was_measured_is_as_before_and_the_last_of_a_run_waits_for_nothing(explained):
    played = explained()
    past(played, 2, None, without=["policy_now"])
    until(lambda: words(played, "Policy"), lambda text: "Waits for the next measurement" in text)
    played.dashboard.press("Back to live").at(update="3", live="true")
    header, arrays = snapshot(4)
    arrays = {name: values for name, values in arrays.items() if not name.startswith("policy")}
    played.frame({**header, "measured": ["samples"], "run": "first", "sequence": 500}, arrays)
    until(lambda: words(played, "Policy"), lambda text: "Waits for the next measurement" in text)
    played.state("killed", cause={"summary": "The training process was killed (SIGKILL).", "detail": None})
    until(lambda: words(played, "Policy"), lambda text: "nothing more of it is measured" in text)


def picture(played, sequence, **header):
    scalars = {"episode_step": 1, "episode_return": 1}
    fields = {"kind": "picture", "protocol": 2, "update": 0, "phase": "update", "epoch": 0, "epochs": 0}
    rest = {"minibatch": 0, "minibatches": 0, "scalars": scalars, "mime": "image/png"}
    played.frame({**fields, **rest, "sequence": sequence, **header})


def test_a_dead_drawing_process_is_explained_and_training_goes_on(stage):
    played = stage()
    why = "The drawing process died (segmentation fault, signal 11) while it drew " + "a_very_long_name" * 12 + "."
    picture(played, 100_000, reason=why)
    until(lambda: words(played, "Environment"), lambda text: why in text)
    box = played.dashboard.panel("Environment").locator(".environment-reason")
    assert box.evaluate("e => e.scrollWidth <= e.clientWidth"), "it is not wrapped"
    played.lose()
    resumed = until(lambda: played.said("resume"))[-1]
    assert resumed["sequence"] < 1000, "a picture has numbers of its own"


@pytest.mark.parametrize(
    ("wrappers", "shown"),
    [
        (["TimeLimit (500 steps)", "MaxAndSkipObservation (4)"], "TimeLimit (500 steps)\nMaxAndSkipObservation (4)"),
        (None, "known once the run has started"),
    ],
)
def test_what_is_at_work_on_the_environment_is_listed(stage, wrappers, shown):
    played = stage(run={"wrappers": wrappers})
    played.page.get_by_text("Fixed for this run").click()
    listed = played.page.locator(".wrappers")
    until(listed.inner_text, lambda text: text.strip() == shown)


@pytest.mark.parametrize("how", ["hidden", "maximised"])
def test_a_chosen_sample_is_shown_although_its_panel_was_not(stage, how):
    played = stage()
    until(lambda: played.dashboard.mask().get("update") == "3")
    if how == "hidden":
        sample = played.dashboard.panel("Sample")
        sample.scroll_into_view_if_needed()
        sample.hover()
        played.dashboard.press("Hide Sample")
    else:
        played.dashboard.press("Maximise Clip mask")
    until(lambda: not played.dashboard.panel("Sample").is_visible())
    mask = played.dashboard.panel("Clip mask").locator("canvas").first
    mask.scroll_into_view_if_needed()
    mask.click(position={"x": 60, "y": 40})
    until(played.dashboard.panel("Sample").is_visible)
    spoken = played.page.locator("body > div > [aria-live=polite]")
    until(spoken.text_content, lambda text: "Sample is shown" in text)
    order = played.page.evaluate("[...document.querySelectorAll('.panel')].map(panel => panel.ariaLabel)")
    if how == "hidden":
        assert order[order.index("Clip mask") + 1] == "Sample"


def test_advantages_without_a_critic_have_no_empty_axis_of_values(stage):
    played = stage(query=panels_alone("Advantages"))
    parts = played.dashboard.panel("Advantages").locator(".chart")
    until(parts.text_content, lambda text: "V (line)" in text and "δ (dots)" in text)
    header, arrays = snapshot(3)
    unknown = {name: np.full_like(arrays[name], np.nan) for name in ("value", "value_target", "delta")}
    played.frame({**header, "run": played.run["id"]}, {**arrays, **unknown})
    text = until(parts.text_content, lambda text: "V (line)" not in text)
    assert "Â raw (area), R (line)" in text
