"""Images: every layout reaches the network with its pixels in place, and they train like anything else."""

import sys
from typing import ClassVar

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.envs.registration import register

from ppo_scope.pictures.acting import ActingPolicy
from ppo_scope.ppo.environments import Environments
from ppo_scope.ppo.failures import UnusableEnvironment
from ppo_scope.ppo.making import make_one
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.spaces import describe
from ppo_scope.ppo.trainer import Trainer

HEIGHT, WIDTH = 40, 44
ACTION = gym.spaces.Discrete(2)


class Picture(gym.Env):
    """Pays for action 1; what it shows is `painted`."""

    action_space = ACTION
    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 30}

    def __init__(self, shape=(HEIGHT, WIDTH, 3), render_mode=None):
        self.observation_space = gym.spaces.Box(0, 255, tuple(shape), np.uint8)
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return self._seen(), {}

    def step(self, action):
        self.count += 1
        return self._seen(), float(action), self.count == 9, False, {}

    def render(self):
        return painted(self.count)

    def _seen(self):
        return painted(self.count, self.observation_space.shape)


def painted(count, shape=(HEIGHT, WIDTH, 3)):
    """A pixel's value says where it is, along every axis, and in which step it was seen."""
    weights = np.array([5, 3, 89, 37])[: len(shape)]
    return (np.tensordot(weights, np.indices(shape), 1) + 71 * count).astype(np.uint8)


def grey(image):
    """The luminance of [H, W, 3], by the weights of ITU-R BT.709 (rounded as Gymnasium has them)."""
    return (image @ np.array([0.2125, 0.7154, 0.0721])).astype(np.uint8)


register("ppo_scope_tests/Picture-v0", entry_point=Picture)
PICTURE = {"env": "ppo_scope_tests/Picture-v0", "num_envs": 2, "rollout_steps": 12, "minibatches": 2, "epochs": 2}


def box(*shape):
    return gym.spaces.Box(0, 255, shape, np.uint8)


@pytest.mark.parametrize(
    ("shape", "expected", "axes"),
    [
        ((40, 44), (1, 40, 44), lambda image: image[None]),
        ((40, 44, 3), (3, 40, 44), lambda image: image.transpose(2, 0, 1)),
        ((3, 40, 44), (3, 40, 44), lambda image: image),
        ((4, 40, 44), (4, 40, 44), lambda image: image),
        ((2, 40, 44, 3), (6, 40, 44), lambda image: np.concatenate([frame.transpose(2, 0, 1) for frame in image])),
    ],
)
def test_every_layout_becomes_channels_height_width(shape, expected, axes):
    spaces = describe(box(*shape), ACTION)
    assert spaces.is_image and spaces.observation_shape == expected
    batch = np.random.default_rng(0).integers(0, 256, (5, *shape), np.uint8)
    prepared = spaces.prepare(batch)
    assert prepared.dtype == np.uint8 and prepared.shape == (5, *expected)
    for image, found in zip(batch, prepared, strict=True):
        assert np.array_equal(found, axes(image))
    assert np.array_equal(spaces.prepare_one(batch[2]), prepared[2:3])


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (box(100, 100, 7), "height × width × colours"),
        (box(2, 2, 40, 40, 3), "height × width × colours"),
        (gym.spaces.Dict({"image": box(40, 40, 3)}), "its part 'image' (Box) is a picture"),
    ],
)
def test_what_is_no_image_for_the_network_is_refused_by_name(space, words):
    with pytest.raises(UnusableEnvironment, match=r"observation space .* is not supported") as caught:
        describe(space, ACTION)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(7, 7, 3), (35, 64, 3), (20, 20, 3), (4, 128), (2, 9, 9, 3)])
def test_arrays_of_bytes_that_are_smaller_than_pictures_are_numbers(shape):
    spaces = describe(box(*shape), ACTION)
    batch = np.random.default_rng(0).integers(0, 256, (5, *shape), np.uint8)
    assert not spaces.is_image and np.array_equal(spaces.prepare(batch), batch.reshape(5, -1))
    inside = describe(gym.spaces.Dict({"codes": box(*shape)}), ACTION)
    assert inside.observation_shape == spaces.observation_shape == (np.prod(shape),)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"env": "CartPole-v1", "grayscale": True}, "grayscale: only for images"),
        ({"env": "CartPole-v1", "frame_size": 84}, "frame_size: only for images"),
        ({"env": "CartPole-v1", "frame_skip": 4}, "frame_skip: only for images"),
        ({**PICTURE, "normalize_observations": True}, "normalize_observations: not for images"),
    ],
)
def test_settings_that_do_not_suit_are_refused_by_name(settings, words):
    with pytest.raises(UnusableEnvironment, match=words):
        Trainer(Settings.parse(settings))


