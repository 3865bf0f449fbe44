"""Health is asked in the process that trains: a loop here measures by itself."""

import pytest


@pytest.fixture(autouse=True)
def by_itself(monkeypatch):
    """Nobody is hired to measure beside it."""
    monkeypatch.setattr("ppo_scope.attach.report.hired", lambda library: None)
