"""A PPO of Stable-Baselines3, watched: its bits stay, and it is told what to do from a page."""

import gc
import itertools
import json
import math
import threading
import warnings
import weakref

import numpy as np
import pytest
import torch
from sb3_contrib import MaskablePPO
from sb3_contrib.common.envs import InvalidActionEnvDiscrete
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback
from torch.nn.utils import parameters_to_vector

from ppo_scope.attach.sb3.stable_baselines import Watched, watch
from ppo_scope.probes.cost import Budget
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import PROBES, measure
from ppo_scope.probes.record import PhaseKind
from ppo_scope.wire.codes import Refused
from tests.attach import sb3_loop
from tests.attach.elsewhere import beside, leading, newcomer, nowhere, rows_of, set_nowhere, the_run, waiting_server
from tests.server.scope_page import wait_for

pytestmark = pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")
UPDATES = 4
STEPS = 128 * UPDATES


@pytest.fixture(scope="module")
def server():
    server = waiting_server()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def leader(server):
    with leading(server) as page:
        yield page


CASES = {
    "discrete": {},  # whose last minibatch is smaller than the others
    "continuous, stopped early": {"env": "Pendulum-v1", "target_kl": 0.002, "clip_range_vf": 0.2},
    "one network": {"policy_kwargs": {"share_features_extractor": True, "net_arch": [16]}, "ent_coef": 0.01},
    "masked": {"masked": True, "ent_coef": 0.01},
    "recurrent": {"recurrent": True, "ent_coef": 0.01},
    "of several parts": {"several": True},
    "recurrent, of several parts": {"several": True, "recurrent": True},
}


@pytest.mark.parametrize("case", CASES)
def test_the_weights_are_the_same_with_every_probe_on(case, server, leader, monkeypatch):
    settings, updates = CASES[case], 3
    _, plain = sb3_loop.main(128 * updates, plain=True, **settings)
    monkeypatch.setenv("PPO_SCOPE_URL", server.url)
    seen = len(leader.messages)
    model = sb3_loop.made(**settings)
    watched = Watched(model, None, True)
    driver = Driver(leader, seen)
    driver.start()
    model.learn(128 * updates)
    watched.watcher.close()
    driver.join(30)
    run = the_run(server, state="finished")
    assert sb3_loop.digest(model) == plain
    rows, first = rows_of(server, run["id"])
    assert first == 1 and len(rows["loss"]) == updates
    assert max(rows["first_ratio_error"]) < 1e-5
    assert np.isfinite(rows["explained_variance"]).all() and np.isfinite(rows["gradient_norm"]).any()
    shown = [header for header in leader.headers("snapshot") if header["run"] == run["id"]]
    measured = set().union(*(header["measured"] for header in shown))
    assert measured >= {"ratio", "samples", "policy", "gradients", "direction", "minibatches", "values"}
    assert not any(header["failed"] for header in shown), shown[-1]["failed"]
    assert {"loss", "gradient", "step"} <= {header["phase"] for header in shown}


class Driver:
    """Somebody at the page: looks at everything, steps by phase through an update, then plays."""

    def __init__(self, page, since):
        self._page, self._since = page, since
        self._thread = threading.Thread(target=self._work)
        self.start, self.join = self._thread.start, self._thread.join

    def _work(self):
        page, since = self._page, self._since
        run = newcomer(page, since)
        page.ask("open", led=False, run=run)
        page.wait("lease", since=since, holder=True)
        page.ask("watch", led=False, probes=sorted(PROBES), environment=None)
        page.wait("state", since=since, run=run, state="paused")
        for _ in range(6):
            before = len(page.messages)
            page.ask("step", size="phase")
            page.wait("state", since=before, run=run, state="paused")
        page.ask("play", pace=None)


def trained_from(change, at, steps):
    """Of a model that nobody watches, to which `change` is done after so many steps: the weights' digest, and how far
    each update has moved them, ‖Δθ‖ ⁄ ‖θ‖.
    """
    model, weights = sb3_loop.made(), []

    def apply(found, _):
        if found["self"].num_timesteps % 128 == 0:
            weights.append(parameters_to_vector(model.policy.parameters()).detach().clone())
        if found["self"].num_timesteps == at:
            change(model)
        return True

    model.learn(steps, callback=apply)
    weights.append(parameters_to_vector(model.policy.parameters()).detach())
    moved = [float((after - before).norm() / before.norm()) for before, after in itertools.pairwise(weights)]
    return sb3_loop.digest(model), moved


