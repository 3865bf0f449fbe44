"""What else is installed beside it does not change what a server runs on."""

import json
import urllib.request

from tests.live import LiveServer

NOT_OURS = "def new_event_loop():\n    raise AssertionError('nobody has asked for this event loop')\n"
"""uvicorn takes an event loop of this name where there is one."""


def test_an_event_loop_that_happens_to_be_installed_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / "uvloop.py").write_text(NOT_OURS)
    (tmp_path / "httptools.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    server = LiveServer("--env", "CartPole-v1", anew=True)
    try:
        with urllib.request.urlopen(server.base + "api/health", timeout=60) as answer:
            assert json.load(answer)
    finally:
        assert server.stop() == 0
