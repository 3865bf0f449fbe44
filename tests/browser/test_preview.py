"""The preview: moved ε, c₁ and c₂ show at once what the batch on show would be, and give way to what was computed."""

import re

import numpy as np
import pytest
import torch

from ppo_scope.ppo import losses
from ppo_scope.ppo.losses import Region
from ppo_scope.ppo.phases import PhaseKind
from tests.browser.dashboard import Dashboard, only, panels_alone, until
from tests.browser.stage import snapshot
from tests.browser.test_first_light import SEED, computed
from tests.browser.test_surrogate_kl import CHANGES, FAST, TALL, readout, walk

BY_CLIP = ("Clip mask", "Ratio histogram", "Surrogate")
ALL = (*BY_CLIP, "Loss components")
REGIONS = ((Region.INSIDE, "inside"), (Region.HELD, "held"), (Region.PULLED_BACK, "pulledBack"))
TERMS = ("loss", "policy_loss", "value_term", "entropy_term")

ON_EACH_OTHER = """() => {
    const box = (element) => element.getBoundingClientRect();
    const seen = (places) => [...document.querySelectorAll(places)].filter((element) => element.checkVisibility());
    const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom - 0.5 && b.top < a.bottom - 0.5;
    const above = seen("#formula .badge");
    return seen(".panel .preview-tag").flatMap((tag) =>
        above.filter((other) => meet(box(tag), box(other))).map((other) => other.textContent),
    );
}"""
"""The badge, where it sits on the frame of the formula and what sits on that of a panel covers it."""

BOTTOM_AND_TITLE = """panel => {
    const words = document.createRange();
    words.selectNodeContents(panel.querySelector("h2").firstChild);
    return [panel.querySelector(".preview-tag").getBoundingClientRect().bottom, words.getBoundingClientRect().top];
}"""


@pytest.fixture
def paused(server, page):
    page.set_viewport_size(TALL)
    return Dashboard(page, only(server("--paused", "--seed", SEED, *FAST), *ALL))


def term(value):
    """A term of the loss as the formula writes it."""
    return f"{value:.4f}".replace("-", "−")


def tag(dashboard, name):
    return dashboard.panel(name).locator(".preview-tag")


def data(dashboard, name):
    return dashboard.panel(name).locator(".chart").evaluate("e => e.data.map(({ x, y }) => ({ x: [...x], y: [...y] }))")


def previews(dashboard):
    """What the labels say, by panel; those that are not shown are left out."""
    return {name: tag(dashboard, name).inner_text() for name in ALL if tag(dashboard, name).is_visible()}


def with_clip_range(found, clip_range):
    """Regions of every sample, as the trainer's own code finds them."""
    arrays = (found.arrays["ratio"], found.arrays["advantage_used"], found.arrays["region"] != 0)
    return losses.regions(
        *(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays), losses.edges_of(clip_range)
    ).numpy()


def policy_loss(found, clip_range):
    ratio, used = found.arrays["ratio"], found.arrays["advantage_used"]
    covered = (found.arrays["region"] != 0) & (found.arrays["in_minibatch"] == 1) & ~np.isnan(used)
    ratio, used = torch.from_numpy(ratio[covered]), torch.from_numpy(used[covered])
    return losses.policy_loss("clip", torch.zeros(()), ratio, used, losses.edges_of(clip_range)).double().mean().item()


def assert_mask_equals(mask, codes):
    for code, key in REGIONS:
        assert int(mask[key]) == (codes == code).sum(), key


def assert_sides_equal(text, found, codes, covered):
    """The Surrogate's numbers, "now → preview": held by side of the advantage, and the regions of all."""
    used, regions = found.arrays["advantage_used"], found.arrays["region"]
    covered = covered & ~np.isnan(used)

    def moved(where, code):
        now, then = ((of[where] == code).sum() for of in (regions, codes))
        return f"{now} → {then}" if now != then else f"{now}"

    good, bad = (covered & side for side in (used > 0, used < 0))
    assert f"held {moved(good, Region.HELD)} held {moved(bad, Region.HELD)}" in text
    assert f"pulled back {moved(covered & (used != 0), Region.PULLED_BACK)}" in text


