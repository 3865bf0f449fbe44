"""The command line: `ppo-scope serve | train | record | open | presets`, and every setting as an option."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ppo_scope import __version__
from ppo_scope.ppo import presets
from ppo_scope.ppo.settings import Settings, table

USAGE_ERROR = 2
INTERRUPTED = 130
SECONDS = ("environment", "inference", "advantages", "shuffle", "forward", "backward", "step")
"""What the time of a run is divided into; what is left of it is the loop's own."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code. A user's mistake is one line and code 2, an interruption none and code 130."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace, Settings], int] = options.run
    try:
        with _users_mistakes():
            settings = Settings.parse(_given(options))
        return command(options, settings)
    except Misuse as error:
        _complain(str(error), error.detail)
        return USAGE_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED


class Misuse(Exception):
    """Something asked for that cannot be; one line for the person who asked, and a traceback of the environment's code
    where that has failed.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


@contextlib.contextmanager
def _users_mistakes() -> Iterator[None]:
    """What is refused in here was asked for, and is no fault of the program.

    Raises:
        Misuse: in place of a ValueError.
    """
    try:
        yield
    except ValueError as error:
        raise Misuse(str(error), getattr(error, "detail", "")) from None


def _complain(message: str, detail: str) -> None:
    """The line, and below it the end of the traceback if there is one."""
    print(f"ppo-scope: {message}", file=sys.stderr)
    if detail:
        print(detail.rstrip(), file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ppo-scope", description="Train with PPO and see every number of it.")
    parser.add_argument("--version", action="version", version=f"ppo-scope {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="serve | train | record | open | presets")

    serve = commands.add_parser("serve", help="train with a dashboard in the browser")
    serve.set_defaults(run=_serve)
    _add_place(serve)
    serve.add_argument("--paused", action="store_true", help="wait for Play or Step before the first rollout")
    _add_settings(serve)

    train = commands.add_parser("train", help="train without a dashboard")
    train.set_defaults(run=_train)
    train.add_argument("--json", action="store_true", help="end with one JSON object on the last line")
    _add_settings(train, has_end=True)

    record = commands.add_parser("record", help="write a short run, stepped through, to a file that a page can show")
    record.set_defaults(run=_record)
    record.add_argument("--out", required=True, metavar="FILE", help="where to write it")
    record.add_argument("--tens", type=int, default=3, metavar="N", help="tens of updates between the two in detail")
    _add_settings(record)

    opened = commands.add_parser("open", help="show what `record` has written, without training")
    opened.set_defaults(run=_open)
    opened.add_argument("file", metavar="FILE", help="a recording")
    _add_place(opened)

    listed = commands.add_parser("presets", help="list the presets: environments with what they need, and lessons")
    listed.set_defaults(run=_presets)
    listed.add_argument("--json", action="store_true", help="print the table as JSON, with sources and settings")
    return parser


def _add_place(parser: argparse.ArgumentParser) -> None:
    """Where a server listens, and who may show its page."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=_port, help="port to listen on (default: 8000, or the next free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    parser.add_argument(
        "--frame-ancestors",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="whose pages may embed this one, such as http://localhost:8888 of a notebook; may be given several times",
    )


def _port(text: str) -> int:
    port = int(text) if text.isdecimal() else -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: it must be a number from 0 to 65535")
    return port


def _add_settings(parser: argparse.ArgumentParser, *, has_end: bool = False) -> None:
    """One option for each setting. `has_end`: a run without one would never come back."""
    parser.add_argument("--preset", metavar="NAME", help=_about_presets())
    for row in table():
        group = next((g for g in parser._action_groups if g.title == row["group"]), None)
        group = group or parser.add_argument_group(row["group"])
        demanded = has_end and row["name"] == "total_steps"
        name, off = f"--{row['name'].replace('_', '-')}", ", or off" if row["optional"] and not demanded else ""
        default = "off" if row["default"] is None else _text(row["default"])
        note = f"{row['help']} (default: {default})".replace("%", "%%")
        if demanded:
            note = "End of the run. Needed, unless the preset has one: train stops there."
        if row["type"] == "bool":
            group.add_argument(name, action=argparse.BooleanOptionalAction, help=note, default=argparse.SUPPRESS)
        else:
            group.add_argument(
                name,
                type=_reader(row),
                choices=row["choices"],
                metavar=None if row["choices"] else f"{row['type'].upper()}{off}",
                help=note,
                default=argparse.SUPPRESS,
            )


def _about_presets() -> str:
    """The names, and of which an extra is missing."""
    names = [
        f"{one.name} (extra {one.missing.name} is missing)" if one.missing else one.name for one in presets.PRESETS
    ]
    return f"begin with the settings of one of these: {', '.join(names)}; `ppo-scope presets` describes them"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value)
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _reader(row: dict[str, Any]) -> Callable[[str], Any]:
    converters: dict[str, tuple[Callable[[str], Any], str]] = {
        "float": (float, "a number"),
        "int": (_integer, "a whole number"),
        "sizes": (_sizes, "whole numbers like 64,64"),
        "object": (_object, 'a JSON object like {"max_episode_steps": 200}'),
    }
    convert, expected = converters.get(row["type"], (str, "text"))

    def read(text: str) -> Any:
        if row["optional"] and text.lower() in ("off", "none"):
            return None
        try:
            return convert(text)
        except (ValueError, OverflowError):
            raise argparse.ArgumentTypeError(f"{text!r} is not {expected}") from None

    return read


