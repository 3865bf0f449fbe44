"""A term for the exact KL between π_old and the policy, in the loss of a script: shown as β·KL where every weight's
gradient proves it, and else not.
"""

import numpy as np
import pytest

from ppo_scope.attach.beside.task import task_of, update_of
from ppo_scope.attach.kl_estimates import EITHER, FORWARD, REVERSE
from ppo_scope.probes.record import PhaseKind
from tests.attach.elsewhere import rows_of, the_run, waiting_server
from tests.attach.one_file_followed import changed, followed, plain
from tests.programs import trained

LOSS = "loss = pg_loss - args.ent_coef * entropy.mean() + args.vf_coef * v_loss"
FASTER = "args.clip_vloss = 0.5, 0.01,", "args.clip_vloss = 5.0, 0.02,"
DISCRETE = "return action, probs.log_prob(action), probs.entropy(), self.critic(x)"
CONTINUOUS = "return action, probs.log_prob(action).sum(1), probs.entropy().sum(1), self.critic(x)"
HANDED_OUT = (DISCRETE, f"{DISCRETE}, probs"), (CONTINUOUS, f"{CONTINUOUS}, probs")
"""The distribution, as the last of what the agent returns."""
LAID = "        b_inds, envinds, minibatch = flatinds.flatten(), np.arange(args.num_envs), 0\n"
KEPT = (
    LAID,
    "        with torch.no_grad():\n            b_old = agent.get_action_and_value(b_obs, b_actions)[4]\n" + LAID,
)
"""π_old of the whole rollout."""
STORED = (
    (
        "    for iteration in range(args.iterations):\n",
        "    for iteration in range(args.iterations):\n        stored = []\n",
    ),
    (
        "            actions[step], values[step]",
        "            stored.append(after[0].logits)\n            actions[step], values[step]",
    ),
    (LAID, "        b_logits = torch.cat(stored)\n" + LAID),
)
"""Its logits, as they came step by step."""
SHARED = (
    (
        "        self.critic = nn.Sequential(nn.Linear(width, 16), nn.Tanh(), nn.Linear(16, 1))\n",
        "        trunk = nn.Sequential(nn.Linear(width, 16), nn.Tanh())\n"
        "        self.critic = nn.Sequential(trunk, nn.Linear(16, 1))\n",
    ),
    (
        "self.actor = nn.Sequential(nn.Linear(width, 16), nn.Tanh(), nn.Linear(16, outputs))",
        "self.actor = nn.Sequential(trunk, nn.Linear(16, outputs))",
    ),
)
CLASS = "class Agent(nn.Module):"
HELPERS = (
    CLASS,
    """def at(probs, places):
    if isinstance(probs, Categorical):
        return Categorical(logits=probs.logits[places])
    return Normal(probs.mean[places], probs.stddev[places])


def kl(one, other):
    found = torch.distributions.kl_divergence(one, other)
    return found if found.ndim == 1 else found.sum(1)


def by_hand(old, new):
    if isinstance(old, Categorical):
        return (old.probs * (old.probs.log() - new.logits)).sum(1)
    spread = (old.scale**2 + (old.mean - new.mean) ** 2) / (2 * new.scale**2)
    return ((new.scale / old.scale).log() + spread - 0.5).sum(1)


"""
    + CLASS,
)
OLD, NEW = "at(b_old, mb_inds)", "found[4]"
TOLD = (
    "(pg_loss, v_loss, entropy.mean(), loss)",
    "(pg_loss, v_loss, entropy.mean(), loss, penalty, torch.tensor({beta}))",
)
ADAPTED = (
    ("    layout = args.num_steps", "    kl_weight = 0.237\n    layout = args.num_steps"),
    (
        "        for _ in range(2 if",
        "        kl_weight *= 1.5 if approx_kl > 0.01 else 1 / 1.5\n        for _ in range(2 if",
    ),
)
UNNAMED = tuple((old, new.replace("kl_weight", "price")) for old, new in ADAPTED)
IN_ARGS = (("    return args\n", "    args.kl_coef = 0.3\n    return args\n"),)
STATE_DEPENDENT = (
    ("self.actor_logstd = nn.Parameter(torch.zeros(1, outputs)) if", "self.spread = nn.Linear(width, outputs) if"),
    ("self.actor_logstd.expand_as(put_out).exp()", "(0.3 * self.spread(x)).exp()"),
)
SECOND_TIME = (
    (
        "    layout = args.num_steps",
        "    import copy\n\n    before = copy.deepcopy(agent).requires_grad_(False)\n    layout = args.num_steps",
    ),
    (LAID, "        before.load_state_dict(agent.state_dict())\n" + LAID),
)
"""By a copy of the agent, and not by what it puts out anyway."""
ASKED = "agent.get_action_and_value(b_obs[mb_inds], b_actions[mb_inds])[4]"


