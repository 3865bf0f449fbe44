"""A PPO by names of its own is told the lines that show it: they are put in where they say, and show it."""

import ast
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch

from ppo_scope.attach.advising.advice import Adviser, advice_of
from ppo_scope.attach.advising.carrying import carried
from ppo_scope.attach.advising.source import Bit, Source
from ppo_scope.attach.advising.text import File
from ppo_scope.attach.inserting.anew import Beginning
from ppo_scope.attach.inserting.inserter import Inserter
from ppo_scope.attach.single_file.lookout import Lookout
from tests.attach import one_file
from tests.attach.advised import advice_for, advised, inserted, looking, run_with
from tests.attach.elsewhere import set_nowhere

SCRIPTS = Path(__file__).with_name("own_scripts")
TOLD = ("clip_range", "value_coef", "entropy_coef", "discount", "gae_lambda", "max_grad_norm")
SHAPES = {  # minibatches, layout, and what is told, of three updates each
    "procedural": (8, (16, 2), 0.15, 0.7, 0.02, 0.99, 0.95),
    "with_buffer": (6, (20, 1), 0.25, 0.2, 0.03, 0.9, None, 0.7),
    "two_optimizers": (4, (24, 1), 0.1, 1.0, 0.0, 0.95),
    "whole_batch": (4, (20, 1), 0.3, 0.5, 0.01, 0.9),
    "generator": (8, (12, 3), 0.2, 0.5, 0.01, 0.99, 0.9),
    "gaussian": (8, (8, 3), 0.2, 1.0, 0.004, 0.9, 0.95),
}


@pytest.fixture(scope="module")
def lines():
    """Those of each."""
    return {name: advised(SCRIPTS / f"{name}.py") for name in SHAPES}


@pytest.mark.parametrize("name", SHAPES)
def test_the_lines_put_in_where_they_say_show_what_the_script_does(name, lines, tmp_path, monkeypatch):
    plain = run_with(SCRIPTS / f"{name}.py", monkeypatch)
    script = tmp_path / f"{name}.py"
    script.write_text(inserted((SCRIPTS / f"{name}.py").read_text(), lines[name]))
    scopes, variables = run_with(script, monkeypatch)
    (scope,) = scopes
    shows(scope, name)
    assert all(map(torch.equal, plain[1]["weights"], variables["weights"])), "it trains as without them"


def shows(scope, name):
    """It was told what a script of this shape does."""
    minibatches, layout, *settings = SHAPES[name]
    assert [len(update.minibatches) for update in scope.updates] == [minibatches] * 3
    assert scope.rollout_layout == layout and not scope.watcher.off
    facts = scope.updates[-1].settings
    known = {name: one for name, one in zip(TOLD, settings, strict=False) if one is not None}
    assert {name: getattr(facts, name) for name in TOLD if name in facts.told} == pytest.approx(known)
    for update in scope.updates:
        assert update.minibatches[0].logratio.exp().numpy() == pytest.approx(1.0, abs=1e-5)


LOSSES = """\"\"\"What is minimised.\"\"\"

import torch


def surrogate(now, before, gains, epsilon):
    rho = (now - before).exp()
    A = (gains - gains.mean()) / (gains.std() + 1e-8)
    return torch.max(-A * rho, -A * rho.clamp(1 - epsilon, 1 + epsilon)).mean()


def whole_loss(now, before, gains, guess, goal, spread, epsilon, v_weight, h_weight):
    critic = ((guess - goal) ** 2).mean()
    return surrogate(now, before, gains, epsilon) + v_weight * critic - h_weight * spread.mean()
"""
CALLED = """            guessed = judge(fx[ix]).squeeze(-1)
            total = whole_loss(lp, fl[ix], fb[ix], guessed, fg[ix], pi.entropy(), EPSILON, V_WEIGHT, H_WEIGHT)
"""


