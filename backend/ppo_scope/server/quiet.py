"""The terminal belongs to who trains: what strangers provoke is said once, and then counted."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict

from ppo_scope.server.throttle import Clock

QUIET = 60.0
"""Seconds until the same is said again."""
KINDS = 64
"""Kinds of records that are told apart."""
CUT_OFF = "Cancel %s running task(s), timeout graceful shutdown exceeded"
"""In uvicorn's words: requests that were still being answered when the server ended. Each then says that it was."""
LOGGERS = ("uvicorn.error", "asyncio", "ppo_scope.server.socket")


class Sparing(logging.Filter):
    """Passes a record of a kind at most once a minute, with the number of those that were not; and none of what the
    end of the server has cut off, which is how it was meant to be.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said: OrderedDict[tuple[object, ...], tuple[float, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to say it."""
        error = record.exc_info[1] if record.exc_info else None
        if record.msg == CUT_OFF or isinstance(error, asyncio.CancelledError):
            return False
        # By the template, not by the text: strangers may choose what stands in it.
        kind = (record.name, record.levelno, str(record.msg)[:80], type(error))
        now = self._clock()
        since, more = self._said.get(kind, (-QUIET, 0))
        if now - since < QUIET:
            self._said[kind] = (since, more + 1)
            return False
        self._said[kind] = (now, 0)
        self._said.move_to_end(kind)
        if len(self._said) > KINDS:
            self._said.popitem(last=False)
        if more:
            record.msg = f"{record.msg} (and {more} more like this)"
        return True


def be_quiet() -> None:
    """Have the server's loggers say the same at most once a minute."""
    sparing = Sparing()
    for name in LOGGERS:
        logging.getLogger(name).addFilter(sparing)
