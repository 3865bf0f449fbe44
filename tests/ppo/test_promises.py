"""What an environment breaks of its promises, and what its code raises, is one line that names it."""

import re
import warnings

import numpy as np
import pytest

from ppo_scope.ppo.environments import Environments
from ppo_scope.ppo.failures import EnvironmentFault, EnvironmentRaised, UnusableEnvironment
from ppo_scope.ppo.judging import judge
from ppo_scope.ppo.making import make_one
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from tests.environments import broken, codes, mine, raising, same_step


def environments(module, name, leave_out="", **kwargs):
    settings = {"env": f"{module.__name__}:{name}", "num_envs": 2, "env_kwargs": kwargs, "leave_out": leave_out}
    return Environments(Settings.parse(settings))


def stepped(module, name, steps=5, **settings):
    """Acts a few steps; what was seen last."""
    found = environments(module, name, **settings)
    try:
        for _ in range(steps):
            step = found.step(np.zeros(2, np.int64))
        return step
    finally:
        found.close()


def refusal(kind, module, name, **settings):
    """The one line."""
    with pytest.raises(kind) as caught:
        stepped(module, name, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("field", "gives", "words"),
    [
        ("reward", "array", "reward of environment 0: expected a number, got shape (1,) of float64"),
        ("reward", "vector", "reward of environment 0: expected a number, got shape (2,) of float64"),
        ("reward", "list", "reward of environment 0: expected a number, got a list of 1"),
        ("reward", "none", "reward of environment 0: expected a number, got None"),
        ("reward", "text", "reward of environment 0: expected a number, got 'win'"),
        ("reward", "complex", "reward of environment 0: expected a number, got 1j"),
        ("reward", "huge", "reward of environment 0: 1e+300 is too large for single precision"),
        ("reward", "whole", "reward of environment 0: a whole number is too large for single precision"),
        ("terminated", "none", "terminated of environment 0: expected True or False, got None"),
        ("truncated", "array", "truncated of environment 0: expected True or False, got shape (1,) of float64"),
        ("truncated", "text", "truncated of environment 0: expected True or False, got 'win'"),
        ("info", "none", "info of environment 0: expected a dictionary, got None"),
        (
            "step",
            "",
            "what step of environment 0 returned: expected (observation, reward, terminated, truncated, info), ",
        ),
    ],
)
def test_what_a_step_gives_is_named_by_its_field(field, gives, words):
    found = refusal(EnvironmentFault, broken, "Broken-v0", field=field, gives=gives)
    assert found.startswith(words) and "not finite" not in found


@pytest.mark.parametrize(
    ("space", "gives", "words"),
    [
        ("box", "none", "expected shape (2,) of float32, got None"),
        ("box", "array", "expected shape (2,) of float32, got shape (1,) of float64"),
        ("box", "text", "expected shape (2,) of float32, got 'win'"),
        ("box", "ragged", "expected shape (2,) of float32, got a list of 2"),
        ("box", "huge_doubles", "1e+300 is too large for single precision"),
        ("double", "huge_doubles", "1e+300 is too large for single precision"),
        ("bytes", "floats", "expected shape (2,) of uint8, got shape (2,) of float64"),
        ("small", "wide", "expected shape (2,) of int8, got 300"),
        ("discrete", "minus_one", "expected a whole number from 0 to 4, got -1"),
        ("discrete", "seven", "expected a whole number from 0 to 4, got 7"),
        ("discrete", "array", "expected a whole number, got shape (1,) of float64"),
        ("from_three", "minus_one", "expected a whole number from 3 to 4, got -1"),
        ("multi_discrete", "beyond", "expected a whole number from 0 to 2 in place 1, got 3"),
        ("multi_discrete", "none", "expected whole numbers in shape (2,), got None"),
        ("multi_binary", "twos", "expected a whole number from 0 to 1 in place 1, got 2"),
        ("dict", "none", "expected a dictionary of place, room, got None"),
        ("dict", "no_room", "expected a part 'room', got only place"),
        ("dict", "wrong_room", ", part 'room': expected a whole number from 0 to 3, got 4"),
        ("tuple", "short", "expected a tuple of 2, got a tuple of 1"),
        ("tuple", "wrong_inside", ", part 1, part 'place': expected shape (2,) of float32, got shape (3,) of float32"),
    ],
)
@pytest.mark.parametrize("at", [0, 3], ids=["reset", "step"])
def test_observations_that_are_not_of_their_space_are_named(space, gives, words, at):
    found = refusal(EnvironmentFault, broken, "Broken-v0", space=space, field="observation", gives=gives, at=at)
    assert found.startswith("observation of environment 0") and words in found and "not finite" not in found


