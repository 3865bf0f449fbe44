"""Losses that are ours but for a factor, or but for how errors of V count: shown by our definition, and what they are
is said.
"""

import numpy as np
import pytest
import torch

from ppo_scope.probes.record import PhaseKind
from tests.attach.elsewhere import rows_of, the_run, waiting_server
from tests.attach.one_file_followed import POLICY_LOSS, capped, changed, followed, plain
from tests.programs import trained

TERMS = "policy_loss", "value_loss", "entropy", "loss"
SCALED = (
    (
        "    layout = args.num_steps",
        '    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=5)\n    layout = args.num_steps',
    ),
    ("                    loss.backward()", "                    scaler.scale(loss).backward()"),
    (
        "                    nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)\n"
        "                    optimizer.step()\n"
        "                print",
        "                    scaler.unscale_(optimizer)\n"
        "                    nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)\n"
        "                    scaler.step(optimizer)\n"
        "                    scaler.update()\n"
        "                print",
    ),
)
SUMMED = (
    ("* clipped).mean()", "* clipped).sum()"),
    ("0.5 * off.mean()", "0.5 * off.sum()"),
    ("args.ent_coef * entropy.mean() + args", "args.ent_coef * entropy.sum() + args"),
    ("(pg_loss, v_loss, entropy.mean(), loss)", "(pg_loss / 32, v_loss / 32, entropy.mean(), loss / 32)"),
)
HALVED = ("                    loss.backward()", "                    (loss / 2).backward()")
WITHOUT_HALF = (
    ("v_loss = 0.5 * off.mean()", "v_loss = nn.functional.mse_loss(newvalue, b_returns[mb_inds])"),
    ("args.clip_vloss = 0.5, 0.01, True, True, True", "args.clip_vloss = 0.5, 0.01, True, True, False"),
)
FACTORS = {
    "divided": ((HALVED,), ("--raw", "--apart", "gathered"), "its loss is L / 2", 0.5),
    "divided, no half": ((HALVED, *WITHOUT_HALF), ("--raw", "--apart", "gathered"), "its loss is L / 2", 0.5),
    "summed": (SUMMED, ("--raw",), "its loss is B·L", 32.0),
    "summed, normal": (SUMMED, ("--continuous",), "its loss is B·L", 32.0),
    "scaled": (SCALED, ("--raw",), "its loss is s·L", 1.0),
    "scaled, divided": (
        (*SCALED[:1], (SCALED[1][0], "                    scaler.scale(loss / 2).backward()"), SCALED[2]),
        ("--raw", "--apart", "gathered"),
        "its loss is s·L / 2",
        0.5,
    ),
}


PRINTED = "json.dumps([one.item() for one in ("
CLIPPED = PRINTED, f"{PRINTED}((ratio - 1).abs() > args.clip_coef).float().mean(), "


def shown_of(minibatch, half):
    """As the scripts of these tests print a minibatch: the share beyond the clip, and its terms."""
    beyond = (minibatch.logratio.exp() - 1).abs() > 0.2
    terms = [float(getattr(minibatch, term)) * (half if term == "value_loss" else 1.0) for term in TERMS]
    return [float(beyond.float().mean()), *terms]


def follow(monkeypatch, capfd, script, options, half, gathered=()):
    """(what has looked out, minibatches as they are shown, as they are printed, what was said): of gradients by term
    it is seen that they make the norm that the script cuts off, and of weights that they are those of the script alone.
    """
    numbers, digest = plain(*options, script=script)
    shown, made, updates = [], {}, []

    def at(loop, phase):
        update, settings = phase.update, phase.update.settings
        if phase.kind is PhaseKind.LOSS:
            one = update.minibatches[-1]
            shown.append(shown_of(one, half))
            weights, gradients = (1.0, settings.value_coef, -0.01), loop.policy.differentiate(update, one)
            whole = sum(weight * gradient for weight, gradient in zip(weights, gradients, strict=True))
            if "gathered" in (*options, *gathered) and len(update.told) % 2 == 0:
                whole += made["before"]
            made["before"] = whole
        elif phase.kind is PhaseKind.GRADIENT:
            norm = float(update.gradient_norms[len(update.told) - 1])
            assert norm == pytest.approx(np.linalg.norm(made["before"]), rel=1e-4), "its own"
        elif phase.kind is PhaseKind.UPDATE:
            assert not update.stopped_by_kl and (settings.clip_range, settings.entropy_coef) == (0.2, 0.01)
            updates.append((settings.value_coef, update.known.get("told_loss"), len(shown)))

    lookout, printed = followed(monkeypatch, capfd, *options, at=at, script=script)
    assert printed.out.splitlines()[-1] == digest and len(shown) == len(numbers)
    return lookout, np.array(shown), numbers, printed.err, updates


