"""Presets: each is a table of settings that fits, and can be asked for by its name."""

import json

import pytest

from ppo_scope.cli import main
from ppo_scope.ppo import presets
from ppo_scope.ppo.settings import Settings


@pytest.mark.parametrize("preset", presets.PRESETS, ids=lambda preset: preset.name)
def test_every_preset_fits_and_changes_something(preset):
    settings = Settings.parse(dict(preset.settings))
    assert settings != Settings()
    assert preset.title and preset.about and preset.source


def test_names_are_distinct_and_the_promised_ones_exist():
    names = [preset.name for preset in presets.PRESETS]
    assert len(set(names)) == len(names)
    promised = {"cartpole", "acrobot", "mountain-car", "pendulum", "lunar-lander", "half-cheetah"}
    assert promised | {"no-leash", "too-tight", "no-exploration"} < set(names)


def test_an_unknown_name_is_answered_with_the_nearest(capsys):
    assert main(["train", "--preset", "cartpol", "--total-steps", "10"]) == 2
    error = capsys.readouterr().err
    assert "did you mean cartpole" in error and error.count("\n") == 1


def test_what_is_given_goes_over_the_preset(capsys):
    given = ["--preset", "too-tight", "--num-envs", "2", "--rollout-steps", "8", "--total-steps", "16"]
    assert main(["train", *given, "--json"]) == 0
    used = json.loads(capsys.readouterr().out.splitlines()[-1])["settings"]
    assert (used["clip_range"], used["num_envs"], used["total_steps"]) == (0.02, 2, 16)


def test_the_list_names_every_preset(capsys):
    assert main(["presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [preset.name for preset in presets.PRESETS]
    assert main(["presets", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == presets.table()
