"""The page of a sweep: all of its combinations as small multiples, as they come, and a run opened with a click."""

import contextlib
import json

import numpy as np
import pytest

from ppo_scope.cli.sweep import _best
from ppo_scope.ppo.settings import Settings
from ppo_scope.records import sweeps
from ppo_scope.records.comparison import compare, curve
from ppo_scope.records.library import Library
from ppo_scope.records.store import Store
from tests.browser.dashboard import Dashboard, until
from tests.browser.test_accessibility import violations
from tests.live import LiveServer

GRID = ("--vary", "clip_range=0.1,0.3", "--seeds", "2", "--num-envs", "2", "--rollout-steps", "32")
UPDATES = 40
COLUMNS = ["steps", "episodic_return_mean"]
TABLE = [
    {"name": "clip_range", "label": "Clip range", "symbol": "ε"},
    {"name": "entropy_coef", "label": "Entropy coefficient", "symbol": "c₂"},
]


def returned(value):
    """A return of this size as every list writes it."""
    assert 10 <= value < 10_000
    return f"{value:.1f}"


def rows_of(number, first, last):
    """Of so many updates, 64 steps each."""
    updates = np.arange(first, last + 1)
    return np.column_stack([updates * 64.0, 20 + updates * (1 + number % 7) / 3])


def swept(folder, vary, seeds, begun):
    """A sweep on disk of which so many runs have begun: all but the last have finished, that one is interrupted."""
    plan = sweeps.plan("swept", Settings.parse({"total_steps": UPDATES * 64, "seed": 1}), vary, seeds)
    for number, planned in enumerate(plan.planned[:begun]):
        planned.run, last = f"{number:08x}", number == begun - 1
        with contextlib.closing(Store(folder / planned.run, create=True)) as store, store.writing():
            settings = plan.settings_of(planned).model_dump(mode="json")
            store.say(settings=settings, created=f"2026-11-26T20:00:{number:02d}+00:00", sweep="swept")
            until_then = UPDATES // 2 if last else UPDATES
            store.append(COLUMNS, 1, rows_of(number, 1, until_then), np.empty((0, 4)))
            if not last:
                store.event("2026-11-26T21:00:00+00:00", UPDATES, "state", {"state": "finished", "cause": None})
    sweeps.save(plan, Library(folder))
    return plan


def test_a_sweep_is_compared_as_it_goes_on_and_its_best_run_is_opened(page, ending, tmp_path):
    server = LiveServer("--runs-dir", str(tmp_path), *GRID, "--total-steps", "1600", "--stay", verb="sweep")
    ending.append(server)
    page.goto(server.url)
    sheet = page.get_by_role("dialog", name="Return over steps")
    until(sheet.is_visible)
    until(lambda: sheet.get_by_role("checkbox", checked=True).count() == 4)
    chart = sheet.locator(".chart")
    until(lambda: chart.get_attribute("data-groups") == "2")
    assert "Sweep CartPole-v1-" in sheet.inner_text() and "Clip range ε" in sheet.inner_text()
    until(lambda: all(run["gone"] for run in json.loads(server.get("api/runs"))))
    assert {run["state"] for run in json.loads(server.get("api/runs"))} == {"finished"}
    until(lambda: {run["state"] for run in json.loads(server.get("api/kept"))["runs"]} == {"finished"})
    kept = json.loads(server.get("api/kept"))["runs"]
    assert {(str(run["varied"]), run["seed"]) for run in kept} == {
        (str({"clip_range": value}), seed) for value in (0.1, 0.3) for seed in (1, 2)
    }, "in a list of runs they can be told apart"
    ids = ",".join(run["id"] for run in json.loads(server.get("api/runs"))).split(",")
    found = json.loads(server.get(f"api/comparison?run={'&run='.join(ids)}"))["groups"]
    finals = {run["id"]: run["final"] for group in found for run in group["runs"]}
    assert len(finals) == 4
    best = max(finals, key=finals.get)
    button = sheet.get_by_role("button", name="the best")
    until(lambda: button.get_attribute("title") == f"Open run {best}")
    until(lambda: returned(finals[best]) in button.inner_text())

    # Its process has made room, and it has finished all the same: nothing is left to go on with.
    asked = []
    page.on("response", lambda response: asked.append(response.url) if response.url.endswith("api/kept") else None)
    page.keyboard.press("Escape")
    banner = page.get_by_role("alert").filter(has_text="It has come to its end")
    until(banner.is_visible)
    until(page.locator(".now .run-state").inner_text, lambda word: word == "finished")
    until(lambda: page.evaluate("new URLSearchParams(location.search).has('returns')") is False)
    page.get_by_role("button", name="Runs:").click()
    until(lambda: page.get_by_role("button", name=f"run {best}", exact=False).filter(has_text="Go on…").count() == 1)
    assert asked and not banner.get_by_role("button", name="Go on", exact=True).is_visible()
    page.get_by_role("button", name="Compare returns").click()
    until(lambda: returned(finals[best]) in button.inner_text())

    button.click()
    until(lambda: not sheet.is_visible())
    Dashboard.of(page).at(state="kept")
    until(page.locator(".now .run-state").inner_text, lambda word: word == "finished")
    assert "from the disk" in page.locator(".run-facts").inner_text()
    run = json.loads(server.get(f"api/runs/{best}"))
    until(lambda: f"seed {run['seed']}" in page.locator(".run-facts").inner_text())
    assert Dashboard.of(page).slider("Clip range ε").input_value() == str(run["settings"]["clip_range"])


