"""What probes promise is what docs/protocol.md says."""

import re

import pytest

from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes import promises
from ppo_scope.probes.cost import Budget
from ppo_scope.probes.probes import PROBES, measure
from tests.live import ROOT
from tests.moments import moment_at

ROW = re.compile(r"^\| (?:`(\w+)`)? ?\| (.+?) \|")
ARRAYS = re.compile(r"((?:`\w+`(?:, )?)+) (uint8|uint32|int32|float32|float64) \[([^\]]+)\]")


def documented():
    text = (ROOT / "docs" / "protocol.md").read_text()
    table = text[text.index("| probe | arrays |") :].split("\n\n")[0].splitlines()[2:]
    found, probe = {}, None
    for line in table:
        name, arrays = ROW.match(line).groups()
        probe = name or probe
        for names, dtype, shape in ARRAYS.findall(arrays):
            for array in re.findall(r"`(\w+)`", names):
                found.setdefault(probe, {})[array] = f"{dtype} [{shape}]"
    return found


def test_the_table_of_promises_is_the_documented_one():
    promised = {
        probe: {name: promises.described(promise) for name, promise in arrays.items()}
        for probe, arrays in promises.PROMISED.items()
    }
    assert promised == documented()
    assert promised.keys() == PROBES.keys()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"env": "Pendulum-v1", "normalize_rewards": True},
        {"num_envs": 9, "rollout_steps": 1024},
        {"env": "FrozenLake-v1", "shared_network": True},
    ],
)
def test_every_probe_keeps_its_promise_at_every_phase(settings):
    trainer = Trainer(Settings.parse({"num_envs": 2, "rollout_steps": 32, "epochs": 1, **settings}))
    budget, kept = Budget(), []
    for phase in trainer.phases():
        found = measure(moment_at(trainer, phase), frozenset(PROBES), budget)
        kept = found.measured
        if phase.kind == "update":
            break
    trainer.close()
    assert budget.failed == {} and kept == sorted(PROBES)
