"""The closed sets of codes that travel to pages, each code with what it means."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Word(StrEnum):
    """A code in words, and its meaning as docs/protocol.md gives it."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Word:
        """One of the set."""
        word = str.__new__(cls, value)
        word._value_ = value
        word.meaning = meaning
        return word


class ErrorCode(Word):
    """Why a message or request was refused."""

    MALFORMED = (
        "malformed",
        "not a message of the table: wrong JSON, unknown type, missing or extra field, wrong JSON type; three of them "
        "in ten seconds close with 1008",
    )
    INVALID = "invalid", "a message of the table whose value cannot be accepted, e.g. out of range"
    FORBIDDEN = "forbidden", "not from this page: it watches only, or another one leads the run"
    CONFLICT = "conflict", "not now: what the run is at stands against it"
    THROTTLED = "throttled", "too many at the same time; it was not acted on"
    FAILED = "failed", "the system refuses what it takes, such as a new process, or the run could not do it"
    NOT_RUNNING = "not_running", "the run has ended"
    NOT_FOUND = "not_found", "there is no such run, moment or picture, or none any more"


class Refused(Exception):
    """A command that is not carried out; `code` is what the page is told."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class CloseCode(IntEnum):
    """Why the server closed a websocket. The websocket library sends `TOO_LARGE` by itself."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> CloseCode:
        """One of the set."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code

    GOING_AWAY = 1001, "the server leaves"
    POLICY = 1008, "the page broke a rule: its reason says which"
    TOO_LARGE = 1009, "a message was longer than 16 kB"
    TRY_AGAIN_LATER = 1013, "this page reads too slowly, or the server is “full”"


class RunState(Word):
    """What a run is at."""

    STARTING = "starting", "its environments are being made"
    RUNNING = "running", "it trains"
    PAUSED = "paused", "it waits to be told to go on"
    FINISHED = "finished", "it has come to its own end, as by reaching total_steps"
    STOPPED = "stopped", "it was ended before its own end, or another one took its place"
    FAILED = "failed", "it ended by an error, whose traceback's tail is the detail of its cause"
    KILLED = "killed", "something else ended its process, or its process crashed"
    OUT_OF_MEMORY = "out_of_memory", "the system ended its process for want of memory"
    KEPT = "kept", "it is shown from the disk; nothing is trained"
    DELETED = "deleted", "it was kept and has been removed from the disk; what it had shown by then is still there"
    STALLED = (
        "stalled",
        "its process lives and gives no sign of it, an environment does not return, or a loop elsewhere is not there",
    )


ENDED = frozenset(
    {
        RunState.FINISHED,
        RunState.STOPPED,
        RunState.FAILED,
        RunState.KILLED,
        RunState.OUT_OF_MEMORY,
        RunState.KEPT,
        RunState.DELETED,
    }
)
"""States that a run does not leave."""


class Kind(Word):
    """Kinds of frames."""

    SNAPSHOT = "snapshot", "to pages, latest wins: the state of the run at one phase"
    SERIES = "series", "to pages, lossless: rows of scalars, one for each finished update"
    PICTURE = "picture", "to pages, latest wins: the policy acting"
    PROGRESS = "progress", "to pages, latest wins: where the trainer is"
    COMPARISON = "comparison", "to pages, latest wins: two outcomes of one update"
    PASSED = "passed", "trainer to server: phases on the way of a step, which are measured later, each under its number"
    PASSING = "passing", "trainer to server: the snapshot of such a phase, kept for who goes back to it"
    WEIGHTS = "weights", "trainer to server: for the process that draws"
    STATE = "state", "trainer to server: all that the run's future depends on, before an update, to be kept on disk"
    ROLLOUT = "rollout", "trainer to server: what was collected in an update whose state is kept, to be kept with it"
    LOOK = "look", "trainer to server: the noted state of a sample"
    EVENT = "event", "trainer to server: what happened, without arrays"
    RUN = "run", "first in a recording: the run that the others are of"


LATEST = (Kind.SNAPSHOT, Kind.SERIES, Kind.PICTURE, Kind.PROGRESS, Kind.COMPARISON)
"""Kinds of frames that pages get by themselves, the newest of each when they come."""
