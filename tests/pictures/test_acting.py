"""The acting policy: with the weights it is given, in an environment that is drawn, or in words why it is not."""

import numpy as np
import pytest

from ppo_scope.pictures import failures
from ppo_scope.pictures.acting import HOW, ActingPolicy
from ppo_scope.pictures.images import CannotRender
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer


def acting(env, **settings):
    policy = ActingPolicy(Settings.parse({"env": env, **settings}))
    policy.look()
    return policy


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ("Nothing-v0", "render() gave nothing in the mode rgb_array"),
        ("WithoutRenderMode-v0", f"its __init__ takes no render_mode; {HOW}"),
        ("OnScreenOnly-v0", f"it does not draw in the mode rgb_array (its render_modes: human); {HOW}"),
    ],
)
def test_why_there_is_no_picture(env, words):
    with pytest.raises(CannotRender) as caught:
        acting(f"tests.environments.drawing:{env}")
    assert failures.raised(env, caught.value) == f"{env} cannot be drawn: {words}."


def test_it_acts_with_the_weights_that_it_is_given():
    """Weights that push a Pendulum as far as they can: what it draws differs from what others would."""
    trainer = Trainer(Settings.parse({"env": "Pendulum-v1"}))
    theta = trainer.network.theta.detach().numpy()
    returns = []
    for weights in (theta, theta * 0 + 0.5):
        policy = acting("Pendulum-v1")
        policy.take({"theta": weights})
        returns.append(policy.advance(8).episode_return)
        policy.close()
    assert returns[0] != returns[1]


def test_observations_are_normalised_as_the_trainer_does():
    policy = acting("Pendulum-v1")
    theta = policy._network.theta.detach().numpy().copy()
    plain = policy._inference.normalized(np.ones((1, 3), np.float32))
    statistics = {"observation_mean": np.ones(3, np.float32), "observation_deviation": np.full(3, 2, np.float32)}
    policy.take({"theta": theta, **statistics})
    assert plain.tolist() == [[1, 1, 1]]
    assert policy._inference.normalized(np.full((1, 3), 5, np.float32)).tolist() == [[2, 2, 2]]


def test_it_keeps_to_the_action_mask():
    """The environment objects to what it has forbidden."""
    policy = acting("tests.environments.masked:Masked-v0", env_kwargs={"action": "multi_discrete"})
    for _ in range(60):
        policy.advance(1)
    policy.close()


def test_weights_of_other_networks_are_refused():
    policy = acting("CartPole-v1")
    with pytest.raises(CannotRender, match="others than those that are trained on"):
        policy.take({"theta": np.zeros(3, np.float32)})
