"""What happens when a page says something."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from ppo_scope.processes.process import NotReading
from ppo_scope.runs.supervisor import CannotBegin, restarted
from ppo_scope.server.client import Client
from ppo_scope.server.hub import Hub, error
from ppo_scope.server.roles import MESSAGES, Role
from ppo_scope.wire import messages
from ppo_scope.wire.codes import CloseCode, ErrorCode, Refused
from ppo_scope.wire.frame import PROTOCOL
from ppo_scope.wire.messages import AnyMessage

logger = logging.getLogger(__name__)

NOT_A_CONTROLLER = "You are watching. To control, open the link printed in the terminal."
LED_ELSEWHERE = "Another tab leads this run. Take control first."
NO_RUN = "The run has ended. Restart it to train again."
NOT_OURS = "This run's training loop is somebody else's: begin it anew where it was begun."
NO_SUCH_RUN = "There is no such run any more: the oldest that have ended make room for new ones."
GONE = "The run has ended already."
NOT_READING = "The training process takes no commands at the moment. Wait for it, or restart."
BEING_REPLACED = "A run is being begun already. Wait until it has shown that it trains, or cancel it."
NO_PROCESS = (
    "The system refuses a new process ({why}). The run that is goes on; close what is not needed and try again."
)
OUR_FAULT = "The server has failed to do it; its terminal shows how."
FULL = "full: as many pages watch as there is room for. Close one, or try again later."
OUTDATED = "This page is of another version than the server. Reload the page."


class Commands:
    """Judges messages by role, lease and state, and carries out those that may pass."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, client: Client, message: AnyMessage) -> None:
        """Act on a message; never waits."""
        if isinstance(message, messages.Resume):
            self._resume(client, message)
        elif isinstance(message, messages.Request):
            self._request(client, message)

    def _resume(self, client: Client, message: messages.Resume) -> None:
        if message.protocol != PROTOCOL:
            client.post(error(None, ErrorCode.INVALID, OUTDATED))
            client.close(CloseCode.POLICY, OUTDATED)
        elif client.tab is not None:
            client.post(error(None, ErrorCode.CONFLICT, "The stream has started already."))
        else:
            client.role = client.admit(message.session)
            if client.role is Role.VIEWER and self._hub.full:
                client.close(CloseCode.TRY_AGAIN_LATER, FULL)
            else:
                self._hub.resume(client, message)

    def _request(self, client: Client, message: messages.Request) -> None:
        if client.tab is None:
            client.post(error(message.id, ErrorCode.CONFLICT, "The first message is resume."))
        elif isinstance(message, messages.Watch):  # says how things are: as often as it likes
            client.probes, client.environment = frozenset(message.probes), message.environment
            if client.room is not None:
                client.room.update_watch()
            client.post({"type": "ack", "id": message.id})
        elif not MESSAGES[message.type].admits(client.role):  # nothing of it is remembered: there may be many of them
            client.post(error(message.id, ErrorCode.FORBIDDEN, NOT_A_CONTROLLER))
        elif not self._hub.known(client, message.id):
            try:
                self._carry_out(client, message)
            except Refused as refusal:
                self._hub.answer(client, message.id, refusal.code, str(refusal))

    def _carry_out(self, client: Client, message: messages.Request) -> None:
        fields = message.model_dump(exclude={"id", "lease"})
        if isinstance(message, messages.Led) and not _leads(client, message.lease):
            raise Refused(ErrorCode.FORBIDDEN, LED_ELSEWHERE)
        match message:
            case messages.TakeControl():
                if client.room is not None:
                    client.room.take_lease(client)
                self._hub.answer(client, message.id)
            case messages.Open():
                self._open(client, message)
            case messages.End():
                self._end(client, message)
            case messages.Restart():
                self._restart(client, message)
            case messages.Cancel() if self._hub.supervisor.abandon_start():
                self._hub.answer(client, message.id)
            case _:
                self._forward(client, message.id, fields)

    def _forward(self, client: Client, id: str, fields: dict[str, Any]) -> None:
        if client.room is None or client.room.run.ended:
            raise Refused(ErrorCode.NOT_RUNNING, NO_RUN)
        client.room.settle_watch()
        try:
            self._hub.forward(client, id, fields)
        except NotReading:
            raise Refused(ErrorCode.CONFLICT, NOT_READING) from None

    def _restart(self, client: Client, message: messages.Restart) -> None:
        supervisor = self._hub.supervisor
        if supervisor.busy:
            raise Refused(ErrorCode.CONFLICT, BEING_REPLACED)
        run = client.room.run if client.room else None
        if run is not None and "attached" in run.record.facts:
            raise Refused(ErrorCode.INVALID, NOT_OURS)
        try:
            settings = restarted(run, message.settings)
        except ValueError as problem:
            raise Refused(ErrorCode.INVALID, str(problem)) from None
        paused = run is not None and run.wants_pause
        self._begin(client, message.id, supervisor.start(settings, paused=paused, instead=run))

    def _open(self, client: Client, message: messages.Open) -> None:
        run = self._hub.supervisor.get(message.run)
        if run is None:
            raise Refused(ErrorCode.NOT_FOUND, NO_SUCH_RUN)
        self._hub.open(client, run)
        self._hub.answer(client, message.id)

    def _end(self, client: Client, message: messages.End) -> None:
        if client.room is None or client.room.run.gone:
            raise Refused(ErrorCode.NOT_RUNNING, GONE)
        self._begin(client, message.id, client.room.run.stop())

    def _begin(self, client: Client, id: str, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(self._see_through(client, id, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _see_through(self, client: Client, id: str, work: Coroutine[Any, Any, Any]) -> None:
        """Answer a command once its work is done, however that ends."""
        try:
            await work
        except CannotBegin as problem:
            self._hub.answer(client, id, ErrorCode.INVALID, str(problem), problem.detail)
        except (OSError, RuntimeError) as problem:  # no descriptors, no memory; no threads
            self._hub.answer(client, id, ErrorCode.FAILED, NO_PROCESS.format(why=problem))
        except Exception:
            logger.exception("A command could not be carried out by a fault of the server.")
            self._hub.answer(client, id, ErrorCode.FAILED, OUR_FAULT)
        else:
            self._hub.answer(client, id)


def _leads(client: Client, generation: int) -> bool:
    return client.room is not None and client.room.lease.allows(client, generation)
