"""The guide on a live run and on a recorded one: scenes are set when asked, numbers are the run's own, tasks notice."""

import contextlib
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ppo_scope.ppo.losses import Region
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes import frame
from tests.browser.dashboard import Dashboard, until
from tests.conftest import Faults
from tests.live import ROOT, LiveServer

SEED = "7"
CHAPTERS = range(1, 9)
SCENES = {
    1: {"phase": "gradient", "epoch": 1, "minibatch": 1},
    2: {"phase": "advantages"},
    3: {"phase": "loss", "epoch": 1, "minibatch": 1},
    4: {"phase": "epoch", "epoch": 4},
    5: {"phase": "update"},
    6: {"phase": "loss", "epoch": 1, "minibatch": 1},
    7: {"phase": "update"},
    8: {"phase": "update"},
}
LIT = {
    1: {"Loss components", "Gradients"},
    2: {"Advantages", "Values", "Clip mask", "Sample"},
    3: {"Loss components"},
    4: {"Ratio histogram", "Clip mask", "Surrogate"},
    5: {"Values", "Advantages", "Loss components"},
    6: {"Gradients"},
    7: {"Policy", "Loss components"},
    8: {"KL and clipping", "Ratio histogram", "Step direction"},
}
RECORDING = Path(ROOT) / "frontend" / "recordings" / "cartpole.rec"

# --- how the page writes numbers


def minus(text):
    return text.replace("-", "−")


def fixed(value, decimals):
    text = f"{value:.{decimals}f}"
    return minus(text.lstrip("-") if float(text) == 0 else text)


def percent(value):
    return f"{fixed(100 * value, 1)} %"


def number(value, digits=3):
    if value != 0 and abs(value) < 1e-3:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return minus(f"{float(mantissa):g}×10{raised}")
    return minus(f"{value:,.0f}" if abs(value) >= 10**digits else f"{float(f'{value:.{digits}g}'):g}")


def term(value):
    size = abs(value)
    if 1e-6 <= size < 1e-4:
        return number(value, 1)
    return fixed(value, 4 if size < 100 else 3 if size < 1000 else 2)


def flow(header, arrays):
    """Lengths of ∇L_PG and of c₁·∇L_VF where they could meet, and the cosine between them."""
    if "gradients" not in header["notes"]:
        return []  # their panel has just come into sight
    names, c1 = header["notes"]["gradients"]["layers"], header["settings"]["value_coef"]
    shared = any(name.startswith("trunk") for name in names)
    chosen = [name.startswith("trunk" if shared else "policy") for name in names]
    policy, value, *_ = arrays["gradient_norms"].astype(float)[:, chosen]
    if not shared:
        assert not value.any()
        return [number(np.linalg.norm(policy)), "0"]
    product = arrays["gradient_cosines"].astype(float)[0, chosen] @ (policy * value)
    lengths = np.linalg.norm(policy), np.linalg.norm(value)
    return [number(lengths[0]), number(c1 * lengths[1]), fixed(product / np.prod(lengths), 2)]


def numbers(chapter, header, arrays):
    """All live numbers of a chapter's text, in their order, from what the server holds of the moment."""
    s, used = header["scalars"], {name: f"{value}" for name, value in header["settings"].items()}
    return {
        1: lambda: [
            term(s["loss"]),
            number(s["gradient_norm"]),
            fixed(s["gradient_clip_factor"], 3),
            used["max_grad_norm"],
        ],
        2: lambda: ["Â", *(number(s[n]) for n in ("advantage_mean", "advantage_std", "explained_variance_before"))],
        3: lambda: [
            term(s["policy_loss"]),
            used["value_coef"],
            term(s["value_loss"]),
            used["entropy_coef"],
            term(s["entropy"]),
            term(s["loss"]),
        ],
        4: lambda: [
            *(fixed(s[n], 2) for n in ("ratio_min", "ratio_max")),
            *(percent(s[n]) for n in ("held_fraction", "clip_fraction", "pulled_back_fraction")),
        ],
        5: lambda: [
            term(s["value_loss"]),
            *(number(s[n]) for n in ("explained_variance_before", "explained_variance")),
        ],
        6: lambda: flow(header, arrays),
        7: lambda: [term(s["entropy"]), term(s["final_entropy"])],
        8: lambda: [
            number(s["final_kl_exact"]),
            *(fixed(s[n], 2) for n in ("final_ratio_min", "final_ratio_max")),
            used["epochs"],
        ],
    }[chapter]()


