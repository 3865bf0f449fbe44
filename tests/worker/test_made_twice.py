"""An update made twice: both outcomes are shown, one of them goes on, and what cannot be made anew is refused."""

import pytest

from ppo_scope.ppo.trainer import Trainer
from ppo_scope.wire.metrics import SERIES_COLUMNS
from tests.worker.driver import EVERYTHING, Driver, rows_of, step


def redo(**settings):
    return {"type": "redo", "settings": settings, "id": "redo"}


def keep(which):
    return {"type": "keep", "which": which, "id": "keep"}


def test_an_update_made_anew_is_shown_beside_the_old_one_and_only_one_goes_on():
    as_it_was = Driver([step(), step(), step()])
    with_another = Driver([step(), {"type": "set", "name": "clip_range", "value": 0.01}, step(), step()])
    kept_old = Driver([step(), step(), redo(clip_range=0.01), keep("old"), step()])
    kept_new = Driver([step(), step(), redo(clip_range=0.01), keep("new"), step()])
    assert kept_old.weights == as_it_was.weights
    assert kept_new.weights == with_another.weights != as_it_was.weights
    (header, arrays), (closed, _) = kept_new.of("comparison")
    assert header["open"] and not closed["open"]
    assert (header["settings"]["old"]["clip_range"], header["settings"]["new"]["clip_range"]) == (0.2, 0.01)
    for which, driver in (("old", as_it_was), ("new", with_another)):
        row = dict(zip(SERIES_COLUMNS, rows_of(driver)[1], strict=True))
        for name in ("loss", "clip_fraction", "held_fraction", "kl_k3", "final_kl_exact", "theta_change"):
            assert header["scalars"][f"{which}_{name}"] == pytest.approx(row[name], abs=0), name
        assert 100 < arrays[f"{which}_ratio_counts"].sum() + arrays[f"{which}_ratio_outside"].sum() <= 128
        assert arrays[f"{which}_minibatches"].shape[0] == 16


def test_the_outcome_that_is_kept_replaces_row_and_snapshot():
    driver = Driver([EVERYTHING, step(), step(), redo(clip_range=0.01), keep("new")])
    amends = [(h, a) for h, a in driver.of("series") if h.get("amends")]
    ((header, arrays),) = amends
    assert (header["first"], arrays["rows"].shape) == (2, (1, len(SERIES_COLUMNS)))
    last, _ = driver.of("snapshot")[-1]
    assert (last["update"], last["phase"], last["settings"]["clip_range"]) == (2, "update", 0.01)
    assert last["sequence"] == driver.events("state")[-2]["snapshot"]
    (change,) = driver.events("change")
    assert [change[k] for k in ("name", "old", "new", "first_update")] == ["clip_range", 0.2, 0.01, 2]


def test_with_the_comparison_on_the_page_nothing_is_under_way():
    """Or the page would refuse the choice between the two until it hears of it."""
    driver = Driver([step(), redo(clip_range=0.01)])
    ((comparison, _),) = driver.of("comparison")
    told = [h["activity"] for h, _ in driver.of("progress") if h["sequence"] < comparison["sequence"]]
    assert told[-1] is None


def test_what_waits_is_applied_without_being_named():
    pending = {"type": "set", "name": "learning_rate", "value": 0.01}
    driver = Driver([step(), pending, redo(), keep("new")])
    assert driver.worker.trainer.settings.learning_rate == 0.01
    assert driver.events("state")[-1]["pending"] == {}


@pytest.mark.parametrize("command", [step(id="no"), {"type": "play", "id": "no"}, {**redo(clip_range=0.3), "id": "no"}])
def test_two_outcomes_are_decided_by_nothing_but_a_choice(command):
    driver = Driver([step(), redo(clip_range=0.01), command, keep("new")])
    refused, kept = [next(e for e in driver.events("reply") if e["id"] == name) for name in ("no", "keep")]
    assert refused["code"] == "conflict" and "Update 1 has two outcomes" in refused["message"]
    assert kept["code"] is None and driver.worker.trainer.settings.clip_range == 0.01
    assert driver.worker.trainer.updates == 1
    assert [header["open"] for header, _ in driver.of("comparison")] == [True, False]


def test_with_the_old_outcome_what_was_tried_is_put_back_and_what_was_changed_since_waits_on():
    change = {"type": "set", "name": "clip_range", "value": 0.01}
    other = {"type": "set", "name": "entropy_coef", "value": 0.02}
    driver = Driver([step(), change, redo(), other, keep("old")])
    assert driver.worker.trainer.pending == {"entropy_coef": 0.02}
    assert driver.events("state")[-2]["pending"] == {"entropy_coef": 0.02}
    again = Driver([step(), change, redo(), {**change, "value": 0.4}, keep("old")])
    assert again.worker.trainer.pending == {"clip_range": 0.4}


@pytest.mark.parametrize(
    ("commands", "code"),
    [
        ([redo(clip_range=0.1)], "conflict"),
        ([step("minibatch"), redo(clip_range=0.1)], "conflict"),
        ([step(), redo(clip_range=7.0)], "invalid"),
        ([step(), redo(learning_rate=1e30)], "invalid"),
        ([step(), {"type": "keep", "which": "new", "id": "redo"}], "conflict"),
        ([{"type": "play"}, {**redo(), "at_once": True}, {"type": "pause", "at_once": True}], "conflict"),
    ],
)
def test_what_cannot_be_made_anew_is_refused_with_the_reason(commands, code):
    driver = Driver(commands)
    reply = next(e for e in driver.events("reply") if e["id"] == "redo")
    assert reply["code"] == code and reply["message"]


def test_an_update_that_cannot_be_made_anew_for_want_of_memory_ends_no_run(monkeypatch):
    def too_large(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1099511627776 bytes.")

    monkeypatch.setattr(Trainer, "redo", too_large)
    driver = Driver([step(), redo(minibatches=1), step()])
    reply = next(e for e in driver.events("reply") if e["id"] == "redo")
    assert reply["code"] == "failed" and "can't allocate memory" in reply["message"]
    assert "is as it was" in reply["message"], "not only that it did not work"
    assert driver.worker.trainer.updates == 2


def test_a_command_that_cannot_be_obeyed_ends_no_run(monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("for no reason")

    monkeypatch.setattr(Trainer, "change", broken)
    driver = Driver([{"type": "set", "name": "clip_range", "value": 0.1, "id": "set"}, step()])
    reply = next(e for e in driver.events("reply") if e["id"] == "set")
    assert reply["code"] == "failed" and "ZeroDivisionError: for no reason" in reply["message"]
    assert driver.worker.trainer.updates == 1
