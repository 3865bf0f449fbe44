"""A run on trial: it shows that it trains before another one is given up for it."""

from __future__ import annotations

import gc

from ppo_scope.pictures.looks import Looks
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.ppo.trial import prove as train_a_little
from ppo_scope.processes.expendable import expendable
from ppo_scope.wire.activity import TRIAL, TRIAL_STAGES
from ppo_scope.wire.codes import ErrorCode
from ppo_scope.worker.between import Receive
from ppo_scope.worker.reporter import Reporter


def prove(settings: Settings, report: Reporter, receive: Receive, every: float) -> bool:
    """Show that these settings train, and wait for the word to begin. False where the word is to stop.

    Until then another run goes on, so this process is the first to go where memory runs out. While it waits it gives a
    sign of life every so many seconds.

    Raises:
        ServerGone: nobody is left to train for.
        Exception: whatever the environment raises.
    """
    activity = report.activity
    with expendable():
        activity.begin(TRIAL, len(TRIAL_STAGES))
        train_a_little(settings, activity.advance, _present)
        gc.collect()
        activity.begin(None)
        report.proved()
        while True:
            command = receive(every)
            if command is None:
                report.progress(now=True)
            elif command["type"] == "watch":
                report.looking.watch(frozenset(command["probes"]), command.get("environment"))
            elif command["type"] in {"begin", "stop"}:
                return bool(command["type"] == "begin")
            else:
                report.reply(command, ErrorCode.NOT_RUNNING, "The run has not begun yet.")


def _present(trainer: Trainer) -> None:
    """What a run says first, said to nobody."""
    reporter = Reporter(lambda message: None, "trial")
    reporter.begin(trainer, Looks(trainer))
    reporter.show()
