"""The folder of all runs that are kept: which there are, and what has become of each."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time_ns
from typing import Any

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from ppo_scope.records.store import FILE, CannotRead, Store
from ppo_scope.wire.codes import ENDED, RunState
from ppo_scope.wire.run import Cause, Kept

LOCK = "run.lock"
"""Held by the server that writes the run; the system lets go of it whatever becomes of the server."""
PATIENCE = 1.0
"""Seconds until a folder that somebody has counts as in use: who only looks has it for an instant."""
AN_INSTANT, POLL = 0.02, 0.002
"""Seconds for which who only looks may have a folder, and between two looks at whether it still has."""
DICTS, TEXTS = ("settings", "facts", "parent", "dropped"), ("created", "version")
"""What a run says of itself, where it does."""
INTERRUPTED, UNREADABLE = "interrupted", "unreadable"
UNDER_WAY = frozenset(RunState) - ENDED
"""What a run may be at that a server has."""
SETTLED = 2.0
"""Seconds after which a file that is written again has another time of its last change, however coarse its clock."""
Files = frozenset[tuple[str, int, int]]
"""Of a run's folder: name, bytes, and when each was written last, in nanoseconds."""


class InUse(Exception):
    """A server has the run; one readable line."""


@dataclass(frozen=True)
class KeptRun:
    """What a list says of a run."""

    id: str
    folder: Path
    state: str
    """What it is at, one of `UNDER_WAY`, where a server has it and it has not finished; interrupted: none has it, and
    it was not ended; or how it ended."""
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
    states: int = 0
    """That are kept."""
    dropped: int = 0
    """States that are not, for there was no room for them: thinned out, or the disk did not take them."""
    in_use: bool = False
    """A server has it: also one that has ended, as long as its process is there to be looked at."""

    def told(self) -> Kept:
        """What the protocol says of it, where it is shown."""
        return {
            "state": self.state,
            "cause": self.cause,
            "last": self.last,
            "resumes_at": self.resumes_at,
            "parent": self.about.get("parent"),
        }


@dataclass(frozen=True)
class Terms:
    """On which runs are kept."""

    room: int = 500 * 1000**2
    """Bytes of states and their rollouts that a run keeps; beyond them every second one goes."""
    every: int = 0
    """Updates from one state that is never dropped to the next; 0: none but those that are worth it otherwise."""


class Library:
    """The runs in one folder, each in a folder of its own by its identifier."""

    def __init__(self, folder: Path, terms: Terms | None = None) -> None:
        self.folder = folder
        self.terms = terms or Terms()
        """For those that are written from now on."""
        self._settled: dict[Path, tuple[Files, KeptRun]] = {}  # as they were when nobody had them

    def place(self, run: str) -> Path:
        """Where a run lies, or will."""
        return self.folder / run

    def runs(self) -> list[KeptRun]:
        """All of them, the newest first."""
        found = {place: self._look(place) for place in self.folder.glob("*")}
        self._settled = {place: known for place, known in self._settled.items() if found.get(place)}
        return sorted((run for run in found.values() if run is not None), key=_age, reverse=True)

    def _look(self, folder: Path) -> KeptRun | None:
        """The run in it. One whose files are as they were is not opened again: of a thousand runs few have changed."""
        files, known = _files_of(folder), self._settled.get(folder)
        if known is not None and known[0] == files and not _in_use(folder):
            return known[1]
        run = _there(folder)
        if run is not None and not run.in_use and not run.problem and _is_settled(files):
            self._settled[folder] = files, run
        return run

    def run(self, id: str) -> KeptRun | None:
        """The run of exactly that identifier; None: there is none."""
        place = self.place(id)
        inside = id not in ("", ".", "..") and place.name == id
        return _there(place) if inside else None

    def find(self, name: str) -> KeptRun:
        """The run of that identifier, or the one that begins like that; `last` is the newest.

        Raises:
            CannotRead: there is none, or more than one; one readable line.
        """
        if not name:
            raise CannotRead("a run without a name: say its identifier, the beginning of it, or last")
        if self.folder.exists() and not self.folder.is_dir():
            raise CannotRead(f"runs are kept in a folder, and {self.folder} is none")
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
            CannotRead: it has gone already.
            InUse: a server has it.
            OSError: the disk refuses.
        """
        with held(run.folder):
            (run.folder / FILE).unlink()  # from here on it is no run any more, whatever comes between
        until = monotonic() + PATIENCE
        while run.folder.exists():  # each who looks at it right now may put a lock there once more
            try:
                shutil.rmtree(run.folder)
            except OSError:
                if monotonic() > until:
                    raise


def is_run(folder: Path) -> bool:
    """Whether there is a run in it, in whatever state."""
    return (folder / FILE).is_file()


def _there(folder: Path) -> KeptRun | None:
    """The run in it; None: there is none, or none any more: it is deleted while one looks at it."""
    found = look_at(folder) if is_run(folder) else None
    return None if found is None or (found.problem and not is_run(folder)) else found


def _age(run: KeptRun) -> tuple[str, int]:
    """When it was begun, to the second; and what was written last, of two of one second."""
    with contextlib.suppress(OSError):  # somebody deletes it right now
        return str(run.about.get("created", "")), (run.folder / FILE).stat().st_mtime_ns
    return "", 0


def default_folder() -> Path:
    """Under the user's data."""
    return user_data_path("ppo-scope", appauthor=False) / "runs"


