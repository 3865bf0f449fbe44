"""Sample: what it shows of a sample is what the trainer computed, from wherever the sample is pointed out."""

import contextlib
import re

import numpy as np
import pytest

from ppo_scope.ppo.losses import Region
from tests.browser.dashboard import Dashboard, only, until
from tests.browser.test_first_light import SEED, computed

LOOKED_AT = ("Clip mask", "Sample")
FACTS = "element => ({...element.dataset})"


@pytest.fixture
def paused(server, page):
    return Dashboard(page, only(server("--paused", "--seed", SEED), *LOOKED_AT))


def sample(dashboard):
    return dashboard.panel("Sample").locator(".sample")


def shown(dashboard, *, full=True, **place):
    """What the panel Sample says that it shows, once it shows that place, measured in full."""
    wanted = {"inFull": "true"} if full else {}
    wanted |= {name: str(value) for name, value in place.items()}
    return until(
        lambda: sample(dashboard).evaluate(FACTS), lambda facts: all(facts.get(k) == v for k, v in wanted.items())
    )


def words(dashboard, name):
    return dashboard.panel(name).inner_text().replace("−", "-")


def cell(dashboard, environment, step):
    """Where the mask has painted a sample, in CSS pixels of its canvas."""
    canvas = dashboard.panel("Clip mask").locator("canvas").first
    canvas.scroll_into_view_if_needed()
    return canvas, canvas.evaluate(
        """async (canvas, [row, column]) => {
            const { arrange } = await import("./panels/mask/layout.js");
            const { width, height } = canvas.getBoundingClientRect();
            const box = arrange({ width, height, ratio: 1 }, 8, 128, 8).place({ row, column });
            return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
        }""",
        [environment, step],
    )


def click(dashboard, environment, step, *, full=True):
    canvas, position = cell(dashboard, environment, step)
    canvas.click(position=position)
    return shown(dashboard, full=full, environment=environment, step=step)


BELOW = """async (canvas) => {
    const { arrange } = await import("./panels/mask/layout.js");
    const { width, height } = canvas;
    const { top, rows, linesPerRow, cellHeight } = arrange({ width, height, ratio: 1 }, 8, 128, 8);
    const numbers = top + rows * linesPerRow * cellHeight + 3;
    return [...canvas.getContext("2d").getImageData(0, numbers, width, height - numbers).data].join();
}"""


def test_the_marks_of_a_selected_sample_cover_no_number_of_the_axis_below(lasting):
    paused = lasting(update=1, panels=LOOKED_AT)
    canvas = paused.panel("Clip mask").locator("canvas").first
    click(paused, 6, 0, full=False)
    before = until(lambda: canvas.evaluate(BELOW), lambda pixels: "255" in pixels)
    click(paused, 7, 0, full=False)
    until(lambda: paused.mask()["selected"], lambda place: place.startswith("7"))
    assert canvas.evaluate(BELOW) == before


