"""What happens in the training process: drive the trainer, obey commands, send what is watched.

Two functions tie it to the outside, send a frame and receive a command; whatever replaces the pipes replaces those.
"""

from __future__ import annotations

import json
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from ppo_scope.ppo.phases import Phase, PhaseKind
from ppo_scope.ppo.rollout import Episode
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.threads import use_one_thread
from ppo_scope.ppo.trainer import NotFiniteError, Trainer
from ppo_scope.probes import frame
from ppo_scope.probes.metrics import MINIBATCH_COLUMNS, SERIES_COLUMNS
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import is_stop_of, measure, series_row
from ppo_scope.runs.show import Show

SNAPSHOT_SECONDS = 1 / 30
SERIES_SECONDS = 1 / 20
PROGRESS_SECONDS = 1 / 10
SIGN_OF_LIFE_SECONDS = 1.0
EPISODE_COLUMNS = ("update", "step", "episodic_return", "episodic_length")

Send = Callable[[bytes], None]
Receive = Callable[[float], "dict[str, Any] | None"]


class Refused(Exception):
    """A command that cannot be obeyed; `code` is what the page is told."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def main(
    frames: Connection[bytes, bytes],
    commands: Connection[bytes, bytes],
    run: str,
    settings: dict[str, Any],
    paused: bool,
) -> None:
    """Train until told to stop or until the server is gone.

    A failure is reported as the run's cause before the process ends with code 1.
    """

    def receive(timeout: float) -> dict[str, Any] | None:
        if not commands.poll(timeout):
            return None
        command: dict[str, Any] = json.loads(commands.recv_bytes())
        return command

    use_one_thread()
    worker = Worker(frames.send_bytes, receive, run, paused)
    try:
        worker.train(Settings.parse(settings))
    except (EOFError, ConnectionError):
        return
    except Exception as error:
        worker.send_state("failed", cause=_cause(error))
        raise SystemExit(1) from error


def _cause(error: Exception) -> dict[str, str]:
    summary = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    detail = "".join(traceback.format_exception(error))[-4000:]
    remedy = "The weights of the last finished step are as they were. Restart begins again from the seed."
    return {"summary": summary, "detail": detail, "remedy": remedy}


class Worker:
    """One run: its trainer, where it stands, and what it owes to whoever asked for a step."""

    def __init__(self, send: Send, receive: Receive, run: str, paused: bool) -> None:
        self._send_bytes = send
        self._receive = receive
        self._run = run
        self._running = not paused
        self._steps: deque[str] = deque()
        self._stopping = False
        self._watched: frozenset[str] = frozenset()
        self._sequence = 0
        self._snapshot_sequence = 0
        self._phase = Phase(PhaseKind.READY, None)
        self._rows: list[list[float]] = []
        self._episodes: list[tuple[int, Episode]] = []
        self._changes_sent = 0
        self._seconds_probes = 0.0
        self._last = dict.fromkeys(("snapshot", "series", "progress"), 0.0)

    # ---- the loop

    def train(self, settings: Settings) -> None:
        """Run to the end.

        Raises:
            EOFError: the server is gone.
            ValueError: the environment cannot be trained on.
        """
        self._trainer = Trainer(settings)
        self._show = Show(self._trainer)
        self._event("started", **self._description())
        self._stop_here("running" if self._running else "paused")
        while not self._stopping and not self._trainer.finished:
            try:
                self._follow(self._trainer.phases())
            except NotFiniteError as error:
                self._pause_for(error)
        if self._trainer.finished and not self._stopping:
            self._running = False
            self._steps.clear()
            self._stop_here("finished")
            while not self._stopping:
                self._wait()
        self._flush_series()
        self._show.close()
        self._trainer.close()

    def _follow(self, phases: Iterator[Phase]) -> None:
        while self._may_go_on():
            phase = next(phases, None)
            if phase is None:
                return
            self._phase = phase
            self._after(phase)

    def _may_go_on(self) -> bool:
        """Take commands; wait while there is nothing to do. False once the run is to end."""
        while (command := self._receive(0.0)) is not None:
            self._obey(command)
        while not (self._running or self._steps or self._stopping):
            self._wait()
        return not self._stopping

    def _wait(self) -> None:
        command = self._receive(self._show.pause_until_due(SIGN_OF_LIFE_SECONDS, "environment" in self._watched))
        if command is not None:
            self._obey(command)
            return
        self._show_policy(free=True)
        self._progress(SIGN_OF_LIFE_SECONDS)

    def _after(self, phase: Phase) -> None:
        start = time.perf_counter()
        if phase.kind is PhaseKind.ROLLOUT:
            self._announce_changes()
        moment = Moment(self._trainer, phase)
        if phase.kind is PhaseKind.UPDATE and phase.update is not None:
            self._rows.append(series_row(moment, self._seconds_probes))
            self._seconds_probes = 0.0
            self._episodes += [(phase.update.index, episode) for episode in phase.update.rollout.episodes]
        if self._steps and is_stop_of(phase.kind, self._steps[0]):
            self._steps.popleft()
            self._stop_here("running" if self._running or self._steps else "paused", moment)
        elif phase.kind is PhaseKind.UPDATE and self._due("snapshot", SNAPSHOT_SECONDS):
            self._snapshot(moment)
        self._progress(PROGRESS_SECONDS)
        if self._due("series", SERIES_SECONDS):
            self._flush_series()
        self._show_policy(free=False)
        self._seconds_probes += time.perf_counter() - start

    def _stop_here(self, state: str, moment: Moment | None = None) -> None:
        """Send everything as it is at this phase, then the state that it belongs to."""
        self._flush_series()
        self._snapshot(moment or Moment(self._trainer, self._phase))
        self.send_state(state)

    def _pause_for(self, error: NotFiniteError) -> None:
        self._running = False
        self._steps.clear()
        remedy = (
            "The weights are those of the last finished step. Lower the learning rate, then press Play to go on with a "
            "new rollout, or restart."
        )
        self._flush_series()
        cause = {
            "summary": f"Not finite: {error}.",
            "detail": "".join(traceback.format_exception(error)),
            "remedy": remedy,
        }
        self.send_state("paused", cause=cause)
        while not (self._running or self._steps or self._stopping):
            self._wait()

    # ---- commands

    def _obey(self, command: dict[str, Any]) -> None:
        try:
            getattr(self, f"_on_{command['type']}")(command)
        except Refused as error:
            self._reply(command, error.code, str(error))
        else:
            self._reply(command)

    def _reply(self, command: dict[str, Any], code: str | None = None, message: str | None = None) -> None:
        if command.get("id") is not None:
            self._event("reply", id=command["id"], code=code, message=message)

    def _on_play(self, _: dict[str, Any]) -> None:
        self._refuse_when_finished()
        self._running = True
        self._steps.clear()
        self.send_state("running")

    def _on_pause(self, _: dict[str, Any]) -> None:
        was_running = self._running or bool(self._steps)
        self._running = False
        self._steps.clear()
        if was_running:
            self._stop_here("paused")

    def _on_step(self, command: dict[str, Any]) -> None:
        self._refuse_when_finished()
        if self._running:
            raise Refused("conflict", "The run is playing: pause it before you step.")
        if not self._steps:
            self.send_state("running")
        self._steps.append(command["size"])

    def _on_set(self, command: dict[str, Any]) -> None:
        try:
            self._trainer.change(command["name"], command["value"])
        except ValueError as error:
            raise Refused("invalid", str(error)) from None
        self.send_state(self._state)

    def _on_watch(self, command: dict[str, Any]) -> None:
        added = frozenset(command["probes"]) - self._watched
        self._watched = frozenset(command["probes"])
        if added and not self._running:
            self._snapshot(Moment(self._trainer, self._phase))

    def _on_stop(self, _: dict[str, Any]) -> None:
        self._stopping = True
        self._flush_series()
        self.send_state("stopped")

    def _refuse_when_finished(self) -> None:
        if self._trainer.finished:
            raise Refused("not_running", "The run has reached total_steps. Restart it, or begin a new one.")

    # ---- what is sent

    @property
    def _state(self) -> str:
        if self._trainer.finished:
            return "finished"
        return "running" if self._running or self._steps else "paused"

    def _due(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        if now - self._last[what] < seconds:
            return False
        self._last[what] = now
        return True

    def _position(self) -> dict[str, Any]:
        update = self._phase.update
        settings = update.settings if update else None
        return {
            "update": update.index if update else 0,
            "phase": self._phase.kind.value,
            "epoch": self._phase.epoch,
            "epochs": settings.epochs if settings else 0,
            "minibatch": self._phase.minibatch,
            "minibatches": settings.minibatches if settings else 0,
        }

    def _send(self, kind: str, arrays: dict[str, Any] | None = None, **header: Any) -> int:
        self._sequence += 1
        whole = {"kind": kind, "run": self._run, "sequence": self._sequence, **self._position(), **header}
        self._send_bytes(frame.encode(whole, arrays))
        return self._sequence

    def _event(self, event: str, **fields: Any) -> None:
        self._send("event", event=event, **fields)

    def send_state(self, state: str, cause: dict[str, str] | None = None) -> None:
        """Say where the run stands; `cause` where it stopped by itself."""
        pending = self._trainer.pending if hasattr(self, "_trainer") else {}
        self._event("state", state=state, snapshot=self._snapshot_sequence, pending=pending, cause=cause)

    def _snapshot(self, moment: Moment) -> None:
        found = measure(moment, self._watched)
        settings = moment.phase.update.settings if moment.phase.update else self._trainer.settings
        self._last["snapshot"] = time.monotonic()
        self._snapshot_sequence = self._send(
            "snapshot",
            found.arrays,
            scope=moment.scope,
            steps=self._trainer.steps,
            settings=settings.live(),
            minibatch_columns=MINIBATCH_COLUMNS,
            scalars=found.scalars,
        )

    def _flush_series(self) -> None:
        if not self._rows:
            return
        episodes = [(u, e.step, e.episodic_return, e.length) for u, e in self._episodes]
        arrays = {
            "rows": np.array(self._rows, np.float64),
            "episodes": np.array(episodes, np.float64).reshape(-1, len(EPISODE_COLUMNS)),
        }
        first = self._trainer.updates - len(self._rows) + 1
        self._send("series", arrays, first=first, columns=SERIES_COLUMNS, episode_columns=EPISODE_COLUMNS)
        self._rows, self._episodes = [], []

    def _progress(self, seconds: float) -> None:
        if self._due("progress", seconds):
            self._send("progress")

    def _show_policy(self, free: bool) -> None:
        if "environment" not in self._watched:
            return
        shown = self._show.look(free)
        if shown is not None:
            arrays, header = shown
            self._send("picture", arrays, **header)

    def _announce_changes(self) -> None:
        for change in self._trainer.changes[self._changes_sent :]:
            self._event("change", name=change.name, old=change.old, new=change.new, first_update=change.update)
        self._changes_sent = len(self._trainer.changes)

    def _description(self) -> dict[str, Any]:
        environments = self._trainer.environments
        return {
            "device": str(self._trainer.device),
            "observation": environments.spaces.observation,
            "action": environments.spaces.action,
            "reward_threshold": environments.reward_threshold,
            "max_entropy": self._trainer.distribution.max_entropy,
        }
