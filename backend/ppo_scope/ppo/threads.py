"""How many processor threads a training process uses: one."""

from __future__ import annotations

import torch
from threadpoolctl import threadpool_limits


def use_one_thread() -> None:
    """Keep torch and NumPy to one thread in this process, for good.

    At the sizes of PPO's networks handing work to a second thread costs more than it saves, and where the other cores
    are busy a matrix product that waits for its threads takes a hundred times as long.
    """
    torch.set_num_threads(1)
    threadpool_limits(1)
