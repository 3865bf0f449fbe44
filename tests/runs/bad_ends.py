"""Workers that nothing inside of them can end, for tests of what ends them from outside. Each says who it is first."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

from tests.server.scripted_workers import Script


def _with_child(*arguments):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    script = Script(*arguments)
    script.begin()
    script.event("started", child=child.pid)


def stopped(*arguments):
    """The system has stopped it."""
    _with_child(*arguments)
    os.kill(os.getpid(), signal.SIGSTOP)


def holds_the_lock(*arguments):
    """Compiled code holds the interpreter's lock for longer than anybody waits: no thread of it runs."""
    _with_child(*arguments)
    re.match(r"(a+)+$", "a" * 64 + "b")


def deaf_to_signals(*arguments):
    """Takes no polite signal, and a thread of it would go on for ever."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    _with_child(*arguments)
    threading.Thread(target=time.sleep, args=(600,)).start()


def leaves_a_child(*arguments):
    """Does what it is told, and has a child that it forgets."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    script = Script(*arguments)
    script.begin()
    script.event("started", child=child.pid)
    script.live()


def tells_its_surroundings(*arguments):
    """Says which modules it found where, and what its own children would inherit."""
    import random
    import socket

    import found_here

    script = Script(*arguments)
    script.begin()
    script.event(
        "started",
        random=random.__file__,
        socket=socket.__file__,
        here=found_here.__file__,
        safe_path=os.environ.get("PYTHONSAFEPATH"),
        path=sys.path,
    )
    script.live()