def test_a_click_in_the_mask_shows_the_sample_as_the_trainer_computed_it(lasting):
    paused = lasting(update=1, panels=LOOKED_AT)
    arrays = computed(1).arrays
    trained = np.argwhere(arrays["region_new"] != Region.NOT_TRAINED)
    for environment, step in trained[[10, len(trained) // 2, -20]].tolist():
        facts = click(paused, environment, step)
        at = environment, step
        for name, array in {
            "ratio": "ratio_new",
            "raw": "advantage",
            "used": "advantage_used",
            "region": "region_new",
            "gradientPolicy": "gradient_policy",
            "gradientValue": "gradient_value",
            "gradientEntropy": "gradient_entropy",
            "gradientTotal": "gradient_total",
            "logProbOld": "log_prob_old",
            "logProbNew": "log_prob_new",
            "valueOld": "value",
            "valueTarget": "value_target",
            "valueNow": "value_now",
        }.items():
            assert float(facts[name]) == pytest.approx(float(arrays[array][at]), rel=1e-6), name
        assert paused.mask()["selected"] == f"{environment},{step}"
        text = words(paused, "Sample")
        ratio, used = float(arrays["ratio_new"][at]), float(arrays["advantage_used"][at])
        assert f"= {-ratio * used:.3f}" in text
        assert f"= {-np.clip(ratio, 0.8, 1.2) * used:.3f}" in text
        assert f"{arrays['log_prob_new'][at]:.3f}" in text
        for probability in (*arrays["policy_old"][at], *arrays["policy_new"][at]):
            assert f"{probability:.3f}" in text
        assert "cart position" in text
        assert "push left" in text


@pytest.mark.parametrize("region", [Region.HELD, Region.PULLED_BACK])
def test_what_the_max_picks_and_why(lasting, region):
    dashboard = lasting("--clip-range", "0.002", update=1, panels=LOOKED_AT)
    dashboard.panel("Sample").scroll_into_view_if_needed()
    find = dashboard.panel("Sample").get_by_label("Find a sample")
    wanted = {Region.HELD: "a held one", Region.PULLED_BACK: "a pulled-back one"}[region]
    until(find.locator("option", has_text=wanted).is_enabled)
    find.select_option(label=wanted)
    facts = shown(dashboard, region=int(region))
    ratio, used = float(facts["ratio"]), float(facts["used"])
    unclipped, clipped = -ratio * used, -np.clip(ratio, 0.998, 1.002) * used
    text = words(dashboard, "Sample")
    picked = dashboard.panel("Sample").locator(".sum.picked").inner_text()
    if region == Region.HELD:
        assert clipped > unclipped
        assert facts["gradientPolicy"] == "0"
        assert "clip" in picked
        assert "a constant" in text
        assert "exactly 0" in text
    else:
        assert unclipped > clipped
        assert float(facts["gradientPolicy"]) > 0
        assert "clip" not in picked
        assert "pulls the policy back" in text


def test_before_its_first_minibatch_a_sample_says_what_is_not_known_and_before_the_rollout_none_is_found(paused):
    options = paused.panel("Sample").get_by_label("Find a sample").locator("option:not([value=''])")
    assert options.evaluate_all("all => [all.length > 5, all.every((option) => option.disabled)]") == [True, True]
    paused.step("phase", phase="rollout")
    paused.step("phase", phase="advantages")
    click(paused, 0, 3)
    text = words(paused, "Sample")
    assert "not yet" in text
    assert "Its advantage as used is not known yet" in text


def test_a_sample_is_stepped_through_by_buttons_and_by_keys(lasting):
    paused = lasting(update=1, panels=LOOKED_AT)
    click(paused, 2, 40)
    panel = paused.panel("Sample")
    panel.get_by_role("button", name="Next step").click()
    shown(paused, environment=2, step=41)
    panel.get_by_role("button", name="Previous environment").click()
    shown(paused, environment=1, step=41)
    sample(paused).focus()
    for key, place in (("ArrowLeft", (1, 40)), ("ArrowDown", (2, 40)), ("ArrowUp", (1, 40)), ("ArrowRight", (1, 41))):
        paused.page.keyboard.press(key)
        shown(paused, environment=place[0], step=place[1])
    assert paused.update() == 1, "the arrow keys are the panel's while it has the focus"


def test_the_mask_selects_by_keyboard(lasting):
    paused = lasting(update=1, panels=LOOKED_AT)
    keyboard = paused.page.keyboard
    click(paused, 2, 40)
    paused.page.mouse.move(0, 0)
    paused.panel("Clip mask").locator("canvas").first.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        keyboard.press(key)
    until(lambda: "Environment 1, step 1" in paused.panel("Clip mask").locator(".tip").inner_text())
    keyboard.press("Enter")
    shown(paused, environment=1, step=1)


def test_the_picture_of_the_step_is_shown_where_the_run_was_stepped(lasting):
    paused = lasting(update=1, panels=LOOKED_AT)
    click(paused, 3, 17)
    picture, image = (paused.panel("Sample").locator(one) for one in (".sample-picture", "img"))
    until(lambda: picture.get_attribute("data-picture"), lambda path: path and path.endswith("/pictures/1/3/17"))
    until(lambda: image.evaluate("image => image.complete && image.naturalWidth"))
    assert "step 17" in image.get_attribute("alt")


def test_a_free_run_is_to_be_paused_first(paused):
    paused.step(update="1")
    paused.press("Play")
    paused.at(state="running")
    panel = paused.panel("Sample")
    panel.scroll_into_view_if_needed()
    until(lambda: panel.locator(".cover").inner_text(), lambda text: "paused" in text)
    paused.press("Pause")
    paused.at(state="paused")
    panel.scroll_into_view_if_needed()  # a click that had to be tried again may have scrolled the page to its button
    cover = panel.locator(".cover").evaluate
    until(lambda: cover("c => c.hidden ? null : c.textContent"), lambda says: says is None)


@pytest.mark.parametrize("objective", ["reinforce", "kl_penalty"])
def test_objectives_without_a_clip_have_no_max(server, page, objective):
    dashboard = Dashboard(page, only(server("--paused", "--seed", SEED, "--objective", objective), *LOOKED_AT))
    dashboard.step(update="1")
    click(dashboard, 1, 20)
    text = words(dashboard, "Sample")
    assert "clip(" not in text
    if objective == "kl_penalty":
        kl = computed(1, objective=objective).arrays["exact_kl_new"][1, 20]
        assert f"= 1 · {kl:.3g}" in text
    assert ("no clip, so no max" if objective == "kl_penalty" else "nothing is clipped") in text
    assert ("β · KL" in text) == (objective == "kl_penalty")
    assert ("G raw" in text) == (objective == "reinforce")


def test_the_words_of_the_other_objectives_without_a_clip_are_theirs(modules):
    said = modules("panels/sample/words.js", OBJECTIVES, ["unclipped", "actor_critic", "clip"])
    terms, verdicts = zip(*said, strict=True)
    assert [any("clip(" in term for term in own) for own in terms] == [False, False, True]
    assert "no clip, so no max" in verdicts[0] and "nothing is clipped" in verdicts[1]
    assert not any("β · KL" in text for text in (*terms[0], *terms[1], *verdicts))


@pytest.mark.parametrize("settings", [("--env", "Pendulum-v1"), ("--env", "FrozenLake-v1")])
def test_other_spaces_are_shown_too(server, page, settings):
    dashboard = Dashboard(page, only(server("--paused", "--seed", SEED, *settings), *LOOKED_AT, "Policy"))
    dashboard.step(update="1")
    click(dashboard, 1, 20)
    text = words(dashboard, "Sample")
    if "Pendulum-v1" in settings:
        assert "torque" in text
    else:  # the state is a number, not 16 of which one is 1
        assert re.search(r"State s\ss\s\d+\s", text) and "a = 3" in text
    dashboard.panel("Policy").scroll_into_view_if_needed()
    until(lambda: dashboard.panel("Policy").locator(".chart").get_attribute("data-states"), lambda n: n == "9")


def test_a_sample_that_no_minibatch_has_held_was_in_no_loss(modules):
    """Its ratio moves with the weights of all samples, and the mask shows it as it was collected."""
    facts = {"inFull": True, "ratio": 0.873, "region": 1, "lossRatio": 1, "lossRegion": 1}
    given = [
        {**facts, "phase": phase, "inMinibatch": held, "used": used}
        for phase, held, used in (
            ("step", False, None),
            ("step", False, -1.1),
            ("step", True, -1.1),
            ("loss", False, None),
        )
    ]
    said = modules("panels/sample/words.js", "given.map((facts) => m.asTheMaskShowsIt(facts, facts))", given)
    assert ["last in a loss" in one for one in said] == [False, True, False, False]
    assert ["in no loss of this update yet" in one for one in said] == [True, False, False, True]
    assert "In the loss before it, r was 1.000" in said[2]
    assert modules("panels/sample/words.js", "m.asTheMaskShowsIt(given, given)", {**given[0], "ratio": 1}) is None


def choose(dashboard, wanted):
    find = dashboard.panel("Sample").get_by_label("Find a sample")
    until(find.locator("option", has_text=wanted).is_enabled)
    find.select_option(label=wanted)


def test_it_speaks_of_the_preview_as_the_mask_does(lasting):
    """A sample that the mask shows as held, with ε as it was moved, is not silently inside here."""
    dashboard = lasting(update=1, panels=LOOKED_AT)
    facts = click(dashboard, 2, 40)
    r, used = float(facts["ratio"]), float(facts["used"])
    clip_range = abs(r - 1) / 2
    with previewed(dashboard, "Clip range", 0.2, clip_range):
        preview = dashboard.panel("Sample").locator(".sample-preview")
        until(preview.is_visible)
        wanted = Region.HELD if (used > 0) == (r > 1) else Region.PULLED_BACK
        assert preview.get_attribute("data-region") == str(int(wanted))
        said = preview.inner_text().replace("−", "-")
        assert f"{wanted.name.lower().replace('_', ' ')} instead of inside" in said
        bound = 1 + clip_range if r > 1 else 1 - clip_range
        assert f"= {-bound * used:.3f}" in said and f"= {-r * used:.3f}" in said
        dashboard.panel("Clip mask").locator("canvas").first.hover(position=cell(dashboard, 2, 40)[1])
        tip = dashboard.panel("Clip mask").locator(".tip").inner_text()
        assert f"Preview: {wanted.name.lower().replace('_', ' ')}" in tip
    until(preview.is_hidden)


def test_what_c1_and_c2_would_change_of_a_sample_is_its_gradients(lasting):
    dashboard = lasting(update=1, panels=LOOKED_AT)
    facts = click(dashboard, 2, 40)
    with previewed(dashboard, "Value coefficient", 0.5, 5):
        preview = dashboard.panel("Sample").locator(".sample-preview")
        until(preview.is_visible)
        said = preview.inner_text()
        assert "only the clip range decides" in said
        assert (
            f"would be {10 * float(facts['gradientValue']):.3g} instead of {float(facts['gradientValue']):.3g}" in said
        )
    until(preview.is_hidden)


@contextlib.contextmanager
def previewed(dashboard, label, back, value):
    """With a value that waits for the next update, and does not come."""
    dashboard.type(label, value)
    yield
    dashboard.type(label, back)


FLOWS = """
    const { calculation, verdict } = m;
    const clipRange = { clip_range: 0.2, clip_range_high: null, ratio_cap: null };
    const about = { objective: "clip", clipRange, logProbNew: -0.4, logProbOld: -0.7 };
    return given.map(([ratio, used, region]) => {
      const facts = { ...about, ratio, logratio: Math.log(ratio), used, region };
      return [verdict(facts), calculation(facts).find(({ role }) => role === "picked").term];
    });
"""

OBJECTIVES = """
    const clipRange = { clip_range: 0.2, clip_range_high: null, ratio_cap: null };
    const region = 1, logprobs = { logProbNew: -0.4, logProbOld: -0.7, logratio: 0.3 };
    return given.map((objective) => {
      const facts = { ...logprobs, objective, clipRange, ratio: 1.35, used: 0.8, region, kl: null, klCoef: null };
      return [m.calculation(facts).map(({ term }) => term), m.verdict(facts)];
    });
"""


def test_it_says_in_words_why_a_gradient_flows_or_does_not(modules):
    """Two samples of r = 1.35: one was to become less likely and has become likelier, the other has gone far enough."""
    (flows, taken), (held, constant) = modules(
        "panels/sample/words.js", FLOWS, [[1.35, -0.8, int(Region.PULLED_BACK)], [1.35, 0.8, int(Region.HELD)]]
    )
    assert flows.startswith("Â < 0: the action is to become less likely. Yet it has become likelier")
    assert "holds nothing back" in flows and "flows at full size and pulls the policy back" in flows
    assert taken == "−r · Â"
    assert held.startswith("Â > 0: the action is to become likelier. It is, by more than ε: r = 1.350.")
    assert "exactly 0" in held and "The critic's and the entropy's gradient still flow." in held
    assert constant.startswith("−clip(")


SEEN = """() => {
    const box = (name) => document.getElementById(name).getBoundingClientRect();
    const [mask, sample] = [box("panel-clip-mask"), box("panel-sample")];
    const inner = document.querySelector(".sample");
    const apart = sample.left - mask.right;
    return { level: Math.abs(mask.top - sample.top) < 1, beside: apart > 0 && apart < 40,
             hidden: inner.scrollHeight - inner.clientHeight, wide: inner.scrollWidth - inner.clientWidth,
             cut: inner.getBoundingClientRect().bottom > sample.bottom };
}"""


BEYOND = "e => [e.scrollWidth - e.clientWidth, e.scrollHeight - e.clientHeight]"
CUT = """sample => [...sample.querySelectorAll(".sums span:not(.visually-hidden), dt, dd, h3, [role=rowheader]")]
    .filter((part) => part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).overflow !== "visible")
    .map((part) => part.textContent)"""
BROKEN = """sample => [...sample.querySelectorAll(".sums > div > span:not(.role), .choices [role=rowheader]")]
    .filter((part) => {
        const broken = part.offsetHeight > 2 * parseFloat(getComputedStyle(part).fontSize);
        return broken || part.scrollWidth > part.clientWidth;
    })
    .map((part) => part.textContent)"""


@pytest.mark.parametrize(
    ("theme", "usual", "beside", "narrow"),
    [("light", (1440, 900), (1024, 768), (390, 768)), ("projector", (1920, 1080), None, (1024, 768))],
    ids=["light", "projector"],
)
def test_it_stands_beside_the_mask_whole_and_in_a_narrow_window_nothing_of_it_is_broken(
    look_at, page, theme, usual, beside, narrow
):
    def resize(size):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        dashboard.panel("Sample").scroll_into_view_if_needed()

    page.set_viewport_size({"width": usual[0], "height": usual[1]})
    dashboard = look_at(update=1, query=f"?theme={theme}")
    resize(usual)
    choose(dashboard, "an inside one")
    shown(dashboard, region=int(Region.INSIDE))
    until(lambda: dashboard.panel("Sample").locator("img").evaluate("image => image.complete && image.naturalWidth"))
    assert max(sample(dashboard).evaluate(BEYOND)) <= 0
    assert sample(dashboard).evaluate(CUT) == []

    choose(dashboard, "smallest r")
    shown(dashboard)
    with previewed(dashboard, "Clip range", 0.2, 0.01):
        until(dashboard.panel("Sample").locator(".sample-preview").is_visible)
        whole = {"level": True, "beside": True, "hidden": 0, "wide": 0, "cut": False}
        for size in filter(None, (usual, beside)):
            resize(size)
            until(
                lambda: page.evaluate(SEEN), lambda seen: seen == whole, 10_000
            )  # the mask has its size a frame later

    resize(narrow)
    choose(dashboard, "an inside one")
    shown(dashboard, region=int(Region.INSIDE))
    assert sample(dashboard).evaluate(BROKEN) == []


CHOICES = """panel => [...panel.querySelectorAll(".choices [role=row]:not(.head)")].map((row) => ({
    name: row.querySelector("[role=rowheader]").title,
    change: Math.abs(
        [2, 1].map((at) => row.children[at].textContent.replace("−", "-")).reduce((now, before) => now - before)),
    taken: row.matches(".taken"),
    shown: row.querySelector("[role=rowheader]").checkVisibility(),
}))"""
NUMBERS = """panel => [...panel.querySelectorAll(".sample-state dt")]
    .map((name) => [name.innerText, name.checkVisibility()])"""


@pytest.mark.parametrize(("env", "choices", "numbers"), [("Forty", 40, 4), ("Several", 32, 4), ("Arm", 34, 17)])
def test_of_a_long_list_the_rest_is_folded(serve_here, new_page, env, choices, numbers):
    """Of dozens of choices what was taken and what has changed most are seen: the panel stays beside the clip mask."""
    server = serve_here("--paused", "--env", f"tests.environments.sized:{env}-v0", "--num-envs", "8")
    page = new_page(viewport={"width": 1440, "height": 900})
    dashboard = Dashboard(page, only(server, *LOOKED_AT)).step(update="1")
    click(dashboard, 2, 30)
    panel = dashboard.panel("Sample")
    rows = until(lambda: panel.evaluate(CHOICES), lambda rows: len(rows) == choices)
    seen, rest = ([row for row in rows if row["shown"] is shown] for shown in (True, False))
    assert len({row["name"] for row in rows}) == choices
    assert len(seen) == 6
    assert not any(row["taken"] for row in rest)
    rounded = 0.001 + 1e-9
    others = [row["change"] for row in seen if not row["taken"]]
    assert min(others, default=1) >= max(row["change"] for row in rest) - rounded
    listed = panel.evaluate(NUMBERS)
    assert len(listed) == numbers
    assert sum(shown for _, shown in listed) == min(numbers, 12)
    sizes = [dashboard.panel(name).bounding_box() for name in LOOKED_AT]
    assert sizes[1]["height"] < sizes[0]["height"] + 160, "there is no hole below the mask"
    fold = panel.locator(".sample-policy summary")
    assert fold.inner_text() == f"and {choices - 6} that changed less"
    fold.focus()
    page.keyboard.press("Enter")
    until(lambda: all(row["shown"] for row in panel.evaluate(CHOICES)))
    panel.get_by_label("Find a sample").select_option(label="an inside one")
    until(lambda: sample(dashboard).evaluate(FACTS), lambda facts: (facts["environment"], facts["step"]) != ("2", "30"))
    shown(dashboard, region=int(Region.INSIDE))
    assert all(row["shown"] for row in panel.evaluate(CHOICES)), "whoever unfolds it sees all of the next sample, too"


def test_a_picture_that_failed_can_be_asked_for_again(look_at, page, faults):
    faults.expect("/pictures/")
    page.route("**/pictures/**", lambda route: route.abort())
    paused = look_at(update=1, panels=LOOKED_AT)
    click(paused, 3, 17)
    panel = paused.panel("Sample")
    until(lambda: panel.locator(".sample-picture").inner_text(), lambda text: "The server cannot be reached." in text)
    page.unroute("**/pictures/**")
    panel.get_by_role("button", name="Ask again").click()
    image = panel.locator("img")
    until(lambda: image.evaluate("image => image.complete && image.naturalWidth"))
    assert panel.get_by_role("button", name="Ask again").is_hidden()


EDGE = """
    const r = Math.fround(1.2);
    const clipRange = { clip_range: 0.2, clip_range_high: null, ratio_cap: null };
    const known = { objective: "clip", clipRange, region: 1, logProbNew: -1, logProbOld: -1 };
    const facts = { ...known, ratio: r, logratio: Math.log(r), used: 1 };
    const terms = m.calculation(facts).slice(-2);
    return [terms.map(({ role }) => role), terms.map(({ value }) => value), m.verdict(facts)];
"""


def test_at_the_edge_the_verdict_says_what_the_region_says(modules):
    """In single precision r = 1.2 lies on the edge, and so inside for the trainer; in double precision beyond."""
    roles, values, verdict = modules("panels/sample/words.js", EDGE)
    assert roles == ["same", "same"] and values[0] == values[1] == -float(np.float32(1.2))
    assert "The two terms are the same" in verdict