def test_a_loss_in_another_file_than_its_backward_is_read_there_and_told_there(tmp_path, monkeypatch):
    whole = (SCRIPTS / "procedural.py").read_text()
    before, rest = whole.split("            rho = (lp")
    imported, steps = "import numpy as np\n", rest[rest.index("            adam.zero_grad()") :]
    source = f"{before}{CALLED}{steps}".replace(imported, f"{imported}from own_losses import whole_loss\n")
    by_module = source.replace("from own_losses import whole_loss", "import own_losses as those")
    by_module = by_module.replace("= whole_loss(", "= those.whole_loss(")

    def run(folder, text, losses, how):
        folder.mkdir()
        (folder / "own_losses.py").write_text(losses)
        (script := folder / "train.py").write_text(text)
        monkeypatch.delitem(sys.modules, "own_losses", raising=False)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(folder))
            return how(script)

    plain = run(tmp_path / "plain", source, LOSSES, lambda one: run_with(one, monkeypatch))[1]
    lines = run(tmp_path / "read", source, LOSSES, advised)
    advice = run(tmp_path / "module", by_module, LOSSES, advice_for)
    told, why_not = advice.lines, Inserter(Beginning(), "train.py", asked=True).why_not(advice)
    assert why_not is None and [put.text for put in advice.puts] == [by_module, LOSSES]
    assert told.count("# own_losses.py, ") == lines.count("# own_losses.py, ") == 3 and "to fill in" not in lines
    put_in = inserted(source, lines, "train.py"), inserted(LOSSES, lines, "own_losses.py")
    scopes, variables = run(tmp_path / "shown", *put_in, lambda one: run_with(one, monkeypatch))
    minibatches, layout, *settings = SHAPES["procedural"]
    (scope,) = scopes
    assert [len(update.minibatches) for update in scope.updates] == [minibatches] * 3 and scope.rollout_layout == layout
    facts = scope.updates[-1].settings
    assert [getattr(facts, name) for name in TOLD[: len(settings)]] == pytest.approx(settings)
    assert all(map(torch.equal, plain["weights"], variables["weights"])), "it trains as without them"


LOSS = """
import torch
from torch import nn
mse = nn.MSELoss()
def learn(net, opt, obs, act, old, adv, ret, eps, c):
    low, high = 1.0 - eps, 1.0 + eps
    for _ in range(3):
        for ix in torch.randperm(len(obs)).split(4):
            logp, ent, v = net(obs[ix], act[ix])
            {0}
            {1}
            {2}
            opt.zero_grad()
            loss.backward()
            opt.step()
    schedule.step()
"""
RATIO = "r = torch.exp(logp - old[ix])"
LEAST = "pg = -torch.min(r * adv[ix], torch.clamp(r, 1 - eps, 1 + eps) * adv[ix]).mean()"
WHOLE = "loss = pg + c * mse(v, ret[ix]) - 0.01 * ent.mean()"
FORMS = [
    ((RATIO, LEAST, WHOLE), {"clip_range": "eps", "value_coef": "c", "entropy_coef": "0.01", "returns": "ret"}),
    (
        (
            "x = logp - old[ix]; r = x.exp()",
            "pg = torch.max(-adv[ix] * r, -adv[ix] * r.clip(min=0.9, max=1.1)).mean()",
            "loss = pg + 0.5 * c * (0.5 * (v - ret[ix]).pow(2)).mean() - c * ent.mean()",
        ),
        {"clip_range": "0.1", "value_coef": "0.25 * c", "entropy_coef": "c", "advantages": "adv"},
    ),
    (
        (
            RATIO,
            "a = adv[ix]; pg = -torch.minimum(r * a, r.clamp(low, high) * a).mean()",
            "loss = pg + torch.square(ret[ix] - v).mean() / 4 + c * (-ent).mean()",
        ),
        {"clip_range": "eps", "value_coef": "0.25", "entropy_coef": "c", "returns": "ret"},
    ),
    (
        (
            RATIO,
            "pg = -torch.min(r * adv[ix], torch.clamp(r, 1 - eps, 1 + 0.3) * adv[ix]).mean(); vf = (v - ret[ix]) ** 2",
            "loss = pg; loss += c * vf.mean()",
        ),
        {"clip_range": "eps", "clip_range_high": "0.3", "value_coef": "c", "entropy_coef": "0.0"},
    ),
    (
        (RATIO, LEAST, "loss = pg + c * nn.functional.smooth_l1_loss(v, ret[ix]) - 0.02 * ent.mean()"),
        {"value_coef": "c,  # of mean", "entropy_coef": "0.02", "returns": "ret"},
    ),
    ((RATIO, LEAST, WHOLE.replace("= pg", "= (pg") + ") / 4"), {"value_coef": "c", "entropy_coef": "0.01"}),
    ((RATIO, LEAST, WHOLE.replace("= pg", "= 0.5 * pg")), {"value_coef": "2.0 * c", "entropy_coef": "0.02"}),
    ((RATIO, LEAST, WHOLE.replace("= pg", "= eps * pg")), {"value_coef": "...,  # to fill in"}),
    ((RATIO, LEAST, WHOLE.replace("= pg", "= eps * (pg") + ")"), {"value_coef": "c", "entropy_coef": "0.01"}),
    ((RATIO, LEAST, "loss = pg"), {"value_coef": "...,  # to fill in", "entropy_coef": "0.0"}),
    ((RATIO, LEAST, f"{WHOLE} + 0.1 * logp.square().mean()"), {"value_coef": "c", "entropy_coef": "0.01"}),
    ((RATIO, LEAST, f"{WHOLE} - 0.1 * logp.mean()"), {"value_coef": "c", "entropy_coef": "...,  # to fill in: c₂"}),
]


