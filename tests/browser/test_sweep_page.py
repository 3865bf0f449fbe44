"""The page of a sweep: all of its runs as curves by what is varied, as they come, and the best opened with a click."""

import json

from tests.browser.dashboard import Dashboard, until
from tests.live import LiveServer

GRID = ("--vary", "clip_range=0.1,0.3", "--seeds", "2", "--num-envs", "2", "--rollout-steps", "32")


def test_a_sweep_is_compared_as_it_goes_on_and_its_best_run_is_opened(page, ending, tmp_path):
    server = LiveServer("--runs-dir", str(tmp_path), *GRID, "--total-steps", "3200", "--stay", verb="sweep")
    ending.append(server)
    page.goto(server.url)
    sheet = page.get_by_role("dialog", name="Return over steps")
    until(sheet.is_visible)
    until(lambda: sheet.get_by_role("checkbox", checked=True).count() == 4)
    chart = sheet.locator(".chart")
    until(lambda: chart.get_attribute("data-groups") == "2")
    assert "Sweep CartPole-v1-" in sheet.inner_text() and "Clip range ε" in sheet.inner_text()
    until(lambda: {run["state"] for run in json.loads(server.get("api/runs"))} == {"stopped"})
    ids = ",".join(run["id"] for run in json.loads(server.get("api/runs"))).split(",")
    found = json.loads(server.get(f"api/comparison?run={'&run='.join(ids)}"))["groups"]
    finals = {run["id"]: run["final"] for group in found for run in group["runs"]}
    assert len(finals) == 4
    best = max(finals, key=finals.get)
    button = sheet.get_by_role("button", name="the best")
    until(lambda: button.get_attribute("title") == f"Open run {best}")
    until(lambda: f"{finals[best]:.4g}" in button.inner_text())
    button.click()
    until(lambda: not sheet.is_visible())
    Dashboard.of(page).at(state="kept")
    run = json.loads(server.get(f"api/runs/{best}"))
    until(lambda: f"seed {run['seed']}" in page.locator(".run-facts").inner_text())
    assert Dashboard.of(page).slider("Clip range ε").input_value() == str(run["settings"]["clip_range"])
