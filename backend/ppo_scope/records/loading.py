"""A run that is kept, read as a whole: for who goes on with its numbers somewhere else."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppo_scope.records import trees
from ppo_scope.records.extras import needed
from ppo_scope.records.library import KeptRun, Library, default_folder
from ppo_scope.records.store import FILE, CannotRead, Rows, Store
from ppo_scope.wire.metrics import EPISODE_COLUMNS
from ppo_scope.wire.run import Change

DataFrame = Any
"""Of pandas, which is there only where somebody has installed it."""
Event = tuple[str, int, str, dict[str, Any]]
"""(when, at which update, what, what is known of it)"""


@dataclass(frozen=True)
class LoadedRun:
    """What is known of a run: its numbers as they were when it was read, its states as they are asked for."""

    id: str
    folder: Path
    state: str
    """running, interrupted, or how it ended."""
    about: dict[str, Any] = field(repr=False)
    """`settings` that it began with, `created`, `parent` of a fork, `facts` of its environment."""
    columns: tuple[str, ...] = field(repr=False)
    """Of `rows`: names as in docs/metrics.md."""
    updates: NDArray[np.int64] = field(repr=False)
    """[R]"""
    rows: Rows = field(repr=False)
    """[R, C]; NaN where a quantity is not defined."""
    episode_rows: Rows = field(repr=False)
    """[E, 4]: update, step of the run, return and length of each episode."""
    changes: list[Change] = field(repr=False)
    """Of settings, the earliest first."""
    events: list[Event] = field(repr=False)
    """What happened to the run, the earliest first."""
    kept: tuple[int, ...] = field(repr=False)
    """Updates before which a state is kept."""
    collected: tuple[int, ...] = field(repr=False)
    """Updates whose rollout is kept."""

    @property
    def settings(self) -> dict[str, Any]:
        """In use at the newest update."""
        return self.settings_at(int(self.updates[-1]) if len(self.updates) else 1)

    def settings_at(self, update: int) -> dict[str, Any]:
        """That an update was made with."""
        return {**self.about.get("settings", {}), **_changed(self.changes, update)}

    @property
    def series(self) -> DataFrame:
        """A line for each update: `env`, `seed` and `update`, the columns of docs/metrics.md, and the settings that it
        was made with, `settings.clip_range` and so on; as the page's "Whole run as CSV".

        Raises:
            ImportError: pandas is not installed.
        """
        return needed("pandas").DataFrame(self.table())

    @property
    def episodes(self) -> DataFrame:
        """A line for each episode that ended: update, step, return and length.

        Raises:
            ImportError: pandas is not installed.
        """
        return needed("pandas").DataFrame(self.episode_table())

    def table(self) -> dict[str, list[Any] | NDArray[Any]]:
        """The columns of `series` by their names."""
        count = len(self.updates)
        began = self.about.get("settings", {})
        found: dict[str, list[Any] | NDArray[Any]] = {
            "env": [began.get("env")] * count,
            "seed": [began.get("seed")] * count,
            "update": self.updates,
        }
        found |= {name: self.rows[:, n] for n, name in enumerate(self.columns)}
        for name, first in began.items():
            if name not in ("env", "seed"):
                found[f"settings.{name}"] = self._used(name, first)
        return found

    def episode_table(self) -> dict[str, NDArray[Any]]:
        """The columns of `episodes` by their names."""
        whole = {"update", "step", "episodic_length"}
        return {
            name: self.episode_rows[:, n].astype(np.int64 if name in whole else np.float64)
            for n, name in enumerate(EPISODE_COLUMNS)
        }

    def _used(self, name: str, first: Any) -> list[Any]:
        """[R], a setting as each update was made with it."""
        mine = [change for change in self.changes if change["name"] == name]
        if not mine:
            return [first] * len(self.updates)
        return [_changed(mine, int(update))[name] for update in self.updates]

    def state_before(self, update: int | None = None) -> tuple[int, dict[str, Any]]:
        """(update, state) of the newest state that is kept, of those that are not behind `update`.

        The state of the trainer before the rollout of that update, as plain values and arrays: `theta` [P], the weights
        as one vector; `adam`, the optimizer's moments; `observation_statistics`; `environments`; and what else a run
        goes on from.

        Raises:
            CannotRead: there is none, or it is damaged; one readable line.
        """
        with contextlib.closing(Store(self.folder)) as store:
            found = store.state(update)
        if found is None:
            early = "" if update is None else f" of update {update} or before"
            raise CannotRead(f"Run {self.id} has no state{early}: none is kept.")
        try:
            return found[0], trees.decode(trees.opened(found[1]))
        except trees.Damaged as error:
            raise CannotRead(f"The state of run {self.id} before update {found[0]} cannot be read: {error}.") from None

    def samples(self, update: int) -> dict[str, NDArray[Any]]:
        """What was collected in an update of `collected`: M steps of N environments.

        `observations` [M + 1, N, …], the last row those after the last step, `actions`, `rewards`, `terminated`,
        `truncated` and what else a rollout has [M, N, …]; `trained` is False in the rows that only reset.

        Raises:
            CannotRead: it is not kept, or damaged; one readable line.
        """
        with contextlib.closing(Store(self.folder)) as store:
            found = store.rollout(update)
        if found is None:
            raise CannotRead(f"What was collected in update {update} of run {self.id} is not kept.")
        try:
            rollout = trees.decode(trees.opened(found))["rollout"]
        except trees.Damaged as error:
            raise CannotRead(f"The rollout of update {update} of run {self.id} cannot be read: {error}.") from None
        return {name: part for name, part in rollout.items() if isinstance(part, np.ndarray)}

    def weights(self, update: int | None = None) -> dict[str, NDArray[Any]]:
        """Every parameter by its name, as `state_before` finds them, and what observations are normalised by.

        Its environment is made for that, since it says how wide the layers are.

        Raises:
            CannotRead: as `state_before`.
            UnusableEnvironment, EnvironmentFault: the environment cannot be made.
        """
        from ppo_scope.records.export.policy import policy_of

        with policy_of(self.state_before(update)[1]) as policy:
            return policy.network.weights()


def load(run: str | Path, folder: str | Path | None = None) -> LoadedRun:
    """Read a run that is kept.

    Args:
        run: its identifier, as much of it as tells it from others, `last` for the newest, or its own folder.
        folder: that runs are kept in; left out, the one in the user's data.

    Raises:
        CannotRead: there is none, or more than one, or it cannot be read; one readable line.
    """
    return loaded(find(run, Library(Path(folder).expanduser()) if folder is not None else Library(default_folder())))


def loaded(found: KeptRun) -> LoadedRun:
    """Read a run that was found.

    Raises:
        CannotRead: it cannot be read, or has been deleted meanwhile; one readable line.
    """
    if found.problem:
        raise CannotRead(f"Run {found.id} cannot be read: {found.problem}")
    with contextlib.closing(Store(found.folder)) as store:
        columns, updates, rows = store.series()
        states = store.states()
        return LoadedRun(
            found.id,
            found.folder,
            found.state,
            store.about(),
            columns,
            updates,
            rows,
            store.episodes(),
            store.changes(),
            store.events(),
            tuple(state.update for state in states if state.resumable),
            tuple(state.update for state in states if state.replayable),
        )


def find(run: str | Path, library: Library) -> KeptRun:
    """The run of that name in a library, or in a folder of its own.

    Raises:
        CannotRead: there is none, or more than one; one readable line.
    """
    place = Path(run).expanduser()
    if (place / FILE).is_file():
        place = place.resolve()
        return Library(place.parent).find(place.name)
    if os.sep in str(run):  # no identifier: that folder was meant, and no other
        raise CannotRead(f"{place} holds no run: there is no {FILE} in it")
    return library.find(str(run))


def _changed(changes: list[Change], update: int) -> dict[str, Any]:
    """Settings that are changed at any time, as that update was made with them."""
    found: dict[str, Any] = {}
    later: set[str] = set()
    for change in changes:
        name = change["name"]
        if change["update"] <= update:
            found[name] = change["new"]
        elif name not in later:
            later.add(name)
            found.setdefault(name, change["old"])
    return found
