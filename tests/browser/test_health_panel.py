"""The panel Health on a run that deserves a warning, and on one that does not."""

import pytest

from tests.browser.dashboard import Dashboard, only, panels_alone, until
from tests.browser.stage import snapshot


@pytest.fixture
def ill(lasting):
    """After an update: a critic that is never trained, and a step that is far too long."""
    return lasting("--value-coef", "0", "--learning-rate", "0.1", update=1, panels=["Health"])


@pytest.fixture
def stage(stage):
    """With this panel alone."""
    return lambda **how: stage(query=panels_alone("Health"), **how)


def shown(dashboard):
    """The panel, where it can be seen: panels out of sight are not drawn."""
    dashboard.panel("Health").scroll_into_view_if_needed()
    return dashboard.panel("Health")


def findings(dashboard):
    shown(dashboard)
    return set((dashboard.panel("Health").locator(".body").get_attribute("data-findings") or "").split())


def test_what_is_wrong_is_said_with_cause_and_remedy(ill):
    until(lambda: "kl_spike" in findings(ill))
    text = ill.panel("Health").inner_text()
    assert "KL(π_old‖π_θ) was" in text and "in the mean over the minibatches" in text
    assert "Why:" in text and "Do:" in text and "since update 1" in text
    (snapshot,) = ill.page.evaluate(
        "fetch('api/runs').then(r => r.json()).then(runs => fetch(`api/runs/${runs[0].id}/series`))"
        ".then(r => r.json()).then(s => [s.rows[0][s.columns.indexOf('kl_k3')]])"
    )
    assert f"{snapshot:.3g}" in text, "the number is the run's own"


def test_the_remedy_leads_to_the_slider(ill):
    shown(ill).get_by_role("button", name="Go to α").click()
    assert ill.page.evaluate("document.activeElement.getAttribute('aria-label')") == "Learning rate α"


def test_the_bar_says_that_something_is_wrong_and_leads_to_it(ill):
    ill.page.get_by_role("button", name="KL spike").click()
    sheet = ill.page.get_by_role("group", name="What is wrong")
    assert "Lower the learning rate" in sheet.inner_text() and "--target-kl 0.02" in sheet.inner_text()
    sheet.get_by_role("button", name="Why, and what else was looked for").click()
    until(lambda: ill.panel("Health").evaluate("p => p.getBoundingClientRect().top < innerHeight"))


def test_what_opens_below_a_button_at_the_left_of_a_narrow_window_is_whole(look_at, page):
    look_at("--value-coef", "0", "--learning-rate", "0.1", update=1, panels=["Health"])
    page.set_viewport_size({"width": 1024, "height": 768})
    page.evaluate("document.documentElement.dataset.theme = 'projector'")
    page.get_by_role("button", name="KL spike").click()
    box = page.get_by_role("group", name="What is wrong").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 1024


def test_a_useless_critic_is_found_after_ten_updates(server, page):
    dashboard = Dashboard(
        page, only(server("--paused", "--seed", "7", "--num-envs", "2", "--value-coef", "0"), "Health")
    )
    dashboard.step("updates", update="10")
    until(lambda: "useless_critic" in findings(dashboard))
    text = dashboard.panel("Health").inner_text()
    assert "worse than a constant" in text and "c₁ is 0" in text and "Raise c₁" in text


def test_a_healthy_run_says_what_was_looked_for_and_what_cannot_be_known_is_not_green(server, page):
    """A check that has not seen enough says so, and one that asks for something that is not there."""
    dashboard = Dashboard(page, only(server("--paused", "--seed", "7", "--num-envs", "2"), "Health")).step(update="1")
    panel = shown(dashboard)
    text = until(panel.inner_text, lambda text: "takes 10 updates to tell" in text)
    assert "✓ No KL spike" in text and findings(dashboard) == set()
    assert "Nothing wrong was found so far" in text and "cannot tell yet" in text
    assert "Useless critic: not known yet" in text and "Actions cut off at a bound: does not apply" in text
    assert panel.locator(".verdict").get_attribute("data-worst") == "unknown"
    assert not [
        line for line in text.splitlines() if line.startswith("✓") and ("not known" in line or "does not" in line)
    ]
    dashboard.step("updates", update="11").step("updates", update="21")
    until(lambda: panel.locator(".verdict").get_attribute("data-worst"), lambda worst: worst == "fine")
    assert "Nothing wrong was found." in panel.inner_text()


