"""Where the weights live and the loss is computed."""

from __future__ import annotations

from itertools import pairwise

import torch

from ppo_scope.ppo.settings import Settings

WORTH_A_GPU = 2**25
"""Multiplications per minibatch in the hidden layers from which `auto` takes a GPU: at 2²⁴ an H200 reached 0.7 of what
one core did, at 2²⁵ twice as much."""


class NoDevice(ValueError):
    """A device that this machine or this build of torch does not have; one line for the person who named it."""


def be_repeatable() -> None:
    """The same seed gives the same bits on a GPU too, and they are single precision's.

    By itself cuDNN takes whichever algorithm is quickest, and rounds what it multiplies to eleven bits.
    """
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False


def device_of(settings: Settings, is_image: bool) -> torch.device:
    """The device that the settings ask for.

    Raises:
        NoDevice: it is not there.
    """
    name = settings.device
    if (name == "cuda" and not torch.cuda.is_available()) or (name == "mps" and not torch.backends.mps.is_available()):
        raise NoDevice(f"device: {name} is not available to torch here; use cpu, or auto")
    if name == "auto":
        work = settings.minibatch_size * sum(a * b for a, b in pairwise(settings.hidden_sizes))
        worth_it = is_image or work >= WORTH_A_GPU
        return torch.device("cuda" if worth_it and torch.cuda.is_available() else "cpu")
    return torch.device(name)