@pytest.mark.parametrize(("loss", "known"), FORMS)
def test_a_loss_is_read_however_it_is_written(loss, known, tmp_path):
    lines = advice_to(tmp_path, LOSS.format(*loss))
    for name, words in known.items():
        assert re.search(rf"^\s+{name}={re.escape(words)}", lines, re.MULTILINE), (name, lines)
    assert "samples=ix," in lines and "log_probs=old.reshape(-1, 1)" in lines
    assert "actions=act" in lines and "observations=obs" in lines and "learning_rate=opt." in lines
    assert "before line 7, `for _ in range(3):`" in lines and "rewards=...,  # to fill in" in lines


NORMALISED = [
    ("adv = (adv - adv.mean()) / (adv.std() + 1e-8)", "raw_adv = adv"),
    ("adv = adv - adv.mean()\n    adv = adv / adv.std()", "raw_adv = adv"),
    ("adv -= adv.mean()\n    adv /= adv.std()", "raw_adv = adv + 0"),
]


@pytest.mark.parametrize(("statements", "kept"), NORMALISED)
def test_advantages_are_told_as_they_were_before_they_are_normalised(statements, kept, tmp_path):
    text = LOSS.format(RATIO, LEAST, WHOLE).replace("    low, high", f"    {statements}\n    low, high")
    lines = advice_to(tmp_path, text)
    assert re.search(rf"before line 6, `{re.escape(statements[:8])}.*`:\n    {re.escape(kept)}\n", lines)
    assert "advantages=raw_adv.reshape(-1, 1)," in lines and "advantages=adv[ix]," in lines


def test_advantages_of_samples_that_lie_by_environment_are_told_by_steps(tmp_path):
    text = (SCRIPTS / "generator.py").read_text()
    text = text.replace("    arrays = [", "    adv = (adv - adv.mean()) / adv.std()\n    arrays = [")
    (tmp_path / "mine.py").write_text(text)
    lines = advised(tmp_path / "mine.py")
    by_steps = 'raw_adv.reshape(path["lp"].shape[1], -1).swapaxes(0, 1)'
    assert f"advantages=raw_adv if raw_adv.ndim > 1 else {by_steps}," in lines and "    raw_adv = adv\n" in lines