@pytest.mark.parametrize("space", broken.SPACES)
def test_observations_of_their_space_pass(space):
    stepped(broken, "Broken-v0", space=space, field="nothing")


def test_observations_that_lose_nothing_by_being_cast_pass():
    assert stepped(broken, "Broken-v0", 3, field="observation", gives="doubles").observations[0].tolist() == [
        0.25,
        -0.25,
    ]


def test_the_reset_of_the_old_gym_is_named():
    found = refusal(EnvironmentFault, broken, "Broken-v0", field="reset", at=0)
    assert found.startswith("what reset of environment 0 returned: expected (observation, info), got shape (2,)")


def test_a_reset_that_takes_no_seed_is_told_what_it_must_take():
    found = refusal(EnvironmentRaised, broken, "Seedless-v0")
    assert found.endswith("it must be reset(self, *, seed=None, options=None), which the old gym's was not")


def test_an_info_may_hold_what_it_likes():
    stepped(broken, "Mixed-v0")


METHODS = {"__init__": 0, "reset": 0, "step": 3}


@pytest.mark.parametrize("where", METHODS)
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("value", "ValueError: x and y must have same first dimension"),
        ("bare", "AssertionError without a text, at `assert not WAYS`"),
        ("key", "KeyError: 'no such way'"),
        ("leave", "SystemExit: gone"),
        ("odd", "Odd: a panic"),
        ("wordless", "Wordless without a text, at `raise Wordless`"),
        ("within_numpy", "ValueError: all the input arrays must have same number of dimensions"),
        ("two_lines", "RuntimeError: one two"),
        ("mistaken_call", "TypeError: value() takes 0 positional arguments but 1 was given"),
    ],
)
def test_what_its_own_code_raises_is_told_with_file_and_line(where, how, said):
    found = refusal(EnvironmentRaised, raising, "Res-v0", where=where, how=how)
    head = rf"env tests\.environments\.raising:Res-v0 failed in {where} \(raising\.py, line (\d+)\): "
    match = re.match(head, found)
    assert match and found[match.end() :].startswith(said)
    line = (raising.__file__ and open(raising.__file__).read().splitlines())[int(match[1]) - 1]  # noqa: PTH123, SIM115
    assert any(word in line for word in ("raise", "assert", "return", "sys.exit"))


def test_the_traceback_begins_in_its_own_code():
    with pytest.raises(EnvironmentRaised) as caught:
        stepped(raising, "Res-v0", where="step", how="within_numpy")
    lines = caught.value.detail.splitlines()
    assert lines[0] == "Traceback (most recent call last):" and "raising.py" in lines[1]
    assert lines[-1].startswith("ValueError: all the input arrays") and caught.value.stage == "step"
    assert isinstance(caught.value.__cause__, ValueError)


def test_the_one_on_show_says_so():
    settings = {"env": f"{broken.__name__}:Broken-v0", "env_kwargs": {"gives": "none", "at": 1}}
    with pytest.raises(UnusableEnvironment, match="takes no render_mode, so there are no pictures"):
        make_one(Settings.parse(settings), "rgb_array")
    shown = make_one(Settings.parse({"env": "CartPole-v1"}), "rgb_array")
    shown.reset(seed=1)
    with pytest.raises(EnvironmentRaised, match=r"env CartPole-v1 failed in step .*AssertionError: 'left'"):
        shown.step("left")
    shown.close()


