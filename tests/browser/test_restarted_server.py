"""A server that was started anew has a run of its own: the page does not show it in place of another without a word."""

import copy

from tests.browser.dashboard import until
from tests.browser.stage import recorded

NEW = {**copy.deepcopy(recorded()[0]), "id": "second", "update": 0, "state": "paused"}


def restart(played, *, leads=True):
    """The server ends, and another one takes its place."""
    played.lose()
    played.sees("The connection to the server is lost")
    played.greet("two", leads=leads, run=copy.deepcopy(NEW))


def test_what_is_shown_stays_until_the_new_run_is_asked_for(stage):
    played = stage(query="?panels=clip-mask")
    played.dashboard.at(update="3", state="paused")
    mask = played.dashboard.mask()
    restart(played)
    played.sees("The run on show ended with the old one, at update 3; a new run is at update 0.")
    for update in (1, 2):
        played.run["update"] = update
        played.snapshot(update)
        played.state("running")
    played.sees("a new run is at update 2")
    assert played.dashboard.data()["update"] == "3"
    assert played.dashboard.mask() == mask
    played.dashboard.press("Show the new run")
    played.dashboard.at(update="2", state="running")
    assert "started anew" not in played.text()
    assert played.dashboard.mask()["update"] == "2"


def test_nothing_can_be_done_to_a_run_that_ended_with_its_server(stage):
    played = stage(query="?panels=clip-mask")
    restart(played)
    played.sees("Show the new run")
    page = played.page
    until(page.get_by_role("slider", name="Timeline").is_disabled)
    for name in ("Play", "Step", "Restart", "New run", "Back"):
        button = page.get_by_role("button", name=name, exact=True)
        until(button.is_disabled)
        assert "started anew" in button.get_attribute("title")
    until(played.dashboard.slider("Clip range ε").is_disabled)
    for key in ("Space", "ArrowRight", "ArrowLeft"):
        played.dashboard.key(key)
    assert not played.said("play", "pause", "step", "restart", "set")
    show = page.get_by_role("button", name="Show the new run")
    show.focus()
    page.keyboard.press("Enter")
    played.state("paused", phase="ready")
    played.snapshot(0, "ready")
    until(page.get_by_role("button", name="Play", exact=True).is_enabled)


def test_a_second_restart_and_a_lost_connection_keep_it_too(stage):
    played = stage(query="?panels=clip-mask")
    restart(played)
    played.sees("Show the new run")
    played.lose()
    played.sees("The connection to the server is lost")
    third = {**copy.deepcopy(NEW), "id": "third", "update": 7}
    played.greet("three", run=third)
    played.sees("a new run is at update 7")
    assert played.dashboard.data()["update"] == "3"


def test_the_same_server_goes_on_with_its_run(stage):
    played = stage(query="?panels=clip-mask")
    played.lose()
    played.sees("The connection to the server is lost")
    played.greet("one")
    played.state("paused")
    until(lambda: "The connection to the server is lost" not in played.text())
    assert "started anew" not in played.text()


def test_another_run_of_the_same_server_is_announced(stage):
    """Somebody else began it while this page was away."""
    played = stage(query="?panels=clip-mask")
    played.lose()
    played.sees("The connection to the server is lost")
    played.greet("one", run=copy.deepcopy(NEW))
    played.say("run", run=played.run)
    played.state("paused", phase="ready")
    played.sees("A new run took the place of the one on show")


def test_a_page_that_comes_back_to_its_run_says_nothing(stage):
    """The greeting names the newest run of the server, which need not be this page's."""
    played = stage(query="?panels=clip-mask")
    first = played.run
    played.lose()
    played.sees("The connection to the server is lost")
    played.greet("one", run=copy.deepcopy(NEW))
    played.run = first
    played.say("run", run=first)
    played.state("paused")
    until(lambda: "The connection to the server is lost" not in played.text())
    assert "A new run" not in played.text()


def test_a_page_that_is_turned_away_says_why(stage):
    played = stage(query="?panels=clip-mask")
    played.turn_away("full: as many pages watch as there is room for.")
    played.sees("full: as many pages watch as there is room for.")
    assert "The connection to the server is lost" not in played.text()


def test_a_server_that_gives_no_sign_of_life_is_said_to_be_silent_until_it_does(stage):
    played = stage(query="?panels=clip-mask")
    link = played.page.locator(".connection")
    until(lambda: link.text_content() == "connected")
    played.page.evaluate("clearInterval(window.played.socket.beat)")
    played.sees("Nothing is heard from the server. What you see is the last that arrived, update 3.")
    assert "was paused" in played.text() and link.text_content() == "no sign of life"
    assert played.page.get_by_role("button", name="Play", exact=True).is_enabled(), "it may hear"
    played.say("heartbeat")
    until(lambda: "Nothing is heard" not in played.text() and "was paused" not in played.text())
    assert link.text_content() == "connected"
