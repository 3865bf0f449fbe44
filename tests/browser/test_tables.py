"""Numbers as CSV: what is saved is what Python computed with the same seed, whatever is drawn of it."""

import csv
import io

import numpy as np
import pytest
import torch

from ppo_scope.diagnosis.health import CHECKS
from ppo_scope.ppo import losses
from ppo_scope.ppo.losses import Region
from tests.browser.dashboard import Dashboard, only, until
from tests.browser.faults import Faults
from tests.browser.test_first_light import SEED, computed
from tests.live import LiveServer

TABLES = ("Surrogate", "Values", "Policy", "Gradients", "Step direction", "Sample", "Health")
RATE = 0.07  # far too long a step: samples of every region, and something to find
WORDS = {"inside": Region.INSIDE, "held": Region.HELD, "pulled back": Region.PULLED_BACK}


@pytest.fixture(scope="module")
def found():
    return computed(1, learning_rate=RATE)


@pytest.fixture(scope="module")
def dashboard(windows, tmp_path_factory):
    """One run at rest after its first update, in a window that holds all panels that are looked at."""
    server = LiveServer("--paused", "--seed", SEED, "--learning-rate", str(RATE), folder=tmp_path_factory.mktemp("run"))
    faults = Faults()
    with windows.lent(faults, viewport={"width": 1440, "height": 1800}) as window:
        dashboard = Dashboard(window.tab, only(server, *TABLES)).step(update="1")
        sample = dashboard.panel("Sample")
        until(sample.locator(".cover").is_hidden)
        sample.get_by_label("Find a sample").select_option(label="a held one")
        until(lambda: sample.locator(".sample").get_attribute("data-in-full") == "true")
        yield dashboard
    server.stop()
    assert not faults.unexpected()


def table(dashboard, panel):
    """The rows that the panel's menu saves, by their headings."""
    dashboard.panel(panel).hover()
    dashboard.panel(panel).get_by_role("button", name=f"Save {panel}").click()
    with dashboard.page.expect_download() as download:
        dashboard.panel(panel).get_by_role("button", name="Numbers as CSV").click()
    return list(csv.DictReader(io.StringIO(download.value.path().read_bytes().decode(), newline="")))


def numbers(rows, heading):
    return [float(row[heading]) for row in rows]


def at(rows, array):
    """The values of an array [environment, step] at the places of the rows."""
    return [float(array[int(row["environment"]), int(row["step"])]) for row in rows]


def test_every_sample_of_the_surrogate(dashboard, found):
    rows, arrays = table(dashboard, "Surrogate"), found.arrays
    region, used, ratio = arrays["region"], arrays["advantage_used"], arrays["ratio"]
    assert len(rows) == ((region != Region.NOT_TRAINED) & (used != 0)).sum()
    assert {row["update"] for row in rows} == {"1"}
    assert numbers(rows, "ratio") == at(rows, ratio)
    assert numbers(rows, "advantage_used") == at(rows, used)
    assert [WORDS[row["region"]] for row in rows] == at(rows, region)
    assert {"held", "pulled back"} <= {row["region"] for row in rows}
    zeros = torch.zeros(ratio.shape)
    loss = losses.policy_loss(
        "clip", zeros, torch.from_numpy(ratio), torch.from_numpy(used), losses.edges_of(0.2)
    ).numpy()
    assert numbers(rows, "objective") == pytest.approx(at(rows, -loss), rel=1e-5)


def test_every_sample_of_the_values(dashboard, found):
    rows, arrays = table(dashboard, "Values"), found.arrays
    assert len(rows) == (arrays["region"] != Region.NOT_TRAINED).sum()
    for name in ("value_target", "value", "value_now"):
        assert numbers(rows, name) == at(rows, arrays[name]), name
    assert numbers(rows, "in_minibatch") == at(rows, arrays["in_minibatch"])


def test_the_policy_in_its_states_its_entropies_and_its_shift(dashboard, found):
    rows, arrays = table(dashboard, "Policy"), found.arrays
    states = [row for row in rows if row["quantity"] == "policy"][: 2 * len(arrays["policy_places"])]
    assert [[int(row["environment"]), int(row["step"])] for row in states[::2]] == arrays["policy_places"].tolist()
    assert [row["name"] for row in states[:2]] == ["a = 0, push left", "a = 1, push right"]
    assert numbers(states, "before") == arrays["policy_before"].reshape(-1).tolist()
    assert numbers(states, "now") == arrays["policy_now"].reshape(-1).tolist()
    bins = [row for row in rows if row["quantity"] == "entropy"]
    assert [numbers(bins, "before"), numbers(bins, "now")] == arrays["entropy_counts"].tolist()
    assert numbers(bins, "name")[0] == pytest.approx(found.scalars["entropy_high"] / 128)
    shifts = [row for row in rows if row["quantity"] == "policy_shift"]
    assert numbers(shifts, "shift") == arrays["policy_shift"].tolist()


