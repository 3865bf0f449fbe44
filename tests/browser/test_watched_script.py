"""`ppo-scope watch SCRIPT` on the page, from the script's beginning on."""

from pathlib import Path

from tests.attach import own_scripts
from tests.attach.elsewhere import Watching
from tests.browser.dashboard import Dashboard, only, until

WAITS = """
import pathlib, sys, time
while not pathlib.Path("go").exists():
    time.sleep(0.02)
print(f"gone {sys.argv[1]}", flush=True)
raise SystemExit(3)
"""


def test_a_script_is_waited_for_by_its_name_and_it_is_said_that_it_had_no_ppo(tmp_path, new_page):
    (tmp_path / "train.py").write_text(WAITS)
    with Watching("train.py", "on", folder=tmp_path) as watching:
        page = new_page()
        page.goto(watching.url)
        until(lambda: page.get_by_text("train.py is starting. It is shown as soon as it learns").is_visible())
        assert "train.py" in page.locator("button.run").inner_text()
        assert page.locator(".run-state").inner_text() == "starting"
        (tmp_path / "go").touch()
        banner = page.get_by_role("alert")
        until(
            lambda: banner.get_by_text("train.py has ended with code 3, and nothing of it could be shown.").is_visible()
        )
        assert banner.get_by_text("No PPO was found in train.py. Two other ways: ppo_scope.watch(model)").is_visible()
        banner.get_by_text("Details").click()
        assert "b_logprobs" in banner.locator("pre").inner_text(), "what was looked for, letter by letter"
        page.reload()
        until(lambda: banner.get_by_text("train.py has ended with code 3").is_visible())
        page.goto("about:blank")


def test_the_lines_that_show_a_ppo_by_names_of_its_own_are_on_the_page_and_can_be_copied(tmp_path, new_page):
    source = Path(own_scripts.__file__).with_name("procedural.py").read_text()
    source = source.replace("PASSES = 16, 2, 3", "PASSES = 16, 2, 9")
    (tmp_path / "mine.py").write_text(f"{source}\nimport time\ntime.sleep(600)\n")
    with Watching("mine.py", folder=tmp_path) as watching:
        page = new_page()
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(watching.url)
        banner = page.get_by_role("alert")
        lines = banner.get_by_label("Lines that show the script")
        until(lines.is_visible)
        said = lines.inner_text()
        assert "log_probs=logs," in said and "# mine.py, before line 52, `total.backward()`:" in said
        assert said.strip() in "".join(watching.lines), "as in the terminal"
        assert banner.get_by_text("`ppo-scope watch --insert mine.py` makes the Scope by itself").is_visible()
        banner.get_by_role("button", name="Copy these lines").click()
        until(lambda: banner.get_by_text("Copied.").is_visible())
        assert page.evaluate("navigator.clipboard.readText()").strip() == said.strip()
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 720})
            wide = page.evaluate(
                "[document.documentElement.scrollWidth, document.querySelector('.banner').offsetWidth]"
            )
            assert max(wide) <= width, "they scroll in their own box"
        page.goto("about:blank")


def test_a_script_is_begun_anew_with_the_lines_that_show_it_and_the_page_says_which(tmp_path, new_page):
    source = Path(own_scripts.__file__).with_name("procedural.py").read_text()
    learns = source.replace("ROUNDS, PASSES = 16, 2, 3", "ROUNDS, PASSES = 16, 2, 10**9")
    assert learns != source
    (tmp_path / "mine.py").write_text("try:\n    import learns\nfinally:\n    open('saved', 'w').close()\n")
    (tmp_path / "learns.py").write_text(learns)
    with Watching("--paused", "--insert", "mine.py", folder=tmp_path, anew=True) as watching:
        page = new_page(viewport={"width": 1440, "height": 1000})
        page.goto(only(watching, "Ratio histogram", "Values"))
        watching.said("begins anew with the lines that show it in learns.py")
        dashboard = Dashboard.of(page).at(state="paused", update="1", phase="rollout|advantages")
        assert not (tmp_path / "saved").exists(), "nothing of the script's was run to end it the first time"
        dashboard.step("minibatch")
        until(lambda: page.get_by_text("epoch 1 of K · minibatch 1 of n").first.is_visible())
        ratios = dashboard.ratio()
        assert float(ratios["clipRange"]) == 0.15
        run = page.locator("button.run")
        assert run.locator(".run-facts").inner_text() == "CartPole-v1 · a loop of its own · lines put in"
        run.click()
        page.get_by_text("Lines that were put in, in memory, to show mine.py").click()
        lines = page.get_by_label("Lines that were put into the script")
        until(lines.is_visible)
        assert "# learns.py, before line 52, `total.backward()`:" in lines.inner_text()
        page.set_viewport_size({"width": 390, "height": 800})
        until(lambda: page.locator("#runs-sheet").bounding_box()["width"] <= 390)
        assert page.locator("#runs-sheet").evaluate("one => one.scrollWidth <= one.clientWidth"), (
            "they scroll in their own box"
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.set_viewport_size({"width": 1440, "height": 1000})
        page.get_by_role("button", name="End this run").click()
        page.get_by_role("button", name="End it").click()
        dashboard.at(state="stopped")
        watching.said("the script has ended with code 0")
        assert (tmp_path / "saved").exists()
        page.goto("about:blank")


LEARNS = """
from stable_baselines3 import PPO
model = PPO("MlpPolicy", "CartPole-v1", n_steps=64, batch_size=32, n_epochs=2, clip_range=0.3, device="cpu", seed=3)
model.learn(10**9)
"""


def test_a_script_that_waits_for_play_is_shown_from_its_first_update_on(tmp_path, new_page):
    (tmp_path / "cartpole.py").write_text(LEARNS)
    with Watching("--paused", "-m", "cartpole", folder=tmp_path) as watching:
        page = new_page()
        page.goto(only(watching, "Gradients"))
        dashboard = Dashboard.of(page).at(state="paused", update="1", phase="rollout|advantages")
        assert page.title() == "cartpole.py · CartPole-v1 · PPO Scope"
        run = page.locator("button.run")
        assert run.locator(".run-environment").inner_text() == "cartpole.py"
        assert run.locator(".run-facts").inner_text().startswith("CartPole-v1 · seed 3 · Stable-Baselines3 PPO")
        run.click()
        assert page.locator(".run-item strong").all_inner_texts() == ["cartpole.py · CartPole-v1"]
        page.keyboard.press("Escape")
        clip = page.locator("#setting-clip_range")
        assert clip.locator(".default").inner_text() == "began at 0.3", "neither our default nor the library's"
        dashboard.type("Clip range", 0.1)
        until(lambda: clip.get_attribute("data-moved") == "")
        clip.get_by_role("button", name="Reset Clip range").click()
        until(lambda: clip.get_attribute("data-moved") is None)
        dashboard.press("Play").at(state="running")
        until(dashboard.update, lambda update: update >= 3)
        page.set_viewport_size({"width": 1280, "height": 720})
        panel = dashboard.panel("Gradients")
        panel.scroll_into_view_if_needed()
        caption, chart = panel.locator(".caption"), panel.locator(".chart")
        until(caption.inner_text, lambda text: "of the time" in text)
        until(lambda: chart.bounding_box()["height"] > 90)
        caption.evaluate(
            "one => (one.textContent = 'words '.repeat(400), one.style.display = 'block')"
        )  # as long as once
        until(caption.inner_text, lambda text: "of the time" in text)
        caption.evaluate("one => (one.style.display = '')")
        until(lambda: chart.bounding_box()["height"] > 90)  # what was said once does not keep its room for ever
        page.goto("about:blank")
