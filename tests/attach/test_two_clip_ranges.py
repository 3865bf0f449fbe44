"""Losses of one file in which r may rise by another range than it may fall by: ε and ε⁺."""

import numpy as np
import pytest
import torch

from ppo_scope.attach.single_file import proven_loss
from ppo_scope.attach.single_file.clip_ranges import lower_of, upper_of
from ppo_scope.ppo.engine import clip_edges
from ppo_scope.probes.record import PhaseKind
from tests.attach.elsewhere import the_run, waiting_server
from tests.attach.one_file_followed import capped, changed, followed, plain
from tests.programs import trained

CLAMP = "torch.clamp(ratio, 1 - args.clip_coef, 1 + args.clip_coef)"
FAST = "args.clip_vloss = 0.5, 0.01,", "args.clip_vloss = 5.0, 0.1,"
PRINTED = "json.dumps([one.item() for one in ("
FALLING = "0.35 * 0.8 ** iteration"


def in_args(**numbers):
    """More of them."""
    told = "".join(f"    args.{name} = {value}\n" for name, value in numbers.items())
    return ("    return args\n", f"{told}    return args\n")


def clamped(low, high):
    """In the place of its clip."""
    return (CLAMP, f"torch.clamp(ratio, {low}, {high})")


def by_name(name, high):
    """ε⁺ in `args`."""
    return clamped("1 - args.clip_coef", f"1 + args.{name}"), in_args(**{name: high})


LOOSE = "1 - args.clip_coef", "1 + 0.35"
"""ε⁺ in the code."""
ONE_SIDED = "torch.where(mb_advantages > 0, ratio.clamp(max=1.35), ratio.clamp(min=1 - args.clip_coef))"
ROUND_ABOUT = "torch.minimum(torch.maximum(ratio, torch.tensor(0.8)), 1 + torch.tensor(HIGH))"
"""No clamp, and the same numbers."""
PAIR = (
    clamped("1 - args.clip_low", "1 + args.clip_high"),
    ('"clip_coef": 0.2', '"clip_low": 0.2, "clip_high": 0.35'),
    ("args.clip_coef", "args.clip_low"),
)
THREE = clamped("1 - args.clip_low", "1 + args.clip_high"), in_args(clip_low=0.2, clip_high=0.35, clip_coef=0.1)
BARE = (
    clamped("0.8", "1.35"),
    ('"clip_coef": 0.2, ', ""),
    ("args.clip_coef", "0.2"),
    ("v_loss = 0.5 * off.mean()", "v_loss = nn.functional.mse_loss(newvalue, b_returns[mb_inds]) / 2"),
    ("args.clip_vloss = 0.5, 0.01, True, True, True", "args.clip_vloss = 0.5, 0.01, True, True, False"),
)
"""Of neither is there a name in `args`."""
BOTH = {"clip_range", "clip_range_high"}
SHOWN = {
    "by its name": (by_name("clip_coef_high", 0.35), "0.35", BOTH),
    "by its name, and falling by itself": (
        (clamped("1 - args.clip_coef", f"1 + args.eps_high * ({FALLING} / 0.35)"), in_args(eps_high=0.35)),
        FALLING,
        BOTH,
    ),
    "less than ε": (by_name("eps_high", 0.05), "0.05", BOTH),
    "a pair": (PAIR, "0.35", BOTH),
    "a pair, and another for V": (THREE, "0.35", BOTH),
    "a number": ((clamped(*LOOSE),), "0.35", {"clip_range"}),
    "both are numbers": (BARE, "0.35", set()),
    "both are numbers, and fall": (
        (clamped("1 - 0.1 * 0.8 ** iteration", f"1 + {FALLING}"), *BARE[1:]),
        FALLING,
        set(),
    ),
    "a tensor": ((clamped("torch.tensor(0.8)", "torch.tensor(1.35)"),), "0.35", {"clip_range"}),
    "a multiple of ε": ((clamped("1 - args.clip_coef", "1 + 1.5 * args.clip_coef"),), "0.3", {"clip_range"}),
    "one that falls": ((clamped("1 - args.clip_coef", f"1 + {FALLING}"),), FALLING, {"clip_range"}),
    "an edge": (
        (clamped("1 - args.clip_coef", "args.clip_high"), in_args(clip_high=1.35)),
        "0.35",
        {"clip_range"},
    ),
    "each side by itself": (((CLAMP, ONE_SIDED),), "0.35", {"clip_range"}),
    "by its name, and no clamp": (
        ((CLAMP, ROUND_ABOUT.replace("HIGH", "args.clip_range_high")), in_args(clip_range_high=0.35)),
        "0.35",
        BOTH,
    ),
}
LOW = {"both are numbers, and fall": "0.1 * 0.8 ** iteration"}


