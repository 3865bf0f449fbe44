"""A supervisor on an event loop of its own, and real training processes, for tests that wait and look."""

import asyncio
import threading
import time

from ppo_scope.ppo.settings import Settings
from ppo_scope.processes.process import DEFAULT_WORKER
from ppo_scope.runs.supervisor import Supervisor

PATIENCE = 60.0  # seconds for what comes soon unless the machine is busy
SLACK = 6.0  # seconds that a busy machine may take beyond what is promised, as in `tests.server.scope_page`
SMALL = {"num_envs": 2, "rollout_steps": 32, "hidden_sizes": (16, 16)}


class Notes:
    """A listener that takes notes, with the time of each, of the current run."""

    def __init__(self, house):
        self._house = house

    def frame(self, run, header, message):
        if run is self._house.run:
            self._house.frames.append((time.monotonic(), header))

    def state(self, run):
        if run is self._house.run:
            self._house.states.append((time.monotonic(), run.status()))

    def change(self, run, change):
        pass

    def evaluated(self, run, evaluations):
        pass

    def reply(self, run, command, code, message):
        self._house.replies.append((command, time.monotonic(), code, message))

    def begun(self, run, instead):
        self._house.states.clear()
        self._house.frames.clear()


class House:
    """`with House() as house`: everything that happens is noted with its time; asked from the test's own thread."""

    def __init__(self, worker=DEFAULT_WORKER, **options):
        self.states, self.frames, self.replies = [], [], []
        self.supervisor = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._options = {"worker": worker, **options}
        self.supervisor = self.do(self._open())
        self._watching = asyncio.run_coroutine_threadsafe(self.supervisor.watch(0.05), self._loop)

    async def _open(self):
        return Supervisor(Notes(self), **self._options)

    def do(self, coroutine, timeout=120):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout)

    def begin(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def start(self, **settings):
        return self.do(self._start(**settings))

    def later(self, **settings):
        return self.begin(self._start(**settings))

    def _start(self, *, paused=False, beside=False, **settings):
        instead = None if beside else self.supervisor.newest
        return self.supervisor.start(Settings.parse({**SMALL, **settings}), paused=paused, instead=instead)

    def send(self, type, **fields):
        """Send a command; gives its reply: (seconds that it took, code, message)."""
        id, start = f"{type} {time.monotonic()}", time.monotonic()
        self._loop.call_soon_threadsafe(self.run.send, {"type": type, "id": id, **fields})
        at, code, message = self.until(lambda: next((r[1:] for r in self.replies if r[0] == id), None))
        return at - start, code, message

    def call(self, function, *arguments):
        async def within():
            return function(*arguments)

        return self.do(within())

    @property
    def run(self):
        return self.supervisor and self.supervisor.newest

    def until(self, condition, within=PATIENCE):
        end = time.monotonic() + within
        while not (found := condition()):
            assert time.monotonic() < end, f"it did not happen in time; states {[s for _, s in self.states[-5:]]}"
            time.sleep(0.01)
        return found

    def state(self, **wanted):
        """Wait until the newest state has these fields; gives it."""
        return self.until(lambda: self.states and wanted.items() <= self.states[-1][1].items() and self.states[-1][1])

    def of(self, kind):
        return [header for _, header in list(self.frames) if header["kind"] == kind]

    def goes_on(self, run):
        """Whether this run is the current one, and trains."""
        before = run.describe()["update"]
        assert self.run is run and run.state == "running"
        self.until(lambda: run.describe()["update"] > before + 1)
        return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._watching.cancel()
        self.call(self.supervisor.kill)
        self.do(self.supervisor.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
