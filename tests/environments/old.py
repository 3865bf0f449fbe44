"""Registered with the package gym, gymnasium's predecessor, of which only as much is here as is needed for that."""

import sys
from types import ModuleType

registration = ModuleType("gym.envs.registration")
registration.registry = {"Old-v0": None}
sys.modules["gym.envs.registration"] = registration
