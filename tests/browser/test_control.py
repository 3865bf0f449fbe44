"""Who controls: the page that was opened by the link, its other tabs, and nobody else."""

import pytest

from tests.browser.dashboard import Dashboard, only, until

KEY = "ppo-scope.session"


@pytest.fixture
def dashboard(shared_server, page):
    live = shared_server()
    return Dashboard(page, only(live, "Loss components"))


def can_step(dashboard):
    return dashboard.page.get_by_role("button", name="Step", exact=True).is_enabled()


def says(page, words):
    return page.get_by_text(words).first.is_visible()


def test_a_copied_tab_is_another_page_that_may_control_and_does_not_lead(dashboard):
    page = dashboard.page
    until(lambda: can_step(dashboard))
    page.evaluate("sessionStorage.setItem('a tab', 'is copied with this')")
    with page.context.expect_page() as opening:
        page.evaluate("window.open(location.href)")
    opening.value.wait_for_load_state()
    copy = Dashboard.of(opening.value)
    copy.at(state="paused")
    assert copy.page.evaluate("sessionStorage.getItem('a tab')") == "is copied with this"
    until(lambda: says(copy.page, "Another tab controls this run"))
    dashboard.step()  # the first one leads on
    copy.page.get_by_role("button", name="Take control").click()
    until(lambda: can_step(copy))
    assert page.evaluate(f"localStorage.getItem('{KEY}')")
    copy.page.reload()
    copy.at(state="paused")
    until(lambda: can_step(copy))
    assert not says(copy.page, "You are watching")
    until(lambda: says(page, "Another tab controls this run"))
    page.reload()  # who does not lead takes nothing by it
    until(lambda: says(page, "Another tab controls this run"))
    copy.step()
    copy.page.close()
    until(lambda: can_step(dashboard))
    dashboard.step()


def test_a_late_answer_to_the_page_before_a_reload_settles_nothing(modules):
    two = """
        const sent = [];
        const [before, after] = [1, 2].map(() => m.createCommands((message) => sent.push(message)));
        before.send("step").catch(() => {});
        after.send("step").catch(() => {});
        const settles = ({ id }) => after.settle({ type: "ack", id });
        return [sent[0].id === sent[1].id, settles(sent[0]), settles(sent[1])];
    """
    assert modules("net/commands.js", two) == [False, False, True]


def test_a_secret_that_is_of_no_use_is_forgotten(dashboard):
    page = dashboard.page
    page.evaluate(f"localStorage.setItem('{KEY}', 'of another start')")
    page.reload()
    until(lambda: says(page, "You are watching"))
    until(lambda: page.evaluate(f"localStorage.getItem('{KEY}')") is None)
