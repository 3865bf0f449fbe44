"""`ppo-scope export`: take a run that is kept along, in a form that other programs read."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ppo_scope.cli.library import add_library, library_there
from ppo_scope.cli.misuse import Misuse, check_no_device, users_mistakes
from ppo_scope.cli.options import Commands
from ppo_scope.ppo.settings import Settings

if TYPE_CHECKING:
    from ppo_scope.records.loading import LoadedRun


OF_TENSORBOARD = "events.out.tfevents"
"""So begin the names of its files; a folder with others was not written here."""
MOST_EPISODES = 20
"""Of a film."""


@dataclass
class Written:
    """What lies in the folder that it was written to, and what one has to know of it."""

    files: list[Path]
    notes: list[str] = field(default_factory=list)


Export = Callable[["LoadedRun", Path, list[int]], Written]
"""(run, where to, the updates that it is asked for at) → what was written."""


def add(commands: Commands) -> None:
    """Say what the command takes."""
    exported = commands.add_parser("export", help="take a run that is kept along, for other programs")
    exported.set_defaults(run=run)
    exported.add_argument(
        "kept", metavar="RUN", help="its identifier, as much of it as tells it from others, last, or its folder"
    )
    endings = ", ".join(f"{ending} ({name})" for name, ending in ENDINGS.items() if ending)
    exported.add_argument("--to", required=True, metavar="PATH", help=f"where to; its ending says what: {endings}")
    exported.add_argument("--format", choices=list(EXPORTS), help="what, where the ending does not say it")
    exported.add_argument(
        "--at",
        type=int,
        action="append",
        default=[],
        metavar="UPDATE",
        help="weights: the newest that are kept of those before this update (default: the newest); films: may be said "
        "several times, for policies side by side",
    )
    exported.add_argument("--episodes", type=int, default=1, help="of a film (default: 1)")
    exported.add_argument("--replace", action="store_true", help="where there is something already, write over it")
    add_library(exported)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Write it; the exit code."""
    from ppo_scope.records.extras import Missing
    from ppo_scope.records.loading import find, loaded

    to = Path(options.to).expanduser()
    kind = options.format or _kind_of(to)
    _check(options, kind)
    check_no_device("--to", to)
    if to.exists() and not options.replace:
        raise Misuse(f"--to {to}: is there already; say --replace to write over it")
    library = library_there(options)
    with users_mistakes():
        kept = loaded(find(options.kept, library))
    try:
        with users_mistakes():
            export = partial(_film, episodes=options.episodes) if kind in FILMS else EXPORTS[kind]
            written = _write(export, kept, to, options.at, replace=options.replace)
    except Missing as error:
        raise Misuse(str(error)) from None
    except OSError as error:
        raise Misuse(f"--to {to}: cannot be written: {error.strerror or error}") from None
    for file in written.files:
        print(f"Written to {file}.")
    for note in written.notes:
        print(note)
    return 0


def _check(options: argparse.Namespace, kind: str) -> None:
    if options.at and kind not in AT_A_STATE | FILMS:
        some = ", ".join(sorted(AT_A_STATE | FILMS))
        raise Misuse(f"--at: is for weights and films ({some}); {kind} holds the whole run")
    if len(options.at) > 1 and kind in AT_A_STATE:
        raise Misuse(f"--at: once for {kind}, which holds the weights of one moment")
    if not 1 <= options.episodes <= MOST_EPISODES:
        raise Misuse(f"--episodes: from 1 to {MOST_EPISODES}")


def _kind_of(path: Path) -> str:
    for name, ending in ENDINGS.items():
        if ending and path.suffix.lower() == ending:
            return name
    raise Misuse(f"--to {path}: its ending does not say what to write; choose with --format: {', '.join(EXPORTS)}")


def _write(export: Export, kept: LoadedRun, to: Path, at: list[int], *, replace: bool) -> Written:
    """Write beside the place, and move it there once it is whole: what was there before stays until then."""
    if to.is_dir() and (others := [place.name for place in to.iterdir() if not place.name.startswith(OF_TENSORBOARD)]):
        raise Misuse(f"--to {to}: holds what is no export ({', '.join(sorted(others)[:3])}); choose another place")
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".ppo-scope-", dir=to.parent) as folder:
        written = export(kept, Path(folder) / to.name, at)
        found = sorted(Path(folder).iterdir())
        taken = [to.parent / file.name for file in found if (to.parent / file.name).exists()]
        if taken and not replace:
            raise Misuse(f"--to {to}: {taken[0]} is there already; say --replace to write over it")
        for file in found:
            place = to.parent / file.name
            if file.is_dir() and place.is_dir():
                shutil.rmtree(place)
            file.replace(place)
        return Written([to.parent / file.name for file in found], written.notes)


