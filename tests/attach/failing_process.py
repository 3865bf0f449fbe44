"""A script as `ppo-scope watch` runs it, by several processes: our own part of it fails in the last of them.

torchrun --nproc-per-node 2 tests/attach/failing_process.py SCRIPT …
"""

import os
import sys

from ppo_scope.attach import script
from ppo_scope.attach.single_file import named_loop

FAILS_AT = 20  # minibatches


def failing(brief_of):
    told = []

    def noted(found, *rest):
        told.append(found)
        if len(told) >= FAILS_AT:
            raise RuntimeError("made to fail")
        return brief_of(found, *rest)

    return noted


if __name__ == "__main__":
    if os.environ["RANK"] == "1":
        named_loop.brief_of = failing(named_loop.brief_of)
    script.main(sys.argv[1:])