def test_advantages_that_keep_their_name_when_they_are_normalised_need_no_other(tmp_path):
    text = LOSS.format(RATIO, LEAST.replace("adv[ix]", "norm[ix]"), WHOLE)
    text = text.replace("    low, high", "    norm = (adv - adv.mean()) / adv.std()\n    low, high")
    lines = advice_to(tmp_path, text)
    assert "raw_" not in lines and "advantages=adv.reshape(-1, 1)," in lines and "advantages=norm[ix]," in lines


BY_KEY = """
import torch
def batches(data, size):
    for index in torch.randperm(len(data["obs"])).split(size):
        yield {{name: one[index] for name, one in data.items()}}
def learn(net, opt, env, path):
    while True:
        obs, reward, dead, late, info = env.step(0)
        data = {{"obs": path.obs, "act": path.act, "old": path.old, "adv": path.adv, "ret": path.ret}}
        for _ in range(3):
            for batch in {0}:
                logp, v = net(batch["obs"], batch["act"])
                r = torch.exp(logp - batch["old"])
                pg = -torch.min(r * batch["adv"], torch.clamp(r, 0.8, 1.2) * batch["adv"]).mean()
                loss = pg + 0.5 * ((v - batch["ret"]) ** 2).mean()
                opt.zero_grad()
                loss.backward()
                opt.step()
"""


SAME_NAME = """x = 3
rows = [1, 2]
def update():
    return [x for x in rows] + [x]
def other(x):
    pass
"""


def test_a_name_of_a_comprehension_is_its_own_within_it_alone():
    source = Source(File("mine.py", SAME_NAME))
    (update,), (other,) = source.functions["update"], source.functions["other"]
    found = carried(source, Bit(update.body[0].value, update), other, 7)
    assert ast.unparse(found) == "[x for x in rows] + [3]"


def test_minibatches_by_key_are_taken_from_what_the_dict_is_made_of(tmp_path):
    lines = advice_to(tmp_path, BY_KEY.format("batches(data, 4)"))
    for name in ("obs", "act", "old", "adv", "ret"):
        assert f'=data["{name}"].reshape(-1, 1' in lines
    assert "told.update(\n            samples=index,\n        )" in lines and "**told," in lines
    assert "before line 10, `for _ in range(3):`" in lines and "clip_range=0.2," in lines


def test_where_it_is_not_known_what_minibatches_are_taken_from_that_is_to_be_filled_in(tmp_path):
    lines = advice_to(tmp_path, BY_KEY.format("elsewhere.loader(data)"))
    for name in ("samples", "actions", "log_probs", "advantages", "rewards"):
        assert f"{name}=...,  # to fill in: " in lines
    assert "log_prob=logp," in lines and 'advantages=batch["adv"],' in lines and "values=v," in lines
    assert "before line 10, `for _ in range(3):`" in lines and "clip_range=0.2," in lines


DRAWN_IF_NONE = """import torch
from torch.distributions import Normal
class Agent(torch.nn.Module):
    def ask(self, seen, pushed=None):
        d = Normal(self.mean(seen), self.std(seen))
        if pushed is None:
            pushed = {drawn}
        return pushed, d.log_prob(pushed).sum(1), self.critic(seen)
def update(seen, pushes, old, gain, target):
    for _ in range(3):
        for index in torch.randperm(len(old)).split(8):
            _, logp, v = agent.ask({given})
            r = torch.exp(logp - old[index])
            pg = -torch.min(r * gain[index], torch.clamp(r, 0.8, 1.2) * gain[index]).mean()
            loss = pg + 0.5 * ((v - target[index]) ** 2).mean()
            opt.zero_grad()
            loss.backward()
            opt.step()
def collect():
    push, logp, v = agent.ask(here)
"""


@pytest.mark.parametrize("drawn", ["d.sample()", "self.mean(seen) + self.std(seen) * torch.randn_like(seen)"])
@pytest.mark.parametrize("given", ["seen[index], pushes[index]", "pushed=pushes[index], seen=seen[index]"])
def test_actions_that_are_drawn_only_if_none_are_given_are_those_that_are_given(drawn, given, tmp_path):
    lines = advice_to(tmp_path, DRAWN_IF_NONE.format(drawn=drawn, given=given))
    assert "actions=pushes.reshape(-1, 1, *pushes.shape[1:])" in lines
    assert "observations=seen.reshape(-1, 1, *seen.shape[1:])" in lines


