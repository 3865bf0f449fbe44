"""The command line: one file for each command, and every setting as an option."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence

from ppo_scope import __version__
from ppo_scope.cli import delete, export, open, presets, record, runs, serve, sweep, train, watch
from ppo_scope.cli.misuse import INTERRUPTED, USAGE_ERROR, Misuse, complain, users_mistakes
from ppo_scope.cli.options import given
from ppo_scope.ppo.settings import Settings

COMMANDS = {
    "serve": serve,
    "train": train,
    "sweep": sweep,
    "watch": watch,
    "record": record,
    "open": open,
    "runs": runs,
    "export": export,
    "delete": delete,
    "presets": presets,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code. A user's mistake is one line and code 2, an interruption none and code 130."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace, Settings], int] = options.run
    try:
        with users_mistakes():
            settings = Settings.parse(given(options))
        code = command(options, settings)
        print(end="", flush=True)  # here, where it is noticed that it cannot be
        return code
    except Misuse as error:
        complain(str(error), error.detail)
        return USAGE_ERROR
    except BrokenPipeError:  # who reads has seen enough: what is still to be flushed goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno == errno.ENOSPC and error.filename is None:  # where what is printed goes
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            complain(f"what there is to say cannot be written: {error.strerror}", "")
            return 1
        if error.errno != errno.ENAMETOOLONG:
            raise
        complain(f"{error.filename}: is too long for a name of a file", "")
        return USAGE_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ppo-scope", description="Train with PPO and see every number of it.")
    parser.add_argument("--version", action="version", version=f"ppo-scope {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar=" | ".join(COMMANDS))
    for command in COMMANDS.values():
        command.add(commands)
    return parser
