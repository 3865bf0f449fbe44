"""One name, one number: whose a number is stands beside it, and what lies side by side has the same bins."""

import numpy as np
import pytest

SCOPES = {
    ("rollout", "rollout", 0, 0): ("whole rollout", "whole rollout, before the first step", "before the first step"),
    ("loss", "minibatch", 1, 3): ("of this minibatch", "of this minibatch", "as last in a loss, or collected"),
    ("step", "minibatch", 1, 4): ("of this minibatch", "of this minibatch", "each as it was last in a loss"),
    ("loss", "minibatch", 2, 1): ("of this minibatch", "of this minibatch", "each as it was last in a loss"),
    ("epoch", "rollout", 1, 4): (
        "mean of the epoch",
        "whole rollout, each as it was last in a loss",
        "each as it was last in a loss",
    ),
    ("update", "rollout", 4, 4): ("mean of the update", "whole rollout, after the last step", "after the last step"),
}
LATEST = "each as it was last in a loss"


@pytest.mark.parametrize(("moment", "words"), SCOPES.items(), ids=lambda part: part[0])
def test_the_scope_of_a_number_in_words(modules, moment, words):
    given = {**dict(zip(("phase", "scope", "epoch", "minibatch"), moment, strict=True)), "minibatches": 4}
    call = "['means', 'samples', 'cells'].map((kind) => m.scopeOf(given, kind))"
    judged = {"ratio_max": 1.2, "final_ratio_max": None}  # it may be infinite
    assert modules("state/scope.js", call, {**given, "scalars": judged}) == list(words)
    of_a_loop = modules("state/scope.js", call, {**given, "scalars": {"ratio_max": 1.2}})
    # One that cannot be asked what its policy has become is not said to have been.
    if given["phase"] == "update":
        words = "mean of the update", f"whole rollout, {LATEST}", LATEST
    assert of_a_loop == list(words)
    both = [{"old_final_ratio_max": 1.2}, {"old_ratio_max": 1.2}]
    assert modules("state/scope.js", "given.map(m.afterIn)", both) == [
        "whole rollout, after the last step",
        f"whole rollout, {LATEST}",
    ]


def test_how_many_samples_are_counted(modules):
    found = modules("state/scope.js", "[m.coverage(4096, 131072), m.coverage(1024, 1024), m.coverage(1024, NaN)]")
    assert found == ["4,096 of 131,072 samples", "all 1,024 samples", "all 1,024 samples"]


@pytest.mark.parametrize(
    ("met", "text"),
    [
        (("kl_k3", 0.02, 0.03124), "KL (k3) > 0.02 was met at update 57: 0.0312, mean of the update."),
        (
            ("clip_fraction", 0.2, 0.2134),
            "clip fraction > 20.0\u00a0% was met at update 57: 21.3\u00a0%, mean of the update.",
        ),
        (
            ("episodic_return_mean", 100, 104.2),
            "return ≥ 100 was met at update 57: 104.2, mean of the last 100 episodes.",
        ),
        # As a rule three digits do; never does it say that 0.02 is more than 0.02.
        (("kl_k3", 0.02, 0.020004), "KL (k3) > 0.02 was met at update 57: 0.020004, mean of the update."),
        (("kl_k3", 0.02004, 0.0201), "KL (k3) > 0.02004 was met at update 57: 0.0201, mean of the update."),
        (
            ("clip_fraction", 0.2004, 0.20041),
            "clip fraction > 20.04\u00a0% was met at update 57: 20.041\u00a0%, mean of the update.",
        ),
        (
            ("episodic_return_mean", 475.72, 475.7312),
            "return ≥ 475.72 was met at update 57: 475.73, mean of the last 100 episodes.",
        ),
    ],
)
def test_what_was_met_in_words(modules, met, text):
    given = {**dict(zip(("quantity", "above", "value"), met, strict=True)), "update": 57}
    assert modules("state/met.js", "m.metInWords(given)", given) == text


# --- Bins


def histogram(logratio, limit, size=64):
    counts = np.histogram(logratio, size, (-limit, limit))[0].tolist()
    return {"limit": limit, "bins": [counts, [0] * size]}


def test_histograms_side_by_side_have_the_same_bins(modules):
    random = np.random.default_rng(3)
    narrow, wide = random.uniform(-0.5, 0.5, 1000), random.uniform(-2, 2, 1000)
    given = [histogram(narrow, 0.5), histogram(wide, 2.0)]
    found = modules("ppo/ratio-bins.js", "m.alike(given)", given)
    assert found == [histogram(narrow, 2.0), given[1]]
    assert modules("ppo/ratio-bins.js", "m.alike(given)", [given[1], given[1]]) == [given[1], given[1]]


