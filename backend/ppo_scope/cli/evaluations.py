"""What `train` does with evaluations: makes them when they are due, keeps the best weights in a file, tells them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppo_scope.cli.misuse import complain

if TYPE_CHECKING:
    from ppo_scope.ppo.evaluation import Evaluation, Evaluator


class Evaluations:
    """Of one training. `best`: the file for the best weights."""

    def __init__(self, evaluator: Evaluator, best: Path | None) -> None:
        self.all: list[Evaluation] = []
        self.seconds = 0.0
        """That they have taken."""
        self._evaluator, self._file = evaluator, best
        self._complained = False

    @property
    def last(self) -> Evaluation | None:
        """The newest one."""
        return self.all[-1] if self.all else None

    def catch_up(self) -> None:
        """Evaluate where that is due. An environment that fails is told of once, and the training goes on."""
        if not self._evaluator.due:
            return
        start = time.perf_counter()
        found = self._evaluator.evaluate()
        self.all.append(found)
        if found.fault and not self._complained:
            complain(f"the evaluation of update {found.update} failed, {found.fault}. The training goes on.", "")
            self._complained = True
        if found.best and self._file is not None:
            self._keep(self._file)
        self.seconds += time.perf_counter() - start

    def _keep(self, path: Path) -> None:
        """Whole or not at all: whoever reads the file meanwhile finds the weights before."""
        import numpy as np  # not by those who only ask for --help

        assert self._evaluator.best is not None
        unfinished = path.with_name(f".{path.name}.unfinished")
        try:
            with unfinished.open("wb") as file:
                np.savez(file, allow_pickle=False, **self._evaluator.best.weights)
            unfinished.replace(path)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            complain(f"--best: the weights could not be written, {error}. The training goes on.", "")
            self._file = None

    def share(self) -> dict[str, float]:
        """What they have taken, in seconds, where there were any."""
        return {"evaluation": self.seconds} if self.all else {}

    def as_json(self) -> dict[str, Any]:
        """All of them and which was the best, where there were any."""
        if not self.all:
            return {}
        best = self._evaluator.best
        rows = [
            {
                "update": one.update,
                "steps": one.steps,
                "mean": one.mean if one.returns else None,
                "returns": one.returns,
                "lengths": one.lengths,
                "unfinished": one.unfinished,
                "fault": one.fault or None,
            }
            for one in self.all
        ]
        return {"evaluations": rows, "best": None if best is None else {"update": best.update, "mean": best.mean}}

    def in_words(self) -> list[str]:
        """The newest and the best, to be printed below the training return."""
        last, best = self.last, self._evaluator.best
        if last is None:
            return []
        if not last.returns:
            said = f"evaluated after update {last.update:,}: {last.fault}"
        else:
            said = (
                f"evaluated after update {last.update:,}: mean return {last.mean:.1f}, {min(last.returns):.1f} to "
                f"{max(last.returns):.1f}, of {len(last.returns)} episodes without chance, in environments of their own"
            )
        if last.unfinished:
            said += f"; {last.unfinished} of them were cut because they did not end"
        lines = [said]
        if best is not None:
            where = f", kept in {self._file}" if self._file is not None else ""
            lines.append(f"best evaluation {best.mean:.1f}, after update {best.update:,}{where}")
        return lines
