"""What tests of the whole share: servers."""

import os
import signal
import sys
import warnings

import pytest

from tests.live import LiveServer, environment
from tests.nursery import Nursery

LONGEST = "test_ground.py"
TO_END = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name)]
IN_SMALL_FILES = ("ppo", "probes", "wire")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """One more than there are cores: each waits for a quarter of its time."""
    return (len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items):
    """The longest file first and small ones last, so that no worker is left alone at the end."""
    items.sort(key=lambda item: (item.path.name != LONGEST, item.path.parent.name in IN_SMALL_FILES))


@pytest.fixture(scope="session", autouse=True)
def usual_signals():
    """What tests begin finds the usual dispositions of signals, whatever this session was begun with: a shell has what
    runs in its background ignore Ctrl-C, and `nohup` a terminal that closes. This process goes on to ignore them: what
    is ignored, and not what is handled, stays so in a program that is begun.
    """
    ignored = [number for number in TO_END if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, lambda *_: None)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """As every training process has: two that share cores otherwise wait for each other."""
    from ppo_scope.ppo.threads import use_one_thread  # here: who only hands out tests to others need not import torch

    use_one_thread()


@pytest.fixture(scope="session", autouse=True)
def nursery(usual_signals, one_thread):
    """Have servers begin without the imports that they share, where processes may be forked after such imports.

    It has the environment of a process that has imported torch, which names something in it.
    """
    if sys.platform != "linux":
        yield
        return
    LiveServer.nursery = Nursery(environment())
    LiveServer.nursery.adopt(environment)
    yield
    left = LiveServer.nursery.differs(environment())
    LiveServer.nursery.close()
    LiveServer.nursery = None
    if left:
        warnings.warn(
            f"{left} in the environment: since a test left it, servers have begun anew, in seconds", stacklevel=1
        )


@pytest.fixture(scope="session")
def leaving(nursery):
    """Servers that were told to end, and may take the time of the next test for it."""
    servers = []
    yield servers
    for one in servers:
        one.stop()


@pytest.fixture
def server(tmp_path, leaving):
    """Makes servers: `server("--paused", "--seed", "3")`; each is ended with the test."""
    started = []

    def start(*arguments, **how):
        started.append(LiveServer(*arguments, folder=tmp_path, **how))
        return started[-1]

    yield start
    for one in leaving:
        one.stop()
    for one in started:
        one.interrupt()
    leaving[:] = started
