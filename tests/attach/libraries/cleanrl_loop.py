"""A file of CleanRL's, unchanged, run as `ppo-scope watch` runs it; what it logs for TensorBoard is written down too.

python -m tests.attach.libraries.cleanrl_loop OWN.json FILE --its --arguments
"""

import json
import sys
from pathlib import Path

from torch.utils import tensorboard

from ppo_scope.attach import script


def noting(file):
    """A writer for TensorBoard that writes lines, one an update."""

    class Noting:
        def __init__(self, *_):
            self._told = {}

        def add_scalar(self, name, value, step):
            self._told[name] = float(value)
            if name == "charts/SPS":  # the last one of an update
                print(json.dumps(self._told), file=file)
                self._told = {}

        def add_text(self, *_):
            pass

        def close(self):
            pass

    return Noting


if __name__ == "__main__":
    with Path(sys.argv[1]).open("w", buffering=1) as file:
        tensorboard.SummaryWriter = noting(file)
        script.main(sys.argv[2:])