@pytest.fixture(scope="module")
def shown(tmp_path_factory, leaving):
    """A server that shows a run of a sweep of 3 × 4 combinations, of three seeds: 29 of 36 runs have begun."""
    folder = tmp_path_factory.mktemp("swept")
    swept(folder, {"clip_range": [0.3, 0.1, 0.2], "entropy_coef": [0.0, 0.01, 0.02, 0.05]}, 3, 29)
    server = LiveServer("0000000a", "--runs-dir", str(folder), verb="open")
    yield server, folder
    server.interrupt()
    leaving.append(server)


def test_each_combination_has_a_small_chart_with_the_numbers_of_its_runs(shown, page):
    server, folder = shown
    page.goto(f"{server.base}?returns=open#token={server.token}")
    sheet = page.get_by_role("dialog", name="Return over steps")
    smalls = sheet.locator(".multiple")
    until(lambda: smalls.count() == 12)
    assert sheet.get_by_role("radio", name="Small multiples").is_checked(), "twelve are too many for one chart"
    plan = sweeps.load("swept", Library(folder))

    def drawn(clip_range, entropy):
        small = sheet.get_by_role("button", name=f"ε {clip_range:g}, c₂ {entropy:g}:")
        return small, until(lambda: small.locator("canvas").evaluate("canvas => ({...canvas.dataset})"))

    told = sheet.locator(".compared-choice li").evaluate_all(
        "all => all.map((one) => [one.dataset.key, one.textContent])"
    )
    assert told, "they can be told from others of their seed"
    for run, text in told:
        values = next(one.values for one in plan.planned if one.run == run)
        assert f"clip range {values['clip_range']:g}, entropy coef {values['entropy_coef']:g}, update" in text

    for clip_range, entropy in ((0.3, 0.0), (0.1, 0.05), (0.2, 0.0)):
        values = {"clip_range": clip_range, "entropy_coef": entropy}
        of = [int(one.run, 16) for one in plan.planned if values.items() <= one.values.items() and one.run]
        small, data = drawn(clip_range, entropy)
        curves = np.array([rows_of(number, 1, UPDATES)[:, 1] for number in of])
        assert data["runs"] == "3" and float(data["step"]) == UPDATES * 64
        assert float(data["value"]) == pytest.approx(curves[:, -1].mean()), "of three runs none is left out"
        assert float(data["lower"]) == pytest.approx(np.quantile(curves[:, -1], 0.25))
        assert float(data["upper"]) == pytest.approx(np.quantile(curves[:, -1], 0.75))
        assert f"{returned(curves[:, -1].mean())} at 2,560 steps; 3 runs, all finished" in small.get_attribute(
            "aria-label"
        )

    assert "3 runs: 1 finished, 1 waiting, 1 interrupted" in drawn(0.2, 0.01)[0].inner_text()
    waiting, nothing = drawn(0.2, 0.05)
    assert "3 runs, all waiting" in waiting.inner_text() and nothing["runs"] == "0" and nothing["value"] == ""
    places = smalls.evaluate_all("all => all.map((one) => [one.ariaLabel.split(':')[0], one.style.gridArea])")
    assert [name for name, _ in places[:5]] == [
        "ε 0.1, c₂ 0",
        "ε 0.1, c₂ 0.01",
        "ε 0.1, c₂ 0.02",
        "ε 0.1, c₂ 0.05",
        "ε 0.2, c₂ 0",
    ]
    assert places[5][1].startswith("3 / 3"), "ε goes down, c₂ across, beside the headings"

    best = sheet.locator(".multiple[data-best=true]")
    assert "best so far" in best.inner_text() and best.get_attribute("aria-pressed") == "true"
    assert not violations(page)
    with page.expect_download() as coming:
        sheet.get_by_role("button", name="Charts as PNG").click()
    assert coming.value.path().read_bytes()[:4] == b"\x89PNG"

    best.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    chosen = sheet.locator(".multiple[aria-pressed=true]")
    assert chosen.count() == 1 and chosen.get_attribute("data-best") == "false"
    runs = sheet.get_by_role("region", name=f"Runs of {chosen.get_attribute('aria-label').split(':')[0]}")
    assert runs.get_by_role("button").count() == 3

    sheet.get_by_text("One chart").click()
    until(lambda: sheet.locator(".chart").get_attribute("data-groups") == "8")
    until(lambda: "returns=chart" in page.url)
    page.reload()
    until(lambda: sheet.locator(".chart").get_attribute("data-groups") == "8", patience=90_000)
    sheet.get_by_text("Small multiples", exact=True).click()
    one = sheet.locator(".multiples-runs button[data-best]")
    run = one.get_attribute("data-run")
    one.click()
    until(lambda: not sheet.is_visible())
    Dashboard.of(page).at(state="kept")
    until(lambda: f"seed {plan.planned[int(run, 16)].values['seed']}" in page.locator(".run-facts").inner_text())