def lower(model):
    model.clip_range, model.n_epochs = (lambda _: 0.001), 2


@pytest.mark.parametrize("which", ["old", "new"])
def test_an_update_is_made_a_second_time_and_nothing_else_moves(which, server, leader, monkeypatch):
    """Weights afterwards: of a run in which nothing was tried, or of one that was always made with what was kept."""
    made = {"old": trained_from(lambda _: None, 0, STEPS), "new": trained_from(lower, 2 * 128, STEPS)}
    expected, moved = made[which]
    monkeypatch.setenv("PPO_SCOPE_URL", server.url)
    page, since = leader, len(leader.messages)
    model, refused = sb3_loop.made(), []
    watched = Watched(model, None, True)

    def work():
        run = newcomer(page, since)
        page.ask("open", led=False, run=run)
        page.wait("lease", since=since, holder=True)
        page.wait("state", since=since, run=run, state="paused")
        for _ in range(2):
            before = len(page.messages)
            page.ask("step", size="update")
            page.wait("state", since=before, run=run, state="paused")
        refused.append(page.ask("redo", settings={"clip_range": 0.001, "epochs": 2}))
        refused.append(page.ask("play", pace=None))
        page.ask("keep", which=which)
        page.ask("play", pace=None)

    thread = threading.Thread(target=work)
    thread.start()
    model.learn(STEPS)
    watched.watcher.close()
    thread.join(30)
    run = the_run(server, state="finished")
    assert refused[0]["type"] == "ack" and "none is chosen yet" in refused[1]["message"]
    assert sb3_loop.digest(model) == expected
    shown = [one for one in leader.headers("comparison") if one["run"] == run["id"]]
    assert [one["open"] for one in shown] == [True, False]
    assert shown[0]["settings"]["old"]["clip_range"] == 0.2 and shown[0]["settings"]["new"]["clip_range"] == 0.001
    rows, first = rows_of(server, run["id"])
    assert first == 1 and len(rows["loss"]) == UPDATES
    assert shown[0]["scalars"]["old_clip_fraction"] < shown[0]["scalars"]["new_clip_fraction"]
    assert (rows["clip_fraction"][1] > 0.1) is (which == "new"), "the row is that of what was kept"
    for name, (_, each) in made.items():
        assert shown[0]["scalars"][f"{name}_theta_change"] == pytest.approx(each[1], rel=1e-4)
    assert rows["theta_change"] == pytest.approx(moved, rel=1e-4)


def test_an_update_that_began_unseen_is_not_made_a_second_time(monkeypatch):
    set_nowhere(monkeypatch)
    expected = sb3_loop.main(3 * 128, plain=True)[1]
    model, refused = sb3_loop.made(), []
    watched = Watched(model, None, False)
    reached = watched.watcher.reached

    def tell(phase):
        if phase.kind is PhaseKind.UPDATE:
            with pytest.raises(Refused, match="Nobody looked when this update began") as why:
                watched.again({"clip_range": 0.1})
            refused.append(why)
        reached(phase)

    watched.watcher.reached = tell
    model.learn(3 * 128)
    watched.watcher.close()
    assert len(refused) == 3 and sb3_loop.digest(model) == expected, "and nothing has moved"


def test_whatever_can_be_set_can_be_switched_off_and_trains_on(monkeypatch, capfd):
    set_nowhere(monkeypatch)
    model = sb3_loop.made(max_grad_norm=math.inf)
    watched, facts = Watched(model, nowhere(), False), []
    wanted = [
        {},
        {"max_grad_norm": 0.5, "target_kl": 0.01, "clip_range": 0.3},
        {"max_grad_norm": None},
        {"target_kl": None},
    ]
    wanted += [{"value_coef": 1.0, "entropy_coef": 0.01, "epochs": 2}, {}]
    begins = iter(wanted)
    monkeypatch.setattr(watched.watcher, "begins", lambda: next(begins))
    update = watched.settings.update
    monkeypatch.setattr(watched.settings, "update", lambda: update() or facts.append(watched.settings.facts))
    model.learn(6 * 128)
    watched.watcher.close()
    assert "watches no more" not in capfd.readouterr().err and model.num_timesteps == 6 * 128
    json.dumps([one.all() for one in facts], allow_nan=False)
    assert [facts[0].max_grad_norm, facts[-1].max_grad_norm] == [None, None] and 0.5 in {
        one.max_grad_norm for one in facts
    }
    assert model.max_grad_norm == math.inf and facts[-1].epochs == 2 and 0.01 in {one.target_kl for one in facts}


