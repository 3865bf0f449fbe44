"""What is trained is what its id names: whose vector environment is taken, and what is at work around it."""

import math

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.classic_control import CartPoleEnv, cartpole
from gymnasium.vector import SyncVectorEnv

from ppo_scope.ppo.cartpole import CartPoleVectorEnv
from ppo_scope.ppo.environments import SAME_AS_PLAIN, Environments
from ppo_scope.ppo.making import make_one
from ppo_scope.ppo.settings import Settings
from tests.environments import other_vector
from tests.ppo.test_images import PICTURE

GAME = f"{other_vector.__name__}:Game-v0"
NATIVE = "CartPoleVectorEnv (Gymnasium's own vector environment)"


def environments(**settings):
    return Environments(Settings.parse({"num_envs": 2, **settings}))


@pytest.mark.parametrize("kwargs", [{}, {"sutton_barto_reward": True}, {"max_episode_steps": 9}], ids=str)
@pytest.mark.parametrize("env", ["CartPole-v0", "CartPole-v1"])
def test_the_native_vector_environment_is_the_plain_one_step_by_step(env, kwargs):
    """From the same states: what each makes of an action, what it pays, and where episodes end."""
    count, generator = 16, np.random.default_rng(0)
    many = environments(env=env, env_kwargs=kwargs, num_envs=count)
    whole = many.vector.unwrapped
    assert isinstance(whole, cartpole.CartPoleVectorEnv)
    plain = [gym.make(env, disable_env_checker=True, **kwargs) for _ in range(count)]
    assert many.vector.single_observation_space == plain[0].observation_space
    assert many.vector.single_action_space == plain[0].action_space
    for one in plain:
        one.reset()
    begins, ends = np.zeros(count, bool), {"terminated": 0, "truncated": 0}
    for _ in range(60):
        states = whole.state.copy()
        actions = generator.integers(2, size=count)
        step = many.step(actions)
        for n, one in enumerate(plain):
            if begins[n]:  # the row that begins an episode: a new state within the same bounds, and nothing is paid
                one.reset()
                found = (step.rewards[n], step.terminated[n], step.truncated[n])
                assert found == (0, False, False) and np.abs(step.observations[n]).max() <= 0.05
                continue
            one.unwrapped.state = states[:, n]
            seen, reward, terminated, truncated, _ = one.step(int(actions[n]))
            assert np.allclose(step.observations[n], seen, rtol=1e-6, atol=1e-7)
            assert (step.rewards[n], step.terminated[n], step.truncated[n]) == (reward, terminated, truncated)
            ends["terminated"] += terminated
            ends["truncated"] += truncated
        begins = step.terminated | step.truncated
    many.close()
    assert ends["terminated"] > 0 and (ends["truncated"] > 0) == ("max_episode_steps" in kwargs)


@pytest.mark.parametrize("kwargs", [{}, {"sutton_barto_reward": True, "max_episode_steps": 13}], ids=str)
@pytest.mark.parametrize("count", [1, 5, 64])
def test_the_quicker_step_of_cartpole_gives_gymnasiums_bits(count, kwargs):
    made = cartpole.CartPoleVectorEnv(num_envs=count, **kwargs), CartPoleVectorEnv(num_envs=count, **kwargs)
    generator, ended = np.random.default_rng(0), 0
    for one in made:
        one.reset(seed=3)
    for _ in range(300):
        actions = generator.integers(2, size=count)
        theirs, ours = (one.step(actions)[:4] for one in made)
        for expected, found in zip(theirs, ours, strict=True):
            assert (found.dtype, found.strides) == (expected.dtype, expected.strides)
            assert found.tobytes() == expected.tobytes()
        ended += theirs[2].sum()
        assert made[0].state.tobytes() == made[1].state.tobytes()
    assert ended > 0


def test_cartpole_is_stepped_in_the_quicker_way():
    found = environments(env="CartPole-v1")
    assert type(found.vector.unwrapped) is CartPoleVectorEnv
    found.close()


