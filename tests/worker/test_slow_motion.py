"""Slow motion: every phase is shown, at its pace, and commands are obeyed meanwhile."""

import time

from tests.worker.driver import Driver


def test_slow_motion_shows_every_phase_at_its_pace():
    class Patient(Driver):
        def receive(self, timeout):
            over = self.events("state") and self.events("state")[-1]["state"] == "finished"
            return {"type": "stop"} if over else self.commands.popleft() if self.commands and timeout > 0 else None

    driver = Patient([{"type": "play", "pace": 50.0}], total_steps=100, epochs=1, minibatches=2)
    shown = [(h["phase"], h["minibatch"]) for h, _ in driver.of("snapshot")]
    inner = [(phase, m) for m in (1, 2) for phase in ("loss", "gradient", "step")]
    one = [("rollout", 0), ("advantages", 0), *inner, ("epoch", 2), ("update", 2)]
    assert shown == [("ready", 0), *one, ("update", 2)]
    assert driver.events("state")[1]["pace"] == 50.0


def test_slow_motion_takes_its_time_and_obeys_meanwhile():
    class Slow(Driver):
        def receive(self, timeout):
            time.sleep(min(timeout, 0.01))
            if timeout > 0 and len(self.of("snapshot")) >= 5:
                return {"type": "stop"}
            return self.commands.popleft() if self.commands and timeout > 0 else None

    start = time.monotonic()
    driver = Slow([{"type": "play", "pace": 10.0}])
    assert time.monotonic() - start > 0.3, "four phases at ten a second"
    assert driver.worker.trainer.updates == 0