def test_on_a_phone_small_multiples_follow_each_other_each_with_its_name(shown, page):
    server, _ = shown
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{server.base}?returns=multiples#token={server.token}")
    smalls = page.locator(".multiple")
    until(lambda: smalls.count() == 12)
    until(smalls.first.locator("canvas").is_visible)
    fits = "one => one.scrollWidth <= one.clientWidth && one.getBoundingClientRect().right <= innerWidth"
    places = ".multiples-grid, .multiple, .multiple > b, .compared-key > span, .compared-result"
    until(lambda: page.locator(places).evaluate_all(f"all => all.every({fits})"), patience=8_000)
    at = smalls.evaluate_all("all => all.map((one) => [one.getBoundingClientRect().x, one.getBoundingClientRect().y])")
    assert len({x for x, _ in at}) == 1 and [y for _, y in at] == sorted({y for _, y in at}), "one below the other"
    assert smalls.nth(1).locator("b").inner_text() == "ε 0.1, c₂ 0.01"
    assert not page.locator(".multiples-row, .multiples-column").first.is_visible()


def test_what_comes_meanwhile_takes_nobody_from_where_they_are(shown, page):
    server, folder = shown
    page.goto(f"{server.base}?returns=multiples#token={server.token}")
    sheet = page.get_by_role("dialog", name="Return over steps")
    going = sheet.locator("[data-open='0000001c']")
    until(going.count)
    before = going.inner_text()
    going.focus()
    place = "document.querySelector('.compared-result').scrollTop"
    page.evaluate("document.querySelector('.compared-result').scrollTop += 30")
    top = page.evaluate(place)
    assert top > 30
    page.evaluate("window.theOne = document.activeElement")
    note = "getSelection().selectAllChildren(document.querySelector('.compared-table tbody th'))"
    page.evaluate(note)
    picked = page.evaluate("String(getSelection())")
    with contextlib.closing(Store(folder / "0000001c")) as store, store.writing():
        store.append(COLUMNS, UPDATES // 2 + 1, rows_of(28, UPDATES // 2 + 1, UPDATES - 5), np.empty((0, 4)))
    until(going.inner_text, lambda text: text != before)
    assert page.evaluate("window.theOne === document.activeElement && window.theOne.dataset.open") == "0000001c"
    assert page.evaluate(place) == top and page.evaluate("String(getSelection())") == picked != ""
    page.keyboard.press("Escape")
    until(lambda: not sheet.is_visible())
    page.get_by_role("button", name="Runs:").click()
    page.get_by_role("button", name="Compare returns").click()
    until(sheet.is_visible)
    until(lambda: page.evaluate(place) == top)


@pytest.mark.parametrize(
    ("differs", "best"),
    [
        ({}, True),
        ({"env": "Pendulum-v1"}, False),
        ({"env_kwargs": {"max_episode_steps": 100}}, False),
    ],
)
def test_between_environments_no_run_is_the_best(modules, differs, best):
    """Their returns are on two scales: −200 may be good in one, and 200 poor in the other."""

    def run(id, returned, **settings):
        own = {"env": "CartPole-v1", "env_kwargs": {}, "clip_range": 0.2, **settings, "seed": 1}
        return curve(id, own, (), None, np.arange(1.0, 3.0), np.array([0.0, returned]))

    compared = compare([run("a", 9), run("b", 5, clip_range=0.3, **differs)])
    one = {**compared, "groups": compared["groups"][:1]}
    assert (_best(compared) == "a") is best and (_best(compared) is None) is not best
    found = modules("state/compared.js", "m.bestOf(given)", compared)
    assert found == ("a" if best else None) and modules("state/compared.js", "m.bestOf(given)", one) is None
    cells = [{"group": group} for group in compared["groups"]]
    words = modules(
        "state/multiples.js", "m.bestOnes(given.cells, given.compared).length", {"cells": cells, "compared": compared}
    )
    assert words == int(best)
    said = modules("state/compared.js", "m.warnings(given, [], true).join()", compared)
    assert ("not on one scale" in said) is not best


def test_combinations_and_what_is_said_of_them(modules):
    """Of one setting in the order of its values; a run that was changed stands apart, with what was changed."""

    def run(id, seed, returns, changes=(), **settings):
        own = {"env": "CartPole-v1", "clip_range": 0.2, **settings, "seed": seed}
        return curve(id, own, changes, None, np.arange(1, len(returns) + 1) * 100.0, np.array(returns, float))

    change = {"update": 2, "name": "clip_range", "old": 0.3, "new": 0.4}
    runs = [
        run("a", 1, [1, 2], clip_range=0.3),
        run("b", 1, [1, 9], clip_range=0.1),
        run("c", 2, [5, 9], clip_range=0.1),
    ]
    runs.append(run("d", 2, [1, 9], [change], clip_range=0.4))
    given = {"comparison": compare(runs), "table": TABLE, "states": {"a": "finished", "b": "failed", "c": "running"}}
    arranged = "m.arranged(given.comparison, given.sweep ?? null, given.table, (run) => given.states[run] ?? null)"
    words = f"""const {{ cells, rows }} = {arranged};
        const said = cells.map((cell) => [cell.name, m.standingInWords(cell.runs)]);
        return [rows, said, m.isSettled(cells), m.bestOnes(cells, given.comparison).map((cell) => cell.name)]"""
    changed = "ε 0.3, ε 0.3 → 0.4 at update 2"
    assert modules("state/multiples.js", words, given) == [
        [],
        [["ε 0.1", "2 runs: 1 running, 1 failed"], ["ε 0.3", "1 run, finished"], [changed, "1 run"]],
        False,
        ["ε 0.1", changed],
    ]
    planned = [(0.3, 1, "a"), (0.3, 2, "d"), (0.1, 1, "b"), (0.1, 2, "c"), (0.05, 1, None), (0.05, 2, None)]
    told = [{"values": {"clip_range": value, "seed": seed}, "run": id} for value, seed, id in planned]
    given["sweep"] = {"name": "s", "vary": {"clip_range": [0.3, 0.1, 0.05]}, "steps": 500, "planned": told}
    found = modules("state/multiples.js", words, given)
    assert [name for name, _ in found[1]] == ["ε 0.05", "ε 0.1", "ε 0.3", changed]
    assert found[1][0][1] == "2 runs, all waiting" and found[1][2][1] == "1 run, finished"
    assert modules("state/multiples.js", "m.spansOf(given.comparison, given.sweep)", given) == {
        "last": 500,
        "low": 1,
        "high": 9,
    }


def test_what_has_finished_is_not_gone_on_with_as_it_is(modules):
    states = (
        "['finished', 'stopped'].map((state) => m.resumesAt({ state, resumes_at: 7 })).concat(m.resumesAt(undefined))"
    )
    assert modules("state/ended.js", states) == [None, 7, None]


def test_the_same_notice_stands_once(modules):
    words = """const announcer = m.createAnnouncer();
        for (const text of ["It ends here.", "It ends here.", "Another.", "It ends here."]) announcer.warn(text);
        announcer.note("Another.");
        return [...announcer.element.querySelectorAll(".toast p")].map((toast) => toast.textContent)"""
    assert modules("ui/announce.js", words) == ["Another.", "It ends here.", "Another."]


def test_of_errors_the_last_one_is_taken_away_first_and_notes_stay(modules):
    words = """const announcer = m.createAnnouncer();
        const texts = () => [...announcer.element.querySelectorAll(".toast p")].map((toast) => toast.textContent);
        for (const text of ["1", "2", "3", "4", "2"]) announcer.warn(text);
        announcer.note("A note.");
        const seen = [];
        do seen.push(texts()); while (announcer.dismiss());
        return seen"""
    assert modules("ui/announce.js", words) == [
        ["A note.", "2", "3", "4"],
        ["A note.", "3", "4"],
        ["A note.", "3"],
        ["A note."],
    ]
