"""c₁ and c₂ that `args` of a script do not tell: found from the loss that it differentiates, or not shown."""

import json
import math

import numpy as np
import pytest

from ppo_scope.probes.record import PhaseKind
from tests.attach.elsewhere import rows_of, the_run, waiting_server
from tests.attach.one_file_followed import changed, followed, plain
from tests.programs import trained

LOSS = "loss = pg_loss - args.ent_coef * entropy.mean() + args.vf_coef * v_loss"
TERMS = "terms = [pg_loss - args.ent_coef * entropy.mean(), args.vf_coef * v_loss]"
VALUE_COEF, ENTROPY_COEF = (', "vf_coef": 0.5', ""), (', "ent_coef": 0.01', "")
NO_ENTROPY = (
    ("_, newlogprob, entropy, newvalue = found[:4]", "newlogprob, newvalue = found[1], found[3]"),
    ("(pg_loss, v_loss, entropy.mean(), loss)", "(pg_loss, v_loss, torch.tensor(torch.nan), loss)"),
)
WITHOUT_HALF = (
    ("v_loss = 0.5 * off.mean()", "v_loss = nn.functional.mse_loss(newvalue, b_returns[mb_inds])"),
    ("args.clip_vloss = 0.5, 0.01, True, True, True", "args.clip_vloss = 0.5, 0.01, True, True, False"),
)


def written(loss, terms="terms = []"):
    """With this in the place of its own."""
    return (LOSS, f"loss = {loss}"), (TERMS, terms)


BY_NAME = {
    "c1 in the code": (VALUE_COEF, *written("pg_loss - args.ent_coef * entropy.mean() + v_loss * 0.6")),
    "both in the code": (VALUE_COEF, ENTROPY_COEF, *written("pg_loss - 0.02 * entropy.mean() + 0.6 * v_loss")),
    "no entropy bonus": (ENTROPY_COEF, *written("pg_loss + args.vf_coef * v_loss")),
    "no entropy": (*NO_ENTROPY, *written("pg_loss + args.vf_coef * v_loss")),
    "c2 falls": (*written("pg_loss - 0.7 ** iteration * args.ent_coef * entropy.mean() + args.vf_coef * v_loss"),),
    "no half": WITHOUT_HALF,
}
COEFFICIENTS = {
    "c1 in the code": [(0.3, 0.01)] * 3,
    "both in the code": [(0.3, 0.02)] * 3,
    "no entropy bonus": [(0.25, 0.0)] * 3,
    "no entropy": [(0.25, 0.0)] * 3,
    "c2 falls": [(0.25, 0.01 * 0.7**place) for place in range(3)],
    "no half": [(0.5, 0.01)] * 3,
}
FIXED = {
    "c1 in the code": {"value_coef"},
    "no entropy bonus": {"entropy_coef"},
    "no entropy": {"entropy_coef"},
    "c2 falls": set(),
}
THREE = "--iterations", "3"


@pytest.mark.parametrize("name", BY_NAME)
def test_they_are_found_from_the_loss_and_cannot_be_moved(name, monkeypatch, capfd, tmp_path):
    script = changed(tmp_path, *BY_NAME[name])
    numbers, digest = plain(*THREE, script=script)
    ours, found = [], []

    def at(loop, phase):
        update = phase.update
        if phase.kind is PhaseKind.LOSS:
            one = update.minibatches[-1]
            half = 1.0 if name == "no half" else 0.5
            ours.append([float(one.policy_loss), half * float(one.value_loss), float(one.entropy), float(one.loss)])
        elif phase.kind is PhaseKind.UPDATE:
            found.append((update.settings.value_coef, update.settings.entropy_coef))

    lookout, printed = followed(monkeypatch, capfd, *THREE, at=at, script=script)
    assert printed.out.splitlines()[-1] == digest
    assert np.array(ours) == pytest.approx(numbers, rel=1e-6, abs=1e-6, nan_ok=True)
    assert np.array(found) == pytest.approx(np.array(COEFFICIENTS[name]), rel=1e-6)
    fixed = {"value_coef", "entropy_coef"} - lookout.loop.watcher.orders.changeable
    assert fixed == FIXED.get(name, {"value_coef", "entropy_coef"})


