"""A PPO in one file, unchanged: found by its variables, its numbers its own, its bits as they were."""

import json
import os
import runpy
import subprocess
import sys
from functools import partial
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch

from ppo_scope.attach import script as of_a_script
from ppo_scope.attach.inserting.anew import Beginning
from ppo_scope.attach.inserting.inserter import Inserter
from ppo_scope.attach.single_file.acting import Acting
from ppo_scope.attach.single_file.lookout import Lookout
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import measure
from ppo_scope.probes.record import PhaseKind
from tests.attach.elsewhere import bare, beside, nowhere, rows_of, shown_here, the_run, waiting_server
from tests.attach.one_file_followed import SCRIPT, changed, followed, plain
from tests.live import environment
from tests.programs import trained

ONE_BY_ONE = [("--raw", "--apart", how) for how in ("terms", "values", "steps", "gathered")]


@pytest.mark.parametrize(
    "arguments", [("--target-kl", "0.003"), ("--continuous",), ("--lstm",), ("--auxiliary",), *ONE_BY_ONE]
)
def test_its_numbers_are_those_of_the_script_and_its_bits_stay(arguments, monkeypatch, capfd):
    updates = 4 if "--continuous" in arguments else 2  # no episode of its environment ends in two
    arguments += ("--iterations", str(updates))
    numbers, digest = plain(*arguments)
    ours, terms, kinds, norms, gathers = [], {}, [], [], "gathered" in arguments

    def at(loop, phase):
        update = phase.update
        kinds.append((update.index, phase.kind))
        if phase.kind is PhaseKind.LOSS:
            one = update.minibatches[-1]
            ours.append([float(one.policy_loss), float(one.value_loss) / 2, float(one.entropy), float(one.loss)])
            if len(update.told) == 2:
                found = measure(Moment(loop, phase), frozenset({"gradients", "policy", "direction"}))
                assert {"gradients", "policy", "direction"} <= set(found.measured), found.lacks
            weights, gradients = (1.0, 0.25, -0.01), loop.policy.differentiate(update, one)
            made = sum(w * g for w, g in zip(weights, gradients, strict=True))
            if gathers and len(update.told) % 2 == 0:
                made += terms["before"]
            terms["before"], terms["norm"] = made, np.linalg.norm(made)
            if not gathers or len(update.told) % 2 == 0:
                norms.append(terms["norm"])
        elif phase.kind is PhaseKind.GRADIENT and "steps" not in arguments:
            assert float(update.gradient_norms[len(update.told) - 1]) == pytest.approx(terms["norm"], rel=1e-4)
        elif phase.kind is PhaseKind.UPDATE:
            terms.setdefault("kl", []).append(float(Moment(loop, phase).exact_kl.mean()))
            assert [float(one) for one in update.gradient_norms.values()] == pytest.approx(norms, rel=1e-4)
            norms.clear()
            assert update.known["told_loss"] == pytest.approx(numbers[len(ours) - 1, 3], rel=1e-6)
            assert update.known.get("gradient_kept", 0.0) == 0 and ("gradient_kept" in update.known) is not gathers
            assert not update.stopped_by_kl or "--target-kl" in arguments

    lookout, printed = followed(monkeypatch, capfd, *arguments, at=at)
    assert printed.out.splitlines()[-1] == digest
    assert np.array(ours) == pytest.approx(numbers, rel=1e-6, abs=1e-6)
    assert len(terms["kl"]) == updates and min(terms["kl"]) > 0 and lookout.loop.episodes
    if "--target-kl" in arguments:
        assert len(numbers) < updates * 3 * 4, "the KL must have ended an update for this to mean anything"
    first = [kind.value for index, kind in kinds if index == 1]
    epoch = ["loss", "gradient", "step"] * 4 + ["epoch"]
    if gathers:
        epoch = ["loss", "loss", "gradient", "step"] * 2 + ["epoch"]
    assert first == ["advantages", *epoch * (len(first) // len(epoch)), "update"]


def test_what_one_that_remembers_does_is_measured_beside_it_to_the_bit(monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--lstm", "--iterations", "2"])

    def trained_here():
        lookout = Lookout()
        lookout.begin()
        runpy.run_path(str(SCRIPT), run_name="__main__")
        lookout.end(whole=True)
        lookout.loop.watcher.close()
        return capfd.readouterr().out.splitlines()[-1]

    found = {}
    for yes in (False, True):
        with beside(monkeypatch, yes) as clerks:
            digest, _, rows, _ = shown_here(monkeypatch, trained_here)
        assert [one._begun for one in clerks] == [True] * yes
        found[yes] = digest, bare(rows)
    assert found[True] == found[False] and min(found[True][1]["final_kl_exact"]) > 0


def test_what_is_set_holds_from_the_next_update_on(monkeypatch, capfd):
    made_with, terms = {}, {}

    def at(loop, phase):
        update = phase.update
        made_with[update.index] = (update.settings.clip_range, update.settings.value_coef, update.settings.epochs)
        if phase.kind is PhaseKind.LOSS:
            terms[update.index] = len(update.told)
        if update.index == 2 and phase.kind is PhaseKind.STEP and len(update.told) == 3:
            for name, value in {"clip_range": 0.05, "value_coef": 0.4, "epochs": 2, "learning_rate": 1.0}.items():
                loop.watcher.orders.obey({"type": "set", "name": name, "value": value, "id": None})

    followed(monkeypatch, capfd, at=at)
    assert made_with == {1: (0.2, 0.25, 3), 2: (0.2, 0.25, 3), 3: (0.05, 0.4, 2), 4: (0.05, 0.4, 2)}
    assert terms == {1: 12, 2: 12, 3: 8, 4: 8}, "α is the script's to move"


def test_another_agent_of_the_same_script_is_a_run_of_its_own(monkeypatch, capfd, tmp_path):
    """One seed after the other: by the first one's policy and environments nothing of the second is measured."""
    several = tmp_path / "several.py"
    several.write_text(f"import runpy\nfor _ in range(2):\n    runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n")
    loops, ended = [], []

    def at(loop, phase):
        if phase.kind is PhaseKind.UPDATE:
            loops.append(loop)
            agent, batch = loop.found.variables["agent"], phase.update.batch
            with torch.no_grad():
                assert torch.equal(loop.policy.judge(batch)[1], agent.get_value(batch.observations).flatten())
            ended.append((phase.update.index, loop.steps, loops[0].watcher.off))

    lookout, printed = followed(monkeypatch, capfd, "--iterations", "2", at=at, script=several)
    assert len({line for line in printed.out.splitlines() if "[" not in line}) == 1, "both train alike"
    assert loops[0] is loops[1] is not loops[2] is loops[3] is lookout.loop
    assert ended == [(1, 128, False), (2, 256, False), (1, 128, False), (2, 256, True)], "it may have learned in turns"
    envs = loops[0].found.variables["envs"]
    assert envs.step.__func__ is type(envs).step


OTHER_ALPHA = (
    ('optimizer.param_groups[0]["lr"] = (1.0 - iteration / args.iterations) * args.learning_rate', "pass"),
    ("= 0.5, 0.01, True, True, True", "= 0.5, 0.01, False, True, True"),
    (" optimizer", " actor_optimizer"),
    ("(optimizer", "(actor_optimizer"),
)


def test_another_learning_rate_is_that_of_the_policy_and_the_critic_keeps_its_proportion(monkeypatch, capfd, tmp_path):
    found = []

    def at(loop, phase):
        update, variables = phase.update, loop.found.variables
        if phase.kind is PhaseKind.UPDATE:
            rates = [variables[name].param_groups[0]["lr"] for name in ("actor_optimizer", "critic_optimizer")]
            found.append((update.learning_rate, *rates, update.known["memory_before"], update.known["memory_after"]))
        elif update.index == 1 and phase.kind is PhaseKind.STEP and len(update.told) == 3:
            loop.watcher.orders.obey({"type": "set", "name": "learning_rate", "value": 0.002, "id": None})

    script = changed(tmp_path, *OTHER_ALPHA)
    _, printed = followed(monkeypatch, capfd, "--iterations", "2", "--apart", "steps", at=at, script=script)
    assert len(printed.out.splitlines()[-1]) == 64, "its digest"
    assert found[0] == (0.01, 0.01, 0.03, 0.0, 8.0)
    assert found[1] == (0.002, 0.002, pytest.approx(0.006), 8.0, 8.0)


FROZEN = """    fields = [(name, object, dataclasses.field(default=value)) for name, value in vars(args).items()]
    return dataclasses.make_dataclass("Args", fields, frozen=True)()
"""


def test_what_is_frozen_cannot_be_set(monkeypatch, capfd, tmp_path):
    script = changed(
        tmp_path, ("    return args\n", FROZEN), ("import argparse", "import argparse\nimport dataclasses")
    )
    lookout, printed = followed(monkeypatch, capfd, "--iterations", "1", script=script)
    assert len(printed.out.splitlines()[-1]) == 64 and not lookout.loop.watcher.orders.changeable


HIDDEN = (
    (" critic_optimizer =", " agent.critic_optimizer ="),
    ("(optimizer, critic_optimizer)", "(agent.optimizer, agent.critic_optimizer)"),
    (" optimizer = torch.optim.Adam(actors", " agent.optimizer = torch.optim.Adam(actors"),
    (" optimizer.param_groups", " agent.optimizer.param_groups"),
)


def test_how_many_steps_a_minibatch_takes_is_learned_where_no_variable_is_an_optimizer(monkeypatch, capfd, tmp_path):
    kinds, losses = [], []

    def at(loop, phase):
        if phase.update.index == 2:
            kinds.append(phase.kind.value)
        if phase.kind is PhaseKind.UPDATE:
            losses.append(phase.update.known["told_loss"])
        if phase.kind is PhaseKind.STEP and phase.update.index == 2:  # the critic has made its step, too
            variables = loop.found.variables
            changes = variables["agent"].critic_optimizer.state[variables["critics"][0]]["step"]
            assert changes == 12 + len(phase.update.told)

    options = "--iterations", "2", "--raw", "--apart", "steps"
    _, printed = followed(monkeypatch, capfd, *options, at=at, script=changed(tmp_path, *HIDDEN))
    told = [json.loads(line)[3] for line in printed.out.splitlines() if "[" in line]
    assert losses == pytest.approx(told[11::12], rel=1e-6)
    assert kinds == ["advantages", *(["loss", "gradient", "step"] * 4 + ["epoch"]) * 3, "update"]


BESIDES = """
                predictor_optimizer.zero_grad()
                predictor(b_obs[mb_inds]).square().mean().backward()
                nn.utils.clip_grad_norm_(predictor.parameters(), args.max_grad_norm)
                predictor_optimizer.step()
"""
PREDICTOR = """
    predictor = nn.Linear(4, 1)
    predictor_optimizer = torch.optim.Adam(predictor.parameters())
"""


def test_what_is_learned_besides_belongs_to_no_minibatch(monkeypatch, capfd, tmp_path):
    """A predictor for a bonus, say, with an optimizer of its own."""
    limited, made = (
        '                if args.apart != "gathered" or minibatch % 2 == 0:\n',
        "    layout = args.num_steps",
    )
    script = changed(tmp_path, (limited, BESIDES + limited), (made, PREDICTOR + made))
    kinds, norms, losses = [], [], []

    def at(loop, phase):
        update = phase.update
        kinds.append(phase.kind.value)
        if phase.kind is PhaseKind.LOSS:
            gradients = zip((1.0, 0.25, -0.01), loop.policy.differentiate(update, update.minibatches[-1]), strict=True)
            norms.append(np.linalg.norm(sum(weight * gradient for weight, gradient in gradients)))
        elif phase.kind is PhaseKind.UPDATE:
            losses.append(update.known["told_loss"])
            assert [float(one) for one in update.gradient_norms.values()] == pytest.approx(norms, rel=1e-4)

    _, printed = followed(monkeypatch, capfd, "--iterations", "1", at=at, script=script)
    told = [json.loads(line)[3] for line in printed.out.splitlines() if "[" in line]
    assert kinds == ["advantages", *(["loss", "gradient", "step"] * 4 + ["epoch"]) * 3, "update"]
    assert losses == pytest.approx(told[-1:], rel=1e-6)


def test_a_minibatch_of_which_v_comes_after_the_policys_step_is_not_shown_and_why_is_said(monkeypatch, capfd, tmp_path):
    """What is called V at its first backward is that of the minibatch before."""
    late = (
        "one.zero_grad()\n                        if weights is critics:\n                            newvalue = fresh"
    )
    script = changed(tmp_path, ("newvalue", "fresh"), ("one.zero_grad()", late))
    lookout, printed = followed(monkeypatch, capfd, "--iterations", "2", "--apart", "steps", script=script)
    assert lookout.loop.watcher.off and len(printed.out.splitlines()[-1]) == 64, "its digest"
    assert "at one backward newlogprob is another one than at the one before, and newvalue is not" in printed.err


UNEVEN = "range(0, 2 * 75, 37)", "range(0, 2 * 75 - 36, 37)"
"""As CleanRL cuts minibatches, and with what is left of the samples left out."""


@pytest.mark.parametrize(("starts", "count"), [(UNEVEN[0], 5), (UNEVEN[1], 4)])
def test_an_update_ends_with_its_last_minibatch_where_they_do_not_come_out_even(
    starts, count, monkeypatch, capfd, tmp_path
):
    uneven, cut = tmp_path / "uneven.py", "np.split(envinds if args.lstm else b_inds, args.num_minibatches)"
    written = SCRIPT.read_text().replace('"num_steps": 64', '"num_steps": 75')
    uneven.write_text(written.replace(cut, f"(b_inds[start : start + 37] for start in {starts})"))
    found = []

    def at(_, phase):
        update = phase.update
        if phase.kind is PhaseKind.UPDATE:
            assert not update.stopped_by_kl, "its end was noticed only when the next one began"
            assert [one.epoch for one in update.minibatches] == [*[1] * count, *[2] * count, *[3] * count]
            assert update.settings.minibatches == count
            found.extend(float(one.loss) for one in update.minibatches)

    _, printed = followed(monkeypatch, capfd, "--iterations", "2", at=at, script=uneven)
    theirs = [json.loads(line)[3] for line in printed.out.splitlines() if "[" in line]
    assert found == pytest.approx(theirs, rel=1e-5)


def test_a_loss_that_is_another_one_is_not_shown_and_says_why(monkeypatch, capfd):
    lookout, printed = followed(monkeypatch, capfd, "--strange", "--iterations", "1")
    assert lookout.loop is None and lookout.calls == 12
    assert printed.err.count("is not shown: its loss is ") == 1 and "(it was called 12 times)" in lookout.why_none()


def test_which_term_of_a_loss_is_another_one_is_said_in_the_terminal_and_on_the_page(monkeypatch, capfd, tmp_path):
    source, told = SCRIPT.read_text(encoding="utf-8"), []
    (script := tmp_path / "script.py").write_text(source.replace("b_returns[mb_inds]", "b_returns[: len(mb_inds)]"))
    monkeypatch.setattr("ppo_scope.attach.script.tell", lambda _, news: told.append(news))
    refused = partial(of_a_script._refuse, Inserter(Beginning(), "script.py", asked=False))
    monkeypatch.setattr(Lookout.__init__, "__defaults__", (None, refused, *Lookout.__init__.__defaults__[2:]))
    _, printed = followed(monkeypatch, capfd, "--iterations", "1", script=script)
    (news,) = told
    why = news.why.partition(" Two other ways: ")[0]
    assert "; v_loss is " in why and "pg_loss" not in why
    assert why in printed.err and news.lines is not None and news.lines in printed.err


def test_an_error_of_ours_at_the_first_look_ends_no_script(monkeypatch, capfd):
    monkeypatch.setattr("ppo_scope.attach.single_file.proven_loss.check_moved", lambda *_: 1 / 0)
    lookout, printed = followed(monkeypatch, capfd, "--iterations", "1")
    assert lookout.loop is None and "(division by zero)" in printed.err
    assert len(printed.out.splitlines()[-1]) == 64, "its digest"


def test_watched_by_the_command_it_prints_what_it_would_and_every_row_is_there():
    numbers, digest = plain()
    server = waiting_server()
    try:
        done = trained("-W", "ignore", "-m", "ppo_scope.attach.script", str(SCRIPT), PPO_SCOPE_URL=server.url)
        assert done.stdout.splitlines()[-1] == digest, done.stderr
        shown = the_run(server, state="finished")
        rows, first = rows_of(server, shown["id"])
    finally:
        server.kill()
    assert (shown["environment"], shown["seed"], first, len(rows["loss"])) == ("CartPole-v1", 1, 1, 4)
    by_update = numbers.reshape(4, 12, 4).mean(1)
    assert rows["policy_loss"] == pytest.approx(by_update[:, 0], abs=1e-6)
    assert rows["loss"] == pytest.approx(by_update[:, 3], rel=1e-6, abs=1e-6)
    assert rows["episodic_return_mean"][-1] > 5


def test_a_scaled_reward_is_nobodys_return_not_in_the_first_rollout_either():
    def made():
        one = gym.wrappers.RecordEpisodeStatistics(gym.make("Pendulum-v1", max_episode_steps=20))
        return gym.wrappers.NormalizeReward(one)

    envs = gym.vector.SyncVectorEnv([made, made])
    envs.reset(seed=1)

    def rollout():
        steps = [envs.step(envs.action_space.sample()) for _ in range(45)]
        ends = np.array([one[2] | one[3] for one in steps])
        return np.array([one[1] for one in steps], np.float32), np.zeros_like(ends), ends

    before = rollout()
    acting = Acting(envs)
    cut, episodes = acting.rollout(*before, 0)
    assert before[2].sum() >= 4 and not cut.any() and episodes == []
    _, episodes = acting.rollout(*rollout(), 90)
    assert len(episodes) >= 4 and max(one.episodic_return for one in episodes) < -20


class Pool:
    """As EnvPool plays Atari for CleanRL: two games of two lives, rewards cut to their sign, the older interface."""

    def __init__(self):
        self.config = {"episodic_life": True, "reward_clip": True}
        self.time = 0

    def step(self, _):
        self.time += 1
        over = self.time % 4 == 0
        info = {"lives": np.full(2, 1 if self.time % 8 else 0), "r": np.full(2, 30.0), "l": np.full(2, 8)}
        return np.zeros((2, 1)), np.ones(2), np.full(2, over), info


class RecordEpisodeStatistics(gym.Wrapper):
    def __init__(self, env):
        self.env = env

    def step(self, action):
        return self.env.step(action)


def test_a_life_is_nobodys_return_not_in_the_first_rollout_either():
    envs = RecordEpisodeStatistics(Pool())
    acting = Acting(envs)
    lost = np.zeros((8, 2), bool)
    lost[3] = lost[7] = True
    starts = np.zeros_like(lost)
    assert acting.rollout(np.ones((8, 2), np.float32), starts, lost, 0)[1] == [], "of those that went by unheard"
    for _ in range(8):
        envs.step(None)
    told = acting.rollout(np.ones((8, 2), np.float32), starts, lost, 16)[1]
    assert [(one.episodic_return, one.length) for one in told] == [(30.0, 8)] * 2


def test_the_step_that_begins_the_next_episode_is_none_of_it():
    """In either of two rollouts, the first of which ends with an end. Its reward is whatever the script makes of 0."""
    envs = gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync")
    acting, made = Acting(envs), []
    starts = np.zeros((6, 2), np.bool_)
    starts[3, 0] = True
    ends = np.roll(starts, -1, 0)
    ends[5, 1] = True
    for _ in range(2):
        rewards = np.where(starts, np.float32(7), np.float32(1))
        made += acting.rollout(rewards, starts, ends, 12 * len(made) // 2)[1]
        starts[0] = ends[-1]
    assert acting.resets_late
    assert [(one.episodic_return, one.length) for one in made] == [(3, 3), (6, 6), (5, 5), (5, 5)]
    assert [one.step for one in made] == [6, 12, 18, 24]


@pytest.mark.skipif("CLEANRL" not in os.environ, reason="CLEANRL names no folder with CleanRL's files")
@pytest.mark.parametrize("name", ["ppo.py"])
def test_the_true_file(name, tmp_path):
    """CleanRL's own, in whose surroundings this runs: it writes where it is begun."""
    command = [sys.executable, "-m", "ppo_scope.attach.script", str(Path(os.environ["CLEANRL"]) / name)]
    variables = environment() | {"PYTHONWARNINGS": "ignore", "PPO_SCOPE_URL": nowhere()}
    asked = [*command, "--total-timesteps", "2048"]
    done = subprocess.run(asked, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert "is not reached at" in done.stderr, "a loop was found: it looked for its server"
    assert not any(word in done.stderr for word in ("No PPO was found", "is not shown", "watches no more"))
