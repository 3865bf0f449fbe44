"""What has been missed of a run is noticed by the numbers of its frames, and asked for, not too often."""

import json

from ppo_scope.runs import missed
from ppo_scope.runs.missed import Missed


def asked(one, changes=0):
    question = one.question(changes)
    return None if question is None else json.loads(question)


def test_nothing_is_asked_for_while_no_number_is_left_out():
    one = Missed()
    for sequence in (1, 2, 3, 3, 2, 4):
        one.came(sequence, last=7)
    assert asked(one) is None


def test_rows_are_asked_for_from_the_first_that_may_be_missing(monkeypatch):
    monkeypatch.setattr(missed, "EVERY", 0.0)
    one = Missed()
    one.came(2, last=0)
    assert asked(one, changes=3) == {"type": "again", "first": 1, "changes": 3}
    assert asked(one) is None, "once"
    one.came(4, last=5)
    one.came(6, last=9)
    one.noticed(last=12)
    assert asked(one)["first"] == 6


def test_it_is_not_asked_again_at_once():
    one = Missed()
    one.noticed(last=0)
    assert asked(one)
    one.noticed(last=0)
    assert asked(one) is None