@pytest.mark.parametrize("name", FACTORS)
def test_a_loss_that_is_ours_times_a_factor_is_shown_by_our_definition(name, monkeypatch, capfd, tmp_path):
    changes, options, said, times = FACTORS[name]
    script, options = changed(tmp_path, *changes, CLIPPED), (*options, "--iterations", "2")
    half = 1.0 if "no half" in name else 0.5
    lookout, shown, numbers, err, updates = follow(monkeypatch, capfd, script, options, half)
    assert shown == pytest.approx(numbers, rel=1e-5, abs=1e-6) and (shown[:, 0].max() > 0 or half == 1)
    assert [coef for coef, *_ in updates] == [half * 0.5] * 2
    assert [told for _, told, _ in updates] == pytest.approx(
        [numbers[count - 1, -1] for *_, count in updates], rel=1e-5
    )
    assert f"is shown, and {said}" in err
    assert lookout.loop.loss.form.times(32) == times and lookout.loop.loss.form.brief == said


SQUARES = (
    ("entropy.mean(), loss)]))", "entropy.mean(), loss, (newvalue - b_returns[mb_inds]).square().mean())]))"),
    ("args.clip_vloss = 0.5, 0.01, True, True, True", "args.clip_vloss = 0.5, 0.01, True, True, False"),
)
VALUE_LOSSES = {
    "smooth_l1_loss(newvalue, b_returns[mb_inds])": (1.0, 0.25),
    "huber_loss(newvalue, b_returns[mb_inds], delta=2.5)": (2.5, 0.25),
    "smooth_l1_loss(newvalue, b_returns[mb_inds], beta=2.0)": (2.0, 0.125),
}


@pytest.mark.parametrize(("loss", "told"), [*((loss, True) for loss in VALUE_LOSSES), (list(VALUE_LOSSES)[1], False)])
def test_a_huber_value_loss_is_shown_by_our_definition_with_its_own_gradients(loss, told, monkeypatch, capfd, tmp_path):
    delta, coef = VALUE_LOSSES[loss]
    untold = [(', "vf_coef": 0.5', ""), ("args.vf_coef * v_loss", "0.5 * v_loss")] * (not told)
    own = ("v_loss = 0.5 * off.mean()", f"v_loss = nn.functional.{loss}")
    script, options = changed(tmp_path, own, *SQUARES, *untold, CLIPPED), ("--raw", "--iterations", "2")
    lookout, shown, numbers, err, updates = follow(monkeypatch, capfd, script, options, 1.0)
    beyond, policy, _, entropy, _, squares = numbers.T
    by_ours = np.stack([beyond, policy, squares, entropy, policy + coef * squares - 0.01 * entropy], axis=1)
    assert shown == pytest.approx(by_ours, rel=1e-5, abs=1e-6)
    assert [(found, told) for found, told, _ in updates] == [(coef, None)] * 2
    assert lookout.loop.loss.form.brief == f"its value loss is Huber's, δ = {delta:g}"
    assert f"beyond {delta:g} in proportion (Huber, smooth L1): L_VF and L are by our definition" in err
    assert ("value_coef" in lookout.loop.watcher.orders.changeable) is (told and coef == 0.25)