# --- the page


class Guided(Dashboard):
    """A page with its guide."""

    def __init__(self, page, live, query=""):
        self.live = live
        self.lease = None
        page.on("websocket", lambda socket: socket.on("framereceived", self._note_lease))
        super().__init__(page, f"{live.base}{query}#token={live.token}")

    def _note_lease(self, told):
        """The generation of the page's lease is told to it, and shown nowhere."""
        message = json.loads(told) if isinstance(told, str) else {}
        lease = message if message.get("type") == "lease" else message.get("lease")
        self.lease = lease["generation"] if lease else self.lease

    @property
    def guide(self):
        return self.page.locator("#guide")

    def choose(self, chapter):
        if not self.guide.is_visible():
            self.key("g")
        self.guide.get_by_role("button", name=f"Chapter {chapter}:").click()
        until(self.guide.inner_text, lambda text: f"chapter {chapter} of 8" in text)
        until(self.again, lambda text: text == "Set the scene again")
        return self.at(state="paused", **{name: str(value) for name, value in SCENES[chapter].items()})

    def again(self):
        return self.guide.locator("footer button").nth(1).inner_text()

    def numbers(self, part=".text"):
        return self.guide.locator(f"{part} .live-number").all_inner_texts()

    def lit(self):
        lit = self.page.locator(".panel[data-lit]")
        return set(lit.evaluate_all("panels => panels.map(panel => panel.ariaLabel)"))

    def task(self):
        return self.guide.locator(".task > p").inner_text()

    def reaction(self):
        return self.guide.locator(".reaction").inner_text()

    def note(self):
        return self.guide.locator(".note").inner_text()

    def done(self):
        until(self.reaction, lambda text: text.startswith("Done."))
        return self

    def not_yet(self):
        assert self.reaction() == ""
        return self

    def held(self):
        """The newest moment that the server holds."""
        of = f"api/runs/{self.live.run()['id']}/moments"
        sequence = json.loads(self.live.get(of))["moments"][-1][0]
        return frame.decode(self.live.get(f"{of}/{sequence}"))

    def place(self):
        """Where the run is, whatever the page shows."""
        header, _ = self.held()
        return tuple(header[name] for name in ("run", "update", "phase", "epoch", "minibatch"))

    def offer(self, label, pending):
        """Accept an offer, which then waits for the next update."""
        self.press(label)
        until(lambda: self.live.run()["pending"], lambda found: pending.items() <= found.items())
        return self

    def update_more(self):
        """One update; from within one, its rest."""
        more = self.data()["phase"] == "update"
        return self.step(update=str(self.update() + more), phase="update")

    def new_run(self, **settings):
        wanted = {"env": "CartPole-v1", "seed": int(SEED), **settings}
        before = self.live.run()["id"]
        post = "async ([settings, lease]) => (await import('./net/http.js')).postRun(settings, true, lease)"
        self.page.evaluate(post, [wanted, self.lease])
        until(lambda: self.live.run()["id"] != before)
        return self.at(state="paused", update="0")


@contextlib.contextmanager
def opened(chromium, *expected):
    """Opens pages that tolerate no fault but those that are expected: `open_page()`."""
    faults, contexts = Faults(), []
    faults.expect(*expected)

    def open_page():
        contexts.append(chromium.new_context(viewport={"width": 1440, "height": 900}))
        contexts[-1].on("page", faults.watch)
        return contexts[-1].new_page()

    yield open_page
    for context in contexts:
        context.close()
    assert not faults.unexpected()


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    live = LiveServer("--paused", "--seed", SEED, folder=tmp_path_factory.mktemp("guide"))
    yield live
    live.stop()


