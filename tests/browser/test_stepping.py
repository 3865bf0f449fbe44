"""Forwards and backwards through an update: every position of the page shows that moment."""

import numpy as np
import pytest

from ppo_scope.ppo.losses import Region
from ppo_scope.ppo.phases import PhaseKind
from tests.browser.dashboard import Dashboard, only, panels_alone, until
from tests.browser.test_first_light import SEED, assert_mask_equals, computed

LOOKED_AT = ("Clip mask", "Ratio histogram")


@pytest.fixture
def paused(server, page):
    return Dashboard(page, only(server("--paused", "--seed", SEED), *LOOKED_AT))


def place(dashboard):
    return tuple(dashboard.data()[name] for name in ("update", "phase", "epoch", "minibatch"))


def test_back_goes_through_every_phase_of_an_update_that_was_stepped_over(paused, page):
    paused.step(update="1", phase="update")
    page.get_by_label("Step size").select_option("phase")
    inner = [(phase, k, m) for k in range(1, 5) for m in range(1, 5) for phase in ("loss", "gradient", "step")]
    walk = [("rollout", 0, 0), ("advantages", 0, 0)]
    for k in range(1, 5):
        walk += [p for p in inner if p[1] == k] + [("epoch", k, 4)]
    for phase, epoch, minibatch in reversed(walk[-8:]):
        paused.key("ArrowLeft")
        paused.at(phase=phase, epoch=str(epoch), minibatch=str(minibatch), live="false")
    found = computed(1, PhaseKind.STEP, 14)
    assert place(paused) == ("1", "step", "4", "2")
    inside = str((found.arrays["region"] == Region.INSIDE).sum())
    assert_mask_equals(until(paused.mask, lambda mask: mask["inside"] == inside), found)
    assert f"{found.scalars['loss']:.4f}" in page.locator("#formula").inner_text()


def test_in_the_past_a_step_goes_forward_and_trains_nothing_and_the_first_of_all_has_nothing_before_it(paused, page):
    paused.step("phase", phase="rollout")
    paused.press("Back").at(phase="ready", live="false")
    assert page.get_by_role("button", name="Back", exact=True).is_disabled()
    paused.key("ArrowLeft")
    page.get_by_text("Here the run begins: nothing comes before it").first.wait_for()
    paused.press("Back to live").at(phase="rollout", live="true").step(update="1", phase="update")
    page.get_by_label("Step size").select_option("minibatch")
    paused.key("ArrowLeft").at(phase="step", epoch="4", minibatch="4", live="false")
    paused.key("ArrowLeft").at(phase="step", epoch="4", minibatch="3", live="false")
    paused.key("ArrowRight").at(phase="step", epoch="4", minibatch="4", live="false")
    paused.key("ArrowRight").at(phase="update", live="true")
    runs = page.evaluate("fetch('api/runs').then(r => r.json())")
    assert runs[0]["update"] == 1


def test_back_by_updates_and_to_the_present(paused):
    for update in (1, 2, 3):
        paused.step(update=str(update))
    paused.press("Back").at(update="2", phase="update", live="false")
    found = computed(2)
    assert_mask_equals(paused.mask(), found)
    paused.press("Back").at(update="1", live="false")
    paused.press("Back to live").at(update="3", live="true")
    paused.key("ArrowLeft").at(update="2", live="false")
    paused.key("l").at(update="3", live="true")


def step_until(dashboard, quantity, limit=None):
    """Press Step with such a goal, and wait until the run halts."""
    page = dashboard.page
    page.get_by_label("Step size").select_option("until")
    page.get_by_label("Until", exact=True).select_option(quantity)
    box = page.get_by_label("Limit", exact=True)
    assert box.is_visible() == (limit is not None)
    if limit is not None:
        box.fill(str(limit))
        box.press("Enter")
    before = dashboard.update()
    dashboard.press("Step")
    until(dashboard.update, lambda update: update > before)
    dashboard.at(state="paused")


