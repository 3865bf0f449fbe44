"""An update that is made anew: two outcomes, of which one is chosen."""

from __future__ import annotations

from ppo_scope.ppo.finite import NotFiniteError
from ppo_scope.ppo.outcome import Outcome
from ppo_scope.ppo.phases import Phase
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.wire.activity import REDO
from ppo_scope.wire.codes import ErrorCode, Refused
from ppo_scope.worker.between import Between
from ppo_scope.worker.causes import in_a_line
from ppo_scope.worker.ear import Command
from ppo_scope.worker.reporter import Reporter


class Cancelled(Exception):
    """What is at work was given up, and left everything as it was."""


class Outcomes:
    """Of the update at hand: as it is, and as it would be."""

    def __init__(self, trainer: Trainer, report: Reporter, between: Between) -> None:
        self._trainer, self._report, self._between = trainer, report, between
        self._new: Outcome | None = None
        self._cancelled = False

    def make(self, command: Command) -> None:
        """Compute the second one, and show both.

        Raises:
            Refused: it cannot be made, or was given up; the update is as it was.
            Stopped: the run was told to end.
        """
        trainer = self._trainer
        values = command["settings"] or trainer.pending
        self._cancelled = False
        try:
            settings = trainer.settings.changed(**values)
            with self._between.inside(REDO, settings.epochs * settings.minibatches):
                outcome = trainer.redo(values, self._within)
        except LookupError:
            message = "Step to the end of an update first: both outcomes must be whole."
            raise Refused(ErrorCode.CONFLICT, message) from None
        except ValueError as error:
            raise Refused(ErrorCode.INVALID, str(error)) from None
        except NotFiniteError as error:
            raise Refused(ErrorCode.INVALID, f"With these settings the update is not finite: {error}.") from None
        except Cancelled:
            raise Refused(ErrorCode.CONFLICT, "Cancelled: the update is as it was.") from None
        except (RuntimeError, MemoryError) as error:  # torch's word for memory that there is not
            message = f"The update could not be made anew, and is as it was: {in_a_line(error)}"
            raise Refused(ErrorCode.FAILED, message) from None
        self._new = outcome
        self._report.compare(outcome)

    def _within(self, phase: Phase) -> None:
        """A phase of the second one is done.

        Raises:
            Cancelled, Stopped: it is given up, alone or with the run.
        """
        self._report.activity.advance(len(phase.update.minibatches) if phase.update else 0)
        self._report.progress()
        self._between.hear()
        if self._cancelled:
            raise Cancelled

    def cancel(self) -> None:
        """Give the second one up while it is computed.

        Raises:
            Refused: none is.
        """
        if self._between.within != REDO:
            raise Refused(ErrorCode.CONFLICT, "There is nothing to cancel.")
        self._cancelled = True

    def choose(self, command: Command) -> None:
        """Go on from one of the two.

        Raises:
            Refused: there are no two.
        """
        if self._new is None:
            raise Refused(ErrorCode.CONFLICT, "There are no two outcomes to choose from.")
        outcome, self._new = self._new, None
        self._report.decided()
        if command["which"] == "new":
            self._trainer.adopt(outcome)
            self._report.amended(outcome)
        else:
            self._put_back(outcome)

    def _put_back(self, outcome: Outcome) -> None:
        """What was tried and is not wanted waits no longer; what was changed again meanwhile does."""
        trainer = self._trainer
        used, tried, pending = trainer.standing(), outcome.update.set_to.live(), trainer.pending
        for name, value in pending.items():
            if value == tried[name]:
                trainer.change(name, used[name])

    def refuse_when_undecided(self) -> None:
        """Neither of the two is chosen by the way.

        Raises:
            Refused: there are two.
        """
        if self._new is not None:
            raise Refused(
                ErrorCode.CONFLICT,
                f"Update {self._new.update.index} has two outcomes, and none is chosen yet. "
                "Keep one of them first, as it was or the new one.",
            )
