"""A `GRPOTrainer` of TRL on a tiny language model: the same weights, its own numbers, and padding in none of them."""

from functools import partial

import numpy as np
import pytest

import ppo_scope
from tests.attach.elsewhere import Loop, beside, leading, nowhere, rows_of, shown_here, the_run, waiting_server
from tests.server.scope_page import wait_for

pytest.importorskip("trl", reason="TRL is not installed: make libraries")
pytest.importorskip("transformers", reason="transformers is not installed: make libraries")

STEPS = 8
pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_trainer_is_shown_by_its_own_numbers_and_trains_to_the_same_weights(monkeypatch):
    from tests.attach.libraries import grpo_loop

    (digest, logged), run, rows, first = shown_here(monkeypatch, lambda: grpo_loop.main(STEPS))
    assert digest == grpo_loop.main(STEPS, plain=True)[0]
    assert (first, len(rows["loss"]), run["environment"], run["seed"]) == (1, STEPS // 4, "tiny-llama", 1)
    assert run["attached"]["library"] == "TRL GRPOTrainer, loss_type=bnpo"
    # One log for each update of four steps, over the same tokens: no prompt of 3 counts, and no padding.
    logs = [one for one in logged if "loss" in one]
    assert rows["steps"] == [one["num_tokens"] - 3 * 16 * (number + 1) for number, one in enumerate(logs)]
    assert rows["steps"][0] < 12 * 16
    assert rows["loss"] == pytest.approx([one["loss"] for one in logs], abs=1e-6)
    assert rows["penalty"] == pytest.approx([0.04 * one["kl"] for one in logs], abs=1e-7) and rows["penalty"][1] > 1e-4
    assert rows["entropy"] == pytest.approx([one["entropy"] for one in logs], abs=1e-4)
    assert rows["episodic_return_mean"][0] == pytest.approx(logs[0]["reward"])
    assert rows["episodic_length_mean"][0] == pytest.approx(logs[0]["completions/mean_length"])
    assert rows["first_ratio_error"] == [0, 0] and rows["ratio_max"][0] > 1.1
    assert rows["value_loss"] == [None, None], "there is no critic"


def test_a_ratio_that_may_rise_further_than_it_may_fall_is_clipped_as_the_trainer_does(monkeypatch):
    from tests.attach.libraries import grpo_loop

    ranges = {"epsilon": 0.02, "epsilon_high": 0.08}
    (_, logged), run, rows, _ = shown_here(monkeypatch, lambda: grpo_loop.main(STEPS, **ranges))
    logs = [one for one in logged if "loss" in one]
    assert rows["loss"] == pytest.approx([one["loss"] for one in logs], abs=1e-6)
    # What TRL logs is the mean of its steps' shares, as ours is.
    assert rows["held_fraction"] == pytest.approx([one["clip_ratio/region_mean"] for one in logs], abs=1e-6)
    assert all(one["clip_ratio/low_mean"] > 0 and one["clip_ratio/high_mean"] > 0 for one in logs)
    assert run["attached"]["began"] | {"clip_range": 0.02, "clip_range_high": 0.08} == run["attached"]["began"]
    assert {"clip_range", "clip_range_high", "ratio_cap"} <= set(run["attached"]["changeable"])


def test_a_ratio_that_counts_to_a_cap_is_capped_as_the_trainer_does(monkeypatch):
    from tests.attach.libraries import grpo_loop

    capped = {"epsilon": 0.02, "delta": 1.05}
    (_, logged), run, rows, _ = shown_here(monkeypatch, lambda: grpo_loop.main(STEPS, **capped))
    logs = [one for one in logged if "loss" in one]
    assert rows["loss"] == pytest.approx([one["loss"] for one in logs], abs=1e-6)
    # TRL counts those that the clip holds, not those beyond the cap.
    assert all(ours > one["clip_ratio/region_mean"] for ours, one in zip(rows["held_fraction"], logs, strict=True))
    assert run["attached"]["began"]["ratio_cap"] == 1.05


@pytest.mark.parametrize(
    "leaving_out", [{"top_entropy_quantile": 0.2}, {"off_policy_mask_threshold": 0.0}], ids=["entropy", "off_policy"]
)
def test_tokens_that_the_trainer_leaves_out_of_its_loss_count_for_nothing_in_ours(leaving_out, monkeypatch):
    from ppo_scope.diagnosis.health import Health
    from tests.attach.libraries import grpo_loop

    found, take_in = [], Health.take_in
    monkeypatch.setattr(Health, "take_in", lambda me, *given: (take_in(me, *given), found.append(me.findings()))[0])
    with beside(monkeypatch, False):
        (digest, logged), _, rows, _ = shown_here(monkeypatch, lambda: grpo_loop.main(2 * STEPS, **leaving_out))
    assert digest == grpo_loop.main(2 * STEPS, plain=True, **leaving_out)[0]
    assert digest != grpo_loop.main(2 * STEPS, plain=True)[0], "none was left out"
    logs = [one for one in logged if "loss" in one]
    assert rows["loss"] == pytest.approx([one["loss"] for one in logs], abs=1e-6)
    assert "other_advantages" not in {one["name"] for one in found[-1]}


def test_beta_is_moved_between_two_updates_to_nothing_and_back(monkeypatch):
    from ppo_scope.attach.watcher import Watcher
    from tests.attach.libraries import grpo_loop

    moves, asked = [{}, {"kl_coef": 0.0}, {"kl_coef": 0.5}], []

    def paid(completions, **given):  # once for each generation
        if moves:
            asked.append(moves.pop(0))
        return grpo_loop.yes(completions, **given)

    monkeypatch.setattr(Watcher, "begins", lambda _: asked.pop() if asked else {})  # as somebody sets it on the page
    (_, logged), run, rows, _ = shown_here(monkeypatch, lambda: grpo_loop.main(12, reward=paid))
    kl = [one["kl"] for one in logged if "loss" in one]
    assert rows["penalty"] == pytest.approx([0.04 * kl[0], 0.0, 0.5 * kl[2]], rel=1e-3, abs=1e-9) and kl[2] > 1e-3
    assert "kl_coef" in run["attached"]["changeable"] and run["attached"]["began"]["kl_coef"] == 0.04
    assert [(one["update"], one["old"], one["new"]) for one in run["changes"]] == [(2, 0.04, 0.0), (3, 0.0, 0.5)]


def penalty_of(server, run, update):
    """[β·KL] of it, once its row is there."""
    return rows_of(server, run)[0].get("penalty", [])[update - 1 : update]


def test_beta_that_is_set_on_a_page_arrives_in_the_running_loop_and_is_recorded():
    server = waiting_server()
    try:
        with leading(server) as page, Loop("tests.attach.libraries.grpo_loop", 1_000_000, link=server.url):
            run, priced = the_run(server, timeout=240, state="running")["id"], {}
            for value in (0.0, 0.4):
                assert page.ask("set", name="kl_coef", value=value)["type"] == "ack"
                changes = wait_for(lambda: the_run(server)["changes"][len(priced) :], timeout=120)
                assert [one["new"] for one in changes] == [value]
                priced[value] = wait_for(partial(penalty_of, server, run, changes[0]["update"]), timeout=120)[0]
        assert priced[0.0] == pytest.approx(0, abs=1e-9) and priced[0.4] > 1e-5
    finally:
        server.kill()


def test_groups_whose_answers_are_paid_the_same_are_said(monkeypatch):
    from ppo_scope.diagnosis.health import Health
    from tests.attach.libraries import grpo_loop

    told = []
    take_in = Health.take_in
    monkeypatch.setattr(Health, "take_in", lambda me, *given: (take_in(me, *given), told.append(me.findings()))[0])
    with beside(monkeypatch, False):
        grpo_loop.main(12, reward=grpo_loop.never_paid, options={"url": nowhere()})
    finding = next(one for one in told[-1] if one["name"] == "no_advantage")
    assert finding["summary"].startswith("All 16 sequences have an advantage of 0 at every step, for 3 updates")


def test_what_cannot_be_shown_is_refused_with_a_sentence():
    from tests.attach.libraries import grpo_loop

    for changed, sentence in (
        ({"loss_type": "cispo", "epsilon_high": 5.0}, r"loss_type='cispo' has no clip"),
        ({"delta": 1.1}, r"delta=1.1 lies below the upper edge of its clip range, 1 \+ 0.2"),
        ({"use_adaptive_entropy": True}, r"use_adaptive_entropy=True changes its loss"),
        (
            {"entropy_coef": 0.01, "top_entropy_quantile": 0.5},
            r"entropy_coef=0.01 with top_entropy_quantile=0.5 pays for",
        ),
    ):
        with pytest.raises(TypeError, match=sentence):
            ppo_scope.watch(grpo_loop.trainer(1, beta=0.0, **changed), url=nowhere())


def test_a_trainer_that_is_watched_already_is_not_watched_twice(capfd):
    """As by a cell that is run again."""
    from ppo_scope.attach.once import watched_as
    from tests.attach.libraries import grpo_loop

    trainer = grpo_loop.trainer(1)
    ppo_scope.watch(trainer, url=nowhere())
    first = watched_as(trainer)
    assert ppo_scope.watch(trainer, url=nowhere()) is trainer and watched_as(trainer) is first
    assert capfd.readouterr().err.count("This trainer is watched already: its run goes on.") == 1


def test_steps_that_gather_several_parts_are_one_minibatch_each_and_the_ratio_is_one_by_design(monkeypatch):
    from tests.attach.libraries import grpo_loop

    server = waiting_server()
    try:
        monkeypatch.setenv("PPO_SCOPE_URL", server.url)
        accumulated = {"gradient_accumulation_steps": 2, "num_iterations": 1, "logging_steps": 1}
        _, logged = grpo_loop.main(2, **accumulated)
        run = the_run(server, state="finished")
        rows, _ = rows_of(server, run["id"])
    finally:
        server.kill()
    assert len(rows["loss"]) == 2 and run["settings"]["minibatches"] == 1
    assert rows["ratio_min"] == rows["ratio_max"] == [1, 1] and np.isfinite(rows["gradient_norm"]).all()
    assert rows["gradient_norm"] == pytest.approx([one["grad_norm"] for one in logged if "loss" in one], rel=1e-5)
