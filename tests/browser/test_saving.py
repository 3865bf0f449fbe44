"""Saving: what a panel shows leaves as a file, and so does the whole page."""

import csv
import io
import json
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from ppo_scope.ppo.losses import Region
from ppo_scope.wire.metrics import METRICS
from tests.browser.dashboard import Dashboard, only, until
from tests.browser.test_first_light import SEED, computed

TEXT = "{http://www.w3.org/2000/svg}text"


def saved(dashboard, panel, choice):
    """The file that the panel's save menu gives."""
    region = dashboard.panel(panel)
    region.scroll_into_view_if_needed()
    region.hover()
    region.get_by_role("button", name=f"Save {panel}").click()
    with dashboard.page.expect_download() as download:
        region.get_by_role("button", name=choice).click()
    return download.value.suggested_filename, download.value.path().read_bytes()


def test_the_masks_numbers_as_csv_are_what_was_computed(look_at):
    paused = look_at(update=1, panels=["Clip mask"])
    name, content = saved(paused, "Clip mask", "Numbers as CSV")
    assert name == "clip-mask_CartPole-v1_seed-7_update-1.csv"
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    found = computed(1).arrays
    assert len(rows) == found["region"].size == 1024
    words = {Region.NOT_TRAINED: "not trained", Region.INSIDE: "inside", Region.HELD: "held"}
    words[Region.PULLED_BACK] = "pulled back"
    assert [row["region"] for row in rows] == [words[code] for code in found["region"].reshape(-1).tolist()]
    assert np.allclose([float(row["ratio"]) for row in rows], found["ratio"].reshape(-1))


def test_the_mask_as_vectors_shows_every_sample_in_its_colour(server, page):
    """A rectangle covers one sample or more of one colour; how many, its width tells."""
    paused = Dashboard(page, only(server("--paused", "--seed", SEED), "Clip mask"))
    paused.type("Clip range", 0.01).step(update="1")
    name, content = saved(paused, "Clip mask", "Picture as SVG")
    assert name == "clip-mask_CartPole-v1_seed-7_update-1.svg"
    root = ElementTree.fromstring(content)
    painted = [element.attrib for element in root.iter() if "shape-rendering" in element.attrib]
    plain = [one for one in painted if one["fill"].startswith("rgb(")]
    tall = Counter(one["height"] for one in plain).most_common(1)[0][0]
    cells = [(one["fill"], float(one["width"])) for one in plain if one["height"] == tall]
    step = min(width for _, width in cells)
    covered = Counter()
    for fill, width in cells:
        covered[fill] += round(width / step)
    region = computed(1, clip_range=0.01).arrays["region"]
    assert sorted(covered.values()) == sorted((region == code).sum() for code in (1, 2, 3))
    assert min(covered.values()) > 0


def test_a_chart_is_saved(look_at):
    paused = look_at(update=1, panels=["Ratio histogram"])
    until(lambda: paused.ratio().get("update") == "1")
    starts = {"Chart as PNG": b"\x89PNG", "Chart as SVG": b"<svg", "Numbers as CSV": b"env,seed,update,epoch,"}
    for choice, start in starts.items():
        name, content = saved(paused, "Ratio histogram", choice)
        assert name.startswith("ratio-histogram") and content.startswith(start)


PLOTTED = ("Ratio histogram", "Loss components", "KL and clipping", "Surrogate", "Clip mask")


def test_a_picture_says_what_it_is_of_and_what_its_colours_mean(look_at):
    paused = look_at(update=1, panels=PLOTTED)
    for panel in PLOTTED:
        assert_explained(paused, panel)


def assert_explained(paused, panel):
    region = paused.panel(panel)
    region.scroll_into_view_if_needed()
    until(lambda: region.locator(".cover").is_hidden() and region.locator(".readout").first.is_visible())
    name, content = saved(paused, panel, "Picture as SVG" if panel == "Clip mask" else "Chart as SVG")
    assert name == f"{panel.lower().replace(' ', '-')}_CartPole-v1_seed-7_update-1.svg"
    words = [" ".join("".join(one.itertext()).split()) for one in ElementTree.fromstring(content).iter(TEXT)]
    said = " ".join(words)
    assert panel in words and "CartPole-v1, seed 7, update 1" in words
    assert "ε 0.2" in said and "c₁ 0.5" in said and "α 0.001" in said
    legend = [entry.inner_text() for entry in region.locator(".readout > div").all() if entry.is_visible()]
    shown = ["".join(text.split()) for text in legend]
    assert shown
    assert set(shown) <= {"".join(text.split()) for text in words}


def test_files_of_other_moments_have_other_names(look_at):
    paused = look_at(update=1, minibatch=2, panels=["Clip mask"])
    name, content = saved(paused, "Clip mask", "Numbers as CSV")
    assert name == "clip-mask_CartPole-v1_seed-7_update-2_step_epoch-1_minibatch-2.csv"
    (row, *_) = csv.DictReader(io.StringIO(content.decode(), newline=""))
    assert (row["env"], row["seed"], row["update"]) == ("CartPole-v1", "7", "2")
    assert (row["settings.clip_range"], row["settings.hidden_sizes"]) == ("0.2", "[64,64]")