def test_a_step_that_was_too_long_leads_while_its_consequences_last_is_marked_and_one_goes_there(server, page):
    dashboard = Dashboard(page, only(server("--paused", "--seed", "7", "--learning-rate", "0.1"), "Health")).step(
        update="1"
    )
    until(lambda: "kl_spike" in findings(dashboard))
    dashboard.step("updates", update="11").step("updates", update="21")
    until(lambda: {"kl_spike", "entropy_collapse"} <= findings(dashboard))
    first = dashboard.panel("Health").locator(".findings li").first
    assert "KL spike" in first.inner_text() and "One thing keeps" in dashboard.panel("Health").inner_text()
    assert int(page.locator("#timeline canvas").get_attribute("data-findings")) >= 2
    assert "KL spike (warning)" in page.get_by_role("slider", name="Timeline").get_attribute("title")
    first.get_by_role("button", name="Go to update 1", exact=True).click()
    dashboard.at(update="1")
    until(lambda: findings(dashboard) == {"kl_spike"})
    page.get_by_role("button", name="Back to live").click()
    dashboard.at(update="21")
    track = page.locator("#timeline .track").bounding_box()
    beginning = track["x"] + 8 + (track["width"] - 16) / 21
    page.mouse.click(beginning + 4, track["y"] + track["height"] - 4)
    dashboard.at(update="1")


SPIKE = {"name": "kl_spike", "title": "KL spike", "severity": "warning", "since": 2, "until": 3}
PASSED = {**SPIKE, "summary": "KL was 2.99. It has passed.", "cause": "", "remedy": "", "setting": None}
COLLAPSE = {**PASSED, "name": "entropy_collapse", "title": "Entropy collapse", "since": 3, "until": None}


def test_what_has_passed_is_listed_once(stage):
    played = stage(findings=[], history=[SPIKE], unknown={})
    panel = shown(played.dashboard)
    earlier = panel.get_by_role("list", name="What was wrong earlier")
    until(earlier.inner_text, lambda text: "KL spike (warning), updates 2 to 3" in " ".join(text.split()))
    assert "Nothing wrong was found." in panel.inner_text()
    following = {**COLLAPSE, "explained_by": "kl_spike"}
    history = [SPIKE, {name: following[name] for name in SPIKE}]
    played.snapshot(3, findings=[PASSED, following], history=history, unknown={})
    text = until(lambda: " ".join(panel.inner_text().split()), lambda text: "2.99" in text)
    assert "warning, updates 2 to 3." in text and "since update 3; follows from “KL spike”" in text
    assert earlier.is_hidden(), "what leads still is not listed as gone"


def test_in_the_past_what_came_later_is_not_called_earlier(stage):
    later = {**SPIKE, "since": 7, "until": 9}
    history = [{**SPIKE, "since": 1}, later]
    played = stage(update=12, findings=[], history=history, unknown={})
    panel = shown(played.dashboard)
    earlier = panel.get_by_role("list", name="What was wrong earlier")
    until(lambda: earlier.locator("li").all_inner_texts(), lambda rows: len(rows) == 2)
    going_on = {**PASSED, "since": 7, "until": None}
    for update, findings in ((9, [going_on]), (7, [going_on]), (5, [])):
        header, arrays = snapshot(update)
        played.moments.append(
            ({**header, "run": played.run["id"], "sequence": 50 + update, "findings": findings, "unknown": {}}, arrays)
        )
        played.dashboard.key("ArrowLeft")
        played.dashboard.at(update=str(update), live="false")
        rows = until(lambda: earlier.locator("li").all_inner_texts(), lambda rows: len(rows) == 1)
        assert "updates 1 to 3" in rows[0]


