"""Saving: what a panel shows leaves as a file, and so does the whole page."""

import csv
import io
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tests.browser.dashboard import Dashboard, until
from tests.browser.test_first_light import SEED, computed


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
    paused = look_at(update=1)
    name, content = saved(paused, "Clip mask", "Numbers as CSV")
    assert name == "clip-mask.csv"
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    found = computed(1).arrays
    assert len(rows) == found["region"].size == 1024
    assert [int(row["region"]) for row in rows] == found["region"].reshape(-1).tolist()
    assert np.allclose([float(row["ratio"]) for row in rows], found["ratio"].reshape(-1))


def test_the_mask_as_vectors_shows_every_sample_in_its_colour(server, page):
    """A rectangle covers one sample or more of one colour; how many, its width tells."""
    paused = Dashboard(page, server("--paused", "--seed", SEED).url)
    paused.type("Clip range", 0.01).step(update="1")
    name, content = saved(paused, "Clip mask", "Picture as SVG")
    assert name == "clip-mask.svg"
    painted = [element.attrib for element in ElementTree.fromstring(content) if "shape-rendering" in element.attrib]
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


@pytest.mark.parametrize(
    ("choice", "start"), [("Chart as PNG", b"\x89PNG"), ("Chart as SVG", b"<svg"), ("Numbers as CSV", b"update,epoch,")]
)
def test_a_chart_is_saved(look_at, choice, start):
    paused = look_at(update=1)
    until(lambda: paused.ratio().get("update") == "1")
    name, content = saved(paused, "Ratio histogram", choice)
    assert name.startswith("ratio-histogram") and content.startswith(start)


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