def test_a_moved_clip_range_shows_what_python_would_have_found(paused):
    paused.step(update="1")
    walk(paused, 2, 9)
    found = computed(2, PhaseKind.STEP, 9, **CHANGES)
    assert_mask_equals(paused.mask(), found.arrays["region"])
    assert previews(paused) == {}
    for clip_range in (0.05, 0.3, 0.9):
        paused.type("Clip range", clip_range)
        expected = dict.fromkeys(ALL, f"preview ε = {clip_range}")
        until(lambda: previews(paused), lambda seen: seen == expected)  # noqa: B023
        codes = with_clip_range(found, clip_range)
        mask = until(paused.mask, lambda mask: mask["preview"] == str(clip_range))  # noqa: B023
        assert_mask_equals(mask, codes)
        # Numbers, "now → preview".
        held = (codes == Region.HELD).sum(), (found.arrays["region"] == Region.HELD).sum()
        text = paused.panel("Clip mask").locator(".readout").inner_text().replace("\n", " ")
        assert (f"held {held[1]} → {held[0]}" if held[0] != held[1] else f"held {held[0]}") in text
        # The band's edges, dashed, and in sight.
        assert data(paused, "Ratio histogram")[6]["x"][::3] == pytest.approx([1 - clip_range, 1 + clip_range])
        low, high = paused.panel("Ratio histogram").locator(".chart").evaluate("e => e.axes.xaxis.range")
        assert 10**low < 1 - clip_range < 1 + clip_range < 10**high
        covered = (found.arrays["region"] != 0) & (found.arrays["in_minibatch"] == 1)
        assert_sides_equal(readout(paused, "Surrogate"), found, codes, covered)
        share = f"{100 * (codes[covered] == Region.HELD).mean():.1f}\u00a0%"
        assert share in paused.panel("Ratio histogram").locator(".readout").inner_text()


def test_the_would_be_terms_are_drawn_and_stand_in_the_formula(paused, page):
    walk(paused, 1, 11)
    found = computed(1, PhaseKind.STEP, 11, **CHANGES)
    paused.type("Clip range", 0.06).type("Value coefficient", 0.8).type("Entropy coefficient", 0.05)
    text = "preview ε = 0.06, c₁ = 0.8, c₂ = 0.05"
    until(lambda: previews(paused).get("Loss components"), lambda seen: seen == text)
    policy = policy_loss(found, 0.06)
    value, entropy = 0.8 * found.scalars["value_loss"], -0.05 * found.scalars["entropy"]
    expected = dict(zip(TERMS, (policy + value + entropy, policy, value, entropy), strict=True))
    drawn = (
        paused.panel("Loss components").locator(".chart").evaluate("e => e.data.slice(11, 15).map(t => t.customdata)")
    )
    assert [terms[0] for terms in drawn] == pytest.approx(list(expected.values()), rel=1e-5)
    dashes = (
        paused.panel("Loss components").locator(".chart").evaluate("e => e.data.slice(11, 15).map(t => t.line.dash)")
    )
    assert dashes == ["dash"] * 4
    label = page.locator("#formula .whose")
    until(label.inner_text, lambda shown: shown.startswith(f"{text}; of this minibatch: L "))
    # Beside it the settings in use, of the same samples under the same weights.
    now = policy_loss(found, 0.2)
    assert f"LPG {term(now)} → {term(policy)}" in label.inner_text()
    assert now == pytest.approx(found.scalars["policy_loss"], rel=1e-5)
    marked = page.locator("#formula .live[data-preview]").all_inner_texts()
    shown = [f"{expected['loss']:.4f}", f"{policy:.4f}", "0.8", f"{found.scalars['value_loss']:.4f}", "0.05"]
    assert [text.replace("−", "-") for text in marked[:5]] == shown
    # And L is what its terms make: what a class adds up.
    assert expected["loss"] == pytest.approx(
        policy + 0.8 * found.scalars["value_loss"] - 0.05 * found.scalars["entropy"]
    )


def test_at_the_end_of_an_update_all_is_under_the_final_weights(paused, page):
    for update in (1, 2):
        paused.step(update=str(update))
    found = computed(2, **CHANGES)
    paused.type("Clip range", 0.1)
    until(lambda: previews(paused).get("Loss components"))
    losses = paused.panel("Loss components").locator(".chart")
    drawn = losses.evaluate("e => e.data.slice(11, 15).map(t => t.customdata[0])")
    policy = policy_loss(found, 0.1)
    value, entropy = 0.5 * found.scalars["final_value_loss"], -0.01 * found.scalars["final_entropy"]
    assert drawn == pytest.approx([policy + value + entropy, policy, value, entropy], rel=1e-5)
    label = page.locator("#formula .whose").inner_text()
    assert label.startswith("preview ε = 0.1; whole rollout, after the last step: L ")
    total = found.scalars["final_policy_loss"] + value + entropy
    assert f"L {term(total)} → {term(policy + value + entropy)}, LPG " in label, "L_VF and S are the same in both"
    assert readout(paused, "Loss components").endswith("shown whole rollout, after the last step")
    # With the ε in use the page finds what the trainer says.
    assert policy_loss(found, 0.2) == pytest.approx(found.scalars["final_policy_loss"], rel=1e-6)
    now = paused.panel("Loss components").locator(".readout").inner_text().replace("−", "-")
    assert f"{found.scalars['final_policy_loss']:.4f} → " in now
    assert_mask_equals(paused.mask(), with_clip_range(found, 0.1))