@pytest.mark.parametrize("kind", ["--raw", "--continuous"])
@pytest.mark.parametrize("name", SHOWN)
def test_both_are_shown_and_only_those_of_args_can_be_moved(name, kind, monkeypatch, capfd, tmp_path):
    changes, high, movable = SHOWN[name]
    low = LOW.get(name, "0.2")
    ranges = f"torch.tensor({low}), torch.tensor({high})"
    told = f"{PRINTED}((ratio > 1 + {high}) | (ratio < 1 - {low})).float().mean(), {ranges}, "
    script, options = changed(tmp_path, *changes, FAST, (PRINTED, told)), (kind, "--iterations", "3")
    numbers, digest = plain(*options, script=script)
    shown, apart = [], 0

    def at(loop, phase):
        nonlocal apart
        if phase.kind is not PhaseKind.LOSS:
            return
        one, settings = phase.update.minibatches[-1], phase.update.settings
        below, above, _ = clip_edges(settings)
        ratio, terms = one.logratio.exp(), (one.policy_loss, one.value_loss / 2, one.entropy, one.loss)
        beyond = float(((ratio > above) | (ratio < below)).float().mean())
        shown.append([beyond, settings.clip_range, settings.clip_range_high, *map(float, terms)])
        apart += int(((one.advantages > 0) & ((ratio > above) != (ratio > 1.2))).sum())
        weights, gradients = (1.0, settings.value_coef, -0.01), loop.policy.differentiate(phase.update, one)
        made = np.linalg.norm(sum(w * g for w, g in zip(weights, gradients, strict=True)))
        agent = loop.found.variables["agent"]
        theirs = torch.autograd.grad(loop.found.variables["loss"], list(agent.parameters()), retain_graph=True)
        assert made == pytest.approx(float(torch.cat([g.flatten() for g in theirs]).norm()), rel=1e-4)

    lookout, printed = followed(monkeypatch, capfd, *options, at=at, script=script)
    assert printed.out.splitlines()[-1] == digest and "nothing more is shown" not in printed.err
    assert np.array(shown) == pytest.approx(numbers, rel=1e-5, abs=1e-5) and apart > 0
    assert lookout.loop.watcher.orders.changeable & BOTH == movable


def test_they_are_moved_from_the_next_update_on(monkeypatch, capfd, tmp_path):
    made_with, orders = [], {1: {"clip_range_high": 0.5}, 2: {"clip_range": 0.1}, 3: {"clip_range_high": None}}

    def at(loop, phase):
        if phase.kind is PhaseKind.UPDATE:
            settings, args = phase.update.settings, loop.found["args"]
            made_with.append((settings.clip_range, settings.clip_range_high))
            assert made_with[-1] == (args.clip_coef, args.clip_high)
            for name, value in orders.get(phase.update.index, {}).items():
                loop.watcher.orders.obey({"type": "set", "name": name, "value": value, "id": None})

    script = changed(tmp_path, *by_name("clip_high", 0.35), FAST)
    _, printed = followed(monkeypatch, capfd, "--raw", at=at, script=script)
    assert made_with == [(0.2, 0.35), (0.2, 0.5), (0.1, 0.5), (0.1, 0.1)] and "nothing more" not in printed.err


