"""Several things are found in step, and come to what each comes to by itself."""

import pytest

from ppo_scope.probes.steps import alone, in_step


def counting(name, count, taken):
    for number in range(count):
        taken.append((name, number))
        yield
    return name


def test_every_one_takes_a_step_before_any_takes_the_next():
    taken = []
    assert in_step([counting("a", 2, taken), counting("b", 3, taken), counting("c", 0, taken)]) == ["a", "b", "c"]
    assert taken == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("b", 2)]


def test_one_alone_and_none():
    assert alone(counting("a", 3, [])) == "a"
    assert in_step([]) == []


def test_what_is_raised_comes_out():
    def fails():
        yield
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        alone(fails())
