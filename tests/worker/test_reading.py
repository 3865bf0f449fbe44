"""A run shown from the disk: every phase of what is kept is what the run itself had shown there, bit for bit."""

import contextlib
from collections import deque

import numpy as np
import pytest

from ppo_scope.records import trees
from ppo_scope.records.store import Store
from ppo_scope.runs.judgements import Judgements
from ppo_scope.wire import frame
from ppo_scope.wire.codes import Kind
from ppo_scope.wire.headers import MOMENT_COLUMNS
from ppo_scope.worker.reading import Reader
from tests.worker.driver import EVERYTHING, Driver, step

WANTED = {"type": "states", "wanted": True}
OF_THE_PRESENT = ("sequence", "late", "costs", "shares", "pictured", "unpictured", "arrays", "kind", "run")
"""What a snapshot tells of its own making."""
OF_THE_READER = ("judged_after", "made_again")


def written(folder, driver):
    """The run that a worker told of, as it lies on the disk."""
    with contextlib.closing(Store(folder, create=True)) as store, store.writing():
        store.say(settings=driver.worker.trainer.settings.model_dump(mode="json"), created="2026")
        judgements = Judgements(store.judge, clock=lambda: 0.0)
        for header, arrays in driver.frames:
            match header["kind"]:
                case Kind.STATE:
                    store.keep(header["before"], trees.sealed(arrays["state"].tobytes()))
                case Kind.ROLLOUT:
                    store.keep_rollout(header["before"], trees.sealed(arrays["state"].tobytes()), alone=header["alone"])
                case Kind.SERIES if not header.get("amends"):
                    store.append(header["columns"], header["first"], arrays["rows"], arrays["episodes"])
                case Kind.SERIES:
                    store.amend(header["columns"], header["first"], arrays["rows"][0])
                case Kind.SNAPSHOT:
                    judgements.take(header)
                    judgements.settle()


class Shown:
    """A reader, asked one thing after the other."""

    def __init__(self, folder):
        self.frames = []
        self.reader = Reader(lambda message: self.frames.append(frame.decode(message)), "run", Store(folder))
        self.told({"type": "watch", "probes": []})

    def told(self, *commands):
        queue = deque([*commands, {"type": "stop"}])
        self.reader._stopping = False
        if not self.frames:
            self.reader.show(lambda timeout: queue.popleft())
            return
        for command in commands:
            self.reader.obey(command)

    def numbers(self):
        """By place."""
        rows = [row for header, _ in self.frames if header["kind"] == Kind.PASSED for row in header["passed"]]
        return {tuple(row[1:]): row[0] for row in rows}

    def at(self, *place):
        number = self.numbers()[place]
        self.told({"type": "measure", "sequence": number})
        return next((h, a) for h, a in reversed(self.frames) if h["kind"] == Kind.PASSING and h["sequence"] == number)


def place(header):
    return tuple(header[name] for name in MOMENT_COLUMNS[1:])


def same(live, shown):
    (header, arrays), (other, others) = live, shown
    for name in header.keys() - set(OF_THE_PRESENT):
        if name == "scalars":
            times = {key for key in header["scalars"] if key.startswith("seconds_")}
            assert {k: v for k, v in header[name].items() if k not in times} == {
                k: v for k, v in other[name].items() if k not in times
            }
        else:
            assert header[name] == other[name], name
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, others[name], err_msg=name)


@pytest.mark.parametrize("settings", [{}, {"env": "Pendulum-v1", "normalize_observations": True, "target_kl": 0.01}])
def test_every_phase_is_what_the_run_itself_had_shown(tmp_path, settings):
    """Each of two updates stepped phase by phase; what went by between them is measured for the first time."""
    phases = [step("phase")] * 60
    changed = {"type": "set", "name": "clip_range", "value": 0.3}
    driver = Driver([WANTED, EVERYTHING, step(), changed, *phases, step()], epochs=2, minibatches=4, **settings)
    written(tmp_path / "run", driver)
    shown = Shown(tmp_path / "run")
    live = {place(header): (header, arrays) for header, arrays in driver.of(Kind.SNAPSHOT)}
    ends = [one for one in live if one[1] == "update"]
    assert len(ends) >= 3 and len(live) > 30
    newest = max(ends)
    for end in sorted(ends):
        if end == newest:
            found = next((h, a) for h, a in shown.frames if h["kind"] == Kind.SNAPSHOT)
        else:
            announced = next(one for one in shown.numbers() if one[:2] == end[:2])
            found = shown.at(*announced)
        assert place(found[0]) == end
        same(live[end], found)
        assert found[0]["made_again"] == {"same": True, "differing": {}}
        assert found[0]["judged_after"] == end[0]
    for inner in [one for one in live if one[1] != "update" and one[0] in {end[0] for end in ends} and one[0] > 1]:
        same(live[inner], shown.at(*inner))


