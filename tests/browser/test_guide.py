"""The guide: it trains and changes nothing unasked, shows a moment that has its point, and puts back what it tried."""

import contextlib
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from ppo_scope.ppo.losses import Region
from ppo_scope.wire import frame
from tests.browser.dashboard import Dashboard, until
from tests.browser.faults import Faults
from tests.live import ROOT, LiveServer

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
RECORDINGS = Path(ROOT) / "frontend" / "recordings"

# --- how the page writes numbers


def minus(text):
    return text.replace("-", "−")


def fixed(value, decimals):
    text = f"{value:.{decimals}f}"
    return minus(text.lstrip("-") if float(text) == 0 else text)


def percent(value):
    return f"{fixed(100 * value, 1)} %"


def number(value, digits=3):
    if value != 0 and abs(value) < 1e-3:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return minus(f"{float(mantissa):g}×10{raised}")
    return minus(f"{value:,.0f}" if abs(value) >= 10**digits else f"{float(f'{value:.{digits}g}'):g}")


def term(value):
    size = abs(value)
    if 1e-6 <= size < 1e-4:
        return number(value, 1)
    return fixed(value, 4 if size < 100 else 3 if size < 1000 else 2)


def flow(header, arrays):
    """Lengths of ∇L_PG and of c₁·∇L_VF where they could meet, and the cosine between them."""
    if "gradients" not in header["notes"]:
        return []  # their panel has just come into sight
    names, c1 = header["notes"]["gradients"]["layers"], header["settings"]["value_coef"]
    shared = any(name.startswith("trunk") for name in names)
    chosen = [name.startswith("trunk" if shared else "policy") for name in names]
    policy, value, *_ = arrays["gradient_norms"].astype(float)[:, chosen]
    if not shared:
        assert not value.any()
        return [number(np.linalg.norm(policy)), "0"]
    product = arrays["gradient_cosines"].astype(float)[0, chosen] @ (policy * value)
    lengths = np.linalg.norm(policy), np.linalg.norm(value)
    return [number(lengths[0]), number(c1 * lengths[1]), fixed(product / np.prod(lengths), 2)]


def numbers(chapter, header, arrays):
    """All live numbers of a chapter's text, in their order, from what the server holds of the moment."""
    s, used = header["scalars"], {name: f"{value}" for name, value in header["settings"].items()}
    return {
        1: lambda: [
            term(s["loss"]),
            number(s["gradient_norm"]),
            fixed(s["gradient_clip_factor"], 3),
            used["max_grad_norm"],
        ],
        2: lambda: [
            fixed(s["explained_variance_before"], 3),
            "Â",
            *(number(s[n]) for n in ("advantage_mean", "advantage_std")),
            "Â",
            "Â",
        ],
        3: lambda: [
            term(s["policy_loss"]),
            used["value_coef"],
            term(s["value_loss"]),
            used["entropy_coef"],
            term(s["entropy"]),
            term(s["loss"]),
        ],
        4: lambda: [*(fixed(s[n], 2) for n in ("ratio_min", "ratio_max")), used["clip_range"]],
        5: lambda: [
            term(s["value_loss"]),
            *(fixed(s[n], 3) for n in ("explained_variance_before", "explained_variance")),
        ],
        6: lambda: flow(header, arrays),
        7: lambda: [term(s[n]) for n in ("entropy", "final_entropy", "entropy_high")],
        8: lambda: [
            number(s["final_kl_exact"]),
            *(fixed(s[n], 2) for n in ("final_ratio_min", "final_ratio_max")),
            used["epochs"],
        ],
    }[chapter]()


# --- the page


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

    @property
    def guide(self):
        return self.page.locator("#guide")

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
def opened(chromium, *expected, width=1440, height=900):
    """Opens pages that tolerate no fault but those that are expected: `open_page()`."""
    faults, contexts = Faults(), []
    faults.expect(*expected)

    def open_page():
        contexts.append(chromium.new_context(viewport={"width": width, "height": height}))
        contexts[-1].on("page", faults.watch)
        return contexts[-1].new_page()

    yield open_page
    for context in contexts:
        context.close()
    assert not faults.unexpected()


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    live = LiveServer("--paused", "--seed", SEED, folder=tmp_path_factory.mktemp("guide"))
    yield live
    live.stop()