def test_noise_that_depends_on_the_state_is_shown_without_its_policy(monkeypatch, capfd):
    set_nowhere(monkeypatch)
    settings = {"env": "Pendulum-v1", "use_sde": True}
    assert sb3_loop.main(256, **settings)[1] == sb3_loop.main(256, plain=True, **settings)[1]
    assert "watches no more" not in capfd.readouterr().err


def test_a_model_that_is_watched_is_saved_as_ever(tmp_path, monkeypatch):
    set_nowhere(monkeypatch)
    model, digest = sb3_loop.main(128)
    model.save(tmp_path / "model.zip")
    again = PPO.load(tmp_path / "model.zip", device="cpu")
    assert sb3_loop.digest(again) == digest and type(again) is PPO and isinstance(model, PPO)


def test_what_is_no_ppo_of_theirs_is_refused_with_a_sentence():
    with pytest.raises(TypeError, match=r"this is A2C\. A2C makes one step with each rollout and has no ratio"):
        watch(A2C("MlpPolicy", "CartPole-v1", device="cpu"))
    with pytest.raises(TypeError, match=r"this is DQN\. It has a loss of its own"):
        watch(DQN("MlpPolicy", "CartPole-v1", device="cpu"))
    with pytest.raises(TypeError, match=r"this is a dict\. A loop of one's own is shown by ppo_scope\.Scope"):
        watch({})


def test_a_ppo_of_another_library_is_refused_by_the_name_of_that():
    other = type("PPO", (), {"__module__": "elsewhere.agents.ppo"})
    with pytest.raises(TypeError, match=r"of TorchRL, and this is a PPO of elsewhere\. A loop of one's own"):
        watch(other())


def test_an_error_of_ours_in_the_middle_leaves_the_bits_alone(monkeypatch, capfd):
    set_nowhere(monkeypatch)
    _, plain = sb3_loop.main(STEPS, plain=True)
    model = sb3_loop.made()
    watched = Watched(model, None, False)
    reached = watched.watcher.reached

    def breaks(phase):
        if phase.kind is PhaseKind.STEP and phase.update.index == 3:
            raise RuntimeError("a fault of ours")
        reached(phase)
        watched.watcher.next_look = 0.0  # each phase is looked at, whatever the time

    watched.watcher.reached = breaks
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.learn(STEPS)
    assert sb3_loop.digest(model) == plain
    assert capfd.readouterr().err.count("watches no more; the training goes on") == 1


def test_schedules_are_followed_and_a_callback_is_called_as_ever(monkeypatch):
    set_nowhere(monkeypatch)
    steps = []
    model = sb3_loop.made(clip_range=lambda left: 0.1 + 0.1 * left, learning_rate=lambda left: 1e-3 * left)
    watched = Watched(model, None, False)
    seen = []
    watched.watcher.reached = lambda phase: seen.append(phase)
    model.learn(512, callback=lambda found, _: steps.append(found["self"].num_timesteps) or True)
    updates = {phase.update.index: phase.update for phase in seen}
    assert [one.settings.clip_range for one in updates.values()] == pytest.approx([0.175, 0.15, 0.125, 0.1])
    assert [one.learning_rate for one in updates.values()] == pytest.approx([7.5e-4, 5e-4, 2.5e-4, 0.0])
    assert steps == list(range(1, 513))
    first = updates[1]
    assert first.rollout.rewards.tolist() == [[1.0]] * 128, "as the environment gave them"
    kinds = [phase.kind.value for phase in seen if phase.update is first]
    assert kinds == ["advantages", *(["loss", "gradient", "step"] * 3 + ["epoch"]) * 3, "update"]
    watched.watcher.close()


