"""The classes of the wire, which the page's types are made from, are what is really sent."""

import typing

import pytest
from pydantic import TypeAdapter, ValidationError

from ppo_scope.attach.connecting.script_news import tell
from ppo_scope.records.record import RunRecord
from ppo_scope.wire import headers, messages, told
from ppo_scope.wire.attaching import ScriptNews
from ppo_scope.wire.codes import LATEST, CloseCode, ErrorCode, Kind, RunState
from ppo_scope.wire.fields import fields, words_of
from ppo_scope.wire.run import Run, RunBrief
from tests.server.scope_page import Page, ServerProcess, wait_for
from tests.worker.driver import EVERYTHING, Driver, step

STRICT = {"extra": "forbid"}
"""Of the keys: whatever is sent has to be told of."""
HEADERS = {
    Kind.SNAPSHOT: headers.SnapshotHeader,
    Kind.PASSING: headers.SnapshotHeader,
    Kind.SERIES: headers.SeriesHeader,
    Kind.PROGRESS: headers.Header,
    Kind.COMPARISON: headers.ComparisonHeader,
}


def keyed(of):
    """A copy of a TypedDict that refuses keys that it does not name."""
    of.__pydantic_config__ = STRICT
    for hint in typing.get_type_hints(of).values():
        for part in (hint, *typing.get_args(hint)):
            if typing.is_typeddict(part) and not hasattr(part, "__pydantic_config__"):
                keyed(part)
    return TypeAdapter(of)


def problems(of, value):
    """What does not fit, in a few words."""
    try:
        keyed(of).validate_python(value)
    except ValidationError as error:
        return [f"{'.'.join(map(str, e['loc']))}: {e['type']}" for e in error.errors()]
    return [
        f"{name}: {value[name]}"
        for name, field in fields(of).items()
        if (words := words_of(field.hint)) is not None and value[name] not in set(words)
    ]


@pytest.fixture(scope="module")
def driver():
    redo = {"type": "redo", "settings": {"clip_range": 0.3}}
    return Driver([EVERYTHING, step("minibatch"), step(), redo, {"type": "keep", "which": "new"}, step()])


@pytest.mark.parametrize("kind", HEADERS)
def test_the_header_of_every_frame_is_as_its_class_says(driver, kind):
    sent = [header for header, _ in driver.of(kind)]
    assert sent or kind is Kind.PROGRESS
    assert [problems(HEADERS[kind], header) for header in sent] == [[]] * len(sent)


def test_a_run_is_told_of_as_its_class_says_with_all_that_is_known_once_it_has_begun(driver):
    record = RunRecord("run", driver.worker.trainer.settings.model_dump(mode="json"))
    assert problems(Run, record.describe("starting", None)) == ["device: string_type"], "the server adds it"
    (started,) = driver.events("started")
    record.started(started)
    run = record.describe("paused", None)
    assert problems(Run, run) == [] and run["max_entropy"] > 0 and run["wrappers"]
    assert problems(RunBrief, record.brief("paused")) == []
    assert problems(told.StateTold, record.status("paused", None)) == []


def test_every_message_is_as_its_class_says():
    of = {typing.get_args(typing.get_type_hints(one)["type"])[0]: one for one in typing.get_args(told.Told)}
    with ServerProcess("evaluates") as server:
        wait_for(lambda: server.run()["state"] == "paused")
        with Page(server, cookie=server.cookie()) as page:
            page.wait("lease", holder=True)
            assert page.ask("step", size="update")["type"] == "ack"
            assert page.ask("set", name="clip_range", value=0.3)["type"] == "ack"
            tell(f"{server.origin}/#token={server.token}", ScriptNews(script="train.py", code=3))
            assert page.wait("awaited")["code"] == 3
            page.wait("evaluations")
            assert problems(Run, server.run()) == [] and len(server.run()["evaluations"]) == 1
            assert page.ask("open", led=False, run="nowhere")["type"] == "error"
            assert page.ask("restart", settings={"seed": 2})["type"] == "ack"
            page.wait("run")
            page.wait("runs")
            page.wait("change")
            assert {message["type"] for message in page.messages} | {"heartbeat"} == set(of)
            assert [p for message in page.messages for p in problems(of[message["type"]], message)] == []
        run = server.run()
        assert problems(Run, run) == []


def test_what_no_class_tells_of_would_be_noticed(driver):
    header, _ = driver.of("snapshot")[-1]
    assert problems(headers.SnapshotHeader, {**header, "more": 1}) == ["more: extra_forbidden"]
    assert problems(headers.SnapshotHeader, {**header, "phase": "lunch"}) == ["phase: literal_error"]
    assert problems(headers.SnapshotHeader, {**header, "findings": [{}]})


def test_the_codes_have_words_and_everything_that_pages_get_has_a_kind():
    for codes in (ErrorCode, CloseCode, RunState, Kind):
        assert all(code.meaning for code in codes)
    assert set(HEADERS) >= set(LATEST) - {Kind.PICTURE}
    assert {typing.get_args(fields(one)["type"].hint)[0] for one in messages.TYPES} >= {"open", "end", "watch"}
