"""What is said of a run that went wrong: the culprit, at once; and what is left of an update that was given up."""

import pytest
import torch

from ppo_scope import cli
from ppo_scope.ppo import memory
from ppo_scope.ppo.devices import NoDevice
from ppo_scope.ppo.finite import NotFiniteError
from ppo_scope.ppo.optimisation import Optimisation
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.records.moments import listed
from ppo_scope.records.record import CHANGES_TOLD
from ppo_scope.wire import frame
from ppo_scope.worker import causes
from tests.runs.house import House
from tests.worker.driver import Driver, step

NAN = "tests.environments.not_finite:Nan-v0"


def test_what_is_not_finite_in_the_first_rollout_is_found_at_update_0():
    driver = Driver([step()], env=NAN)
    snapshot, _ = driver.of("snapshot")[-1]
    assert (snapshot["update"], snapshot["phase"]) == (0, "ready")
    (finding,) = snapshot["findings"]
    assert "observation is not finite: environment 0, step 1" in finding["summary"]
    cause = driver.events("state")[-2]["cause"]
    assert finding["summary"] == cause["summary"]
    for text in (finding["remedy"], finding["cause"], cause["remedy"]):
        assert "environment" in text.lower() and "learning rate" not in text
    assert finding["setting"] is None and "weights" not in cause["remedy"], "there are none but those it began with"


EXPLOSIVE = {"env": "Pendulum-v1", "num_envs": 4, "rollout_steps": 32, "learning_rate": 1.0, "entropy_coef": 100.0}
UNTIL_IT_EXPLODES = {"size": "until", "until": {"quantity": "not_finite", "above": None}}


@pytest.mark.filterwarnings("ignore:overflow")
def test_an_update_that_was_given_up_is_said_to_be_when_its_number_is_used_again():
    driver = Driver([{"type": "step", **UNTIL_IT_EXPLODES}, step("phase")], **EXPLOSIVE)
    (event,) = driver.events("abandoned")
    number = driver.worker.trainer.updates + 1
    assert event["abandoned"] == number
    of_it = [h for h, _ in driver.frames if h["kind"] == "snapshot" and h["update"] == number]
    assert [h["phase"] for h in of_it] == ["loss", "rollout"]
    assert of_it[0]["sequence"] < event["sequence"] < of_it[1]["sequence"]


def test_the_server_serves_no_moment_of_an_update_that_was_given_up():
    with House() as house:
        run = house.start(paused=True, **EXPLOSIVE, hidden_sizes=(64, 64))
        house.state(state="paused")
        assert house.send("step", **UNTIL_IT_EXPLODES)[1] is None
        house.until(lambda: run.cause)
        number = run.describe()["update"]
        assert [row[2] for row in listed(run.record.moments()) if row[1] == number] == ["loss"]
        assert house.send("step", size="phase")[1] is None
        house.state(state="paused", phase="rollout")
        assert [row[2] for row in listed(run.record.moments()) if row[1] == number] == ["rollout"]


def test_changes_that_are_told_are_bounded():
    with House("tests.server.scripted_workers:obedient") as house:
        run = house.start(paused=True)
        for number in range(CHANGES_TOLD + 20):
            house.send("set", name="clip_range", value=number)
        described = run.describe()
        assert [len(described["changes"]), described["changes_dropped"]] == [CHANGES_TOLD, 20]
        assert described["changes"][-1]["new"] == CHANGES_TOLD + 19


def test_one_frame_of_the_series_that_is_lost_does_not_end_it():
    with House("tests.server.scripted_workers:obedient") as house:
        run = house.start(paused=True)
        house.state(state="paused")
        for _ in range(2):
            house.send("step", size="update")
        header, message = run.record.latest["series"]
        spoilt = {**header, "columns": ["another"], "first": 3, "update": 3}
        house.call(run._receive, [frame.encode({**spoilt, "scalars": {}}, frame.decode(message)[1])])
        for _ in range(2):
            house.send("step", size="update")
        assert run.record.last == 4


@pytest.mark.parametrize("updates", [0, 3])
def test_a_failure_says_nothing_of_weights_that_are_gone(updates):
    error = RuntimeError("the axle broke")
    assert "weights" not in " ".join(causes.failed(error).values())
    halted = causes.not_finite(NotFiniteError("x is not finite"), updates)
    assert ("weights" in halted["remedy"]) == (updates > 0)
    assert "learning rate" in halted["remedy"]


def test_a_device_that_is_not_there_is_said_in_a_sentence():
    cause = causes.failed(NoDevice("device: cuda is not available to torch here; use cpu, or auto"))
    assert cause["summary"].startswith("device: cuda") and "device" in cause["remedy"]


# Memory


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"env": "Pendulum-v1", "shared_network": True, "hidden_sizes": (7, 5)},
        {"env": "FrozenLake-v1", "hidden_sizes": (1,)},
    ],
)
def test_weights_are_counted_as_they_are(settings):
    trainer = Trainer(Settings.parse(settings))
    free = trainer.distribution.free
    assert memory.parameters(trainer.settings, trainer.spaces) - trainer.network.theta.numel() in range(
        -free, 8 * free + 1
    )
    trainer.close()


def test_what_does_not_fit_is_refused_with_the_numbers(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 2**20)
    with pytest.raises(memory.DoesNotFit, match=r"hidden_sizes: .* GB are left; use smaller networks"):
        Trainer(Settings.parse({"hidden_sizes": (512, 512)}))
    with pytest.raises(memory.DoesNotFit, match="use shorter rollouts"):
        Trainer(Settings.parse({"rollout_steps": 65536}))


def test_a_device_without_memory_left_is_named(monkeypatch, capsys):
    """In torch's own words for how much was wanted and how much is there, without its advice to programmers."""
    told = (
        "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 139.81 GiB of which 11.37 GiB "
        "is free. Of the allocated memory 127.94 GiB is allocated by PyTorch. If reserved but unallocated memory is "
        "large try setting PYTORCH_ALLOC_CONF=expandable_segments:True"
    )

    def full(*_):
        raise torch.OutOfMemoryError(told)

    monkeypatch.setattr(Optimisation, "_step", full)
    trainer = Trainer(Settings.parse({}))
    before = trainer.weights_sha256()
    with pytest.raises(memory.DoesNotFit, match=r"this run \(Tried .* 11.37 GiB is free\); use smaller"):
        list(trainer.phases())
    assert (trainer.weights_sha256(), trainer.updates) == (before, 0)
    trainer.close()
    assert cli.main(["train", "--env", "CartPole-v1", "--total-steps", "2000"]) == 1
    assert "ppo-scope: stopped, device: the GPU has no memory left for this run" in capsys.readouterr().err


def test_the_memory_that_is_left_is_the_least_that_anybody_grants(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("3000\n")
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 200\n")
    unlimited = tmp_path / "inner"
    unlimited.mkdir()
    (unlimited / "memory.max").write_text("max\n")
    monkeypatch.setattr(memory, "_groups", lambda: [unlimited, tmp_path, tmp_path / "missing"])
    assert memory.available() == 2200
    monkeypatch.setattr(memory, "_groups", list)
    assert memory.available() > 2**20
