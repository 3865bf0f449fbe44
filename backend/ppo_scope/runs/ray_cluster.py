"""A Ray cluster as the place where runs train: a task of Ray's for each, which Ray begins again when its node is lost.

Ray decides where and when; what a task does is `runs/relay.py`. Nothing of a run lies on a node: all of it comes
here while it trains, so a run goes on from its newest state on whichever node there is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from ppo_scope.ppo.settings import Settings
from ppo_scope.records.extras import needed
from ppo_scope.runs.ending import Cause
from ppo_scope.runs.relay import Lost, train_for
from ppo_scope.runs.remote import Landing, Place
from ppo_scope.runs.supervisor import CannotBegin, Supervisor

ANEW = 2
"""Times that Ray begins a task anew whose node, worker or trainer was lost."""
REACHED_WITHIN = 5.0

UNREACHABLE = "--ray {address}: no Ray cluster is reached there ({why})"
A_CLIENT = "--ray {address}: Ray clients are not taken; give the command on a node of the cluster, with --ray auto"
NO_ADDRESS = "--ray {address}: say HOST:PORT of the cluster's head, as `ray start --head` prints it, or auto"
NOTHING_THERE = "--ray: the cluster has no {what}, and each run needs one"


class NoCluster(ValueError):
    """It cannot be used; one readable line, and nothing has begun."""


class RayCluster:
    """The connection to one, from `join` to `leave`."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._landing = Landing()
        self._host: str = ray.util.get_node_ip_address()

    @classmethod
    def join(cls, address: str) -> RayCluster:
        """Connect to the cluster there.

        Raises:
            Missing: Ray is not installed.
            NoCluster: there is none.
        """
        ray = needed("ray")
        _reach(address)
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise NoCluster(UNREACHABLE.format(address=address, why=_first_line(error))) from None
        return cls(ray)

    def leave(self) -> None:
        """Whatever still goes on or waits there is ended."""
        self._ray.shutdown()

    def check(self, settings: Settings) -> None:
        """Raises: NoCluster, no node could ever train with these settings."""
        there = self._ray.cluster_resources()
        for what in _needs(settings):
            if there.get(what, 0) < 1:
                raise NoCluster(NOTHING_THERE.format(what={"CPU": "free core", "GPU": "GPU"}[what]))

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """From here on what the tasks send is taken.

        Raises:
            OSError: there is no listening for it.
        """
        async with self._landing.open(self._host):
            yield

    async def attempts(self, settings: Settings, supervisor: Supervisor) -> AsyncGenerator[Place]:
        """Where a run may be begun, or gone on with: once, and again for each time that Ray begins its task anew.

        Raises:
            CannotBegin: there is no task any more.
        """
        place = f"ws://{_bracketed(self._host)}:{self._landing.port}/"
        with self._landing.expect() as arrivals:
            task = self._begun(settings, place, arrivals.ticket)
            over = asyncio.ensure_future(_problem(task))
            coming: asyncio.Task[Any] | None = None
            try:
                while True:
                    coming = asyncio.create_task(arrivals.next())
                    await asyncio.wait({over, coming}, return_when=asyncio.FIRST_COMPLETED)
                    if not coming.done():
                        raise CannotBegin(over.result())
                    yield Place(supervisor, coming.result())
                    await arrivals.let_go(again=True)
            finally:
                await arrivals.let_go(again=False)
                if coming is not None:
                    coming.cancel()
                if not arrivals.any:  # it still waits for a node
                    self._ray.cancel(task)
                over.cancel()

    def _begun(self, settings: Settings, place: str, ticket: str) -> Any:
        needs = _needs(settings)
        remote = self._ray.remote(
            num_cpus=needs["CPU"], num_gpus=needs.get("GPU", 0), max_retries=ANEW, retry_exceptions=[Lost]
        )
        return remote(train_for).remote(place, ticket)


async def _problem(task: Any) -> Cause:
    """Why a task has ended, waited for."""
    try:
        await task
    except Exception as error:  # Ray's, ours, or of an environment that cannot be imported there
        return Cause(_first_line(getattr(error, "cause", None) or error), str(error), "")
    return Cause("Its task on the cluster has ended.", "", "")


def _needs(settings: Settings) -> dict[str, int]:
    return {"CPU": 1, "GPU": 1} if settings.device == "cuda" else {"CPU": 1}


def _reach(address: str) -> None:
    """Ray itself takes half a minute to find out that nobody is there.

    Raises:
        NoCluster: nobody is, or it is no address.
    """
    if address == "auto":
        return
    if address.startswith("ray://"):
        raise NoCluster(A_CLIENT.format(address=address))
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise NoCluster(NO_ADDRESS.format(address=address))
    try:
        with socket.create_connection((host.strip("[]"), int(port)), REACHED_WITHIN):
            pass
    except OSError as error:
        raise NoCluster(UNREACHABLE.format(address=address, why=error.strerror or str(error))) from None


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
