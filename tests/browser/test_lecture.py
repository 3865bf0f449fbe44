"""The script of docs/lecture.md: what it says of the run holds for any seed and number of threads; it can be played.

Its words are quoted here, so that whoever changes them sees what they promise.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from ppo_scope.ppo.losses import Region
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.probes import measure
from tests.browser.dashboard import PATIENCE, Dashboard, until
from tests.browser.test_view import order
from tests.moments import moment_at

SCRIPT = re.sub(r"\s+", " ", (Path(__file__).parents[2] / "docs" / "lecture.md").read_text(encoding="utf-8"))
LEARNING_RATE, LIMIT, LONGER = 0.0025, 0.01, 0.5
RUNS = [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (1, 2), (1, 4)]
"""(seed, threads)"""


@dataclass
class Told:
    """What the script speaks of, of one run; scalars of moments by their names."""

    transitions: float
    """Their share of the rows."""
    advantages: dict[str, float]
    loss: dict[str, float]
    gradient: dict[str, float]
    second: dict[str, float]
    """The loss of the second minibatch."""
    end: dict[str, float]
    outside: dict[int, float]
    """Shares of the samples, by region, under the final weights."""
    halted: int
    halt: dict[str, float]
    """The update that the run halted after, as it was made; and as it is made with the longer leash."""
    longer: dict[str, float]


def told_by(seed):
    trainer = Trainer(Settings.parse({"seed": seed, "learning_rate": LEARNING_RATE}))
    found, halted = {}, None
    for phase in trainer.phases():
        index, at = phase.update.index, (phase.kind, phase.epoch, phase.minibatch)
        if index == 1:
            found[at] = measure(moment_at(trainer, phase), frozenset({"samples"}))
        elif phase.kind is PhaseKind.UPDATE:
            halted = measure(moment_at(trainer, phase), frozenset()).scalars
        if halted is not None and (halted["kl_k3"] > LIMIT or index > 50):
            break
    outcome = trainer.redo({"clip_range": LONGER})
    with trainer.visit(outcome):
        longer = measure(moment_at(trainer, outcome.phase), frozenset()).scalars
    trainer.close()
    end = found[PhaseKind.UPDATE, 4, 4]
    regions = end.arrays["region"]
    trained = (regions != Region.NOT_TRAINED).sum()
    return Told(
        transitions=trained / regions.size,
        advantages=found[PhaseKind.ADVANTAGES, 0, 0].scalars,
        loss=found[PhaseKind.LOSS, 1, 1].scalars,
        gradient=found[PhaseKind.GRADIENT, 1, 1].scalars,
        second=found[PhaseKind.LOSS, 1, 2].scalars,
        end=end.scalars,
        outside={code: (regions == code).sum() / trained for code in (Region.HELD, Region.PULLED_BACK)},
        halted=trainer.updates,
        halt=halted,
        longer=longer,
    )


@pytest.fixture(scope="module", params=RUNS, ids=lambda run: f"seed {run[0]}, {run[1]} threads")
def told(request):
    seed, threads = request.param
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return told_by(seed)
    finally:
        torch.set_num_threads(before)


PROMISES = {
    "More than nine in ten of the 1,024 rows are transitions": lambda told: 0.9 < told.transitions < 1,
    "the explained variance before the update is near 0 or below": lambda told: (
        told.advantages["explained_variance_before"] < 0.35
    ),
    "L_PG is 0.0000": lambda told: abs(told.loss["policy_loss"]) < 0.00005,
    "S is 0.693, the logarithm of 2": lambda told: 0.6925 < told.loss["entropy"] < 0.6935,
    "L is nearly all c₁·L_VF": lambda told: 0.9 < 0.5 * told.loss["value_loss"] / told.loss["loss"] < 1.1,
    "It is longer than the limit of 0.5: what is left of it is less than half of its length": lambda told: (
        told.gradient["gradient_norm"] > 1 and told.gradient["gradient_clip_factor"] < 0.5
    ),
    "at the second minibatch r has left 1 to both sides, by a few hundredths, and nothing is held yet": lambda told: (
        0.85 < told.second["ratio_min"] < 0.98
        and 1.02 < told.second["ratio_max"] < 1.15
        and told.second["held_fraction"] == 0
    ),
    "r reaches beyond 1 ± 0.2 on both sides": lambda told: (
        told.end["final_ratio_min"] < 0.8 and told.end["final_ratio_max"] > 1.2
    ),
    "some of what is outside is held, and some is pulled back": lambda told: min(told.outside.values()) > 0.01,
    "The run halts by itself within the first twenty updates": lambda told: 1 < told.halted <= 20,
    "its KL is above 0.01": lambda told: told.halt["kl_k3"] > LIMIT,
    "With ε = 0.5 the KL after the last step is more than twice as large": lambda told: (
        told.longer["final_kl_exact"] > 2 * told.halt["final_kl_exact"]
    ),
    "the smallest r is smaller, the largest r is larger": lambda told: (
        told.longer["final_ratio_min"] < told.halt["final_ratio_min"]
        and told.longer["final_ratio_max"] > told.halt["final_ratio_max"]
    ),
    "and yet the clip fraction is smaller": lambda told: told.longer["clip_fraction"] < told.halt["clip_fraction"],
}


def test_what_the_script_says_holds_for_this_run(told):
    for words, holds in PROMISES.items():
        assert words in SCRIPT, words
        assert holds(told), (words, told)


class Lecture(Dashboard):
    """The page on Stage, played by keys, as a presenter does."""

    def press_keys(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)
        return self

    def shows(self, *names):
        """Wait until these panels are on Stage, whole and with the formula and the line above them."""
        until(lambda: sorted(order(self.page)), lambda now: now == sorted(names))
        height = self.page.viewport_size["height"]
        for place in ("#formula", ".sentence", *(f".panel[aria-label='{name}']" for name in names)):
            part = self.page.locator(place)
            until(part.bounding_box, lambda box: box and box["y"] >= 0 and box["y"] + box["height"] <= height)

    def says(self, place, *patterns):
        """Wait until the part of the page, by its selector or the panel's name, says all this."""
        part = self.page.locator(place) if place[0] in "#." else self.panel(place)
        for pattern in patterns:
            until(lambda: re.sub(r"\s+", " ", part.inner_text()), lambda seen, it=pattern: re.search(it, seen))

    def click_cell(self, region):
        """The first cell of the clip mask in that region; (environment, step)."""
        found = self.page.evaluate(FIRST_OF, region)
        self.panel("Clip mask").locator("canvas").first.click(position=found["position"])
        return found["environment"], found["step"]


