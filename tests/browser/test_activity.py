"""What takes its time says how far it is, can be given up, and hears Pause."""

import re

from tests.browser.dashboard import until

ALONE = "?panels=loss-components"
"""They say what they say beside whatever panels there are."""


FLICKERING = """() => {
    const sentence = document.querySelector(".sentence");
    const begun = performance.now();
    const seen = new MutationObserver(() => {
        if (sentence.innerText.includes("Every update")) return;
        window.told = [sentence.innerText, performance.now() - begun];
        seen.disconnect();
    });
    seen.observe(sentence, { characterData: true, childList: true, subtree: true });
}"""
"""What the sentence says first of what goes on, and milliseconds after which it does."""


def running(stage, **how):
    played = stage(query=ALONE, **how)
    played.state("running", playing=True)
    played.dashboard.at(state="running")
    return played


def test_a_rollout_tells_its_steps_and_how_long_a_slow_one_takes(stage):
    played = running(stage, update=0)
    played.doing("collecting", 36, 128, 1.2)
    until(played.sentence, lambda text: "Collecting: step 37 of 128." in text)
    collect = played.page.locator('[data-station="collect"]')
    until(collect.inner_text, lambda text: "step 37 of 128" in text)
    assert collect.get_attribute("aria-current") == "step"
    until(
        played.sentence, lambda text: re.search(r"This step has taken \d+\u00a0s so far\.", text)
    )  # without another word
    played.doing("collecting", 37, 128, 0.1)
    until(played.sentence, lambda text: "step 38 of 128" in text and "so far" not in text)
    played.snapshot(1, "rollout")
    until(played.sentence, lambda text: "collected under" in text or "Every update" in text)


def test_what_is_over_in_a_moment_does_not_flicker_at_full_speed(stage):
    played = running(stage)
    until(played.sentence, lambda text: "Every update" in text)
    played.page.evaluate(FLICKERING)
    for step in range(5, 20):
        played.doing("collecting", step, 128, 0.001)
        played.page.wait_for_timeout(20)
    until(played.sentence, lambda text: "Collecting: step 20 of 128" in text)
    first, after = played.page.evaluate("window.told")
    assert "Collecting: step" in first and after >= 1000


def test_the_lit_station_changes_at_once_at_full_speed(stage):
    """A transition that begins anew before it has ended has the browser paint sixty times a second."""
    played = running(stage)
    station = played.page.locator(".station").first
    lasts = "station => getComputedStyle(station).transitionDuration"
    until(lambda: station.evaluate(lasts), lambda lasting: set(lasting.split(", ")) == {"0s"})
    played.state("paused")
    until(lambda: station.evaluate(lasts), lambda lasting: set(lasting.split(", ")) == {"0.12s"})


def test_a_long_first_update_tells_how_far_it_is(stage):
    played = running(stage, update=0)
    played.doing("collecting", 411, 2048)
    until(played.sentence, lambda text: "Collecting: step 412 of 2,048." in text)
    played.progress(phase="loss", epoch=1, epochs=0, minibatch=3, minibatches=0)  # nobody has told how many there are
    until(played.sentence, lambda text: "The first update is being made: epoch 1, minibatch 3. Its numbers" in text)
    assert "epoch 1 of K · minibatch 3 of n" in " ".join(played.page.locator(".pipeline").inner_text().split())
    played.progress(phase="loss", epoch=2, epochs=4, minibatch=3, minibatches=4)
    until(played.sentence, lambda text: "The first update is being made: epoch 2 of 4, minibatch 3 of 4." in text)
    played.snapshot(1)
    until(played.sentence, lambda text: "Every update" in text)


def test_pause_in_a_rollout_says_when_it_will_be_and_can_be_taken_back(stage):
    played = running(stage, update=0)
    played.doing("collecting", 36, 128)
    played.dashboard.press("Pause")
    played.answer("pause")
    played.state("running", playing=True, pausing=True)
    button = played.page.get_by_role("button", name="Pauses when this rollout is whole.")
    until(button.is_visible)
    assert button.is_disabled()
    until(played.sentence, lambda text: "Pauses when this rollout is whole." in text)
    spoken = played.page.locator("body > div > [aria-live=polite]")
    until(spoken.text_content, lambda text: "Pauses when this rollout is whole." in text)
    played.dashboard.key("Space")
    until(lambda: played.said("play"))
    played.answer("play")
    played.state("running", playing=True)
    until(played.page.get_by_role("button", name="Pause", exact=True).is_enabled)
    until(played.sentence, lambda text: "Pauses when" not in text)


def test_an_update_made_twice_tells_how_far_it_is_and_can_be_cancelled(stage):
    played = stage(query=ALONE)
    played.state("paused", pending={"clip_range": 0.3})
    played.dashboard.press("Apply to this update")
    until(lambda: played.said("redo"))
    played.doing("redo", 40, 320, update=3)
    box = played.page.locator("#apply")
    until(box.inner_text, lambda text: "Making update 3 a second time: 12\u00a0% of it is done." in text)
    assert box.get_by_role("progressbar").evaluate("bar => bar.value") == 0.125
    until(played.sentence, lambda text: "a second time" in text)
    step = played.page.get_by_role("button", name="Step", exact=True)
    until(lambda: step.get_attribute("title"), lambda title: "second time" in title)
    box.get_by_role("button", name="Cancel").click()
    until(lambda: played.said("cancel"))
    played.answer("cancel")
    played.answer("redo", "conflict", "Cancelled: the update is as it was.")
    played.progress(update=3, phase="update")
    until(played.page.get_by_role("button", name="Apply to this update").is_visible)
    until(step.is_enabled)


COUNT_FRAMES = """() => {
    const ask = requestAnimationFrame;
    window.frames_asked = 0;
    window.requestAnimationFrame = (draw) => (window.frames_asked++, ask(draw));
}"""


def test_a_sign_of_life_of_a_trainer_at_rest_draws_nothing(stage):
    played = stage(query=ALONE)
    played.state("paused")
    played.dashboard.at(state="paused")
    played.progress(update=3, phase="update")
    played.page.evaluate(COUNT_FRAMES)

    def asked_for_in(milliseconds):
        before = played.page.evaluate("frames_asked")
        played.page.wait_for_timeout(milliseconds)
        return played.page.evaluate("frames_asked") - before

    until(lambda: asked_for_in(500) == 0)  # what the page has begun with is drawn
    for _ in range(3):
        played.progress(update=3, phase="update")
        assert asked_for_in(300) == 0
    before = played.page.evaluate("frames_asked")
    played.progress(update=3, phase="loss", epoch=1, minibatch=1)
    until(lambda: played.page.evaluate("frames_asked") > before)  # another word is drawn