HELD = "    high, low = args.clip_high, args.clip_coef\n    layout = args.num_steps"
READ_ONCE = ("    layout = args.num_steps", HELD), clamped("1 - low", "1 + high"), in_args(clip_high=0.35)


@pytest.mark.parametrize("name", ["clip_range", "clip_range_high"])
def test_what_is_moved_and_not_read_again_ends_what_is_shown_before_its_update(name, monkeypatch, capfd, tmp_path):
    ended = []

    def at(loop, phase):
        if phase.kind is PhaseKind.UPDATE:
            ended.append(phase.update.index)
            loop.watcher.orders.obey({"type": "set", "name": name, "value": 0.4, "id": None})

    _, printed = followed(monkeypatch, capfd, "--raw", at=at, script=changed(tmp_path, *READ_ONCE))
    assert ended == [1] and "From update 2 on, args says that " in printed.err
    called = {"clip_range": "clip_coef", "clip_range_high": "clip_high"}[name]
    assert f"is 0.4 ({called})" in printed.err and "read from args wherever r is clipped" in printed.err


def test_a_number_of_args_that_is_no_clip_range_is_not_taken_for_one(monkeypatch, capfd, tmp_path):
    """As where observations are cut off at ±10."""
    script, options = changed(tmp_path, in_args(clip_low=-10.0, clip_high=10.0), FAST), ("--raw", "--iterations", "2")
    numbers, _ = plain(*options, script=script)
    losses = []

    def at(loop, phase):
        if phase.kind is PhaseKind.LOSS:
            losses.append(float(phase.update.minibatches[-1].loss))
            assert clip_edges(phase.update.settings)[:2] == (0.8, 1.2)

    lookout, _ = followed(monkeypatch, capfd, *options, at=at, script=script)
    assert losses == pytest.approx(numbers[:, 3], rel=1e-5, abs=1e-5)
    assert lookout.loop.watcher.orders.changeable & BOTH == {"clip_range"}


def test_a_low_name_that_is_no_e_is_refused_at_once(monkeypatch, capfd, tmp_path):
    script = changed(tmp_path, *BARE, in_args(eps_low=0.05))
    _, printed = followed(monkeypatch, capfd, "--raw", "--iterations", "1", script=script)
    assert len(printed.out.splitlines()[-1]) == 64, "its digest"
    assert "is not shown: args says that ε is 0.05 (eps_low), and its loss clips r between 0.8 and 1.35" in printed.err


def test_where_it_is_turned_off_it_is_e_though_that_is_a_number_of_the_code(monkeypatch, capfd, tmp_path):
    high = clamped("0.8", "1 + args.clip_high"), in_args(clip_high=0.35)
    script = changed(tmp_path, *high, *BARE[1:], FAST)
    made_with = []

    def at(loop, phase):
        if phase.kind is PhaseKind.UPDATE:
            made_with.append(clip_edges(phase.update.settings)[:2])
            loop.watcher.orders.obey({"type": "set", "name": "clip_range_high", "value": None, "id": None})

    _, printed = followed(monkeypatch, capfd, "--raw", "--iterations", "2", at=at, script=script)
    assert made_with == [(0.8, 1.35), (0.8, 1.2)] and len(printed.out.splitlines()[-1]) == 64


@pytest.mark.parametrize("name", ["V is clipped", "two clamps"])
def test_without_a_name_of_e_one_clamp_has_to_tell_it(name, monkeypatch, capfd, tmp_path):
    clips_v = ("True, True, False", "True, True, True")
    twice = (
        "pg_loss = torch.max(",
        "ratio_again = torch.clamp(ratio, 0.5, 1.5)\n                pg_loss = 0 * ratio_again.mean() + torch.max(",
    )
    script = changed(tmp_path, *BARE, clips_v if "V" in name else twice)
    _, printed = followed(monkeypatch, capfd, "--raw", "--iterations", "1", script=script)
    assert len(printed.out.splitlines()[-1]) == 64, "its digest"
    assert printed.err.count("is not shown: args has no clip_coef") == 1