def row_values(page, column):
    series = page.evaluate(
        "fetch('api/runs').then(r => r.json()).then(r => fetch(`api/runs/${r[0].id}/series`)).then(r => r.json())"
    )
    return np.array([row[series["columns"].index(column)] for row in series["rows"]], float)


def test_until_a_quantity_passes_its_limit_which_is_a_number(server, page):
    narrow = ("--learning-rate", "0.003", "--clip-range", "0.05")
    dashboard = Dashboard(page, only(server("--paused", "--seed", SEED, *narrow), *LOOKED_AT))
    page.get_by_label("Step size").select_option("until")
    box = page.get_by_label("Limit", exact=True)
    box.fill("much")
    box.press("Enter")
    assert box.evaluate("box => box.validationMessage") == "The limit is a number."
    step_until(dashboard, "clip_fraction", 0.2)
    fractions = row_values(page, "clip_fraction")
    assert fractions[-1] > 0.2 and not (fractions[:-1] > 0.2).any()
    step_until(dashboard, "episodic_return_mean", 30)
    returns = row_values(page, "episodic_return_mean")
    first = len(fractions)
    assert returns[-1] >= 30 and not (returns[:-1] >= 30).any()
    assert dashboard.update() == len(returns) > first > 1


def test_until_something_is_not_finite(server, page):
    explosive = ("--learning-rate", "1", "--entropy-coef", "100", "--num-envs", "4", "--rollout-steps", "32")
    dashboard = Dashboard(page, only(server("--paused", "--env", "Pendulum-v1", *explosive), *LOOKED_AT))
    step_until(dashboard, "not_finite")
    badge = page.get_by_role("button", name="causes")  # KL and the norm of the gradient are consequences of one
    assert "logratio is not finite at epoch 1" in until(lambda: badge.get_attribute("title"))
    # What is on show is where it happened; the update is abandoned, and leaves no row.
    assert (dashboard.data()["phase"], dashboard.update()) == ("loss", len(row_values(page, "loss")) + 1)


STATION = {"rollout": "collect", "advantages": "advantages", "epoch": "optimise", "update": "discard"}
INNER = ("loss", "gradient", "step")
# What is lit whenever the page says that it has painted another phase.
WATCH = """() => {
    window.lit = [];
    new MutationObserver(() => window.lit.push({
        phase: document.body.dataset.phase,
        place: document.querySelector(".position").textContent,
        stations: [...document.querySelectorAll(".station[aria-current]")].map((e) => e.dataset.station),
        inner: [...document.querySelectorAll(".inner li[aria-current]")].map((e) => e.dataset.phase),
    })).observe(document.body, { attributeFilter: ["data-phase"] });
}"""


def test_in_slow_motion_the_station_that_is_lit_is_the_phase_on_show(server, page):
    one_step = ("--epochs", "1", "--minibatches", "1")
    dashboard = Dashboard(page, only(server("--paused", "--seed", SEED, *one_step), *LOOKED_AT))
    page.get_by_label("Speed").select_option("2")
    page.evaluate(WATCH)
    dashboard.press("Play")
    lit = until(
        lambda: page.evaluate("window.lit"), lambda lit: {found["phase"] for found in lit} == {*STATION, *INNER}
    )
    for found in lit:
        phase, inside = found["phase"], found["phase"] in (*INNER, "epoch")
        assert found["stations"] == [STATION.get(phase, "optimise")], found
        assert found["inner"] == ([phase] if phase in INNER else []), found
        assert found["place"] == f"epoch {'1' if inside else '–'} of 1 · minibatch {'1' if inside else '–'} of 1"


def test_slow_motion_can_become_full_speed(paused, page):
    page.get_by_label("Speed").select_option("4")
    paused.press("Play").at(state="running")
    seen = []
    until(lambda: seen.append(place(paused)) or seen, lambda seen: len({phase for _, phase, _, _ in seen}) >= 3)
    assert paused.update() <= 1, "at four phases a second an update takes more than ten seconds"
    page.get_by_label("Speed").select_option("null")
    until(paused.update, lambda update: update >= 4)
    paused.press("Pause").at(state="paused")


