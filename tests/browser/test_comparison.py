"""An update made twice: every number and both pictures are what Python finds, and one of the two goes on."""

import csv
import itertools
import math
import os
import signal

import numpy as np
import pytest
from PIL import Image

from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.probes import measure
from tests.browser.dashboard import Dashboard, only, until
from tests.browser.test_first_light import SEED
from tests.browser.test_stepping import note
from tests.moments import moment_at
from tests.server.scope_page import leaders

WORDS = ("inside", "held", "pulled back", "not held", "unused")
LOOKED_AT = ("Ratio histogram", "Clip mask")
OLD, NEW = "as it was", "with the change"
PERCENT = {"clip_fraction", "held_fraction", "ratio_clip_fraction"}
MEAN, AFTER = "mean of the update", "whole rollout, after the last step"
ROWS = {
    "final_kl_exact": (AFTER, "KL, exact"),
    "ratio_clip_fraction": (AFTER, "clip fraction"),
    "final_ratio_min": (AFTER, "smallest r"),
    "final_ratio_max": (AFTER, "largest r"),
    "explained_variance": (AFTER, "explained variance"),
    "theta_change": (AFTER, "‖Δθ‖/‖θ‖"),
    "loss": (MEAN, "L"),
    "policy_loss": (MEAN, "LPG"),
    "value_term": (MEAN, "c₁·LVF"),
    "entropy_term": (MEAN, "−c₂·S"),
    "kl_k3": (MEAN, "KL (k3)"),
    "clip_fraction": (MEAN, "clip fraction"),
    "held_fraction": (MEAN, "held"),
}


def made_twice(update, changes, **settings):
    """What Python measures of both outcomes of an update."""
    trainer = Trainer(Settings.parse({"seed": int(SEED), **settings}))
    phase = next(p for p in trainer.phases() if p.update.index == update and p.kind is PhaseKind.UPDATE)
    old = measure(moment_at(trainer, phase), frozenset({"ratio"}))
    outcome = trainer.redo(changes)
    with trainer.visit(outcome):
        new = measure(moment_at(trainer, outcome.phase), frozenset({"ratio"}))
    trainer.close()
    return {OLD: old, NEW: new}


def table(page):
    """The rows that are shown, as texts, by what their numbers are of and their words."""
    rows, scope = {}, None
    for line in page.locator("#comparison table").inner_text().split("\n"):
        match line.split("\t"):
            case [words, old, new]:
                rows[scope, words] = {OLD: old, NEW: new}
            case [words] if words.strip():
                scope = words
    return rows


SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def in_bins_up_to(limit, counts, own):
    """Counts [regions, bins] over log r from −own to own, in as many bins that reach to `limit`."""
    merged, size = int(limit / own), counts.shape[1]
    wide = counts.reshape(len(counts), size // merged, merged).sum(axis=2)
    aside = (size - wide.shape[1]) // 2
    return np.pad(wide, ((0, 0), (aside, aside)))


def approximately(text):
    """The number that was written, and how far it may be from what was rounded."""
    plain = text.removesuffix("\u00a0%").replace("−", "-").replace(",", "").translate(SUPERSCRIPT)
    digits, _, power = plain.partition("×10")
    size = 10.0 ** int(power or 0)
    return pytest.approx(float(digits) * size, abs=0.501 * size * 10.0 ** -len(digits.partition(".")[2]))


def saved(page, tmp_path, choice):
    """The file that a choice of the comparison's menu hands over."""
    page.get_by_role("button", name="Save Comparison").click()
    with page.expect_download() as download:
        page.locator("#comparison").get_by_role("button", name=choice).click()
    download.value.save_as(tmp_path / download.value.suggested_filename)
    return tmp_path / download.value.suggested_filename


def assert_shown(page, tmp_path, found):
    """Table, pictures and CSV are the measurements."""
    rows = table(page)
    assert list(rows)[1:] == list(ROWS.values())
    with saved(page, tmp_path, "Numbers as CSV").open(newline="") as file:
        lines = list(csv.DictReader(file))
    for made, key in ((OLD, "old"), (NEW, "new")):
        scalars, arrays = found[made].scalars, found[made].arrays
        values = {line["quantity"]: line["value"] for line in lines if line["outcome"] == made}
        for name, words in ROWS.items():
            scale = 100 if name in PERCENT else 1
            assert scale * scalars[name] == approximately(rows[words][made]), words
            assert float(values[name]) == pytest.approx(scalars[name], rel=1e-12), name
        counts, outside = arrays["ratio_counts"].astype(int), arrays["ratio_outside"].astype(int)
        limit = max(of.scalars["ratio_limit"] for of in found.values())
        counts = in_bins_up_to(limit, counts, scalars["ratio_limit"])  # the same for both
        painted = page.locator("#comparison canvas").evaluate("canvas => ({...canvas.dataset})")
        assert painted[key] == " ".join(map(str, counts.sum(axis=1)))
        assert painted[f"{key}Outside"] == " ".join(map(str, outside.sum(axis=0)))
        shares = (counts.sum(axis=1) + outside.sum(axis=1)) / (counts.sum() + outside.sum())
        text = page.locator("#comparison figure").get_attribute("aria-label").split(". r ")[made == NEW]
        for word, share in zip(WORDS, shares, strict=True):
            assert (f"{100 * share:.1f}\u00a0% {word}" in text) == (share > 0)
        edges = np.exp(np.linspace(-limit, limit, counts.shape[1] + 1))
        expected = [
            (f"samples {word}", low, high, n)
            for word, row, (below, above) in zip(WORDS, counts, outside, strict=True)
            for low, high, n in (
                (0.0, edges[0], below),
                *zip(edges, edges[1:], row, strict=False),
                (edges[-1], math.inf, above),
            )
            if n
        ]
        bins = [line for line in lines if line["outcome"] == made and line["r to"]]
        assert len(bins) == len(expected)
        for line, (quantity, low, high, n) in zip(bins, expected, strict=True):
            high_shown = float(line["r to"].replace("Infinity", "inf"))
            assert (line["quantity"], int(line["value"])) == (quantity, n)
            assert (float(line["r from"]), high_shown) == pytest.approx((low, high), rel=1e-9)


def recorded_changes(page):
    changes = page.evaluate("fetch('api/runs').then(r => r.json()).then(r => r[0].changes)")
    return [(change["update"], change["name"], change["old"], change["new"]) for change in changes]


def test_both_outcomes_are_what_python_finds_and_the_old_one_can_be_kept(server, page, tmp_path):
    live = server("--paused", "--seed", SEED, "--learning-rate", "0.005")
    dashboard = Dashboard(page, only(live, *LOOKED_AT))
    dashboard.step(update="1").step(update="2").type("Clip range", 0.5)
    until(lambda: note(dashboard, "clip_range"))
    until(lambda: dashboard.ratio()["preview"], lambda preview: preview == "0.5")
    dashboard.press("Apply to this update")
    page.locator("#comparison table").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Update 2, made twice"
    until(lambda: dashboard.ratio()["preview"], lambda preview: preview == "")  # the outcome itself is on show
    assert_shown(page, tmp_path, made_twice(2, {"clip_range": 0.5}, learning_rate=0.005))
    label = page.locator("#comparison figure").get_attribute("aria-label")
    assert "r as it was, ε = 0.2:" in label and "r with the change, ε = 0.5:" in label
    picture = np.asarray(Image.open(saved(page, tmp_path, "Picture as PNG")).convert("RGB"))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20
    # Nothing but a choice decides.
    dashboard.key("ArrowRight").key("Space")
    page.get_by_text("Update 2 has two outcomes, and none is chosen yet.").first.wait_for()
    assert page.get_by_role("button", name="Play", exact=True).is_disabled()
    assert dashboard.data()["update"] == "2" and page.locator("#comparison").is_visible()
    dashboard.press("Keep it as it was")
    until(lambda: page.locator("#comparison").is_visible(), lambda visible: not visible)
    assert dashboard.ratio()["clipRange"] == "0.2"
    assert until(lambda: note(dashboard, "clip_range"), lambda text: text == "") == "", "the change is put back with it"
    assert float(dashboard.slider("Clip range ε").input_value()) == 0.2
    assert until(lambda: dashboard.ratio()["preview"], lambda preview: preview == "") == ""
    dashboard.step(update="3")
    assert recorded_changes(page) == []


def test_without_a_clip_there_is_no_band_what_lies_outside_is_counted_and_the_new_one_can_be_kept(
    server, page, tmp_path
):
    settings = {"learning_rate": 0.005, "objective": "unclipped"}
    live = server("--paused", "--seed", SEED, "--learning-rate", "0.005", "--objective", "unclipped")
    dashboard = Dashboard(page, only(live, *LOOKED_AT))
    dashboard.step(update="1").type("Learning rate", 1)
    until(lambda: note(dashboard, "learning_rate"))
    dashboard.press("Apply to this update")
    page.locator("#comparison table").wait_for()
    found = made_twice(1, {"learning_rate": 1.0}, **settings)
    assert found[NEW].arrays["ratio_outside"].sum() > 0
    assert_shown(page, tmp_path, found)
    label = page.locator("#comparison figure").get_attribute("aria-label")
    assert "r as it was, no clip:" in label and "r with the change, no clip:" in label
    dashboard.press("Keep the new outcome")
    until(lambda: page.locator("#comparison").is_visible(), lambda visible: not visible)
    until(lambda: recorded_changes(page), lambda changes: changes == [(1, "learning_rate", 0.005, 1.0)])
    assert until(lambda: note(dashboard, "learning_rate"), lambda text: text == "") == ""
    offer = page.get_by_role("button", name="Apply to this update")
    until(offer.is_visible, lambda visible: not visible)
    dashboard.step(update="2")


def test_nothing_of_the_comparison_overlaps(server, new_page):
    live = server("--paused", "--seed", SEED, "--learning-rate", "0.005")
    for theme, width, height in (("light", 1440, 900), ("projector", 1440, 900), ("projector", 1920, 1080)):
        page = new_page(viewport={"width": width, "height": height})
        dashboard = Dashboard(page, only(live, *LOOKED_AT).replace("#", f"&theme={theme}#"))
        if theme == "light":
            dashboard.step(update="1").type("Clip range", 0.5)
            until(lambda: note(dashboard, "clip_range"))  # noqa: B023
            dashboard.press("Apply to this update")
        page.locator("#comparison table").wait_for()
        assert_apart(page)
        assert_all_is_in_sight_on_stage(page)
        if height == 1080:
            assert_none_is_asked_for_once_the_run_is_over(live, page)
        page.close()


def assert_all_is_in_sight_on_stage(page):
    before = page.viewport_size
    Dashboard.of(page).key("s")
    until(lambda: page.evaluate("document.body.hasAttribute('data-stage')"))
    for width, height in ((1280, 720), (1366, 768), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        assert_apart(page)
        assert page.locator("#comparison").evaluate("e => e.scrollHeight <= e.clientHeight"), (width, height)
    Dashboard.of(page).key("s")
    page.set_viewport_size(before)


def assert_none_is_asked_for_once_the_run_is_over(live, page):
    os.kill(min(leaders(live.pid)), signal.SIGKILL)
    Dashboard.of(page).at(state="killed")
    page.locator("#comparison").wait_for(state="hidden")
    page.reload()
    Dashboard.of(page).at(state="killed", update="1")
    assert page.locator("#comparison").is_hidden()


def assert_apart(page):
    boxes = [page.locator(f"#comparison {part}").bounding_box() for part in (".what", "table", "figure")]
    outer = page.locator("#comparison").bounding_box()
    for box in boxes:
        assert outer["x"] <= box["x"] and box["x"] + box["width"] <= outer["x"] + outer["width"]
        assert outer["y"] <= box["y"] and box["y"] + box["height"] <= outer["y"] + outer["height"]
        assert box["width"] > 150 and box["height"] > 100
    for a, b in itertools.combinations(boxes, 2):
        apart = a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
        apart = apart or a["y"] + a["height"] <= b["y"] or b["y"] + b["height"] <= a["y"]
        assert apart