def _integer(text: str) -> int:
    """People write 1e6 and 500_000 for steps."""
    number = float(text)
    if number != int(number):
        raise ValueError(text)
    return int(number)


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part.strip())


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(text)
    return value


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """What was asked for: the preset's settings, and over them those that were given one by one.

    Raises:
        ValueError: there is no such preset.
    """
    named = getattr(options, "preset", None)
    preset = dict(presets.find(named).settings) if named else {}
    return {**preset, **{name: value for name, value in vars(options).items() if name in Settings.model_fields}}


def _record(options: argparse.Namespace, settings: Settings) -> int:
    from ppo_scope.ppo.threads import use_one_thread
    from ppo_scope.worker.recording import Recorder

    use_one_thread()
    with _users_mistakes():
        recorder = Recorder(settings, ["update", *["updates"] * options.tens, "update"])
    try:
        recorder.write(Path(options.out))
    except OSError as error:
        raise Misuse(f"--out {options.out}: cannot be written: {error.strerror}") from None
    print(f"Written to {options.out}. Look at it with: ppo-scope open {options.out}, or drop it onto the page.")
    return 0


def _open(options: argparse.Namespace, settings: Settings) -> int:
    from ppo_scope.records.recorded import check
    from ppo_scope.server.serve import serve

    with _users_mistakes():
        check(Path(options.file))
    return serve(
        settings,
        host=options.host,
        port=options.port,
        open_browser=not options.no_browser,
        recording=Path(options.file).resolve(),
        embedders=options.frame_ancestors,
    )


def _presets(options: argparse.Namespace, _: Settings) -> int:
    if options.json:
        print(json.dumps(presets.table(), indent=2, ensure_ascii=False))
        return 0
    width = max(len(preset.name) for preset in presets.PRESETS)
    for preset in presets.PRESETS:
        missing = f" It cannot begin yet: it {preset.missing}." if preset.missing else ""
        print(f"{preset.name:{width}}  {preset.title}: {preset.about}{missing}")
    return 0


def _serve(options: argparse.Namespace, settings: Settings) -> int:
    from ppo_scope.processes.spawning import warm_up

    warm_up()  # torch is imported there while the server is imported here

    from ppo_scope.runs.known import why_unknown
    from ppo_scope.server.serve import serve

    if refusal := why_unknown(settings):
        raise Misuse(refusal)
    return serve(
        settings,
        host=options.host,
        port=options.port,
        open_browser=not options.no_browser,
        paused=options.paused,
        embedders=options.frame_ancestors,
    )


def _train(options: argparse.Namespace, settings: Settings) -> int:
    # Imported here so that `serve` and `--help` do not wait for torch.
    from ppo_scope.ppo.failures import EnvironmentFault
    from ppo_scope.ppo.finite import NotFiniteError, NotFiniteGivenError
    from ppo_scope.ppo.threads import use_one_thread
    from ppo_scope.ppo.trainer import Trainer

    if settings.total_steps is None:
        raise Misuse("total_steps: train needs to know when to stop, e.g. --total-steps 100000")
    use_one_thread()
    with _users_mistakes():
        trainer = Trainer(settings)
    code, start, shares = 0, time.perf_counter(), dict.fromkeys(SECONDS, 0.0)
    try:
        _follow(trainer, shares)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except (EnvironmentFault, NotFiniteError) as error:
        kept = " The weights are those of the last finished step." if trainer.updates else ""
        _complain(f"stopped, {error}.{kept}", getattr(error, "detail", ""))
        code = USAGE_ERROR if isinstance(error, EnvironmentFault | NotFiniteGivenError) else 1
    seconds = time.perf_counter() - start
    trainer.close()
    _summarise(trainer, seconds, shares, options.json)
    return code


def _follow(trainer: Any, shares: dict[str, float]) -> None:
    """Train to the end; adds what each part of an update has taken to `shares`."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ppo_scope.ppo.phases import PhaseKind

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps"),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=4) as progress:
        task = progress.add_task("", total=trainer.settings.total_steps)
        for phase in trainer.phases():
            if phase.kind is PhaseKind.UPDATE:
                for name, seconds in phase.update.seconds().items():
                    shares[name] += seconds
                mean = _return_mean(trainer)
                label = "" if mean is None else f"return {mean:.1f}"
                progress.update(task, completed=min(trainer.steps, trainer.settings.total_steps), description=label)


def _return_mean(trainer: Any) -> float | None:
    returns = [episode.episodic_return for episode in trainer.episodes]
    return sum(returns) / len(returns) if returns else None


def _summarise(trainer: Any, seconds: float, shares: dict[str, float], as_json: bool) -> None:
    rate, mean = trainer.steps / seconds, _return_mean(trainer)
    if as_json:
        summary = {
            "steps_per_second": rate,
            "updates": trainer.updates,
            "episodic_return_mean": mean,
            "weights_sha256": trainer.weights_sha256(),
            "settings": trainer.settings.model_dump(),
            "seconds": {"total": seconds, **shares},
        }
        print(json.dumps(summary))
        return
    shown = (
        "no episode ended" if mean is None else f"mean return of the last {len(trainer.episodes)} episodes {mean:.1f}"
    )
    print(f"{trainer.steps:,} steps in {trainer.updates:,} updates, {rate:,.0f} steps/s; {shown}")