def test_only_environments_that_were_compared_are_on_the_list():
    compared = [gym.spec(env) for env in ("CartPole-v0", "CartPole-v1")]
    assert set(SAME_AS_PLAIN) == {(spec.entry_point, spec.vector_entry_point) for spec in compared}


def test_a_vector_environment_that_is_another_game_is_left_alone():
    """ale_py's clips rewards and skips frames, and does not take what the game takes."""
    found = environments(env=GAME, env_kwargs={"obs_type": "ram"})
    assert isinstance(found.vector, SyncVectorEnv)
    step = found.step(np.zeros(2, np.int64))
    assert step.rewards.tolist() == [other_vector.PAID] * 2
    assert found.wrappers == (f"TimeLimit ({other_vector.LENGTH} steps)",)
    found.close()


def test_the_environment_on_show_is_the_one_that_is_trained():
    settings = Settings.parse({"env": GAME, "env_kwargs": {"obs_type": "ram"}})
    trained, shown = Environments(settings).vector.envs[0], make_one(settings, "rgb_array")
    layers = []
    for one in (trained, shown):
        layers.append([])
        while isinstance(one, gym.Wrapper):
            layers[-1].append(type(one))
            one = one.env
        layers[-1].append((type(one), one.obs_type))
    assert layers[0] == layers[1] and len(layers[0]) > 2
    assert shown.render_mode == "rgb_array"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"env": "CartPole-v1"}, (NATIVE, "TimeLimit (500 steps)")),
        ({"env": "CartPole-v0"}, (NATIVE, "TimeLimit (200 steps)")),
        ({"env": "CartPole-v1", "env_kwargs": {"max_episode_steps": 1500}}, (NATIVE, "TimeLimit (1,500 steps)")),
        ({"env": "CartPole-v1", "frame_stack": 2}, ("TimeLimit (500 steps)", "FrameStackObservation (2)")),
        ({"env": "Acrobot-v1"}, ("TimeLimit (500 steps)",)),
        ({**PICTURE, "grayscale": True, "frame_stack": 3}, ("GrayscaleObservation", "FrameStackObservation (3)")),
        ({**PICTURE, "frame_skip": 4}, ("MaxAndSkipObservation (4)",)),
        (
            {"env": "tests.environments.codes:Grid-v0", "leave_out": "mission, image"},
            ("FilterObservation (without mission, image)",),
        ),
        (
            {"env": "tests.environments.codes:Wrapped-v0"},
            ("TimeLimit (30 steps)", "MapAlone", "TransformReward", "TimeLimit (20 steps)"),
        ),
        (
            {"env": "tests.environments.same_step:Reusing-v0"},
            ("Reusing (the environment's own vector environment)",),
        ),
    ],
    ids=str,
)
def test_everything_that_is_at_work_is_named(settings, expected):
    found = environments(**settings)
    assert found.wrappers == expected
    found.close()


@pytest.mark.parametrize(
    ("registered", "told"),
    [(math.inf, None), (np.float32(3), 3.0), (np.int64(3), 3.0), ("much", None), (None, None), (475.0, 475.0)],
)
def test_a_threshold_that_cannot_be_reached_or_told_is_none(registered, told):
    gym.register("ppo_scope_tests/Threshold-v0", CartPoleEnv, reward_threshold=registered)
    try:
        made = environments(env="ppo_scope_tests/Threshold-v0")
        made.close()
    finally:
        del gym.registry["ppo_scope_tests/Threshold-v0"]
    assert made.reward_threshold == told
    assert told is None or type(made.reward_threshold) is float, "JSON knows no numbers of NumPy's"


def test_a_space_tells_whether_it_has_a_generator_by_a_private_name():
    """Gymnasium has no public way to ask. Without this one, spaces are seeded even where an environment has done so."""
    space = gym.spaces.Discrete(2)
    assert space._np_random is None
    space.sample()
    assert space._np_random is not None