def test_without_an_entropy_its_rows_come_and_say_that_it_is_not_known(tmp_path):
    script = changed(tmp_path, *BY_NAME["no entropy"])
    numbers, digest = plain(*THREE, script=script)
    server = waiting_server()
    try:
        command = "-W", "ignore", "-m", "ppo_scope.attach.script", str(script), *THREE
        done = trained(*command, PPO_SCOPE_URL=server.url)
        assert done.stdout.splitlines()[-1] == digest, done.stderr
        run = the_run(server, state="finished")
        rows, first = rows_of(server, run["id"])
    finally:
        server.kill()
    assert first == 1 and rows["loss"] == pytest.approx(numbers.reshape(3, 12, 4).mean(1)[:, 3], rel=1e-6)
    assert all(one is None or math.isnan(one) for one in rows["entropy"])
    assert "entropy_coef" not in run["attached"]["changeable"] and "entropy_coef" not in run["attached"]["called"]
    assert run["attached"]["limits_values"], "clip_coef is the clip range of V as well"


APART = (
    VALUE_COEF,
    ENTROPY_COEF,
    *written("pg_loss - 0.02 * entropy.mean() + v_loss", "terms = [pg_loss - 0.02 * entropy.mean(), v_loss]"),
)


def test_terms_that_are_differentiated_one_by_one_are_shown_from_the_second_update_on(monkeypatch, capfd, tmp_path):
    script, options = changed(tmp_path, *APART), ("--iterations", "3", "--raw", "--apart", "steps")
    numbers, digest = plain(*options, script=script)
    losses, seen = [], []

    def at(loop, phase):
        if phase.kind is PhaseKind.LOSS:
            losses.append(float(phase.update.minibatches[-1].loss))
        elif phase.kind is PhaseKind.UPDATE:
            settings = phase.update.settings
            seen.append((phase.update.index, loop.steps, settings.value_coef, settings.entropy_coef))

    _, printed = followed(monkeypatch, capfd, *options, at=at, script=script)
    assert printed.out.splitlines()[-1] == digest
    assert "is shown from its second update on" in printed.err
    assert seen == [(2, 256, 0.5, 0.02), (3, 384, 0.5, 0.02)]
    assert losses == pytest.approx(numbers[12:, 3], rel=1e-5, abs=1e-5)


def test_another_coefficient_of_a_term_that_comes_later_ends_what_is_shown(monkeypatch, capfd, tmp_path):
    falling = *APART[:-1], (TERMS, "terms = [pg_loss - 0.02 * entropy.mean(), v_loss * 0.7 ** max(0, iteration - 1)]")
    options = "--iterations", "4", "--raw", "--apart", "steps"
    ended = []

    def at(loop, phase):
        if phase.kind is PhaseKind.UPDATE:
            ended.append(phase.update.index)

    _, printed = followed(monkeypatch, capfd, *options, at=at, script=changed(tmp_path, *falling))
    assert len(printed.out.splitlines()[-1]) == 64, "its digest"
    assert ended == [2] and "is not c₁ and c₂ any more: 0.5, 0.02 before, and 0.35, 0.02 now" in printed.err


REFUSED = {
    "newvalue is no multiple": (
        "v_loss = 0.5 * off.mean()",
        "v_loss = nn.functional.smooth_l1_loss(newvalue, b_returns[mb_inds])",
    ),
    "entropy is not the same for all": ("0.02 * entropy.mean()", "0.02 * (entropy * entropy).mean()"),
    "has its newvalue in it": ("+ 0.6 * v_loss", "+ 0.6 * v_loss.detach()"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_no_coefficient_is_not_guessed(why, monkeypatch, capfd, tmp_path):
    script = changed(tmp_path, *BY_NAME["both in the code"], REFUSED[why])
    lookout, printed = followed(monkeypatch, capfd, "--iterations", "2", script=script)
    assert lookout.loop is None and len(printed.out.splitlines()[-1]) == 64, "its digest"
    assert printed.err.count("is not shown: args has no ") == 1 and why in printed.err
    assert json.loads(printed.out.splitlines()[0])
