"""Several runs in one page: the list, going from one to another, and ending one."""

import json

from tests.browser.dashboard import Dashboard, only, until
from tests.server.scope_page import leaders


def beside(page, **settings):
    """Begin a run beside the one on show, as a script of the page's owner would; its identifier."""
    body = json.dumps({"settings": {"num_envs": 2, "rollout_steps": 32, **settings}, "paused": True, "beside": True})
    return page.evaluate(
        """body => fetch("api/runs", {method: "POST", body, headers: {
            "Content-Type": "application/json", "X-PPO-Scope-Session": localStorage.getItem("ppo-scope.session")
        }}).then(r => r.json()).then(run => run.id)""",
        body,
    )


def opener_of(page):
    """The run's name in the bar, which opens the list of runs."""
    return page.get_by_role("button", name="Runs:")


def items(page):
    return page.locator("#runs-sheet .run-item")


def opened(opener, page):
    """What the list says, opened again where it has closed with the button that was pressed in it."""
    if opener.get_attribute("aria-expanded") == "false":
        opener.click()
    return [items(page).nth(n).inner_text() for n in range(2)]


def test_runs_are_listed_opened_and_ended_alone(server, page):
    live = server("--paused", "--seed", "7", "--num-envs", "2", "--rollout-steps", "32")
    dashboard = Dashboard(page, only(live, "Loss components")).step(update="1")
    assert beside(page, seed=3, clip_range=0.1)
    opener = opener_of(page)
    until(opener.inner_text, lambda text: "+1" in text)
    assert "CartPole-v1" in opener.inner_text() and "seed 7" in opener.inner_text()
    assert page.evaluate("document.body.dataset.update") == "1", "what is on show is what was"
    opener.click()
    until(lambda: items(page).first.inner_text(), lambda text: "clip range 0.1" in text)
    first, second = items(page).first, items(page).last
    assert "seed 3 · update 0" in first.inner_text() and "seed 7 · update 1 · on show" in second.inner_text()
    assert second.get_attribute("aria-current") == "true"
    first.click()
    dashboard.at(update="0", state="paused")
    assert "seed 3" in page.locator(".run-facts").inner_text()
    dashboard.step(update="1").step(update="2")
    opener.click()
    second.click()
    dashboard.at(update="1", state="paused")
    assert "seed 7" in page.locator(".run-facts").inner_text()
    dashboard.step(update="2")
    opener.click()
    page.get_by_role("button", name="End this run").click()
    page.get_by_role("button", name="End it").click()
    dashboard.at(state="stopped")
    until(lambda: opened(opener, page), lambda t: "paused" in t[0] and "stopped" in t[1])
    opener.focus()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.innerText").startswith("Runs:")
    opener.press("Enter")
    page.keyboard.press("Enter")
    dashboard.at(update="2", state="paused")
    assert "seed 3" in page.locator(".run-facts").inner_text()
    assert leaders(live.pid), "the other one lives on"


def test_a_new_run_beside_the_one_at_hand_is_what_the_page_shows_and_both_go_on(server, page):
    live = server("--seed", "7", "--num-envs", "2", "--rollout-steps", "32")
    dashboard = Dashboard(page, only(live, "Loss components")).at(state="running", update="[1-9][0-9]*")
    first = live.run()["id"]
    dashboard.press("New run")
    dialog = page.get_by_role("dialog", name="New run")
    until(dialog.inner_text, lambda text: "gone then" in text)
    dialog.get_by_label("beside it: both go on").check()
    until(dialog.inner_text, lambda text: "gone then" not in text)
    dialog.get_by_role("textbox", name="Seed").fill("9")
    dialog.get_by_role("button", name="Begin").click()
    until(page.locator(".run-facts").inner_text, lambda text: "seed 9" in text)
    dashboard.at(state="running", update="[1-9][0-9]*")

    def updates():
        return {run["id"]: run["update"] for run in page.evaluate("fetch('api/runs').then(r => r.json())")}

    before = updates()
    assert len(before) == 2 and first in before
    until(updates, lambda now: all(now[id] > before[id] for id in before))
    opener_of(page).click()
    other = page.locator("#runs-sheet").get_by_role("button", name="Compare with CartPole-v1, seed 7")
    other.hover()
    page.mouse.down()
    dashboard.key(" ").at(state="paused")  # the list is written anew while a button in it is pressed
    page.mouse.up()
    until(page.get_by_role("region", name="Compared runs").is_visible)


def test_a_run_that_moves_under_the_pointer_while_it_is_pressed_is_gone_to(server, page):
    live = server("--paused", "--seed", "7", "--num-envs", "2", "--rollout-steps", "32")
    Dashboard(page, only(live, "Loss components")).step(update="1")
    beside(page, seed=3)
    until(opener_of(page).inner_text, lambda text: "+1" in text)

    def press_while_it_moves(seed, across):
        runs = page.locator("#runs-sheet ul").first
        runs.evaluate("list => { list.style.paddingTop = '0'; }")
        opener_of(page).click()
        box = items(page).filter(has_text=f"seed {seed}").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        runs.evaluate("list => { list.style.paddingTop = '6em'; }")
        page.mouse.move(x + across, y)
        page.mouse.up()

    press_while_it_moves(3, across=0)
    until(page.locator(".run-facts").inner_text, lambda text: "seed 3" in text)
    press_while_it_moves(7, across=40)  # somebody has thought better of it
    assert opener_of(page).get_attribute("aria-expanded") == "true"
    assert "seed 3" in page.locator(".run-facts").inner_text()


def test_a_page_that_is_loaded_anew_or_connects_again_is_with_its_run(server, page):
    live = server("--paused", "--seed", "7", "--num-envs", "2", "--rollout-steps", "32")
    dashboard = Dashboard(page, only(live, "Loss components")).step(update="1")
    beside(page, seed=3)
    until(opener_of(page).inner_text, lambda text: "+1" in text)
    page.context.set_offline(True)
    page.context.set_offline(False)
    dashboard.step(update="2")
    assert "seed 7" in page.locator(".run-facts").inner_text()
    page.reload()
    dashboard.step(update="3")
    assert "seed 7" in page.locator(".run-facts").inner_text(), "and not with the newest"