@contextlib.contextmanager
def held(folder: Path, patience: float = PATIENCE) -> Iterator[None]:
    """The run in this folder is ours, until the end; `patience`: in seconds.

    Raises:
        InUse: another server has it.
        CannotRead: there is none; it may have been deleted meanwhile.
    """
    gone = CannotRead(f"{folder} holds no run: there is no {FILE} in it")
    with contextlib.ExitStack() as ours:
        try:
            refusal = f"The run in {folder} is in use: another PPO Scope has it."
            ours.enter_context(locked(folder / LOCK, refusal, patience))
        except (FileNotFoundError, FileExistsError):  # locking makes the folder anew, which others take away right now
            raise gone from None
        if not is_run(folder):
            with contextlib.suppress(OSError):  # locking has made the folder anew, with nothing else in it
                (folder / LOCK).unlink()
                folder.rmdir()
            raise gone
        yield


@contextlib.contextmanager
def locked(path: Path, refusal: str, patience: float = 0.0) -> Iterator[None]:
    """Nobody else locks this file meanwhile.

    Raises:
        InUse: somebody does; it says `refusal`.
        OSError: the disk refuses.
    """
    lock = FileLock(path, thread_local=False)  # another thread than the one that took it may give it back
    try:
        lock.acquire(timeout=patience, poll_interval=POLL)
    except Timeout:
        raise InUse(refusal) from None
    try:
        yield
    finally:
        lock.release()


def _in_use(folder: Path) -> bool:
    try:
        with held(folder, AN_INSTANT):
            return False
    except InUse:
        return True
    except (OSError, CannotRead):  # a folder that cannot be written is nobody's
        return False


def _size_of(file: Path) -> int:
    """In bytes; some of a run's files are there only as long as somebody has it open."""
    with contextlib.suppress(OSError):
        return file.stat().st_size if file.is_file() else 0
    return 0


def _files_of(folder: Path) -> Files:
    """But for the lock, which everybody who looks at it touches; none where somebody changes them right now."""
    with contextlib.suppress(OSError), os.scandir(folder) as files:
        found = [(file.name, file.stat()) for file in files if file.name != LOCK]
        return frozenset((name, about.st_size, about.st_mtime_ns) for name, about in found)
    return frozenset()


def _is_settled(files: Files) -> bool:
    return time_ns() - max((written for _, _, written in files), default=time_ns()) > SETTLED * 1e9


def _ended(store: Store, state: str | None) -> str | None:
    """How a run ended that was in this state last: one whose process was stopped once it had finished has finished."""
    if state == RunState.STOPPED:
        before = [said["state"] for _, _, what, said in store.events() if what == "state"]
        done = [one for one in before if one != RunState.STOPPED]
        return RunState.FINISHED if done[-1:] == [RunState.FINISHED] else state
    return state if state in ENDED else None


def _at(said: str | None) -> str:
    """What a run is at that a server has, and that has said this last: any end is from before it was gone on with."""
    return said if said in UNDER_WAY else RunState.RUNNING


def look_at(folder: Path) -> KeptRun:
    """The run in a folder, wherever that is."""
    size = 0
    try:
        size = sum(map(_size_of, folder.glob("*")))
        with contextlib.closing(Store(folder)) as store:
            about = _trusted(store.about())
            said = store.newest_event("state") or {}
            ended = _ended(store, said.get("state"))
            in_use = _in_use(folder)
            looked_at = ended == RunState.FINISHED
            state = _at(said.get("state")) if in_use and not looked_at else ended or INTERRUPTED
            kept, dropped = sum(state.resumable for state in store.states()), sum(about.get("dropped", {}).values())
            resumes_at, last, cause = store.resumes_at(), store.last(), said.get("cause")
            return KeptRun(folder.name, folder, state, about, last, resumes_at, size, cause, "", kept, dropped, in_use)
    except (CannotRead, OSError, sqlite3.Error, ValueError, TypeError, AttributeError, RecursionError) as error:
        return KeptRun(folder.name, folder, UNREADABLE, {}, 0, None, size, problem=str(error))


def _trusted(about: dict[str, Any]) -> dict[str, Any]:
    """Facts that are what they should be: a file may be anybody's.

    Raises:
        ValueError: they are not.
    """
    for kind, names in ((dict, DICTS), (str, TEXTS)):
        for name in names:
            if not isinstance(about.get(name, kind()), kind):
                raise ValueError(f"its {name} is none")
    parent = about.get("parent")
    if parent is not None and not (isinstance(parent.get("run"), str) and isinstance(parent.get("update"), int)):
        raise ValueError("its parent is none")
    if not all(isinstance(count, int) for count in about.get("dropped", {}).values()):
        raise ValueError("its dropped is none")
    return about
