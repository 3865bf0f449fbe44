"""Evaluations on the page: what Python finds with the same seed stands beside the training return."""

import pytest

from ppo_scope.ppo.evaluation import Evaluator
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from tests.browser.dashboard import Dashboard, only, until
from tests.browser.test_activity import running
from tests.browser.test_series_panels import chart
from tests.live import LiveServer

EVALUATED = {"seed": 7, "eval_every": 2, "eval_episodes": 3}
UPDATES = 4
RANGES, MEANS, BEST = 4, 5, 6  # traces of the chart, after a curve for each run that may be compared


@pytest.fixture(scope="module")
def found():
    """What Python finds, with the best of them."""
    trainer = Trainer(Settings.parse(EVALUATED))
    evaluator, all_of_them = Evaluator(trainer), []
    for phase in trainer.phases():
        if evaluator.due:
            all_of_them.append(evaluator.evaluate())
        if phase.kind is PhaseKind.UPDATE and phase.update.index == UPDATES:
            trainer.close()
            return all_of_them, evaluator.best
    raise AssertionError


@pytest.fixture
def live(ending):
    options = [text for name, value in EVALUATED.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    ending.append(LiveServer("--paused", *options))
    return ending[-1]


def drawn(dashboard):
    return chart(dashboard, "Episodic return")


def test_evaluations_stand_beside_the_training_return_also_for_who_comes_later(live, page, found):
    all_of_them, best = found
    dashboard = Dashboard(page, only(live, "Episodic return"))
    panel = dashboard.panel("Episodic return")
    dashboard.step("update", update="1")
    until(panel.inner_text, lambda text: "Not evaluated yet: every 2 updates" in text)
    for update in range(2, UPDATES + 1):
        dashboard.step("update", update=str(update))
    for _ in range(2):
        until(lambda: len(drawn(dashboard)[MEANS]["x"]), lambda count: count == len(all_of_them))
        traces = drawn(dashboard)
        assert traces[MEANS]["x"] == [one.steps for one in all_of_them]
        assert traces[MEANS]["y"] == [one.mean for one in all_of_them]
        assert traces[RANGES]["y"][0:2] == [min(all_of_them[0].returns), max(all_of_them[0].returns)]
        assert traces[BEST]["y"] == [best.mean]
        text = panel.inner_text()
        assert "training, mean of 100 episodes" in text and "deterministic policy, its own environments" in text
        assert "Evaluated: " in text and ("the best so far" in text or f"at update {best.update}" in text)
        why = panel.get_by_text("deterministic policy, its own environments").get_attribute("title")
        assert "not the training return" in why
        page.reload()
        dashboard.at(state="paused", update=str(UPDATES))
    dashboard.press("New run")
    sheet = page.get_by_role("dialog", name="New run")
    folded = sheet.locator("summary", has_text="Evaluation")
    assert "2 not at their default" in folded.inner_text()
    folded.click()
    assert sheet.get_by_label("Evaluate every", exact=True).input_value() == "2"
    preset = sheet.locator(".run-start", has_text="For a first look")
    assert "To expect" not in preset.inner_text(), "of all at once it would be a page to read"
    preset.get_by_role("radio").check()
    assert "To expect: a mean return of 250 after" in preset.inner_text()


def test_a_long_evaluation_tells_how_far_it_is(stage):
    played = running(stage)
    for ended in range(20):
        played.doing("evaluating", ended, 30, 0.001)
    until(played.sentence, lambda text: "Evaluating the policy of update" in text and "19 of 30 episodes" in text)
    played.progress(update=3, phase="update")
    until(played.sentence, lambda text: "Evaluating" not in text)
