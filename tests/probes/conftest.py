"""What tests of probes share."""

import pytest

from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer


@pytest.fixture
def make():
    """Makes trainers: `make({"num_envs": 4})`; their environments are released with the test."""
    made = []

    def _make(settings):
        made.append(Trainer(Settings.parse(settings)))
        return made[-1]

    yield _make
    for trainer in made:
        trainer.close()
