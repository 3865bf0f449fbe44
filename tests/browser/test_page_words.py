"""What the page writes: numbers, names, remedies and sentences, by its own modules in a real Chromium."""

import pytest

from ppo_scope.attach.called import called_by
from ppo_scope.diagnosis.tries import tries
from ppo_scope.ppo.settings import table
from tests.browser.dashboard import panels_alone, until
from tests.browser.stage import snapshot

# --- state/format.js


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("number(null)", "–"),
        ("number(undefined)", "–"),
        ("number(NaN)", "–"),
        ("number(Infinity)", "∞"),
        ("number(-Infinity)", "−∞"),
        ("number(0)", "0"),
        ("number(-1.2345)", "−1.23"),
        ("number(123456)", "123,456"),
        ("number(-0.00001234)", "−1.23×10⁻⁵"),
        ("number(2.5e12)", "2.5×10¹²"),
        ("fixed(null, 2)", "–"),
        ("fixed(1, 3)", "1.000"),
        ("fixed(-0.00001, 4)", "0.0000"),  # and not "−0.0000"
        ("fixed(-2.5, 1)", "−2.5"),
        ("fixed(123456.7, 4)", "123,457"),
        ("number(999.7)", "1,000"),
        ("percent(0.125)", "12.5\u00a0%"),
        ("percent(0)", "0.0\u00a0%"),
        ("percent(0.00024)", "0.02\u00a0%"),  # one of 4,096
        ("percent(-0.004, 0)", "−0.4\u00a0%"),
        ("percent(1e-12)", "0.0\u00a0%"),
        ("figure(0.00042, 3)", "4×10⁻⁴"),
        ("figure(-0.0042, 2)", "−0.004"),
        ("figure(0.0005, 3)", "0.001"),
        ("figure(0, 3)", "0.000"),
        ("figure(null, 3)", "–"),
        ("figure(-Infinity, 3)", "−∞"),
        ("extreme(0.0031)", "0.003"),
        ("extreme(1.234)", "1.23"),
        ("ofSample(-0.00031)", "−3×10⁻⁴"),
        ("ofSample(6e-8)", "0.000"),  # of an r that is 1
        ("percent(NaN)", "–"),
        ("count(-1234)", "−1,234"),
        ("count(null)", "–"),
        ("term(43.00879)", "43.0088"),
        ("term(-153.79112)", "−153.791"),
        ("term(4321.123)", "4321.12"),
        ("compact(-0.0001234)", "−1.2×10⁻⁴"),
        ("compact(0.01234)", "0.0123"),
        ("compact(0.0021)", "0.00210"),
        ("compact(-0.00002)", "−2.0×10⁻⁵"),
        ("compact(1)", "1.00"),
        ("compact(999.7)", "1,000"),
        ("compact(0)", "0"),
        ("compact(null)", "–"),
        ("compact(-8183549)", "−8.2×10⁶"),
        ("compact(443429)", "443,429"),
        ("grouped(-1234.5, 2)", "−1,234.50"),
        ("powerOfTen(-12)", "10⁻¹²"),
        ("term(0.0000037)", "4×10⁻⁶"),
        ("term(-3e-9)", "0.0000"),
        ("term(0)", "0.0000"),
        ("returned(140)", "140.0"),
        ("returned(140.06)", "140.1"),
        ("returned(-9.5)", "−9.50"),
        ("returned(0)", "0.000"),
        ("returned(0.74321)", "0.743"),
        ("returned(-81835.49)", "−81,835"),
        ("returned(null)", "–"),
        ("term(NaN)", "–"),
        ("settingText(null)", "off"),
        ("settingText(true)", "on"),
        ("settingText(0.00025)", "0.00025"),
        ("settingText(1e-8)", "1×10⁻⁸"),
        ("settingText(1000000)", "1,000,000"),
        ("settingText([64, 64])", "64, 64"),
        ("settingText('actor_critic')", "actor critic"),
    ],
)
def test_numbers_are_written_for_people(modules, call, text):
    assert modules("state/format.js", f"m.{call}") == text


def test_what_is_left_of_a_long_gradient_is_not_said_to_be_nothing(stage):
    header, arrays = snapshot(3, "gradient")
    played = stage(query=panels_alone("Health"))
    scalars = {**header["scalars"], "gradient_norm": 1250.0, "gradient_clip_factor": 0.0004}
    played.frame({**header, "run": played.run["id"], "scalars": scalars}, arrays)
    until(played.sentence, lambda text: text.endswith("longer than the limit of 0.5: scaled down to it by 4×10⁻⁴."))