def test_states_are_not_told_as_actions_where_these_are_not_known(tmp_path):
    text = DRAWN_IF_NONE.format(drawn="d.sample()", given="seen[index], elsewhere(index)")
    lines = advice_to(tmp_path, text)
    assert "actions=...,  # to fill in: " in lines and "observations=seen.reshape" in lines


def advice_to(folder, text):
    """What is said of a script that has not run."""
    (folder / "mine.py").write_text(text)
    advice = advice_of(str(folder / "mine.py"))
    return None if advice is None else advice.lines


@pytest.mark.parametrize(
    "text",
    [
        "x = 1",
        LOSS.format("r = logp - old[ix]", LEAST, WHOLE),  # no ratio
        LOSS.format(RATIO, "pg = -(r * adv[ix]).mean()", WHOLE),  # no clip
        LOSS.format("r = torch.exp(logp)", LEAST, WHOLE),
        LOSS.format(RATIO, LEAST.replace("1 - eps, 1 + eps", "0, eps"), WHOLE),  # a clip that is not around 1
    ],
)
def test_of_what_is_no_ppo_nothing_is_said(text, tmp_path):
    assert advice_to(tmp_path, text) is None


TOUCHY = """
import torch

class Touchy:
    touched = []
    def __init__(self):
        self.old, self.adv = torch.zeros(8), torch.arange(8.0)
    @property
    def eps(self):
        self.touched.append("eps")
        return 0.2
    def __getattr__(self, name):
        self.touched.append(name)
        return torch.zeros(8)
    def __getattribute__(self, name):
        if name not in ("adv", "old", "touched"):
            Touchy.touched.append(name)
        return object.__getattribute__(self, name)
    def __array__(self):
        self.touched.append("array")
        return torch.zeros(8).numpy()
    def __getitem__(self, key):
        self.touched.append(key)
        return torch.zeros(8)

policy = torch.nn.Linear(1, 2)
def loss_of(batch):
    choices = torch.distributions.Categorical(logits=policy(torch.ones(8, 1)))
    log_prob = choices.log_prob(torch.zeros(8))
    ratio = torch.exp({difference})
    least = torch.min(ratio * batch.adv, ratio.clamp(1 - batch.eps, 1 + batch.eps) * batch.adv)
    loss = -least.mean()
    before = len(Touchy.touched)
    loss.backward()
    assert len(Touchy.touched) == before, Touchy.touched[before:]
for _ in range({times}):
    loss_of(Touchy())
"""


def test_nothing_of_the_script_is_run_to_read_it(tmp_path):
    (tmp_path / "mine.py").write_text(TOUCHY.format(difference='log_prob - batch["old"] - batch.unknown', times=2))
    assert 'log_prob=log_prob - batch["old"],' in advised(tmp_path / "mine.py"), "and its own assertion holds"
    (tmp_path / "mine.py").write_text(TOUCHY.format(difference="log_prob - batch.old", times=2))
    assert "log_prob=log_prob" in advised(tmp_path / "mine.py")


def test_which_of_the_two_is_the_policys_is_seen_by_its_gradient(tmp_path):
    (tmp_path / "mine.py").write_text(TOUCHY.format(difference="batch.old - log_prob", times=1))
    assert "log_prob=log_prob" in advised(tmp_path / "mine.py"), "the ratio is the wrong way round, which Health says"


def test_what_is_not_known_is_left_to_fill_in_and_said_to_be(lines):
    assert "rewards=...,  # to fill in" in advice_of(str(SCRIPTS / "generator.py")).lines, "of what has not run"
    assert all("to fill in" not in one for one in lines.values())
    assert "# dones=…: [M, N], ends of episodes" in lines["two_optimizers"]


