"""What ends a training in the middle of an update: that update is told as it is, and what was wrong with it."""

import math
import subprocess
import sys

import gymnasium as gym
import pytest
import torch
from stable_baselines3.common.callbacks import BaseCallback
from torch.distributions import Categorical

from ppo_scope.attach.own_loop.scope import Scope
from ppo_scope.attach.sb3.stable_baselines import Watched
from ppo_scope.probes.probes import PROBES
from ppo_scope.probes.record import PhaseKind
from ppo_scope.wire.frame import PROTOCOL
from tests.attach import own_loop, sb3_loop
from tests.attach.elsewhere import Door, leading, newcomer, rows_of, the_run, waiting_server
from tests.attach.one_file_followed import changed
from tests.live import environment
from tests.probes.plain_loop import PlainLoop
from tests.server.scope_page import Page


@pytest.fixture(scope="module")
def server():
    server = waiting_server()
    yield server
    server.kill()


def shown(server, run):
    """What a page that comes later is told of it."""
    door = Door(server)
    with Page(door, cookie=door.cookie, resume=False) as page:
        known = {"server_epoch": None, "run": None, "sequence": None, "session": door.session}
        page.say(type="resume", protocol=PROTOCOL, client="later", **known)
        page.ask("open", led=False, run=run)
        return page.until(lambda: next((one for one in reversed(page.headers("snapshot")) if one["run"] == run), None))


class TooFar(BaseCallback):
    """A step of infinite length in the third update."""

    def _on_step(self):
        return True

    def _on_rollout_end(self):
        if self.num_timesteps == 3 * 128:
            self.model.lr_schedule = lambda _: math.inf


class OneReward(gym.Wrapper):
    """NaN in the third rollout."""

    count = 0

    def step(self, action):
        seen, reward, *rest = super().step(action)
        self.count += 1
        return seen, math.nan if self.count == 300 else reward, *rest


CASES = {
    "a step too far": (dict, TooFar(), "100 % of the weights θ that the update has led to are NaN or infinite."),
    "a reward": (
        lambda: {"env": OneReward(gym.make("CartPole-v1"))},
        None,
        "R of 0.78 % of the update's samples is NaN",
    ),
}


@pytest.mark.parametrize("looks", [False, True])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")
def test_an_update_that_ends_with_nan_has_its_row_and_says_so(case, looks, server, monkeypatch):
    """torch's distributions raise at the next forward pass, in the midst of `train`."""
    settings, callback, summary = CASES[case]
    monkeypatch.setenv("PPO_SCOPE_URL", server.url)
    with leading(server) as page:
        since, model = len(page.messages), sb3_loop.made(**settings())
        watched = Watched(model, None, False)
        if looks:
            page.ask("open", led=False, run=newcomer(page, since))
            page.ask("watch", led=False, probes=sorted(PROBES), environment=None)
        with pytest.raises(ValueError, match="found invalid values"):
            model.learn(5 * 128, callback=callback)
        run = watched.watcher.run
        watched.watcher.close()
    assert the_run(server, id=run, state="finished")
    rows, first = rows_of(server, run)
    assert first == 1 and len(rows["loss"]) == 3
    last = shown(server, run)
    assert [one["name"] for one in last["findings"]] == ["not_finite_samples"]
    assert last["findings"][0]["summary"].startswith(summary)
    assert last["update"] == 3 and last["phase"] == "update" and not last["failed"]


def test_a_script_in_one_file_that_ends_so_has_its_row_and_says_so(server, tmp_path):
    """Its third rollout has a reward that is NaN."""
    reward = "rewards[step] = torch.tensor(reward)"
    script = changed(tmp_path, (reward, f"{reward} + (torch.nan if iteration == 2 and step == 9 else 0)"))
    command = [sys.executable, "-W", "ignore", "-m", "ppo_scope.attach.script", str(script)]
    made = {**environment(), "PPO_SCOPE_URL": server.url}
    done = subprocess.run(command, env=made, capture_output=True, text=True, check=False)
    assert done.stderr[done.stderr.index("Traceback") :].splitlines()[1].split('"')[1] == str(script), "as without us"
    assert done.returncode == 1 and "found invalid values" in done.stderr and "watches no more" not in done.stderr
    run = the_run(server, state="failed")
    assert run["cause"]["detail"].splitlines()[1].split('"')[1] == str(script)
    rows, first = rows_of(server, run["id"])
    assert first == 1 and len(rows["loss"]) == 3
    last = shown(server, run["id"])
    assert [one["name"] for one in last["findings"] if one["severity"] == "error"] == ["not_finite_samples"]
    assert last["update"] == 3 and last["phase"] == "update"


def test_a_loop_of_ones_own_that_is_left_so_has_its_row_and_says_so(server, monkeypatch):
    """Its policy is one that cannot be asked any more."""
    monkeypatch.setenv("PPO_SCOPE_URL", server.url)
    loop = PlainLoop()

    def judge(seen):
        outputs, values = own_loop.judge(loop, seen)
        return Categorical(logits=outputs).logits, values

    scope = Scope(clip_range=0.2, entropy_coef=0.01, epochs=2, minibatches=3, policy="discrete", judge=judge)
    for phase in loop.phases():
        own_loop.show(scope, phase.kind.value, phase.update)
        if phase.kind is PhaseKind.UPDATE:
            scope.update()
        if phase.update.index == 3 and phase.kind is PhaseKind.LOSS:
            break
    with torch.no_grad():
        loop.weights[0].fill_(math.nan)
    with pytest.raises(ValueError, match="found invalid values"):
        judge(phase.update.batch.observations)
    scope.close()
    run = the_run(server, state="finished")
    assert len(rows_of(server, run["id"])[0]["loss"]) == 3
    last = shown(server, run["id"])
    assert [one["name"] for one in last["findings"] if one["severity"] == "error"] == ["not_finite_samples"]
    assert last["update"] == 3 and last["phase"] == "update"