def priced(term, *changes, beta="0.3"):
    """The script's changes for this term; β is `beta` of its own."""
    told = TOLD[0], TOLD[1].format(beta=beta)
    return (*HANDED_OUT, KEPT, HELPERS, (LOSS, f"penalty = {term}\n                {LOSS} + penalty"), told, *changes)


SHOWN = {
    "forward": (priced(f"0.3 * kl({OLD}, {NEW}).mean()"), (), FORWARD),
    "forward, by hand, raw": (priced(f"0.3 * by_hand({OLD}, {NEW}).mean()"), ("--raw",), FORWARD),
    "reverse, in args": (priced(f"args.kl_coef * kl({NEW}, {OLD}).mean()", *IN_ARGS, beta="args.kl_coef"), (), REVERSE),
    "adapted, forward": (priced(f"kl_weight * kl({OLD}, {NEW}).mean()", *ADAPTED, beta="kl_weight"), (), FORWARD),
    "adapted, by another name, continuous": (
        priced(f"price * kl({OLD}, {NEW}).mean()", *UNNAMED, beta="price"),
        ("--continuous",),
        FORWARD,
    ),
    "reverse, continuous": (priced(f"0.3 * kl({NEW}, {OLD}).mean()"), ("--continuous",), REVERSE),
    "by hand, σ of the state": (
        priced(f"0.3 * by_hand({OLD}, {NEW}).mean()", *STATE_DEPENDENT),
        ("--continuous", "--raw"),
        FORWARD,
    ),
    "of a copy": (
        priced(
            f"0.3 * kl(before.get_action_and_value(b_obs[mb_inds], b_actions[mb_inds])[4], {ASKED}).mean()",
            *SECOND_TIME,
        ),
        (),
        FORWARD,
    ),
    "of stored logits": (
        priced(f"0.3 * kl(Categorical(logits=b_logits[mb_inds]), {NEW}).mean()", *STORED),
        (),
        FORWARD,
    ),
    "layers that the critic shares": (priced(f"0.3 * kl({NEW}, {OLD}).mean()", *SHARED), ("--raw",), REVERSE),
    "half of it": (priced(f"0.6 * 0.5 * kl({OLD}, {NEW}).mean()"), ("--raw",), FORWARD),
    "with the policy's part alone": (
        (
            *priced(f"0.3 * kl({OLD}, {NEW}).mean()"),
            (
                "terms = [pg_loss - args.ent_coef * entropy.mean(), args.vf_coef * v_loss]",
                "terms = [pg_loss - args.ent_coef * entropy.mean() + penalty, args.vf_coef * v_loss]",
            ),
        ),
        ("--apart", "terms"),
        FORWARD,
    ),
    "with the policy's step alone": (
        (
            *priced(f"0.3 * kl({OLD}, {NEW}).mean()"),
            (
                "terms = [pg_loss - args.ent_coef * entropy.mean(), args.vf_coef * v_loss]",
                "terms = [pg_loss - args.ent_coef * entropy.mean() + penalty, args.vf_coef * v_loss]",
            ),
        ),
        ("--apart", "steps"),
        FORWARD,
    ),
    "nothing in one update": (
        priced(f"(0.0 if iteration == 1 else 0.3) * kl({OLD}, {NEW}).mean()", beta="0.0 if iteration == 1 else 0.3"),
        (),
        FORWARD,
    ),
    "σ that stays": (
        priced(
            f"0.3 * kl({OLD}, {NEW}).mean()",
            ("self.actor_logstd.expand_as(put_out).exp()", "torch.ones_like(put_out)"),
        ),
        ("--continuous",),
        EITHER,
    ),
}


