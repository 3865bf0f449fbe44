"""`ppo-scope sweep`: runs over values of settings and over seeds, side by side, each kept and shown like any other."""

from __future__ import annotations

import argparse
import contextlib
import json
import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ppo_scope.cli.library import add_library, add_terms, library_there
from ppo_scope.cli.misuse import Misuse, printable, users_mistakes
from ppo_scope.cli.options import Commands, above_zero, add_place, add_settings, reader
from ppo_scope.ppo.settings import Settings, table

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ppo_scope.records.library import Library
    from ppo_scope.records.sweeps import Sweep
    from ppo_scope.runs.ray_cluster import RayCluster
    from ppo_scope.runs.supervisor import Supervisor
    from ppo_scope.runs.sweeping import Standing, Sweeping
    from ppo_scope.wire.answers import Comparison

WITH_COMMAS = ("sizes", "object")
"""Settings whose values have commas themselves."""
SCALES = frozenset({"env", "env_kwargs"})
"""What returns are counted in: of runs that differ in it none is the better one."""
NO_PLAN = "say what is varied, such as --vary clip_range=0.1,0.2,0.3, or how many --seeds; or --resume a sweep"


def add(commands: Commands) -> None:
    """Say what the command takes."""
    sweep = commands.add_parser("sweep", help="train over values of settings and over seeds, several runs at once")
    sweep.set_defaults(run=run)
    sweep.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="SETTING=VALUE,VALUE…",
        help="a setting and its values; given several times, all combinations. Values that have commas themselves are "
        "divided by semicolons: --vary 'hidden_sizes=64,64;128,128'",
    )
    sweep.add_argument("--seeds", type=above_zero, metavar="N", help="runs of each combination, from --seed on")
    sweep.add_argument("--name", help="what it is called (default: one that follows from what is planned)")
    sweep.add_argument("--resume", metavar="NAME", help="go on with a sweep; so does the same command again")
    sweep.add_argument("--at-once", type=above_zero, metavar="N", help="runs side by side (default: one for each core)")
    sweep.add_argument("--ray", metavar="ADDRESS", help="train on the nodes of this Ray cluster: HOST:PORT, or auto")
    sweep.add_argument("--stay", action="store_true", help="go on showing the page when all runs have ended")
    sweep.add_argument("--json", action="store_true", help="end with one JSON object on the last line")
    add_place(sweep)
    add_library(sweep)
    add_terms(sweep)
    add_settings(sweep)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Carry it out; the exit code: 1 where a run has not come to its end."""
    from ppo_scope.processes.spawning import warm_up

    warm_up()  # torch is imported there while the server is imported here

    from ppo_scope.records import sweeps
    from ppo_scope.records.library import InUse
    from ppo_scope.runs.supervisor import LIVE_RUNS
    from ppo_scope.runs.sweeping import Sweeping
    from ppo_scope.server.serve import serve

    library = library_there(options)
    sweep = _planned(options, settings, library)
    _check(sweep, here=options.ray is None)
    if options.ray is None and options.at_once is not None and options.at_once > LIVE_RUNS:
        raise Misuse(f"--at-once: {LIVE_RUNS} runs at most go on side by side on this machine")
    most = LIVE_RUNS if options.ray is None else len(sweep.planned)  # on a cluster the others wait for a free core
    at_once = min(options.at_once or most, len(sweep.planned))
    board = Board(sweep, quiet=options.json)
    try:
        with sweeps.held(sweep, library), _places(options.ray, sweep) as places:
            sweeps.adopt(sweep, library)
            errand = Errand(Sweeping(sweep, library, at_once, board.moved, places), board, stay=options.stay)
            code = serve(
                settings,
                host=options.host,
                port=options.port,
                open_browser=not options.no_browser,
                embedders=options.frame_ancestors,
                library=library,
                errand=errand,
            )
    except (InUse, OSError) as problem:
        raise Misuse(str(problem)) from None
    return code or _summarise(errand.sweeping, library, options.json)


@contextlib.contextmanager
def _places(address: str | None, sweep: Sweep) -> Iterator[RayCluster | None]:
    """Where the runs train; None: here.

    Raises:
        Misuse: there is no such cluster, or it cannot train them.
    """
    if address is None:
        yield None
        return
    from ppo_scope.records.extras import Missing
    from ppo_scope.runs.ray_cluster import NoCluster, RayCluster

    try:
        cluster = RayCluster.join(address)
    except (Missing, NoCluster) as problem:
        raise Misuse(str(problem)) from None
    try:
        try:
            for planned in sweep.planned:
                cluster.check(sweep.settings_of(planned))
        except NoCluster as problem:
            raise Misuse(str(problem)) from None
        yield cluster
    finally:
        cluster.leave()


def _check(sweep: Sweep, *, here: bool) -> None:
    """That its runs can begin, before any of them is; `here`: as far as this machine tells, on which they train.

    Raises:
        Misuse: one of them cannot.
    """
    from ppo_scope.runs.known import why_not_made, why_unknown

    choices = [sweep.settings_of(planned) for planned in sweep.planned]
    for settings in choices:
        if refusal := why_unknown(settings):
            raise Misuse(refusal)
    begun = any(planned.run for planned in sweep.planned)  # on another machine, perhaps: what can go on does
    if here and not begun and (told := why_not_made(choices)):
        raise Misuse(*told)


class Errand:
    """What the server is sent to do; see `ppo_scope.server.serve.Errand`."""

    def __init__(self, sweeping: Sweeping, board: Board, *, stay: bool) -> None:
        self.sweeping, self._board, self._stay = sweeping, board, stay
        sweep = sweeping.sweep
        self.about = f"PPO Scope sweeps {printable(sweep.name)}: {len(sweep.planned)} runs on {sweep.settings['env']}."

    async def carry_out(self, supervisor: Supervisor) -> bool:
        """All runs; whether the server is to end then."""
        try:
            await self.sweeping.carry_out(supervisor)
        finally:
            self._board.close()
        return not self._stay


class Board:
    """Progress bars in the terminal: of all runs, and of each that goes on."""

    def __init__(self, sweep: Sweep, *, quiet: bool) -> None:
        self._sweep, self._quiet = sweep, quiet
        self._progress: Progress | None = None
        self._whole: TaskID | None = None
        self._bars: dict[int, TaskID] = {}
        self._finished: set[int] = set()

    def moved(self, standing: Standing) -> None:
        """A run stands otherwise than before."""
        from ppo_scope.wire.codes import ENDED, RunState

        if self._quiet:
            return
        progress = self._progress or self._begun()
        key, over = id(standing), bool(standing.problem) or standing.state in ENDED
        if standing.state == RunState.FINISHED:
            self._finished.add(key)
        if over:
            if key in self._bars:
                progress.remove_task(self._bars.pop(key))
        else:
            if key not in self._bars:
                total = self._sweep.settings_of(standing.planned).total_steps
                self._bars[key] = progress.add_task(_values_in_words(standing.planned.values), total=total, returns="")
            shown = "" if standing.returns is None else f"return {standing.returns:.1f}"
            progress.update(self._bars[key], completed=standing.steps, returns=shown)
        assert self._whole is not None
        progress.update(self._whole, completed=len(self._finished))

    def close(self) -> None:
        """Leave the terminal as it is."""
        if self._progress is not None:
            self._progress.stop()

    def _begun(self) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[returns]}"),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=Console(stderr=True), refresh_per_second=4)
        self._whole = self._progress.add_task("runs", total=len(self._sweep.planned), returns="")
        self._progress.start()
        return self._progress


def _planned(options: argparse.Namespace, settings: Settings, library: Library) -> Sweep:
    """What is to be done: as it was planned where there is a sweep like that, else anew.

    Raises:
        Misuse: nothing like it can be done.
    """
    from ppo_scope.records import sweeps

    with users_mistakes():
        if options.resume is not None:
            if options.vary or options.seeds is not None or options.name is not None:
                raise Misuse("--resume: what a sweep varies was planned when it began, and stays as it is")
            known = sweeps.load(options.resume, library)
            if known is None:
                there = ", ".join(sweeps.names(library)) or "none"
                raise Misuse(f"--resume: there is no sweep {options.resume!r} in {library.folder}; there are: {there}")
            return known
        if not options.vary and options.seeds is None:
            raise Misuse(NO_PLAN)
        planned = sweeps.plan(options.name, settings, _varied(options.vary), options.seeds or 1)
        if any(planned.settings_of(one).total_steps is None for one in planned.planned):
            raise Misuse("total_steps: each run needs to know when to stop, e.g. --total-steps 100000")
        known = sweeps.load(planned.name, library)
        if known is None:
            return planned
        if not known.is_like(planned):
            raise Misuse(f"--name: the sweep {planned.name} is there already, and plans other runs")
        return known


def _varied(texts: list[str]) -> dict[str, list[Any]]:
    """Values by setting. Raises: Misuse."""
    rows, found = {row["name"]: row for row in table()}, {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not values:
            raise Misuse(f"--vary {text}: say SETTING=VALUE,VALUE…, such as clip_range=0.1,0.2")
        if name == "seed":
            raise Misuse("--vary seed: say --seeds N, and --seed for the first of them")
        if name not in rows:
            raise Misuse(f"--vary {text}: there is no setting {name!r}; `ppo-scope sweep --help` lists them")
        if name in found:
            raise Misuse(f"--vary {name}: say all its values at once")
        try:
            found[name] = [reader(rows[name])(one.strip()) for one in _parts(values, rows[name]["type"])]
        except argparse.ArgumentTypeError as error:
            raise Misuse(f"--vary {name}: {error}") from None
        if len({json.dumps(one) for one in found[name]}) < len(found[name]):
            raise Misuse(f"--vary {name}: a value stands there twice")
    return found


def _parts(values: str, kind: str) -> list[str]:
    apart = ";" if kind in WITH_COMMAS or ";" in values else ","
    return [one for one in values.split(apart) if one.strip()]


def _values_in_words(values: dict[str, Any]) -> str:
    shown = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in values.items()}
    return ", ".join(f"{name} {value}" for name, value in shown.items())


def _summarise(sweeping: Sweeping, library: Library, as_json: bool) -> int:
    """What has come of it; the exit code."""
    from ppo_scope.records import sweeps
    from ppo_scope.records.comparison import compare, curve_of
    from ppo_scope.records.store import CannotRead

    found = [sweeps.kept(planned, library) for planned in sweeping.sweep.planned]
    curves, done = [], sum(map(sweeps.is_done, found))
    for one in found:
        if one is not None and not one.problem:
            try:
                curves.append(curve_of(one))
            except (CannotRead, sqlite3.Error):  # deleted right now
                continue
    compared = compare(curves)
    problems = {standing.planned.run or "": standing.problem for standing in sweeping.standings if standing.problem}
    if as_json:
        runs = [
            {**standing.planned.values, "run": standing.planned.run, "state": one.state if one else None}
            for standing, one in zip(sweeping.standings, found, strict=True)
        ]
        print(json.dumps({"sweep": sweeping.sweep.name, "finished": done, "runs": runs, "groups": compared["groups"]}))
    else:
        _print_table(compared)
        for run, problem in problems.items():
            print(printable(f"Run {run}: {problem}" if run else problem))
        print(f"\n{done} of {len(found)} runs of sweep {sweeping.sweep.name} have come to their end.", end="")
        best = _best(compared)
        print(f" `ppo-scope open {best}` shows the best one." if best else "")
        if done < len(found):
            print(f"`ppo-scope sweep --resume {sweeping.sweep.name}` goes on with the others.")
    return 0 if done == len(found) else 1


def _best(compared: Comparison) -> str | None:
    """The run with the highest return at the end of its curve; None where returns are not on one scale."""
    if not SCALES.isdisjoint(compared["differing"]):
        return None
    finals = [(run["final"], run["id"]) for group in compared["groups"] for run in group["runs"]]
    known = [(final, id) for final, id in finals if final is not None]
    return max(known)[1] if known else None


def _print_table(compared: Comparison) -> None:
    from rich.console import Console
    from rich.table import Table

    if not compared["groups"]:
        return
    shown = Table(box=None, pad_edge=False)
    for name in (*(compared["differing"] or ["environment"]), "seeds", "measure", "at step", "return", "95 % interval"):
        shown.add_column(name, justify="right")
    for group in compared["groups"]:
        about = [group["settings"].get(name) for name in compared["differing"]] or [group["environment"]]
        low, high = (ends[-1] if ends else None for ends in (group["low"], group["high"]))
        interval = "" if low is None or high is None else f"{low:.1f} to {high:.1f}"
        step, value = (ends[-1] if ends else None for ends in (group["steps"], group["values"]))
        cells = ["" if step is None else f"{step:,.0f}", "" if value is None else f"{value:.1f}", interval]
        shown.add_row(*(printable(str(one)) for one in (*about, len(group["runs"]), group["measure"], *cells)))
    Console().print(shown)