def test_a_finding_that_is_written_anew_while_it_is_pressed_is_opened(stage):
    told = {"history": [], "unknown": {}}
    spread = {**COLLAPSE, "cause": "The policy is sure.", "summary": "S was 0.02."}
    played = stage(findings=[PASSED, spread], **told)
    row = shown(played.dashboard).get_by_role("list", name="Findings").get_by_role("listitem").last
    until(row.inner_text, lambda text: "S was 0.02." in text)
    row.get_by_role("heading").hover()
    row.page.mouse.down()
    played.snapshot(3, findings=[PASSED, {**spread, "summary": "S was 0.01."}], **told)
    until(row.inner_text, lambda text: "S was 0.01." in text)
    row.page.mouse.up()
    until(row.get_by_text("The policy is sure.").is_visible)


def test_what_an_older_recording_did_not_measure_is_not_green(stage):
    played = stage(findings=[], history=[], unknown={}, health={"kl_k3": 0.01})
    text = until(shown(played.dashboard).inner_text, lambda text: "✓ No KL spike" in text)
    assert "Useless critic: not known yet (not measured)" in text and "The critic predicts" not in text


EVIDENCE = {
    "Logits go as far apart as they like": ({"least_probability": -0.537}, "the lowest is −0.537; a probability would"),
    "The norm limit leaves the policy its steps": (
        {"policy_pace": 0.67, "gradient_clip_factor": 0.135},
        "moved by 67 % of α·√n, where n steps by noise alone come to about 100 %, gradients are multiplied by 0.135",
    ),
    "Advantages heed where episodes end": (
        {"ends_told": 0.0, "lasts_told": 4.0},
        "seen in this update at no ends of episodes, and at 4 episodes that go on after the rollout",
    ),
    "Cut episodes are bootstrapped": ({"cut_episodes": 0.0}, "seen in earlier updates; in this one no cut episode"),
    "What is trained on goes": ({"paid_episodes": 100.0}, "in the latest 100 episodes"),
    "Samples have advantages": ({"empty_rows": 0.0}, "Â is 0 at every step of no environments or sequences"),
    "The loop's loss is what": ({"losses_told": 3.0}, "compared L, LPG and LVF, as the loop tells them"),
    "The optimizer keeps": ({"memory_before": 13.0}, "it remembered gradients of 13 arrays of weights"),
    "All samples are steps": ({"reset_steps": 0.0}, "in this update no steps of a reset"),
}


def test_what_was_looked_at_is_told_in_sentences(stage):
    health = {name: value for numbers, _ in EVIDENCE.values() for name, value in numbers.items()}
    played = stage(findings=[], history=[], unknown={}, health=health)
    lines = until(
        lambda: shown(played.dashboard).get_by_role("list", name="What was looked for").locator("li").all_inner_texts(),
        lambda lines: any("−0.537" in line for line in lines),
    )
    for begins, (_, words) in EVIDENCE.items():
        (line,) = (line for line in lines if begins in line)
        assert words in " ".join(line.split())


def test_an_update_of_one_step_is_said_to_be_so_by_design(stage):
    settings = {**snapshot(3)[0]["settings"], "epochs": 1, "minibatches": 1}
    played = stage(settings=settings, findings=[], history=[], unknown={}, health={"kl_k3": 0.0, "steps_taken": 1.0})
    text = until(shown(played.dashboard).inner_text, lambda text: "That is by design" in text)
    assert "r ≡ 1" in text
    played.snapshot(3, findings=[], history=[], unknown={}, health={"kl_k3": 0.01, "steps_taken": 1.0})
    until(shown(played.dashboard).inner_text, lambda text: "by design" not in text)  # cut short after one of several


def test_what_follows_from_a_finding_stands_below_it(server, page):
    dashboard = Dashboard(page, only(server("--paused", "--seed", "7", "--max-grad-norm", "0.000001"), "Health"))
    dashboard.step("updates", update="10").step("updates", update="20")
    until(lambda: findings(dashboard), lambda found: {"still_policy", "uniform_policy"} <= found)
    panel = dashboard.panel("Health")
    assert "One thing keeps this run from learning well; " in panel.inner_text()
    assert "follows from “The policy does not move”" in panel.inner_text()
    assert (
        page.get_by_role("button", name="1 finding").or_(page.get_by_role("button", name="The policy does not")).count()
    )
    slider = page.get_by_role("slider", name="Gradient norm limit")
    assert slider.is_hidden(), "it is among those that are folded away"
    panel.get_by_role("button", name="Go to Gradient norm limit").first.click()
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Gradient norm limit"