FIRST_OF = """async (region) => {
    const { arrange } = await import("./panels/mask/layout.js");
    const canvas = document.querySelector(".panel[aria-label='Clip mask'] canvas");
    const runs = await (await fetch("api/runs")).json();
    const { moments } = await (await fetch(`api/runs/${runs[0].id}/moments`)).json();
    const { decode } = await import("./net/frame.js");
    const newest = moments.at(-1)[0];
    const { arrays } = decode(await (await fetch(`api/runs/${runs[0].id}/moments/${newest}`)).arrayBuffer());
    const at = arrays.region.indexOf(region);
    const [environment, step] = [Math.floor(at / 128), at % 128];
    const { width, height } = canvas.getBoundingClientRect();
    const box = arrange({ width, height, ratio: 1.4 }, 8, 128, 8).place({ row: environment, column: step });
    return { environment, step, position: { x: box.x + box.width / 2, y: box.y + box.height / 2 } };
}"""


@pytest.fixture(params=[((1280, 720), 1), ((1920, 1080), 2)], ids=["1280x720", "1920x1080"])
def lecture(server, new_page, faults, request):
    faults.expect("pictures/")  # of a sample, while the run went on: there is none
    (width, height), seed = request.param
    page = new_page(viewport={"width": width, "height": height})
    lecture = Lecture(page, server("--paused", "--seed", str(seed), "--learning-rate", str(LEARNING_RATE)).url)
    for _ in range(3):
        if page.evaluate("document.documentElement.dataset.theme") != "projector":
            lecture.press_keys("t")
    return lecture.press_keys("s")


