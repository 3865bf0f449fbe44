"""The state that is kept last is the one that the run would go on from."""

import numpy as np

from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.resuming import resumed
from ppo_scope.ppo.rollout import Rollout
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.records import trees
from ppo_scope.wire.codes import Kind
from tests.worker.driver import Driver, step

WANTED = {"type": "states", "wanted": True}


def kept(driver):
    """(before which update, state), the last of each."""
    return {header["before"]: trees.decode(arrays["state"].tobytes()) for header, arrays in driver.of(Kind.STATE)}


def test_an_update_made_anew_is_kept_as_it_has_become():
    anew = {"type": "redo", "settings": {"clip_range": 0.01}}
    driver = Driver([WANTED, step(), anew, {"type": "keep", "which": "new"}])
    state = kept(driver)[2]
    assert state["settings"]["clip_range"] == 0.01
    np.testing.assert_array_equal(state["theta"], driver.worker.trainer.network.theta.detach().numpy())


def test_a_change_that_waits_is_kept():
    driver = Driver([WANTED, step(), {"type": "set", "name": "clip_range", "value": 0.3}])
    assert kept(driver)[2]["pending"] == {"clip_range": 0.3}


def test_a_run_that_ends_within_an_update_loses_nothing_of_it():
    """Neither within its rollout, which becomes whole first, nor behind a minibatch."""
    whole = Driver([step(), step(), step()]).weights
    for orders in ([step(), step("minibatch")], [step(), {"type": "play"}, {"type": "stop", "at_once": True}]):
        driver = Driver([WANTED, *orders])
        assert driver.worker.trainer.under_way
        other, why = resumed(kept(driver)[2])
        assert why is None
        for phase in other.phases():
            if phase.kind is PhaseKind.UPDATE and other.updates == 3:
                break
        assert other.weights_sha256() == whole


def test_nothing_is_sent_where_nobody_keeps_it():
    assert not kept(Driver([step(), step()]))


def test_the_update_that_it_rests_behind_is_kept_to_be_made_again():
    """Although nobody had wanted its state before it began; nobody could go on from it, so it is no state."""
    driver = Driver([step(), step(), WANTED])
    assert list(kept(driver)) == [3]
    ((header, arrays),) = driver.of(Kind.ROLLOUT)
    assert header["before"] == 2 and header["alone"]
    tree = trees.decode(arrays["state"].tobytes())
    again = Trainer(driver.worker.trainer.settings)
    again.stand_at(tree["state"])
    *_, end = again.replay(Rollout.of(tree["rollout"]), **tree["made"])
    assert end.kind is PhaseKind.UPDATE and again.weights_sha256() == driver.weights


def test_what_was_changed_since_does_not_reach_an_update_that_is_made_again():
    """The next update has begun with another β, set by hand; the one before was made with what the KL had come to."""
    adaptive = {"objective": "kl_penalty", "kl_coef_target": 1e-3}
    changed = {"type": "set", "name": "kl_coef", "value": 2.0}
    driver = Driver([step(), step(), step(), changed, step("phase"), WANTED], **adaptive)
    ((header, arrays),) = driver.of(Kind.ROLLOUT)
    assert header["before"] == 3 and driver.worker.trainer.settings.kl_coef == 2.0
    tree = trees.decode(arrays["state"].tobytes())
    again = Trainer(driver.worker.trainer.settings)
    again.stand_at(tree["state"])
    for _ in again.replay(Rollout.of(tree["rollout"]), **tree["made"]):
        pass
    assert again.weights_sha256() == Driver([step(), step(), step()], **adaptive).weights