def test_after_an_interrupt_and_in_another_learn_updates_and_steps_go_on(monkeypatch, capfd):
    """As in a notebook: the rows of the series follow each other, and its axis of steps never goes back."""
    set_nowhere(monkeypatch)
    model = sb3_loop.made()
    watched = Watched(model, None, False)
    reached, ended, limited = watched.watcher.reached, [], []
    limit = torch.nn.utils.clip_grad_norm_

    def noted(phase):
        if phase.kind is PhaseKind.UPDATE:
            ended.append((phase.update.index, watched.steps, len(phase.update.minibatches)))
        reached(phase)

    def stops(*arguments, **named):
        limited.append(limit(*arguments, **named))
        if len(limited) == 2:
            raise KeyboardInterrupt
        return limited[-1]

    watched.watcher.reached = noted
    model.learn(2 * 128)
    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.utils, "clip_grad_norm_", stops)
        with pytest.raises(KeyboardInterrupt):
            model.learn(2 * 128)
    model.learn(128, reset_num_timesteps=False)
    model.learn(128)
    watched.watcher.close()
    assert ended == [(1, 128, 9), (2, 256, 9), (3, 384, 2), (4, 512, 9), (5, 640, 9)]
    assert "watches no more" not in capfd.readouterr().err


def test_a_policy_of_double_precision_is_shown_as_any_other(monkeypatch):
    set_nowhere(monkeypatch)
    model, failed = sb3_loop.made(n_steps=64), {}
    model.policy.double()
    model.policy.features_extractor.register_forward_hook(lambda *told: told[-1].double())
    watched = Watched(model, None, False)
    reached = watched.watcher.reached

    def noted(phase):
        measured = measure(Moment(watched, phase), frozenset(PROBES), budget := Budget())
        failed.update({**budget.failed, **measured.lacks})
        reached(phase)
        watched.watcher.next_look = 0.0  # as if somebody waited for every phase

    watched.watcher.reached = noted
    model.learn(128)
    watched.watcher.close()
    assert failed == {}


def test_a_sample_alone_in_its_minibatch_is_not_normalised_and_nothing_is_said(monkeypatch):
    """Stable-Baselines3 leaves its Â as it is: of one number there is no deviation."""
    set_nowhere(monkeypatch)
    with beside(monkeypatch, False):
        watched = Watched(model := sb3_loop.made(env="Pendulum-v1", n_steps=100, batch_size=33), None, False)
        model.learn(400)
        watched.watcher.close()
    assert "other_advantages" not in {row["name"] for row in watched.watcher._report._health.history()}


class Forced(InvalidActionEnvDiscrete):
    """One action is left in each state."""

    def action_masks(self):
        return [action == self.state for action in range(self.action_space.n)]


def test_where_masks_leave_one_action_no_step_can_move_the_policy(monkeypatch):
    set_nowhere(monkeypatch)
    with beside(monkeypatch, False):
        usual = {"n_steps": 64, "batch_size": 32, "n_epochs": 2, "seed": 3, "device": "cpu"}
        watched = Watched(model := MaskablePPO("MlpPolicy", Forced(dim=4), **usual), None, False)
        model.learn(6 * 64)
        watched.watcher.close()
    health = watched.watcher._report._health
    assert "untrained_network" not in {row["name"] for row in health.history()}
    assert "nothing to choose" in health.unknown()["untrained_network"]["why"]


def test_a_model_that_nobody_has_any_more_is_let_go_of_and_its_run_is_over(server, monkeypatch):
    """In a study models come and go: each would keep its memory, its threads and a process of its own."""
    monkeypatch.setenv("PPO_SCOPE_URL", server.url)
    with beside(monkeypatch, True) as clerks:
        threads = threading.active_count()
        model = sb3_loop.made()
        gone = weakref.ref(watch(model))
        model.learn(6 * 128)
        wait_for(lambda: json.loads(server.get("api/runs"))[0]["update"] == 6)
        assert threading.active_count() > threads and clerks[0].at_work
        del model
        gc.collect()
        assert gone() is None
        run = the_run(server, state="finished")
        wait_for(lambda: threading.active_count() <= threads)
    assert clerks[0].ended
    assert len(rows_of(server, run["id"])[0]["loss"]) == 6


