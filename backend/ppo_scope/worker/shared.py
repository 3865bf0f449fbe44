"""What a clerk tells in shared memory, so that it need not pass through a pipe."""

from __future__ import annotations

from dataclasses import replace

from ppo_scope.worker.desk import Answer

LOOKS, LOOK = 2, 8 * 1024 * 1024
"""Bytes, for snapshots: the next one is wished for while one is measured."""
STATE = 1024 * 1024
"""And for how the run is: two of them, so that one is whole at any time."""
COUNTER = 64
"""And for how many messages it has sent."""
SHARED = LOOKS * LOOK + 2 * STATE + COUNTER


def parts(room: memoryview, size: int) -> list[memoryview]:
    """Of that size, one after the other."""
    return [room[start : start + size] for start in range(0, len(room), size)]


class Shared:
    """The end of the memory, seen from either process."""

    def __init__(self, room: memoryview) -> None:
        self._looks, self._states = parts(room[: LOOKS * LOOK], LOOK), parts(room[LOOKS * LOOK : -COUNTER], STATE)
        self._put = 0  # snapshots, by this process
        self._counter = room[-COUNTER:].cast("Q")

    @property
    def told(self) -> int:
        """How many messages it has sent."""
        return self._counter[0]

    def count(self) -> None:
        """One more."""
        self._counter[0] += 1

    def put_state(self, number: int, state: bytes) -> bytes | int:
        """How the run is after that message: its length, or itself where there is no room."""
        if len(state) > STATE:
            return state
        self._states[number % 2][: len(state)] = state
        return len(state)

    def state(self, number: int, put: bytes | int) -> bytes | memoryview:
        """What was put there."""
        return put if isinstance(put, bytes) else self._states[number % 2][:put]

    def put_look(self, answer: Answer) -> Answer:
        """An answer whose snapshot lies here, if it has one and there is room."""
        looked = answer.looked
        if looked is None or not isinstance(looked.frame, bytes) or len(looked.frame) > LOOK:
            return answer
        which = self._put = (self._put + 1) % LOOKS
        self._looks[which][: len(looked.frame)] = looked.frame
        return answer._replace(looked=replace(looked, frame=(which, len(looked.frame))))

    def look(self, put: bytes | tuple[int, int]) -> bytes | memoryview:
        """A snapshot that was put there."""
        return put if isinstance(put, bytes) else self._looks[put[0]][: put[1]]
