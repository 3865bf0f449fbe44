"""Where modules are looked for: the folder at hand comes last.

An environment of somebody's own, `my_env:Mine-v0`, is imported from the folder that the command was given in. Nothing
else may come from there: a file called random.py or torch.py beside it must not take the place of the real one.
"""

import os
import sys


def put_this_folder_last() -> None:
    """Look for modules in the working directory, and there after all other places.

    Python itself puts it first, for `python -m` and where PYTHONPATH names it. Call this before anything is imported
    that the interpreter has not imported already, in every process that may import an environment.
    """
    # With `os` alone: it is there already, and pathlib would be taken from this very folder.
    here, ours = os.getcwd(), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH109, PTH100, PTH120
    if here != ours:  # in which this package lies
        sys.path[:] = [place for place in sys.path if os.path.abspath(place) != here]  # noqa: PTH100 ("" is here)
        sys.path.append(here)
