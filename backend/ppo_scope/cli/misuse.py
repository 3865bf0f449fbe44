"""A user's mistake: one line, and an exit code of its own."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

USAGE_ERROR = 2
INTERRUPTED = 130


class Misuse(Exception):
    """Something asked for that cannot be; one line for the person who asked, and a traceback of the environment's code
    where that has failed.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


@contextlib.contextmanager
def users_mistakes() -> Iterator[None]:
    """What is refused in here was asked for, and is no fault of the program.

    Raises:
        Misuse: in place of a ValueError.
    """
    try:
        yield
    except ValueError as error:
        raise Misuse(str(error), getattr(error, "detail", "")) from None


def check_no_device(option: str, path: Path) -> None:
    """That no device or pipe is there, such as /dev/null: a file that root moves to its place would be there instead.

    Raises:
        Misuse: one is.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise Misuse(f"{option} {path}: cannot be written: it is no file")


def check_place(option: str, path: Path) -> None:
    """That a file can be written there, before time is spent on what is to be in it.

    Raises:
        Misuse: it cannot.
    """
    check_no_device(option, path)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with tempfile.TemporaryFile(dir=path.absolute().parent):
            pass
    except OSError as error:
        raise Misuse(f"{option} {path}: cannot be written: {error.strerror}") from None


def printable(text: str) -> str:
    """With nothing in it that a terminal obeys: names may come from files that are somebody else's."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def complain(message: str, detail: str) -> None:
    """The line, and below it the end of the traceback if there is one."""
    lines = [printable(line) for line in message.splitlines()]
    print("ppo-scope: " + "\n".join(lines), file=sys.stderr)
    if detail:
        print(detail.rstrip(), file=sys.stderr)
