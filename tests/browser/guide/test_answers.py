"""What a reader of the guide can answer: its texts say it, with the numbers of the moment."""

import numpy as np

from ppo_scope.ppo.losses import Region
from tests.browser.dashboard import until
from tests.browser.guide.guided import TRIALS, comparison_of, moment_of
from tests.browser.guide.numbers import fixed, number, percent


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
    assert modules("learn/numbers.js", told, 0.03) == "KL is larger, 0.03 instead of 0.01, held stays near 10.0\u00a0%"
    assert (
        modules("learn/numbers.js", told, 0.001) == "KL is smaller, 0.001 instead of 0.01, held stays near 10.0\u00a0%"
    )