def test_the_gradients_layer_by_layer(dashboard, found):
    until(lambda: dashboard.panel("Gradients").locator(".chart").get_attribute("data-update") == "1")
    rows = {row["layer"]: row for row in table(dashboard, "Gradients")}
    layers, norms, cosines = (
        found.notes["gradients"]["layers"],
        found.arrays["gradient_norms"],
        found.arrays["gradient_cosines"],
    )
    assert rows.keys() == set(layers)
    for index, layer in enumerate(layers):
        row = rows[layer]
        terms = ("policy_loss", "value_loss", "entropy", "loss")
        assert [float(row[f"gradient_norm_{term}"]) for term in terms] == norms[:, index].tolist()
        weighted = [float(row[f"gradient_norm_{term}"]) for term in ("value_term", "entropy_term")]
        assert weighted == pytest.approx((norms[1:3, index] * [0.5, 0.01]).tolist())
        pairs = ("policy_loss_value_term", "policy_loss_entropy_term", "value_term_entropy_term")
        for pair, cosine in zip(pairs, cosines[:, index], strict=True):
            said = row[f"gradient_cosine_{pair}"]
            assert said == "" if np.isnan(cosine) else float(said) == cosine


def test_the_line_of_the_step_direction(dashboard, found):
    rows, arrays = table(dashboard, "Step direction"), found.arrays
    assert numbers(rows, "direction_at") == arrays["direction_at"].tolist()
    for heading, values in zip(
        ("policy_loss", "policy_loss_unclipped", "kl_exact"), arrays["direction_losses"], strict=True
    ):
        assert numbers(rows, heading) == values.tolist()


def test_one_sample_in_full(dashboard, found):
    rows, arrays = {row["name"]: row["value"] for row in table(dashboard, "Sample")}, found.arrays
    place = int(rows["environment"]), int(rows["step"])
    assert arrays["region_new"][place] == Region.HELD and rows["region_new"] == "held"
    names = "ratio_new log_prob_old log_prob_new gradient_policy gradient_total reward value value_target value_now"
    for name in (*names.split(), "advantage", "advantage_used"):
        assert float(rows[name]) == arrays[name][place], name
    ratio, used = arrays["ratio_new"][place], arrays["advantage_used"][place]
    assert float(rows["−r · Â"]) == -ratio * used
    assert float(rows["−clip(r, 0.8, 1.2) · Â"]) == -np.clip(ratio, np.float32(0.8), np.float32(1.2)) * used
    assert [float(rows[f"observation: {name}"]) for name in ("cart position", "pole velocity")] == arrays[
        "observation"
    ][place][[0, 3]].tolist()
    names = ("a = 0, push left", "a = 1, push right")
    for policy in ("policy_old", "policy_new"):
        assert [float(rows[f"{policy}: {name}"]) for name in names] == arrays[policy][place].tolist()
    taken = names.index(rows["action"])
    assert np.log(arrays["policy_old"][place][taken]) == pytest.approx(arrays["log_prob_old"][place], abs=1e-5)
    assert int(rows["update"]) == 1


def test_what_is_wrong_and_what_is_not(dashboard, found):
    rows = table(dashboard, "Health")
    (spike,) = [row for row in rows if row["name"] == "kl_spike"]
    check = next(check for check in CHECKS if check.name == "kl_spike")
    assert (spike["severity"], spike["since update"], spike["cause"]) == ("warning", "1", check.cause)
    assert f"was {found.scalars['kl_k3']:.3g} in the mean over the minibatches" in spike["summary"]
    rest = {row["name"]: row["summary"] for row in rows if row["severity"] == "not found"}
    assert rest["ratio_not_one"].startswith("|r − 1| at first ")
    unknown = {row["name"]: row["summary"] for row in rows if row["severity"] == "unknown"}
    assert unknown["useless_critic"] == "takes 10 updates to tell"
