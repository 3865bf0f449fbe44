"""The worker behind its two functions: commands go in, frames come out, and the training never notices who watches."""

import json
import multiprocessing
import pickle
import time

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.classic_control import CartPoleEnv

from ppo_scope.pictures import weights
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.probes import PROBES
from ppo_scope.wire import frame
from ppo_scope.wire.metrics import SERIES_COLUMNS
from ppo_scope.worker import worker
from ppo_scope.worker.due import SECONDS
from ppo_scope.worker.reporter import Reporter
from ppo_scope.worker.worker import Worker, main
from tests.worker.driver import ACTED, EVERYTHING, SETTINGS, Driver, rows_of, step


def headless(updates, **settings):
    trainer = Trainer(Settings.parse({**SETTINGS, **settings}))
    for phase in trainer.phases():
        if phase.kind is PhaseKind.UPDATE and phase.update.index == updates:
            trainer.close()
            return trainer.weights_sha256()
    raise AssertionError


@pytest.mark.parametrize("shared_network", [False, True])
def test_weights_are_the_same_headless_watched_and_stepped_by_hand(shared_network):
    """The promise that carries everything else: watching changes nothing, and stepping is the same run."""
    expected = headless(3, shared_network=shared_network)
    by_update = Driver([step()] * 3, shared_network=shared_network)
    watched = Driver([EVERYTHING, ACTED, *[step()] * 3], shared_network=shared_network)
    by_minibatch = Driver([EVERYTHING, ACTED, *[step("minibatch")] * 48, step()], shared_network=shared_network)
    by_phase = Driver([EVERYTHING, *[step("phase")] * (3 * (2 + 48 + 4 + 1))], shared_network=shared_network)
    played = Driver([EVERYTHING, {"type": "play"}], shared_network=shared_network, total_steps=3 * 4 * 32 - 60)
    assert [d.weights for d in (by_update, watched, by_minibatch, by_phase)] == [expected] * 4
    assert played.worker.trainer.updates == 3 and played.weights == expected
    assert len(watched.of("weights")) > 0, "they must have been handed to whoever acts with them"


def test_nothing_happens_while_paused():
    driver = Driver([])
    assert driver.worker.trainer.updates == driver.worker.trainer.steps == 0
    assert [e["state"] for e in driver.events("state")] == ["paused", "stopped"]


def test_stepping_by_update_stops_at_exactly_that_update():
    driver = Driver([step(id="a"), step(id="b"), step(id="c")])
    snapshots = [(h["update"], h["phase"]) for h, _ in driver.of("snapshot")]
    assert snapshots == [(0, "ready"), (1, "update"), (2, "update"), (3, "update")]
    assert [e["id"] for e in driver.events("reply")] == ["a", "b", "c"]
    assert [e["state"] for e in driver.events("state")] == ["paused", *["running", "paused"] * 3, "stopped"]


def test_stepping_by_minibatch_walks_all_of_them_and_then_the_next_update():
    driver = Driver([{"type": "watch", "probes": ["samples"]}, *[step("minibatch")] * 17])
    walked = [(h["update"], h["phase"], h["epoch"], h["minibatch"]) for h, _ in driver.of("snapshot")][2:]
    assert walked == [(1, "step", k, m) for k in range(1, 5) for m in range(1, 5)] + [(2, "step", 1, 1)]
    for _, arrays in driver.of("snapshot")[2:]:
        assert arrays["in_minibatch"].sum() == 32


def test_stepping_by_epoch_and_by_phase():
    driver = Driver([step("phase"), step("phase"), step("phase"), step("epoch"), step("epoch"), step("update")])
    walked = [(h["update"], h["phase"], h["epoch"], h["minibatch"]) for h, _ in driver.of("snapshot")][1:]
    assert walked == [
        (1, "rollout", 0, 0),
        (1, "advantages", 0, 0),
        (1, "loss", 1, 1),
        (1, "epoch", 1, 4),
        (1, "epoch", 2, 4),
        (1, "update", 4, 4),
    ]


def test_steps_that_come_faster_than_they_are_made_are_all_made():
    driver = Driver([step(), step(at_once=True), step(at_once=True)])
    assert driver.worker.trainer.updates == 3


def test_a_step_while_playing_is_a_conflict_and_changes_nothing():
    commands = [{"type": "play"}, step(id="no", at_once=True), {"type": "pause", "at_once": True}]
    driver = Driver(commands)
    (reply,) = driver.events("reply")
    assert (reply["id"], reply["code"]) == ("no", "conflict")
    assert driver.worker.trainer.updates == 0