def test_the_script_is_played(lecture):
    page = lecture.page
    size = page.get_by_label("Step size")
    assert page.evaluate("document.documentElement.dataset.theme") == "projector"
    lecture.press_keys("Digit1").shows("Environment")

    size.select_option("phase")
    lecture.press_keys("Digit4", "ArrowRight").at(state="paused", phase="rollout").shows("Clip mask")
    lecture.says(".sentence", "8 environments × 128 steps = 1,024 samples")
    lecture.press_keys("Digit6", "Shift+Digit0", "ArrowRight").at(phase="advantages").shows("Advantages", "Values")
    lecture.says("#formula", r"σ 0\.\d+")
    lecture.says("Values", r"Explained variance before [−-]?0\.[0-3]")
    lecture.press_keys("Digit3", "ArrowRight").at(phase="loss").shows("Ratio histogram")
    lecture.says(".sentence", r"= [−-]?0\.0000 \+ 0\.5 · \d\.\d+ − 0\.01 · 0\.693\d")
    lecture.says("#formula", "✓ r ≡ 1 at the first minibatch")
    lecture.press_keys("Digit0", "Digit0", "Digit0", "ArrowRight").at(phase="gradient").shows("Gradients")
    lecture.says(".sentence", r"longer than the limit of 0\.5: scaled down to it by 0\.[0-4]")
    lecture.press_keys("Digit3", "ArrowRight").at(phase="step")
    lecture.press_keys("ArrowRight").at(phase="loss", minibatch="2").shows("Ratio histogram")
    lecture.says("Ratio histogram", r"r 0\.9\d to 1\.0\d")
    lecture.press_keys("ArrowLeft").at(phase="step", live="false")
    lecture.key("l").at(phase="loss", live="true")

    size.select_option("epoch")
    lecture.press_keys("Digit3", "Shift+Digit4")
    for epoch in range(1, 5):
        lecture.press_keys("ArrowRight").at(state="paused", phase="epoch", epoch=str(epoch))
    size.select_option("update")
    lecture.press_keys("ArrowRight").at(state="paused", update="1", phase="update").shows(
        "Ratio histogram", "Clip mask"
    )
    lecture.says("Ratio histogram", r"r 0\.[5-7]\d to 1\.[2-5]\d")
    lecture.press_keys("Digit8").shows("Surrogate")
    lecture.press_keys("Digit4").shows("Clip mask")
    cell = lecture.click_cell(Region.HELD)
    lecture.shows("Clip mask", "Sample")
    sample = lecture.panel("Sample").locator("[data-in-full=true]")
    facts = until(lambda: sample.count() and sample.evaluate("element => ({...element.dataset})"))
    assert [int(facts[name]) for name in ("environment", "step", "region")] == [*cell, Region.HELD]
    assert float(facts["gradientPolicy"]) == 0

    lecture.press_keys("Digit2", "Shift+Digit9").shows("Episodic return", "KL and clipping")
    size.select_option("until")
    page.get_by_label("Until", exact=True).select_option("kl_k3")
    page.get_by_label("Limit", exact=True).fill(str(LIMIT))
    lecture.press_keys("Enter")
    until(lambda: page.evaluate("document.activeElement.tagName") == "BODY")
    lecture.press_keys("ArrowRight")
    until(lecture.data, lambda data: data["state"] == "paused" and int(data["update"]) > 1, 3 * PATIENCE)
    halted = lecture.update()
    assert halted <= 20
    lecture.says(".sentence", r"KL \(k3\) > 0\.01 was met at update \d+: 0\.0[1-9]")

    lecture.press_keys("Digit4").shows("Clip mask")
    shown = until(lecture.mask, lambda mask: mask["update"] == str(halted))
    held = int(shown["held"])
    lecture.type("Clip range", LONGER)
    until(lecture.mask, lambda mask: mask["preview"] == str(LONGER) and int(mask["held"]) < held)
    lecture.press("Apply to this update")
    table = page.locator("#comparison table")
    table.wait_for()
    rows = {row.split("\t")[0]: row.split("\t")[1:] for row in table.inner_text().splitlines()}
    before, after = (float(text) for text in rows["KL, exact"])
    assert after > 2 * before
    for part in ("table", "figure"):
        box = page.locator(f"#comparison {part}").bounding_box()
        assert box["y"] + box["height"] <= page.viewport_size["height"], f"the {part}, spoken of, is out of sight"
    lecture.press("Keep it as it was")
    until(lambda: float(lecture.slider("Clip range ε").input_value()), lambda value: value == 0.2)
    lecture.shows("Clip mask")

    size.select_option("update")
    lecture.press_keys("Digit9", "ArrowRight").at(state="paused", update=str(halted + 1), phase="update")
    lecture.shows("KL and clipping")
    lecture.says(".sentence", "thrown away")
    lecture.press_keys("Space").at(state="running").press_keys("Space").at(state="paused")
    lecture.press_keys("g")
    page.locator("#guide").wait_for()
