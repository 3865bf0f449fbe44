"""What is imported once, in the process that the others are forked from."""

import gc

from ppo_scope.pictures import studio  # noqa: F401
from ppo_scope.worker import worker  # noqa: F401

gc.collect()
gc.freeze()  # what was imported is never garbage: not looked at, its memory stays shared
