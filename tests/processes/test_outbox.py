"""What a process is told comes in the order in which it was said; of how something is, the newest word alone."""

import pytest

from ppo_scope.processes.process import COMMANDS, NotReading, Outbox


def test_commands_and_slots_keep_their_order():
    box = Outbox()
    box.put(b"begin")
    box.replace("watch", b"nothing")
    box.replace("weights", b"none")
    box.replace("watch", b"ratio")
    box.put(b"step")
    box.replace("states", b"kept")
    assert [box.take() for _ in range(5)] == [b"begin", b"ratio", b"none", b"step", b"kept"]
    box.replace("watch", b"values")
    assert box.take() == b"values"
    box.close()
    assert box.take() is None


def test_a_process_that_does_not_read_is_not_sent_commands_without_end():
    box = Outbox()
    for number in range(COMMANDS):
        box.put(str(number).encode())
    with pytest.raises(NotReading):
        box.put(b"one more")
    box.replace("watch", b"ratio")  # takes no place of a command
    assert box.take() == b"0"
    box.put(b"one more")
