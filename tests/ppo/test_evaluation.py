"""A policy without chance in environments of its own: it plays what it should, and the training does not notice."""

import json
import random

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.envs.classic_control import CartPoleEnv

from ppo_scope.cli import main
from ppo_scope.ppo import evaluation
from ppo_scope.ppo.evaluation import Evaluator, episodes_of, mode
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.seeding import stream
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.spaces import distribution_of
from ppo_scope.ppo.trainer import Trainer
from tests.environments.drawing_lots import Lots
from tests.ppo.test_spaces import ACTIONS, sampled

SMALL = {"num_envs": 3, "rollout_steps": 16, "minibatches": 2, "epochs": 2, "learning_rate": 0.003}
LOTS = "tests.environments.drawing_lots:Lots-v0"
REUSING = "tests.environments.same_step:Reusing-v0"


def summary_of(capsys, *options):
    assert main(["train", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def trained(updates, between_steps=lambda ended: None, **settings):
    """(the trainer after so many updates, its evaluator, what was evaluated)"""
    trainer = Trainer(Settings.parse({**SMALL, **settings}))
    evaluator, found = Evaluator(trainer, between_steps), []
    for phase in trainer.phases():
        if evaluator.due:
            found.append(evaluator.evaluate())
        if phase.kind is PhaseKind.UPDATE and phase.update.index == updates:
            break
    return trainer, evaluator, found


@pytest.mark.parametrize("env", [*ACTIONS, LOTS])
def test_the_training_is_the_same_to_the_bit_with_evaluations_and_without(env):
    settings = {"env": sampled("dict", env) if env in ACTIONS else env, "normalize_observations": True}
    Lots.observation_space = gym.spaces.Box(-1, 1, (4,))  # all copies have this one, and sample from it
    plain, _, nothing = trained(4, **settings)
    Lots.observation_space = gym.spaces.Box(-1, 1, (4,))
    with_them, _, found = trained(4, **settings, eval_every=1, eval_episodes=2)
    assert (len(nothing), len(found)) == (0, 4)
    assert with_them.weights_sha256() == plain.weights_sha256()
    assert with_them.environments.vector.num_envs == SMALL["num_envs"]


def test_generators_that_the_process_shares_are_left_as_they_were():
    trainer, _, _ = trained(1, env=LOTS)
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    first = episodes_of(trainer.inference(), trainer.settings)
    assert random.getstate() == before[0]
    assert (np.random.get_state()[1] == before[1]).all()
    assert torch.equal(torch.get_rng_state(), before[2])
    random.random()
    again = episodes_of(trainer.inference(), trainer.settings)
    assert (first[0] == again[0]).all() and (first[1] == again[1]).all(), "it depends on nothing but weights and seed"


@pytest.mark.parametrize("action", ACTIONS)
def test_no_action_is_likelier_than_the_one_that_is_taken(action):
    distribution = distribution_of(ACTIONS[action])
    generator = np.random.default_rng(0)
    outputs = generator.normal(size=(50, distribution.outputs)).astype(np.float32)
    taken = torch.from_numpy(mode(distribution, outputs))
    best, _ = distribution.evaluate(torch.from_numpy(outputs), taken)
    for _ in range(20):
        drawn = torch.from_numpy(distribution.act(outputs, distribution.noise(generator, (50,))))
        assert (distribution.evaluate(torch.from_numpy(outputs), drawn)[0] <= best + 1e-6).all()


@pytest.mark.parametrize(("env", "normalized"), [("Acrobot-v1", False), ("Pendulum-v1", True)])
def test_returns_are_those_of_a_plain_loop(env, normalized):
    trainer, _, _ = trained(2, env=env, normalize_observations=normalized)
    returns, lengths, unfinished = episodes_of(trainer.inference(), trainer.settings)
    assert unfinished == 0 and len(returns) == 10
    seed = int(stream(trainer.settings.seed, "evaluation").generate_state(1)[0] >> 1)
    network = trainer.network
    for number in (0, 9):
        environment = gym.make(env)
        seen, _ = environment.reset(seed=seed + number)
        total, steps, done = 0.0, 0, False
        while not done:
            if normalized:
                seen = np.clip((seen - network.observation_mean) / network.observation_deviation, -10, 10)
            outputs = network(torch.from_numpy(np.asarray(seen, np.float32)[None]))[0].detach().numpy()[0]
            action = int(outputs.argmax()) if env == "Acrobot-v1" else np.clip(outputs[:1], -2, 2)
            seen, reward, terminated, truncated, _ = environment.step(action)
            total, steps, done = total + float(reward), steps + 1, terminated or truncated
        assert steps == lengths[number]
        assert total == pytest.approx(returns[number], rel=0.02), "single precision adds up along an episode"


def test_the_episode_of_an_environment_that_begins_anew_at_once_is_counted_once():
    _, _, found = trained(1, env=REUSING, eval_every=1, eval_episodes=3)
    assert found[0].returns == (3.0, 3.0, 3.0) and found[0].lengths == (3, 3, 3)


def test_it_is_due_every_so_many_updates_and_at_the_end():
    _, evaluator, found = trained(None, total_steps=5 * 48, eval_every=2, env=REUSING)
    assert [one.update for one in found] == [2, 4, 5]
    assert [one.steps for one in found] == [96, 192, 240]
    assert not evaluator.due


def test_the_best_weights_are_kept_and_play_as_they_did():
    settings = {"num_envs": 8, "rollout_steps": 64, "epochs": 8, "total_steps": 10_000}
    trainer, evaluator, found = trained(None, **settings, eval_every=2, normalize_observations=True)
    best = max(found, key=lambda one: one.mean)
    assert evaluator.best is not None
    assert (evaluator.best.update, evaluator.best.mean) == (best.update, best.mean)
    assert [one.best for one in found] == [
        one.mean > max([e.mean for e in found[:k]] or [0]) for k, one in enumerate(found)
    ]
    assert max(one.mean for one in found[:-1]) > 2 * found[0].mean, "it has learned"
    weights = evaluator.best.weights
    with torch.no_grad():
        for name, part in trainer.network.parts().items():
            trainer.network.theta[part] = torch.from_numpy(weights[name].reshape(-1))
    trainer.network.observation_mean = weights["observation_mean"]
    trainer.network.observation_deviation = weights["observation_deviation"]
    assert tuple(episodes_of(trainer.inference(), trainer.settings)[0]) == best.returns


def test_two_evaluations_begin_alike_and_another_seed_begins_otherwise():
    trainer, _, _ = trained(1)
    here = episodes_of(trainer.inference(), trainer.settings)[0]
    assert (here == episodes_of(trainer.inference(), trainer.settings)[0]).all()
    assert (here != episodes_of(trainer.inference(), trainer.settings.changed(seed=2))[0]).any()


class Endless(CartPoleEnv):
    """Never ends."""

    def step(self, action):
        return np.zeros(4, np.float32), 1.0, False, False, {}


class Breaking(CartPoleEnv):
    """Only the first three copies work."""

    made = 0

    def __init__(self, **options):
        super().__init__(**options)
        Breaking.made += 1
        self.number = Breaking.made

    def step(self, action):
        if self.number > 3:
            raise ValueError("the axle broke")
        return super().step(action)


gym.register("ppo_scope_tests/Endless-v0", Endless)
gym.register("ppo_scope_tests/Breaking-v0", Breaking)


def test_episodes_that_never_end_are_cut_and_counted():
    _, _, found = trained(1, env="ppo_scope_tests/Endless-v0", eval_every=1, eval_episodes=2)
    most = evaluation.MOST_STEPS
    assert (found[0].unfinished, found[0].lengths, found[0].mean) == (2, (most, most), most)


def test_an_environment_that_fails_in_an_evaluation_ends_no_training():
    Breaking.made = 0
    trainer, evaluator, found = trained(3, env="ppo_scope_tests/Breaking-v0", eval_every=1)
    assert trainer.updates == 3 and len(found) == 3
    assert "the axle broke" in found[0].fault and found[0].returns == () and evaluator.best is None


def test_it_can_be_given_up_between_steps_and_is_still_due():
    class Enough(Exception):
        pass

    def stop(ended):
        raise Enough

    trainer, _, _ = trained(1, env=LOTS, eval_every=1)
    evaluator = Evaluator(trainer, stop)
    before = random.getstate()
    with pytest.raises(Enough):
        evaluator.evaluate()
    assert evaluator.due and random.getstate() == before


def test_an_update_that_is_made_anew_is_evaluated_anew():
    trainer, evaluator, _ = trained(2, eval_every=1)
    evaluator.evaluate()
    assert not evaluator.due
    outcome = trainer.redo({"learning_rate": 0.1})
    assert not evaluator.due, "it is only looked at"
    trainer.adopt(outcome)
    assert evaluator.due


def test_train_tells_them_beside_the_training_return_and_keeps_the_best_weights(tmp_path, capsys):
    file = tmp_path / "best.npz"
    settings = ["--total-steps", "6000", "--eval-every", "2", "--eval-episodes", "3"]
    plain = summary_of(capsys, "--total-steps", "6000")
    told = summary_of(capsys, *settings, "--best", str(file))
    assert told["weights_sha256"] == plain["weights_sha256"] and "evaluations" not in plain
    found = told["evaluations"]
    assert [one["update"] for one in found] == [2, 4, 6, 7]
    assert all(len(one["returns"]) == 3 for one in found)
    assert told["best"]["mean"] == max(one["mean"] for one in found)
    with np.load(file, allow_pickle=False) as weights:
        assert {name: weights[name].shape for name in weights}["policy_head.weight"] == (2, 64)
    assert [path.name for path in tmp_path.iterdir()] == ["best.npz"]
    assert main(["train", *settings, "--best", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "mean return of the last" in lines[0] and "without chance" in lines[1]
    assert f"after update {told['best']['update']}, kept in {file}" in lines[2]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--best", "best.npz"], "--best: the best weights are found by evaluating"),
        (
            ["--eval-every", "1", "--best", "no-such-folder/best.npz"],
            "--best no-such-folder/best.npz: cannot be written: No such file or directory",
        ),
        (["--eval-every", "0"], "eval_every: input should be greater than or equal to 1"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_trained(given, words, capsys):
    assert main(["train", "--total-steps", "100", *given]) == 2
    assert words in capsys.readouterr().err
