"""On a GPU, where there is one: the CPU's numbers, the same bits each time, and nobody who waits within an epoch."""

import numpy as np
import pytest
import torch

import tests.environments.pixels  # noqa: F401 - registers environments
from ppo_scope import cli
from ppo_scope.ppo.memory import DoesNotFit
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.probes import PROBES, measure, row_values
from tests.moments import moment_at

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU for torch here")

SMALL = {"num_envs": 4, "rollout_steps": 64, "epochs": 2}
IMAGES = {"env": "tests.environments.pixels:Pixels-v0", "normalize_rewards": False}
RUNS = {
    "categorical": {},
    "gaussian": {"env": "Pendulum-v1", "normalize_observations": True},
    "masked": {"env": "Taxi-v4"},
    "shared network, clipped values": {"shared_network": True, "value_clip_range": 0.2},
    "penalty": {"objective": "kl_penalty", "kl_coef_target": 0.01},
    "target_kl": {"target_kl": 0.01, "learning_rate": 0.01},
    "desired_kl": {"desired_kl": 0.01},
    "images": IMAGES,
    "wide": {"hidden_sizes": (1024, 1024), "num_envs": 16},
}
TERMS = "policy_loss", "value_loss", "entropy", "loss", "gradient_norm"


@pytest.fixture
def make():
    """Trainers that are closed in the end."""
    made = []

    def _make(device="cuda", asynchronous=None, **settings):
        made.append(Trainer(Settings.parse({**SMALL, **settings, "device": device}), asynchronous=asynchronous))
        return made[-1]

    yield _make
    for trainer in made:
        trainer.close()


def updates(trainer, count):
    """The last phases of so many updates."""
    found = []
    for phase in trainer.phases():
        if phase.kind is PhaseKind.UPDATE:
            found.append(phase)
            if len(found) == count:
                return found
    raise AssertionError


def terms(minibatch):
    return {name: float(value) for name in TERMS if (value := getattr(minibatch, name)) is not None}


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_the_losses_are_those_of_the_cpu(make, settings):
    """Of the first minibatch to rounding; each later one begins from weights that rounding has moved."""
    there, here = (updates(make(device, **settings), 1)[0].update for device in ("cuda", "cpu"))
    np.testing.assert_array_equal(there.rollout.actions, here.rollout.actions)
    assert terms(there.minibatches[0]) == pytest.approx(terms(here.minibatches[0]), rel=1e-4, abs=2e-6)
    both = list(zip(there.minibatches, here.minibatches, strict=False))
    for on_gpu, on_cpu in both:
        assert terms(on_gpu) == pytest.approx(terms(on_cpu), rel=0.02, abs=0.002)
        np.testing.assert_allclose(on_gpu.logratio.cpu(), on_cpu.logratio, rtol=0, atol=0.02)


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_the_ratio_starts_at_one(make, settings):
    for phase in updates(make(**settings), 2):
        assert phase.update.minibatches[0].logratio.abs().max().item() < 1e-5


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_the_same_seed_gives_the_same_bits_whether_or_not_it_waits_for_the_device(make, settings):
    trainers = make(**settings), make(**settings), make(asynchronous=False, **settings)
    for trainer in trainers:
        updates(trainer, 3)
    assert len({trainer.weights_sha256() for trainer in trainers}) == 1


@pytest.mark.parametrize("settings", [RUNS["categorical"], RUNS["gaussian"], RUNS["masked"], RUNS["images"]])
def test_nothing_waits_for_the_device_within_an_epoch(make, settings):
    """torch raises wherever the host would wait."""
    phases = make(**settings).phases()
    try:
        for phase in phases:
            waits = phase.kind in {PhaseKind.ROLLOUT, PhaseKind.UPDATE}  # a rollout is judged, the end looks back
            torch.cuda.set_sync_debug_mode("default" if waits else "error")
            last_epoch = phase.kind is PhaseKind.EPOCH and phase.epoch == SMALL["epochs"]
            if last_epoch:
                break
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert last_epoch


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_what_is_measured_is_what_the_cpu_measures(make, settings):
    """Each probe of the first rollout, and the row of the first update."""
    found = []
    for device in ("cuda", "cpu"):
        trainer = make(device, **settings)
        for phase in trainer.phases():
            if phase.kind is PhaseKind.ADVANTAGES:
                advantages = measure(moment_at(trainer, phase), frozenset(PROBES))
            if phase.kind is PhaseKind.UPDATE:
                row = row_values(moment_at(trainer, phase))
                ended = measure(moment_at(trainer, phase), frozenset(PROBES))
                break
        found.append((advantages, row, ended))
    (there, row, there_at_end), (here, other, here_at_end) = found
    assert row.keys() == other.keys()
    assert there_at_end.arrays.keys() == here_at_end.arrays.keys()
    assert there.arrays.keys() == here.arrays.keys()
    for on_gpu, on_cpu in ((there.scalars, here.scalars), (row, other)):
        for name, value in on_gpu.items():
            if "seconds" not in name:
                assert value == pytest.approx(on_cpu[name], rel=0.02, abs=2e-3, nan_ok=True), name


def test_an_update_is_made_anew_on_the_gpu(make):
    trainer = make()
    updates(trainer, 1)
    before = trainer.weights_sha256()
    with trainer.visit(trainer.redo({})):
        assert trainer.weights_sha256() == before
    with trainer.visit(trainer.redo({"clip_range": 0.01})):
        assert trainer.weights_sha256() != before
    assert trainer.weights_sha256() == before


def test_a_run_goes_on_from_its_state(make):
    first, second = make(), make()
    updates(first, 2)
    second.go_on_from(first.state(), anew=False)
    updates(first, 2)
    updates(second, 2)
    assert first.weights_sha256() == second.weights_sha256()


def test_a_gpu_without_memory_left_is_named(make, capsys):
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.001)
    command = ["train", "--env", "CartPole-v1", "--total-steps", "9000", "--device", "cuda"]
    try:
        with pytest.raises(DoesNotFit, match=r"device: the GPU has no memory left for this run \(Tried to allocate"):
            make(hidden_sizes=(3000, 3000))
        with pytest.raises(DoesNotFit, match=r"use smaller networks, more minibatches or fewer environments"):
            updates(make(hidden_sizes=(1024, 1024), num_envs=512, minibatches=1), 1)
        assert cli.main([*command, "--hidden-sizes", "1024,1024", "--num-envs", "512", "--minibatches", "1"]) == 1
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "ppo-scope: stopped, device: the GPU has no memory left" in capsys.readouterr().err
