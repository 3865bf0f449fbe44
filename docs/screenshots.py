"""Takes the pictures of docs/: `python docs/screenshots.py`, with the test extra installed."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "backend")]

from tests.live import LiveServer, chromium  # noqa: E402

SETTLED = 2.5
"""Seconds until everything that is in sight has been measured and drawn."""
COLOURS, EXACT = 256, 128
"""Of a picture, and as many of them are the most frequent ones, as they are."""
TRAINED = 24
"""Updates: the return rises, and nothing is solved yet."""


def step(page: Page, size: str, times: int = 1) -> None:
    """Steps, each until the run is at rest."""
    page.get_by_label("Step size").select_option(size)
    for _ in range(times):
        page.get_by_role("button", name="Step", exact=True).click()
        time.sleep(0.3)
        while page.evaluate("document.body.dataset.state") != "paused":
            time.sleep(0.1)


def theme(page: Page, name: str) -> None:
    """Goes through the themes to this one."""
    while page.evaluate("document.documentElement.dataset.theme") != name:
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("t")
        time.sleep(0.2)


def dashboard(page: Page) -> None:
    """The first thing one sees, after some training."""
    step(page, "update", TRAINED)


def all_panels(page: Page) -> None:
    """Every panel, with a sample selected."""
    step(page, "update", TRAINED)
    page.locator(".mask-cells").click(position={"x": 200, "y": 60})
    time.sleep(SETTLED)
    # All of them as tall as in a window of the usual height, by which they are measured, and the window as tall as all.
    page.add_style_tag(
        content=f".panel {{ height: {height_of_a_panel(page)}px !important; min-height: 0 !important; }}"
    )
    page.evaluate("scrollTo(0, 0)")
    page.set_viewport_size({"width": 1440, "height": page.evaluate("document.documentElement.scrollHeight")})
    time.sleep(2 * SETTLED)


def height_of_a_panel(page: Page) -> int:
    """In CSS pixels; the highest has all of its text in sight."""
    return round(page.evaluate("Math.max(...[...document.querySelectorAll('.panel')].map(one => one.offsetHeight))"))


def comparison(page: Page) -> None:
    """Two outcomes of one update, for a projector."""
    theme(page, "projector")
    step(page, "update", TRAINED)
    box = page.get_by_label("Clip range, as a number", exact=True)
    box.fill("0.5")
    box.press("Enter")
    page.get_by_role("button", name="Apply to this update").click()


def guide(page: Page) -> None:
    """A chapter of the guide."""
    theme(page, "dark")
    step(page, "update", 3)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("g")
    time.sleep(SETTLED)
    page.get_by_role("button", name="Chapter 4").click()


PICTURES: dict[str, tuple[Callable[[Page], None], tuple[int, int]]] = {
    "screenshot.png": (dashboard, (1440, 900)),
    "panels.png": (all_panels, (1440, 900)),
    "comparison.png": (comparison, (1920, 1080)),
    "guide.png": (guide, (1440, 900)),
}


def reduced(picture: Image.Image) -> Image.Image:
    """In few colours. Each of the page's means something, however few pixels have it: none becomes another."""
    pixels = np.asarray(picture).reshape(-1, 3)
    colours, places, counts = np.unique(pixels, axis=0, return_inverse=True, return_counts=True)
    frequent = colours[np.argsort(-counts)[:EXACT]]
    covering = picture.quantize(COLOURS - EXACT, Image.Quantize.MAXCOVERAGE).getpalette() or []
    palette = np.concatenate([frequent, np.reshape(covering, (-1, 3))]).astype(int)
    nearest = ((colours[:, None].astype(int) - palette) ** 2).sum(2).argmin(1).astype(np.uint8)
    image = Image.fromarray(nearest[places].reshape(picture.height, picture.width))
    image.putpalette(palette.astype(np.uint8).tobytes())
    return image


def take(browser: Browser, name: str) -> None:
    """One picture, of a run of its own."""
    prepare, (width, height) = PICTURES[name]
    server = LiveServer("--paused", "--seed", "1", "--learning-rate", "0.0025")
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    try:
        page.goto(server.url)
        time.sleep(SETTLED)
        prepare(page)
        time.sleep(SETTLED)
        path = ROOT / "docs" / name
        page.screenshot(path=path)
        reduced(Image.open(path).convert("RGB")).save(path, optimize=True)
    finally:
        page.context.close()
        server.stop()


if __name__ == "__main__":
    with chromium() as browser:
        for name in sys.argv[1:] or PICTURES:
            take(browser, name)
