"""Each remedy that speaks of a setting says with which value to begin."""

import math

import pytest

from ppo_scope.diagnosis.checks import CHECKS
from ppo_scope.diagnosis.tries import TRIES, tries
from ppo_scope.ppo.settings import Settings


@pytest.mark.parametrize("check", [check for check in CHECKS if check.setting], ids=lambda check: check.name)
def test_a_remedy_that_speaks_of_a_setting_has_a_value_to_try(check):
    assert tries(check.name, check.setting)


def test_what_is_tried_is_a_setting_and_may_be_set():
    names = {check.name for check in CHECKS}
    for (finding, setting), several in TRIES.items():
        assert finding in names
        assert several[0]["setting"] == setting
        for one in several:
            assert one["setting"] in Settings.model_fields
            if "to" in one:
                Settings.parse({one["setting"]: one["to"]})
            else:
                assert math.isfinite(one["by"]) and one["by"] != 1
