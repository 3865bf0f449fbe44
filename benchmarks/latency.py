"""From a click on Step to the picture of the finished update, and from one on Back, with every panel in view."""

from __future__ import annotations

import argparse
import json
from statistics import median, quantiles

from playwright.sync_api import Page

from benchmarks.shared import SETTINGS, open_page, show
from tests.live import LiveServer, chromium

WARM_UP = 5
TRAINING = ("seconds_environment", "seconds_inference", "seconds_advantages", "seconds_optimise")
MEASURING = ("seconds_probes",)
CLICK = """([button, said]) => new Promise(done => {
    const click = () => {
        const start = performance.now(), before = document.body.getAttribute(said);
        new MutationObserver((_, observer) => {
            if (document.body.getAttribute(said) === before) return;
            observer.disconnect();
            done(performance.now() - start);
        }).observe(document.body, { attributeFilter: [said] });
        button.click();
    };
    const whenReady = () => button.disabled ? setTimeout(whenReady, 5) : click();
    whenReady();
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=40, help="more than 77 without a rest are measured on the way")
    parser.add_argument("--back", type=int, default=40, help="phases; an update has 53 to go back through")
    options = parser.parse_args()
    server = LiveServer("--paused", *SETTINGS)
    try:
        with chromium() as browser, open_page(browser, server) as page:
            whole = clicks(page, "Step", "update", "data-update", WARM_UP + options.updates)
            back = clicks(page, "Back", "phase", "data-sequence", WARM_UP + options.back)[WARM_UP:]
        trained, measured = (spent(server, *names)[1:] for names in (TRAINING, MEASURING))
        # The first update was made before the page had come to rest.
        assert len(trained) == len(whole), "a click on Step made more or less than one update"
    finally:
        server.stop()
    whole, trained, measured = (row[WARM_UP:] for row in (whole, trained, measured))
    rest = [w - t - m for w, t, m in zip(whole, trained, measured, strict=True)]
    rows = (
        ("click on Step → painted", whole),
        ("of it the trainer's own", trained),
        ("measuring on the way", measured),
        ("everything else", rest),
        ("click on Back, one phase → painted", back),
    )
    show(
        "Latency of a step by update, and back through its phases",
        ("milliseconds", "median", "99th percentile", "longest"),
        [
            (name, f"{median(v):.1f}", f"{quantiles(v, n=100, method='inclusive')[98]:.1f}", f"{max(v):.1f}")
            for name, v in rows
        ],
        f"{options.updates} clicks on Step, {options.back} on Back right after the last one. Everything else is the "
        "command's way there, the last snapshot, the way back and drawing: an upper bound of end of update → painted.",
    )


def clicks(page: Page, name: str, size: str, said: str, times: int) -> list[float]:
    """Milliseconds from each click until the page says by that attribute that something else is drawn."""
    page.get_by_label("Step size").select_option(size)
    button = page.get_by_role("button", name=name, exact=True).element_handle()
    return [float(page.evaluate(CLICK, [button, said])) for _ in range(times)]


def spent(server: LiveServer, *names: str) -> list[float]:
    """Milliseconds that went into these parts of each update, by the trainer's own clock."""
    series = json.loads(server.get(f"api/runs/{server.run()['id']}/series"))
    columns = [series["columns"].index(name) for name in names]
    return [1000 * sum(row[column] for column in columns) for row in series["rows"]]


if __name__ == "__main__":
    main()
