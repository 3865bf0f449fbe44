"""What a name or a call means, where files are read together."""

import ast

import numpy as np
import pytest

from ppo_scope.attach.advising.carrying import carried
from ppo_scope.attach.advising.living import Living
from ppo_scope.attach.advising.place import Place, shuffled
from ppo_scope.attach.advising.rows import rows_in
from ppo_scope.attach.advising.source import Bit, Source
from ppo_scope.attach.advising.text import File

MAIN = """import torch
import losses
import package.more
from losses import whole as all_of_it
from package import kinds
from beside import *

def whole():
    pass

class Own:
    def learn(self, x):
        pass

agent, other = losses.Agent(), Own()
calls = [
    whole(),
    all_of_it(),
    losses.whole(),
    package.more.whole(),
    kinds.whole(),
    starred(),
    agent.learn(1),
    other.learn(1),
    unknown(),
    losses.unknown(),
]
def update():
    pass
"""
LOSSES = """import torch
import numpy as np
from elsewhere import thing

EPS = 0.2
class Agent:
    def learn(self, x):
        return torch.stack([x, EPS]), np.array(x), len(EPS), thing, x
def whole():
    pass
"""
WHOLE = "def whole():\n    pass\n"
FILES = (
    File("train.py", MAIN),
    File("losses.py", LOSSES, "losses"),
    File("package/more.py", WHOLE, "package.more"),
    File("package/kinds.py", WHOLE, "package.kinds"),
    File("beside.py", WHOLE.replace("whole", "starred"), "beside"),
)


def test_a_call_means_the_function_of_the_file_that_it_is_imported_from():
    source = Source(*FILES)
    calls = next(
        one.value.elts for one in source.nodes if isinstance(one, ast.Assign) and isinstance(one.value, ast.List)
    )
    found = [source.callee(call, source.trees[0]) for call in calls]
    places = [None if one is None else FILES[source.place(one.lineno)[0]].path for one in found]
    losses, more, kinds = "losses.py", "package/more.py", "package/kinds.py"
    assert places == ["train.py", losses, losses, more, kinds, "beside.py", losses, "train.py", None, None]


def test_a_name_of_another_file_is_written_as_it_is_known_in_this_one():
    source = Source(*FILES)
    (learn,) = [one for one in source.functions["learn"] if source.place(one.lineno)[0] == 1]
    (update,) = source.functions["update"]
    parts = learn.body[0].value.elts

    def written(part):
        found = carried(source, Bit(part, learn), update, update.lineno + 1)
        return None if found is None else ast.unparse(found)

    stacked, array, length, thing, own = parts
    stacked.args[0].elts[0] = ast.Constant(1)
    array.args[0] = ast.Constant(1)
    assert written(stacked) == "torch.stack([1, losses_.EPS])", "both have torch, and one has EPS"
    assert written(array) == "losses_.np.array(1)"
    assert written(length) is None, "it would be run once more"
    assert written(thing) == "losses_.thing" and source.aliases == {"losses_": 1}
    assert written(own) == "1", "by whom it is called"


def test_files_of_one_name_in_two_packages_are_not_taken_for_each_other():
    text = "def loss():\n    return EPS\nEPS = 0.2"
    source = Source(*(File(f"{one}/common.py", text, f"{one}.common") for one in ("one", "two")), File("a.py", MAIN))
    (update,) = source.functions["update"]
    found = [
        ast.unparse(carried(source, Bit(loss.body[0].value, loss), update, update.lineno + 1))
        for loss in source.functions["loss"] * 2
    ]
    assert found == ["common_.EPS", "common__.EPS"] * 2 and source.aliases == {"common_": 0, "common__": 1}


def test_a_name_of_the_main_program_that_no_file_can_import_is_what_it_was_given():
    source = Source(
        File("train.py", "EPS = 0.2\nLATER = read()\ndef main():\n    return EPS, LATER"),
        File("own.py", "def update():\n    pass", "own"),
    )
    (main,), (update,) = source.functions["main"], source.functions["update"]
    found = [carried(source, Bit(part, main), update, 9) for part in main.body[0].value.elts]
    assert ast.unparse(found[0]) == "0.2" and found[1] is None


ROWS = """import torch
def keep(t, one):
    kept{0} = one
flat = kept.reshape(-1)
for _ in range(3):
    pass
"""


@pytest.mark.parametrize(("index", "layout", "by_environment"), [("[:, t]", (5, 2), True), ("[t]", (2, 5), False)])
def test_which_axis_has_the_steps_is_seen_where_they_are_put_in(index, layout, by_environment):
    kept = np.arange(10.0).reshape(2, 5)
    source = Source(File("mine.py", ROWS.format(index), names={"kept": kept, "flat": kept.reshape(-1)}))
    loop = source.trees[0].body[-1]
    whole = Bit(ast.Name("flat", ast.Load()), source.trees[0])
    source.stands_in(whole.node, loop)
    found = rows_in(source, Living(source, []), whole, Place(source.trees[0], loop, loop))
    assert (found.layout, found.by_environment) == (layout, by_environment)
    assert source.words(found.node) == ("kept.swapaxes(0, 1)" if by_environment else "kept")


@pytest.mark.parametrize(
    ("made", "is_so"),
    [("kept[order]", True), ("kept.reshape(-1)[order].view(-1)", True), ("kept[3:]", False), ("kept.view(-1)", False)],
)
def test_samples_in_another_order_than_they_were_collected_in_are_seen(made, is_so):
    source = Source(File("mine.py", f"order = permutation(8)\nflat = {made}\nused = flat\n"))
    used = source.trees[0].body[-1].value
    assert shuffled(source, Bit(used, source.trees[0])) is is_so