def test_the_timeline_goes_to_an_update_while_the_run_goes_on(server, page):
    dashboard = Dashboard(page, only(server("--paused", "--seed", SEED), *LOOKED_AT))
    dashboard.step(update="1").press("Play")  # whoever watches from the first update on has samples of all
    until(dashboard.update, lambda update: update >= 30)
    cursor = page.get_by_role("slider", name="Timeline")
    cursor.focus()
    page.keyboard.press("Home")
    dashboard.at(live="false", update="[0-9]")
    page.keyboard.press("PageUp")
    until(dashboard.update, lambda update: update >= 2)
    shown = dashboard.update()
    page.wait_for_timeout(700)
    assert dashboard.update() == shown, "the past stays where it is"
    running = page.evaluate("fetch('api/runs').then(r => r.json()).then(r => r[0].update)")
    assert running > 30
    assert dashboard.mask()["update"] == str(shown)
    dashboard.press("Back to live").at(live="true")
    until(dashboard.update, lambda update: update > 30)


def test_who_only_watches_can_look_back_too(server, new_page):
    live = server("--paused", "--seed", SEED)
    leader = Dashboard(new_page(), only(live, *LOOKED_AT))
    leader.step(update="1").step(update="2")
    viewer = Dashboard(new_page(), live.base + panels_alone(*LOOKED_AT))
    viewer.at(update="2")
    viewer.press("Back").at(update="1", live="false")
    assert leader.data()["update"] == "2"


def note(dashboard, name):
    """What stands under a slider about when it applies."""
    return dashboard.page.locator(f"#setting-{name} .applies").inner_text()


def test_who_looks_back_can_preview_the_past_and_changes_nothing_in_the_run(paused, page):
    paused.step(update="1").type("Clip range", 0.3)
    until(lambda: note(paused, "clip_range"), lambda text: text == "applies from update 2")
    paused.step(update="2").press("Back").at(update="1", live="false")
    assert float(paused.slider("Clip range ε").input_value()) == float(paused.ratio()["clipRange"]) == 0.2
    paused.type("Clip range", 0.1)
    until(lambda: note(paused, "clip_range"), lambda text: text == "preview only")
    until(lambda: paused.ratio()["preview"], lambda preview: preview == "0.1")
    assert "change nothing in the run" in page.locator("#apply").inner_text()
    assert paused.slider("Learning rate α").is_disabled(), "of it there is no preview, and the run is not on show"
    paused.press("Back to live").at(live="true")
    until(lambda: float(paused.slider("Clip range ε").input_value()), lambda value: value == 0.3)
    assert note(paused, "clip_range") == "" and paused.ratio()["preview"] == ""
    paused.step(update="3")
    assert float(paused.ratio()["clipRange"]) == 0.3, "nothing was sent"


@pytest.mark.parametrize(("theme", "width", "height"), [("light", 1440, 900), ("projector", 1920, 1080)])
def test_a_moved_slider_has_room_for_its_note_and_does_not_grow(server, new_page, theme, width, height):
    page = new_page(viewport={"width": width, "height": height})
    dashboard = Dashboard(page, only(server("--paused", "--seed", SEED), *LOOKED_AT).replace("#", f"&theme={theme}#"))
    dashboard.step("updates", update="10")
    sizes = "[...document.querySelectorAll('.setting')].slice(0, 4).map(e => e.offsetHeight)"
    before = page.evaluate(sizes)
    for label, value in (("Clip range", 0.37), ("Value coefficient", 0.25), ("Learning rate", 0.00123)):
        dashboard.type(label, value)
    until(lambda: note(dashboard, "learning_rate"))
    assert page.evaluate(sizes) == before
    cut = "[...document.querySelectorAll('.foot')].filter(e => e.scrollWidth > e.clientWidth).length"
    assert page.evaluate(cut) == 0