@pytest.fixture(scope="module")
def fresh(chromium, live):
    """A page on a run that has not begun, and never does."""
    with opened(chromium) as open_page:
        yield Guided(open_page(), live)


def frames_of(name):
    """[(header, arrays)] of a recording that comes with the page."""
    whole, found, at = gzip.decompress((RECORDINGS / f"{name}.rec").read_bytes()), [], 0
    while at < len(whole):
        length = int.from_bytes(whole[at : at + 8], "little")
        found.append(frame.decode(whole[at + 8 : at + 8 + length]))
        at += 8 + length
    return found


@pytest.fixture(scope="module")
def example():
    return frames_of("two-networks")


def moment_of(frames, chapter):
    wanted = SCENES[chapter].items()
    snapshots = [one for one in frames if one[0]["kind"] == "snapshot"]
    return next(one for one in snapshots if all(one[0][name] == value for name, value in wanted))


def comparison_of(frames, name):
    comparisons = [header for header, _ in frames if header["kind"] == "comparison"]
    return next(one for one in comparisons if one["settings"]["old"][name] != one["settings"]["new"][name])


# --- what each chapter asks for


def step_one_phase(guided):
    guided.page.get_by_label("Step size").select_option("phase")
    guided.press("Step").at(phase="step", live="false").done()


def select_a_sample(guided):
    guided.panel("Clip mask").locator("canvas").first.click()
    guided.done()


def shorten_the_leash(guided):
    """Its answer is of the value that was settled on, not of one that the drag has passed."""
    slider = guided.slider("Clip range ε")
    drag = """(range, values) => values.forEach((value) => {
        range.value = String(value);
        range.dispatchEvent(new Event("input", { bubbles: true }));
    })"""
    where = "(range, value) => range.min * 1 + (range.max - range.min) * value"
    slider.evaluate(drag, [slider.evaluate(where, at) for at in (0.1, 0.001, 0.02)])
    number = guided.page.get_by_label("Clip range, as a number", exact=True)
    settled = until(number.input_value, lambda value: value != "0.2")
    guided.done()
    until(lambda: guided.numbers(".reaction")[0], lambda value: value == settled == number.input_value())
    guided.type("Clip range", 0.04)
    until(lambda: guided.numbers(".reaction")[0], lambda value: value == "0.04")
    assert guided.panel("Sample").locator(".sample-preview").is_visible()
    _, arrays = moment_of(frames_of("two-networks"), 4)
    r, a = arrays["ratio"], arrays["advantage_used"]
    trained = (arrays["region"] != Region.NOT_TRAINED) & (arrays["in_minibatch"] == 1)
    bounds = [(np.float32(1 - e), np.float32(1 + e)) for e in (0.04, 0.2)]
    held = [(((a > 0) & (r > high)) | ((a < 0) & (r < low)))[trained].mean() for low, high in bounds]
    assert guided.numbers(".reaction")[1:] == [percent(share) for share in held]
    # L of these samples is not known, so L_PG is not previewed beside it: the sum adds up, and the label compares.
    formula = guided.page.locator("#formula")
    assert formula.locator(".term[data-idea=policy] .live[data-preview]").count() == 0
    assert "LPG −" in formula.locator(".whose").inner_text()
    assert " → " in formula.locator(".whose").inner_text()


def see_a_shared_trunk(guided):
    guided.press("Show one trunk with two heads").done()
    header, arrays = moment_of(frames_of("shared-trunk"), 6)
    until(lambda: guided.numbers() == flow(header, arrays))
    assert len(guided.numbers()) == 3
    rows = guided.guide.locator(".flows tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.children].slice(1).map((cell) => cell.textContent))"
    )
    columns = [flow(*moment_of(frames_of(name), 6)) for name in ("two-networks", "shared-trunk")]
    assert [row[0] for row in rows] == [*columns[0], "n/a"]
    assert [row[1] for row in rows] == columns[1]


def make_it_twice(chapter):
    def task(guided):
        name, label = TRIALS[chapter]
        guided.press(label).done()
        told = comparison_of(frames_of("two-networks"), name)
        said = guided.guide.locator(".reaction").inner_text().replace("−", "-")
        for which in ("old", "new"):
            assert percent(told["scalars"][f"{which}_held_fraction"]) in said or chapter in (5, 7)
        card = guided.page.locator("#comparison")
        until(card.is_visible)
        card.get_by_role("button", name="Keep it as it was").click()
        until(lambda: not card.is_visible())
        assert guided.reaction().startswith("Done."), "what it showed stays"

    return task