DIVIDED_ONE_BY_ONE = ("                        term.backward()", "                        (term / 2).backward()")
REFUSED = {
    "Huber of which no error tells δ": (
        ("v_loss = 0.5 * off.mean()", "v_loss = nn.functional.smooth_l1_loss(newvalue, b_returns[mb_inds])"),
        *SQUARES,
        (', "vf_coef": 0.5', ""),
        ("args.vf_coef * v_loss", "0.5 * v_loss"),
    ),
    "a factor that is no part": (("loss.backward()", "(0.3 * loss).backward()"),),
    "a factor for one term": (
        HALVED,
        ("args.ent_coef * entropy.mean() + args", "args.ent_coef * entropy.square().mean() + args"),
    ),
    "Huber of V that is clipped": (
        ("v_loss = 0.5 * off.mean()", "v_loss = nn.functional.smooth_l1_loss(newvalue, b_returns[mb_inds])"),
    ),
    "Huber of other targets": (
        ("v_loss = 0.5 * off.mean()", "v_loss = nn.functional.smooth_l1_loss(newvalue, 1.1 * b_returns[mb_inds])"),
        *SQUARES,
    ),
    "a root of squares": (
        ("v_loss = 0.5 * off.mean()", "v_loss = (1 + (newvalue - b_returns[mb_inds]).square()).sqrt().mean()"),
        *SQUARES,
    ),
    "a part and something besides": (("loss.backward()", "(loss / 2 + 0.01).backward()"),),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_proven_is_refused(name, monkeypatch, capfd, tmp_path):
    script = changed(tmp_path, *REFUSED[name])
    lookout, printed = followed(monkeypatch, capfd, "--raw", "--iterations", "1", script=script)
    assert lookout.loop is None and printed.err.count(" is not shown: ") == 1
    assert len(printed.out.splitlines()[-1]) == 64, "its digest"


GATHERED = (
    ('args.apart != "gathered" or minibatch % 2 == 0', "minibatch % 2 == 0"),
    (
        'args.apart != "gathered" or minibatch % 2',
        "minibatch % 2",
    ),
)
THREE = (
    ("term.backward()", "term.backward(retain_graph=True)"),
    (
        "entropy.mean(), args.vf_coef * v_loss]",
        "entropy.mean() * 0, args.vf_coef * v_loss, -args.ent_coef * entropy.mean()]",
    ),
    ("terms = [pg_loss - args.ent_coef * entropy.mean() * 0", "terms = [pg_loss"),
)
ONE_BY_ONE = {
    "three": ("terms", THREE, 1),
    "three, values first": ("values", THREE, 1),
    "divided": ("terms", (DIVIDED_ONE_BY_ONE, *GATHERED), 2),
    "divided, values first": ("values", (DIVIDED_ONE_BY_ONE, *GATHERED), 2),
    "three, divided": ("terms", (*THREE, ("term.backward(", "(term / 2).backward("), *GATHERED), 2),
}


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_terms_that_are_differentiated_one_by_one_add_up_to_l(name, monkeypatch, capfd, tmp_path):
    order, changes, parts = ONE_BY_ONE[name]
    script, options = changed(tmp_path, *changes, CLIPPED), ("--raw", "--apart", order, "--iterations", "2")
    gathered = ("gathered",) if parts == 2 else ()
    lookout, shown, numbers, err, updates = follow(monkeypatch, capfd, script, options, 0.5, gathered)
    assert shown == pytest.approx(numbers, rel=1e-6, abs=1e-6)
    assert [told for _, told, _ in updates] == pytest.approx([numbers[n - 1, -1] for *_, n in updates], rel=1e-6)
    assert lookout.loop.loss.form.parts == parts and ("its loss is L / 2" in err) is (parts == 2)


OTHER_TERMS = {
    "a part of the policy's alone": (
        "[pg_loss - args.ent_coef * entropy.mean(),",
        "[pg_loss / 2 - args.ent_coef * entropy.mean(),",
    ),
    "another c1": ("args.vf_coef * v_loss]", "1.01 * args.vf_coef * v_loss]"),
    "one of another kind": ("v_loss]", "v_loss, 1e-5 * agent.actor(b_obs[mb_inds]).square().mean()]"),
}


@pytest.mark.parametrize("name", OTHER_TERMS)
def test_a_term_that_is_differentiated_by_itself_has_to_be_ours(name, monkeypatch, capfd, tmp_path):
    script = changed(tmp_path, OTHER_TERMS[name])
    _, printed = followed(monkeypatch, capfd, "--raw", "--apart", "terms", "--iterations", "1", script=script)
    assert printed.err.count("not shown: ") + printed.err.count("nothing more is shown") == 1


FAST = "args.clip_vloss = 0.5, 0.01,", "args.clip_vloss = 5.0, 0.1,"


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("kind", ["--raw", "--continuous"])
def test_c_of_a_dual_clip_is_found_from_the_samples_that_reach_it(kind, told, monkeypatch, capfd, tmp_path):
    cap = "args.dual_clip" if told else "1.25"
    args = [("    return args\n", "    args.dual_clip = 1.25\n    return args\n")] * told
    script = changed(tmp_path, capped(cap), FAST, *args, CLIPPED)
    options = kind, "--iterations", "4"
    numbers, digest = plain(*options, script=script)
    caps, shown, reached = [], [], []

    def at(loop, phase):
        if phase.kind is PhaseKind.UPDATE:
            for one in phase.update.minibatches:
                shown.append(shown_of(one, 0.5))
                reached.append(bool(((one.logratio.exp() > 1.25) & (one.advantages < 0)).any()))
            caps.append(phase.update.settings.ratio_cap)

    _, printed = followed(monkeypatch, capfd, *options, at=at, script=script)
    assert printed.out.splitlines()[-1] == digest and any(reached), printed.err
    since = caps.index(1.25)
    assert caps[since:] == [1.25] * (4 - since) and not (told and since)
    assert ("a second clip, at c = 1.25 (dual clip)" in printed.err) is not told
    assert np.array(shown)[12 * since :] == pytest.approx(numbers[12 * since :], rel=1e-5, abs=1e-5)
    assert any(reached[12 * since :])


def test_another_c_of_a_dual_clip_is_shown_from_its_update_on(monkeypatch, capfd, tmp_path):
    cap = "(1.25 if iteration < 3 else 1.35)"
    script, options = changed(tmp_path, capped(cap), FAST, CLIPPED), ("--raw", "--iterations", "6")
    numbers, digest = plain(*options, script=script)
    caps, shown = [], []

    def at(loop, phase):
        if phase.kind is PhaseKind.UPDATE:
            shown.extend(shown_of(one, 0.5) for one in phase.update.minibatches)
            caps.append(phase.update.settings.ratio_cap)

    _, printed = followed(monkeypatch, capfd, *options, at=at, script=script)
    assert printed.out.splitlines()[-1] == digest
    assert caps[2] == 1.25 and caps[-1] == 1.35, printed.err
    assert np.array(shown) == pytest.approx(numbers, rel=1e-5, abs=1e-5), "at minibatches that are not looked at, too"


IN_BETWEEN = {
    "another clip": (
        "clipped = torch.clamp(ratio, 1 - args.clip_coef,",
        "clipped = torch.clamp(ratio, 0.9 if minibatch == 5 else 1 - args.clip_coef,",
    ),
    "another c2": (
        "args.ent_coef * entropy.mean() + args",
        "(0.1 if minibatch == 5 else 0.01) * entropy.mean() + args",
    ),
}


@pytest.mark.parametrize("stepped", [False, True])
@pytest.mark.parametrize("name", IN_BETWEEN)
def test_another_loss_at_a_minibatch_that_is_not_looked_at_ends_what_is_shown(
    name, stepped, monkeypatch, capfd, tmp_path
):
    """At the end of its update; where phases are shown one by one, before it is."""
    script = changed(tmp_path, IN_BETWEEN[name], FAST)
    shown, ended = [], []

    def at(loop, phase):
        if phase.kind is PhaseKind.LOSS:
            shown.append(len(phase.update.told))
        elif phase.kind is PhaseKind.UPDATE:
            ended.append(phase.update.index)
        if stepped:
            loop.watcher.orders.obey({"type": "play", "pace": 1e6, "id": None})

    _, printed = followed(monkeypatch, capfd, "--iterations", "2", at=at, script=script)
    assert len(printed.out.splitlines()[-1]) == 64 and not ended
    said = (
        "From update 1 on, its loss is " if stepped else "From update 1 on, its loss at minibatch 6 of this update was "
    )
    assert said in printed.err and shown == list(range(1, 6 if stepped else 13))


SMALL = {
    "c2": (("args.ent_coef * entropy.mean() + args", "1.01 * args.ent_coef * entropy.mean() + args"), 0.0101),
    "r in half precision": (("ratio = logratio.exp()", "ratio = logratio.half().exp().float()"), None),
}


@pytest.mark.parametrize("name", SMALL)
def test_what_is_lost_in_the_last_digits_of_a_large_loss_is_seen(name, monkeypatch, capfd, tmp_path):
    change, coef = SMALL[name]
    coefs = []

    def at(loop, phase):
        if phase.kind is PhaseKind.UPDATE:
            coefs.append(phase.update.settings.entropy_coef)

    options = "--raw", "--iterations", "2"
    _, printed = followed(monkeypatch, capfd, *options, at=at, script=changed(tmp_path, change, FAST))
    assert coefs == ([coef] * 2 if coef else []) and ("not shown: " in printed.err) is (coef is None)


ASKED = "found = agent.get_action_and_value(b_obs[mb_inds], *memory, b_actions[mb_inds])"
ACTED = "action, logprobs[step], _, value, *after = agent.get_action_and_value(next_obs, *memory)"
HALVES = 'with torch.autocast("cpu", dtype=torch.bfloat16):\n' + 5 * "    "


@pytest.mark.parametrize("acts", ["in half precision", "in single precision"])
def test_log_probabilities_and_values_of_half_precision_are_shown_as_they_are(acts, monkeypatch, capfd, tmp_path):
    """S is the mean of what is in half precision, taken in double; the script's own is rounded."""
    halves = [(ACTED, HALVES + ACTED)] * ("half" in acts)
    script = changed(tmp_path, (ASKED, HALVES + ASKED), *halves, CLIPPED)
    numbers, digest = plain("--raw", "--iterations", "3", script=script)
    shown, dtypes = [], set()

    def at(loop, phase):
        if phase.kind is PhaseKind.LOSS:
            shown.append(shown_of(phase.update.minibatches[-1], 0.5))
            dtypes.update(loop.found.variables[name].dtype for name in ("newlogprob", "newvalue", "entropy"))

    lookout, printed = followed(monkeypatch, capfd, "--raw", "--iterations", "3", at=at, script=script)
    assert printed.out.splitlines()[-1] == digest and dtypes == {torch.bfloat16}, printed.err
    assert "nothing more is shown" not in printed.err
    findings = {one["name"]: one for one in lookout.loop.watcher._report._health.findings()}
    assert not any(one["severity"] == "error" for one in findings.values()), findings
    assert ("ratio_not_one" in findings) is ("single" in acts)
    if "single" in acts:
        assert "another precision (bfloat16" in findings["ratio_not_one"]["cause"]
    shown = np.array(shown)
    assert shown.shape == numbers.shape and lookout.loop.index == 3
    assert shown[:, :3] == pytest.approx(numbers[:, :3], rel=1e-5, abs=1e-6)
    assert shown[:, 3] == pytest.approx(numbers[:, 3], rel=2**-8) and shown[:, 4] == pytest.approx(
        numbers[:, 4], abs=1e-4
    )


def test_an_update_whose_last_step_a_scaler_leaves_out_is_whole(monkeypatch, capfd, tmp_path):
    unscaled = "                    scaler.unscale_(optimizer)\n"
    skipped = f"                    if minibatch == 12:\n{6 * '    '}agent.critic[0].weight.grad.fill_(torch.inf)\n"
    script = changed(tmp_path, *SCALED, (unscaled, skipped + unscaled))
    numbers, digest = plain("--raw", "--iterations", "3", script=script)
    losses = []

    def at(loop, phase):
        if phase.kind is PhaseKind.UPDATE:
            assert not phase.update.stopped_by_kl, "all of its minibatches have come"
            losses.append(phase.update.known["told_loss"])
            assert len(phase.update.minibatches) == 12

    _, printed = followed(monkeypatch, capfd, "--raw", "--iterations", "3", at=at, script=script)
    assert printed.out.splitlines()[-1] == digest and losses == pytest.approx(numbers[11::12, 3], rel=1e-5)


def test_what_is_found_of_a_loss_stands_beside_the_run_and_in_its_history(tmp_path):
    term = LOSS, f"penalty = 0.3 * {ESTIMATES['k3']}\n                {LOSS} + penalty"
    told = "(pg_loss, v_loss, entropy.mean(), loss)", "(pg_loss, v_loss, entropy.mean(), loss, penalty)"
    script, options = changed(tmp_path, HALVED, capped("1.25"), FAST, term, told), ("--raw",)
    numbers, digest = plain(*options, script=script)
    server = waiting_server()
    try:
        command = "-W", "ignore", "-m", "ppo_scope.attach.script", str(script), *options
        done = trained(*command, PPO_SCOPE_URL=server.url)
        assert done.stdout.splitlines()[-1] == digest, done.stderr
        run = the_run(server, state="finished")
        rows, _ = rows_of(server, run["id"])
    finally:
        server.kill()
    assert (run["attached"]["library"], run["attached"]["loss"]) == (
        "a PPO in one file",
        "its loss is L / 2, its loss has β·k3 in it",
    )
    assert run["changes"], done.stderr
    (change,) = run["changes"]
    assert (change["name"], change["old"], change["new"]) == ("ratio_cap", None, 1.25)
    assert "ratio_cap" not in run["attached"]["called"], "its args have no name for it"
    since = change["update"] - 1
    by_update = numbers.reshape(4, 12, 5).mean(1)[since:]
    assert rows["penalty"][since:] == pytest.approx(by_update[:, 4], rel=1e-5, abs=1e-6)
    assert rows["policy_loss"][since:] == pytest.approx(by_update[:, 0], rel=1e-5, abs=1e-6)
    assert rows["loss"][since:] == pytest.approx(by_update[:, 3], rel=1e-5, abs=1e-6)


ESTIMATES = {
    "k1": "(-logratio).mean()",
    "k2": "logratio.square().mean() / 2",
    "k3": "((ratio - 1) - logratio).mean()",
}
"""Of KL(π_old‖π_θ), as scripts write them."""
LOSS = "loss = pg_loss - args.ent_coef * entropy.mean() + args.vf_coef * v_loss"
FASTER = "args.clip_vloss = 0.5, 0.01,", "args.clip_vloss = 5.0, 0.05,"
ADAPTED = (
    ("    layout = args.num_steps", "    beta = 0.237\n    layout = args.num_steps"),
    (
        "        for _ in range(2 if",
        "        beta *= 1.5 if approx_kl > 0.01 else 1 / 1.5\n        for _ in range(2 if",
    ),
)
BETAS = {
    "in args": (("    return args\n", "    args.kl_beta = 0.3\n    return args\n"),),
    "adapted": ADAPTED,
    "adapted, by another name": tuple((old, new.replace("beta", "price")) for old, new in ADAPTED),
    "in the code": (),
}
PRICED = {
    "k1": ("in args", "args.kl_beta", ()),
    "k2": ("in the code", "0.3", ("--continuous",)),
    "k3": ("adapted", "beta", ("--raw", "--apart", "gathered")),
    "k1, by another name": ("adapted, by another name", "price", ()),
}


@pytest.mark.parametrize("name", PRICED)
def test_a_term_for_the_kl_is_a_term_of_l_by_its_own_estimate(name, monkeypatch, capfd, tmp_path):
    estimate, (where, beta, options) = name[:2], PRICED[name]
    term = LOSS, f"penalty = {beta} * {ESTIMATES[estimate]}\n                {LOSS} + penalty"
    told = (
        "(pg_loss, v_loss, entropy.mean(), loss)",
        f"(pg_loss, v_loss, entropy.mean(), loss, penalty, torch.tensor({beta}))",
    )
    halves = [HALVED] * ("gathered" in options)
    script, options = changed(tmp_path, term, told, FASTER, *BETAS[where], *halves), (*options, "--iterations", "3")
    numbers, digest = plain(*options, script=script)
    shown, made, betas = [], {}, []

    def at(loop, phase):
        update, settings = phase.update, phase.update.settings
        if phase.kind is PhaseKind.LOSS:
            one = update.minibatches[-1]
            terms = one.policy_loss, one.value_loss / 2, one.entropy, one.loss, one.penalty
            shown.append([*map(float, terms), settings.kl_coef])
            each = zip((1.0, settings.value_coef, -0.01, 1.0), loop.policy.differentiate(update, one), strict=True)
            whole = sum(weight * gradient for weight, gradient in each)
            if halves:
                whole = whole + (made["before"] if len(update.told) % 2 == 0 else 0)
            made["before"] = whole
        elif phase.kind is PhaseKind.GRADIENT:
            norm = float(update.gradient_norms[len(update.told) - 1])
            assert norm == pytest.approx(np.linalg.norm(made["before"]), rel=1e-4), "with that of the term"
        elif phase.kind is PhaseKind.UPDATE:
            assert settings.live()["kl_estimate"] == estimate
            assert update.known["told_loss"] == pytest.approx(shown[-1][3], rel=1e-6, abs=1e-6)
            betas.append(settings.kl_coef)
            if where == "in args" and update.index == 1:
                loop.watcher.orders.obey({"type": "set", "name": "kl_coef", "value": 0.5, "id": None})

    lookout, printed = followed(monkeypatch, capfd, *options, at=at, script=script)
    assert f"({estimate}), as L has here" in printed.err and "nothing more is shown" not in printed.err
    assert ("kl_coef" in lookout.loop.watcher.orders.changeable) is (where == "in args")
    if where == "in args":
        assert betas == [0.3, 0.5, 0.5], "it can be moved"
        return
    assert printed.out.splitlines()[-1] == digest and len(shown) == len(numbers)
    assert np.array(shown) == pytest.approx(numbers, rel=1e-6, abs=1e-6)
    assert len(set(betas)) == (3 if "adapted" in where else 1) and max(abs(numbers[:, 4])) > 1e-3


REFUSED_TERMS = {
    "k3, from the second update on": (f"3 * (iteration > 0) * {ESTIMATES['k3']}", "has a term for the KL to π_old"),
    "to a reference policy": (
        "0.2 * (kl := ((-0.8 - newlogprob).exp() - 1 + newlogprob + 0.8).mean())",
        "the rest is 0.2 times kl, and a term for another KL than that to π_old is not known",
    ),
    "the mean of log r": ("3 * logratio.mean()", "is not that of the policy loss"),
    "an exact KL": (
        "0.1 * (nn.functional.log_softmax(agent.actor(b_obs[mb_inds]), 1) ** 2).mean()",
        "such as an exact KL",
    ),
    "a small penalty on weights": (
        "1e-6 * agent.actor[0].weight.square().sum()",
        "or a penalty on weights or outputs",
    ),
}


@pytest.mark.parametrize("name", REFUSED_TERMS)
def test_another_term_is_not_shown_and_is_named(name, monkeypatch, capfd, tmp_path):
    term, why = REFUSED_TERMS[name]
    script = changed(tmp_path, (LOSS, f"{LOSS} + {term}"), FAST)
    _, printed = followed(monkeypatch, capfd, "--raw", "--iterations", "2", script=script)
    assert why in printed.err and printed.err.count("not shown: ") + printed.err.count("nothing more is shown") == 1


def test_a_term_that_is_none_of_the_kl_is_not_taken_for_one(monkeypatch, capfd, tmp_path):
    term = (POLICY_LOSS, f"{POLICY_LOSS} + 3 * ((ratio - 1) ** 2).mean()")
    _, printed = followed(monkeypatch, capfd, "--raw", "--iterations", "2", script=changed(tmp_path, term, FAST))
    assert "nothing more is shown" in printed.err and "to π_old besides" not in printed.err


@pytest.mark.parametrize("name", ["divided", "summed"])
def test_another_clip_in_a_loss_with_a_factor_ends_what_is_shown(name, monkeypatch, capfd, tmp_path):
    other = ("torch.clamp(ratio, 1 - args.clip_coef, 1 + args.clip_coef)", "torch.clamp(ratio, 0.99, 1.01)")
    changes, options, said, _ = FACTORS[name]
    script = changed(tmp_path, *changes, other)
    _, printed = followed(monkeypatch, capfd, *options, "--iterations", "2", script=script)
    assert f"is shown, and {said}" in printed.err, "while r is 1 all clips are alike"
    assert "nothing more is shown, and the training goes on" in printed.err


UNEVEN = (
    ('"num_steps": 64', '"num_steps": 75'),
    (
        "np.split(envinds if args.lstm else b_inds, args.num_minibatches)",
        "(b_inds[start : start + 37] for start in range(0, 150, 37))",
    ),
)


def test_a_sum_over_minibatches_of_other_sizes_is_that_of_each(monkeypatch, capfd, tmp_path):
    per_sample = (
        "(pg_loss, v_loss, entropy.mean(), loss)",
        "[one / len(mb_inds) for one in (pg_loss, v_loss, entropy.sum(), loss)]",
    )
    script = changed(tmp_path, *SUMMED[:3], per_sample, *UNEVEN)
    numbers, digest = plain("--raw", "--iterations", "2", script=script)
    losses = []

    def at(loop, phase):
        if phase.kind is PhaseKind.UPDATE:
            losses.extend(float(one.loss) for one in phase.update.minibatches)
            assert phase.update.known["told_loss"] == pytest.approx(numbers[len(losses) - 1, 3], rel=1e-5)

    _, printed = followed(monkeypatch, capfd, "--raw", "--iterations", "2", at=at, script=script)
    assert printed.out.splitlines()[-1] == digest and losses == pytest.approx(numbers[:, 3], rel=1e-5)