@pytest.fixture(scope="module")
def guided(chromium, live):
    with opened(chromium) as open_page:
        yield Guided(open_page(), live)


@pytest.fixture(scope="module")
def recorded(chromium, live):
    with opened(chromium, "recorded/pictures") as open_page:  # a recording has no picture of each sample
        yield Guided(open_page(), live, "?recording=cartpole").at(live="false", phase="ready")


# --- what each chapter asks for


def select_a_sample(guided):
    guided.panel("Clip mask").locator("canvas").first.click()
    guided.done()


def move_c1(guided):
    s = guided.held()[0]["scalars"]
    guided.not_yet().type("Value coefficient", 1).done()
    loss = s["policy_loss"] + s["value_loss"] - 0.01 * s["entropy"]
    assert guided.numbers(".reaction") == ["1", term(loss), term(s["loss"])]
    guided.type("Value coefficient", 0.5)


def shorten_the_leash(guided):
    _, arrays = guided.held()
    shares = []
    for clip_range in (0.05, 0.2):
        r, a = arrays["ratio"], arrays["advantage_used"]
        low, high = np.float32(1 - clip_range), np.float32(1 + clip_range)
        trained = (arrays["region"] != Region.NOT_TRAINED) & (arrays["in_minibatch"] == 1)
        shares.append(percent((((a > 0) & (r > high)) | ((a < 0) & (r < low)))[trained].mean()))
    guided.type("Clip range", 0.15)
    until(lambda: guided.mask()["preview"], lambda shown: shown == "0.15")
    guided.not_yet().type("Clip range", 0.05).done()
    assert guided.numbers(".reaction") == ["0.05", *shares]
    # Where it is small already, the task is the other way round.
    guided.choose(5).choose(4)
    until(guided.task, lambda text: "small already" in text)
    guided.not_yet().type("Clip range", 0.2).done()


def changed(guided, label, setting, before, after, back, rows):
    """Take the offer, see both updates side by side, and do the same the other way round."""
    was = guided.held()[0]
    guided.not_yet().offer(label, {setting: after}).not_yet()
    guided.update_more().done()
    now = guided.held()[0]
    assert (was["settings"][setting], now["settings"][setting]) == (before, after)
    assert guided.numbers(".reaction table") == [text for row in zip(rows(was), rows(now), strict=True) for text in row]
    guided.choose(1).choose(SCENES_AT_AN_UPDATE[setting]).not_yet()
    guided.offer(back, {setting: before}).update_more().done()


SCENES_AT_AN_UPDATE = {"objective": 5, "entropy_coef": 7, "epochs": 8}


def ask_no_critic(guided):
    def rows(header):
        s, objective = header["scalars"], header["settings"]["objective"]
        spread = [number(s[n]) for n in ("advantage_std", "advantage_mean", "explained_variance_before")]
        return [objective, str(header["update"]), {"clip": "Â", "reinforce": "G"}[objective], *spread]

    offer, back = "Set the objective to reinforce", "Set the objective to clip"
    changed(guided, offer, "objective", "clip", "reinforce", back, rows)


def share_a_trunk(guided):
    guided.not_yet().press("Begin a new run with a shared trunk").press("End this run")
    guided.at(state="paused", update="0").not_yet()
    guided.step("phase", phase="rollout").step("phase", phase="advantages").not_yet()
    guided.step("phase", phase="loss").done()
    shown = until(guided.numbers, lambda found: len(found) == 3 and found[0] != "–")
    assert shown == by_autograd(Settings.parse({"seed": int(SEED), "shared_network": True}))
    guided.choose(3).choose(6).not_yet()
    assert "one trunk and two heads already" in guided.task()
    guided.step("minibatch").step("phase", phase="loss", minibatch="2").done()


