"""`ppo-scope presets`: what a run can begin with."""

from __future__ import annotations

import argparse
import json

from ppo_scope.cli.options import Commands
from ppo_scope.ppo import presets
from ppo_scope.ppo.settings import Settings


def add(commands: Commands) -> None:
    """Say what the command takes."""
    listed = commands.add_parser("presets", help="list the presets: environments with what they need, and lessons")
    listed.set_defaults(run=run)
    listed.add_argument("--json", action="store_true", help="print the table as JSON, with sources and settings")


def run(options: argparse.Namespace, _: Settings) -> int:
    """Print the table; the exit code."""
    if options.json:
        print(json.dumps(presets.table(), indent=2, ensure_ascii=False))
        return 0
    width = max(len(preset.name) for preset in presets.PRESETS)
    for preset in presets.PRESETS:
        missing = f" It cannot begin yet: it {preset.missing}." if preset.missing else ""
        print(f"{preset.name:{width}}  {preset.title}: {preset.about}{missing}")
    return 0
