"""What is kept to go back to: in the order of the run, within its room, the newest picture of each moment."""

from ppo_scope.records.moments import RETIRED_SHARE, Moments

SEQUENCE = iter(range(1, 10_000))


def keep(moments, update, phase="update", epoch=4, minibatch=4, size=100):
    sequence = next(SEQUENCE)
    place = {"update": update, "phase": phase, "epoch": epoch, "minibatch": minibatch}
    moments.keep({"sequence": sequence, **place}, bytes(size))
    return sequence


def ends(moments):
    return [update for _, update, phase, _, _ in moments.list() if phase == "update"]


def test_the_oldest_make_room():
    moments = Moments(update_bytes=1000)
    for update in range(1, 21):
        keep(moments, update)
    assert ends(moments) == list(range(11, 21))
    assert moments.number_of_end(10) is None and moments.number_of_end(11) is not None
    keep(moments, 20, size=500)  # shown again, and larger
    assert ends(moments) == list(range(15, 21))
    assert moments.held == 1000


def test_what_is_inside_of_updates_has_room_of_its_own():
    moments = Moments(update_bytes=1000, inner_bytes=500)
    keep(moments, 1)
    for minibatch in range(1, 11):
        keep(moments, 2, "loss", 1, minibatch)
    assert ends(moments) == [1], "many phases of one update do not push out the updates before it"
    assert [row[4] for row in moments.list() if row[2] == "loss"] == [6, 7, 8, 9, 10]


def test_they_are_listed_as_the_run_goes_whatever_came_when():
    moments = Moments()
    walk = [("rollout", 0, 0), ("advantages", 0, 0)]
    walk += [(phase, 1, m) for m in (1, 2) for phase in ("loss", "gradient", "step")]
    walk += [("epoch", 1, 2), ("loss", 2, 1), ("update", 2, 2)]
    for phase, epoch, minibatch in reversed(walk):
        keep(moments, 1, phase, epoch, minibatch)
    assert [row[2:] for row in moments.list()] == walk


def test_a_moment_shown_anew_replaces_its_older_picture():
    moments = Moments()
    numbers = [keep(moments, 1, size=size) for size in (10, 20, 30)]
    assert [row[0] for row in moments.list()] == numbers[-1:]
    assert [len(moments.at(number)) for number in numbers] == [30, 30, 30], "a link to an older one leads to the newest"
    assert moments.held == 30
    moments.forget(1)
    assert [moments.at(number) for number in numbers] == [None, None, None]


def test_an_update_made_anew_is_forgotten_whole():
    moments = Moments()
    for update in (1, 2):
        keep(moments, update, "loss", 1, 1)
        keep(moments, update)
    moments.forget(2)
    assert {row[1] for row in moments.list()} == {1}
    assert moments.held == 200


def test_a_run_that_was_replaced_keeps_few():
    moments = Moments(update_bytes=100 * RETIRED_SHARE)
    for update in range(20):
        keep(moments, update, size=25)
    moments.shrink()
    assert ends(moments) == [16, 17, 18, 19]