def test_what_is_covered_has_nothing_to_save(look_at):
    """What lies under a cover is of another moment, or of none."""
    names = (
        "Ratio histogram",
        "Clip mask",
        "Advantages",
        "Loss components",
        "Surrogate",
        "Values",
        "Gradients",
        "Policy",
    )
    paused = look_at(update=0, panels=names)
    for name in names:
        panel = paused.panel(name)
        until(panel.locator(".body[inert]").count)
        panel.locator(".saver > button").evaluate("button => button.click()")
        said = panel.locator(".saver li").all_inner_texts()
        assert said[0] == "Nothing to save of this moment", (name, said)
        assert not [one for one in said if one.startswith(("Chart", "Picture", "Numbers", "Text"))]


def test_the_whole_run_is_one_table_or_lines_of_json(server, page):
    live = server("--paused", "--seed", SEED, "--rollout-steps", "32")
    paused = Dashboard(page, only(live, "Loss components", "Episodic return"))
    paused.step(update="1").type("Clip range", 0.3).step(update="2").step(update="3")
    name, content = saved(paused, "Loss components", "Whole run as CSV")
    assert name == "run_CartPole-v1_seed-7_update-3.csv"
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    assert [row["update"] for row in rows] == ["1", "2", "3"]
    assert [row["settings.clip_range"] for row in rows] == ["0.2", "0.3", "0.3"]
    assert {metric.name for metric in METRICS} <= rows[0].keys()
    name, content = saved(paused, "Episodic return", "Whole run as JSONL")
    assert name == "run_CartPole-v1_seed-7_update-3.jsonl"
    head, *lines = [json.loads(line) for line in content.decode().splitlines()]
    assert (head["kind"], head["env"], head["seed"]) == ("run", "CartPole-v1", 7)
    assert [change["name"] for change in head["changes"]] == ["clip_range"]
    updates = [line for line in lines if line["kind"] == "update"]
    episodes = [line for line in lines if line["kind"] == "episode"]
    series = json.loads(live.get(f"api/runs/{live.run()['id']}/series"))
    assert [line["policy_loss"] for line in updates] == [
        row[series["columns"].index("policy_loss")] for row in series["rows"]
    ]
    assert [float(row["policy_loss"]) for row in rows] == [line["policy_loss"] for line in updates]
    assert len(episodes) == len(series["episodes"]) > 0


@pytest.mark.parametrize("theme", ["light", "projector"])
def test_a_picture_of_the_whole_page_looks_like_the_page(look_at, page, tmp_path, theme):
    look_at(update=1, query=f"?theme={theme}")
    page.locator("details.more").first.evaluate("element => { element.open = true; }")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save a picture of the page").click()
    picture = tmp_path / "page.png"
    download.value.save_as(picture)
    seen = np.asarray(Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("L"), dtype=float)
    image = np.asarray(Image.open(picture).convert("L"), dtype=float)
    assert image.shape[1] == seen.shape[1] and image.shape[0] >= seen.shape[0]
    place = page.locator("#settings").evaluate("element => [element.parentElement.offsetTop, element.scrollHeight]")
    assert image.shape[0] >= sum(place), "the last setting is on it"
    left = round(page.locator("#panels").bounding_box()["x"])
    top, end = round(page.locator("#panels").evaluate("element => element.offsetTop")), seen.shape[0]
    apart = np.abs(image[top:end, left:] - seen[top:, left:]) > 80
    assert apart.mean() < 0.02, "type, legends and lines stand where they stand on the page"


BEHIND = """() => {
    const { holdTexts, overwrite } = window.texts;
    const numbers = document.querySelector(".mask").parentElement.querySelectorAll(".readout dd");
    const number = [...numbers].find((element) => element.offsetParent && element.textContent).firstChild;
    holdTexts(true);  // as at full speed
    overwrite(number, "as it is drawn");
    const before = number.data;
    document.querySelector(".mask-cells").dispatchEvent(new CustomEvent("save", { detail: "svg", bubbles: true }));
    return [before, number.data];
}"""


def test_what_is_saved_at_full_speed_has_the_numbers_of_its_picture(stage, page):
    def handed_out(route):
        """The page's script, which lets a test hold its texts back."""
        found = route.fetch()
        assert "let holding = false;" in found.text()
        told = "let holding = false; window.texts = { holdTexts: (held) => holdTexts(held), overwrite };"
        route.fulfill(response=found, body=found.text().replace("let holding = false;", told))

    page.route("**/app.js", handed_out)
    dashboard = stage(query="?panels=clip-mask").dashboard
    dashboard.at(update="3")
    until(lambda: dashboard.mask().get("update") == "3")
    page = dashboard.page
    with page.expect_download() as download:
        before, after = page.evaluate(BEHIND)
    assert before != after == "as it is drawn"
    assert "as it is drawn" in download.value.path().read_text()
