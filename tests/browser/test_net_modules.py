"""What comes from a server and goes there, as pure modules: frames, orders, a socket's silence."""

import struct

import pytest

# --- net/frame.js


def frame(header, payload=b""):
    text = header.encode()
    text += b" " * (-(len(text) + 4) % 8)
    return list(struct.pack("<I", len(text)) + text + payload)


def decode(modules, message, look):
    return modules("net/frame.js", f"const f = m.decode(new Uint8Array(given).buffer); return {look};", message)


def test_a_frame_gives_views_of_its_arrays(modules):
    header = (
        '{"kind": "snapshot", "arrays": {"a": {"dtype": "float32", "shape": [2, 2], "offset": 0},'
        ' "none": {"dtype": "float64", "shape": [0, 4], "offset": 16},'
        ' "b": {"dtype": "uint8", "shape": [3], "offset": 16}}}'
    )
    message = frame(header, struct.pack("<4f", 1, -2, 0.5, 8) + bytes([7, 8, 255]))
    shared = "f.arrays.a.buffer === f.arrays.b.buffer"
    look = f"[f.header.kind, [...f.arrays.a], f.arrays.none.length, [...f.arrays.b], {shared}]"
    assert decode(modules, message, look) == ["snapshot", [1, -2, 0.5, 8], 0, [7, 8, 255], True]


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ('{"arrays": {"a": {"dtype": "float32", "shape": [9], "offset": 0}}}', "RangeError"),
        ('{"arrays": {"a": {"dtype": "complex64", "shape": [0], "offset": 0}}}', "TypeError"),
        ('{"arrays": ', "SyntaxError"),
    ],
)
def test_a_broken_frame_is_refused(modules, header, error):
    name = modules(
        "net/frame.js",
        "try { m.decode(new Uint8Array(given).buffer); return null; } catch (error) { return error.name; }",
        frame(header),
    )
    assert name == error


# --- net/commands.js

ORDERS = """
    const heard = [];
    const commands = m.createCommands((message) => heard.push(message.id) > 0);
    const done = [];
    const note = (word) => () => void done.push(word);
    const soon = () => new Promise((resolve) => setTimeout(resolve));
"""


def test_what_was_ordered_is_settled_once_all_of_it_is_answered_or_lost(modules):
    found = modules(
        "net/commands.js",
        f"{ORDERS} await commands.settled(); for (const type of ['set', 'keep', 'step'])"
        " commands.send(type).then(note(type), note('lost'));"
        " commands.settled().then(note('settled')); await commands.settled(1); done.push('later');"
        " commands.settle({ type: 'ack', id: heard[0] }); await soon(); commands.settle({ type: 'ack', id: heard[2] });"
        " await soon(); commands.abandon(); await soon(); return done;",
    )
    assert found == ["later", "set", "step", "lost", "settled"]


# --- net/socket.js

SILENCE = """
const said = [], seconds = [], [Real, interval] = [window.WebSocket, window.setInterval];
window.setInterval = (second) => seconds.push(second);
window.WebSocket = class { constructor() { window.theirs = this; } };
const nothing = () => {};
const socket = new m.Socket({ onMessage: nothing, onLost: nothing, onQuiet: (quiet) => said.push(quiet) });
const pass = (count) => { for (let n = 0; n < count; n++) seconds[0](); return said.join(); };
const hear = () => { window.theirs.onmessage({ data: '{"type": "heartbeat"}' }); return said.join(); };
pass(2 * m.QUIET);
socket.connect();
[window.WebSocket, window.setInterval] = [Real, interval];
return [m.QUIET, pass(m.QUIET - 1), hear(), pass(m.QUIET - 1), pass(1), pass(3), hear(), hear()];
"""


def test_a_silent_server_is_noticed_in_the_seconds_in_which_a_page_could_have_heard_it(modules):
    """Not by the clock: a page that was busy for long has yet to look at what has come."""
    quiet, *said = modules("net/socket.js", SILENCE)
    assert quiet == 5
    assert said == ["", "", "", "true", "true", "true,false", "true,false"]