TASKS = {1: step_one_phase, 2: select_a_sample, 4: shorten_the_leash, 6: see_a_shared_trunk}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_on_a_fresh_run_shows_its_point_and_trains_nothing(fresh, example, chapter):
    fresh.choose(chapter)
    assert "an example recorded for this page" in fresh.shown()
    assert "Your run is not touched (paused, update 0)" in fresh.shown()
    until(fresh.lit, lambda lit: lit == LIT[chapter])
    until(lambda: fresh.numbers() == numbers(chapter, *moment_of(example, chapter)))
    if chapter in BESIDE:
        until(lambda: fresh.sees("Clip mask", "Sample", BESIDE[chapter]))
    if chapter == 1:
        until(lambda: fresh.page.evaluate("scrollY") == 0)  # the pipeline is what it asks to be watched
    assert fresh.reaction() == ""
    TASKS.get(chapter, make_it_twice(chapter))(fresh)
    done = fresh.guide.get_by_role("button", name=f"Chapter {chapter}:")
    until(lambda: done.get_attribute("data-done"), lambda mark: mark is not None)
    run = fresh.untouched(0)
    assert (run["settings"]["clip_range"], run["settings"]["value_coef"]) == (0.2, 0.5)
    assert fresh.said == []


def test_who_presses_next_to_the_end_is_back_where_they_were(fresh):
    fresh.choose(1)
    for chapter in CHAPTERS[1:]:
        fresh.press("Next").at_chapter(chapter)
    fresh.press("Finish")
    until(lambda: not fresh.guide.is_visible())
    fresh.page.get_by_text("That was the guide. Now try it on your run").wait_for()
    fresh.at(state="paused", update="0", phase="ready", live="true")
    fresh.untouched(0)
    assert fresh.said == [] and fresh.lit() == set()
    assert fresh.slider("Clip range ε").get_attribute("aria-valuetext") == "0.2"


def test_the_step_size_that_a_chapter_asks_for_is_put_back(fresh):
    fresh.open().close()
    size = fresh.page.get_by_label("Step size")
    before = size.input_value()
    fresh.choose(1)
    size.select_option("phase")
    fresh.close()
    assert before != "phase"
    until(size.input_value, lambda value: value == before)


def test_task_and_way_on_are_in_sight_and_what_it_shows_comes_into_sight(chromium, live):
    with opened(chromium, width=1280, height=720) as open_page:
        low = Guided(open_page(), live)
        inside = """element => {
            const { top, bottom } = element.getBoundingClientRect();
            const room = (element.closest(".reading") ?? document.querySelector("#guide")).getBoundingClientRect();
            return top >= room.top && Math.min(bottom, top + 40) <= room.bottom && room.bottom <= innerHeight;
        }"""
        for chapter in CHAPTERS:
            low.choose(chapter)
            for part in (".task", "footer .primary"):
                assert low.guide.locator(part).evaluate(inside), (chapter, part)
        low.press(TRIALS[8][1]).done()
        until(lambda: low.guide.locator(".reaction").evaluate(inside))
        assert low.guide.locator("footer .primary").evaluate(inside)


# --- what its reader can answer


def test_chapter_2_does_not_speak_of_a_gradient_before_there_is_one(fresh):
    fresh.choose(2)
    fresh.panel("Clip mask").locator("canvas").first.click()
    sample = fresh.panel("Sample").locator(".sample")
    until(sample.inner_text, lambda text: "Its gradient is not known before its advantage is." in text)
    assert "its policy gradient flows" not in sample.inner_text()


def test_chapter_4_has_one_rule_for_all_cases(fresh):
    fresh.choose(4)
    cells = "table => [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent))"
    assert fresh.guide.locator(".rule").evaluate(cells) == [
        ["", "r < 1 − ε", "between", "r > 1 + ε"],
        ["Â > 0", "pulled back: flows", "flows", "held: 0"],
        ["Â < 0", "held: 0", "flows", "pulled back: flows"],
    ]