def test_a_pause_shows_the_phase_that_the_run_is_at():
    driver = Driver([{"type": "play"}, {"type": "pause", "at_once": True}])
    last = driver.of("snapshot")[-1][0]
    paused = driver.events("state")[-2]
    assert paused["state"] == "paused"
    assert paused["snapshot"] == last["sequence"]


def test_a_changed_setting_is_used_from_the_next_update_on_and_announced():
    change = {"type": "set", "name": "clip_range", "value": 0.3, "id": "s"}
    driver = Driver([step(), change, step()])
    used = [h["settings"]["clip_range"] for h, _ in driver.of("snapshot")]
    assert used == [0.2, 0.2, 0.3]
    (announced,) = driver.events("change")
    assert [announced[k] for k in ("name", "old", "new", "first_update")] == ["clip_range", 0.2, 0.3, 2]
    assert any(e["pending"] == {"clip_range": 0.3} for e in driver.events("state"))
    assert driver.events("state")[-1]["pending"] == {}


def test_a_change_that_does_not_fit_is_refused_with_the_reason():
    driver = Driver([{"type": "set", "name": "minibatches", "value": 7, "id": "x"}, step()])
    (reply,) = driver.events("reply")
    assert reply["code"] == "invalid" and "does not divide" in reply["message"]
    assert driver.worker.trainer.updates == 1


def test_the_series_has_one_row_per_update_and_every_episode():
    driver = Driver([EVERYTHING, *[step()] * 5])
    rows = np.concatenate([arrays["rows"] for _, arrays in driver.of("series")])
    firsts = [header["first"] for header, _ in driver.of("series")]
    assert rows.shape == (5, len(SERIES_COLUMNS))
    assert firsts[0] == 1
    assert rows[:, SERIES_COLUMNS.index("steps")].tolist() == sorted(set(rows[:, 0].tolist()))
    episodes = np.concatenate([arrays["episodes"] for _, arrays in driver.of("series")])
    assert len(episodes) == len(driver.worker.trainer.episodes) > 10
    assert (episodes[:, 2] == episodes[:, 3]).all(), "CartPole pays 1 a step"


def test_only_what_is_watched_is_measured():
    driver = Driver([{"type": "watch", "probes": ["ratio"]}, step()])
    _, arrays = driver.of("snapshot")[-1]
    assert set(arrays) == {"ratio_counts", "ratio_outside"}
    assert driver.of("picture") == driver.of("weights") == []


MADE_AGAIN = ({"type": "redo", "settings": {"clip_range": 0.01}}, {"type": "keep", "which": "new"})


@pytest.mark.parametrize("commands", [(), MADE_AGAIN])
def test_who_begins_to_watch_a_paused_run_gets_its_present_state(commands):
    driver = Driver([step(), *commands, {"type": "watch", "probes": ["samples"]}])
    header, arrays = driver.of("snapshot")[-1]
    assert (header["update"], header["phase"]) == (1, "update")
    assert "region" in arrays


def test_the_end_of_the_run_is_a_state_and_not_the_end_of_looking():
    driver = Driver([{"type": "play"}, step(id="late"), {"type": "watch", "probes": ["ratio"]}], total_steps=200)
    assert driver.events("state")[-2]["state"] == "finished"
    assert driver.events("reply")[-1]["code"] == "not_running"
    assert "ratio_counts" in driver.of("snapshot")[-1][1]


def test_every_frame_has_the_next_number():
    driver = Driver([EVERYTHING, step(), step()])
    passed = [row[0] for h, _ in driver.of("passed") for row in h["passed"]]
    others = [h["sequence"] for h, _ in driver.frames if h["kind"] not in ("passed", "passing")]
    assert sorted(passed + others) == list(range(1, len(passed) + len(others) + 1))
    assert others == sorted(others) and passed == sorted(passed)
    assert {h["sequence"] for h, _ in driver.of("passing")} <= set(passed), "what is late has the number of its time"


