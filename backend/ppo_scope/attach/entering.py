"""What the layers of a module are given, in the order that they are asked in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from torch import nn

from ppo_scope.probes.record import Floats


@contextlib.contextmanager
def entering(module: nn.Module) -> Iterator[list[Floats]]:
    """What each linear layer is given meanwhile."""
    seen: list[Floats] = []

    def note(_: Any, given: tuple[Any, ...]) -> None:
        seen.append(given[0].detach().cpu().numpy())

    hooks = [one.register_forward_pre_hook(note) for one in module.modules() if isinstance(one, nn.Linear)]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
