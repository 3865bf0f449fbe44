"""The paper's second variant and what else follows the KL: the page shows what Python computes."""

import numpy as np
import pytest

from ppo_scope.ppo import leashes
from ppo_scope.ppo.losses import Region
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.promises import PROMISED
from tests.browser.dashboard import Dashboard, only, until
from tests.browser.test_first_light import SEED, computed
from tests.browser.test_preview import term
from tests.browser.test_surrogate_kl import TALL, chart, cloud, readout
from tests.browser.test_tables import at, numbers, table

RATE = 0.004  # so that KLs lie on both sides of the band
BETA, TARGET, LAST = 2.0, 0.01, 4
PENALTY = {"objective": "kl_penalty", "kl_coef": BETA, "learning_rate": RATE}
BANDS, DRIVER, ON_THE_RIGHT = slice(18, 20), 20, {"β": 21, "α": 22}
"""Of the curves of KL and clipping."""


def options(settings):
    return [text for name, value in settings.items() for text in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture(scope="module")
def updates():
    """What Python finds at the end of each update under the penalty."""
    return [computed(update, **PENALTY) for update in range(1, LAST + 1)]


@pytest.fixture
def penalised(server, page):
    page.set_viewport_size(TALL)
    live = server("--paused", "--seed", SEED, *options(PENALTY))
    dashboard = Dashboard(page, only(live, "Surrogate", "KL and clipping"))
    for update in range(1, LAST + 1):
        dashboard.step(update=str(update), phase="update")
    return dashboard


def by_hand(updates):
    """β of each update and of the one after them, by the paper's section 4."""
    betas = [BETA]
    for found in updates:
        kl = found.scalars["final_kl_exact"]
        betas.append(betas[-1] * (2 if kl > 1.5 * TARGET else 0.5 if kl < TARGET / 1.5 else 1))
    return betas


def test_the_page_under_the_kl_penalty(penalised, updates, page):
    """One run and one page for all of it: to come there takes longer than to look."""
    betas, found = by_hand(updates), updates[-1]
    assert len(set(betas)) > 1, "β has to move, or nothing is shown here"
    region, used, ratio, kl = (found.arrays[name] for name in ("region", "advantage_used", "ratio", "exact_kl"))
    covered = (region != 0) & ~np.isnan(used) & (used != 0)
    beta, final_kl = betas[-2], found.scalars["final_kl_exact"]

    # Surrogate: a slope everywhere, nobody is held, and each sample lies below it by the price of its own state.
    drawn = cloud(penalised)
    assert int(drawn["goodHeld"]) == int(drawn["badHeld"]) == 0
    assert int(drawn["goodUnheld"]) + int(drawn["badUnheld"]) == (covered & (region == Region.UNHELD)).sum()
    curves = chart(penalised, "Surrogate")
    for (free, objective, _), sign in zip((curves[:3], curves[3:]), (1, -1), strict=True):
        side = covered & (np.sign(used) == sign)
        lower = beta * kl[side].mean() / np.abs(used[side]).mean()
        assert free["y"] == pytest.approx([sign * r for r in free["x"]], abs=1e-6)
        assert objective["y"] == pytest.approx([sign * r - lower for r in objective["x"]], rel=1e-4)
    price = beta * kl[covered].astype(float).mean()
    assert f"β·KL {price:.3g}" in readout(penalised, "Surrogate")
    rows = table(penalised, "Surrogate")
    assert numbers(rows, "exact_kl") == pytest.approx(at(rows, kl))
    assert numbers(rows, "objective") == pytest.approx(at(rows, ratio * used - beta * kl), rel=1e-4, abs=1e-6)

    # KL and clipping: the band of the target, the KL that β follows, and β.
    lines = chart(penalised, "KL and clipping")
    band, other = lines[BANDS]
    assert sorted({round(y, 9) for y in band["y"]}) == pytest.approx([TARGET / 1.5, 1.5 * TARGET])
    assert other["y"] == lines[ON_THE_RIGHT["α"]]["y"] == []
    assert lines[DRIVER]["y"][1:-1] == pytest.approx([one.scalars["final_kl_exact"] for one in updates], rel=1e-5)
    assert lines[ON_THE_RIGHT["β"]]["own"][1:-1] == pytest.approx(betas[:-1])
    assert lines[ON_THE_RIGHT["β"]]["y"][1:-1] == pytest.approx(np.log10(betas[:-1]))
    told = readout(penalised, "KL and clipping")
    assert (
        f"β {beta:g}, kept" in told if betas[-1] == beta else f"β {beta:g} → {betas[-1]:g}: KL {final_kl:.3g}" in told
    )
    saved = [row for row in table(penalised, "KL and clipping") if row["minibatch"] == ""]
    assert numbers(saved, "kl_coef") == pytest.approx(betas[:-1])

    # Formula, sentence, slider.
    formula = page.locator("#formula")
    group = formula.get_by_role("group", name="The objective with a KL penalty")
    lives = [text.replace("−", "-") for text in group.locator(".live").all_inner_texts()]
    assert [lives[3], lives[4]] == [f"{beta:g}", f"{found.scalars['kl_exact']:.3g}"]
    sentence = page.locator("#pipeline .sentence, .sentence").first.inner_text()
    assert f"KL after the last step is {final_kl:.3g}" in sentence
    assert page.locator("#setting-kl_coef").is_visible()
    assert page.locator("#setting-clip_range").is_hidden(), "β has taken the place of ε"
    assert penalised.slider("KL coefficient β").is_enabled()

    # The preview of β: L_PG from the ratios, advantages and KLs at hand.
    penalised.type("KL coefficient", 5)
    label = formula.locator(".whose")
    until(label.inner_text, lambda shown: shown.startswith("preview β = 5;"))
    now, then = (
        -(ratio[covered] * used[covered]).astype(float).mean() + b * kl[covered].astype(float).mean() for b in (beta, 5)
    )
    assert now == pytest.approx(found.scalars["final_policy_loss"], abs=1e-6)
    assert f"LPG {term(now)} → {term(then)}" in label.inner_text()
    until(lambda: f"β·KL {price:.3g} → {5 * price / beta:.3g}" in readout(penalised, "Surrogate"))
    dashed = chart(penalised, "Surrogate")[2]
    good = covered & (used > 0)
    assert dashed["y"][0] == pytest.approx(dashed["x"][0] - 5 * kl[good].mean() / used[good].mean(), rel=1e-4)

    # Back to the clip: the slot is that of ε again, and β says why it does nothing.
    page.get_by_text("More settings").click()
    page.get_by_label("Objective", exact=True).select_option("clip")
    until(page.locator("#setting-clip_range").is_visible)
    assert page.locator("#setting-kl_coef").is_hidden()
    assert "only under the objective" in page.locator("#setting-kl_coef_target").get_attribute("title")


def test_a_learning_rate_that_follows_the_kl_is_drawn_beside_it(server, page):
    settings = {"desired_kl": 0.01, "learning_rate": RATE}
    page.set_viewport_size(TALL)
    dashboard = Dashboard(page, only(server("--paused", "--seed", SEED, *options(settings)), "KL and clipping"))
    for update in (1, 2):
        dashboard.step(update=str(update), phase="update")
    found = [computed(update, **settings).scalars for update in (1, 2)]
    lines = chart(dashboard, "KL and clipping")
    none, band = lines[BANDS]
    assert none["y"] == lines[ON_THE_RIGHT["β"]]["y"] == []
    assert sorted({round(y, 9) for y in band["y"]}) == pytest.approx([0.005, 0.02])
    rates = [scalars["learning_rate"] for scalars in found]
    assert lines[ON_THE_RIGHT["α"]]["own"][1:-1] == pytest.approx(rates)
    moved = {"raised": "raised", "lowered": "lowered", "pinned": "held by its bound"}
    parts = [f"{word} {times:.0f}×" for name, word in moved.items() if (times := found[-1][f"learning_rate_{name}"])]
    assert ", ".join(parts) in readout(dashboard, "KL and clipping")
    slider = page.locator("#setting-learning_rate")
    assert dashboard.slider("Learning rate α").is_enabled()
    assert slider.locator(".applies").inner_text().startswith("in force: ")
    assert page.get_by_label("Learning rate, as a number", exact=True).input_value() == str(RATE), "as it was set"


def test_a_schedule_is_told_from_what_was_set(server, page):
    """ε as in force is in the formula, as set beside its slider: moving the slider is about the latter."""
    settings = {"seed": int(SEED), "anneal_clip_range": True, "total_steps": 4096}
    arguments = ("--seed", SEED, "--anneal-clip-range", "--total-steps", "4096")
    dashboard = Dashboard(page, only(server("--paused", *arguments), "KL and clipping"))
    dashboard.step(update="1", phase="update").step(update="2", phase="update")
    trainer = Trainer(Settings.parse(settings))
    in_force = next(phase.update for phase in trainer.phases() if phase.update.index == 2).settings.clip_range
    trainer.close()
    assert 0.1 < in_force < 0.2
    edge = page.locator("#formula").get_by_role("button", name="lower edge of the clip").locator(".live")
    assert edge.inner_text() == f"{1 - in_force:.4g}"
    box = page.get_by_label("Clip range, as a number", exact=True)
    assert box.input_value() == "0.2"
    applies = page.locator("#setting-clip_range .applies")
    assert applies.inner_text() == f"in force: {in_force:.3g}"
    dashboard.type("Clip range", 0.1)
    until(applies.inner_text, lambda text: text == "applies from update 3")
    dashboard.step(update="3", phase="update")
    until(applies.inner_text, lambda text: text.startswith("in force: 0.0"))
    assert box.input_value() == "0.1"


def test_the_rules_are_those_of_the_trainer(modules):
    target = 0.01
    cases = [
        (beta, kl)
        for beta in (0.0, 5e-5, 1e-4, 1.5e-4, 1.0, 6000.0, 1e4)
        for kl in (0.0, target / 1.5, target, 1.5 * target, 0.0150001, 0.0066, 1.0)
    ]
    found = modules("ppo/adaptation.js", "given.map(([beta, kl]) => m.nextBeta(beta, kl, 0.01))", cases)
    assert found == pytest.approx([leashes.next_kl_coef(beta, kl, target) for beta, kl in cases])
    low, high = modules("ppo/adaptation.js", "m.rateBandOf(0.02)")
    settings = Settings.parse({"desired_kl": 0.02})
    for kl, way in ((low * 0.99, 1), (low * 1.01, 0), (high * 0.99, 0), (high * 1.01, -1)):
        assert leashes.next_learning_rate(1e-3, kl, settings)[1] == way


def test_the_kl_of_samples_is_promised():
    assert "exact_kl" in PROMISED["samples"]