OVER = "            if dead or late:\n"
CHANGES = [
    ("old, paid, worth.item()", "old, 0.1 * paid, worth.item()", "0.1 * paid"),
    (OVER, f"{OVER}                self.memory.paid[-1] += 0.9 * float(worth)\n", "+="),
]


@pytest.mark.parametrize(("own", "changed", "sign"), CHANGES, ids=["scaled", "added to"])
def test_rewards_that_are_changed_are_told_as_the_environment_gives_them(
    own, changed, sign, lines, tmp_path, monkeypatch
):
    assert "own_rewards" not in lines["with_buffer"]
    text = (SCRIPTS / "with_buffer.py").read_text().replace(own, changed)
    (tmp_path / "mine.py").write_text(text)
    line = next(number for number, one in enumerate(text.splitlines(), 1) if sign in one)
    told = advised(tmp_path / "mine.py")
    assert f"as the environment gives them, before line {line} changes them" in told
    (tmp_path / "with.py").write_text(inserted(text, told))
    (scope,), _ = run_with(tmp_path / "with.py", monkeypatch)
    shows(scope, "with_buffer")
    assert all((update.rollout.rewards == 1.0).all() for update in scope.updates), "CartPole pays 1 a step"


ONE_BY_ONE = (
    "            for one in (self.env, ):\n                self.state, paid, dead, late, _ = one.step(move.item())"
)
TWICE = "self.state, paid, dead, late, _ = self.env.step(move.item())\n            " * 2
STEPS = "            self.state, paid, dead, late, _ = self.env.step(move.item())"


@pytest.mark.parametrize(("stepped", "seen"), [(ONE_BY_ONE, True), (f"            {TWICE}", False)])
def test_where_it_is_not_seen_that_rewards_come_as_a_rollout_has_them_they_are_to_be_looked_at(stepped, seen, tmp_path):
    text = (SCRIPTS / "with_buffer.py").read_text().replace(STEPS, stepped).replace(*CHANGES[0][:2])
    (tmp_path / "mine.py").write_text(text)
    advice = advice_for(tmp_path / "mine.py")
    assert advice.open == ([] if seen else ["rewards"])
    assert ("the environment's own: as they are before line" in advice.lines) is not seen


def test_names_that_a_script_has_are_left_to_it_and_its_tabs_are_kept(tmp_path):
    text = f"scope = told = 3\n{LOSS.format(RATIO, LEAST, WHOLE)}".replace("    ", "\t")
    lines = advice_to(tmp_path, text)
    assert "scope_ = ppo_scope.Scope(" in lines and "\t\tscope_ = ppo_scope.Scope(\n\t\t\tclip_range=eps,\n" in lines
    tree = ast.parse(inserted(text, lines))
    assert sum(isinstance(one, ast.Global) and one.names == ["scope_"] for one in ast.walk(tree)) == 1


def test_lines_are_counted_as_python_does(tmp_path):
    lines = advice_to(tmp_path, f"\x0c\n{LOSS.format(RATIO, LEAST, WHOLE)}")
    assert "before line 8, `for _ in range(3):`" in lines and "\n    global scope\n" in lines


def test_a_script_that_is_found_is_not_read(monkeypatch):
    looked, lookout = [], Lookout()
    monkeypatch.setattr(Adviser, "look", lambda _, frame: looked.append(frame))
    monkeypatch.setattr(sys, "argv", ["one_file.py", "--iterations", "2"])
    set_nowhere(monkeypatch)
    with looking(lookout):
        runpy.run_path(one_file.__file__, run_name="__main__")
    assert lookout.loop is not None and not looked


