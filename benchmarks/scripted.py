"""What `ppo-scope watch SCRIPT` costs a PPO in one file: processor time of its process, by turns with and without.

    python -m benchmarks.scripted [--server] [--turns 100] ppo.py --its --arguments

A turn is four updates, as in `benchmarks.attached`. Without `--server` there is no server. The script has to
go on for longer than that takes, and is then ended.
"""

import argparse
import contextlib
import os
import runpy
import sys
import warnings
from pathlib import Path

import numpy as np
import torch

from benchmarks import turns
from ppo_scope.attach.single_file.lookout import Lookout
from tests.attach.elsewhere import nowhere, waiting_server

UPDATES = 4


class Turns(turns.Turns):
    """Watches a script and does not, by turns; a turn ends where an update begins, which is where the order of its
    first minibatches is drawn.
    """

    def __init__(self, lookout, pairs, end):
        super().__init__("script", self._watch_it, pairs=pairs, ready=self._there)
        self.updates = UPDATES
        self._lookout, self._end = lookout, end
        self._update, self._begun, self._envs, self._hearing = None, 0, None, None
        shuffle = np.random.shuffle

        def shuffled(order):
            self._look_at(sys._getframe(1).f_locals)
            shuffle(order)

        np.random.shuffle = shuffled

    def _there(self):
        return self._lookout.loop is not None and turns.measured_beside(self._lookout.loop.watcher)

    def _look_at(self, variables):
        if variables["b_logprobs"] is self._update:
            return
        self._update, self._envs = variables["b_logprobs"], variables["envs"]
        self._begun += 1
        if self._begun % UPDATES == 0 and self.ended():
            self._end()

    def _watch_it(self, on):
        """What listens is taken away altogether."""
        if on and self._hearing is not None:
            self._lookout.begin()
            self._envs.step, self._hearing = self._hearing, None
        elif not on:
            self._lookout.end(whole=False)
            self._hearing = vars(self._envs).pop("step")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", action="store_true")
    parser.add_argument("--turns", type=int, default=100, help="pairs of them")
    parser.add_argument("script")
    options, arguments = parser.parse_known_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    server = waiting_server() if options.server else None

    def end():
        if server is not None:
            server.kill()
        os._exit(0)

    lookout = Lookout(server.url if server is not None else nowhere())
    lookout.begin()
    Turns(lookout, options.turns, end)
    sys.argv[:] = [options.script, *arguments]
    sys.path.insert(0, str(Path(options.script).resolve().parent))
    with contextlib.redirect_stdout(None):  # its own words
        runpy.run_path(options.script, run_name="__main__")


if __name__ == "__main__":
    main()
