"""A sweep: runs over values of settings and over seeds, planned before the first of them begins.

What was planned, and which run has become of each, is one file beside the runs, `sweeps/<name>.json`. It is written
anew as a whole whenever a run begins, so that whoever goes on with a sweep knows what is missing.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ppo_scope.ppo.settings import Settings
from ppo_scope.records.library import KeptRun, Library, locked
from ppo_scope.records.store import CannotRead
from ppo_scope.wire.codes import RunState

FOLDER = "sweeps"
MOST = 1000
"""Runs of a sweep."""
NAME = re.compile(r"[\w][\w.-]{0,79}")
VERSION = 1


@dataclass
class Planned:
    """One run of a sweep."""

    values: dict[str, Any]
    """Of the settings that are varied, and `seed`."""
    run: str | None = None
    """Its identifier, once it has begun."""


@dataclass
class Sweep:
    """What was planned, and how far it has come."""

    name: str
    settings: dict[str, Any]
    """That all runs have in common, by name; the varied ones among them do not count."""
    vary: dict[str, list[Any]]
    planned: list[Planned] = field(default_factory=list)

    def settings_of(self, planned: Planned) -> Settings:
        """Raises: ValueError, a value does not fit; one readable line."""
        return Settings.parse({**self.settings, **planned.values})

    def is_like(self, other: Sweep) -> bool:
        """Whether both plan the same runs."""
        return bool(_plan(self) == _plan(other))


def plan(name: str | None, settings: Settings, vary: Mapping[str, Sequence[Any]], seeds: int) -> Sweep:
    """All combinations of the values, each with so many seeds from that of `settings` on; without a name it has one
    that follows from the plan, so that the same plan is the same sweep.

    Raises:
        ValueError: a value does not fit, a name is none, or there are too many runs; one readable line.
    """
    if name is not None and not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a sweep: letters, digits, dots, dashes and underscores, at most 80")
    combinations = [dict(zip(vary, values, strict=True)) for values in itertools.product(*vary.values())]
    if (count := len(combinations) * seeds) > MOST:
        raise ValueError(f"These are {count:,} runs, and a sweep has at most {MOST:,}.")
    sweep = Sweep(name or "", settings.model_dump(mode="json"), {key: list(values) for key, values in vary.items()})
    for combination in combinations:
        for seed in range(settings.seed, settings.seed + seeds):
            planned = Planned({**combination, "seed": seed})
            sweep.settings_of(planned)
            sweep.planned.append(planned)
    if name is None:
        common, *rest = _plan(sweep)
        defaults = Settings().model_dump(mode="json")
        own = {name: value for name, value in common.items() if value != defaults[name]}  # later versions have more
        digest = hashlib.sha256(json.dumps([own, *rest], sort_keys=True).encode()).hexdigest()
        sweep.name = f"{re.sub(r'[^A-Za-z0-9.-]+', '-', settings.env).strip('-.') or 'sweep'}-{digest[:8]}"
    return sweep


def save(sweep: Sweep, library: Library) -> None:
    """As a whole, or not at all.

    Raises:
        OSError: the disk refuses.
    """
    path = _path(sweep.name, library)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}.new")
    with contextlib.ExitStack() as on_error:
        on_error.callback(new.unlink, missing_ok=True)
        with new.open("w", encoding="utf-8") as file:
            json.dump({"version": VERSION, **asdict(sweep)}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        on_error.pop_all()


def load(name: str, library: Library) -> Sweep | None:
    """The sweep of that name; None: there is none.

    Raises:
        CannotRead: its file is damaged, or of a newer version; one readable line.
    """
    path = _path(name, library)
    if not NAME.fullmatch(name) or not path.is_file():
        return None
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told.pop("version") > VERSION:
            raise CannotRead(f"{path} was written by a newer PPO Scope, which this one cannot read.")
        planned = [Planned(**one) for one in told.pop("planned")]
        told["settings"] = Settings.parse(told["settings"]).model_dump(mode="json")  # with those that came later
        sweep = Sweep(**told, planned=planned)
        for one in planned:
            sweep.settings_of(one)
        return sweep
    except CannotRead:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CannotRead(f"{path} is damaged ({error}). Without it the runs are there still, each by itself.") from None


def adopt(sweep: Sweep, library: Library) -> None:
    """Take in runs of the sweep that it knows nothing of: it was ended between their beginning and the note of it."""
    known = {one.run for one in sweep.planned}
    lost = [run for run in library.runs() if run.about.get("sweep") == sweep.name and run.id not in known]
    for run in lost:
        began = Settings.parse(run.about["settings"])
        for planned in sweep.planned:
            if kept(planned, library) is None and sweep.settings_of(planned) == began:
                planned.run = run.id
                break


@contextlib.contextmanager
def held(sweep: Sweep, library: Library) -> Iterator[None]:
    """Nobody else carries it out meanwhile.

    Raises:
        InUse: somebody does; one readable line.
        OSError: the disk refuses.
    """
    path = _path(sweep.name, library).with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path, f"The sweep {sweep.name} is under way: another PPO Scope has it."):
        yield


def names(library: Library) -> list[str]:
    """Of all sweeps in this folder."""
    return sorted(path.stem for path in (library.folder / FOLDER).glob("*.json"))


def kept(planned: Planned, library: Library) -> KeptRun | None:
    """What is on the disk of it; None: nothing, or nothing any more."""
    return library.run(planned.run) if planned.run is not None else None


def is_done(found: KeptRun | None) -> bool:
    """Whether a run of a sweep has come to its end."""
    return found is not None and found.state == RunState.FINISHED


def _path(name: str, library: Library) -> Path:
    return library.folder / FOLDER / f"{name}.json"


def _plan(sweep: Sweep) -> Any:
    common = {name: value for name, value in sweep.settings.items() if name not in {*sweep.vary, "seed"}}
    return json.loads(json.dumps([common, sweep.vary, [one.values for one in sweep.planned]], sort_keys=True))