def test_weights_are_handed_out_while_somebody_acts_with_them_and_seldom(monkeypatch):
    monkeypatch.setattr(weights, "SECONDS", 60.0)
    driver = Driver([ACTED, step(), step()])
    ((_, arrays),) = driver.of("weights")  # two updates later it is not time for more
    assert arrays["theta"].shape == driver.worker.trainer.network.theta.shape
    monkeypatch.setattr(weights, "SECONDS", 0.0)
    assert len(Driver([ACTED, step(), step()]).of("weights")) > 1
    assert len(Driver([ACTED, {**ACTED, "wanted": False}, step(), step()]).of("weights")) == 1, "nobody wants more"


def test_a_stop_hands_out_the_weights_that_the_run_stops_at():
    waits = [{"type": "look", "update": 9, "environment": 0, "step": 0}] * 2
    driver = Driver([ACTED, step(), *waits], normalize_observations=True)
    time.sleep(weights.SECONDS)
    driver.worker.report.hand_on_weights()
    header, arrays = driver.of("weights")[-1]
    assert (header["update"], header["phase"]) == (1, "update")
    assert arrays["theta"].tolist() == driver.worker.trainer.network.theta.tolist()
    assert arrays["observation_mean"].shape == arrays["observation_deviation"].shape == (4,)


def test_a_note_is_handed_out_to_who_asks_for_it():
    def look(update, step, id):
        return {"type": "look", "update": update, "environment": 1, "step": step, "id": id}

    driver = Driver([step(), look(1, 7, "yes"), look(1, 700, "no"), look(3, 7, "never")])
    ((header, arrays),) = driver.of("look")
    assert header["where"] == {"update": 1, "environment": 1, "step": 7}
    assert len(pickle.loads(arrays["state"].tobytes())["state"]) == 4
    replies = {e["id"]: e.get("message") for e in driver.events("reply")}
    assert replies["yes"] is None
    assert "no such sample" in replies["no"] and "while the run is stepped" in replies["never"]


def test_states_that_cannot_be_noted_end_no_run_and_are_said():
    driver = Driver([step(), step()], env="tests.environments.drawing:SecretState-v0")
    assert driver.worker.trainer.updates == 2
    header, _ = driver.of("snapshot")[-1]
    assert not header["pictured"] and "the state is a secret" in header["unpictured"]


class Slow(gym.Env):
    """Takes its time over every step."""

    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        time.sleep(0.03)
        return np.zeros(1, np.float32), 0.0, False, False, {}


def test_a_long_rollout_gives_signs_of_life():
    gym.register("ppo_scope_tests/Slow-v0", entry_point=Slow)
    driver = Driver([step()], env="ppo_scope_tests/Slow-v0", num_envs=1, rollout_steps=16, minibatches=1)
    signs = [header for header, _ in driver.of("progress") if (header["update"], header["phase"]) == (1, "rollout")]
    assert len(signs) >= 3


def test_a_run_can_be_stepped_through_its_last_update():
    driver = Driver([step("phase"), step("minibatch"), step("update"), step(id="late")], total_steps=10)
    walked = [(h["update"], h["phase"]) for h, _ in driver.of("snapshot")]
    assert walked == [(0, "ready"), (1, "rollout"), (1, "step"), (1, "update")]
    assert driver.events("state")[-2]["state"] == "finished"
    assert driver.events("reply")[-1]["code"] == "not_running"


def test_a_setting_of_a_finished_run_is_refused():
    driver = Driver([{"type": "play"}, {"type": "set", "name": "clip_range", "value": 0.1, "id": "s"}], total_steps=10)
    assert driver.events("reply")[-1]["code"] == "not_running"


class Poisoned(CartPoleEnv):
    """Pays a number that is none from its 40th step on, or breaks."""

    def __init__(self, breaks=False, **options):
        super().__init__(**options)
        self._breaks, self._steps = breaks, 0

    def step(self, action):
        self._steps += 1
        observation, reward, terminated, truncated, info = super().step(action)
        if self._steps > 40:
            if self._breaks:
                raise ValueError("the axle broke")
            reward = float("nan")
        return observation, reward, terminated, truncated, info


gym.register("ppo_scope_tests/Poisoned-v0", entry_point=Poisoned)
gym.register("ppo_scope_tests/Broken-v0", entry_point=Poisoned, kwargs={"breaks": True})


