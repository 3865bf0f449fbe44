"""New runs from the page: any environment, every setting, from a preset or the run at hand; what cannot run says so."""

import importlib.util
import shutil

import pytest

from tests.browser.dashboard import Dashboard, only, until
from tests.browser.test_accessibility import violations
from tests.live import ROOT, LiveServer

PACKAGES = {"LunarLander": "Box2D", "HalfCheetah": "mujoco", "Breakout": "ale_py"}


@pytest.fixture(scope="module")
def live(tmp_path_factory, leaving):
    """A server in a folder that holds somebody's environment."""
    folder = tmp_path_factory.mktemp("mine")
    shutil.copy(ROOT / "tests" / "environments" / "mine.py", folder / "my_env.py")
    server = LiveServer("--paused", "--seed", "5", "--num-envs", "2", folder=folder)
    yield server
    server.interrupt()
    leaving.append(server)


@pytest.fixture
def dashboard(live, page):
    opened = Dashboard(page, only(live, "Loss components"))
    opened.live = live
    until(lambda: page.get_by_role("button", name="New run").is_enabled())
    return opened


@pytest.fixture
def sheet(dashboard):
    dashboard.press("New run")
    return dashboard.page.get_by_role("dialog", name="New run")


def begin(sheet):
    sheet.get_by_role("button", name="Begin", exact=True).click()


def begun(dashboard, before):
    """The run that took the place of the one before."""
    run = until(dashboard.live.run, lambda run: run["id"] != before["id"] and run["state"] == "paused")
    until(lambda: dashboard.page.get_by_role("dialog").count() == 0)
    return run


def note(sheet, label):
    return sheet.get_by_label(label, exact=True).locator("xpath=../div/p[1]")


def test_a_preset_begins_a_run_of_its_own_with_the_same_seed(dashboard, sheet):
    before = dashboard.live.run()
    sheet.get_by_role("radio", name="Lesson: no leash").check()
    assert "1 not at its default" in sheet.locator("summary", has_text="Optimiser").inner_text()
    begin(sheet)
    after = begun(dashboard, before)
    assert after["settings"]["objective"] == "unclipped"
    assert after["settings"]["epochs"] == 20
    assert after["seed"] == before["seed"]
    objective = dashboard.page.get_by_role("group", name="The objective without a clip")
    until(objective.is_visible)
    assert not dashboard.page.get_by_role("group", name="The clipped objective").is_visible()


def test_an_environment_of_ones_own_with_its_network_by_keyboard_alone(dashboard, page):
    before = dashboard.live.run()
    page.get_by_role("button", name="New run").focus()
    page.keyboard.press("Enter")
    sheet = page.get_by_role("dialog", name="New run")
    until(lambda: sheet.locator("[name=start]").first.evaluate("radio => radio === document.activeElement"))
    for text in ("my_env:Mine-v0", '{"max_episode_steps": 9}', None, "31", "3", "24, 12"):
        page.keyboard.press("Tab")
        if text is not None:
            page.keyboard.press("ControlOrMeta+A")
            page.keyboard.type(text)
    page.keyboard.press("Tab")
    page.keyboard.type("relu")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    sheet.get_by_role("textbox", name="Seed").focus()
    page.keyboard.press("Enter")
    after = begun(dashboard, before)
    settings = after["settings"]
    assert (after["environment"], after["seed"], settings["num_envs"]) == ("my_env:Mine-v0", 31, 3)
    assert settings["env_kwargs"] == {"max_episode_steps": 9}
    network = (settings["hidden_sizes"], settings["activation"], settings["shared_network"])
    assert network == ([24, 12], "relu", True)


