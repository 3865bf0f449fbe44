"""Recordings are opened by link, by file and by command; broken ones are refused in a sentence."""

import base64
import gzip
import struct

import pytest

from ppo_scope.wire import frame
from tests.browser.dashboard import Dashboard, panels_alone, until
from tests.browser.stage import RECORDING, recorded
from tests.browser.test_view import search
from tests.live import LiveServer

GIVEN = """
    const bytes = Uint8Array.from(atob(given), (c) => c.charCodeAt(0));
    const before = window.fetch;
    window.fetch = async () => new Response(bytes);
    try {
        const { run, snapshots } = await m.loadRecording("x");
        return `${run.id} ${snapshots.length}`;
    } catch (error) {
        return error.message;
    } finally {
        window.fetch = before;
    }
"""


def pack(*frames):
    return gzip.compress(b"".join(struct.pack("<Q", len(one)) + one for one in frames))


def head(**fields):
    header = {"protocol": frame.PROTOCOL, "kind": "run", "run": recorded()[0], "scalars": {}, **fields}
    return frame.encode(header)


def moment():
    header, arrays = next(one for one in recorded()[1] if one[0]["kind"] == "snapshot")
    return frame.encode({name: value for name, value in header.items() if name != "arrays"}, arrays)


def series():
    fields = {"protocol": frame.PROTOCOL, "kind": "series", "run": "recorded", "sequence": 1, "first": 1}
    return frame.encode({**fields, "columns": [], "scalars": {}})