@pytest.mark.parametrize("strange", [True, False], ids=["another loss", "no args"])
def test_who_has_the_names_and_cannot_be_shown_is_told_the_lines_too(strange, monkeypatch, tmp_path):
    source = Path(one_file.__file__).read_text()
    script = tmp_path / "mine.py"
    script.write_text(source if strange else re.sub(r"\bargs\b", "chosen_by_hand", source))
    monkeypatch.setattr(sys, "argv", [str(script), "--iterations", "2", *["--strange"] * strange])
    set_nowhere(monkeypatch)
    refused, doubted = [], []
    lookout = Lookout(refused=lambda *why: refused.append(why), doubts=lambda: doubted.append(lookout.adviser.lines))
    with looking(lookout):
        runpy.run_path(str(script), run_name="__main__")
    lines = lookout.adviser.lines
    assert lookout.loop is None and lines is not None
    if strange:
        ((why, told),) = refused
        assert "is not shown: its loss is" in why and told.lines == lines and not doubted
    else:
        assert not refused and "there is no args" in lookout.why_none()
    script.write_text(inserted(script.read_text(), lines))
    ((scope,), _) = run_with(script, monkeypatch)
    assert [len(update.minibatches) for update in scope.updates] == [12] * 4, "without options it makes four"
    facts = scope.updates[-1].settings  # those of its loss, and not of what it trains besides
    assert (facts.clip_range, facts.value_coef, facts.entropy_coef) == (0.2, 0.25, 0.01)
    for update in scope.updates:
        assert update.minibatches[0].logratio.exp().numpy() == pytest.approx(1.0, abs=1e-5)


def test_nobody_is_told_to_write_into_a_library(tmp_path):
    library = tmp_path / "site-packages"
    library.mkdir()
    (library / "mine.py").write_text(TOUCHY.format(difference="log_prob - batch.old", times=1))
    assert advised(library / "mine.py") is None


TAKEN_AWAY = [
    ("ent.mean()", True),
    ("self.ent_bonus(v).mean()", True),
    ("policy_entropy.mean()", True),
    ("(0.5 + log_std).sum()", True),
    ("log_std.sum()", True),
    ("(-p * p.log()).sum(-1).mean()", True),
    ("agent.margin.mean()", False),
    ("parent_value.mean()", False),
    ("logp.mean()", False),
    ("(logits * logits).mean()", False),
    ("(logger(v) * 2).mean()", False),
]


@pytest.mark.parametrize(("term", "is_one"), TAKEN_AWAY)
def test_what_is_taken_away_from_a_loss_is_an_entropy_if_it_is_called_or_made_so(term, is_one, tmp_path):
    lines = advice_to(tmp_path, LOSS.format(RATIO, LEAST, f"loss = pg + c * mse(v, ret[ix]) - 0.03 * {term}"))
    assert ("entropy_coef=0.03," in lines) is is_one
    assert is_one or "entropy_coef=...,  # to fill in" in lines


def test_a_multiple_of_the_loss_is_not_told_as_the_loss(tmp_path):
    lines = advice_to(tmp_path, LOSS.format(RATIO, LEAST, WHOLE))
    assert "loss=loss," in lines
    lines = advice_to(tmp_path, LOSS.format(RATIO, LEAST, WHOLE.replace("= pg", "= (pg") + ") / 4"))
    assert " loss=loss," not in lines and "policy_loss=pg," in lines


def test_a_file_is_read_in_its_encoding(tmp_path):
    text = LOSS.format(RATIO, LEAST, f'{WHOLE}; words = "ä"')
    plain = advice_to(tmp_path, text)
    (tmp_path / "mine.py").write_text(text, encoding="utf-8-sig")
    assert advice_of(str(tmp_path / "mine.py")).lines == plain
    (tmp_path / "mine.py").write_text(f"# coding: latin-1{text}", encoding="latin-1")
    assert advice_of(str(tmp_path / "mine.py")).lines == plain.replace("coding", "coding")


def test_what_cannot_be_read_ends_no_training(tmp_path):
    code = TOUCHY.format(difference="log_prob - batch.old", times=1)
    (tmp_path / "bent.py").write_text("this is no Python")
    lookout = Lookout()
    with looking(lookout):
        for path in ("<somewhere>", str(tmp_path / "bent.py")):
            exec(compile(code, path, "exec"), {"__name__": "another one by now"})
    assert lookout.calls == 2 and lookout.adviser.lines is None
