"""The gradients of the loss's terms, by layer: for every action space, by hand and by torch, and for images."""

import numpy as np
import pytest
import torch

from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.probes.gradients import PAIRS, layers_of
from ppo_scope.probes.probes import measure
from tests.moments import moment_at
from tests.ppo.test_by_hand import by_torch
from tests.ppo.test_images import PICTURE
from tests.ppo.test_spaces import ACTIONS, sampled

WATCHED = frozenset({"gradients", "direction", "post_step"})
GIVEN = {"num_envs": 4, "rollout_steps": 32, "minibatches": 2, "learning_rate": 0.01, "entropy_coef": 0.05}
IMAGES = {**PICTURE, "num_envs": 2, "rollout_steps": 16, "minibatches": 2, "epochs": 2, "learning_rate": 0.003}


def settings_of(action, **more):
    return {"env": sampled("box", action), **GIVEN, **more}


CASES = {
    **{f"{action}-two": lambda action=action: settings_of(action) for action in ACTIONS},
    **{f"{action}-shared": lambda action=action: settings_of(action, shared_network=True) for action in ACTIONS},
    **{f"{action}-penalty": lambda action=action: settings_of(action, objective="kl_penalty") for action in ACTIONS},
    "images-two": lambda: IMAGES,
    "images-shared": lambda: {**IMAGES, "shared_network": True},
}


def moment_of(trainer, kind, epoch=2, minibatch=2):
    """Late enough that ratios have left 1."""
    for phase in trainer.phases():
        if phase.kind is kind and (phase.epoch, phase.minibatch) == (epoch, minibatch):
            return moment_at(trainer, phase)
    raise AssertionError


