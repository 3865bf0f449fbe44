"""A PPO by names of its own is told the lines that show it: they are put in where they say, and show it."""

from pathlib import Path

import pytest
import torch

from tests.attach.advised import advised, inserted, run_with

SCRIPTS = Path(__file__).with_name("own_scripts")
SHAPES = {  # minibatches, layout, ε, c₁, c₂, of three updates each
    "procedural": (8, (16, 2), 0.15, 0.7, 0.02),
    "with_buffer": (6, (20, 1), 0.25, 0.2, 0.03),
    "two_optimizers": (4, (24, 1), 0.1, 1.0, 0.0),
    "whole_batch": (4, (20, 1), 0.3, 0.5, 0.01),
    "generator": (8, (12, 3), 0.2, 0.5, 0.01),
    "gaussian": (8, (8, 3), 0.2, 1.0, 0.004),
}


@pytest.fixture(scope="module")
def lines():
    """Those of each."""
    return {name: advised(SCRIPTS / f"{name}.py") for name in SHAPES}


@pytest.mark.parametrize("name", SHAPES)
def test_the_lines_put_in_where_they_say_show_what_the_script_does(name, lines, tmp_path, monkeypatch):
    minibatches, layout, *settings = SHAPES[name]
    plain = run_with(SCRIPTS / f"{name}.py", monkeypatch)
    script = tmp_path / f"{name}.py"
    script.write_text(inserted((SCRIPTS / f"{name}.py").read_text(), lines[name]))
    scopes, variables = run_with(script, monkeypatch)
    (scope,) = scopes
    assert [len(update.minibatches) for update in scope.updates] == [minibatches] * 3
    assert scope.rollout_layout == layout and not scope.watcher.off
    facts = scope.updates[-1].settings
    assert [facts.clip_range, facts.value_coef, facts.entropy_coef] == pytest.approx(settings)
    for update in scope.updates:
        assert update.minibatches[0].logratio.exp().numpy() == pytest.approx(1.0, abs=1e-5)
    assert all(map(torch.equal, plain[1]["weights"], variables["weights"])), "it trains as without them"
