"""What Health says of a script in which somebody has made a mistake, watched unchanged otherwise."""

import pytest

from tests.attach.test_named_loop import SCRIPT, followed

MISTAKES = [
    ("terminations | truncations", "terminations", ("--continuous", "7"), "wrong_bootstrap", "has cut 4 of the latest"),
    (
        "= b_advantages[mb_inds]",
        "= b_returns[mb_inds] - newvalue.view(-1)",
        ("2",),
        "leaking_gradient",
        "flows into Â",
    ),
]


@pytest.mark.parametrize(("right", "wrong", "arguments", "name", "words"), MISTAKES, ids=lambda one: str(one)[:18])
def test_a_mistake_in_a_script_is_told(monkeypatch, capfd, tmp_path, right, wrong, arguments, name, words):
    source = SCRIPT.read_text(encoding="utf-8")
    assert source.count(right) == 1
    script = tmp_path / "script.py"
    script.write_text(source.replace(right, wrong), encoding="utf-8")
    *others, iterations = arguments
    monkeypatch.setattr("ppo_scope.attach.report.hired", lambda library: None)  # the loop measures by itself
    lookout, _ = followed(monkeypatch, capfd, *others, "--iterations", iterations, script=script)
    assert lookout.loop is not None
    report = lookout.loop.watcher._report
    assert report._budget.failed == {}
    found = {finding["name"]: finding["summary"] for finding in report._health.findings()}
    assert words in found[name]
