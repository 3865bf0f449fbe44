"""Return over steps of several runs, live and kept, in one chart: with the server's numbers, as a table and a file."""

import contextlib
import csv
import io
import json

import numpy as np
import pytest

from ppo_scope.ppo.settings import Settings
from ppo_scope.records.aggregates import interquartile_mean
from ppo_scope.records.store import Store
from tests.browser.dashboard import Dashboard, only, until
from tests.browser.test_accessibility import violations
from tests.browser.test_runs import beside
from tests.live import LiveServer
from tests.server.scope_page import ServerProcess

SETTINGS = {"num_envs": 2, "rollout_steps": 32}
UPDATES = 40


def stored(folder, id, returns, **settings):
    """A run on disk with that curve, 64 steps an update."""
    returns = np.asarray(returns, float)
    steps = np.arange(1, len(returns) + 1) * 64.0
    with contextlib.closing(Store(folder / id, create=True)) as store, store.writing():
        wanted = Settings.parse({**SETTINGS, **settings}).model_dump(mode="json")
        store.say(settings=wanted, created="2026-11-26T20:00:00+00:00")
        rows = np.column_stack([steps, returns])
        store.append(["steps", "episodic_return_mean"], 1, rows, np.empty((0, 4)))
        store.event("2026-11-26T20:00:01+00:00", len(returns), "state", {"state": "stopped", "cause": None})


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Four seeds of one setting, one of them shorter, and one of another, once more with a curve that ends earlier."""
    folder = tmp_path_factory.mktemp("runs")
    rising = np.linspace(20, 200, UPDATES)
    for seed in range(4):
        stored(folder, f"a{seed}", rising[: UPDATES - 10 if seed == 2 else UPDATES] * (1 + seed), seed=seed)
    stored(folder, "b0", rising / 2, seed=0, clip_range=0.4)
    stored(folder, "b1", rising[:5] / 2, seed=0, clip_range=0.4)
    stored(folder, "p0", [-1200, -900, -700], seed=5, env="Pendulum-v1")
    return folder


def answer(server, *runs):
    return json.loads(server.get("api/comparison?" + "&".join(f"run={run}" for run in runs)))


def test_runs_live_and_kept_are_compared_in_one_chart(kept, page, ending):
    server = LiveServer("--runs-dir", str(kept), "--paused", "--seed", "9", "--num-envs", "2", "--rollout-steps", "32")
    ending.append(server)
    dashboard = Dashboard(page, only(server, "Episodic return"))
    live = server.run()["id"]
    page.get_by_role("button", name="Runs:").click()
    page.get_by_role("button", name="Compare returns").click()
    sheet = page.get_by_role("dialog", name="Return over steps")
    until(sheet.is_visible)

    chart = sheet.locator(".chart")
    until(lambda: chart.get_attribute("data-groups") == "2")
    assert chart.get_attribute("data-bands") == "1", "one seed has no interval"
    boxes = sheet.get_by_role("checkbox")
    assert boxes.count() == 8 and sheet.get_by_role("checkbox", checked=True).count() == 7, "those of this environment"
    said = until(lambda: sheet.get_by_role("region", name="Comparison").inner_text())
    assert "Between the groups differ: Clip range ε." in said
    assert f"Run {live} is left out. No episode of it has ended yet." in said
    assert "Run b1 is left out. Run b0 has the same settings and the same seed" in said
    end = 64 * (UPDATES - 10)
    assert f"“ε 0.2” ends at {end:,} steps, where seed 2 does; the longest of its runs has come to 2,560." in said
    assert "interquartile mean (IQM: of n seeds ⌊n/4⌋ at either end are left out)" in said and "rliable" in said

    rows = sheet.get_by_role("table").get_by_role("row")
    group, other = rows.nth(1).inner_text(), rows.nth(2).inner_text()
    rising = np.linspace(20, 200, UPDATES)[UPDATES - 11]
    assert "ε 0.2" in group and "IQM" in group and f"{rising * 2.5:.1f}" in group, "of 1, 2, 3 and 4 times that"
    found = answer(server, "a0", "a1", "a2", "a3", "b0")["groups"]
    assert f"{found[0]['low'][-1]:.1f} to {found[0]['high'][-1]:.1f}" in group
    assert "ε 0.4" in other and "one run" in other and "100" in other and "one seed has none" in other
    curves = chart.evaluate("chart => chart.data.slice(8, 10).map(({ x, y }) => [x, y])")
    assert [[list(x), list(y)] for x, y in curves] == [[one["steps"], one["values"]] for one in found]
    assert not violations(page)

    with page.expect_download() as coming:
        sheet.get_by_role("button", name="Curves as CSV").click()
    table = list(csv.DictReader(io.StringIO(coming.value.path().read_text(encoding="utf-8"))))
    assert {row["settings.clip_range"] for row in table} == {"0.2", "0.4"}
    mine = [row for row in table if row["group"] == "1"]
    assert [float(row["episodic_return"]) for row in mine] == found[0]["values"]
    assert [float(row["high_95"]) for row in mine] == found[0]["high"] and mine[0]["seeds"] == "0 1 2 3"
    assert {row["low_95"] for row in table if row["group"] == "2"} == {""}
    with page.expect_download() as coming:
        sheet.get_by_role("button", name="Chart as PNG").click()
    assert coming.value.path().read_bytes()[:4] == b"\x89PNG"

    sheet.get_by_role("button", name="None of CartPole-v1").click()
    until(lambda: "Choose the runs to compare" in sheet.inner_text())
    sheet.get_by_role("button", name="All of Pendulum-v1").click()
    until(lambda: chart.get_attribute("data-groups") == "1" and "one run" in sheet.inner_text())
    sheet.get_by_role("checkbox", name="seed 0 b0").check()
    until(lambda: "The groups have different environments: their returns are not on one scale." in sheet.inner_text())
    page.keyboard.press("Escape")
    until(lambda: not sheet.is_visible())

    # The run of this server, as soon as it has a return: the fifth seed of the first group, looked at again and again.
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "api/comparison" in request.url else None)
    dashboard.press("Play").at(state="running")
    page.get_by_role("button", name="Runs:").click()
    page.get_by_role("button", name="Compare returns").click()
    until(sheet.is_visible)
    assert sheet.get_by_role("checkbox", checked=True).count() == 2, "what was chosen stays chosen"
    sheet.get_by_role("button", name="All of CartPole-v1").click()
    until(lambda: "seed 9:" in sheet.inner_text() and len(asked) > 1)
    page.keyboard.press("Escape")
    until(lambda: not sheet.is_visible())
    dashboard.press("Pause").at(state="paused")
    (five,) = answer(server, "a0", "a1", "a2", "a3", live)["groups"]
    finals = np.array([[run["final"]] for run in five["runs"]])
    assert len(finals) == 5 and five["values"][-1] == pytest.approx(interquartile_mean(finals)[0])


def test_what_cannot_be_compared_is_said(kept):
    with ServerProcess(kept=kept) as server:
        many = "&".join(f"run={n}" for n in range(1001))
        status, _, said = server.request("GET", f"/api/comparison?{many}", None)
        assert status == 400 and "At most 1,000 runs" in json.loads(said)["message"]
        found = server.get("/api/comparison?run=nobody&run=..&run=a0")
        assert [one["id"] for one in found["left_out"]] == ["nobody", ".."] and len(found["groups"]) == 1
        assert all("neither among this server's runs nor kept" in one["why"] for one in found["left_out"])


def test_a_run_that_begins_is_listed_when_the_server_tells_of_it(server, page):
    def unasked(route):
        """The script, but for its looking again after a while."""
        found = route.fetch()
        assert "AGAIN = 5000;" in found.text()
        route.fulfill(response=found, body=found.text().replace("AGAIN = 5000;", "AGAIN = 1e9;"))

    page.route("**/app.js", unasked)
    live = server("--paused", "--seed", "9", "--num-envs", "2", "--rollout-steps", "32")
    Dashboard(page, only(live, "Episodic return"))
    page.get_by_role("button", name="Runs:").click()
    page.get_by_role("button", name="Compare returns").click()
    sheet = page.get_by_role("dialog", name="Return over steps")
    boxes = sheet.get_by_role("checkbox")
    until(boxes.count, lambda listed: listed == 1)
    assert beside(page, seed=3)
    until(boxes.count, lambda listed: listed == 2)
    assert "seed 3" in sheet.inner_text()
