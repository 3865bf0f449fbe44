"""Where a rollout has too many samples to send them all, every environment can be looked at."""

import pytest

from tests.browser.dashboard import Dashboard, only, panels_alone, until

MANY = ("--num-envs", "6", "--rollout-steps", "1024", "--minibatches", "8")  # of which four fit into 4,096 samples


@pytest.fixture
def many(shared_server, page):
    live = shared_server(*MANY)
    dashboard = Dashboard(page, only(live, "Clip mask", "Advantages"))
    if dashboard.update() == 0:
        dashboard.step(update="1")
    return dashboard.at(update="1")


def rows(dashboard):
    """The environments whose samples the page has, by what the chart of one offers to show."""
    return dashboard.panel("Clip mask").locator("canvas").first.get_attribute("data-environments")


def test_other_environments_are_chosen_in_the_mask_and_in_advantages(many):
    drawn = until(lambda: rows(many))
    assert len(drawn.split(",")) == 4
    choice = many.panel("Clip mask").get_by_label("Environments")
    assert choice.locator("option").all_inner_texts() == ["drawn by the seed", "0 to 3", "2 to 5"]
    choice.select_option("2 to 5")
    until(lambda: rows(many) == "2,3,4,5")
    choice.select_option("drawn by the seed")
    until(lambda: rows(many) == drawn)
    one = many.panel("Advantages").get_by_label("Environment")
    assert one.locator("option").all_inner_texts() == ["0", "1", "2", "3", "4", "5"]
    away = next(name for name in "012345" if name not in drawn.split(","))
    one.select_option(away)
    until(lambda: away in rows(many).split(","))
    assert one.input_value() == away
    assert "4,096 of 6,144 samples" in many.panel("Clip mask").inner_text()


def test_a_page_that_does_not_lead_is_offered_what_there_is(shared_server, many, new_page):
    until(lambda: rows(many))
    both = panels_alone("Clip mask", "Advantages")
    viewer = Dashboard(new_page(), shared_server(*MANY).base + both).at(update="1")
    shown = until(lambda: rows(viewer))
    assert viewer.panel("Clip mask").get_by_label("Environments").is_hidden()
    options = viewer.panel("Advantages").get_by_label("Environment").locator("option")
    until(lambda: options.all_inner_texts() == shown.split(","))
