"""What the product uses of its dependencies that they promise to nobody. Each is named here, and its end is noticed.

Where one has ended: its entry says what to do without it.
"""

import ast
import importlib.util
import re

import pytest
import torch
from stable_baselines3 import PPO

from tests.live import ROOT

OF_PYTHON = {
    "torch._fused_adam_": "torch.optim.Adam with fused=True takes the same step, more slowly",
    "uvicorn._types": "its types of ASGI messages can be written down in backend/ppo_scope/server/transport.py",
}
OF_A_MODEL = {
    "model._last_episode_starts": "`dones` among the locals of Stable-Baselines3's callbacks are the same",
    "model._n_updates": "`num_timesteps`, which `learn` begins anew unless it is told not to",
}
OF_NAMED_TUPLES = {
    *("Buffered._fields", "advice._replace", "answer._replace", "looked._replace", "one._replace", "piece._replace"),
    "told._replace",
}
OF_A_CLAMP = {"_saved_min", "_saved_max"}
"""What autograd notes with it, as torch's notes on saved tensors have it; where this has ended, ε⁺ of a PPO in one file
is told by its `args` alone."""
DOCUMENTED = {"os._exit", "sys._getframe", *OF_NAMED_TUPLES}
PRIVATE = re.compile(r"_[a-zA-Z]\w*")


def defined_in(tree):
    """Private names that a module of ours gives to something."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.attr if isinstance(node, ast.Attribute) else node.id


def used_in(tree):
    """What a module takes from elsewhere by a private name: (name, in full)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and PRIVATE.fullmatch(node.attr):
            yield node.attr, ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for part in node.module.split("."):
                if PRIVATE.fullmatch(part):
                    yield part, node.module


def test_all_of_python_are_named():
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "backend").rglob("*.py")]
    ours = {name for tree in trees for name in defined_in(tree)}
    foreign = {full for tree in trees for name, full in used_in(tree) if name not in ours}
    assert foreign - DOCUMENTED == {*OF_PYTHON, *OF_A_MODEL}


def test_a_model_still_has():
    model = PPO("MlpPolicy", "CartPole-v1", n_steps=8, batch_size=8, n_epochs=1).learn(8)
    assert all(hasattr(model, name.removeprefix("model.")) for name in OF_A_MODEL)


@pytest.mark.parametrize("name", OF_PYTHON)
def test_python_still_has(name):
    package, _, rest = name.partition(".")
    found = importlib.import_module(package)
    assert hasattr(found, rest) or importlib.util.find_spec(name), f"{name} has ended: {OF_PYTHON[name]}"


def test_autograd_still_notes_between_which_numbers_a_clamp_holds():
    ratio = torch.ones(3, requires_grad=True).exp()
    node = torch.clamp(ratio, 0.8, 1.28).grad_fn
    assert {name: getattr(node, name) for name in sorted(OF_A_CLAMP)} == {"_saved_max": 1.28, "_saved_min": 0.8}
    assert node.name().startswith("Clamp") and node.next_functions[0][0] is ratio.grad_fn


def test_plotly_is_used_as_it_promises():
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "frontend").rglob("*.js")]
    # `#private` is ours; a lone underscore takes the place of what is not used.
    assert {name for text in texts for name in re.findall(r"(?:\.|\{ |, )(_[a-zA-Z]\w*)\b", text)} == set()