# --- ui/dom.js


def test_what_has_not_changed_is_not_written_and_a_text_is_written_over(modules):
    """Every node that is put in and every attribute that is set anew has the browser ask its styles again."""
    kinds = modules(
        "ui/dom.js",
        """
        const element = m.h("p", {}, "one");
        const seen = new MutationObserver(() => {});
        seen.observe(element, { attributes: true, childList: true, characterData: true, subtree: true });
        const kinds = (change) => (change(), seen.takeRecords().map(({ type }) => type));
        return [
            kinds(() => m.setText(element, "one")),
            kinds(() => m.setText(element, "two")),
            kinds(() => m.setHidden(element, false)),
            kinds(() => m.setHidden(element, true)),
            kinds(() => m.setHidden(element, true)),
            element.textContent,
            element.hidden,
        ];
        """,
    )
    assert kinds == [[], ["characterData"], [], ["attributes"], [], "two", True]


def test_a_text_takes_the_place_of_whatever_was_there(modules):
    for before in ("", "<b>bold</b>", "one<b>bold</b>"):
        written = "const e = m.h('p'); e.innerHTML = given; m.setText(e, 'plain'); return e.innerHTML;"
        assert modules("ui/dom.js", written, before) == "plain"


def test_an_index_is_one_of_a_symbol_and_not_part_of_a_name(modules):
    text = "with V_targ − V_old, π_θ and L_PG: autoreset_mode=AutoresetMode.SAME_STEP, info['final_obs'], s_t"
    assert modules("ui/dom.js", "return m.prose(given).map((one) => one.tagName ? one.textContent : '')", text) == [
        *("", "targ", "", "old", "", "θ", "", "PG", "", "t", ""),
    ]


# --- ui/figure.js, state/provenance.js


def test_words_and_entries_go_on_in_further_lines(modules):
    wrapped = "m.wrapped('one two three four', 8, (text) => text.length)"
    assert modules("ui/figure.js", wrapped) == ["one two", "three", "four"]
    flowed = modules("ui/figure.js", "m.flowed([4, 4, 9, 2], 10, 1)")
    assert flowed == [{"x": 0, "line": 0}, {"x": 5, "line": 0}, {"x": 0, "line": 1}, {"x": 0, "line": 2}]


def test_the_name_of_a_file_tells_panel_run_and_moment_and_holds_no_path(modules):
    named = (
        "m.fileName('KL and clipping', { run: { environment: 'a/b:Car v0', seed: 3 }, snapshot: { header: given } })"
    )
    header = {"update": 4, "phase": "loss", "epoch": 2, "minibatch": 1}
    assert modules("state/provenance.js", named, header) == (
        "kl-and-clipping_a-b-Car-v0_seed-3_update-4_loss_epoch-2_minibatch-1"
    )


def test_a_setting_of_an_update_is_the_one_before_it_was_changed(modules):
    changes = [{"name": "clip_range", "update": 3, "old": 0.2, "new": 0.3}]
    changes.append({"name": "clip_range", "update": 6, "old": 0.3, "new": 0.1})
    at = "[1, 3, 5, 6].map((update) => m.settingAt({ changes: given }, 'clip_range', 0.1, update))"
    assert modules("state/provenance.js", at, changes) == [0.2, 0.3, 0.3, 0.1]


# --- state/tries.js