def test_what_is_not_finite_pauses_the_run_and_names_the_field():
    settings = {"env": "ppo_scope_tests/Poisoned-v0", "num_envs": 1, "rollout_steps": 16}
    driver = Driver([EVERYTHING, {"type": "play"}, {"type": "play"}], **settings)
    states = driver.events("state")
    causes = [state for state in states if state["cause"]]
    assert [state["state"] for state in causes] == ["paused", "paused"], "played again, it meets the same"
    assert "reward is not finite: environment 0" in causes[0]["cause"]["summary"]
    rows = np.concatenate([arrays["rows"] for _, arrays in driver.of("series")])
    assert len(rows) == driver.worker.trainer.updates == 2
    last, arrays = driver.of("snapshot")[-1]
    assert last["update"] == 2
    assert np.isfinite(arrays["reward"]).all(), "what is shown is the last good update, whole"
    finding = last["findings"][0]
    assert (finding["name"], finding["severity"], finding["since"]) == ("not_finite", "error", 3)
    assert "reward is not finite: environment 0" in finding["summary"]


def test_an_environment_that_breaks_fails_the_run_with_nothing_lost():
    frames = []

    class Out:
        def send_bytes(self, message):
            frames.append(frame.decode(message))

    commands, server = multiprocessing.Pipe(duplex=False)
    for command in (EVERYTHING, {"type": "play"}):
        server.send_bytes(json.dumps(command).encode())
    settings = {**SETTINGS, "env": "ppo_scope_tests/Broken-v0", "num_envs": 1, "rollout_steps": 4, "minibatches": 1}
    with server, pytest.raises(SystemExit):  # behind which nobody listens any more
        main(Out(), commands, "run", settings, True)
    last = frames[-1][0]
    assert (last["event"], last["state"]) == ("state", "failed")
    assert "the axle broke" in last["cause"]["summary"]
    assert "Poisoned" in last["cause"]["detail"] or "test_worker" in last["cause"]["detail"]
    rows = sum(len(arrays["rows"]) for header, arrays in frames if header["kind"] == "series")
    assert rows == 10, "every update that was finished before"


def test_series_of_several_rows_say_which_update_they_begin_with(monkeypatch):
    for kind in ("series", "snapshot", "unwatched"):  # with a snapshot go the rows before it
        monkeypatch.setitem(SECONDS, kind, 3600.0)
    driver = Driver([{"type": "play"}], total_steps=600)
    series = [(header["first"], len(arrays["rows"])) for header, arrays in driver.of("series")]
    firsts, counts = zip(*series, strict=True)
    assert [*firsts, driver.worker.trainer.updates + 1] == np.cumsum([1, *counts]).tolist()
    assert max(counts) > 1


def test_a_change_is_announced_once():
    change = {"type": "set", "name": "clip_range", "value": 0.3}
    driver = Driver([step(), change, *[step()] * 4])
    assert len(driver.events("change")) == 1


def test_ten_updates():
    assert Driver([step("updates")]).worker.trainer.updates == 10


@pytest.mark.parametrize("quantity", ["episodic_return_mean", "kl_k3", "clip_fraction"])
def test_until_a_limit_is_passed(quantity):
    """The limit is a value that the run reaches exactly: enough for the return, but KL and clip fraction exceed it."""
    settings, column = {"learning_rate": 0.002, "seed": 3}, SERIES_COLUMNS.index(quantity)
    values = rows_of(Driver([step("updates")], **settings))[:, column]
    _, reached, exceeded = [at for at, value in enumerate(values) if (values[:at] < value).all()][:3]
    until = {"quantity": quantity, "above": float(values[reached])}
    driver = Driver([step("until", until=until)], **settings)
    last = reached if quantity == "episodic_return_mean" else exceeded
    assert rows_of(driver)[:, column].tolist() == values[: last + 1].tolist()
    met = next(state["met"] for state in driver.events("state") if state["met"])
    assert met == {**until, "value": pytest.approx(values[last]), "update": last + 1}, "it says what was met"


def test_what_was_met_is_said_until_the_run_goes_on():
    until = {"quantity": "kl_k3", "above": 0.0}
    driver = Driver([step("until", until=until), step()])
    said = [(state["state"], state["met"] is not None) for state in driver.events("state")]
    assert said == [
        ("paused", False),
        ("running", False),
        ("paused", True),
        ("running", False),
        ("paused", False),
        ("stopped", False),
    ]