@pytest.mark.parametrize(
    ("clamps", "both"),
    [
        ([(0.8, 1.28)], (0.2, 0.28)),
        ([(0.8, 1.28), (None, 3.0)], (0.2, 0.28)),
        ([(0.8, None), (None, 1.28)], (None, 0.28)),
        ([(0.8, 1.28), (0.8, 1.3)], (0.2, None)),
        ([(0.8, None), (None, 1.28), (None, 3.0)], (None, None)),
        ([(0.8, 1.28), (0.7, 1.28)], (None, 0.28)),
        ([(0.8, float("inf"))], (0.2, None)),
        ([(0.7, 1.28)], (0.3, None)),
        ([(0.0, 10.0)], (None, None)),
    ],
    ids=str,
)
def test_more_clamps_than_one_tell_neither(clamps, both):
    assert (lower_of(clamps).get("clip_range"), upper_of(clamps, 0.2)) == both


CHANGES = "(0.35 if minibatch < 5 else 0.25)"
NOT_SHOWN = {
    "no clamp and no name": ((CLAMP, ROUND_ABOUT.replace("HIGH", "0.35")), "has an upper clip range of its own"),
    "no clamp, below ε": ((CLAMP, ROUND_ABOUT.replace("HIGH", "0.05")), "has an upper clip range of its own"),
    "another one in the update": (clamped("1 - args.clip_coef", f"1 + {CHANGES}"), "From update 1 on, its loss "),
    "another lower one": (clamped("0.9", "1 + 0.35"), "nothing more is shown"),
}


@pytest.mark.parametrize("kind", ["--raw", "--continuous"])
@pytest.mark.parametrize("name", NOT_SHOWN)
def test_what_is_not_told_is_not_shown(name, kind, monkeypatch, capfd, tmp_path):
    change, why = NOT_SHOWN[name]
    script = changed(tmp_path, change, FAST)
    ended = []

    def at(loop, phase):
        if phase.kind is PhaseKind.UPDATE:
            ended.append(phase.update.index)

    _, printed = followed(monkeypatch, capfd, kind, "--iterations", "2", at=at, script=script)
    assert len(printed.out.splitlines()[-1]) == 64, "its digest"
    assert why in printed.err and not ended and printed.err.count("nothing more is shown") == 1, printed.err


LATER = "where the term that has r in it comes first"


@pytest.mark.parametrize(
    ("order", "named", "said"), [("terms", False, ""), ("values", False, LATER), ("values", True, "")]
)
def test_terms_one_by_one_are_shown_where_args_or_the_first_tell_the_clip(
    order, named, said, monkeypatch, capfd, tmp_path
):
    changes = by_name("eps_high", 0.35) if named else (clamped(*LOOSE),)
    script, options = changed(tmp_path, *changes, FAST), ("--raw", "--apart", order, "--iterations", "2")
    numbers, digest = plain(*options, script=script)
    losses = []

    def at(loop, phase):
        if phase.kind is PhaseKind.UPDATE:
            losses.extend(float(one.loss) for one in phase.update.minibatches)

    _, printed = followed(monkeypatch, capfd, *options, at=at, script=script)
    assert printed.out.splitlines()[-1] == digest and said in printed.err
    assert losses == pytest.approx([] if said else list(numbers[:, 3]), rel=1e-5, abs=1e-5)