def test_every_setting_can_be_set_and_starts_from_the_run_at_hand(dashboard, sheet):
    before = dashboard.live.run()
    rows = dashboard.page.evaluate("fetch('api/settings').then(answer => answer.json())")
    shown = sheet.locator(".field").evaluate_all("fields => fields.map(field => field.dataset.name)")
    assert sorted(shown) == sorted(row["name"] for row in rows)
    sheet.locator("summary", has_text="Loss").click()
    sheet.get_by_label("Clip range ε", exact=True).fill("0.3")
    sheet.get_by_label("Value clip range").fill("")
    sheet.locator("summary", has_text="Optimiser").click()
    sheet.get_by_label("Learning rate α").fill("5e-4")
    begin(sheet)
    after = begun(dashboard, before)
    changed = {name: value for name, value in after["settings"].items() if value != before["settings"][name]}
    assert changed == {"clip_range": 0.3, "learning_rate": 0.0005}


def test_what_does_not_fit_is_said_at_its_field_and_nothing_is_asked(dashboard, sheet):
    before = dashboard.live.run()
    sheet.get_by_label("Environment", exact=True).fill("CartPol-v1")
    sheet.get_by_role("textbox", name="Seed").fill("-1")
    sheet.locator("summary", has_text="Images").click()
    sheet.get_by_label("Frame stack").fill("1.5")
    begin(sheet)
    assert note(sheet, "Environment").inner_text() == "There is no environment CartPol-v1. Nearest are:"
    assert note(sheet, "Seed").inner_text() == "A whole number from 0 to 2,147,483,647."
    assert note(sheet, "Frame stack").inner_text() == "A whole number from 1 to 16."
    field = sheet.get_by_label("Environment", exact=True)
    assert field.evaluate("field => field === document.activeElement && field.ariaInvalid === 'true'")
    sheet.get_by_role("button", name="CartPole-v1").click()
    assert field.input_value() == "CartPole-v1" and note(sheet, "Environment").inner_text() == ""
    assert dashboard.live.run()["id"] == before["id"]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("Environment", "my_env:Mime-v0", "did you mean my_env:Mine-v0"),
        ("Environment arguments", '{"wings": 2}', "does not take wings"),
        ("Minibatches n", "7", "7 does not divide the batch"),
    ],
)
def test_what_the_server_refuses_is_said_at_its_field_and_the_run_goes_on(
    dashboard, sheet, faults, field, value, words
):
    faults.expect("422")  # browsers report every refusal in the console
    before = dashboard.live.run()
    sheet.get_by_label("Environment", exact=True).fill("CartPole-v1")
    if field.startswith("Minibatches"):
        sheet.locator("summary", has_text="Optimiser").click()
    sheet.get_by_label(field, exact=True).fill(value)
    begin(sheet)
    until(note(sheet, field).inner_text, lambda text: words in text)
    until(sheet.get_by_role("alert").inner_text, lambda text: words in text)
    until(lambda: sheet.get_by_label(field, exact=True).evaluate("field => field === document.activeElement"))
    sheet.get_by_role("button", name="Keep this run").click()
    assert dashboard.live.run()["id"] == before["id"]


@pytest.mark.parametrize("preset", PACKAGES)
def test_a_preset_whose_extra_is_missing_says_so_before_it_is_asked_for(dashboard, sheet, preset):
    if importlib.util.find_spec(PACKAGES[preset]) is not None:
        pytest.skip(f"{PACKAGES[preset]} is installed: nothing is missing")
    before = dashboard.live.run()
    assert "pip install" in sheet.locator(".run-start", has_text=preset).inner_text()
    sheet.get_by_role("radio", name=preset).check()
    begin(sheet)
    assert "pip install" in note(sheet, "Environment").inner_text()
    assert dashboard.live.run()["id"] == before["id"]


def test_nothing_serious_is_wrong_with_the_sheet(sheet, page):
    sheet.get_by_label("Environment", exact=True).fill("CartPol")
    sheet.locator("summary", has_text="Loss").click()
    assert violations(page) == []


