"""Why an environment cannot be drawn: a sentence of what happened and where; and another of what to do."""

from __future__ import annotations

import re
import signal
import traceback
from collections.abc import Sequence
from pathlib import Path

from ppo_scope.pictures.images import CannotRender

REMEDY = "Training goes on; once that is mended, a new run shows pictures again."
REMEDY_AT_REST = "Once that is mended, a run that is opened or begun anew shows pictures."
"""Where nothing is trained any more."""
CALLS = frozenset({"render", "step", "reset", "__init__"})
OURS = Path(__file__).parents[1]
GYMNASIUM = "gymnasium"
DUMPED = re.compile(r'^ +File "(.+)", line (\d+) in (.+)$')
BEGINS = re.compile(r"^(Timeout \(|Fatal Python error)", re.MULTILINE)
LONGEST = 300
"""Characters of somebody else's words."""

Frames = Sequence[tuple[str, int, str]]
"""(file, line, function) of a traceback, the outermost first."""


def raised(env: str, error: BaseException) -> str:
    """Something was raised while it was drawn."""
    message = _line(str(error))
    if isinstance(error, CannotRender) or hasattr(error, "detail"):  # a sentence of ours already
        return f"{env} cannot be drawn: {message}."
    call, place = culprit([(f.filename, f.lineno or 0, f.name) for f in traceback.extract_tb(error.__traceback__)])
    what = f"{type(error).__name__}: {message}" if message else type(error).__name__
    failed = f"{call} failed{f' ({place})' if place else ''}: " if call else ""
    return f"{env} cannot be drawn: {failed}{what.rstrip('.')}."


def hung(env: str, seconds: float, output: str) -> str:
    """It has not come back; `output` ends with where it is, as `faulthandler` told it."""
    call, place = culprit(dumped(output))
    where = f" ({place})" if place else ""
    return (
        f"{call or 'Drawing'} has not come back for {seconds:.0f} seconds{where}: the process that draws {env} was "
        "ended."
    )


def ended(env: str, exitcode: int, output: str) -> str:
    """The process that draws is gone by itself."""
    if exitcode >= 0:
        said = _last_line(output)
        printed = f', after it had printed "{said}"' if said else ""
        return f"Drawing {env} has ended its process (exit code {exitcode}){printed}."
    call, place = culprit(dumped(output))
    where = "".join(f", {part}" for part in (call and f"in {call}", place) if part)
    if exitcode == -signal.SIGKILL:
        return f"The process that draws {env} was killed from outside, perhaps for want of memory."
    return f"Drawing {env} has crashed its process ({_name(-exitcode)}{where})."


def culprit(frames: Frames) -> tuple[str | None, str | None]:
    """(which of the environment's methods it was: "render()", the place in the environment's file: "x.py, line 3")."""
    ours = [at for at, (file, _, _) in enumerate(frames) if Path(file).is_relative_to(OURS)]
    inner = [f for f in frames[ours[-1] + 1 if ours else 0 :] if not f[0].startswith("<")]
    call = next((f"{name}()" for _, _, name in inner if name in CALLS), None)
    own = [f for f in inner if GYMNASIUM not in Path(f[0]).parts]
    if not own:
        return call, None
    file, line, _ = next(f for f in reversed(own) if f[0] == own[0][0])
    return call, f"{Path(file).name}, line {line}"


def dumped(output: str) -> Frames:
    """The frames of the last traceback that `faulthandler` printed, of the thread that was in an environment."""
    begins = [found.start() for found in BEGINS.finditer(output)]
    threads: list[list[tuple[str, int, str]]] = [[]]
    for line in output[begins[-1] :].splitlines() if begins else ():
        if found := DUMPED.match(line):
            threads[-1].append((found[1], int(found[2]), found[3]))
        elif threads[-1]:
            threads.append([])
    concerned = [frames for frames in threads if any(name in CALLS for _, _, name in frames)]
    return concerned[0][::-1] if concerned else []


def _line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0][:LONGEST].rstrip(". ") if lines else ""


def _last_line(output: str) -> str:
    lines = output.strip().splitlines()
    return lines[-1].strip()[:LONGEST] if lines else ""


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