LOSS = "loss = pg_loss - args.ent_coef * entropy.mean() + args.vf_coef * v_loss"
PRICED = LOSS, f"{LOSS} + 0.3 * ((ratio - 1) - logratio).mean()"
HALVED = ("                    loss.backward()", "                    (loss / 2).backward()")
CAP_IN_ARGS = in_args(dual_clip=1.22)
WITH_MORE = {
    "a switch that is no c": ((CAP_IN_ARGS,), (), {"ratio_cap": None}),
    "a dual clip": ((capped(1.3),), (), {"ratio_cap": 1.3}),
    "a term for the KL": ((PRICED,), (), {"kl_coef": 0.3, "kl_estimate": "k3"}),
    "a part": ((HALVED,), ("--apart", "gathered"), {}),
    "c1 in the code": (((', "vf_coef": 0.5', ""), ("args.vf_coef * v_loss", "0.6 * v_loss")), (), {"value_coef": 0.3}),
}


@pytest.mark.parametrize("name", WITH_MORE)
def test_what_else_a_loss_may_have_is_found_beside_them(name, monkeypatch, capfd, tmp_path):
    changes, more, settings = WITH_MORE[name]
    script = changed(tmp_path, clamped("1 - args.clip_coef", "1 + 0.25"), *changes, FAST)
    options = "--raw", *more, "--iterations", "4"
    numbers, digest = plain(*options, script=script)
    losses, found = [], []

    def at(loop, phase):
        if phase.kind is PhaseKind.UPDATE:
            losses.append([float(one.loss) for one in phase.update.minibatches])
            found.append({one: getattr(phase.update.settings, one) for one in (*settings, "clip_range_high")})

    _, printed = followed(monkeypatch, capfd, *options, at=at, script=script)
    assert printed.out.splitlines()[-1] == digest and "nothing more" not in printed.err
    assert ("dual clip" in printed.err) is (name == "a dual clip")
    since = next(place for place, one in enumerate(found) if one == {**settings, "clip_range_high": 0.25})
    assert found[since:] == [found[since]] * (4 - since) and since < (3 if name == "a dual clip" else 1)
    assert np.ravel(losses[since:]) == pytest.approx(numbers[12 * since :, 3], rel=1e-5, abs=1e-5)


def test_c_of_a_dual_clip_is_found_at_one_minibatch(monkeypatch, capfd, tmp_path):
    """And not by what those of the whole update came to."""
    monkeypatch.setattr(proven_loss, "cap_of", lambda *_: None)
    script = changed(tmp_path, clamped("1 - args.clip_coef", "1 + 0.22"), capped(1.24), FAST)
    caps = []

    def at(loop, phase):
        if phase.kind is PhaseKind.LOSS:
            caps.append(phase.update.settings.ratio_cap)

    followed(monkeypatch, capfd, "--continuous", "--iterations", "4", at=at, script=script)
    assert set(caps) == {None, 1.24}


TOLD = {
    "clip_coef_high": (by_name("clip_coef_high", 0.35), BOTH, BOTH, True),
    "clip_high": (by_name("clip_high", 0.35), {"clip_range"}, BOTH, True),
    "a pair": (PAIR, set(), BOTH, True),
    "a pair, and another for V": (THREE, set(), BOTH, False),
    "none": ((clamped(*LOOSE),), {"clip_range"}, {"clip_range"}, True),
}


@pytest.mark.parametrize("name", TOLD)
def test_the_page_is_told_of_them_by_the_names_that_the_script_has(name, tmp_path):
    changes, called, movable, limits_values = TOLD[name]
    server = waiting_server()
    try:
        script = str(changed(tmp_path, *changes))
        command = "-W", "ignore", "-m", "ppo_scope.attach.script", script, "--raw", "--iterations", "2"
        trained(*command, PPO_SCOPE_URL=server.url)
        attached = the_run(server, state="finished")["attached"]
    finally:
        server.kill()
    assert (attached["began"]["clip_range"], attached["began"]["clip_range_high"]) == (0.2, 0.35)
    assert (BOTH & set(attached["called"]), BOTH & set(attached["changeable"])) == (called, movable)
    assert attached["limits_values"] is limits_values, "clip_coef, as a rule, is the clip range of V as well"
