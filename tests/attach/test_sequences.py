"""A language model's loop, by `ppo_scope.Scope`, on the page: sequences × tokens, what they say, and no critic."""

import threading

import numpy as np
import pytest

import ppo_scope
from tests.attach.elsewhere import the_run, waiting_server
from tests.browser.dashboard import Dashboard, until
from tests.live import chromium

TOKENS, SEQUENCES = 6, 4
WORDS = [["yes", " it", "\n", " is", " so", "."], ["no"], ["may", "be"], ["yes", " yes", "!"]]
LENGTHS = [len(one) for one in WORDS]


def shown(scope):
    """One update of one minibatch, of which the padding is nonsense."""
    mask = np.arange(TOKENS)[:, None] < LENGTHS
    nonsense = np.where(mask, 0.0, 7.0).astype(np.float32)
    credit = np.broadcast_to(np.float32([1, -1, 0.5, -0.5]), mask.shape)
    scope.rollout(
        actions=np.zeros(mask.shape, np.int64),
        rewards=np.where(np.arange(TOKENS)[:, None] == np.array(LENGTHS) - 1, 2.0, 0.0),
        log_probs=-1 - nonsense,
        advantages=credit,
        dones=np.arange(TOKENS)[:, None] == np.array(LENGTHS) - 1,
        mask=mask,
        text=WORDS,
    )
    moved = np.where(mask, np.log(1.1), 30.0)
    moved[2, 0] = np.log(1.5)
    scope.minibatch(
        samples=np.arange(mask.size),
        log_prob=(-1 + moved).reshape(-1),
        old_log_prob=np.full(mask.size, -1.0),
        advantages=credit.reshape(-1),
        entropy=np.where(mask, 0.5, 9.0).reshape(-1),
    )
    scope.update()


@pytest.fixture
def dashboard():
    """A page on its loop, which is held at the end of its first update."""
    server = waiting_server()
    scope = ppo_scope.Scope(clip_range=0.2, value_coef=0.0, env="tiny", url=server.url, paused=True)
    training = threading.Thread(target=lambda: [shown(scope), shown(scope), scope.close()], daemon=True)
    training.start()
    the_run(server)
    with chromium() as browser:
        yield Dashboard(browser.new_page(viewport={"width": 1400, "height": 1000}), server.url)
    server.kill()
    training.join(60)


def test_tokens_are_shown_as_what_they_say_and_padding_counts_for_nothing(dashboard):
    look = dashboard.page
    look.locator("#panel-clip-mask").scroll_into_view_if_needed()
    dashboard.step(update="1", phase="update")
    cells = look.locator(".mask-cells")
    until(lambda: cells.get_attribute("data-update"), lambda update: update == "1")
    counted = [int(cells.get_attribute(f"data-{name}")) for name in ("inside", "held", "not-trained")]
    assert counted == [sum(LENGTHS) - 1, 1, TOKENS * SEQUENCES - sum(LENGTHS)]
    cells.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "Enter"):
        look.keyboard.press(key)
    sample = look.locator("#panel-sample")
    until(lambda: sample.inner_text(), lambda text: "Sequence 0, token 2 “⏎”" in text)
    assert sample.locator("mark").inner_text() == "⏎"
    assert "held" in sample.inner_text() and "critic's" not in sample.inner_text()
    sample.locator(".sample-text > span").nth(0).click()
    until(lambda: sample.inner_text(), lambda text: "Sequence 0, token 0 “yes”" in text)
    values = look.locator("#panel-values")
    values.scroll_into_view_if_needed()
    until(lambda: values.inner_text(), lambda text: "its training loop does not have a critic" in text)
    dashboard.press("Play")
    dashboard.at(state="finished")
