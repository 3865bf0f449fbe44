"""A run that is opened again, without training: every panel says at every moment what it said while the run lived."""

import contextlib
from collections import deque

from ppo_scope.records.library import Library
from ppo_scope.records.store import Store
from tests.browser.dashboard import PANELS, Dashboard, until
from tests.live import LiveServer

FEW = ("--num-envs", "4", "--rollout-steps", "32", "--minibatches", "2", "--epochs", "2", "--seed", "7")
TALL = {"viewport": {"width": 1440, "height": 4200}}
TEXTS = """async () => {
    await fetch("api/health");
    await new Promise((idle) => requestIdleCallback(idle));
    const text = (part) => part.innerText.replace(/\\s+/g, " ");
    const summaries = [...document.querySelectorAll("#panels [id$=-summary]")].map((one) => [one.id, text(one)]);
    return Object.fromEntries([["Formula", text(document.getElementById("formula"))], ...summaries]);
}"""
ELSEWHERE = "environment"
"""What acts there is another process, and by chance."""
LEFT_OUT = "Not measured at this moment: it was passed on the way of a larger step"
"""Said of what takes longer, while the run lived."""


def words(dashboard):
    """What formula and panels say, once nothing is on its way any more."""
    looks = deque(maxlen=10)

    def settled():
        found = dashboard.page.evaluate(TEXTS)
        looks.append({name: text for name, text in found.items() if ELSEWHERE not in name})
        return looks[-1] if len(looks) == looks.maxlen and all(look == looks[0] for look in looks) else None

    return until(settled)


def walk(dashboard, *stops):
    """Back, as far as each of these moments: place → what is said there."""
    said = {}
    for size, place in stops:
        dashboard.page.get_by_label("Step size").select_option(size)
        dashboard.press("Back").at(**place)
        said[tuple(place.values())] = words(dashboard)
    return said


def change_what_is_kept(folder, update, column):
    """As if another machine had trained it, that rounds in another way."""
    with contextlib.closing(Store(Library(folder).find("last").folder)) as store, store.writing():
        columns, _, rows = store.series(update, update)
        rows[0, columns.index(column)] += 1e-3
        store.amend(columns, update, rows[0])


def test_every_panel_says_what_it_said_while_the_run_lived(new_page, tmp_path, ending):
    stops = [
        ("update", {"update": "2", "phase": "update"}),
        ("epoch", {"update": "2", "phase": "epoch", "epoch": "2"}),
        ("phase", {"update": "2", "phase": "step", "minibatch": "2"}),
        ("phase", {"update": "2", "phase": "gradient", "minibatch": "2"}),
        ("phase", {"update": "2", "phase": "loss", "minibatch": "2"}),
        ("update", {"update": "1", "phase": "update"}),
    ]
    live = LiveServer("--paused", *FEW, "--runs-dir", str(tmp_path))
    ending.append(live)
    dashboard = Dashboard(new_page(**TALL), live.url)
    for update in ("1", "2", "3"):
        dashboard.step(update=update, phase="update")
    last, lived = words(dashboard), walk(dashboard, *stops)
    dashboard.page.close()
    live.stop()
    change_what_is_kept(tmp_path, 1, "entropy")
    opened = LiveServer("last", "--runs-dir", str(tmp_path), verb="open")
    ending.append(opened)
    page = new_page(**TALL)
    page.goto(opened.url)
    dashboard = Dashboard.of(page).at(state="kept", update="3", phase="update")
    assert len(last) >= PANELS - 1
    assert words(dashboard) == last
    for place, texts in walk(dashboard, *stops).items():
        left_out = {name for name, text in lived[place].items() if text.startswith(LEFT_OUT)}
        assert left_out <= {"panel-gradients-summary", "panel-step-direction-summary"}
        assert all(texts[name] == text for name, text in lived[place].items() if name not in left_out)
        assert texts["panel-gradients-summary"].startswith("Norm of the gradient"), "here there is time for it"
    until(lambda: dashboard.panel("Health").inner_text(), lambda text: "update 1 came to other numbers" in text)
    assert "other numbers than are kept of it: entropy" in dashboard.panel("Health").inner_text()
    acts = dashboard.panel("Environment")
    until(lambda: acts.inner_text(), lambda text: "Policy of update 1" in text)
    until(
        lambda: dashboard.page.get_by_role("button", name="Play").get_attribute("title"), lambda t: "from the disk" in t
    )
