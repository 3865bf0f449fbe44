"""A script as `ppo-scope watch` runs it, by several processes: our own part of it fails in the last of them.

torchrun --nproc-per-node 2 tests/attach/failing_process.py SCRIPT …
"""

import os
import sys

from ppo_scope.attach import named_loop, script

FAILS_AT = 20  # minibatches


def failing(told_of):
    told = []

    def noted(found):
        told.append(found)
        if len(told) == FAILS_AT:
            raise RuntimeError("made to fail")
        return told_of(found)

    return noted


if __name__ == "__main__":
    if os.environ["RANK"] == "1":
        named_loop.told_of = failing(named_loop.told_of)
    script.main(sys.argv[1:])