def by_autograd(settings):
    """The numbers of chapter 6 at the first loss, without the probe that the page reads them from."""
    trainer = Trainer(settings)
    phase = next(phase for phase in trainer.phases() if phase.kind is PhaseKind.LOSS)
    batch, (minibatch, *_), network = phase.update.batch, phase.update.minibatches, trainer.network
    outputs, values = network(batch.observations[minibatch.samples])
    log_probs, _ = trainer.distribution.evaluate(outputs, batch.actions[minibatch.samples])
    weights = minibatch.trained.double() / minibatch.trained.sum()
    losses = (
        ((-(log_probs - batch.log_probs[minibatch.samples]).exp() * minibatch.advantages).double() @ weights),
        0.5 * (((values - batch.targets[minibatch.samples]) ** 2).double() @ weights),
    )
    trunk = [part for name, part in network.parts().items() if "trunk" in name]
    found = [torch.autograd.grad(loss, network.theta, retain_graph=True)[0] for loss in losses]
    policy, value = (torch.cat([gradient[part] for part in trunk]).double() for gradient in found)
    trainer.close()
    lengths = float(policy.norm()), float(value.norm())
    return [number(lengths[0]), number(lengths[1]), fixed(float(policy @ value) / (lengths[0] * lengths[1]), 2)]


def pay_for_entropy(guided):
    def rows(header):
        s = header["scalars"]
        c2 = f"{header['settings']['entropy_coef']}"
        return [c2, str(header["update"]), *(term(s[n]) for n in ("entropy_term", "entropy", "loss"))]

    changed(guided, "Set c₂ to 0.1", "entropy_coef", 0.01, 0.1, "Set c₂ to 0.01", rows)


def overdo(guided):
    def rows(header):
        s, epochs = header["scalars"], header["settings"]["epochs"]
        shares = percent(s["clip_fraction"]), fixed(s["final_ratio_max"], 2), percent(s["effective_sample_size"])
        return [str(epochs), str(header["update"]), number(s["final_kl_exact"]), *shares]

    changed(guided, "Set the epochs to 20", "epochs", 4, 20, "Set the epochs to 4", rows)


TASKS = {
    1: lambda guided: guided.not_yet().step("phase", phase="step").done(),
    2: select_a_sample,
    3: move_c1,
    4: shorten_the_leash,
    5: ask_no_critic,
    6: share_a_trunk,
    7: pay_for_entropy,
    8: overdo,
}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_sets_its_scene_tells_its_numbers_and_notices_its_task(guided, chapter):
    guided.choose(chapter)
    assert guided.lit() == LIT[chapter]
    until(lambda: guided.numbers() == numbers(chapter, *guided.held()))
    guided.not_yet()
    TASKS[chapter](guided)
    assert guided.guide.get_by_role("button", name=f"Chapter {chapter}:").get_attribute("data-done") is not None


def test_the_last_chapter_ends_it(guided):
    guided.choose(8).press("Finish")
    until(lambda: not guided.guide.is_visible())


# --- nothing is done unasked


def test_a_reload_shows_the_chapter_and_touches_nothing(guided):
    guided.choose(2).step("phase", phase="loss")
    until(lambda: "chapter=2" in guided.page.evaluate("location.search"))
    before = guided.place()
    guided.page.reload()
    guided.at(state="paused", phase="advantages", live="false")
    assert guided.again() == "Set the scene"
    assert (guided.note(), guided.reaction()) == ("", "")
    assert until(guided.numbers)[0] == "Â"
    assert guided.place() == before
    guided.press("Set the scene").at(phase="advantages", live="true")
    until(guided.again, lambda text: text == "Set the scene again")


def test_a_reload_in_the_scene_stays_in_it(guided):
    guided.choose(3)
    until(lambda: "chapter=3" in guided.page.evaluate("location.search"))
    guided.page.reload()
    guided.at(state="paused", phase="loss", live="true")
    assert guided.again() == "Set the scene"


