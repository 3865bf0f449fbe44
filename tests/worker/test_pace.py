"""How often what is sent at full speed."""

from ppo_scope.pictures.looks import Looks
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.wire import frame
from ppo_scope.worker.due import SECONDS
from ppo_scope.worker.reporter import Attention, Reporter
from tests.moments import moment_at


def test_a_run_that_nobody_watches_a_probe_of_tells_seldom_how_it_is_and_leaves_out_no_row(monkeypatch):
    monkeypatch.setattr("ppo_scope.worker.due.SECONDS", {**SECONDS, "snapshot": 0.0, "unwatched": 1e9})
    trainer, sent = Trainer(Settings.parse({"num_envs": 2, "rollout_steps": 16})), []
    reporter = Reporter(lambda message: sent.append(frame.decode(message)), "a run")
    reporter.begin(trainer, Looks(trainer))
    for phase in trainer.phases():
        reporter.passed(moment_at(trainer, phase), Attention.GLANCE)
        if phase.kind is PhaseKind.UPDATE and phase.update.index == 4:
            reporter.looking.watch(frozenset({"ratio"}))
        if phase.kind is PhaseKind.UPDATE and phase.update.index == 6:
            break
    reporter.end()
    trainer.close()
    assert [header["update"] for header, _ in sent if header["kind"] == "snapshot"] == [1, 5, 6]
    assert sum(len(arrays["rows"]) for header, arrays in sent if header["kind"] == "series") == 6
