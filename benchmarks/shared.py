"""What the benchmarks have in common: the settings that are compared, the page, and the table."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from tests.live import LiveServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ENVS, STEPS, EPOCHS, MINIBATCHES, HIDDEN = 4, 128, 4, 4, (64, 64)
"""CleanRL's settings for CartPole-v1."""

SETTINGS = (
    *("--env", "CartPole-v1", "--num-envs", str(ENVS), "--rollout-steps", str(STEPS)),
    *("--epochs", str(EPOCHS), "--minibatches", str(MINIBATCHES)),
    *("--hidden-sizes", ",".join(map(str, HIDDEN)), "--activation", "tanh"),
)
"""The same, as options of `ppo-scope`."""


SETTLE = 2000
"""Milliseconds for the page to come to rest."""


@contextmanager
def open_page(browser: Browser, server: LiveServer) -> Iterator[Page]:
    """The dashboard of a paused server as its controller sees it: every panel in view, and one update drawn in each."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    try:
        page.goto(server.url)
        page.wait_for_selector("body[data-state=paused]")
        page.get_by_role("button", name="Play").and_(page.locator(":enabled")).wait_for()
        page.get_by_role("button", name="Step", exact=True).click()
        page.wait_for_selector("body[data-state=paused][data-update='1']")
        page.wait_for_timeout(SETTLE)  # the charting library comes after the first picture
        yield page
    finally:
        page.close()


def show(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]], note: str) -> None:
    """Print a table: names on the left, numbers on the right."""
    table = Table(title=title, caption=f"{note}\n{platform.system()} {platform.machine()}", title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