def test_a_link_to_a_chapter_neither_pauses_a_run_nor_steps_it(guided):
    guided.new_run()
    linked = Guided(guided.page, guided.live, "?chapter=1")
    until(linked.note, lambda text: text.startswith("Nothing was touched"))
    linked.at(state="paused", update="0", live="true")
    linked.press("Play").at(state="running", update="[1-9].*")
    linked.page.reload()
    until(linked.again, lambda text: text == "Set the scene")
    before = linked.live.run()["update"]
    until(lambda: linked.live.run()["update"] > before + 2)
    linked.at(state="running").press("Set the scene").at(state="paused", phase="gradient", epoch="1", minibatch="1")
    assert linked.note() == ""


def test_who_only_watches_is_shown_what_is_kept(guided, chromium):
    guided.new_run()
    with opened(chromium) as open_page:
        viewer = Dashboard(open_page(), guided.live.base)
        viewer.key("g")
        guide = viewer.page.locator("#guide")
        guide.get_by_text("No such moment is kept").wait_for()
        guided.step(update="1", phase="update")
        viewer.at(update="1").press("Set the scene again").at(phase="gradient", minibatch="1", live="false")
        until(guide.locator(".note").inner_text, lambda text: text == "")
        guide.get_by_role("button", name="Chapter 7:").click()
        until(guide.locator(".task > p").inner_text, lambda text: text.startswith("In control of the run"))
        assert not guide.get_by_role("button", name="Set c₂ to 0.1").is_visible()
    assert guided.data()["phase"] == "update"


# --- a recorded run


@pytest.fixture(scope="module")
def moments():
    """(update, phase, epoch, minibatch) → header and arrays, of the recording."""
    whole, found, at = gzip.decompress(RECORDING.read_bytes()), {}, 0
    while at < len(whole):
        length = int.from_bytes(whole[at : at + 8], "little")
        header, arrays = frame.decode(whole[at + 8 : at + 8 + length])
        if header["kind"] == "snapshot":
            found[tuple(str(header[name]) for name in ("update", "phase", "epoch", "minibatch"))] = header, arrays
        at += 8 + length
    return found


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_on_a_recorded_run(recorded, live, moments, chapter):
    trained = live.run()["update"]
    scene = {name: str(value) for name, value in SCENES[chapter].items()} | ({"epoch": "2"} if chapter == 4 else {})
    if not recorded.guide.is_visible():
        recorded.key("g")
    recorded.guide.get_by_role("button", name=f"Chapter {chapter}:").click()
    until(recorded.guide.inner_text, lambda text: f"chapter {chapter} of 8" in text)
    recorded.at(state="paused", update="42", **scene)
    assert recorded.lit() == LIT[chapter]
    data = recorded.data()
    held = moments[tuple(data[name] for name in ("update", "phase", "epoch", "minibatch"))]
    until(recorded.numbers, lambda shown: shown == numbers(chapter, *held))
    assert recorded.note() == recorded.reaction() == ""
    if chapter > 2:
        assert recorded.task().startswith("On a run that trains you would now: ")
        assert recorded.guide.locator(".task .beginner > button").is_hidden()
    else:
        TASKS[chapter](recorded)
    assert live.run()["update"] == trained, "nothing is trained"


def test_a_recorded_run_plays_while_the_guide_is_open(recorded):
    recorded.guide.get_by_role("button", name="Chapter 2:").click()
    recorded.at(phase="advantages").press("Play")
    until(lambda: recorded.data()["phase"], lambda phase: phase in {"loss", "gradient", "step"})
    recorded.press("Pause").at(state="paused")


def test_a_recording_that_is_not_there_is_said(live, page, faults):
    faults.expect("404")
    page.goto(f"{live.base}?recording=nothing")
    page.get_by_text("There is no recording “nothing” on this server").first.wait_for()
    until(lambda: page.evaluate("document.body.dataset.state") == "paused")