def _csv(kept: LoadedRun, path: Path, at: list[int]) -> Written:
    from ppo_scope.records.export.tables import write_csv

    return Written(write_csv(kept, path))


def _parquet(kept: LoadedRun, path: Path, at: list[int]) -> Written:
    from ppo_scope.records.export.tables import write_parquet

    return Written(write_parquet(kept, path))


def _npz(kept: LoadedRun, path: Path, at: list[int]) -> Written:
    from ppo_scope.records.export.arrays import write_npz

    files, damaged = write_npz(kept, path)
    with_states = f"{len(kept.kept)} states are kept." if kept.kept else "No state is kept."
    return Written(files, [with_states, *(f"Left out: {why}" for why in damaged)])


def _tensorboard(kept: LoadedRun, path: Path, at: list[int]) -> Written:
    from ppo_scope.records.export.events import write_tensorboard

    return Written(write_tensorboard(kept, path))


def _safetensors(kept: LoadedRun, path: Path, at: list[int]) -> Written:
    from ppo_scope.records.export.weights import write_safetensors

    files, update = write_safetensors(kept, path, at[0] if at else None)
    return Written(files, [_weights_of(update)])


def _sb3(kept: LoadedRun, path: Path, at: list[int]) -> Written:
    from ppo_scope.records.export.baselines import write_sb3

    written = write_sb3(kept, path, at[0] if at else None)
    return Written(written.files, [_weights_of(written.update), *written.notes])


def _rec(kept: LoadedRun, path: Path, at: list[int]) -> Written:
    recording, note = _recorded(kept)
    path.write_bytes(recording)
    return Written([path], [note, f"Look at it with: ppo-scope open {path.name}, or drop it onto the page."])


def _html(kept: LoadedRun, path: Path, at: list[int]) -> Written:
    from ppo_scope.server.standalone import standalone

    recording, note = _recorded(kept)
    settings = kept.settings
    path.write_text(standalone(recording, f"{settings['env']}, seed {settings['seed']}"), encoding="utf-8")
    return Written([path], [note, "A browser opens it without a server; it loads nothing from anywhere."])


def _film(kept: LoadedRun, path: Path, at: list[int], episodes: int = 1) -> Written:
    from ppo_scope.pictures import graphics

    graphics.prepare(graphics.backends()[0])

    from ppo_scope.pictures.film import Reel, write
    from ppo_scope.pictures.images import CannotRender
    from ppo_scope.ppo.threads import use_one_thread
    from ppo_scope.records.export.policy import policy_of

    use_one_thread()
    reels, settings = [], Settings()
    for update in at or (None,):
        before, state = kept.state_before(update)
        with policy_of(state) as policy:
            settings = policy.settings
            reels.append(Reel(_after(before), policy.acting_weights()))
    try:
        write(path, settings, reels, episodes)
    except CannotRender as error:
        raise ValueError(f"{settings.env} cannot be filmed: {error}") from None
    return Written([path], [f"On it: the policy {', '.join(reel.label for reel in reels)}. It acts as in training."])


def _after(update: int) -> str:
    return f"after update {update - 1:,}" if update > 1 else "before update 1"


def _recorded(kept: LoadedRun) -> tuple[bytes, str]:
    """(a recording, what it holds); the run's updates are made again for it."""
    from ppo_scope.ppo.allocation import keep_memory
    from ppo_scope.ppo.threads import use_one_thread
    from ppo_scope.worker.replaying import recorded

    use_one_thread()
    keep_memory()
    return recorded(kept)


def _weights_of(update: int) -> str:
    after = f"after update {update - 1}" if update > 1 else "that it began with"
    return f"The weights are those {after}."


EXPORTS: dict[str, Export] = {
    "csv": _csv,
    "parquet": _parquet,
    "npz": _npz,
    "html": _html,
    "rec": _rec,
    "tensorboard": _tensorboard,
    "safetensors": _safetensors,
    "sb3": _sb3,
    "gif": _film,
    "mp4": _film,
}
ENDINGS = {
    "csv": ".csv",
    "parquet": ".parquet",
    "npz": ".npz",
    "html": ".html",
    "rec": ".rec",
    "safetensors": ".safetensors",
    "sb3": ".zip",
    "gif": ".gif",
    "mp4": ".mp4",
}
AT_A_STATE = frozenset({"safetensors", "sb3"})
FILMS = frozenset({"gif", "mp4"})
