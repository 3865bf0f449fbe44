"""A page with its guide: what is on show in each chapter, and what a reader does."""

import contextlib
import gzip
import json
from pathlib import Path

from ppo_scope.wire import frame
from tests.browser.dashboard import Dashboard, until
from tests.browser.faults import Faults
from tests.live import ROOT

SEED = "7"
CHAPTERS = range(1, 9)
SCENES = {
    1: {"phase": "gradient", "epoch": 1, "minibatch": 1},
    2: {"phase": "advantages"},
    3: {"phase": "loss", "epoch": 1, "minibatch": 1},
    4: {"phase": "epoch", "epoch": 4},
    5: {"phase": "update"},
    6: {"phase": "loss", "epoch": 1, "minibatch": 1},
    7: {"phase": "update"},
    8: {"phase": "update"},
}
LIT = {
    1: {"Loss components", "Gradients"},
    2: {"Advantages", "Values", "Clip mask", "Sample"},
    3: {"Loss components", "Gradients"},
    4: {"Ratio histogram", "Clip mask", "Surrogate", "Sample"},
    5: {"Values", "Advantages"},
    6: {"Gradients"},
    7: {"Policy", "Loss components"},
    8: {"KL and clipping", "Ratio histogram", "Step direction"},
}
TRIALS = {
    3: ("value_coef", "Make it twice: c₁ 0.5 and 5"),
    5: ("objective", "Make it twice: objective clip and reinforce"),
    7: ("entropy_coef", "Make it twice: c₂ 0.01 and 0.1"),
    8: ("epochs", "Make it twice: epochs 4 and 20"),
}
BESIDE = {2: "Advantages", 4: "Surrogate"}
"""What is on Stage under the mask, besides Sample."""
QUIET = {"resume", "heartbeat", "watch"}
"""What a page says that asks nothing of the run."""
MAY_HEAR_LATE = """
    window.WebSocket = class extends WebSocket {
        set onmessage(hear) {
            const now = (event) => hear.call(this, event);
            super.onmessage = (event) => (window.late ? window.late.push(() => now(event)) : now(event));
        }
    };
"""
"""What a page has to run first where it is to hear late."""
RECORDINGS = Path(ROOT) / "frontend" / "recordings"


class Guided(Dashboard):
    """A page with its guide, on a server."""

    def __init__(self, page, live, query="", token=True):
        self.live = live
        self.said = []
        page.on("websocket", lambda socket: socket.on("framesent", self._note))
        super().__init__(page, f"{live.base}{query}" + (f"#token={live.token}" if token else ""))

    def _note(self, told):
        message = json.loads(told) if isinstance(told, str) else {}
        if message.get("type") not in QUIET:
            self.said.append(message.get("type"))

    def has_said(self, *messages):
        """Whether that is all that the page has said; it is asked, since what it sends is told only while one does."""
        self.data()
        return self.said == list(messages)

    @property
    def guide(self):
        return self.page.locator("#guide")

    @contextlib.contextmanager
    def hears_late(self):
        """The page hears what the server says meanwhile only afterwards."""
        self.page.evaluate("void (window.late = [])")
        yield
        self.page.evaluate("{ const late = window.late; window.late = null; late.forEach((hear) => hear()); }")

    def open(self):
        if not self.guide.is_visible():
            self.key("g")
        return self

    def choose(self, chapter):
        self.open().guide.get_by_role("button", name=f"Chapter {chapter}:").click()
        return self.at_chapter(chapter)

    def at_chapter(self, chapter):
        until(self.guide.inner_text, lambda text: f"chapter {chapter} of 8" in text)
        until(self.shown, lambda text: text.startswith("On show"))
        return self.at(live="false", **{name: str(value) for name, value in SCENES[chapter].items()})

    def close(self):
        self.guide.get_by_role("button", name="Close the guide").click()
        until(lambda: not self.guide.is_visible())
        return self

    def one_update(self):
        """One update more of the run at hand."""
        self.open().close().page.get_by_label("Step size").select_option("update")
        return self.step(update=str(self.live.run()["update"] + 1), phase="update")

    def to_its_loss(self):
        """The next update of the run at hand, at the loss of its first minibatch."""
        for phase in ("rollout", "advantages", "loss"):
            self.step("phase", phase=phase)
        return self

    def shown(self):
        return self.guide.locator(".shown > p").inner_text()

    def numbers(self, part=".text"):
        return self.guide.locator(f"{part} .live-number").all_inner_texts()

    def lit(self):
        lit = self.page.locator(".panel[data-lit]")
        return set(lit.evaluate_all("panels => panels.map(panel => panel.ariaLabel)"))

    def task(self):
        return self.guide.locator(".task > p").inner_text()

    def reaction(self):
        return self.guide.locator(".reaction").inner_text()

    def done(self):
        until(self.reaction, lambda text: text.startswith("Done."))
        return self

    def untouched(self, update):
        run = self.live.run()
        assert (run["update"], run["pending"]) == (update, {})
        return run

    def sees(self, *names):
        """Whether these panels are in the window, at least with their upper half."""
        box = """names => names.map((name) => {
            const panel = document.querySelector(`.panel[aria-label="${name}"]`);
            const { top, bottom, height } = panel.getBoundingClientRect();
            return top >= 0 && top + Math.min(height / 2, 200) <= innerHeight && bottom > 100;
        })"""
        return all(self.page.evaluate(box, list(names)))


@contextlib.contextmanager
def opened(windows, *expected, width=1440, height=900, script=""):
    """A page that tolerates no fault but those that are expected; its documents run the script first."""
    faults = Faults()
    faults.expect(*expected)
    with windows.lent(faults, viewport={"width": width, "height": height}) as window:
        if script:
            window.script(script)
        yield window.tab
    assert not faults.unexpected()


def frames_of(name):
    """[(header, arrays)] of a recording that comes with the page."""
    whole, found, at = gzip.decompress((RECORDINGS / f"{name}.rec").read_bytes()), [], 0
    while at < len(whole):
        length = int.from_bytes(whole[at : at + 8], "little")
        found.append(frame.decode(whole[at + 8 : at + 8 + length]))
        at += 8 + length
    return found


def moment_of(frames, chapter):
    wanted = SCENES[chapter].items()
    snapshots = [one for one in frames if one[0]["kind"] == "snapshot"]
    return next(one for one in snapshots if all(one[0][name] == value for name, value in wanted))


def comparison_of(frames, name):
    comparisons = [header for header, _ in frames if header["kind"] == "comparison"]
    return next(one for one in comparisons if one["settings"]["old"][name] != one["settings"]["new"][name])