def test_the_preview_goes_when_the_slider_is_moved_back_and_once_it_is_applied(paused, page):
    paused.type("Clip range", 0.4)
    page.get_by_text("applies from update 1").first.wait_for()
    assert previews(paused) == {}, "before the first rollout there is nothing to preview"
    paused.step("phase", phase="rollout")
    assert previews(paused) == {}
    paused.step(update="1", phase="update")
    before = paused.mask()
    slider = paused.slider("Clip range ε")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    until(lambda: len(previews(paused)) == len(ALL))
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    until(lambda: previews(paused), lambda seen: seen == {})
    assert {**paused.mask(), "preview": ""} == before
    paused.type("Clip range", 0.07)
    until(lambda: len(previews(paused)) == 4)
    paused.step(update="2")
    until(lambda: previews(paused), lambda seen: seen == {})
    mask = until(paused.mask, lambda mask: mask["update"] == "2")
    assert mask["preview"] == ""
    assert paused.ratio()["preview"] == ""
    assert float(paused.ratio()["clipRange"]) == 0.07
    assert np.isnan(data(paused, "Ratio histogram")[6]["x"]).all()
    assert page.locator("#formula .whose").inner_text() == "mean of the update"
    assert page.locator("#formula .live[data-preview]").count() == 0
    paused.type("Entropy coefficient", 0.2)  # a coefficient changes the loss and no mask
    until(lambda: previews(paused), lambda seen: seen == {"Loss components": "preview c₂ = 0.2"})
    assert paused.mask()["preview"] == ""


def test_where_a_preview_changes_nothing_no_number_makes_room_for_it(paused):
    walk(paused, 1, 1)  # no step was taken: every r is 1
    before = readout(paused, "Ratio histogram")
    assert before.startswith("inside 100.0") and " r 1.00 to 1.00" in before
    paused.type("Clip range", 0.3)
    until(tag(paused, "Ratio histogram").is_visible)
    assert readout(paused, "Ratio histogram") == before


def test_what_is_said_of_a_preview_covers_no_title(paused, page):
    paused.step(update="1").type("Clip range", 0.1)
    until(tag(paused, "Clip mask").is_visible)
    for theme in ("light", "projector"):
        page.evaluate("theme => (document.documentElement.dataset.theme = theme)", theme)
        for width in (1280, 1366, 1440, 1024):
            page.set_viewport_size({"width": width, "height": 720})
            below, title = paused.panel("Clip mask").evaluate(BOTTOM_AND_TITLE)
            assert below <= title, (theme, width)
    page.set_viewport_size({"width": 390, "height": 844})
    label, first = (page.locator(place).first.bounding_box() for place in ("#formula .whose", ".panel h2:visible"))
    assert label["y"] + label["height"] <= first["y"], "on a phone"


def test_what_sits_on_a_panel_does_not_cover_what_sits_on_the_formula(server, page):
    dashboard = Dashboard(page, server("--paused", "--seed", SEED, *FAST).url)  # with all panels: three in a row
    dashboard.step(update="1").type("Clip range", 0.1)
    until(tag(dashboard, "Ratio histogram").is_visible)
    for width in (1280, 1366, 1400):
        page.set_viewport_size({"width": width, "height": 720})
        until(page.locator("#formula .badge").is_visible)
        until(lambda: page.evaluate(ON_EACH_OTHER), lambda covered: not covered, patience=2000)


def test_who_watches_sees_what_is_pending_and_in_slow_motion_it_goes_when_it_is_applied(server, new_page):
    live = server("--paused", "--seed", SEED, *FAST)
    alone = live.base + panels_alone("Clip mask")
    leader, viewer = (Dashboard(new_page(), url) for url in (f"{alone}#token={live.token}", alone))
    leader.step(update="1")
    viewer.at(update="1")
    leader.page.get_by_label("Speed").select_option("4")
    leader.press("Play").at(state="running", update="2", phase="loss")
    leader.type("Clip range", 0.03)
    for dashboard in (leader, viewer):
        until(lambda: tag(dashboard, "Clip mask").is_visible())  # noqa: B023
    leader.page.get_by_label("Speed").select_option("null")
    for dashboard in (leader, viewer):
        until(lambda: not tag(dashboard, "Clip mask").is_visible())  # noqa: B023


def test_a_preview_does_not_depend_on_which_panels_are_in_view(server, new_page):
    live = server("--paused", "--seed", SEED, *FAST)
    label = "() => document.querySelector('#formula .whose').innerText"
    shown = []
    for panels in (ALL, ["Episodic return"]):
        page = new_page()
        dashboard = Dashboard(page, only(live, *panels))
        if not shown:
            dashboard.step(update="1").type("Clip range", 0.05)
        shown.append(until(lambda: page.evaluate(label), lambda text: text.startswith("preview ε = 0.05")))  # noqa: B023
        page.close()
    assert shown[0] == shown[1]