@pytest.mark.parametrize("case", CASES)
def test_each_layer_of_the_sum_is_the_gradient_that_trains(make, case):
    trainer = make(CASES[case]())
    moment = moment_of(trainer, PhaseKind.LOSS)
    found = measure(moment, WATCHED)
    minibatch, network = moment.update.minibatches[-1], trainer.network
    assert minibatch.logratio.abs().max() > 1e-4, "at ratio 1 the clip would not matter"
    used = minibatch.differentiate().cpu().double()
    layers = layers_of(network.parts())
    assert found.notes["gradients"] == {"layers": list(layers), "shared_network": trainer.settings.shared_network}
    norms = found.arrays["gradient_norms"]
    for column, parts in enumerate(layers.values()):
        expected = float(torch.cat([used[part] for part in parts]).norm())
        assert norms[3, column] == pytest.approx(expected, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("case", CASES)
def test_lengths_and_angles_of_the_terms_give_the_length_of_their_sum(make, case):
    """‖a + b + c‖² = ‖a‖² + ‖b‖² + ‖c‖² + 2·(cosines times lengths): the coefficients and their signs are right."""
    moment = moment_of(make(CASES[case]()), PhaseKind.GRADIENT)
    found, settings = measure(moment, WATCHED).arrays, moment.update.settings
    raw = found["gradient_norms"].astype(np.float64)
    a = raw[:3] * np.array([[1.0], [settings.value_coef], [settings.entropy_coef]])
    squares = np.square(a).sum(0)
    for row, (one, other) in enumerate(PAIRS):
        squares += 2 * np.nan_to_num(found["gradient_cosines"][row]) * a[one] * a[other]
    assert np.sqrt(np.maximum(squares, 0)) == pytest.approx(raw[3], rel=1e-3, abs=1e-6)
    assert np.sqrt(np.square(raw[3]).sum()) == pytest.approx(
        float(moment.update.minibatches[-1].gradient_norm), rel=1e-4
    )


@pytest.mark.parametrize("case", CASES)
def test_an_angle_is_where_both_terms_flow_and_nowhere_else(make, case):
    moment = moment_of(make(CASES[case]()), PhaseKind.STEP)
    probe = measure(moment, WATCHED)
    norms, cosines = probe.arrays["gradient_norms"], probe.arrays["gradient_cosines"]
    for row, (one, other) in enumerate(PAIRS):
        assert np.array_equal(np.isnan(cosines[row]), (norms[one] == 0) | (norms[other] == 0))
    assert (np.abs(cosines[~np.isnan(cosines)]) <= 1 + 1e-6).all()
    shared = dict(zip(probe.notes["gradients"]["layers"], probe.arrays["gradient_shared"].tolist(), strict=True))
    assert {name for name, both in shared.items() if both} == {name for name in shared if name.startswith("trunk")}
    assert any(shared.values()) == case.endswith("shared")


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("objective", ["clip", "kl_penalty", "unclipped", "reinforce", "actor_critic"])
def test_by_hand_and_by_torch_find_the_same(make, action, objective):
    trainer = make(settings_of(action, objective=objective, value_clip_range=0.1, shared_network=True))
    moment = moment_of(trainer, PhaseKind.GRADIENT)
    ours = measure(moment, WATCHED).arrays
    by_torch(trainer)
    theirs = measure(moment, WATCHED).arrays
    assert ours["gradient_norms"] == pytest.approx(theirs["gradient_norms"], rel=1e-4, abs=1e-6)
    assert ours["gradient_cosines"] == pytest.approx(theirs["gradient_cosines"], abs=2e-3, nan_ok=True)


def test_a_cosine_by_hand(make):
    """The slopes of both heads meet in the trunk: dL_PG/dh and dL_VF/dh, times the layer's input."""
    trainer = make({**settings_of("discrete"), "shared_network": True, "hidden_sizes": [3], "activation": "relu"})
    moment = moment_of(trainer, PhaseKind.GRADIENT, epoch=1, minibatch=1)  # r = 1: L_PG's slope by log π is −Â
    network, batch, minibatch = trainer.network, moment.batch, moment.update.minibatches[-1]
    x = batch.observations[minibatch.samples].double().numpy()
    parts = {name: network.theta.detach().double().numpy()[part] for name, part in network.parts().items()}
    width = x.shape[1]
    w = parts["policy_trunk.0.weight"].reshape(3, width)
    h = np.maximum(x @ w.T + parts["policy_trunk.0.bias"], 0)
    head = parts["policy_head.weight"].reshape(-1, 3)
    z = h @ head.T + parts["policy_head.bias"]
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    weights = minibatch.trained.numpy() / minibatch.trained.numpy().sum()
    chosen = np.eye(len(head))[batch.actions[minibatch.samples].numpy()]
    d_z = -(minibatch.advantages.numpy() * weights)[:, None] * (chosen - p)
    v = h @ parts["value_head.weight"] + parts["value_head.bias"]
    d_v = 2 * (v - batch.targets[minibatch.samples].numpy()) * weights
    slopes = [(d_z @ head) * (h > 0), np.outer(d_v, parts["value_head.weight"]) * (h > 0)]
    a, b = (np.concatenate([(slope.T @ x).ravel(), slope.sum(0)]) for slope in slopes)
    found = measure(moment, WATCHED)
    trunk = found.notes["gradients"]["layers"].index("trunk 1")
    assert found.arrays["gradient_norms"][:2, trunk] == pytest.approx([np.linalg.norm(a), np.linalg.norm(b)], rel=1e-3)
    assert found.arrays["gradient_cosines"][0, trunk] == pytest.approx(
        a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-3
    )


def test_before_the_first_minibatch_there_is_nothing(make):
    moment = moment_of(make(settings_of("discrete")), PhaseKind.ADVANTAGES, 0, 0)
    assert not measure(moment, WATCHED).arrays


def watched_run(trainer, watched):
    """Fingerprints of the weights of three updates, every phase looked at."""
    prints, theta = [], trainer.network.theta
    memory = theta.data_ptr()
    for phase in trainer.phases():
        before = theta.detach().clone()
        measure(moment_at(trainer, phase), watched)
        assert torch.equal(theta, before) and theta.data_ptr() == memory
        assert theta.grad is None and theta.requires_grad
        if phase.kind is PhaseKind.UPDATE:
            prints.append(trainer.weights_sha256())
            if len(prints) == 3:
                return prints
    raise AssertionError


@pytest.mark.parametrize("case", CASES)
def test_looking_changes_no_bit_and_draws_no_random_number(make, case):
    alone = watched_run(make(CASES[case]()), frozenset())
    states = torch.get_rng_state(), str(np.random.get_state())
    assert watched_run(make(CASES[case]()), WATCHED) == alone
    assert torch.equal(torch.get_rng_state(), states[0])
    assert str(np.random.get_state()) == states[1]
