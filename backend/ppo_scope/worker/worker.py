"""What happens in the training process: a run, from its trial to its end.

Two functions tie it to the outside, send a frame and receive a command; whatever replaces the pipes replaces those.
Commands are obeyed by the thread that trains, between phases, between the steps of a rollout and between the
minibatches of an update that is made anew. Where a single step takes long, the thread that listens obeys in its place.
"""

from __future__ import annotations

import contextlib
import gc
from multiprocessing.connection import Connection
from typing import Any

from ppo_scope.pictures.looks import Looks
from ppo_scope.ppo.allocation import keep_memory
from ppo_scope.ppo.resuming import resumed
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.threads import use_one_thread
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.processes.process import MAX_FRAME
from ppo_scope.records import trees
from ppo_scope.wire.activity import STARTING
from ppo_scope.wire.codes import RunState
from ppo_scope.worker import causes, trial
from ppo_scope.worker.between import Between, Overdue, Receive, Stopped
from ppo_scope.worker.clerk import Clerk, hired
from ppo_scope.worker.ear import Command, Ear, ServerGone
from ppo_scope.worker.evaluating import Evaluating
from ppo_scope.worker.going import Going
from ppo_scope.worker.loop import SIGN_OF_LIFE_SECONDS, Loop
from ppo_scope.worker.orders import Orders
from ppo_scope.worker.outlet import Send
from ppo_scope.worker.reporter import LOOK_SECONDS, Reporter

AT_ONCE_SECONDS, MOST_AT_ONCE = 0.0005, 16
"""Steps of a rollout that are done in that time follow upon each other, but no more than so many."""


def main(
    frames: Connection[bytes, bytes],
    commands: Connection[bytes, bytes],
    run: str,
    settings: dict[str, Any],
    paused: bool,
    trial: bool = False,
    state: bytes | None = None,
) -> None:
    """Train until told to stop or until the server is gone; after a trial, if this is to be one: see `Worker.prove`.

    `state`: of `records.trees`, that the run goes on from.

    A failure is reported as the run's cause before the process ends with code 1.
    """
    clerk = hired()  # first: what has one thread and has imported nothing of the user's can be forked
    ear = Ear(commands)
    worker = Worker(sender(frames), ear.receive, run, paused, clerk)
    ear.listen(lambda: worker.beat(ear.overdue))
    use_one_thread()
    keep_memory()
    try:
        try:
            wanted = Settings.parse(settings)
            if not trial or worker.prove(wanted):
                worker.train(wanted, state)
        except ServerGone:
            raise
        except (Exception, SystemExit) as error:
            worker.report.flush()
            worker.report.state(RunState.FAILED, cause=causes.failed(error))
            worker.report.end()
            raise SystemExit(1) from error
    except ServerGone:
        return


def sender(frames: Connection[bytes, bytes]) -> Send:
    """The one way out: frames into a pipe.

    Raises, when given a frame:
        ServerGone: nobody reads them any more.
    """

    def send(message: bytes) -> None:
        if len(message) > MAX_FRAME:  # the other end would take it for an attack and hang up
            print(f"A frame of {len(message):,} bytes is too large to be sent: it was dropped.", flush=True)
            return
        try:
            frames.send_bytes(message)
        except OSError as error:
            raise ServerGone from error

    return send


class Worker:
    """One run: its trainer, what it was told, and what is told of it."""

    trainer: Trainer
    """From `train` on."""

    def __init__(self, send: Send, receive: Receive, run: str, paused: bool, clerk: Clerk | None = None) -> None:
        self.report = Reporter(send, run, clerk)
        self._receive, self._activity = receive, self.report.activity
        self._next_look = 0.0  # by the clock of the activity
        self._passed, self._at_once = 0, 0.0  # steps since somebody looked, and between two looks
        self._going = Going(self.report, running=not paused)
        self._between = Between(self.report, self._going, receive, self._obey)

    def prove(self, settings: Settings) -> bool:
        """Show that these settings train, and wait for the word to begin: see `trial.prove`."""
        return trial.prove(settings, self.report, self._receive, SIGN_OF_LIFE_SECONDS)

    def train(self, settings: Settings, state: bytes | None = None) -> None:
        """Run to the end; from a state of `records.trees`, if one is given, in place of the beginning.

        Raises:
            ServerGone: nobody is left to train for.
            UnusableEnvironment: the environment cannot be trained on.
        """
        self.report.activity.begin(STARTING)
        anew: str | None = None
        tree = None if state is None else trees.decode(state)
        if tree is None:
            self.trainer = Trainer(settings, self._between_steps)
        else:
            self.trainer, anew = resumed(tree, between_steps=self._between_steps)
        self._looks = Looks(self.trainer)
        self.evaluating = Evaluating(
            self.trainer, self.report, self._going, self._between, (tree or {}).get("highest_evaluation")
        )
        self._orders = Orders(self.trainer, self._looks, self.report, self._going, self._between, self.evaluating)
        self.report.begin(self.trainer, self._looks)
        gc.freeze()  # what is there now stays: looking through it for garbage takes a tenth of a second each time
        if state is not None:
            self.report.resumed(anew)
        loop = Loop(
            self.trainer,
            self._looks,
            self.report,
            self._going,
            self._between,
            self.evaluating,
            self._receive,
            self._obey,
        )
        with contextlib.suppress(Stopped):
            loop.run()
        self.report.end()
        self.trainer.close()

    def beat(self, overdue: Overdue) -> None:
        """Called a few times a second by the thread that listens: signs of life, and answers that are due."""
        self.report.sign_of_life(SIGN_OF_LIFE_SECONDS)
        self._between.help(overdue)

    def _between_steps(self) -> None:
        """A step of a rollout is done: of quick ones, only some are followed by a look at what has come.

        Raises:
            Stopped: the run was told to end.
        """
        self._passed += 1
        if self._passed < self._at_once and self._looks.noting is None:
            return
        since, now = self._activity.since, self._activity.advance(self.trainer.rollout_step)
        self._at_once = min(MOST_AT_ONCE, AT_ONCE_SECONDS * self._passed / max(now - since, 1e-6))
        self._passed = 0
        self._looks.after_step()
        if now >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            self.report.collecting()
        self._between.hear()

    def _obey(self, command: Command) -> None:
        self._orders.obey(command)
