"""A run on disk without a server: a real trainer, stepped, and all that it sends written down as a server would."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.threads import use_one_thread
from ppo_scope.records import trees
from ppo_scope.records.store import Store
from ppo_scope.wire import frame
from ppo_scope.wire.codes import Kind
from ppo_scope.worker.worker import Worker

SMALL = {"num_envs": 4, "rollout_steps": 32, "epochs": 2, "minibatches": 2, "seed": 3}


def run_on_disk(folder: Path, updates: int, **settings: Any) -> Path:
    """The folder of the run; a state is kept before each update, and one behind the last."""
    wanted = Settings.parse({**SMALL, **settings})
    place = folder / "0ffe1610"
    orders = [{"type": "states", "wanted": True}, *[{"type": "step", "size": "update"}] * updates, {"type": "stop"}]
    coming = iter(orders)
    use_one_thread()
    with contextlib.closing(Store(place, create=True)) as store, store.writing():
        store.say(settings=wanted.model_dump(mode="json"), created="2026-11-26T20:00:00+00:00")

        def take(message: bytes) -> None:
            header = frame.header(message)
            arrays = frame.decode(message)[1]
            if header["kind"] == Kind.SERIES:
                store.append(header["columns"], header["first"], arrays["rows"], arrays["episodes"])
            elif header["kind"] == Kind.ROLLOUT:
                packed = trees.sealed(arrays["state"].tobytes())
                store.keep_rollout(header["before"], packed, alone=header["alone"])
            elif header["kind"] == Kind.STATE:
                store.keep(header["before"], trees.sealed(arrays["state"].tobytes()))

        worker = Worker(take, lambda timeout: None if timeout == 0.0 else next(coming), "kept", paused=True)
        worker.train(wanted)
        store.event("2026-11-26T20:00:01+00:00", updates, "state", {"state": "stopped", "cause": None})
    return place
