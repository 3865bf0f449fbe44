"""Tests, and what they share."""

import os
import sys
from pathlib import Path

if sys.dont_write_bytecode:
    # To compile torch takes longer than to import it, and a hundred processes of tests do: once is enough.
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).parents[1] / ".pytest_cache" / "bytecode")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
