"""What a run from the disk says of itself before anything of it is measured."""

import contextlib

from ppo_scope.ppo.settings import Settings
from ppo_scope.records.library import Library
from ppo_scope.records.store import Store
from ppo_scope.runs.reopening import to_show
from ppo_scope.wire.metrics import SERIES_COLUMNS
from tests.server.long_runs import episodes_of, rows_of


def test_a_run_from_the_disk_knows_where_it_was_paused(tmp_path):
    with contextlib.closing(Store(tmp_path / "run", create=True)) as store, store.writing():
        store.say(settings=Settings().model_dump(mode="json"), created="2026-01-02T03:04:05+00:00")
        store.append(SERIES_COLUMNS, 1, rows_of(1, 50), episodes_of(1, 50))
        for update, what in ((10, "paused"), (20, "state"), (30, "paused"), (70, "paused")):
            store.event("2026-01-02T03:04:05+00:00", update, what, {"state": "paused"} if what == "state" else {})
    _, record = to_show(Library(tmp_path).find("last"))
    assert record.describe("kept", None)["pauses"] == [10, 30], "the last one is of an update that has no row"