@pytest.mark.parametrize(
    ("library", "finding", "written"),
    [
        ("", "kl_spike", ["--learning-rate 0.003", "--epochs 5", "--target-kl 0.02"]),
        ("Stable-Baselines3 PPO", "kl_spike", ["learning_rate=0.003", "n_epochs=5", "target_kl=0.02"]),
        ("Stable-Baselines3 PPO", "starved_policy", ['max_grad_norm=float("inf")']),
        ("Stable-Baselines3 PPO", "tight_value_clip", ["clip_range_vf=None"]),
        ("a PPO in one file", "tight_value_clip", ["--no-clip-vloss"]),
        ("a PPO in one file", "kl_spike", ["--learning-rate 0.003", "--update-epochs 5", "--target-kl 0.02"]),
        ("a PPO in one file", "useless_critic", ["--vf-coef 1"]),  # its value loss is half of ours
        ("rsl_rl PPO", "still_policy", ['algorithm["clip_param"] = 0.2']),
        ("TRL GRPOTrainer", "kl_spike", ["learning_rate=0.003 in GRPOConfig", "num_iterations=5 in GRPOConfig"]),
        ("TorchRL ClipPPOLoss", "kl_spike", ["lr=0.003 of the optimizer"]),
        ("a loop", "kl_spike", ["α = 0.003", "K = 5", "target_kl = 0.02"]),
    ],
)
def test_a_remedy_has_the_numbers_of_the_run_and_the_names_of_its_library(modules, library, finding, written):
    settings = {"learning_rate": 0.01, "epochs": 10, "clip_range": 0.001, "value_coef": 1e-4, "max_grad_norm": 0.5}
    settings |= {"value_clip_range": 0.01}
    run = {"settings": settings} | ({"attached": {"called": called_by(library)}} if library else {})
    spoken_of = {
        "tight_value_clip": "value_clip_range",
        "starved_policy": "max_grad_norm",
        "useless_critic": "value_coef",
        "still_policy": "clip_range",
    }
    told = {"tries": tries(finding, spoken_of.get(finding, "learning_rate"))}
    given = [told, {"run": run, "settings": table()}]
    assert modules("state/tries.js", "m.triesOf(...given)", given) == written


def test_what_a_run_has_already_is_not_to_be_tried(modules):
    given = [
        {"tries": tries("wide_deviation", "entropy_coef")},
        {"run": {"settings": {"entropy_coef": 0}}, "settings": table()},
    ]
    assert modules("state/tries.js", "m.triesOf(...given)", given) == []


# --- explain/sentence.js

FOREIGN = """{ run: { attached: { library: "a loop of its own" }, settings: { num_envs: 1, rollout_steps: 256 } },
    status: { state: "paused" }, progress: null, past: null, snapshot: { arrays: {},
    header: { phase: PHASE, epoch: 1, minibatch: 1, minibatches: 4, settings: { objective: "clip", entropy_coef: 0 },
    scalars: { policy_loss: -0.5, entropy: 2, loss: -0.48, penalty: 0.02, gradient_norm: 1.5 } , notes: {} } } }"""


@pytest.mark.parametrize(
    ("phase", "text"),
    [
        ("rollout", "1 environment × 256 steps = 256 samples collected under π_old."),
        ("advantages", "Â is what the training loop has estimated: how much better each action was than expected."),
        ("loss", "L = L_PG − c₂·S + β·KL = −0.5000 − 0 · 2.0000 + 0.0200 = −0.4800."),
        ("gradient", "‖∇L‖ = 1.500."),
    ],
)
def test_nothing_is_said_of_a_foreign_loop_that_it_has_not_told(modules, phase, text):
    said = modules("explain/sentence.js", "m.sentence(" + FOREIGN.replace("PHASE", f'"{phase}"') + ")")
    assert said.startswith(text)


def test_a_penalty_is_called_by_the_estimate_that_the_loss_has_of_the_kl(modules):
    priced = FOREIGN.replace('objective: "clip"', 'objective: "clip", kl_coef: 0.5, kl_estimate: "k3"')
    said = modules("explain/sentence.js", "m.sentence(" + priced.replace("PHASE", '"loss"') + ")")
    assert said.startswith("L = L_PG − c₂·S + β·k3 = −0.5000 − 0 · 2.0000 + 0.0200 = −0.4800.")
    price = "L has β·k3 = 0.02 in it, the price of having moved from π_old: β times k3, the mean of r − 1 − log r"
    assert price in said and "  " not in said


@pytest.mark.parametrize(
    ("estimate", "words"),
    [("kl", "KL to π_old"), ("kl_forward", "KL(π_old‖π_θ)"), ("kl_reverse", "KL(π_θ‖π_old)")],
)
def test_an_exact_kl_is_called_so_and_by_its_direction(modules, estimate, words):
    priced = FOREIGN.replace('objective: "clip"', f'objective: "clip", kl_coef: 0.5, kl_estimate: "{estimate}"')
    said = modules("explain/sentence.js", "m.sentence(" + priced.replace("PHASE", '"loss"') + ")")
    assert said.startswith("L = L_PG − c₂·S + β·KL = −0.5000 − 0 · 2.0000 + 0.0200 = −0.4800.")
    price = "L has β·KL = 0.02 in it, the price of having moved from π_old: β times the exact "
    assert f"{price}{words}, of all probabilities in each state." in said and "reference" not in said