def test_until_something_is_not_finite():
    goal = step("until", until={"quantity": "not_finite", "above": None})
    driver = Driver([goal], env="ppo_scope_tests/Poisoned-v0", num_envs=1, rollout_steps=16)
    paused = driver.events("state")[-2]
    assert paused["state"] == "paused" and "Not finite" in paused["cause"]["summary"]


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_run_that_explodes_by_itself_halts_too():
    """No poisoned environment: an entropy bonus that widens a Gaussian without end."""
    explosive = {"env": "Pendulum-v1", "learning_rate": 1.0, "entropy_coef": 100.0}
    driver = Driver([step("until", until={"quantity": "not_finite", "above": None})], **explosive)
    paused = driver.events("state")[-2]
    assert paused["state"] == "paused" and "Not finite: logratio" in paused["cause"]["summary"]
    assert 1 < driver.worker.trainer.updates == len(rows_of(driver)), "the update is abandoned, and leaves no row"


def test_the_phases_of_a_step_are_kept_in_passing():
    driver = Driver([{"type": "watch", "probes": ["samples"]}, step("phase"), step()])
    passed = [tuple(place) for h, _ in driver.of("passed") for _, _, *place in h["passed"]]
    inner = [(phase, k, m) for k in range(1, 5) for m in range(1, 5) for phase in ("loss", "gradient", "step")]
    epochs = [("epoch", k, 4) for k in range(1, 5)]
    assert sorted(passed) == sorted([("advantages", 0, 0), *inner, *epochs])
    assert all("region" in arrays for _, arrays in driver.of("passing"))
    assert not Driver([step("updates")]).of("passed")


def test_a_run_that_nobody_looks_at_is_not_measured(monkeypatch):
    looked = []
    for name, probe in PROBES.items():
        monkeypatch.setitem(PROBES, name, lambda moment, name=name, probe=probe: looked.append(name) or probe(moment))
    nobody = {"type": "watch", "probes": []}
    everyone_leaves = [{"type": "watch", "probes": ["ratio"]}, step(), nobody]
    commands = [step("phase"), step("minibatch"), step(), *everyone_leaves, step("minibatch"), {"type": "play"}]
    driver = Driver(commands, total_steps=8 * 4 * 32)
    assert set(looked) == {"ratio"}, "while somebody did"
    assert looked.count("ratio") < 200 and driver.worker.trainer.updates > 2
    measured = [(header["update"], header["measured"]) for header, _ in driver.of("snapshot")]
    assert dict(measured)[2] == ["ratio"] and measured[-1][0] > 2
    assert {update: found for update, found in measured if found}.keys() <= {1, 2}


def test_what_the_server_has_not_got_is_said_again():
    change = {"type": "set", "name": "clip_range", "value": 0.3}
    again = {"type": "again", "first": 2, "changes": 0}
    driver = Driver([step(), change, step(), step(), again, {**again, "first": 9, "changes": 1}])
    once = [(header["first"], arrays["rows"]) for header, arrays in driver.of("series")]
    first, rows = once.pop()
    assert first == 2 and [first for first, _ in once] == [1, 2, 3]
    np.testing.assert_array_equal(rows, np.concatenate([once[1][1], once[2][1]]))
    episodes = driver.of("series")[-1][1]["episodes"]
    assert set(episodes[:, 0]) <= {2, 3} and len(episodes)
    assert [event["new"] for event in driver.events("change")] == [0.3, 0.3]
    assert [event["state"] for event in driver.events("state")][-3:] == ["paused", "paused", "stopped"]


def test_a_frame_that_is_too_large_is_dropped_and_not_taken_for_the_end_of_the_server(monkeypatch, capfd):
    monkeypatch.setattr(worker, "MAX_FRAME", 100)
    reader, writer = multiprocessing.Pipe(duplex=False)
    send = worker.sender(writer)
    send(bytes(101))
    send(bytes(100))
    assert reader.recv_bytes() == bytes(100)
    assert "101 bytes is too large" in capfd.readouterr().out


def test_weights_that_are_too_large_to_travel_do_not(monkeypatch):
    monkeypatch.setattr(weights, "MOST_BYTES", 1000)
    assert not Driver([ACTED, step()]).of("weights")


def test_what_a_run_says_first_is_part_of_its_trial(monkeypatch):
    def begin(*_):
        raise ValueError("Out of range float values are not JSON compliant")

    monkeypatch.setattr(Reporter, "begin", begin)
    tried = Worker(lambda message: None, lambda timeout: {"type": "begin"}, "run", paused=True)
    with pytest.raises(ValueError, match="not JSON compliant"):
        tried.prove(Settings.parse({"num_envs": 2, "rollout_steps": 8}))
