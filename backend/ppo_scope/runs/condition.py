"""How a live run is, and why: as its process says, unless that gives no sign of life, or has ended."""

from __future__ import annotations

from ppo_scope.records.record import RunRecord
from ppo_scope.runs import ending
from ppo_scope.wire.codes import RunState
from ppo_scope.wire.run import Cause

LOST = "{} phases that steps had passed were still to be measured: one cannot go back to them any more."


class Condition:
    """Of one run, from before its process begins."""

    def __init__(self, record: RunRecord) -> None:
        self._record = record
        self.stalled: ending.Cause | None = None
        """Why it counts as stalled; None: it does not."""
        self._asked_to_end = False
        self._why_asked: ending.Cause | None = None
        self._ended: str | None = None
        self._end: Cause | None = None
        self._memory_kills = ending.out_of_memory_kills()

    @property
    def state(self) -> str:
        """One of the protocol's states."""
        return self._ended or (RunState.STALLED if self.stalled else self._record.said.state)

    @property
    def cause(self) -> Cause | None:
        """Why it is in that state, where there is something to explain."""
        if self._ended:
            return self._end
        return self.stalled.describe() if self.stalled else self._record.said.cause

    @property
    def gone(self) -> bool:
        """Its process has ended."""
        return self._ended is not None

    @property
    def asked_to_end(self) -> bool:
        """Somebody wants it to end."""
        return self._asked_to_end

    def ask_to_end(self, why: ending.Cause | None = None) -> None:
        """Somebody wants it to end; `why`, where that is to be explained."""
        self._asked_to_end, self._why_asked = True, why or self._why_asked

    def end(self, exitcode: int | None, output: str | None, lost: int) -> None:
        """Its process has ended: with that code, that tail of what it printed (None: elsewhere), and so many phases
        still unmeasured.
        """
        result = ending.classify(
            exitcode,
            reported=self._record.said.state,
            asked=self._asked_to_end,
            out_of_memory=ending.out_of_memory_kills() > self._memory_kills,
            output=output,
        )
        self._ended = result.state
        told = self._record.said.cause
        cause = self._why_asked if result.state in {RunState.STOPPED, RunState.FINISHED} else result.cause
        self._end = told if result.state == RunState.FAILED and told else cause.describe() if cause else None
        if lost and self._end is not None:
            self._end = {**self._end, "detail": f"{LOST.format(lost)}\n{self._end['detail'] or ''}".strip()}

    def delete(self) -> None:
        """It is not on the disk any more."""
        self._ended, self._end = RunState.DELETED, ending.deleted(self._record.id).describe()
