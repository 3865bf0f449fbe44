"""Several agents in a script by names of its own: with `--insert` each is a run of its own, also in turns."""

import json
import sys
import urllib.request

import numpy as np
import pytest
import torch

from ppo_scope.attach.inserting import guard
from ppo_scope.attach.inserting.guard import Guard
from ppo_scope.attach.inserting.inserter import files_with
from ppo_scope.attach.inserting.running import run
from tests.attach.advised import advice_for, run_with
from tests.attach.elsewhere import Watching
from tests.attach.several_agents import (
    AGAIN,
    ALONE,
    AS_GENERATORS,
    CLASS,
    COLLECTED_BEFORE,
    COPIED,
    FUNCTION,
    GATHERED,
    IN_TURNS,
    LEAGUE,
    LOCAL,
    NETS,
    OLD,
    SEEDS,
    SEEDS_OF_FILES,
    SHARES,
    TOLD_ELSEWHERE,
    TWO_OPTIMIZERS,
    WITHIN,
    YIELDS,
)
from tests.attach.test_advice import SCRIPTS, SHAPES
from tests.attach.test_several_files import LOSS_THERE

pytestmark = pytest.mark.filterwarnings("ignore:Creating a tensor from a list of numpy.ndarrays")

SEVERAL = {  # clip ranges, of agents by names that they have
    "seeds": (CLASS + SEEDS, {"a": 0.1, "b": 0.2, "c": 0.3}),
    "seeds that are let go": (NETS + FUNCTION, {"a": 0.1, "b": 0.2, "c": 0.3}),
    "in turns": (CLASS + IN_TURNS, {"a": 0.2, "b": 0.2}),
    "in turns, collected before": (CLASS + COLLECTED_BEFORE, {"a": 0.2, "b": 0.2}),
    "in turns, one a copy": (CLASS + LEAGUE, {"a": 0.2, "b": 0.2}),
    "in turns, told elsewhere": (TOLD_ELSEWHERE + IN_TURNS, {"a": 0.2, "b": 0.2}),
    "in turns, with rewards that are gathered": (GATHERED + IN_TURNS, {"a": 0.2, "b": 0.2}),
    "at every minibatch": (YIELDS + AS_GENERATORS, {"a": 0.2, "b": 0.2}),
}


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """Runs a script without and with the lines that show it: its Scopes, what it notes of itself, and what was said."""
    monkeypatch.setattr(guard, "GUARD", Guard())
    told = []
    monkeypatch.setattr(guard, "tell", lambda _, news: told.append(news.why))

    def show(text):
        (script := tmp_path / "train.py").write_text(text)
        _, plain = run_with(script, monkeypatch)
        advice = advice_for(script)
        assert advice.open == [], advice.lines

        def as_main(path):
            with monkeypatch.context() as patch:
                patch.setitem(sys.modules, "__main__", sys.modules["__main__"])
                patch.setattr(guard.sys, "meta_path", [*sys.meta_path])
                run(path, files_with(advice), as_module=False)
                return vars(sys.modules["__main__"])

        scopes, variables = run_with(script, monkeypatch, as_main)
        assert variables["heard"] == plain["heard"], "it trains the same bits"
        for one, other in zip(plain["nets"], variables["nets"], strict=True):
            assert all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))
        return scopes, variables["heard"], told

    return show


def is_told(scope, name, heard, *, updates=3, minibatches=4):
    """It was told of this agent's updates, and of nothing else."""
    assert [len(update.minibatches) for update in scope.updates] == [minibatches] * updates
    own = [one for one in heard if one[0] == name]
    assert len(own) == updates * minibatches
    losses = [float(one.loss) for update in scope.updates for one in update.minibatches]
    assert losses == pytest.approx([loss for _, loss, _ in own], rel=1e-4, abs=1e-5)
    collected = [float(update.batch.log_probs.sum()) for update in scope.updates]
    assert collected == pytest.approx([old for _, _, old in own[::minibatches]], rel=1e-5)


@pytest.mark.parametrize("name", SEVERAL)
def test_each_agent_of_a_script_is_a_run_of_its_own(name, shown):
    text, clips = SEVERAL[name]
    scopes, heard, told = shown(text)
    assert guard.GUARD.on and not told
    for number, (scope, (agent, clip)) in enumerate(zip(scopes, clips.items(), strict=True), 1):
        is_told(scope, agent, heard)
        assert scope.updates[0].settings.clip_range == pytest.approx(clip)
        assert scope._library == "a loop of its own" + (f", its agent {number}" if number > 1 else "")
    one_after_the_other = "turns" not in name and "every" not in name
    assert [scope.watcher.off for scope in scopes] == [one_after_the_other] * (len(scopes) - 1) + [False]


