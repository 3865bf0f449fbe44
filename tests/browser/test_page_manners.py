"""How the page behaves: it asks before it throws something away; one missing part does not take the others along."""

import pytest

from tests.browser.dashboard import Dashboard, only, until


@pytest.fixture
def paused(server, page):
    live = server("--paused")
    Dashboard(page, only(live, "Loss components"))
    return live


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def run_id(live):
    return live.run()["id"]


def test_restart_does_not_ask_while_there_is_nothing_to_lose(paused, page):
    before = run_id(paused)
    button(page, "Restart").click()
    until(lambda: run_id(paused) != before)


def test_restart_asks_once_training_has_happened(paused, page):
    before = run_id(paused)
    button(page, "Step").click()
    Dashboard.of(page).at(state="paused", update="1", phase="update")
    question = page.get_by_role("dialog", name="untrained weights")
    button(page, "Restart").focus()
    page.keyboard.press("Enter")
    assert question.is_visible()
    page.keyboard.press("Enter")  # once too often
    assert not question.is_visible()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    assert not question.is_visible()
    assert page.evaluate("document.activeElement.textContent") == "Restart"
    button(page, "Restart").click()
    page.locator("h1").click()  # going on elsewhere is a no
    assert not question.is_visible()
    page.wait_for_timeout(300)
    assert run_id(paused) == before, "nobody said yes"
    button(page, "Restart").click()
    button(page, "Restart the run").click()
    until(lambda: run_id(paused) != before)
    Dashboard.of(page).at(state="paused", update="0")
    assert not question.is_visible()


def test_a_run_that_is_begun_anew_just_after_pause_waits_as_it_was_told_to(server, page):
    live = server("--num-envs", "2", "--rollout-steps", "32")
    dashboard = Dashboard(page, only(live, "Loss components")).at(state="running", update="[1-9][0-9]*")
    before = run_id(live)
    pressed = [button(page, "Pause"), button(page, "Restart"), page.get_by_text("Restart the run", exact=True)]
    # All of them before the server can have answered the first.
    page.evaluate("buttons => buttons.forEach((one) => one.click())", [one.element_handle() for one in pressed])
    until(lambda: run_id(live) != before)
    dashboard.at(state="paused", update="0")
    assert (live.run()["state"], live.run()["update"]) == ("paused", 0)


def test_without_the_charting_library_charts_are_drawn(server, page, faults):
    faults.expect("plotly.min.js", "ERR_FAILED")
    page.route("**/plotly.min.js", lambda route: route.abort())
    dashboard = Dashboard(page, only(server("--paused"), "Ratio histogram")).step(update="1", phase="update")
    chart = dashboard.panel("Ratio histogram").locator(".chart")
    # What has come to be watched is measured a moment later.
    until(chart.inner_text, lambda words: "log scale" in words)
    chart.hover()
    until(lambda: chart.get_attribute("title"), lambda words: words and "could not be loaded" in words)


def test_an_error_is_in_sight_above_a_dialog_and_stays_once_that_is_closed(stage):
    played = stage()
    page = played.page
    page.get_by_role("button", name="Help").click()
    played.say("error", id="nobody's", code="internal", message="The disk is full.", detail=None)
    toast = page.get_by_text("The disk is full.")
    until(toast.is_visible)
    at_top = (
        "t => { const b = t.getBoundingClientRect(); return t.contains(document.elementFromPoint(b.x + 5, b.y + 5)); }"
    )
    assert toast.evaluate(at_top)
    page.keyboard.press("Escape")
    until(lambda: not page.get_by_role("dialog").is_visible())
    assert toast.is_visible() and toast.evaluate(at_top)


def test_an_environment_of_a_module_is_called_by_its_id_where_there_is_little_room(stage, page):
    page.set_viewport_size({"width": 1024, "height": 700})
    module = "a_package.of_somebody.with_environments"
    played = stage(query="?panels=loss-components", run={"environment": f"{module}:Reach-v3"})
    name = played.page.locator(".bar strong", has_text="Reach-v3")
    until(lambda: name.inner_text() == "Reach-v3")
    assert name.evaluate("e => e.scrollWidth <= e.clientWidth"), "it is whole"
    opener = played.page.get_by_role("button", name="Runs: Reach-v3")
    assert module in opener.get_attribute("title")
    assert page.title() == "Reach-v3 · PPO Scope"


FADES = """() => [".start-room", ".form-room"].map((name) => {
    const room = document.querySelector(`.new-run ${name}`);
    const fade = getComputedStyle(room).getPropertyValue("--fade");
    return [room.scrollHeight > room.clientHeight + 1, parseFloat(fade) > 0];
})"""


def test_a_form_that_goes_on_below_fades_there(stage, page):
    page.set_viewport_size({"width": 1366, "height": 768})
    stage(query="?panels=loss-components")
    page.get_by_role("button", name="New run", exact=True).click()
    until(lambda: page.evaluate(FADES), lambda seen: seen == [[True, True], [True, True]], 10_000)
    page.evaluate("document.querySelectorAll('.start-room, .form-room').forEach((one) => one.scrollTo(0, 1e6))")
    until(lambda: page.evaluate(FADES), lambda seen: [fades for _, fades in seen] == [False, False], 10_000)
