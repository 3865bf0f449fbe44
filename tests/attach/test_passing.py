"""Minibatches that are put together are those that would have been taken one by one."""

import pytest
import torch

from ppo_scope.attach.arrays import Misshapen
from ppo_scope.attach.own_loop.handed import noted, places_of
from ppo_scope.attach.own_loop.passing import Passed, copied, together

PLACES = torch.arange(12)
NOT_TOLD = {"old_log_prob": None, "returns": None, "penalty": None}


@pytest.mark.parametrize("lacking", [(), ("values",), ("entropy",), ("values", "entropy")])
def test_they_are_to_the_bit_what_each_says_whatever_becomes_of_its_tensors(lacking):
    passed, expected = [], []
    for epoch, size in ((1, 5), (1, 3), (2, 5)):
        samples = torch.randperm(12)[:size]
        told = {name: torch.randn(size) for name in ("log_prob", "values", "entropy")}
        told |= {"advantages": torch.randn(size, dtype=torch.float64), **dict.fromkeys(lacking)}
        told["log_prob"].requires_grad_()
        kinds = told["values"] is not None, told["entropy"] is not None
        passed.append(Passed(epoch, *copied(samples, **told, places=PLACES), *kinds))
        expected.append(noted(epoch, places_of(samples, 12), **told, **NOT_TOLD))
        for one in (samples, *told.values()):
            if one is not None:
                one.detach().zero_()
    for one, other in zip(together(passed, 12).noted(), expected, strict=True):
        assert one.epoch == other.epoch and one.samples.tolist() == other.samples.tolist()
        for ours, theirs in zip(one[2:], other[2:], strict=True):
            assert ours is theirs is None or (ours.dtype, ours.tolist()) == (theirs.dtype, theirs.tolist())


def test_what_is_not_of_the_rollout_is_refused_and_what_is_otherwise_is_taken_one_by_one():
    right = {name: torch.zeros(3) for name in ("log_prob", "advantages", "values", "entropy")}
    wrong = Passed(1, torch.tensor([0, 1, 12]), torch.zeros(4, 3), True, True)
    with pytest.raises(Misshapen, match="samples holds 12, and the rollout has samples 0 to 11"):
        together([wrong], 12)
    samples = torch.arange(3)
    for other in (
        {"samples": [0, 1, 2]},
        {"samples": samples.int()},
        {"samples": samples + 10},
        {"samples": samples - 1},
        {"log_prob": torch.zeros(3, 1)},
        {"values": [0, 0, 0]},
    ):
        assert copied(**{"samples": samples, **right, **other}, places=PLACES) is None, other