@pytest.mark.parametrize("name", SHOWN)
def test_an_exact_kl_is_a_term_of_l(name, monkeypatch, capfd, tmp_path):
    changes, options, direction = SHOWN[name]
    script, options = changed(tmp_path, *changes, FASTER), (*options, "--iterations", "3")
    numbers, digest = plain(*options, script=script)
    shown, directions = [], []

    def at(loop, phase):
        update, settings = phase.update, phase.update.settings
        if phase.kind is PhaseKind.LOSS:
            one = update.minibatches[-1]
            terms = one.policy_loss, one.value_loss / 2, one.entropy, one.loss, one.penalty
            shown.append([*map(float, terms), settings.kl_coef])
            each = zip((1.0, settings.value_coef, -0.01, 1.0), loop.policy.differentiate(update, one), strict=True)
            at.whole = sum(weight * gradient for weight, gradient in each)
        elif phase.kind is PhaseKind.GRADIENT and "steps" not in options:  # else it is of the part that comes first
            norm = float(update.gradient_norms[len(update.told) - 1])
            assert norm == pytest.approx(np.linalg.norm(at.whole), rel=1e-4), "with that of the term"
        elif phase.kind is PhaseKind.UPDATE:
            directions.append(settings.live()["kl_estimate"])
            assert update.known["told_loss"] == pytest.approx(shown[-1][3], rel=1e-6, abs=1e-6)

    lookout, printed = followed(monkeypatch, capfd, *options, at=at, script=script)
    assert printed.out.splitlines()[-1] == digest
    assert "β times the exact KL to π_old" in printed.err and "nothing more is shown" not in printed.err, printed.err
    assert directions == [direction] * 3
    assert len(shown) == len(numbers) and np.array(shown) == pytest.approx(numbers, rel=1e-5, abs=1e-6)
    assert max(abs(numbers[:, 4])) > 1e-3
    assert ("kl_coef" in lookout.loop.watcher.orders.changeable) is ("in args" in name)


