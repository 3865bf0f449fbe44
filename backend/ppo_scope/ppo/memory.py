"""Whether a run's weights and rollouts fit into the memory that is left: reckoned before anything is allocated.

A system that runs out of memory ends a process of its own choice, which may be another one.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.spaces import Spaces

COPIES = 4
"""Of θ: itself, its gradient, and Adam's two moments."""
ROLLOUTS = 3
"""Two in turn, and one in the order of an epoch."""
FLOAT = 4
CGROUPS = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")


class DoesNotFit(ValueError):
    """A run that needs more memory than there is; one line that says what takes it."""


def check(settings: Settings, spaces: Spaces, on_cpu: bool, *, masked: bool = False) -> None:
    """Refuse what cannot fit.

    Raises:
        DoesNotFit: weights and rollouts alone need more memory than is left.
    """
    weights = parameters(settings, spaces) * FLOAT * (COPIES if on_cpu else 1)
    rollouts, left = rollout_bytes(settings, spaces, masked=masked), available()
    if left is None or weights + rollouts <= left:
        return
    what, cure = (
        ("hidden_sizes", "smaller networks") if weights > rollouts else ("rollout_steps × num_envs", "shorter rollouts")
    )
    raise DoesNotFit(
        f"{what}: the run needs at least {_gigabytes(weights + rollouts)} of memory ({_gigabytes(weights)} for "
        f"weights, gradient and Adam, {_gigabytes(rollouts)} for rollouts), and {_gigabytes(left)} are left; "
        f"use {cure}"
    )


@contextlib.contextmanager
def of_the_device() -> Iterator[None]:
    """Where a GPU has no memory left, that is said as it is of the system's.

    Raises:
        DoesNotFit: in place of torch's error.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        told = str(error).removeprefix("CUDA out of memory. ").split("Of the allocated memory")[0].strip()
        raise DoesNotFit(
            f"device: the GPU has no memory left for this run ({told.rstrip('.')}); use smaller networks, more "
            "minibatches or fewer environments, or the CPU"
        ) from error


def parameters(settings: Settings, spaces: Spaces) -> int:
    """How many weights the networks have, but for those on images, whose size does not depend on settings."""
    if spaces.is_image:
        return 0
    sizes = (math.prod(spaces.observation_shape), *settings.hidden_sizes)
    trunk = sum((inputs + 1) * outputs for inputs, outputs in pairwise(sizes))
    heads = (sizes[-1] + 1) * (spaces.distribution.outputs + 1)
    return trunk * (1 if settings.shared_network else 2) + heads


def rollout_bytes(settings: Settings, spaces: Spaces, *, masked: bool = False) -> int:
    """What the rollouts take; `masked`: with a truth value for each action."""
    samples = settings.rollout_steps * settings.num_envs
    observation = math.prod(spaces.observation_shape) * np.dtype(spaces.dtype).itemsize
    action = math.prod(spaces.distribution.action_shape) * np.dtype(spaces.distribution.action_dtype).itemsize
    mask = spaces.distribution.outputs if masked else 0
    return ROLLOUTS * samples * (observation + action + mask + FLOAT)


def available() -> int | None:
    """Bytes that this process may still take, as far as the system tells: the machine's and its control groups'."""
    known = [left for left in (_of_machine(), *map(_of_group, _groups())) if left is not None]
    return min(known, default=None)


def _of_machine() -> int | None:
    with contextlib.suppress(OSError, StopIteration, ValueError):
        line = next(line for line in MEMINFO.read_text().splitlines() if line.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError):  # macOS tells all that there is
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _groups() -> list[Path]:
    """Folders of the control groups that this process is in, and of those around them."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found: list[Path] = []
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers in {"", "memory"}:
            root = CGROUPS / controllers
            # Inside a container the name is the host's, while the files appear at the root of the mount.
            inner = Path(name.lstrip("/"))
            found += [root / inner, *(root / parent for parent in inner.parents), root]
    return list(dict.fromkeys(found))


def _of_group(folder: Path) -> int | None:
    """What a group has left: its limit less its use; pages of files can be had back. Versions 2 and 1."""
    for limit, use, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            most, used = int((folder / limit).read_text()), int((folder / use).read_text())
            counts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):  # not there, or "max"
            continue
        return max(0, most - used + int(counts.get(cache, 0)))
    return None


def _gigabytes(count: int) -> str:
    return f"{count / 2**30:,.1f} GB"
