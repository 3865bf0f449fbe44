"""Images: every layout reaches the network with its pixels in place, and they train like anything else."""

import importlib.util
from typing import ClassVar

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.envs.registration import register

from ppo_scope.ppo.environments import Environments, make_one
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.spaces import UnusableEnvironment, describe
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.acting import ActingPolicy

HEIGHT, WIDTH = 40, 44
ACTION = gym.spaces.Discrete(2)


class Picture(gym.Env):
    """A pixel's value says where it is and when it was seen; random noise beside it."""

    action_space = ACTION
    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 30}

    def __init__(self, shape=(HEIGHT, WIDTH, 3), render_mode=None):
        self.observation_space = gym.spaces.Box(0, 255, shape, np.uint8)
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return self._seen(), {}

    def step(self, action):
        self.count += 1
        return self._seen(), float(action), self.count == 9, False, {}

    def render(self):
        return self._seen()

    def _seen(self):
        seen = self.np_random.integers(0, 10, self.observation_space.shape, np.uint8)
        seen[0] += np.uint8(100 + self.count)
        return seen


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
        (box(20, 20, 3), "36 × 36 pixels or more; frame_size"),
        (box(100, 100, 7), "height × width × colours"),
        (box(2, 2, 40, 40, 3), "height × width × colours"),
        (gym.spaces.Dict({"image": box(40, 40, 3)}), "it holds images"),
    ],
)
def test_what_is_no_image_for_the_network_is_refused_by_name(space, words):
    with pytest.raises(UnusableEnvironment, match=r"observation space .* is not supported") as caught:
        describe(space, ACTION)
    assert words in str(caught.value) and "\n" not in str(caught.value)


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


@pytest.mark.skipif(importlib.util.find_spec("cv2") is not None, reason="OpenCV is installed: nothing is missing")
def test_resizing_without_what_it_needs_names_the_command():
    with pytest.raises(UnusableEnvironment, match="pip install"):
        Environments(Settings.parse({**PICTURE, "frame_size": 84}))


def test_grey_frames_are_stacked_with_the_newest_last():
    settings = Settings.parse({**PICTURE, "grayscale": True, "frame_stack": 3})
    environments = Environments(settings)
    assert environments.spaces.observation_shape == (3, HEIGHT, WIDTH)
    for _ in range(4):
        step = environments.step(np.zeros(2, np.int64))
    newest = step.observations[0, :, 0].mean(-1)
    assert list(newest) == sorted(newest) and newest[2] - newest[0] == pytest.approx(2, abs=1.5)
    environments.close()


def test_a_skipped_frame_is_seen_by_its_maximum():
    environment = make_one(Settings.parse({**PICTURE, "frame_skip": 4}), "rgb_array")
    environment.reset(seed=1)
    seen = environment.step(0)[0]
    assert environment.unwrapped.count == 4
    assert seen[0].min() >= 104
    environment.close()


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
    acting = ActingPolicy(trainer)
    assert acting.advance(12).image.startswith(b"\xff\xd8")
    acting.close()
    trainer.close()