def test_it_stands_in_the_rows_of_its_run_that_are_measured_beside_it(tmp_path):
    script = changed(tmp_path, *SHOWN["reverse, in args"][0], FASTER)
    numbers, digest = plain(script=script)
    server = waiting_server()
    try:
        command = "-W", "ignore", "-m", "ppo_scope.attach.script", str(script)
        done = trained(*command, PPO_SCOPE_URL=server.url)
        assert done.stdout.splitlines()[-1] == digest, done.stderr
        run = the_run(server, state="finished")
        rows, _ = rows_of(server, run["id"])
    finally:
        server.kill()
    assert run["attached"]["loss"] == "its loss has β times the exact KL to π_old in it"
    by_update = numbers.reshape(4, 12, 6).mean(1)
    assert rows["penalty"] == pytest.approx(by_update[:, 4], rel=1e-5, abs=1e-7)
    assert rows["loss"] == pytest.approx(by_update[:, 3], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("asked", [False, True])
def test_it_goes_along_with_an_update_that_is_handed_over(asked, monkeypatch, capfd, tmp_path):
    script = changed(tmp_path, *SHOWN["forward"][0], FASTER)
    numbers, _ = plain("--iterations", "2", script=script)
    prices = []

    def at(loop, phase):
        update = phase.update
        if phase.kind is PhaseKind.UPDATE:
            assert len(update.told if asked else update.brief) == 12
            task, arrays = task_of(phase, loop.policy, 0, 0.0, None, None)
            made, *_ = update_of(task, arrays, update.settings, update.habits)
            prices.extend(float(one.penalty) for one in made.minibatches)

    followed(monkeypatch, capfd, "--iterations", "2", at=at, script=script)
    assert prices == pytest.approx(numbers[:, 4], rel=1e-5, abs=1e-7)


SQUASHED = (
    "return action, probs.log_prob(action).sum(1), probs.entropy().sum(1), self.critic(x)",
    "return action, (probs.log_prob(action) - 0.1 * torch.log(1.5 - action.tanh() ** 2)).sum(1), "
    "probs.entropy().sum(1), self.critic(x)",
)
STEPPED = "                    optimizer.step()\n                print("
PREVIOUS = (
    (LAID, LAID + "        previous = b_old\n"),
    (
        STEPPED,
        "                    optimizer.step()\n                with torch.no_grad():\n"
        "                    previous = agent.get_action_and_value(b_obs, b_actions)[4]\n                print(",
    ),
)
"""The policy of the minibatch before."""
BESIDE = "its loss has something besides in it that is made of neither"
TURNED_OUT = "something besides in it that was nothing while r was 1, and is not"
DECOYS = {
    "logits": ("0.1 * found[4].logits.square().mean()", (), (), BESIDE),
    "weights": ("1e-5 * agent.actor[0].weight.square().sum()", (), (), BESIDE),
    "uniform": ("0.1 * kl(found[4], Categorical(logits=0 * b_old.logits[mb_inds])).mean()", (), (), BESIDE),
    "squared difference": (f"0.1 * ({NEW}.logits - {OLD}.logits).square().mean()", (), (), BESIDE),
    "squared difference of means": (
        f"0.1 * ({NEW}.mean - {OLD}.mean).square().mean()",
        (),
        ("--continuous",),
        BESIDE,
    ),
    "Jensen and Shannon": (
        f"0.2 * (kl({OLD}, {NEW}) + kl({NEW}, {OLD})).mean()",
        (),
        ("--continuous",),
        TURNED_OUT,
    ),
    "previous minibatch": (f"0.3 * kl(at(previous, mb_inds), {NEW}).mean()", PREVIOUS, (), TURNED_OUT),
    "epoch before": (
        f"0.3 * kl(at(lately, mb_inds), {NEW}).mean()",
        (
            (
                "            np.random.shuffle(envinds",
                "            with torch.no_grad():\n"
                "                lately = agent.get_action_and_value(b_obs, b_actions)[4]\n"
                "            np.random.shuffle(envinds",
            ),
        ),
        (),
        TURNED_OUT,
    ),
    "another temperature": (f"0.3 * kl(Categorical(logits=1.01 * {OLD}.logits), {NEW}).mean()", (), (), BESIDE),
    "an estimate as well": (
        f"0.3 * kl({OLD}, {NEW}).mean() + 0.5 * ((ratio - 1) - logratio).mean()",
        (),
        (),
        "0.5 times the mean of r − 1 − log r (k3)",
    ),
    "at most": (f"0.3 * kl({OLD}, {NEW}).clamp(max=1e-3).mean()", (), (), TURNED_OUT),
    "its mean at most": (f"0.3 * kl({OLD}, {NEW}).mean().clamp(max=1e-4)", (), (), TURNED_OUT),
    "its square": (f"9 * kl({OLD}, {NEW}).mean() ** 2", (), (), BESIDE),
    "weighed by samples": (f"(0.3 * kl({OLD}, {NEW}) * b_returns[mb_inds].abs()).mean()", (), (), BESIDE),
    "the half of the samples": (f"0.3 * kl({OLD}, {NEW})[::2].mean()", (), (), BESIDE),
    "changes within an update": (f"0.3 / (1 + minibatch) * kl({OLD}, {NEW}).mean()", (), (), TURNED_OUT),
    "turned": (f"-0.3 * kl({OLD}, {NEW}).mean()", (), (), BESIDE),
    "squashed": (f"0.3 * kl({OLD}, {NEW}).mean()", (SQUASHED,), ("--continuous",), BESIDE),
    "nothing at first": (f"0.3 * (iteration > 0) * kl({OLD}, {NEW}).mean()", (), (), BESIDE),
}


@pytest.mark.parametrize("name", DECOYS)
def test_what_is_no_exact_kl_is_not_taken_for_one(name, monkeypatch, capfd, tmp_path):
    term, changes, options, why = DECOYS[name]
    script = changed(tmp_path, *priced(term), *changes, FASTER)
    numbers, digest = plain(*options, "--iterations", "2", script=script)
    wrong = []

    def at(loop, phase):
        if phase.kind is PhaseKind.LOSS:
            one, place = phase.update.minibatches[-1], 12 * (phase.update.index - 1) + len(phase.update.told) - 1
            if abs(float(one.loss) - numbers[place, 3]) > 1e-5 * max(1, abs(numbers[place, 3])):
                wrong.append(place)
        assert phase.kind is not PhaseKind.UPDATE, "no row is told"

    _, printed = followed(monkeypatch, capfd, *options, "--iterations", "2", at=at, script=script)
    assert printed.out.splitlines()[-1] == digest
    assert why in printed.err, printed.err
    assert printed.err.count("not shown: ") + printed.err.count("nothing more is shown") == 1 and not wrong
