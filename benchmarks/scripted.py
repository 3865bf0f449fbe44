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
import time
import warnings
from pathlib import Path

import torch

from benchmarks.attached import UPDATES as ALL
from benchmarks.attached import WARM_SECONDS, show
from ppo_scope.attach.named_loop import Lookout
from tests.attach.elsewhere import nowhere, waiting_server

UPDATES = ALL["small"]


class Turns:
    """Watches a script and does not, by turns; a turn begins where an update does."""

    def __init__(self, lookout, turns, end):
        self._lookout, self._turns, self._end = lookout, turns, end
        self._warm_until = time.monotonic() + WARM_SECONDS
        self._update, self._updates = None, 0
        self._spent = {True: [], False: []}
        self._watching, self._since, self._hearing = True, None, None
        backward = torch.Tensor.backward

        def differentiated(loss, *arguments, **named):
            self._look(sys._getframe(1).f_locals)
            backward(loss, *arguments, **named)

        torch.Tensor.backward = differentiated

    def _look(self, variables):
        if variables["b_logprobs"] is self._update:
            return
        self._update = variables["b_logprobs"]
        if time.monotonic() < self._warm_until:
            return
        if self._since is not None:
            self._updates += 1
            if self._updates % UPDATES:
                return
            spent = (time.process_time_ns() - self._since) / UPDATES / 1e6
            self._spent[self._watching].append(spent)
            if len(self._spent[True]) == len(self._spent[False]) == self._turns:
                show("script", list(zip(self._spent[True], self._spent[False], strict=True)))
                self._end()
            if len(self._spent[True]) != len(self._spent[False]):  # the other one of a pair, or one more of the same
                self._watch(not self._watching, variables["envs"])
        self._since = time.process_time_ns()

    def _watch(self, yes, envs):
        """Also what listens to the environments is taken away."""
        self._watching = yes
        self._lookout.loop.watcher.off = not yes
        if yes:
            envs.step = self._hearing
        else:
            self._hearing = vars(envs).pop("step")


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
