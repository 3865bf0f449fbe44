"""The guide on a live run and on a recorded one: scenes are set, numbers are the run's own, tasks notice."""

import re

import pytest

from ppo_scope.ppo.phases import PhaseKind
from tests.browser.dashboard import Dashboard, until
from tests.browser.test_first_light import SEED, computed

SCENES = [
    {"phase": "gradient", "epoch": "1", "minibatch": "1"},
    {"phase": "advantages"},
    {"phase": "loss", "epoch": "1", "minibatch": "1"},
    {"phase": "epoch", "epoch": "4"},
    {"phase": "update"},
    {"phase": "loss", "epoch": "1", "minibatch": "1"},
    {"phase": "update"},
    {"phase": "update"},
]


@pytest.fixture
def guided(server, page):
    return Dashboard(page, server("--paused", "--seed", SEED).url).key("g")


def guide(dashboard):
    return dashboard.page.locator("#guide")


def done(dashboard):
    guide(dashboard).get_by_text("Done.").wait_for()


def test_every_chapter_sets_its_scene(guided, page):
    for number, scene in enumerate(SCENES, 1):
        guided.at(state="paused", **scene)
        assert f"chapter {number} of 8" in guide(guided).inner_text()
        assert page.locator(".panel[data-lit]").count() >= 1
        if number < len(SCENES):
            guided.press("Next")
    guided.press("Finish")
    assert not guide(guided).is_visible()


def test_its_numbers_are_those_of_the_run(guided):
    guided.at(phase="gradient")
    found = computed(1, PhaseKind.GRADIENT, 1).scalars
    until(lambda: guide(guided).inner_text(), lambda text: f"{found['loss']:.4f}" in text)
    assert f"{found['gradient_norm']:.3g}" in guide(guided).inner_text()


def test_a_task_notices_when_it_is_done(guided):
    guided.at(phase="gradient")
    assert "Done." not in guide(guided).inner_text()
    guided.step("phase", phase="step")
    done(guided)
    assert guide(guided).locator("[data-done]").count() == 1


def test_a_selected_sample_is_noticed(guided):
    guided.at(phase="gradient")
    guided.press("Next").at(phase="advantages")
    canvas = guided.panel("Clip mask").locator("canvas").first
    canvas.scroll_into_view_if_needed()
    canvas.click()
    done(guided)


def test_a_preview_is_noticed(guided):
    guided.at(phase="gradient")
    guide(guided).get_by_role("button", name="Chapter 4").click()
    guided.at(phase="epoch", epoch="4")
    guided.type("Clip range", 0.05)
    done(guided)


def test_an_offer_is_carried_out_and_its_outcome_noticed(guided, page):
    guided.at(phase="gradient")
    guide(guided).get_by_role("button", name="Chapter 7").click()
    guided.at(phase="update")
    before = guided.update()
    guided.press("Set c₂ to 0.1")
    page.get_by_text(f"applies from update {before + 1}").first.wait_for()
    guided.step(update=str(before + 1))
    done(guided)
    found = computed(before + 1, entropy_coef=0.1).scalars if before == 0 else None
    assert found is None or f"{found['entropy_term']:.4f}".replace("-", "−") in guide(guided).inner_text()


def test_the_chapter_stays_over_a_reload(guided, page):
    guided.at(phase="gradient")
    guided.press("Next").at(phase="advantages")
    page.reload()
    guided.at(state="paused")
    until(lambda: guide(guided).inner_text(), lambda text: "chapter 2 of 8" in text)


def test_it_runs_on_a_recorded_run_without_training(server, page):
    live = server("--paused", "--seed", SEED)
    page.goto(live.base + "?recording=cartpole")
    recorded = Dashboard.__new__(Dashboard)
    recorded.page = page
    recorded.at(state="paused", live="false", phase="ready")
    page.get_by_text("This run was recorded").first.wait_for()
    recorded.key("g").at(phase="gradient", epoch="1", minibatch="1")
    text = guide(recorded).inner_text()
    assert re.search(r"the loss L = \d", text)
    recorded.step("phase", phase="step")
    done(recorded)
    recorded.press("Next").at(phase="advantages")
    recorded.press("Play")
    until(lambda: recorded.data()["phase"], lambda phase: phase in {"loss", "gradient", "step"})
    recorded.press("Pause").at(state="paused")
    assert live.run()["update"] == 0, "nothing is trained"


def test_a_recording_that_is_not_there_is_said(server, page, faults):
    faults.expect("404")
    live = server("--paused", "--seed", SEED)
    dashboard = Dashboard(page, live.base + "?recording=nothing")
    page.get_by_text("There is no recording “nothing”").first.wait_for()
    dashboard.at(state="paused", update="0")


def test_who_only_watches_is_shown_what_is_kept(server, new_page):
    live = server("--paused", "--seed", SEED)
    leader = Dashboard(new_page(), live.url)
    leader.step(update="1")
    viewer = Dashboard(new_page(), live.base)
    viewer.at(update="1").key("g").at(phase="gradient", epoch="1", minibatch="1", live="false")
    assert leader.data()["phase"] == "update"