def test_an_update_that_was_made_anew_is_shown_as_it_has_become(tmp_path):
    """β of kl_penalty is set by hand to what it was set to at first: it begins anew from there, which its value alone
    does not tell.
    """
    adaptive = {"objective": "kl_penalty", "kl_coef": 1.0, "kl_coef_target": 1e-3}
    anew = {"type": "redo", "settings": {"kl_coef": 1.0, "entropy_coef": 0.5}}
    driver = Driver([WANTED, EVERYTHING, step(), step(), step(), anew, {"type": "keep", "which": "new"}], **adaptive)
    written(tmp_path / "run", driver)
    shown = Shown(tmp_path / "run")
    live = next((h, a) for h, a in reversed(driver.frames) if h["kind"] == Kind.SNAPSHOT)
    found = next((h, a) for h, a in shown.frames if h["kind"] == Kind.SNAPSHOT)
    assert live[0]["settings"]["kl_coef"] == 1.0 and live[0]["settings"]["entropy_coef"] == 0.5
    same(live, found)
    assert found[0]["made_again"]["same"]


def test_a_run_of_which_nothing_can_be_made_again_says_so(tmp_path):
    driver = Driver([step()])
    written(tmp_path / "run", driver)
    shown = Shown(tmp_path / "run")
    (state,) = [header for header, _ in shown.frames if header.get("event") == "state"]
    assert state["state"] == "kept" and "series are all that there is" in state["cause"]["summary"]


@pytest.mark.parametrize("target_kl", [None, 0.5])
def test_a_run_whose_environment_cannot_be_made_says_so(tmp_path, target_kl):
    driver = Driver([WANTED, step()], target_kl=target_kl)
    written(tmp_path / "run", driver)
    with contextlib.closing(Store(tmp_path / "run")) as store, store.writing():
        update, packed = store.state(1)
        state = trees.decode(trees.opened(packed))
        state["settings"]["env"] = "nowhere:Gone-v0"
        store.keep(update, trees.sealed(trees.encode(state)))
    shown = Shown(tmp_path / "run")
    (state,) = [header for header, _ in shown.frames if header.get("event") == "state"]
    assert "cannot be made here" in state["cause"]["summary"] and state["update"] == 1
    ((snapshot, arrays),) = [(h, a) for h, a in shown.frames if h["kind"] == Kind.SNAPSHOT]
    ((live, _),) = [(h, a) for h, a in driver.of(Kind.SNAPSHOT) if h["phase"] == "update"]
    assert (snapshot["update"], snapshot["phase"]) == (1, "update") and not arrays, "what its row says, and no more"
    assert snapshot["scalars"]["loss"] == live["scalars"]["loss"] and snapshot["settings"] == live["settings"]
    assert "cannot be made here" in snapshot["lacks"]["ratio"]
    assert snapshot["stopped_by_kl"] is (None if target_kl else False), "whether it was is known where it could not be"
    shown.told({"type": "step", "id": "1"})
    assert shown.frames[-1][0]["code"] == "not_running"


def test_the_newest_moment_can_be_asked_for_again(tmp_path):
    """As any other: the server lets go of what there is no room for."""
    written(tmp_path / "run", Driver([WANTED, EVERYTHING, step(), step()]))
    shown = Shown(tmp_path / "run")
    newest = next((h, a) for h, a in shown.frames if h["kind"] == Kind.SNAPSHOT)
    shown.told({"type": "measure", "sequence": newest[0]["sequence"]})
    again = next((h, a) for h, a in shown.frames if h["kind"] == Kind.PASSING)
    assert again[0]["sequence"] == newest[0]["sequence"]
    same(newest, again)


def test_what_is_damaged_is_passed_over_and_offered_no_more(tmp_path):
    driver = Driver([WANTED, EVERYTHING, step(), step(), step()])
    written(tmp_path / "run", driver)
    with contextlib.closing(Store(tmp_path / "run")) as store, store.writing():
        for update, harm in ((3, lambda packed: packed[:-1]), (1, lambda packed: b"\x80\x04N." + packed)):
            store.keep_rollout(update, harm(store.rollout(update)))
    shown = Shown(tmp_path / "run")
    (snapshot,) = [header for header, _ in shown.frames if header["kind"] == Kind.SNAPSHOT]
    assert snapshot["update"] == 2, "the newest that can be made again"
    number = next(number for place, number in shown.numbers().items() if place[:2] == (1, "update"))
    shown.told({"type": "measure", "sequence": number})
    assert [header["abandoned"] for header, _ in shown.frames if header.get("event") == "abandoned"] == [3, 1]


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_an_update_that_halted_is_shown_as_far_as_it_came(tmp_path):
    """Something was not finite in it, and that is where one wants to look."""
    explosive = {"env": "Pendulum-v1", "learning_rate": 1.0, "entropy_coef": 100.0}
    driver = Driver([WANTED, EVERYTHING, step("until", until={"quantity": "not_finite", "above": None})], **explosive)
    written(tmp_path / "run", driver)
    live = next(header for header, _ in reversed(driver.frames) if header["kind"] == Kind.SNAPSHOT)
    with contextlib.closing(Store(tmp_path / "run")) as store, store.writing():
        assert store.states()[-1].update == live["update"], "at full speed not each one is kept: this one is"
    shown = Shown(tmp_path / "run")
    (snapshot,) = [header for header, _ in shown.frames if header["kind"] == Kind.SNAPSHOT]
    assert (snapshot["update"], snapshot["phase"]) == (live["update"], live["phase"]) == (live["update"], "loss")
    assert [finding["name"] for finding in snapshot["findings"]] == [finding["name"] for finding in live["findings"]]