@pytest.mark.parametrize(
    ("following", "words", "badge"),
    [
        (["kl_spike", None], "2 things keep this run from learning well; 1 more follows from them.", "2 causes"),
        ([None, None], "3 things keep this run from learning well.", "3 findings"),
        (["kl_spike", "kl_spike"], "One thing keeps this run from learning well; 2 more follow from it.", "KL spike"),
    ],
)
def test_what_is_counted_is_what_is_listed(stage, following, words, badge):
    """What follows from another finding is a line of the list too, and no cause of its own."""
    others = [{**COLLAPSE, "name": name} for name in ("entropy_collapse", "useless_critic")]
    below = [{**one, "explained_by": cause} for one, cause in zip(others, following, strict=True)]
    played = stage(findings=[PASSED, *below], history=[], unknown={})
    panel = shown(played.dashboard)
    until(panel.locator(".verdict").inner_text, lambda text: text == words)
    assert panel.get_by_role("list", name="Findings").get_by_role("listitem").count() == 3
    until(lambda: played.dashboard.page.get_by_role("button", name=badge).count())


def test_a_remedy_that_is_not_to_be_had_from_outside_says_so(stage):
    attached = {"library": "a loop", "changeable": ["clip_range"]}
    wanted = {
        **SPIKE,
        "summary": "KL was 2.99.",
        "cause": "The step is too long.",
        "remedy": "Lower it.",
        "until": None,
    }
    played = stage(
        run={"attached": attached}, findings=[{**wanted, "setting": "learning_rate"}], history=[], unknown={}
    )
    shown(played.dashboard).get_by_role("button", name="Go to α").click()
    played.sees("does not take this setting from outside: change it in the script")


def test_what_a_step_that_is_far_too_long_does_is_found_and_the_gravest_is_open(server, page):
    live = server("--paused", "--seed", "7", "--num-envs", "4", "--rollout-steps", "64", "--learning-rate", "1")
    dashboard = Dashboard(page, only(live, "Health")).step("updates", update="10")
    causes = {"entropy_collapse", "kl_spike"}  # which, and what else there is, depends on how a machine rounds
    until(lambda: findings(dashboard), lambda found: "saturated_activations" in found and found & causes)
    rows = dashboard.panel("Health").locator(".findings li")
    assert [rows.nth(index).locator("details").get_attribute("open") for index in range(2)] == ["", None]
    second = rows.nth(1)
    assert "Do:" not in second.inner_text()
    second.locator("summary").click()
    until(second.inner_text, lambda text: "Why:" in text and "Do:" in text)


POISONED = """
import gymnasium as gym
from gymnasium.envs.classic_control import CartPoleEnv


class Poisoned(CartPoleEnv):
    steps = 0

    def step(self, action):
        self.steps += 1
        observation, reward, *rest = super().step(action)
        return observation, float("nan") if self.steps > 40 else reward, *rest


gym.register("Poisoned-v0", entry_point=Poisoned)
"""


def test_a_run_that_meets_a_number_that_is_none_halts_and_says_so(server, page, tmp_path):
    (tmp_path / "poisoned.py").write_text(POISONED)
    arguments = ("--env", "poisoned:Poisoned-v0", "--num-envs", "1", "--rollout-steps", "16", "--minibatches", "1")
    dashboard = Dashboard(page, only(server("--paused", "--seed", "7", *arguments), "Health"))
    dashboard.step(update="1").step(update="2")
    assert findings(dashboard) == set()
    dashboard.press("Step")
    until(lambda: "not_finite" in findings(dashboard))
    dashboard.at(state="paused", update="2")  # nothing was trained with it
    text = dashboard.panel("Health").inner_text()
    assert "reward is not finite: environment 0" in text
    assert "since update 3" in text
    assert "Something is wrong" in text
