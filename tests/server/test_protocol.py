"""What pages may say, and what happens to them when they say something else."""

import contextlib
import json
import time

import pytest
from websockets.exceptions import ConnectionClosed

from tests.server.scope_page import SLACK, Page

LEAD = '"id":"x","lease":1'
MALFORMED = {
    "not json": "play",
    "empty": "",
    "null": "null",
    "array": "[]",
    "string": '"play"',
    "no type": '{"id":"x"}',
    "unknown type": '{"type":"destroy","id":"x"}',
    "extra field": f'{{"type":"play",{LEAD},"now":true}}',
    "missing lease": '{"type":"play","id":"x"}',
    "lease as text": '{"type":"play","id":"x","lease":"1"}',
    "lease as boolean": '{"type":"play","id":"x","lease":true}',
    "id as number": '{"type":"play","id":5,"lease":1}',
    "id too long": json.dumps({"type": "play", "id": "x" * 65, "lease": 1}),
    "unknown size": f'{{"type":"step",{LEAD},"size":"decade"}}',
    "NaN": f'{{"type":"set",{LEAD},"name":"clip_range","value":NaN}}',
    "Infinity": f'{{"type":"set",{LEAD},"name":"clip_range","value":-Infinity}}',
    "1e999": f'{{"type":"set",{LEAD},"name":"clip_range","value":1e999}}',
    "1e999 deep inside": f'{{"type":"restart",{LEAD},"settings":{{"hidden_sizes":[1,[-1e999]]}}}}',
    "nested": f'{{"type":"set",{LEAD},"name":"clip_range","value":{"[" * 7000}{"]" * 7000}}}',
    "lone surrogate": f'{{"type":"set",{LEAD},"name":"\\ud800","value":1}}',
    "number without end": f'{{"type":"set",{LEAD},"name":"clip_range","value":{"1" * 5000}}}',
    "truncated": '{"type":"play"',
    "bytes": b'{"type":"heartbeat"}',
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_message_is_answered_and_harms_nothing(scripted, raw):
    with Page(scripted, cookie=scripted.cookie()) as page:
        before = scripted.run()
        page.send(raw)
        error = page.wait("error", code="malformed")
        readable = isinstance(raw, str) and '"id":"x"' in raw
        parsed = readable and error["message"].startswith("This is not JSON") is False
        assert error["id"] == ("x" if parsed else None)
        assert "\n" not in error["message"]
        assert page.ask("watch", led=False, probes=["ratio"])["type"] == "ack"  # the connection stays
        assert scripted.run() == before


def test_three_malformed_messages_close_the_connection(scripted):
    with Page(scripted) as page:
        for _ in range(3):
            page.send("{")
        assert page.closed() == 1008
        assert len([m for m in page.messages if m["type"] == "error"]) == 3


def test_a_message_over_16_kilobytes_closes_the_connection(scripted):
    with Page(scripted) as page:
        page.send('{"type":"heartbeat"' + " " * 16_384 + "}")
        assert page.closed() == 1009


def test_a_message_of_exactly_16_kilobytes_is_read(scripted):
    with Page(scripted) as page:
        text = '{"type":"watch","id":"long","probes":[]}'
        page.send(text + " " * (16_384 - len(text)))
        assert page.reply("long")["type"] == "ack"


def test_the_same_command_twice_is_applied_once_and_answered_twice(scripted, page):
    before = scripted.run()["update"]
    message = {"type": "step", "id": "once", "lease": page.lease["generation"], "size": "update"}
    for _ in range(3):
        page.say(**message)
    page.until(lambda: len([m for m in page.messages if m.get("id") == "once"]) >= 1)
    time.sleep(0.2)
    page.say(**message)
    page.until(lambda: len([m for m in page.messages if m == {"type": "ack", "id": "once"}]) >= 2)
    assert scripted.run()["update"] == before + 1


def test_a_command_sent_again_after_a_reconnect_is_applied_once(scripted):
    cookie = scripted.cookie()
    with Page(scripted, tab="again", cookie=cookie) as page:
        page.wait("lease", holder=True)
        before = scripted.run()["update"]
        message = {"type": "step", "id": "retried", "lease": page.lease["generation"], "size": "update"}
        page.say(**message)
        assert page.reply("retried")["type"] == "ack"
        sequence = page.until(lambda: page.headers("series"))[-1]["sequence"]
        page.socket.socket.close()  # breaks, without a farewell
    with Page(scripted, tab="again", cookie=cookie, sequence=sequence) as page:
        page.wait("lease", holder=True)
        page.say(**message)
        assert page.reply("retried")["type"] == "ack"
        assert scripted.run()["update"] == before + 1


def test_a_reloaded_page_may_count_its_commands_anew(scripted):
    cookie, before = scripted.cookie(), scripted.run()["update"]
    for loads in (1, 2):
        with Page(scripted, tab="reloaded", cookie=cookie) as page:
            page.wait("lease", holder=True)
            page.say(type="step", id="step-1", lease=page.lease["generation"], size="update")
            assert page.reply("step-1")["type"] == "ack"
            assert scripted.run()["update"] == before + loads
            page.socket.socket.shutdown(2)


def test_two_tabs_may_use_the_same_identifiers(scripted, page):
    with Page(scripted) as second:
        for each in (page, second):
            each.say(type="watch", id="same", probes=[])
            assert each.reply("same")["type"] == "ack"


def test_step_while_running_is_a_conflict(page):
    assert page.ask("play")["type"] == "ack"
    assert page.ask("step", size="update")["code"] == "conflict"
    assert page.ask("pause")["type"] == "ack"


def test_a_command_before_resume_is_refused(scripted):
    with Page(scripted, cookie=scripted.cookie(), resume=False) as page:
        page.say(type="play", id="early", lease=1)
        assert page.reply("early")["code"] == "conflict"


def test_a_page_of_an_older_protocol_is_told_to_reload(scripted):
    with Page(scripted, resume=False) as page:
        old = {"protocol": 0, "client": "old", "server_epoch": None, "run": None, "sequence": None}
        page.say(type="resume", **old)
        assert "Reload the page" in page.wait("error")["message"]
        assert page.closed() == 1008


def test_too_many_messages_are_throttled_then_closed(scripted):
    with Page(scripted, tab="hasty") as page, Page(scripted, tab="calm") as calm:
        start = time.monotonic()
        with contextlib.suppress(ConnectionClosed):
            for number in range(2000):
                page.say(type="watch", id=f"w{number}", probes=[])
        assert page.closed() == 1008
        replies = [m for m in page.messages if m["type"] in {"ack", "error"}]
        accepted = [m for m in replies if m["type"] == "ack"]
        assert 100 <= len(accepted) <= 100 * (2 + time.monotonic() - start)
        assert len([m for m in replies if m.get("code") == "throttled"]) >= 100
        assert calm.ask("watch", led=False, probes=[], timeout=1 + SLACK)["type"] == "ack"


def test_a_burst_within_the_rate_is_served(scripted):
    with Page(scripted, tab="burst") as page:
        for number in range(90):
            page.say(type="watch", id=f"b{number}", probes=[])
        page.until(lambda: len([m for m in page.messages if m["type"] == "ack"]) == 90)