def test_ratios_that_are_all_one_are_one_bar_with_its_middle_at_one(modules):
    rounded = np.array([-3e-8] * 40 + [0.0] * 20 + [5e-8] * 40)
    given = histogram(rounded, 0.5)
    assert sum(count > 0 for count in given["bins"][0]) == 2, "an edge lies at 1"
    call = "m.centred(given.histogram, given.extremes, null)"

    def centred(bins, *extremes):
        return modules("ppo/ratio-bins.js", call, {"histogram": bins, "extremes": extremes})

    for extremes in ((1 - 3e-8, 1 + 5e-8), (None, None)):
        found = centred(given, *extremes)
        filled = [(bin, count) for bin, count in enumerate(found["bins"][0]) if count]
        assert filled == [(32, 100)] and len(found["bins"][0]) == 65
        width = 2 * found["limit"] / 65
        assert width == pytest.approx(1 / 64) and 32.5 * width - found["limit"] == pytest.approx(0)
    assert centred(given, 0.99, 1.0) == given, "where r has moved, bins are as they were measured"
    moved = histogram(np.array([0.0, 0.2]), 0.5)
    assert centred(moved, None, None) == moved


# --- A preview's place


@pytest.mark.parametrize(
    ("header", "made", "end"),
    [
        ({"phase": "loss", "scope": "minibatch", "epoch": 1, "minibatch": 1}, 1, 1.5),
        ({"phase": "step", "scope": "minibatch", "epoch": 2, "minibatch": 3}, 7, 7.5),
        ({"phase": "epoch", "scope": "rollout", "epoch": 2, "minibatch": 4}, 8, 8.5),
        ({"phase": "epoch", "scope": "rollout", "epoch": 2, "minibatch": 2}, 6, 6.5),  # target_kl ended it
        ({"phase": "update", "scope": "rollout", "epoch": 4, "minibatch": 4}, 16, 16.5),
        ({"phase": "update", "scope": "rollout", "epoch": 2, "minibatch": 2}, 6, 6.5),
    ],
)
def test_the_dashes_of_a_preview_never_reach_beyond_the_present(modules, header, made, end):
    snapshot = {"header": {**header, "minibatches": 4}}
    start, found = modules(
        "panels/losses.js", "m.place(given.snapshot, given)", {"snapshot": snapshot, "planned": 16, "made": made}
    )
    assert found == end
    assert 0.5 <= start < end


# --- The last whole update


@pytest.mark.parametrize(
    ("before", "now", "was", "is_"),
    [
        (("running", True), ("paused", "rollout"), False, True),
        (("running", False, True), ("paused", "rollout"), False, True),  # Pause, within ten updates
        (("running", True, True, 2), ("paused", "rollout"), False, False),  # in slow motion
        (("running", True), ("paused", "advantages"), False, True),
        (("running", True), ("paused", "loss"), False, False),
        (("running", True), ("paused", "update"), False, False),
        (("running", False), ("paused", "rollout"), False, False),  # somebody stepped there
        (("paused", False), ("paused", "rollout"), True, True),  # a setting was moved meanwhile
        (("paused", False), ("paused", "rollout"), False, False),
        (("running", True), ("running", "rollout"), True, False),
        (None, ("paused", "rollout"), False, False),
    ],
)
def test_when_a_run_was_paused_between_two_updates(modules, before, now, was, is_):
    given = {
        "before": before and dict(zip(("state", "playing", "pausing", "pace"), before, strict=False)),
        "now": dict(zip(("state", "phase"), now, strict=True)),
        "was": was,
    }
    assert modules("state/whole.js", "m.isInterrupted(given.before, given.now, given.was)", given) is is_


# --- A sample in the preview


def test_sample_says_where_the_mask_previews_another_region_than_that_of_the_weights_as_they_are(modules):
    facts = {"ratio": 1.15, "used": 0.8, "region": 1, "lossRatio": 1.02, "lossRegion": 1, "objective": "clip"}
    facts |= {"clipRange": 0.2, "gradientPolicy": 0.1, "gradientValue": None, "gradientEntropy": None}
    used = {"clip_range": 0.2, "value_coef": 0.5, "entropy_coef": 0.01}
    call = "(({ textContent, dataset }) => [textContent, { ...dataset }])(m.previewed(given.facts, given))"

    def previewed(clip_range):
        return modules(
            "panels/sample/sums.js",
            call,
            {"facts": facts, "used": used, "values": {**used, "clip_range": clip_range}, "clip": True},
        )

    text, data = previewed(0.1)
    assert data == {"region": "2", "maskRegion": "1"}
    assert "as the Clip mask shows it, r was 1.020: with ε = 0.1 it would be inside." in text
    text, data = previewed(0.01)
    assert data == {"region": "2", "maskRegion": "2"} and "Clip mask" not in text
