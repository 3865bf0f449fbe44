"""`ppo-scope export`: take a run that is kept along, in a form that other programs read."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ppo_scope.cli.library import add_library, library_of
from ppo_scope.cli.misuse import Misuse, users_mistakes
from ppo_scope.cli.options import Commands
from ppo_scope.ppo.settings import Settings

if TYPE_CHECKING:
    from ppo_scope.records.loading import LoadedRun


@dataclass
class Written:
    """What lies in the folder that it was written to, and what one has to know of it."""

    files: list[Path]
    notes: list[str] = field(default_factory=list)


Export = Callable[["LoadedRun", Path, int | None], Written]
"""(run, where to, the update that it is asked for at) → what was written."""


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
        metavar="UPDATE",
        help="weights: the newest that are kept of those before this update (default: the newest)",
    )
    exported.add_argument("--replace", action="store_true", help="where there is something already, write over it")
    add_library(exported)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Write it; the exit code."""
    from ppo_scope.records.extras import Missing
    from ppo_scope.records.loading import find, load

    to = Path(options.to).expanduser()
    kind = options.format or _kind_of(to)
    if options.at is not None and kind not in AT_A_STATE:
        raise Misuse(f"--at: is for weights ({', '.join(sorted(AT_A_STATE))}); {kind} holds the whole run")
    if to.exists() and not options.replace:
        raise Misuse(f"--to {to}: is there already; say --replace to write over it")
    library = library_of(options)
    assert library is not None
    try:
        with users_mistakes():
            kept = load(find(options.kept, library).folder)
            written = _write(EXPORTS[kind], kept, to, options.at)
    except Missing as error:
        raise Misuse(str(error)) from None
    except OSError as error:
        raise Misuse(f"--to {to}: cannot be written: {error.strerror or error}") from None
    for file in written.files:
        print(f"Written to {file}.")
    for note in written.notes:
        print(note)
    return 0


def _kind_of(path: Path) -> str:
    for name, ending in ENDINGS.items():
        if ending and path.suffix.lower() == ending:
            return name
    raise Misuse(f"--to {path}: its ending does not say what to write; choose with --format: {', '.join(EXPORTS)}")


def _write(export: Export, kept: LoadedRun, to: Path, at: int | None) -> Written:
    """Write beside the place, and move it there once it is whole: what was there before stays until then."""
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".ppo-scope-", dir=to.parent) as folder:
        written = export(kept, Path(folder) / to.name, at)
        found = sorted(Path(folder).iterdir())
        for file in found:
            place = to.parent / file.name
            if file.is_dir() and place.is_dir():
                shutil.rmtree(place)
            file.replace(place)
        return Written([to.parent / file.name for file in found], written.notes)


def _csv(kept: LoadedRun, path: Path, at: int | None) -> Written:
    from ppo_scope.records.export.tables import write_csv

    return Written(write_csv(kept, path))


def _parquet(kept: LoadedRun, path: Path, at: int | None) -> Written:
    from ppo_scope.records.export.tables import write_parquet

    return Written(write_parquet(kept, path))


def _npz(kept: LoadedRun, path: Path, at: int | None) -> Written:
    from ppo_scope.records.export.arrays import write_npz

    return Written(write_npz(kept, path), [f"{len(kept.kept)} states are in it." if kept.kept else "No state is kept."])


def _tensorboard(kept: LoadedRun, path: Path, at: int | None) -> Written:
    from ppo_scope.records.export.events import write_tensorboard

    return Written(write_tensorboard(kept, path))


def _safetensors(kept: LoadedRun, path: Path, at: int | None) -> Written:
    from ppo_scope.records.export.weights import write_safetensors

    files, update = write_safetensors(kept, path, at)
    return Written(files, [_weights_of(update)])


def _sb3(kept: LoadedRun, path: Path, at: int | None) -> Written:
    from ppo_scope.records.export.baselines import write_sb3

    written = write_sb3(kept, path, at)
    return Written(written.files, [_weights_of(written.update), *written.notes])


def _rec(kept: LoadedRun, path: Path, at: int | None) -> Written:
    recording, note = _recorded(kept)
    path.write_bytes(recording)
    return Written([path], [note, f"Look at it with: ppo-scope open {path.name}, or drop it onto the page."])


def _html(kept: LoadedRun, path: Path, at: int | None) -> Written:
    from ppo_scope.server.standalone import standalone

    recording, note = _recorded(kept)
    settings = kept.settings
    path.write_text(standalone(recording, f"{settings['env']}, seed {settings['seed']}"), encoding="utf-8")
    return Written([path], [note, "A browser opens it without a server; it loads nothing from anywhere."])


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
}
ENDINGS = {
    "csv": ".csv",
    "parquet": ".parquet",
    "npz": ".npz",
    "html": ".html",
    "rec": ".rec",
    "safetensors": ".safetensors",
    "sb3": ".zip",
}
AT_A_STATE = frozenset({"safetensors", "sb3"})
