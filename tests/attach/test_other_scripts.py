"""What else people's scripts do otherwise: true numbers, or a sentence that says why not; their bits stay."""

import numpy as np
import pytest
import torch
from torch.distributions import Categorical

from ppo_scope.attach.single_file.scripted import Scripted, ScriptForm
from ppo_scope.probes.record import PhaseKind
from tests.attach.elsewhere import the_run, waiting_server
from tests.attach.one_file_followed import changed, followed, plain
from tests.programs import trained

TERMS = "policy_loss", "value_loss", "entropy", "loss"


def seen(monkeypatch, capfd, script, *options):
    """(the loop, [K, 4] as it is shown, [K, 4] as it is printed, what was said) of a script."""
    numbers, digest = plain(*options, script=script)
    shown = []

    def at(loop, phase):
        if phase.kind is PhaseKind.LOSS:
            one = phase.update.minibatches[-1]
            shown.append([float(getattr(one, name)) * (0.5 if name == "value_loss" else 1.0) for name in TERMS])

    lookout, printed = followed(monkeypatch, capfd, *options, at=at, script=script)
    assert printed.out.splitlines()[-1] == digest
    return lookout.loop, np.array(shown), numbers, printed.err


def same(shown, numbers):
    assert shown == pytest.approx(numbers, rel=1e-6, abs=1e-6)


LOG_PROB = "return action, probs.log_prob(action).sum(1), probs.entropy().sum(1), self.critic(x)\n"
SQUASHED = """raw = torch.atanh(action.clamp(-0.999, 0.999))
            slope = torch.log(1 - action**2 + 1e-6)
            return action, (probs.log_prob(raw) - slope).sum(1), probs.entropy().sum(1), self.critic(x)
"""
BY_TORCH = """of = torch.distributions.transforms.TanhTransform()
            log_prob = torch.distributions.TransformedDistribution(probs, [of]).log_prob(action)
            return action, log_prob.sum(1), probs.entropy().sum(1), self.critic(x)
"""
SAMPLE = (
    "action = probs.sample() if action is None else action\n            return action, probs.log_prob(action).sum(1)"
)
BOUNDED = SAMPLE.replace("probs.sample()", "torch.tanh(probs.sample()).clamp(-0.999, 0.999)")


@pytest.mark.parametrize(
    "log_prob", [SQUASHED, BY_TORCH, LOG_PROB.replace("log_prob(action).sum(1)", "log_prob(action).sum(1) / 2")]
)
def test_a_policy_whose_log_probabilities_are_not_those_of_its_normal_is_not_asked(
    log_prob, monkeypatch, capfd, tmp_path
):
    squashes = "/ 2" not in log_prob
    script = changed(tmp_path, *[(SAMPLE, BOUNDED)] * squashes, (LOG_PROB, log_prob))
    loop, shown, numbers, _ = seen(monkeypatch, capfd, script, "--continuous", "--iterations", "2")
    same(shown, numbers)
    assert loop.distribution is None


CLIP = "pg_loss = torch.max(-mb_advantages * ratio, -mb_advantages * clipped).mean()"
OTHER_LOSSES = {
    "two clips": (
        CLIP,
        "pg_loss = torch.max(-mb_advantages * ratio, -mb_advantages * clipped)\n"
        "                worst = torch.min(pg_loss, -1.001 * mb_advantages)\n"
        "                pg_loss = torch.where(mb_advantages < 0, worst, pg_loss).mean()",
    ),
    "a later KL": (CLIP, f"{CLIP} + (5 if iteration else 0) * ((ratio - 1) - logratio).mean()"),
    "another clip": ("torch.clamp(ratio, 1 - args.clip_coef, 1 + args.clip_coef)", "torch.clamp(ratio, 0.99, 1.01)"),
}


@pytest.mark.parametrize("kind", ["--raw", "--continuous"])
@pytest.mark.parametrize("name", OTHER_LOSSES)
def test_another_loss_that_is_like_ours_where_r_is_1_is_shown_no_more(name, kind, monkeypatch, capfd, tmp_path):
    """With `--continuous` L_VF is a million times as much as what is otherwise."""
    script = changed(tmp_path, OTHER_LOSSES[name])
    loop, shown, numbers, said = seen(monkeypatch, capfd, script, kind, "--iterations", "3")
    assert loop.watcher.off and len(shown) < len(numbers)
    assert said.count("nothing more is shown, and the training goes on") == 1


def test_why_a_run_is_shown_no_more_stands_on_the_page(tmp_path):
    script = changed(tmp_path, OTHER_LOSSES["a later KL"])
    server = waiting_server()
    try:
        trained("-W", "ignore", "-m", "ppo_scope.attach.script", str(script), "--continuous", PPO_SCOPE_URL=server.url)
        run = the_run(server, state="failed")
    finally:
        server.kill()
    assert "5 times the mean of r − 1 − log r (k3)" in run["cause"]["summary"] and run["cause"]["summary"].endswith(
        "goes on."
    )


ANEW = (
    (
        "    for iteration in range",
        "    b_logprobs = torch.zeros(args.num_steps * args.num_envs)\n    for iteration in range",
    ),
    (
        "b_logprobs, b_advantages, b_values = logprobs.flatten(), ",
        "b_logprobs.copy_(logprobs.flatten())\n        b_advantages, b_values = ",
    ),
)


def test_log_probabilities_that_are_written_into_the_same_array_are_those_of_another_update(
    monkeypatch, capfd, tmp_path
):
    loop, shown, numbers, _ = seen(monkeypatch, capfd, changed(tmp_path, *ANEW))
    same(shown, numbers)
    assert loop.index == 4


