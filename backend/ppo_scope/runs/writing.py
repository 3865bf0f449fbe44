"""What a live run says, written down where it is kept; where it is kept nowhere, nothing is done."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from ppo_scope.runs.journal import Journal
from ppo_scope.runs.judgements import Judgements
from ppo_scope.wire import frame as frames
from ppo_scope.wire.codes import Kind
from ppo_scope.wire.run import Change


class Writing:
    """Of one run, from `begin` on. Called on the event loop, and never waits but in `done`."""

    def __init__(self) -> None:
        self._journal: Journal | None = None
        self._judgements: Judgements | None = None

    def begin(self, journal: Journal) -> None:
        """Write down in it what comes from now on."""
        self._journal, self._judgements = journal, Judgements(journal.judged)

    @property
    def begun(self) -> bool:
        """Whether the run is kept."""
        return self._journal is not None

    @property
    def folder(self) -> Path | None:
        """Where it is; None: nowhere."""
        return self._journal.folder if self._journal is not None else None

    @property
    def problem(self) -> str | None:
        """What the disk has said last, while it refuses."""
        return self._journal.problem if self._journal is not None else None

    def series(self, header: dict[str, Any], message: bytes) -> None:
        """Rows, or another one of an update that was made anew."""
        if self._journal is None:
            return
        _, arrays = frames.decode(message)
        if header.get("amends"):
            self._journal.amend(header["columns"], header["first"], arrays["rows"][0])
        else:
            self._journal.series(header["columns"], header["first"], arrays["rows"], arrays["episodes"])

    def snapshot(self, header: dict[str, Any]) -> None:
        """What one tells of the run's health."""
        if self._judgements is not None:
            self._judgements.take(header)

    def state(self, header: dict[str, Any], message: bytes) -> None:
        """A state, or the rollout that followed it."""
        if self._journal is None:
            return
        plain = frames.decode(message)[1]["state"].tobytes()
        if header["kind"] == Kind.STATE:
            self._journal.state(header["before"], plain)
        else:
            self._journal.rollout(header["before"], plain, alone=header["alone"])
        self.rest()

    def rest(self) -> None:
        """The run stands still, or its state is kept here: all that is known of its health so far."""
        if self._judgements is not None:
            self._judgements.settle()

    def about(self, **about: Any) -> None:
        """Facts of the run."""
        if self._journal is not None:
            self._journal.about(**about)

    def change(self, change: Change) -> None:
        """A setting took effect."""
        if self._journal is not None:
            self._journal.change(change)

    def event(self, update: int, what: str, said: dict[str, Any]) -> None:
        """Something happened."""
        if self._journal is not None:
            self._journal.event(update, what, said)

    def forget_from(self, update: int, *, rows: bool) -> None:
        """It goes on from before that update; `rows`: another way than it once did, so those are of a future that did
        not come.
        """
        if self._journal is None:
            return
        self._journal.forget_events_from(update)
        if rows:
            self._journal.forget_from(update)

    def end(self) -> None:
        """Nothing more comes."""
        if self._journal is not None:
            self._journal.close()

    async def done(self) -> None:
        """Wait until all that an ended run has said is on the disk, or the disk refuses."""
        if self._journal is not None:
            await asyncio.to_thread(self._journal.wait)
