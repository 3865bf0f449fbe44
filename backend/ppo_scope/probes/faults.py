"""What is said of a measurement that failed."""

from __future__ import annotations

import traceback
from pathlib import Path


def described(error: BaseException) -> str:
    """One sentence for the panel: what was raised, where, and what that means."""
    text = " ".join(str(error).split())[:200]
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    where = f", {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"It failed and is switched off for this run ({what}{where}). The training goes on as if it were not there."
