"""A run in one HTML file: shown from the disk, without a server, and without asking anybody for anything."""

from __future__ import annotations

import csv
import io
import re

from ppo_scope.cli import main
from tests.browser.dashboard import PANELS, Dashboard, until
from tests.kept import run_on_disk

UPDATES = 4


def whole_run(dashboard):
    """The table that the page saves."""
    region = dashboard.panel("Episodic return")
    region.get_by_role("button", name="Save Episodic return").click()
    with dashboard.page.expect_download() as download:
        region.get_by_role("button", name="Whole run as CSV").click()
    return download.value.path().read_text(encoding="utf-8-sig")


def numbers(table):
    """Its cells; the same number may be written in two ways."""

    def of(cell):
        try:
            return float(cell)
        except ValueError:
            return cell

    return [[of(cell) for cell in row] for row in csv.reader(io.StringIO(table, newline=""))]


def test_a_run_is_replayed_from_one_file_without_a_request(new_page, tmp_path):
    path = tmp_path / "a run.html"
    run = str(run_on_disk(tmp_path, UPDATES))
    assert main(["export", run, "--to", str(path)]) == 0
    page = new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.context.set_offline(True)
    dashboard = Dashboard(page, f"{path.as_uri()}?theme=projector")
    page.get_by_text("This is run 0ffe1610, kept and taken along").wait_for()
    assert page.title() == "CartPole-v1 · PPO Scope"
    assert page.locator("#panels .panel").count() == PANELS
    assert page.evaluate("document.documentElement.dataset.theme") == "projector"
    dashboard.press("Back to newest").at(update=str(UPDATES), state="paused")
    dashboard.panel("Ratio histogram").scroll_into_view_if_needed()
    seen = until(dashboard.ratio, lambda ratio: ratio["update"] == str(UPDATES))
    dashboard.key("ArrowLeft")
    until(dashboard.ratio, lambda ratio: ratio != seen)
    dashboard.press("Play").at(update=str(UPDATES), state="paused")
    until(dashboard.ratio, lambda ratio: ratio == seen)  # the update on show is the last one before it plays too
    chart = dashboard.panel("Episodic return").locator(".chart").first
    chart.hover()
    until(lambda: page.evaluate("typeof Plotly !== 'undefined'"))
    until(lambda: dashboard.panel("Episodic return").locator(".plotly, .js-plotly-plot").count())
    assert main(["export", run, "--to", str(tmp_path / "run.csv")]) == 0
    assert numbers(whole_run(dashboard)) == numbers((tmp_path / "run.csv").read_text(encoding="utf-8"))
    dashboard.press("Share")
    assert "give others the file itself" in page.locator(".share").inner_text()
    dashboard.press("Close")
    assert not [url for url in asked if not re.match(r"data:|blob:|file://.*a%20run\.html", url)]