def test_chapter_8_does_the_harm_that_it_speaks_of(fresh, example):
    """Farther from π_old by every measure of the last step; what looks better is named."""
    fresh.choose(8).press(TRIALS[8][1]).done()
    s = comparison_of(example, "epochs")["scalars"]
    for name, text in (("kl_exact", number), ("ratio_max", lambda value: fixed(value, 2))):
        old, new = (s[f"{which}_final_{name}"] for which in ("old", "new"))
        assert old < new
        assert {text(old), text(new)} <= set(fresh.numbers(".reaction"))
    assert s["new_ratio_clip_fraction"] > s["old_ratio_clip_fraction"]
    assert s["new_final_ratio_min"] < s["old_final_ratio_min"]
    better = fixed(s["new_explained_variance"], 3)
    assert f"The explained variance stays near {better}; where it is larger, that is no point" in fresh.reaction()


def test_chapter_4_says_why_a_gradient_flows_on_two_samples_of_this_batch(fresh, example):
    fresh.choose(4)
    header, arrays = moment_of(example, 4)
    rows = fresh.guide.locator(".pair tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.children].map((cell) => cell.textContent))"
    )
    table = {name: values for name, *values in rows}
    held, pulled = ([table[name][at].replace("−", "-") for name in ("Â", "r")] for at in (0, 1))
    epsilon = header["settings"]["clip_range"]
    assert float(held[0]) > 0 > float(pulled[0])
    assert float(held[1]) > 1 + epsilon < float(pulled[1])
    assert table["‖∇LPG‖"][0] == "0 exactly"
    assert all(float(text.split("×")[0]) > 0 for name in ("‖∇(c₁·LVF)‖", "‖∇(c₂·S)‖") for text in table[name])
    assert float(table["‖∇LPG‖"][1]) > 0
    said = fresh.guide.locator(".pair").inner_text()
    s = header["scalars"]
    for words in (
        "no policy gradient. The critic's and the entropy's gradient still flow",
        "has become likelier all the same",
        "whose gradient flows at full size",
        "It is not the share without a gradient",
        "a held sample has lost its policy gradient only",
    ):
        assert words in said
    for name in ("clip_fraction", "held_fraction", "pulled_back_fraction"):
        assert percent(s[name]) in fresh.numbers(".pair")
    # The held one is in Sample, which says the same of it; the other is a press away.
    sample = fresh.panel("Sample").locator(".sample")
    until(lambda: sample.get_attribute("data-region"), lambda code: code == str(int(Region.HELD)))
    # And the paper's other leash: what its price would be of, in that state and on average.
    place = tuple(int(sample.get_attribute(f"data-{name}")) for name in ("environment", "step"))
    before, now = (arrays[name][place].astype(float) for name in ("policy_old", "policy_new"))
    assert table["KL in its state"][0] == number((before * np.log(before / now)).sum())
    assert number(s["kl_exact"]) in fresh.numbers(".pair")
    leashes = fresh.guide.get_by_role("table", name="Both leashes")
    assert leashes.locator("th[scope=col]").all_inner_texts() == ["clip", "KL penalty"]
    fresh.guide.get_by_role("button", name="pulled back").click()
    until(lambda: sample.get_attribute("data-region"), lambda code: code == str(int(Region.PULLED_BACK)))
    assert fixed(float(sample.get_attribute("data-ratio")), 3) == table["r"][1]


def test_chapter_3_says_what_c1_changes_by_the_numbers_of_this_update(fresh, example):
    fresh.choose(3).press(TRIALS[3][1]).done()
    s = comparison_of(example, "value_coef")["scalars"]
    said = fresh.reaction()
    clip = [fixed(s[f"{which}_gradient_clip_factor"], 3) for which in ("old", "new")]
    assert f"so the factor of the norm limit is smaller, {clip[1]} instead of {clip[0]}" in said
    assert "it scales the policy's gradient too" in said
    for name, text in (("kl_k3", number), ("held_fraction", percent)):
        old, new = (text(s[f"{which}_{name}"]) for which in ("old", "new"))
        assert f" is smaller, {new} instead of {old}" in said
    assert "c₁·LVF reaches no weight of the actor" in fresh.guide.locator(".text").inner_text()


def test_what_became_of_a_number_is_said_as_it_is(modules):
    told = """
        const scalars = { old_kl_k3: 0.01, new_kl_k3: given, old_held_fraction: 0.1, new_held_fraction: 0.1004 };
        const comparison = { header: { scalars }, arrays: {} };
        return m.parts("KL {went.kl_k3}, held {went.held_fraction}", { comparison }).map(({ text }) => text).join("");
    """
    assert modules("learn/numbers.js", told, 0.03) == "KL is larger, 0.03 instead of 0.01, held stays near 10.0 %"
    assert modules("learn/numbers.js", told, 0.001) == "KL is smaller, 0.001 instead of 0.01, held stays near 10.0 %"