ONE = {
    "two optimizers": TWO_OPTIMIZERS + ALONE,
    "an old policy": CLASS.replace("    def learn(self):\n", f"    def learn(self):{OLD}") + ALONE,
    "a copy that learns on": CLASS + '\nagent = Agent("a")\n' + COPIED + "\nnets = [agent.net]\n",
    "a copy that learns on beside the old policy": CLASS
    + '\nagent = Agent("a")\n'
    + COPIED.replace("    agent.net = copy", "    previous = agent.net\n    agent.net = copy")
    + "\nnets = [agent.net]\n",
    "layers that are frozen": CLASS
    + ALONE.replace("    agent.play()\n", "    agent.net.pi.bias.requires_grad_(update < 1)\n    agent.play()\n"),
}


@pytest.mark.parametrize("name", ONE)
def test_what_one_agent_has_several_of_makes_no_more_runs(name, shown):
    scopes, heard, told = shown(ONE[name])
    (scope,) = scopes
    is_told(scope, "a", heard)
    assert guard.GUARD.on and not scope.watcher.off and not told


TWICE = {  # of each the lines that train an agent, which are then run a second time
    "generator": "    weights = main(HYPER)",
    "two_optimizers": "    weights = train()",
    "whole_batch": "    weights = main()",
    "with_buffer": "agent = Agent(Config())",
    "gaussian": "trainer = Trainer()",
}


@pytest.mark.parametrize("name", TWICE)
def test_the_same_training_done_twice_is_two_runs(name, shown):
    text = (SCRIPTS / f"{name}.py").read_text()
    place = text.index(TWICE[name])
    indent = " " * (len(TWICE[name]) - len(TWICE[name].lstrip()))
    again = "".join(f"    {line}\n" if line else "\n" for line in text[place:].splitlines())
    scopes, _, told = shown(f"{text[:place]}{indent}for again in range(2):\n{again}\nheard, nets = [], []\n")
    assert guard.GUARD.on and not told and [scope.watcher.off for scope in scopes] == [True, False]
    for scope in scopes:
        assert [len(update.minibatches) for update in scope.updates] == [SHAPES[name][0]] * 3
        for update in scope.updates:
            assert update.minibatches[0].logratio.exp().numpy() == pytest.approx(1.0, abs=1e-5)


def test_one_that_learns_on_after_its_run_is_shown_no_more_and_that_is_said_once(shown, capfd):
    scopes, heard, told = shown(CLASS + AGAIN)
    first, second = scopes
    assert [len(update.minibatches) for update in first.updates] == [4] and first.watcher.off
    is_told(second, "b", heard)
    assert "learns on at train.py:" in capfd.readouterr().err and len(told) == 1 and guard.GUARD.on


MIXED = {
    "one trunk": (CLASS + SHARES, "two policies have some of their weights in common", 1),
    "a copy, and then both": (LOCAL + LEAGUE, "weights that one of them had before", 2),
    "within an update": (WITHIN + ALONE, "a minibatch of one comes within an update of another one", 0),
}


@pytest.mark.parametrize("name", MIXED)
def test_agents_that_cannot_be_told_apart_end_what_is_shown_with_a_sentence(name, shown, capfd):
    text, why, updates = MIXED[name]
    scopes, _, _ = shown(text)
    assert [len(scope.updates) for scope in scopes] == [updates] and not guard.GUARD.on
    assert all(scope.watcher.off for scope in scopes)
    assert capfd.readouterr().err.count(f"they cannot be told apart: {why}") == 1


def test_seeds_of_a_script_that_is_spread_over_files_are_runs_of_their_own_on_the_page(tmp_path):
    learns = LOSS_THERE["agent.py"].replace("class Agent", "heard = []\n\nclass Agent")
    learns = learns.replace(
        "        self.opt.step()\n", "        self.opt.step()\n        heard.append(total.item())\n"
    )
    for name, text in {**LOSS_THERE, "agent.py": learns, "train.py": SEEDS_OF_FILES}.items():
        (tmp_path / name).write_text(text)
    with Watching("--insert", "train.py", folder=tmp_path, anew=True) as watching:
        watching.said("the script has ended with code 0")
        place = watching.said(r"http://\S+?/(?=#token)")[0]
        heard = json.loads(watching.said(r"(?m)^\[.*\]$")[0])
        runs = json.load(urllib.request.urlopen(f"{place}api/runs", timeout=30))
        runs.sort(key=lambda run: run["attached"]["library"])
        assert [(run["attached"]["library"], run["state"], run["update"]) for run in runs] == [
            ("a loop of its own", "finished", 3),
            ("a loop of its own, its agent 2", "finished", 3),
        ]
        own = np.array(heard).reshape(2, 3, 8).mean(axis=2)
        for run, losses in zip(runs, own, strict=True):
            told = json.load(urllib.request.urlopen(f"{place}api/runs/{run['id']}/series", timeout=30))
            column = told["columns"].index("loss")
            assert [row[column] for row in told["rows"]] == pytest.approx(losses, rel=1e-4)