def test_resizing_without_what_it_needs_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)  # as if it were not installed
    with pytest.raises(UnusableEnvironment, match=r'OpenCV.* pip install "ppo-scope\[images\]"'):
        Environments(Settings.parse({**PICTURE, "frame_size": 84}))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, painted(4).transpose(2, 0, 1)),
        ({"env_kwargs": {"shape": [3, HEIGHT, WIDTH]}}, painted(4, (3, HEIGHT, WIDTH))),
        ({"env_kwargs": {"shape": [HEIGHT, WIDTH]}}, painted(4, (HEIGHT, WIDTH))[None]),
        ({"grayscale": True}, grey(painted(4))[None]),
        ({"frame_stack": 2}, np.concatenate([painted(count).transpose(2, 0, 1) for count in (3, 4)])),
        ({"grayscale": True, "frame_stack": 3}, np.stack([grey(painted(count)) for count in (2, 3, 4)])),
    ],
    ids=["H-W-C", "C-H-W", "H-W", "grayscale", "stacked", "grayscale-stacked"],
)
def test_after_four_steps_every_pixel_is_in_its_place(settings, expected):
    environments = Environments(Settings.parse({**PICTURE, **settings}))
    for _ in range(4):
        step = environments.step(np.zeros(2, np.int64))
    environments.close()
    assert step.observations.dtype == np.uint8
    assert environments.spaces.observation_shape == expected.shape
    assert np.array_equal(step.observations, [expected, expected])


def test_a_skipped_frame_is_seen_by_its_maximum():
    environment = make_one(Settings.parse({**PICTURE, "frame_skip": 4}), "rgb_array")
    environment.reset(seed=1)
    seen, reward, *_ = environment.step(1)
    environment.close()
    assert environment.unwrapped.count == reward == 4
    assert np.array_equal(seen, np.maximum(painted(3), painted(4)))
    assert not np.array_equal(seen, painted(4)), "the two must differ for this to mean anything"


def test_the_sizes_between_the_layers_are_natures():
    trainer = Trainer(Settings.parse({**PICTURE, "env_kwargs": {"shape": [84, 84]}, "frame_stack": 4}))
    hidden, sizes = torch.zeros(1, 4, 84, 84), []
    for layer in trainer.network.layers.policy_trunk:
        hidden = layer(hidden)
        if not isinstance(layer, torch.nn.ReLU):
            sizes.append(tuple(hidden.shape[1:]))
    trainer.close()
    assert sizes == [(32, 20, 20), (64, 9, 9), (64, 7, 7), (3136,), (512,)]


def test_the_network_is_natures():
    trainer = Trainer(Settings.parse({**PICTURE, "shared_network": True}))
    convolutions = [m for m in trainer.network.layers.policy_trunk if isinstance(m, torch.nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0]) for c in convolutions] == [
        (3, 32, 8, 4),
        (32, 64, 4, 2),
        (64, 64, 3, 1),
    ]
    with torch.no_grad():
        found = trainer.network.layers.policy_trunk(torch.zeros(2, 3, HEIGHT, WIDTH))
        white = torch.full((1, 3, HEIGHT, WIDTH), 255, dtype=torch.uint8)
        assert torch.allclose(trainer.network(white)[1], trainer.network(torch.ones(1, 3, HEIGHT, WIDTH))[1])
    assert found.shape == (2, 512)
    trainer.close()


@pytest.mark.parametrize("shared_network", [False, True])
def test_training_on_images_repeats_bit_for_bit(shared_network):
    def run():
        trainer = Trainer(Settings.parse({**PICTURE, "shared_network": shared_network}))
        for phase in trainer.phases():
            if phase.kind is PhaseKind.LOSS and phase.epoch == phase.minibatch == 1:
                minibatch = phase.update.minibatches[0]
                assert minibatch.logratio[minibatch.trained].abs().max() < 1e-4
            if phase.kind is PhaseKind.UPDATE and phase.update.index == 2:
                assert phase.update.rollout.observations.dtype == np.uint8
                trainer.close()
                return trainer.weights_sha256()
        raise AssertionError

    assert run() == run()


def test_the_policy_on_show_sees_what_it_was_trained_on():
    trainer = Trainer(Settings.parse({**PICTURE, "grayscale": True, "frame_stack": 2}))
    acting = ActingPolicy(trainer.settings)
    acting.take({"theta": trainer.network.theta.detach().numpy()})
    assert acting.advance(12).image.startswith(b"\xff\xd8")
    acting.close()
    trainer.close()
