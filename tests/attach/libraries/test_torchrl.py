"""PPO of TorchRL: the same weights, and our numbers beside those that its loss tells."""

import json
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

import ppo_scope
from tests.attach.elsewhere import Loop, bare, beside, nowhere, rows_of, shown_here, the_run, waiting_server

torchrl = pytest.importorskip("torchrl", reason="TorchRL is not installed: make libraries")

UPDATES = 4
NUMBERS = {
    "loss": "total",
    "policy_loss": "loss_objective",
    "entropy": "entropy",
    "gradient_norm": "norm",
    "clip_fraction": "clip_fraction",
    "effective_sample_size": "ESS",
}


def test_a_loop_is_shown_by_its_own_numbers_and_trains_to_the_same_weights(tmp_path):
    module = "tests.attach.libraries.torchrl_loop"
    server = waiting_server()
    try:
        with Loop(module, UPDATES, "--own", tmp_path / "own.json", link=server.url) as loop:
            digest = loop.digest()
        assert not [line for line in loop.said if "ppo-scope" in line]
        run = the_run(server, state="finished")
        rows, first = rows_of(server, run["id"])
    finally:
        server.kill()
    with Loop(module, UPDATES, "--plain", link=nowhere()) as loop:
        assert loop.digest() == digest
    own = [json.loads(line) for line in (tmp_path / "own.json").read_text().splitlines()]
    assert (first, len(rows["loss"]), run["environment"]) == (1, UPDATES, "CartPole-v1")
    assert (run["settings"]["clip_range"], run["settings"]["discount"]) == (0.2, 0.99)
    for ours, theirs in NUMBERS.items():
        mine = np.reshape([each[theirs] for each in own], (UPDATES, -1)).mean(1)
        assert rows[ours] == pytest.approx(mine.tolist(), rel=2e-6, abs=1e-6), ours
    assert max(rows["first_ratio_error"]) < 1e-5 and rows["final_kl_exact"][-1] > 0


@pytest.mark.parametrize("epsilon", [0.04, (0.02, 0.06)])
def test_what_it_clips_at_may_fall_and_may_be_two_numbers(monkeypatch, epsilon):
    from ppo_scope.attach.clip_loss import Watched
    from tests.attach.libraries import torchrl_loop

    hook, made = Watched._hook, []
    monkeypatch.setattr(Watched, "_hook", lambda watched: made.append(watched) or hook(watched))

    def learned():
        found = torchrl_loop.main(UPDATES, falls_by=0.5, clip_epsilon=epsilon)
        made[-1]._over()
        return found

    (_, own), run, rows, _ = shown_here(monkeypatch, learned)
    low, high = epsilon if isinstance(epsilon, tuple) else (epsilon, None)
    assert rows["clip_range"] == pytest.approx([low * 0.5**update for update in range(UPDATES)])
    assert run["attached"]["began"].get("clip_range_high") == (high and pytest.approx(high))
    for ours in ("loss", "policy_loss", "clip_fraction"):
        theirs = np.reshape([each[NUMBERS[ours]] for each in own], (UPDATES, -1)).mean(1)
        assert rows[ours] == pytest.approx(theirs.tolist(), rel=2e-6, abs=1e-6), ours
    assert rows["clip_fraction"][-1] > 0.05, "the clip must be reached for this to mean anything"


def test_what_is_measured_beside_it_is_to_the_bit_what_it_would_find_itself(monkeypatch):
    from ppo_scope.attach.clip_loss import Watched
    from tests.attach.libraries import torchrl_loop

    hook, made = Watched._hook, []
    monkeypatch.setattr(Watched, "_hook", lambda watched: made.append(watched) or hook(watched))

    def learned():
        found = torchrl_loop.main(UPDATES)
        made[-1]._over()
        return found

    found = {}
    for yes in (False, True):
        with beside(monkeypatch, yes) as clerks:
            told, _, rows, _ = shown_here(monkeypatch, learned)
        assert [one._begun for one in clerks] == [True] * yes
        found[yes] = told, bare(rows)
    assert found[True] == found[False] and found[True][1]["final_kl_exact"][-1] > 0


def test_the_gradients_of_its_terms_add_up_to_that_of_its_loss_and_leave_none_behind():
    import torch

    from ppo_scope.attach.clip_loss import Watched
    from tests.attach.libraries.torchrl_loop import parts

    data, loss, advantage = parts()
    watched = Watched(loss, advantage, "CartPole-v1", nowhere(), False)
    advantage(data)
    minibatch = data[:32]
    made = loss(minibatch)
    gradients = watched._scope.abilities.differentiate(SimpleNamespace(), SimpleNamespace())
    own = [one for _, one in watched._networks.own]
    assert all(one.grad is None for one in own)
    total = made["loss_objective"] + made["loss_critic"] + made["loss_entropy"]
    whole = torch.cat([one.reshape(-1) for one in torch.autograd.grad(total, own)]).numpy()
    policy, value, entropy = gradients
    assert np.abs(policy + 0.5 * value - 0.01 * entropy - whole).max() < 1e-5 * np.abs(whole).max()
    assert {name.split(".")[0] for name in watched._networks.parts()} == {"policy_trunk", "value_trunk"}
    here = watched._scope.as_it_is().policy
    along = here.besides(SimpleNamespace(told=[1], minibatches=[None]), frozenset({"gradients"}))
    there = pickle.loads(pickle.dumps(here))
    ended = SimpleNamespace(batch=SimpleNamespace(told_after=None))
    there.after(SimpleNamespace(losses=[]), ended, here.theta(), along)
    assert np.array_equal(there.abilities().differentiate(None, None), gradients)
    assert there.abilities().parts() == watched._networks.parts()
    assert here.besides(SimpleNamespace(told=[1]), frozenset()) == [], "it costs a pass, and nobody looks"
    watched._end("")


def test_what_cannot_be_shown_is_refused_with_a_sentence():
    from tests.attach.libraries.torchrl_loop import parts

    _, loss, _ = parts()
    with pytest.raises(TypeError, match="hand over the module that estimates the advantages"):
        ppo_scope.watch(loss, url=nowhere())


def test_a_loss_that_is_watched_already_is_not_watched_twice(capfd):
    """As by a cell that is run again."""
    from ppo_scope.attach.once import watched_as
    from tests.attach.libraries.torchrl_loop import parts

    _, loss, advantage = parts()
    ppo_scope.watch(loss, advantage=advantage, url=nowhere())
    first = watched_as(loss)
    assert ppo_scope.watch(loss, advantage=advantage, url=nowhere()) is loss and watched_as(loss) is first
    assert capfd.readouterr().err.count("This loss is watched already: its run goes on.") == 1
