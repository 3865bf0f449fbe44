"""What a term of the loss for the KL is called, and comes to of a sample, on the page as in Python."""

import numpy as np
import pytest

from ppo_scope.attach.kl_estimates import ESTIMATES
from tests.browser.dashboard import until
from tests.browser.stage import snapshot
from tests.browser.test_surrogate_kl import readout

RATIOS = [0.25, 0.9, 1.0, 1.3, 4.0]
PRICED = "return NAMES.map((name) => RATIOS.map((r) => m.priceOf({ settings: { kl_estimate: name } }).of(r)));"


def test_each_estimate_of_the_kl_is_of_a_sample_what_it_is_in_python(modules):
    found = modules("state/priced.js", PRICED.replace("NAMES", str([*ESTIMATES])).replace("RATIOS", str(RATIOS)))
    wanted = [of(np.log(RATIOS)) for of, _ in ESTIMATES.values()]
    assert np.array(found) == pytest.approx(np.array(wanted), abs=1e-12)


def test_the_legend_of_loss_components_has_the_very_term_that_the_formula_has(stage):
    header = snapshot(3)[0]
    scalars = {**header["scalars"], "penalty": 0.02}

    def told(**settings):
        return {"settings": {**header["settings"], "kl_coef": 0.5, **settings}, "scalars": scalars}

    played = stage(query="?panels=loss-components", **told(kl_estimate="k3"))
    until(lambda: "β·k3 0.0200" in readout(played.dashboard, "Loss components"))
    summary = played.dashboard.panel("Loss components").locator(".chart")
    until(lambda: "β·k3 %{customdata" in summary.evaluate("e => e.data.map((one) => one.hovertemplate).join()"))
    played.snapshot(3, **told(kl_estimate="k1"))
    until(lambda: "β·k1 0.0200" in readout(played.dashboard, "Loss components"))
    played.snapshot(3, **told())
    until(lambda: "β·KL 0.0200" in readout(played.dashboard, "Loss components"))


EXACT = {
    "kl": "β times the exact KL to π_old, of all probabilities in each state",
    "kl_forward": "β times the exact KL(π_old‖π_θ), of all probabilities in each state",
    "kl_reverse": "β times the exact KL(π_θ‖π_old), of all probabilities in each state",
}


@pytest.mark.parametrize("estimate", EXACT)
def test_an_exact_kl_to_the_old_policy_stands_in_the_formula_and_above_the_losses(stage, estimate):
    header = snapshot(3)[0]
    told = {
        "settings": {**header["settings"], "kl_coef": 0.5, "kl_estimate": estimate},
        "scalars": {**header["scalars"], "penalty": 0.02},
    }
    played = stage(query="?panels=loss-components,gradients", **told)
    until(lambda: "β·KL 0.0200" in readout(played.dashboard, "Loss components"))
    panel = played.dashboard.panel("Loss components").evaluate("e => e.innerHTML")
    assert EXACT[estimate].removeprefix("β times ") in panel and "reference" not in panel
    shown = [one for one in played.page.locator("#formula .price").all() if one.is_visible()]
    assert len(shown) == 1 and EXACT[estimate] in shown[0].inner_html()