def test_a_failing_close_loses_nothing():
    found = environments(raising, "Res-v0", where="close")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found.close()
    assert any("failed in close (raising.py, line" in str(one.message) for one in caught)
    for one in found.vector.envs:  # the vector environment closes itself again when it is collected
        one.unwrapped.where = "nowhere"


@pytest.mark.parametrize(
    ("name", "kwargs", "words"),
    [
        ("Demanding-v0", {}, """needs size and colour: give them with --env-kwargs '{"size": "…", "colour": "…"}'"""),
        ("Demanding-v0", {"sise": 3}, "does not take sise; --env-kwargs can give it size, colour, max_episode_steps"),
        ("Drawn-v0", {}, "its constructor demands a render_mode, and training draws nothing"),
    ],
)
def test_arguments_that_do_not_suit_are_named(name, kwargs, words):
    assert words in refusal(UnusableEnvironment, mine, name, **kwargs)


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("Grid-v0", {}, "its part 'mission' (Text) is not made of Box, "),
        ("Grid-v0", {}, "; --leave-out mission trains without it"),
        ("Grid-v0", {"leave_out": "misson"}, "leave_out: there is no part 'misson', only direction, image, mission"),
        ("Grid-v0", {"leave_out": "direction,image,mission"}, "leave_out: nothing would be left to look at"),
        ("Grid-v0", {"leave_out": "mission", "map_only": True}, "leave_out: only for observations that are a Dict"),
        ("Grid-v0", {"empty": True}, "observation space Box([], [], (0,), float32) is not supported: it is empty"),
        ("NoAction-v0", {"map_only": True}, "action space Box([], [], (0,), float32) is not supported: it is empty"),
    ],
)
def test_spaces_that_cannot_be_trained_on_are_refused_with_a_way_out(name, settings, words):
    assert words in refusal(UnusableEnvironment, codes, name, **settings)


def test_a_map_of_codes_is_numbers():
    whole = stepped(codes, "Grid-v0", 2, leave_out="mission").observations
    assert whole.shape == (2, 4 + 7 * 7 * 3) and whole[0, 4:].tolist() == [2.0] * 147
    alone = stepped(codes, "Grid-v0", 2, map_only=True).observations
    assert alone.dtype == np.float32 and alone.tolist() == [[2.0] * 147] * 2


def same_step_values(**kwargs):
    """(update, the values that the states after each step were given) of one rollout."""
    settings = {"env": f"{same_step.__name__}:Reusing-v0", "env_kwargs": kwargs, "num_envs": 2, "rollout_steps": 9}
    trainer = Trainer(Settings.parse({**settings, "minibatches": 1}))
    update = next(phase for phase in trainer.phases() if phase.kind is PhaseKind.ADVANTAGES).update
    seen = np.arange(same_step.LENGTH + 1, dtype=np.float32)[:, None]
    worth = [judge(trainer.learner.inference, one[None], trainer.device)[1].item() for one in seen]
    trainer.close()
    return update, worth


def test_the_last_state_is_kept_where_its_room_is_used_again():
    update, worth = same_step_values()
    assert {n: final.item() for n, final in update.rollout.final_observations.items()} == {
        (t, n): same_step.LENGTH for t in (2, 5, 8) for n in (0, 1)
    }
    assert np.allclose(update.judged.next_values[:, 0], [worth[1], worth[2], worth[3]] * 3, atol=1e-6)


def test_a_truncation_without_its_last_state_is_refused():
    found = refusal(EnvironmentFault, same_step, "Reusing-v0", tells=False)
    assert found.startswith("final_obs of environment 0: ") and 'info["final_obs"]' in found
    same_step_values(tells=False, terminates=True)  # of a termination nothing is needed


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("raises", "env tests.environments.same_step:Reusing-v0 failed in step (same_step.py, line "),
        ("reward", "rewards: expected shape (2,) of numbers, got shape (2, 2) of float64"),
        ("huge", "reward of environment 1: 1e+300 is too large for single precision"),
        ("observation", "observations: expected shape (2, 1) of float32, got shape (2, 2) of float32"),
    ],
)
def test_vector_environments_keep_promises_too(fault, words):
    assert refusal(EnvironmentFault, same_step, "Reusing-v0", fault=fault).startswith(words)
