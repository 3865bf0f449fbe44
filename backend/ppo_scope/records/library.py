"""The folder of all runs that are kept: which there are, and what has become of each."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from ppo_scope.records.store import FILE, CannotRead, Store
from ppo_scope.wire.codes import ENDED
from ppo_scope.wire.told import Cause

LOCK = "run.lock"
"""Held by the server that writes the run; the system lets go of it whatever becomes of the server."""
RUNS, INTERRUPTED, UNREADABLE = "running", "interrupted", "unreadable"


class InUse(Exception):
    """A server has the run; one readable line."""


@dataclass(frozen=True)
class KeptRun:
    """What a list says of a run."""

    id: str
    folder: Path
    state: str
    """running: a server has it; interrupted: none has it, and it was not ended; or how it ended."""
    about: dict[str, Any]
    """`settings`, `created` and what else is known; empty where it cannot be read."""
    last: int
    """The newest update with a row."""
    resumes_at: int | None
    """The update that it would go on with; None where no state is kept."""
    size: int
    """Bytes on the disk."""
    cause: Cause | None = None
    """Why it ended like that, where there is something to explain."""
    problem: str = ""
    """Why it cannot be read."""


class Library:
    """The runs in one folder, each in a folder of its own by its identifier."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self, run: str) -> Path:
        """Where a run lies, or will."""
        return self.folder / run

    def runs(self) -> list[KeptRun]:
        """All of them, the newest first."""
        found = [look_at(place) for place in self.folder.glob("*") if (place / FILE).is_file()]
        return sorted(found, key=lambda run: str(run.about.get("created", "")), reverse=True)

    def find(self, name: str) -> KeptRun:
        """The run of that identifier, or the one that begins like that; `last` is the newest.

        Raises:
            CannotRead: there is none, or more than one; one readable line.
        """
        runs = self.runs()
        if name == "last" and runs:
            return runs[0]
        found = [run for run in runs if run.id == name] or [run for run in runs if run.id.startswith(name)]
        if len(found) == 1:
            return found[0]
        several = f"several runs begin with {name!r}: {', '.join(run.id for run in found)}"
        none = f"there is no run {name!r} in {self.folder}; `ppo-scope runs` lists those that are"
        raise CannotRead(several if found else none)

    def delete(self, run: KeptRun) -> None:
        """For good.

        Raises:
            InUse: a server has it.
            OSError: the disk refuses.
        """
        with held(run.folder):
            (run.folder / FILE).unlink()  # from here on it is no run any more, whatever comes between
        shutil.rmtree(run.folder)


def default_folder() -> Path:
    """Under the user's data."""
    return user_data_path("ppo-scope", appauthor=False) / "runs"


@contextlib.contextmanager
def held(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """The run in this folder is ours, until the end; `patience`: seconds, for who only looks holds it for a moment too.

    Raises:
        InUse: another server has it.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        raise InUse(f"The run in {folder} is in use: another PPO Scope has it.") from None
    try:
        yield
    finally:
        lock.release()


def _in_use(folder: Path) -> bool:
    try:
        with held(folder):
            return False
    except InUse:
        return True
    except OSError:  # a folder that cannot be written is nobody's
        return False


def look_at(folder: Path) -> KeptRun:
    """The run in a folder, wherever that is."""
    size = sum(file.stat().st_size for file in folder.glob("*") if file.is_file())
    try:
        with contextlib.closing(Store(folder)) as store:
            said = store.newest_event("state") or {}
            ended = said["state"] if said.get("state") in ENDED else None
            state = RUNS if _in_use(folder) else ended or INTERRUPTED
            resumes_at = max((state.update for state in store.states() if state.resumable), default=None)
            cause = said.get("cause")
            return KeptRun(folder.name, folder, state, store.about(), store.last(), resumes_at, size, cause)
    except (CannotRead, sqlite3.Error, ValueError, KeyError) as error:
        return KeptRun(folder.name, folder, UNREADABLE, {}, 0, None, size, problem=str(error))
