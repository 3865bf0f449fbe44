"""The page as a person uses it: by the names of its buttons, sliders and regions."""

import re
import time

from playwright.sync_api import Error

from tests.live import ROOT

LISTED = re.search(r"panels = \[([^\]]+)\]", (ROOT / "frontend" / "panels" / "index.js").read_text(encoding="utf-8"))
PANELS = len(LISTED[1].strip(" ,\n").split(","))
"""How many there are."""

PATIENCE = 60_000  # milliseconds; a test machine may be busy

PAINTED = """wanted => new Promise((tell) => {
    const painted = () => ({ ...document.body?.dataset });
    const is = ([name, value]) => RegExp(`^(?:${value})$`).test(painted()[name] ?? "");
    const fits = () => Object.entries(wanted).every(is);
    if (!document.body || fits()) return tell(painted());
    new MutationObserver(() => fits() && tell(painted())).observe(document.body, { attributes: true });
    setTimeout(() => tell(painted()), 1000); // it may have been put out of work by what cannot be observed
})"""
"""What the page says that it has painted, as soon as that is what is wanted, or after a second."""

BEFORE_A_STEP = """() => {
    const painted = document.body?.dataset.sequence ?? "";
    return [painted, document.querySelector("select[aria-label='Step size']")?.value];
}"""
"""Which moment is painted, and how far a step goes."""


def until(look, satisfied=bool, patience=PATIENCE):
    """Look again and again until it satisfies, for so many milliseconds; at first often, since most comes at once.

    (Playwright's own waiting needs `eval`, which the page forbids.)

    Raises:
        AssertionError: it has not come in time; with what was seen last.
    """
    deadline, pause = time.monotonic() + patience / 1000, 0.01
    while not satisfied(seen := look()):
        assert time.monotonic() < deadline, f"waited in vain; last seen: {seen}"
        time.sleep(pause)
        pause = min(1.5 * pause, 0.1)
    return seen


def only(live, *panels):
    """The link to a page of a server with these panels alone: it is opened and stepped for two thirds of the cost."""
    return live.url.replace("#", f"{panels_alone(*panels)}#")


def panels_alone(*panels):
    """What a link says of them."""
    return "?panels=" + ",".join(name.lower().replace(" ", "-") for name in panels)


class Dashboard:
    """One page, connected."""

    def __init__(self, page, url):
        self.page = page
        page.goto(url)
        self.at(state="paused|running")

    @classmethod
    def of(cls, page):
        """A page that is open already."""
        dashboard = cls.__new__(cls)
        dashboard.page = page
        return dashboard

    def data(self):
        """What the page says that it has painted."""
        return self.page.evaluate("({...document.body?.dataset})")  # none yet in a page that has just been opened

    def at(self, **data):
        """Wait until the page says that it has painted this. It is asked once: to ask it again and again costs both
        processor time.
        """

        def painted():
            try:
                return self.page.evaluate(PAINTED, data)
            except Error as error:
                if "context was destroyed" not in error.message:
                    raise
                return {}  # of a document that has just been left

        until(
            painted,
            lambda painted: all(re.fullmatch(value, painted.get(name, "")) for name, value in data.items()),
        )
        return self

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()
        return self

    def key(self, key):
        """Press a key with nothing focused."""
        self.page.evaluate("document.activeElement.blur()")
        self.page.keyboard.press(key)
        return self

    def step(self, size="update", **then):
        """Until another moment is painted that this is true of, as it may be of the one before."""
        before, chosen = self.page.evaluate(BEFORE_A_STEP)
        if chosen != size:  # to find it and to choose what is chosen would cost a tenth of a step
            self.page.get_by_label("Step size").select_option(size)
        self.press("Step")
        return self.at(state="paused", sequence=rf"(?!{before}$)\d+", **then)

    def panel(self, name):
        return self.page.get_by_role("region", name=name, exact=True)

    def mask(self):
        """What the clip mask says that it has painted."""
        return self.panel("Clip mask").locator("canvas").first.evaluate("canvas => ({...canvas.dataset})")

    def ratio(self):
        return self.panel("Ratio histogram").locator("[data-clip-range]").evaluate("chart => ({...chart.dataset})")

    def picture(self):
        """Wait for the first picture of the environment."""
        canvas = self.panel("Environment").locator("canvas").first
        until(lambda: canvas.get_attribute("data-sequence"))
        return canvas

    def update(self):
        return int(self.page.evaluate("document.body.dataset.update ?? 0"))

    def slider(self, name):
        return self.page.get_by_role("slider", name=name, exact=True)

    def type(self, label, value):
        """Type a setting's value into the box beside its slider."""
        box = self.page.get_by_label(f"{label}, as a number", exact=True)
        box.fill(str(value))
        box.press("Enter")
        return self
