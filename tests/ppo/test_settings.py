"""The table: what it says of each setting, and how it refuses what does not fit."""

import math

import pytest

from ppo_scope.ppo.settings import LIVE, Settings, table


def test_the_table_describes_every_setting_completely():
    rows = {row["name"]: row for row in table()}
    assert list(rows) == list(Settings.model_fields)
    for row in rows.values():
        assert row["label"] and row["help"] and row["group"]
        assert (row["type"] == "choice") == (row["choices"] is not None)
        if row["live"] and row["type"] in ("float", "int"):
            low, high = row["slider"] or (row["minimum"], row["maximum"])
            assert row["minimum"] <= low < high <= row["maximum"]
            assert row["step"] > 0
            assert row["scale"] == "linear" or low > 0
    assert rows["clip_range"]["symbol"] == "ε"
    assert {name for name, row in rows.items() if row["live"]} == LIVE


def test_defaults_are_those_of_the_definition():
    settings = Settings()
    assert (settings.clip_range, settings.value_coef, settings.entropy_coef) == (0.2, 0.5, 0.01)
    assert (settings.learning_rate, settings.discount, settings.gae_lambda) == (1e-3, 0.99, 0.95)
    assert (settings.epochs, settings.minibatches, settings.max_grad_norm) == (4, 4, 0.5)
    assert (settings.num_envs, settings.rollout_steps, settings.batch_size) == (8, 128, 1024)
    assert (settings.target_kl, settings.value_clip_range, settings.normalize_advantages) == (
        None,
        None,
        "minibatch",
    )
    assert (settings.env, settings.seed, settings.hidden_sizes) == ("CartPole-v1", 1, (64, 64))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"clip_range": 1.01}, "clip_range: .*less than or equal to 1"),
        ({"clip_range": -0.01}, "clip_range"),
        ({"clip_range": "0.1"}, "clip_range: .*valid number"),
        ({"clip_range": True}, "clip_range"),
        ({"clip_range": math.nan}, "clip_range: .*finite"),
        ({"clip_range": math.inf}, "clip_range"),
        ({"epochs": 2.5}, "epochs"),
        ({"epochs": 0}, "epochs"),
        ({"minibatches": 3}, r"minibatches: 3 does not divide .* 8 × 128 = 1024"),
        ({"num_envs": 2, "rollout_steps": 2, "minibatches": 8}, "minibatches: 8 does not divide"),
        ({"normalize_advantages": "always"}, "normalize_advantages"),
        ({"hidden_sizes": [64, 0]}, "hidden_sizes"),
        ({"hidden_sizes": [64, "64"]}, "hidden_sizes"),
        ({"anneal_learning_rate": True}, "anneal_learning_rate: needs total_steps"),
        ({"learning_pace": 1}, "learning_pace: there is no such setting"),
    ],
)
def test_what_does_not_fit_is_one_line_that_names_the_setting(values, words):
    with pytest.raises(ValueError, match=words) as caught:
        Settings.parse(values)
    assert "\n" not in str(caught.value)


def test_settings_survive_json():
    settings = Settings.parse({"hidden_sizes": [32], "target_kl": 0.02})
    assert Settings.parse({**settings.model_dump(mode="json")}) == settings


def test_off_is_a_value_where_the_table_says_so():
    assert Settings.parse({"max_grad_norm": None}).max_grad_norm is None
    with pytest.raises(ValueError, match="clip_range"):
        Settings.parse({"clip_range": None})