def test_a_large_batch_says_how_many_samples_its_preview_is_of(server, page):
    live = server("--paused", "--seed", SEED, "--num-envs", "40", "--rollout-steps", "256", "--epochs", "1")
    dashboard = Dashboard(page, only(live, *ALL))
    dashboard.step(update="1").type("Clip range", 0.05)
    text = until(lambda: tag(dashboard, "Ratio histogram").get_attribute("title"), lambda title: "preview" in title)
    samples = sum(int(dashboard.mask()[key]) for key in ("inside", "held", "pulledBack"))
    assert samples < 4096 + 1
    assert f"of {samples:,} shown samples" in text
    losses = dashboard.panel("Loss components").locator(".footer")
    assert losses.evaluate("e => e.scrollWidth <= e.clientWidth"), "no number is cut off"
    counted = f"counted {int(dashboard.mask()['cells']):,} of 10,240 samples, after the last step"
    assert counted in readout(dashboard, "Clip mask")
    assert "of 10,240 samples" in dashboard.panel("Surrogate").locator(".note").inner_text()


def test_no_edge_of_the_band_runs_through_the_words_of_another(modules):
    """On an axis of 240 pixels from 1/1.5 to 1.5."""
    words = """const across = { limit: Math.log(1.5), width: 240 };
        const ways = [{ text: "word", wide: 52 }, { text: "number", wide: 34 }];
        const of = (...given) => Object.values(m.placed(given[0], ways, given[1], across, given[2])).join(" ");
        return [
            of(0.7, [0.8, 1.2]), of(1.3, [0.8, 1.2]), of(0.9, [0.8, 1.2]), of(0.82, [0.8, 1.2]), of(0.95, [0.8, 1.2]),
            of(0.8, [0.9, 1.1], true), of(0.8, [], true), of(0.97, [0.96, 1.04]),
        ]"""
    assert modules("panels/ratio/band.js", words) == [
        "number left",  # the axis ends outwards
        "number left",
        "number right",
        "word left",  # towards 1: outwards the edge in use is too near
        "number right",
        "word right",
        "word left",
        "number right",  # there is room nowhere
    ]


def test_a_term_of_the_loss_has_the_same_digits_in_a_preview_as_everywhere(stage):
    header, _ = snapshot(3)
    large = {"final_value_loss": 111.3551, "final_policy_loss": -1.25, "final_entropy": 0.5}
    played = stage(query="?panels=loss-components", scalars={**header["scalars"], **large})
    slider = played.dashboard.slider("Clip range ε")
    slider.focus()
    for _ in range(3):
        played.page.keyboard.press("ArrowLeft")
    pattern = r"L ([\d.−]+) → ([\d.−]+),? LPG ([\d.−]+) → ([\d.−]+)"
    found = lambda text: re.search(pattern, text)  # noqa: E731
    label = lambda: found(played.page.locator("#formula .whose").inner_text())  # noqa: E731
    numbers = lambda: readout(played.dashboard, "Loss components")  # noqa: E731
    until(lambda: label() and found(numbers()) and label().groups() == found(numbers()).groups(), patience=8_000)
    assert all(re.fullmatch(r"−?\d+\.\d{4}", number) for number in label().groups())
    assert "c₁·LVF 55.6775" in numbers()


TAGS_ON_TAGS = """() => {
    const tags = [...document.querySelectorAll(".whose, .badge, .preview-tag")].filter((tag) => tag.offsetParent);
    const boxes = tags.map((tag) => [tag.innerText, tag.getBoundingClientRect()]);
    return [tags.length, boxes.flatMap(([text, a], at) => boxes.slice(at + 1)
        .filter(([, b]) => Math.min(a.right, b.right) > Math.max(a.left, b.left) + 1)
        .filter(([, b]) => Math.min(a.bottom, b.bottom) > Math.max(a.top, b.top) + 1)
        .map(([other]) => [text, other]))];
}"""


def test_no_label_of_a_preview_lies_on_another(stage, page):
    dashboard = stage(query="?panels=clip-mask,ratio-histogram").dashboard
    dashboard.type("Clip range", 0.05).type("Value coefficient", 0.75).type("Entropy coefficient", 0.0123)
    for theme in ("light", "dark", "projector"):
        until(lambda: page.locator("html").get_attribute("data-theme"), lambda now, theme=theme: now == theme)
        for width, height in ((1024, 768), (1280, 720), (1440, 900), (1920, 1080)):
            page.set_viewport_size({"width": width, "height": height})
            until(lambda: page.evaluate(TAGS_ON_TAGS), lambda found: found == [4, []], 10_000)
        dashboard.key("t")