# --- on a run that trains


@pytest.fixture(scope="module")
def trained(chromium, tmp_path_factory):
    """A page on a run that has learned for a while, stepped, with the panels of the chapters in view."""
    live = LiveServer("--paused", "--seed", SEED, "--learning-rate", "0.003", folder=tmp_path_factory.mktemp("trained"))
    with opened(chromium, height=4000) as open_page:
        guided = Guided(open_page(), live)
        guided.step("updates", update="10")
        guided.step("updates", update="20")
        guided.step(update="21", phase="update")
        yield guided
    live.stop()


def test_a_run_that_has_the_point_is_shown_itself_and_tries_it_itself(trained):
    before = trained.live.run()["settings"]
    trained.said.clear()
    trained.choose(7)
    assert trained.shown() == "On show: your run, update 21, its end."
    trained.press(TRIALS[7][1]).done()
    assert trained.said == ["redo"]
    assert "−c₂·S" in trained.reaction()
    trained.press("Next").at_chapter(8)  # left undecided: it is put back
    until(lambda: trained.said == ["redo", "keep"])
    assert trained.untouched(21)["settings"] == before


def test_an_outcome_that_was_kept_is_put_back_when_the_chapter_is_left(trained):
    trained.choose(7).press(TRIALS[7][1]).done()
    trained.page.locator("#comparison").get_by_role("button", name="Keep the new outcome").click()
    until(lambda: trained.live.run()["settings"]["entropy_coef"] == 0.1)
    trained.choose(2)
    until(lambda: trained.live.run()["pending"], lambda pending: pending == {"entropy_coef": 0.01})
    until(trained.guide.locator(".note").inner_text, lambda text: "Put back: c₂ 0.01" in text)
    trained.close().step(update="22", phase="update")
    assert trained.live.run()["settings"]["entropy_coef"] == 0.01


def test_what_is_undecided_is_left_undecided(trained):
    trained.type("Clip range", 0.3)
    trained.press("Apply to this update")
    card = trained.page.locator("#comparison")
    until(card.is_visible)
    trained.said.clear()
    for chapter in (3, 4, 7):
        trained.choose(chapter)
        assert not trained.guide.get_by_role("button", name="Step my run there").is_visible()
        assert chapter == 4 or "an example" in trained.shown()
    trained.close()
    until(card.is_visible)
    assert trained.said == []
    card.get_by_role("button", name="Keep it as it was").click()
    trained.type("Clip range", 0.2)


def test_a_run_is_stepped_to_a_chapter_when_that_is_asked(trained):
    trained.choose(1)
    trained.press("Step my run there")
    until(trained.shown, lambda text: text.startswith("On show: your run"))
    trained.at(phase="gradient", epoch="1", minibatch="1", live="false")
    trained.close().at(phase="gradient", live="true").step(phase="update")


def test_a_run_that_was_stepped_there_makes_its_own_update_twice(trained):
    """Never mixed with the example, to which one press leads back."""
    trained.one_update().to_its_loss().choose(3)
    until(trained.shown, lambda text: text.startswith("On show: your run"))
    own = trained.live.run()["update"]
    trained.said.clear()
    trained.press("Finish your update, and make it twice: c₁ 0.5 and 5").done()
    assert f"Update {own}, made twice" in trained.reaction()
    assert trained.page.locator("#comparison h2").inner_text() == f"Update {own}, made twice"
    assert trained.said == ["step", "redo"]
    trained.press("Show the example")
    until(trained.shown, lambda text: "an example recorded for this page" in text)
    until(lambda: trained.said == ["step", "redo", "keep"])
    assert trained.reaction() == ""
    assert f"Your run waits at update {own}" in trained.shown()
    trained.press(TRIALS[3][1]).done()
    made = comparison_of(frames_of("two-networks"), "value_coef")["update"]
    assert f"Update {made}, made twice" in trained.reaction()
    trained.close()


