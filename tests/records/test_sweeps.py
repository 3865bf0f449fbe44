"""What a sweep plans, and what is kept of it."""

import json

import pytest

from ppo_scope.ppo.settings import Settings
from ppo_scope.records import sweeps
from ppo_scope.records.library import InUse, Library
from ppo_scope.records.store import CannotRead
from ppo_scope.runs.journal import Journal

SETTINGS = Settings(total_steps=1000, seed=5)
VARY = {"clip_range": [0.1, 0.2], "hidden_sizes": [(64, 64), (32,)]}


def test_all_combinations_have_the_same_seeds_and_the_same_plan_has_the_same_name():
    sweep = sweeps.plan(None, SETTINGS, VARY, 3)
    assert len(sweep.planned) == 12
    seen = {(one.values["clip_range"], tuple(one.values["hidden_sizes"]), one.values["seed"]) for one in sweep.planned}
    assert seen == {(eps, sizes, seed) for eps in (0.1, 0.2) for sizes in ((64, 64), (32,)) for seed in (5, 6, 7)}
    assert sweep.settings_of(sweep.planned[-1]).hidden_sizes == (32,)
    assert sweeps.plan(None, SETTINGS, VARY, 3).name == sweep.name
    # What is varied has no value of its own, and so no part in the name.
    assert sweeps.plan(None, SETTINGS.changed(clip_range=0.7), VARY, 3).name == sweep.name
    assert sweeps.plan(None, SETTINGS.changed(discount=0.9), VARY, 3).name != sweep.name
    assert sweeps.plan(None, SETTINGS, VARY, 2).name != sweep.name


@pytest.mark.parametrize(
    ("name", "vary", "seeds", "words"),
    [
        (None, {"clip_range": [0.1, -1.0]}, 1, "clip_range"),
        ("../elsewhere", VARY, 1, "no name of a sweep"),
        (None, VARY, 251, "1,004 runs"),
    ],
)
def test_what_cannot_be_planned_is_refused(name, vary, seeds, words):
    with pytest.raises(ValueError, match=words):
        sweeps.plan(name, SETTINGS, vary, seeds)


def test_it_is_read_back_as_it_was_written(tmp_path):
    library = Library(tmp_path)
    sweep = sweeps.plan("mine", SETTINGS, VARY, 2)
    sweep.planned[1].run = "0badcafe"
    sweeps.save(sweep, library)
    again = sweeps.load("mine", library)
    assert again.is_like(sweep) and again.planned[1].run == "0badcafe"
    assert again.settings_of(again.planned[1]) == sweep.settings_of(sweep.planned[1])
    assert sweeps.names(library) == ["mine"] and library.runs() == []
    assert sweeps.load("another", library) is None and sweeps.load("../mine", library) is None
    assert not sweeps.is_done(sweeps.kept(again.planned[1], library)), "that run is gone"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"version": 1}', "damaged"),
        ('{"version": 99}', "newer PPO Scope"),
        ('{"version": 1, "name": "mine", "settings": {}, "vary": {}, "planned": [{"values": 3}]}', "damaged"),
        ('{"version": 1, "name": "mine", "settings": {"clip_range": -1}, "vary": {}, "planned": []}', "damaged"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_a_line(tmp_path, text, words):
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "mine.json").write_text(text)
    with pytest.raises(CannotRead, match=words) as refused:
        sweeps.load("mine", Library(tmp_path))
    assert "\n" not in str(refused.value)


def test_one_that_is_under_way_is_nobody_elses(tmp_path):
    library, sweep = Library(tmp_path), sweeps.plan("mine", SETTINGS, {}, 2)
    with sweeps.held(sweep, library):
        with pytest.raises(InUse, match="mine is under way"), sweeps.held(sweep, library):
            pass
        with sweeps.held(sweeps.plan("another", SETTINGS, {}, 2), library):
            pass
    with sweeps.held(sweep, library):
        assert sweeps.names(library) == []


def test_a_run_that_began_and_was_not_noted_is_taken_in(tmp_path):
    library, sweep = Library(tmp_path), sweeps.plan("mine", SETTINGS, VARY, 1)
    lost = sweep.planned[2]
    about = {"settings": sweep.settings_of(lost).model_dump(mode="json"), "created": "", "sweep": "mine"}
    Journal(library.place("0badcafe"), about, create=True).close()
    Journal(library.place("deadbeef"), {**about, "sweep": "another"}, create=True).close()
    sweeps.adopt(sweep, library)
    assert [one.run for one in sweep.planned] == [None, None, "0badcafe", None]


def test_what_was_there_stays_where_the_disk_refuses(tmp_path, monkeypatch):
    library, sweep = Library(tmp_path), sweeps.plan("mine", SETTINGS, {}, 2)
    sweeps.save(sweep, library)
    before = (tmp_path / "sweeps" / "mine.json").read_text()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json, "dump", full)
    with pytest.raises(OSError, match="No space"):
        sweeps.save(sweep, library)
    assert [path.name for path in (tmp_path / "sweeps").iterdir()] == ["mine.json"]
    assert (tmp_path / "sweeps" / "mine.json").read_text() == before
