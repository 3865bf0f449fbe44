"""The page inside of another one: only where the server was told whose pages may."""

import functools
import http.server
import threading

import pytest

from tests.browser.dashboard import Dashboard, only, until
from tests.live import LiveServer


@pytest.fixture
def host(tmp_path):
    """Another server, whose page has the dashboard in a frame: (port, folder)."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, tmp_path
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_that_may_embeds_the_dashboard_and_no_other(host, page, ending, faults):
    faults.expect("frame-ancestors", "ERR_BLOCKED_BY_RESPONSE", "Blocked autofocusing")
    port, folder = host
    live = LiveServer("--paused", "--frame-ancestors", f"http://localhost:{port}")
    ending.append(live)
    frame = f"<iframe src='{live.base}?controls=hidden&panels=clip-mask' width=900 height=500></iframe>"
    (folder / "index.html").write_text(
        f"<!doctype html><title>a notebook</title><link rel=icon href='data:,'>{frame}", encoding="utf-8"
    )

    page.goto(f"http://localhost:{port}/")
    inner = until(lambda: next((one for one in page.frames if one.url.startswith(live.base)), None))
    until(lambda: inner.evaluate("document.body?.dataset.state") == "paused")
    assert inner.get_by_role("region", name="Clip mask").is_visible()
    assert not inner.get_by_role("button", name="Play", exact=True).is_visible()

    page.goto(f"http://127.0.0.1:{port}/")
    until(lambda: [one for one in page.frames if one.url.startswith("chrome-error:")])
    assert not [one for one in page.frames if one.url.startswith(live.base)], "another origin may not"
    Dashboard(page, only(live, "Clip mask"))