def test_going_on_says_when_it_is_the_example_again(trained):
    trained.one_update().to_its_loss().choose(3)
    until(trained.shown, lambda text: text.startswith("On show: your run"))
    trained.choose(8)  # its update is not over, so it cannot be made twice
    until(trained.shown, lambda text: "an example recorded for this page" in text)
    until(trained.guide.locator(".note").inner_text, lambda text: text.startswith("This is the example again"))
    trained.close().step(phase="update")


def test_opening_it_neither_pauses_a_run_nor_steps_it(trained):
    trained.said.clear()
    trained.press("Play").at(state="running")
    trained.choose(5)
    before = trained.live.run()["update"]
    until(lambda: trained.live.run()["update"] > before + 2)
    assert trained.said == ["play"]
    until(trained.shown, lambda text: "Your run is not touched. It trains on meanwhile: update " in text)
    told = trained.shown()
    until(trained.shown, lambda text: text != told)  # the number lives
    trained.close().at(state="running").press("Pause").at(state="paused")


def test_a_link_to_a_chapter_shows_it_and_touches_nothing(trained):
    trained.said.clear()
    trained.choose(4)
    until(lambda: "chapter=4" in trained.page.evaluate("location.search"))
    update = trained.live.run()["update"]
    trained.page.reload()
    trained.at_chapter(4)
    assert trained.said == []
    assert trained.live.run()["update"] == update
    trained.close()


def test_what_was_hidden_is_hidden_again(trained):
    trained.page.locator("#panel-policy header").hover()
    trained.page.get_by_role("button", name="Hide Policy").click()
    trained.choose(7)
    assert trained.page.locator("#panel-policy").is_visible()
    trained.close()
    until(lambda: trained.page.locator("#panel-policy").is_hidden())
    assert trained.page.evaluate("document.body.dataset.stage") is None
    trained.press("Show Policy")


# --- elsewhere


def test_who_only_watches_goes_through_it_as_well(chromium, live):
    with opened(chromium) as open_page:
        viewer = Guided(open_page(), live, token=False)
        viewer.choose(3)
        assert not viewer.guide.get_by_role("button", name="Step my run there").is_visible()
        viewer.press(TRIALS[3][1]).done()
        assert viewer.said == []
        viewer.live.run()


def test_on_a_phone_it_is_read_and_steps_nothing(chromium, live):
    with opened(chromium, width=390, height=800) as open_page:
        phone = Guided(open_page(), live, "?chapter=1")
        phone.at_chapter(1)
        assert phone.task().startswith("On a larger screen you would now: choose the step size")
        assert not phone.guide.get_by_role("button", name="Step my run there").is_visible()
        phone.choose(8).press(TRIALS[8][1]).done()
        assert phone.said == []
        phone.untouched(0)


@pytest.mark.parametrize("chapter", [2, 6])
def test_a_recorded_run_has_its_chapters_too(chromium, live, chapter):
    with opened(chromium, "recorded/pictures") as open_page:
        recorded = Guided(open_page(), live, f"?recording=cartpole&chapter={chapter}")
        recorded.at_chapter(chapter)
        assert recorded.said == []
        recorded.close().at(live="true", phase="update")


PUT_BACK = """
    const run = { id: "one", settings: { epochs: 4, clip_range: 0.2 } };
    const state = { run, status: { pending: given.pending ?? {} }, newest: null };
    const found = m.asFound({ run: { ...run }, status: { pending: given.before ?? {} }, newest: null }, "clip_range");
    if (given.used !== undefined) run.settings.clip_range = given.used;
    if (given.other) run.id = "another";
    return m.toPutBack(state, found);
"""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        ({"pending": {"clip_range": 0.04}}, {"clip_range": 0.2}),
        ({"before": {"clip_range": 0.3}, "pending": {"clip_range": 0.04}}, {"clip_range": 0.3}),
        ({"before": {"clip_range": 0.3}, "pending": {"clip_range": 0.3}}, None),
        ({"pending": {"clip_range": 0.04}, "other": True}, None),
    ],
)
def test_what_is_put_back_is_what_the_chapter_found(modules, given, expected):
    assert modules("learn/put-back.js", PUT_BACK, given) == expected


def test_a_recording_that_is_not_there_is_said(live, page, faults):
    faults.expect("404")
    page.goto(f"{live.base}?recording=nothing")
    page.get_by_text("There is no recording “nothing” on this server").first.wait_for()
    until(lambda: page.evaluate("document.body.dataset.state") == "paused")