def test_who_only_watches_cannot_begin_a_run(live, page):
    Dashboard(page, live.base)
    button = page.get_by_role("button", name="New run")
    until(lambda: "You are watching" in (button.get_attribute("title") or ""))
    assert button.is_disabled()


# The parts of the form, without a run

KNOWN = [{"id": name, "missing": None} for name in ("CartPole-v0", "CartPole-v1", "Acrobot-v1", "Pendulum-v1")]
NEEDY = {
    "id": "LunarLander-v3",
    "missing": 'needs Box2D, which is not installed; pip install "ppo-scope[box2d]" brings it',
}


@pytest.mark.parametrize(
    ("typed", "problem", "near"),
    [
        ("CartPole-v1", None, []),
        ("cartpole", "There is no environment cartpole. Nearest are:", ["CartPole-v1", "CartPole-v0"]),
        ("Pendulm-v2", "There is no environment Pendulm-v2. Nearest are:", ["Pendulum-v1"]),
        ("Chess-v0", "There is no environment Chess-v0.", []),
        ("LunarLander-v3", f"LunarLander-v3 {NEEDY['missing']}.", []),
        ("my_env:Mine-v0", None, []),
        ("", "The id of an environment is needed", []),
    ],
)
def test_what_is_said_of_an_id(modules, typed, problem, near):
    found = modules(
        "state/environment-id.js", "m.judge(given.typed, given.known)", {"typed": typed, "known": [*KNOWN, NEEDY]}
    )
    assert found["near"] == near
    assert found["problem"] is None if problem is None else found["problem"].startswith(problem)


@pytest.mark.parametrize(
    ("setting", "typed", "expected"),
    [
        ({"type": "int", "minimum": 1, "maximum": 10**6}, "500_000", {"value": 500_000}),
        ({"type": "int", "minimum": 1, "maximum": 10**6}, "1e5", {"value": 100_000}),
        ({"type": "int", "minimum": 1, "maximum": 16}, "17", {"problem": "A whole number from 1 to 16."}),
        ({"type": "float", "minimum": 0, "maximum": 1}, "0,25", {"value": 0.25}),
        ({"type": "float", "minimum": 0, "maximum": 1}, "", {"problem": "A number from 0 to 1."}),
        ({"type": "float", "minimum": 0, "maximum": 1, "optional": True}, "off", {"value": None}),
        ({"type": "sizes"}, "64, 64", {"value": [64, 64]}),
        ({"type": "sizes"}, "", {"value": []}),
        ({"type": "sizes"}, "64, 0", {"problem": "Up to 16 whole numbers from 1 to 65,536, like 64, 64."}),
        ({"type": "object"}, '{"a": [1]}', {"value": {"a": [1]}}),
        ({"type": "object"}, "[1]", {"problem": 'A JSON object, like {"max_episode_steps": 200}.'}),
    ],
)
def test_what_is_typed_is_read(modules, setting, typed, expected):
    setting = {"minimum": None, "maximum": None, "optional": False, **setting}
    assert modules("state/setting-text.js", "m.read(given[0], given[1])", [setting, typed]) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "minibatches: 3 does not divide; clip_range: too large",
            {"minibatches": "3 does not divide.", "clip_range": "Too large."},
        ),
        ("env 'X-v0': there is none; did you mean Y-v0?", {"env": "There is none; did you mean Y-v0?"}),
        (
            "env my:X-v0 failed in reset (my.py, line 3): KeyError: 1",
            {"env": "my:X-v0 failed in reset (my.py, line 3): KeyError: 1."},
        ),
        ("env_kwargs: X-v0 does not take wings", {"env_kwargs": "X-v0 does not take wings."}),
        ("Cancelled: the new run was given up.", {}),
    ],
)
def test_a_refusal_finds_its_field(modules, message, expected):
    names = ["env", "env_kwargs", "minibatches", "clip_range"]
    found = modules("state/setting-text.js", "Object.fromEntries(m.placed(given[0], given[1]))", [message, names])
    assert found == expected