GOOD = RECORDING.read_bytes()
LONG = gzip.compress(struct.pack("<Q", 2**30) + head())
BROKEN = {
    "empty": (b"", "its file is empty"),
    "a page": (b"<!doctype html>", "its file is no recording, which would be packed with gzip"),
    "cut off": (GOOD[: len(GOOD) // 2], "its file is damaged or cut off"),
    "damaged": (GOOD[:2000] + b"\xff" * 50 + GOOD[2050:], "its file is damaged or cut off"),
    "nothing in it": (gzip.compress(b""), "it does not begin with a run"),
    "a length of a gigabyte": (LONG, "it is cut off in the middle of a frame"),
    "half a length": (gzip.compress(b"\x01\x02"), "it is cut off in the middle of a frame"),
    "a frame of noise": (pack(head(), b"\x04\x00\x00\x00noise"), "frame 2 of it is damaged"),
    "a frame of nothing": (pack(b""), "frame 1 of it is damaged"),
    "no run": (pack(moment()), "it does not begin with a run"),
    "half a run": (pack(head(run={"id": "x"}), moment()), "it does not begin with a run"),
    "another protocol": (pack(head(protocol=99), moment()), "it is of protocol 99, and this page reads"),
    "no moment": (pack(head(), series()), "there is no moment in it that could be shown"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_with_a_recording_is_said_in_a_sentence(modules, name):
    file, why = BROKEN[name]
    said = modules("source/file.js", GIVEN, base64.b64encode(file).decode())
    assert said.startswith(f"The recording “x” cannot be shown: {why}"), said
    assert said.endswith(".")


def test_the_recording_that_comes_with_the_page_can_be_read(modules):
    moments = sum(header["kind"] in {"snapshot", "passing"} for header, _ in recorded()[1])
    assert modules("source/file.js", GIVEN, base64.b64encode(GOOD).decode()) == f"recorded {moments}"


def test_the_run_at_hand_is_shown_in_place_of_a_broken_recording(stage):
    played = stage(query="?recording=broken", recording=GOOD[: len(GOOD) // 2])
    played.dashboard.at(update="3", state="paused")
    played.sees(
        "The recording “broken” cannot be shown: its file is damaged or cut off. The run at hand is shown instead."
    )
    assert until(lambda: played.page.get_by_role("button", name="Play", exact=True).is_enabled())


DROP = """([name, text]) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
}"""


def test_a_file_is_opened_by_dropping_it_or_by_choosing_it(stage, page, tmp_path):
    played = stage()
    page.evaluate(DROP, ["My run.rec", base64.b64encode(GOOD[:5000]).decode()])
    played.sees("“My run.rec” cannot be shown: its file is damaged or cut off.")
    page.evaluate(DROP, ["My run.rec", base64.b64encode(GOOD).decode()])
    page.wait_for_url("**my-run**")
    dashboard = Dashboard.of(page).at(state="paused", update="0")
    page.reload()
    dashboard.at(state="paused", update="0")
    dashboard.press("Share")
    assert "Nobody else can open this address" in page.locator(".share").inner_text()
    assert "whoever opens the link has to open the file first" in page.locator(".share").inner_text()
    dashboard.press("Close").key("?")
    file = tmp_path / "other.rec"
    file.write_bytes(GOOD)
    page.get_by_label("A recording", exact=True).set_input_files(file)
    page.wait_for_url("**other**")
    dashboard.at(state="paused", update="0")


def test_a_file_is_opened_by_a_command(tmp_path, page, ending):
    file = tmp_path / "My run.rec"
    file.write_bytes(GOOD)
    live = LiveServer(str(file), verb="open")
    ending.append(live)
    assert live.url.endswith("/?recording=my-run")
    assert live.run_count() == 0, "nothing is trained"
    page.goto(live.url)
    dashboard = Dashboard.of(page).at(state="paused", update="0")
    dashboard.key("ArrowRight").at(state="paused", update="1")


def test_at_the_end_of_a_recording_step_says_why_it_goes_no_further(shared_server, page):
    page.goto(f"{shared_server().base}{panels_alone('Loss components')}&recording=cartpole")
    dashboard = Dashboard.of(page).at(state="paused", update="0")
    step = page.get_by_role("button", name="Step", exact=True)
    step.focus()
    for _ in recorded()[1]:
        if step.is_disabled():
            break
        shown = dashboard.data()
        page.keyboard.press("Enter")
        until(lambda shown=shown: dashboard.data() != shown or step.is_disabled())
    assert step.get_attribute("title") == "The recording ends here. Go back with ←."
    assert page.locator(".toasts").inner_text() == "", "nobody has to try it"
    assert page.evaluate("document.activeElement.innerText") == "Back", "who presses Enter once more begins nothing"
    page.keyboard.press("Enter")
    until(step.is_enabled)


def test_a_recording_behind_the_printed_link_leaves_the_token_whole(shared_server, page):
    page.goto(f"{shared_server().url}?recording=cartpole")
    Dashboard.of(page).at(state="paused", update="0")
    assert search(page)["recording"] == ["cartpole"]
    assert page.evaluate("localStorage.getItem('ppo-scope.session')"), "the token was taken"
    assert "token" not in page.url


SPLIT = {
    ("#token=a-_b", ""): ("a-_b", ""),
    ("#token=ab?recording=x&stage=y", ""): ("ab", "?recording=x&stage=y"),
    ("#token=ab&recording=x", "?theme=dark"): ("ab", "?theme=dark&recording=x"),
    ("#token=ab?", "?theme=dark"): ("ab", "?theme=dark"),
    ("#formula", "?theme=dark"): (None, "?theme=dark"),
    ("", ""): (None, ""),
}


def test_what_stands_behind_the_token_goes_to_where_it_belongs(modules):
    found = modules(
        "net/session.js", "given.map(([hash, search]) => m.splitLink(hash, search))", list(map(list, SPLIT))
    )
    assert [(one["token"], one["search"]) for one in found] == list(SPLIT.values())


def test_what_a_recording_does_not_hold_is_told_from_what_nobody_looked_at(modules):
    """A probe may be younger than the recording."""
    given = "const snapshot = { header: { measured: ['ratio'], update: 3, phase: 'update', kind: 'snapshot' } };"
    asked = "m.whyNotMeasured({ probes: ['values'] }, { snapshot, past: {}, recorded: given })"
    assert modules("state/measuring.js", f"{given} return {asked};", True) == "This recording does not hold it."
    assert "no page showed this panel then" in modules("state/measuring.js", f"{given} return {asked};", False)