def test_models_that_train_at_once_are_each_told_what_is_theirs(monkeypatch, capfd):
    set_nowhere(monkeypatch)
    before = torch.nn.utils.clip_grad_norm_, np.random.permutation
    together, ended = threading.Barrier(2, timeout=60), []

    class Waiting(BaseCallback):
        def _on_step(self):
            return True

        def _on_rollout_end(self):
            together.wait()

    def learn(epochs):
        model = sb3_loop.made(n_epochs=epochs)
        reached = (watched := Watched(model, None, False)).watcher.reached

        def noted(phase):
            if phase.kind is PhaseKind.UPDATE:
                told, norms = phase.update.minibatches, phase.update.gradient_norms
                held = sorted(np.concatenate([one.samples[one.trained] for one in told if one.epoch == 1]))
                ended.append((epochs, len(told), len(norms), held == list(range(128))))
            reached(phase)

        watched.watcher.reached = noted
        model.learn(3 * 128, callback=Waiting())
        watched.watcher.close()

    threads = [threading.Thread(target=learn, args=(epochs,)) for epochs in (2, 5)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert sorted(ended) == [(2, 6, 6, True)] * 3 + [(5, 15, 15, True)] * 3
    assert (torch.nn.utils.clip_grad_norm_, np.random.permutation) == before, "what was put in their place stays there"
    assert "watches no more" not in capfd.readouterr().err


@pytest.mark.parametrize("ends", ["elsewhere", "by KL"])
def test_at_full_speed_a_minibatch_is_noted_whose_gradient_nobody_limits(ends, monkeypatch):
    set_nowhere(monkeypatch)
    model = sb3_loop.made(**({"target_kl": 1e-6} if ends == "by KL" else {}))
    watched = Watched(model, None, False)
    seen = []
    watched.watcher.reached, watched.watcher.next_look = seen.append, math.inf
    if ends == "elsewhere":  # its norm is limited by what we do not hear of
        monkeypatch.setattr(watched, "_differentiated", lambda _: None)
    model.learn(256)
    for update in {phase.update.index: phase.update for phase in seen}.values():
        told, norms = [one.epoch for one in update.told], len(update.gradient_norms)
        if ends == "by KL":
            assert update.stopped_by_kl and 1 <= len(told) == norms + 1 < 9
        else:
            assert told == [1] * 3 + [2] * 3 + [3] * 3 and not norms
    watched.watcher.close()


def learned(server, monkeypatch, clerk, **settings):
    """The digest, the series, and whether the clerk was at work to the end."""
    monkeypatch.setenv("PPO_SCOPE_URL", server.url)
    model = sb3_loop.made(**settings)
    watched = Watched(model, None, False)
    report = watched.watcher._report
    if clerk == "none":
        report.close()
    else:
        wait_for(lambda: report._clerk.ready, timeout=120)
    if clerk == "dies":
        monkeypatch.setattr("ppo_scope.attach.report.TOGETHER", 1)  # it is missed at the next update

    def interfere(found, _):
        if clerk == "dies" and found["self"].num_timesteps == STEPS // 2 + 1:
            report.flush()  # what it has been handed, on however busy a machine
            report._clerk._process.kill()
            report._clerk._process.wait()
        return True

    model.learn(STEPS, callback=interfere)
    at_work = report._clerk is not None and report._clerk.at_work
    watched.watcher.close()
    rows, first = rows_of(server, the_run(server, state="finished")["id"])
    assert first == 1 and len(rows["loss"]) == UPDATES
    return sb3_loop.digest(model), rows, at_work


@pytest.mark.parametrize("recurrent", [False, True])
def test_what_is_measured_beside_the_loop_is_what_the_loop_would_find(recurrent, server, monkeypatch):
    settings = {"target_kl": 0.02, "recurrent": recurrent}
    here, series, at_work = learned(server, monkeypatch, "none", **settings)
    assert not at_work
    there, others, at_work = learned(server, monkeypatch, "beside", **settings)
    assert at_work and there == here
    for name, values in series.items():
        if "second" not in name:
            expected = [np.nan if value is None else value for value in values]
            found = [np.nan if value is None else value for value in others[name]]
            assert found == pytest.approx(expected, rel=1e-5, abs=1e-6, nan_ok=True), name
    if recurrent:
        return
    died, rows, at_work = learned(server, monkeypatch, "dies", target_kl=0.02)
    assert died == here and not at_work
    assert rows["loss"][0] == others["loss"][0] and rows["loss"][-1] == pytest.approx(series["loss"][-1])
