"""What no page of a test may do is noticed."""

import pytest

from tests.browser.dashboard import until

ASK = {
    "a picture": ("new Image().src = url", "https://ppo-scope.example/a.png"),
    "data": ("fetch(url).catch(() => null)", "http://ppo-scope.example/data"),
    "data of an address": ("fetch(url).catch(() => null)", "http://192.0.2.1:8080/data"),
    "data of an address of version 6": ("fetch(url).catch(() => null)", "http://[2001:db8::1]/data"),
    "data, and nobody waits": ("navigator.sendBeacon(url)", "https://ppo-scope.example/beacon"),
    "a page that may be wanted": (
        "document.head.append(Object.assign(document.createElement('link'), {rel: 'prefetch', href: url}))",
        "https://ppo-scope.example/next",
    ),
    "a frame": (
        "document.body.append(Object.assign(document.createElement('iframe'), {src: url}))",
        "https://127.0.0.1.example/frame",
    ),
    "a socket": ("new WebSocket(url)", "wss://ppo-scope.example/socket"),
}


def noticed(page, faults, words):
    page.evaluate("0")  # while nothing is asked of it, nothing is heard of it
    return any(words in seen for seen in faults.unexpected())


@pytest.mark.parametrize("asked", ASK)
def test_a_request_that_leaves_the_machine(page, faults, asked):
    script, url = ASK[asked]
    page.goto("about:blank")  # which has no rules against it, as our page has
    assert not faults.unexpected()
    page.evaluate(f"url => void ({script})", url)
    until(lambda: noticed(page, faults, f"left the machine: {url}"))
    faults.expect(url, "ppo-scope.example")


@pytest.mark.parametrize("script", ["console.error('a fault')", "setTimeout(() => { throw Error('a fault') })"])
def test_an_error(page, faults, script):
    page.goto("about:blank")
    page.evaluate(f"() => void ({script})")
    until(lambda: noticed(page, faults, "a fault"))
    faults.expect("a fault")