def test_minibatches_after_the_last_epoch_that_is_told_end_what_is_shown(monkeypatch, capfd, tmp_path):
    longer = ("for _ in range(args.update_epochs):", "for _ in range(args.update_epochs + 1):")
    loop, shown, _, said = seen(monkeypatch, capfd, changed(tmp_path, longer), "--iterations", "2")
    assert loop.watcher.off and len(shown) == 12 and "update_epochs of args, which is 3" in said


def test_another_norm_is_not_taken_for_that_of_the_gradient(monkeypatch, capfd, tmp_path):
    script = changed(tmp_path, ("agent.parameters(), args.max_grad_norm)", "agent.parameters(), 0.5, torch.inf)"))
    loop, shown, numbers, _ = seen(monkeypatch, capfd, script, "--iterations", "2")
    same(shown, numbers)
    assert loop.index == 2 and not loop._update.gradient_norms


FEWER = """
    class Envs:
        def __getattr__(self, name):
            return getattr(inner, name)

        def step(self, action):
            seen, reward, terminations, truncations, infos = inner.step(action)
            return FOUND

    inner, envs = envs, Envs()
"""


@pytest.mark.parametrize(
    ("made", "taken"),
    [
        ("seen, reward, terminations | truncations", "seen, reward, terminations ="),
        ("seen, reward, terminations | truncations, None", "seen, reward, terminations, _ ="),
        ("seen, reward, terminations, None, [object()]", "seen, reward, terminations, _, _ ="),
    ],
)
def test_environments_that_return_something_else_end_no_training(made, taken, monkeypatch, capfd, tmp_path):
    script = changed(
        tmp_path,
        ("seen, reward, terminations, truncations, infos =", "truncations = False\n            " + taken),
        ("    space, shape =", FEWER.replace("FOUND", made) + "    space, shape ="),
    )
    _, shown, numbers, _ = seen(monkeypatch, capfd, script, "--iterations", "2")
    same(shown, numbers)


ONE_ENVIRONMENT = (
    ("args.num_envs = 4 if args.lstm else 2", "args.num_envs = 1"),
    (
        "        flatinds =",
        "        rewards, dones, values = rewards[:, 0], dones[:, 0], values[:, 0]\n        flatinds =",
    ),
    (
        "        for step in range(args.num_steps):\n            obs",
        "        if iteration:\n"
        "            rewards, dones, values = rewards[:, None], dones[:, None], values[:, None]\n"
        "        for step in range(args.num_steps):\n            obs",
    ),
)


def test_a_single_environment_needs_no_axis(monkeypatch, capfd, tmp_path):
    loop, shown, numbers, _ = seen(monkeypatch, capfd, changed(tmp_path, *ONE_ENVIRONMENT), "--iterations", "3")
    same(shown, numbers)
    assert loop.steps == 192 and loop.episodes


WHY = {
    "65536 times: a loss that is scaled is known here where a GradScaler": (
        "loss.backward()",
        "(65536 * loss).backward()",
    ),
    "mb_advantages is of torch.bfloat16": ("= b_advantages[mb_inds]", "= b_advantages[mb_inds].bfloat16()"),
}


@pytest.mark.parametrize("why", WHY)
def test_what_is_not_shown_is_named(why, monkeypatch, capfd, tmp_path):
    loop, _, _, said = seen(monkeypatch, capfd, changed(tmp_path, WHY[why]), "--iterations", "1")
    assert loop is None and why in said


def rollout(change=lambda advantages: advantages):
    """Of 6 steps of 2 environments, and its δ; `change`: what is done to Â once targets are made."""
    generator = np.random.default_rng(1)
    deltas, values = generator.normal(size=(2, 6, 2)).astype(np.float32)
    ends, advantages, following = np.zeros((6, 2), bool), np.zeros((6, 2), np.float32), np.zeros(2, np.float32)
    ends[2, 0] = True
    for step in reversed(range(6)):
        advantages[step] = following = deltas[step] + np.float32(0.9) * following * ~ends[step]
    targets, nothing = advantages + values, np.zeros(12, np.float32)
    columns = nothing, values.ravel(), change(advantages).ravel(), targets.ravel(), nothing
    return deltas, Scripted(np.stack(columns), np.zeros((12, 1)), np.zeros(12), ends, np.zeros_like(ends))


def test_deltas_are_those_that_advantages_were_added_up_of_whatever_has_been_done_to_these_since():
    form = ScriptForm(choices=True, decay=0.9)
    deltas, as_they_are = rollout()
    assert as_they_are.deltas(form) == pytest.approx(deltas, abs=1e-5)
    normalised = rollout(lambda one: (one - one.mean()) / (one.std() + 1e-8))[1]
    assert normalised.deltas(form) == pytest.approx(deltas, abs=1e-5)
    other = rollout(np.abs)[1]
    assert np.isnan(other.deltas(form)).all()
    untold = as_they_are.deltas(form._replace(decay=np.nan))
    assert np.isnan(untold[~as_they_are.ends]).all() and untold[2, 0] == pytest.approx(deltas[2, 0], abs=1e-5)


def test_choices_are_asked_as_they_are_stored():
    """With a fraction, as CleanRL keeps them."""
    from ppo_scope.attach.single_file.agent import meant_by

    choices = Categorical(logits=torch.randn(8, 3))
    actions = choices.sample().float()
    log_prob = choices.log_prob(actions)
    assert meant_by(choices, actions, log_prob, log_prob) is not None
    assert meant_by(choices, actions, log_prob / 2, log_prob / 2) is None
