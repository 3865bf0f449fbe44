"""The loop: what its phases are, that the same seed gives the same bits, and that the ratio starts at 1."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from ppo_scope.ppo import inference
from ppo_scope.ppo.adam import Adam
from ppo_scope.ppo.finite import NotFiniteError
from ppo_scope.ppo.inference import DeviceInference, NumpyInference
from ppo_scope.ppo.losses import Region
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from tests.moments import moment_at

SMALL = {"num_envs": 4, "rollout_steps": 32}


@pytest.fixture
def make():
    """Trainers that are closed in the end."""
    made = []

    def _make(**settings):
        made.append(Trainer(Settings.parse({**SMALL, **settings})))
        return made[-1]

    yield _make
    for trainer in made:
        trainer.close()


def run(trainer, updates):
    """Run so many updates; the phases of the last one."""
    phases = []
    for phase in trainer.phases():
        phases.append(phase)
        if phase.kind is PhaseKind.UPDATE:
            if phase.update.index == updates:
                return phases
            phases = []
    return phases


def test_phases_of_an_update_come_in_order(make):
    phases = run(make(epochs=2, minibatches=2), 1)
    walk = [(p.kind.value, p.epoch, p.minibatch) for p in phases]
    epoch = [
        [(kind, k, m) for m in (1, 2) for kind in ("loss", "gradient", "step")] + [("epoch", k, 2)] for k in (1, 2)
    ]
    assert walk == [("rollout", 0, 0), ("advantages", 0, 0), *epoch[0], *epoch[1], ("update", 2, 2)]


@pytest.mark.parametrize("shared", [False, True])
def test_the_ratio_is_one_at_the_first_minibatch_of_every_update(make, shared):
    trainer = make(shared_network=shared)
    for phase in trainer.phases():
        if phase.kind is PhaseKind.LOSS and (phase.epoch, phase.minibatch) == (1, 1):
            minibatch = phase.update.minibatches[0]
            assert minibatch.logratio[minibatch.trained].abs().max() < 1e-5
        if phase.kind is PhaseKind.LOSS and phase.epoch == 4 and phase.update.index > 1:
            assert phase.update.minibatches[-1].logratio.abs().max() > 1e-4
        if phase.update.index == 6:
            break


def test_the_same_seed_repeats_bit_for_bit_and_another_does_not(make):
    first, second, other = make(seed=5), make(seed=5), make(seed=6)
    for trainer in (first, second, other):
        run(trainer, 4)
    assert first.weights_sha256() == second.weights_sha256()
    assert first.weights_sha256() != other.weights_sha256()


def test_global_generators_are_the_environments_alone(make):
    """They are seeded for environments that draw from them; the training neither uses nor moves them."""
    trainer = make()
    before = torch.random.get_rng_state()
    numpy_before = np.random.get_state()[1].copy()
    torch.manual_seed(trainer.settings.seed)
    assert torch.equal(before, torch.random.get_rng_state())
    run(trainer, 2)
    assert torch.equal(before, torch.random.get_rng_state())
    assert np.array_equal(numpy_before, np.random.get_state()[1])


def test_every_parameter_is_a_view_of_theta(make):
    trainer = make()
    run(trainer, 2)
    theta = torch.cat([p.reshape(-1) for p in trainer.network.layers.parameters()])
    assert torch.equal(theta, trainer.network.theta)


def test_one_step_equals_adam_on_separate_parameters_with_the_usual_clipping(make):
    """θ as one vector is a way of storing weights, not another algorithm."""
    trainer = make()
    phases = trainer.phases()
    phase = next(p for p in phases if p.kind is PhaseKind.LOSS)
    network = trainer.network
    copies = [p.clone().requires_grad_() for p in network.layers.parameters()]
    gradient = phase.update.minibatches[-1].differentiate()
    for copy, part in zip(copies, network.parts().values(), strict=True):
        copy.grad = gradient[part].view_as(copy).clone()
    norm = torch.nn.utils.clip_grad_norm_(copies, 0.5)
    torch.optim.Adam(copies, lr=trainer.settings.learning_rate, eps=1e-5).step()
    assert next(phases).kind is PhaseKind.GRADIENT
    assert phase.update.minibatches[-1].gradient_norm.item() == pytest.approx(norm.item(), rel=1e-6)
    assert next(phases).kind is PhaseKind.STEP
    expected = torch.cat([copy.detach().reshape(-1) for copy in copies])
    assert torch.allclose(network.theta, expected, atol=1e-7)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_networks_in_numpy_are_those_in_torch(make, shared, activation):
    trainer = make(shared_network=shared, activation=activation)
    run(trainer, 1)
    observations = np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)
    outputs, values = trainer.network(torch.from_numpy(observations))
    found, judged = NumpyInference(trainer.network).judge(observations)
    assert found == pytest.approx(outputs.detach().numpy(), abs=1e-6)
    assert judged == pytest.approx(values.detach().numpy(), abs=1e-6)


def test_a_change_waits_for_the_next_update_and_is_recorded(make):
    trainer = make()
    phases = trainer.phases()
    next(phases)
    trainer.change("clip_range", 0.3)
    assert trainer.pending == {"clip_range": 0.3}
    used = [
        p.update.settings.clip_range
        for p in phases
        if p.kind is PhaseKind.UPDATE and not (p.update.index == 2 and phases.close())
    ]
    assert used == [0.2, 0.3]
    (change,) = trainer.changes
    assert (change.update, change.name, change.old, change.new) == (2, "clip_range", 0.2, 0.3)


def test_a_change_that_is_taken_back_is_none(make):
    trainer = make()
    trainer.change("clip_range", 0.3)
    trainer.change("clip_range", 0.2)
    run(trainer, 1)
    assert trainer.changes == []


def test_the_same_changes_at_the_same_updates_repeat_bit_for_bit(make):
    def trained():
        trainer = make()
        run(trainer, 1)
        trainer.change("learning_rate", 0.01)
        trainer.change("minibatches", 8)
        for phase in trainer.phases():
            if phase.kind is PhaseKind.UPDATE and phase.update.index == 3:
                return trainer.weights_sha256()
        raise AssertionError

    assert trained() == trained()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("clip_range", 1.5, "clip_range"),
        ("minibatches", 3, "does not divide"),
        ("num_envs", 2, "only with a new run"),
        ("learning_pace", 1.0, "no such setting"),
        ("clip_range", math.nan, "finite"),
    ],
)
def test_a_bad_change_is_refused_and_changes_nothing(make, name, value, words):
    trainer = make()
    with pytest.raises(ValueError, match=words):
        trainer.change(name, value)
    assert trainer.pending == {}


def test_target_kl_ends_the_epochs_before_the_step(make):
    trainer = make(target_kl=1e-6, learning_rate=0.01)
    phases = run(trainer, 1)
    kinds = Counter(p.kind for p in phases)
    last = phases[-1].update.minibatches[-1]
    assert phases[-1].update.stopped_by_kl
    assert kinds[PhaseKind.LOSS] == kinds[PhaseKind.STEP] + 1
    assert last.gradient_norm is None


def test_annealing_lowers_the_learning_rate_linearly(make):
    trainer = make(anneal_learning_rate=True, total_steps=1000, learning_rate=0.01)
    rates, steps = [], [0]
    for phase in trainer.phases():
        if phase.kind is PhaseKind.UPDATE:
            rates.append(phase.update.learning_rate)
            steps.append(trainer.steps)
    assert trainer.finished
    assert rates == pytest.approx([0.01 * (1 - s / 1000) for s in steps[:-1]])


def test_not_finite_is_noticed_before_the_step_and_the_weights_stay(make):
    trainer = make(learning_rate=0.01)
    phases = trainer.phases()
    phase = next(p for p in phases if p.kind is PhaseKind.ADVANTAGES)
    good = trainer.weights_sha256()
    phase.update.batch.targets[:] = math.inf
    assert next(phases).kind is PhaseKind.LOSS
    with pytest.raises(NotFiniteError, match="value_loss is not finite at epoch 1, minibatch 1"):
        next(phases)
    assert trainer.weights_sha256() == good
    assert next(trainer.phases()).kind is PhaseKind.ROLLOUT


def test_a_run_can_be_walked_to_its_very_end(make):
    """total_steps is passed by the last rollout, but the run is finished only with the update made of it."""
    trainer = make(total_steps=10)
    walked = []
    for phase in trainer.phases():
        walked.append((phase.kind, trainer.finished))
    assert len(walked) == 2 + 16 * 3 + 4 + 1
    assert [finished for kind, finished in walked] == [False] * (len(walked) - 1) + [True]


def test_the_optimizer_steps_with_the_learning_rate_of_the_update(make, monkeypatch):
    used, step = [], Adam.step
    monkeypatch.setattr(
        Adam, "step", lambda adam, gradient, rate, *rest: used.append(rate) or step(adam, gradient, rate, *rest)
    )
    trainer = make(anneal_learning_rate=True, total_steps=1000, learning_rate=0.01)
    for phase in trainer.phases():
        if phase.kind is PhaseKind.STEP:
            assert used[-1] == phase.update.learning_rate
    assert used[-1] < 0.01 / 4
    changed = make()
    changed.change("learning_rate", 0.02)
    next(phase for phase in changed.phases() if phase.kind is PhaseKind.STEP)
    assert used[-1] == 0.02


def test_normalisation_over_the_batch_uses_one_mean_and_one_deviation(make):
    phases = run(make(normalize_advantages="batch"), 1)
    update = phases[-1].update
    raw, trained = update.batch.advantages, update.batch.trained
    kept = raw[trained]
    expected = (raw - kept.mean()) / (kept.std() + 1e-8)
    for minibatch in update.minibatches:
        assert torch.allclose(minibatch.advantages, expected[minibatch.samples], atol=1e-5)
    off = run(make(normalize_advantages="off"), 1)[-1].update
    assert torch.equal(off.minibatches[0].advantages, off.batch.advantages[off.minibatches[0].samples])


def test_value_clipping_is_around_the_values_of_the_policy_that_collected(make):
    trainer = make(value_clip_range=0.01, learning_rate=0.01)
    phase = next(p for p in trainer.phases() if p.kind is PhaseKind.LOSS and p.epoch == 3)
    batch, minibatch = phase.update.batch, phase.update.minibatches[-1]
    _, values = trainer.network(batch.observations[minibatch.samples])
    old, target = batch.values[minibatch.samples], batch.targets[minibatch.samples]
    clipped = old + (values - old).clamp(-0.01, 0.01)
    worse = torch.maximum((values - target) ** 2, (clipped - target) ** 2)[minibatch.trained].mean()
    assert (values - old).abs().max() > 0.01
    assert minibatch.value_loss.item() == pytest.approx(worse.item(), rel=1e-5)


def test_the_epochs_end_where_k3_exceeds_one_and_a_half_times_the_target(make):
    """Just below the limit the step is made, just above it is not."""
    trainer = make(learning_rate=0.01)
    update = run(trainer, 1)[-1].update
    weights = [m.trained.float() / m.trained.sum() for m in update.minibatches]
    k3 = [float(((m.logratio.exp() - 1) - m.logratio).dot(w)) for m, w in zip(update.minibatches, weights, strict=True)]
    peak = max(k3[:12])
    first = next(i for i, k in enumerate(k3) if k == peak)
    stopped = run(make(learning_rate=0.01, target_kl=peak / 1.5 * 0.999), 1)[-1].update
    assert len(stopped.minibatches) == first + 1 and stopped.stopped_by_kl
    spared = run(make(learning_rate=0.01, target_kl=peak / 1.5 * 1.001), 1)[-1].update
    assert len(spared.minibatches) > first + 1


def test_an_abandoned_update_leaves_no_trace(make):
    trainer = make()
    run(trainer, 2)
    steps, episodes = trainer.steps, list(trainer.episodes)
    phases = trainer.phases()
    phase = next(p for p in phases if p.kind is PhaseKind.ADVANTAGES)
    assert trainer.steps > steps
    phase.update.batch.targets[:] = math.nan
    assert next(phases).kind is PhaseKind.LOSS
    with pytest.raises(NotFiniteError):
        next(phases)
    assert (trainer.steps, list(trainer.episodes), trainer.updates) == (steps, episodes, 2)


def test_a_bad_reward_is_named_and_what_is_shown_of_the_update_before_stays_whole(make):
    trainer = make()
    before = run(trainer, 1)[-1].update
    rewards = before.rollout.rewards.copy()
    step = trainer.environments.step

    def bad(actions):
        done = step(actions)
        return replace(done, rewards=np.full_like(done.rewards, np.nan))

    trainer.environments.step = bad
    with pytest.raises(NotFiniteError, match="reward is not finite: environment 0, step 0"):
        next(trainer.phases())
    assert np.array_equal(before.rollout.rewards, rewards)


def test_estimates_that_overflow_are_named(make):
    trainer = make(normalize_rewards=False)
    step = trainer.environments.step
    trainer.environments.step = lambda actions: (lambda s: replace(s, rewards=s.rewards * 3e38))(step(actions))
    with pytest.raises(NotFiniteError, match="advantages"), np.errstate(over="ignore", invalid="ignore"):
        run(trainer, 1)


def test_a_minibatch_without_a_transition_moves_nothing(make):
    """Adam would go on by its moments; nothing was learnt, so nothing moves."""
    trainer = make(num_envs=1, rollout_steps=24, minibatches=24)
    moved, still = 0, 0
    before = trainer.network.theta.detach().clone()
    for phase in trainer.phases():
        if phase.kind is PhaseKind.LOSS:
            populated = bool(phase.update.minibatches[-1].trained.any())
            before = trainer.network.theta.detach().clone()
        elif phase.kind is PhaseKind.STEP:
            assert populated
            moved += not torch.equal(before, trainer.network.theta)
        if phase.kind is PhaseKind.EPOCH:
            still += sum(not bool(m.trained.any()) for m in phase.update.minibatches)
        if phase.kind is PhaseKind.UPDATE and phase.update.index == 4:
            break
    assert moved > 0 and still > 0


def test_the_networks_begin_as_defined(make):
    """Orthogonal with gain √2, policy head 0.01, value head 1, biases 0."""
    network = make(hidden_sizes=[32]).network.layers
    for layer, gain in ((network.policy_trunk[0], 2**0.5), (network.policy_head, 0.01), (network.value_head, 1.0)):
        assert torch.linalg.svdvals(layer.weight.detach()) == pytest.approx(gain, rel=1e-4)
        assert not layer.bias.any()
    relu = make(activation="relu").network.layers
    assert isinstance(relu.policy_trunk[1], torch.nn.ReLU)


def test_different_seeds_meet_different_environments(make):
    first, second = next(make(seed=1).phases()), next(make(seed=2).phases())
    assert not np.array_equal(first.update.rollout.observations[0], second.update.rollout.observations[0])


def test_without_any_clip_range_rounding_holds_nobody_at_the_first_minibatch(make):
    """ε = 0: r is 1 to float tolerance before the first step, and its gradient flows."""
    trainer = make(clip_range=0, learning_rate=0.001, num_envs=8, rollout_steps=128)
    for phase in trainer.phases():
        if phase.kind is PhaseKind.LOSS:
            moment = moment_at(trainer, phase)
            codes = Counter(moment.regions[moment.in_minibatch].tolist())
            if (phase.epoch, phase.minibatch) == (1, 1):
                assert set(codes) <= {Region.NOT_TRAINED, Region.INSIDE}, (phase.update.index, codes)
                assert phase.update.minibatches[0].differentiate().norm() > 0
        if phase.kind is PhaseKind.UPDATE and phase.update.index == 4:
            break
    assert codes[Region.HELD] > 20, "afterwards nearly everybody is beyond it, and many are held"


def test_many_observations_are_asked_where_the_weights_are(make, monkeypatch):
    """As they are then; few are asked of NumPy, to rounding the same."""
    trainer = make()
    observations = run(trainer, 1)[-1].update.judged.observations
    either, few = DeviceInference(trainer.network), len(observations) // 2
    monkeypatch.setattr(inference, "WORTH_THE_WAY", (few + 1) * trainer.network.theta.numel())
    with torch.no_grad():
        trainer.network.theta.mul_(1.5)
    numpy_outputs, numpy_values = NumpyInference(trainer.network).judge(observations)
    for asked in (observations, observations[:few]):
        outputs, values = either.judge(asked)
        np.testing.assert_allclose(outputs, numpy_outputs[: len(asked)], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(values, numpy_values[: len(asked)], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(either.outputs(asked), outputs)
    monkeypatch.setattr(trainer.network, "layers", None)
    assert either.judge(observations[:few])[0].shape == (few, 2), "NumPy was asked"
    with pytest.raises(TypeError):
        either.judge(observations)
