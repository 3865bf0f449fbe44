"""What a term of the loss for the KL comes to of a sample, on the page as in Python."""

import numpy as np
import pytest

from ppo_scope.attach.kl_estimates import ESTIMATES

RATIOS = [0.25, 0.9, 1.0, 1.3, 4.0]
PRICED = "return NAMES.map((name) => RATIOS.map((r) => m.priceOf({ settings: { kl_estimate: name } }).of(r)));"


def test_each_estimate_of_the_kl_is_of_a_sample_what_it_is_in_python(modules):
    found = modules("state/priced.js", PRICED.replace("NAMES", str([*ESTIMATES])).replace("RATIOS", str(RATIOS)))
    wanted = [of(np.log(RATIOS)) for of, _ in ESTIMATES.values()]
    assert np.array(found) == pytest.approx(np.array(wanted), abs=1e-12)
