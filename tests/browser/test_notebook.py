"""The dashboard in a notebook, through the address of a real Jupyter server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request

import pytest

import ppo_scope
from tests.browser.dashboard import until
from tests.kept import run_on_disk
from tests.live import LiveServer, free_port

BASE = "/user/ada/"
PAGE = """<!doctype html><title>a notebook</title><link rel=icon href='data:,'>
<script id="jupyter-config-data" type="application/json">%s</script><body>%s</body>"""


@pytest.fixture
def jupyter(tmp_path):
    """The address of a Jupyter server, below a prefix as on a hub."""
    port = free_port()
    options = [
        f"--ServerApp.port={port}",
        f"--ServerApp.base_url={BASE}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={tmp_path}",
        "--ServerApp.open_browser=False",
        "--ServerApp.allow_root=True",
        "--IdentityProvider.token=",
        "--ServerApp.jpserver_extensions=jupyter_server_proxy=True",
    ]
    places = {name: str(tmp_path / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "HOME")}
    with (tmp_path / "jupyter.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", *options],
            env={**os.environ, **places},
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )

    def listens():
        assert process.poll() is None, (tmp_path / "jupyter.log").read_text()
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}{BASE}api", timeout=5).status == 200
        except OSError:
            return False

    until(listens)
    yield f"http://127.0.0.1:{port}{BASE}"
    process.terminate()
    process.wait(30)


KERNEL = """
import json, sys, ppo_scope
shown = ppo_scope.show(sys.argv[1])
assert ppo_scope.show(ppo_scope.load(sys.argv[1])).link == shown.link, "one server for each run"
print(json.dumps([shown.link, shown._repr_html_()]), flush=True)
sys.stdin.read()
"""


def frame_in(page, place, output):
    """The dashboard in a page of Jupyter's that shows this output."""
    content = PAGE % (json.dumps({"baseUrl": BASE}), output)
    page.route(f"{place}lab", lambda route: route.fulfill(body=content, content_type="text/html"))
    page.goto(f"{place}lab")
    return until(lambda: next((one for one in page.frames if "/proxy/" in one.url), None))


def painted(frame):
    return frame.evaluate("({...document.body?.dataset})")


def test_a_run_under_way_and_one_that_is_kept_are_shown_and_led(page, jupyter, faults, ending, tmp_path):
    faults.expect("Blocked autofocusing")
    live = LiveServer("--paused", "--seed", "7")
    ending.append(live)
    inner = frame_in(page, jupyter, ppo_scope.show(live.url)._repr_html_())
    until(lambda: painted(inner).get("state") == "paused")
    inner.get_by_role("button", name="Step", exact=True).click()
    until(lambda: painted(inner).get("update") == "1")
    assert live.run()["update"] == 1, "who has the link leads, by requests and by the websocket"
    page.goto("about:blank")
    live.interrupt()

    run = run_on_disk(tmp_path, 3)
    kernel = subprocess.Popen(
        [sys.executable, "-c", KERNEL, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    link, output = json.loads(kernel.stdout.readline())
    page.unroute(f"{jupyter}lab")
    inner = frame_in(page, jupyter, output)
    until(lambda: painted(inner).get("update") == "3")
    page.goto("about:blank")
    kernel.kill()
    kernel.communicate()
    until(lambda: not answers(link))  # its server ends with it


def answers(link):
    try:
        return urllib.request.urlopen(f"{link.split('#')[0]}api/health", timeout=5).status == 200
    except OSError:
        return False


def test_what_cannot_be_shown_is_said(tmp_path):
    with pytest.raises(ValueError, match="there is no run"):
        ppo_scope.show("nowhere", tmp_path)
