"""Faults of the training process, of the server's surroundings and of pages."""

import contextlib
import itertools
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.live import ROOT, LiveServer
from tests.programs import run
from tests.server.scope_page import (
    PATIENCE,
    SLACK,
    Page,
    ServerProcess,
    alive,
    children,
    masked,
    raw_websocket,
    wait_for,
)

RESUME = '{"type":"resume","protocol":3,"client":"idle","server_epoch":null,"run":null,"sequence":null}'


def restart_works(server, page):
    assert page.ask("restart", settings={})["type"] == "ack"
    page.until(lambda: page.messages[-1])
    return server.run()


# The training process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_killed_process_is_told_within_a_second_and_can_be_restarted(launch, number):
    server = launch()
    with Page(server, cookie=server.cookie()) as page:
        page.wait("state", state="paused")
        worker, start = server.worker_pid(), time.monotonic()
        os.kill(worker, number)
        state = page.wait("state", state="killed")
        assert time.monotonic() - start < 1 + SLACK
        assert number.name in state["cause"]["summary"]
        assert state["cause"]["remedy"]
        for command in ({"type": "play"}, {"type": "step", "size": "update"}):
            assert page.ask(**command)["code"] == "not_running"
        assert restart_works(server, page)["state"] in {"starting", "paused"}
        assert page.ask("step", size="update")["type"] == "ack"


def test_a_command_that_the_process_takes_to_its_grave_is_answered(launch):
    server = launch("hangs")
    with Page(server, cookie=server.cookie()) as page:
        page.wait("state", state="paused")
        page.say(type="play", id="last", lease=page.lease["generation"])
        time.sleep(0.2)
        os.kill(server.worker_pid(), signal.SIGKILL)
        assert page.reply("last")["code"] == "not_running"


def test_death_before_the_first_message_leaves_its_last_words(launch):
    server = launch("dies_at_once")
    with Page(server) as page:
        state = page.wait("state", state="failed")
        assert "exit code 3" in state["cause"]["summary"]
        assert "a library is missing" in state["cause"]["detail"]


def test_a_worker_that_cannot_be_imported_leaves_its_traceback(launch):
    server = launch("no_such_module:main")
    with Page(server) as page:
        state = page.wait("state", state="failed")
        assert "No module named 'no_such_module'" in state["cause"]["detail"]


def test_a_failure_that_the_process_explained_keeps_its_explanation(launch):
    server = launch("fails")
    with Page(server) as page:
        cause = page.wait("state", state="failed")["cause"]
        assert cause == {"summary": "KeyError: 'x'", "detail": "Traceback", "remedy": "Restart."}
        wait_for(lambda: server.worker_pid() is None)
        assert server.run()["cause"] == cause


def test_megabytes_of_output_are_a_bounded_tail(launch):
    server = launch("prints")
    with Page(server) as page:
        detail = page.wait("state", state="failed")["cause"]["detail"]
        assert detail.endswith("the last words\n")
        assert 60_000 < len(detail) <= 64 * 1024


def test_what_is_not_in_the_protocol_is_dropped_and_said_once(launch):
    server = launch("babbles")
    with Page(server, cookie=server.cookie()) as page:
        page.wait("state", state="paused")
        assert page.ask("step", size="update")["type"] == "ack"
    server.end()
    assert "".join(server.errors).count("not in the protocol") == 1


def test_restart_ends_a_hanging_process_and_its_children(launch):
    server = launch("hangs")
    with Page(server, cookie=server.cookie()) as page:
        page.wait("state", state="paused")
        worker, child = server.worker_pid(), wait_for(lambda: server.run().get("child"))
        assert alive(child)
        start = time.monotonic()
        assert page.ask("restart", settings={})["type"] == "ack"
        assert time.monotonic() - start < 6 + SLACK
        assert not alive(worker)
        assert not alive(child)


def test_a_process_that_does_not_read_never_blocks_the_server(launch):
    server = launch("hangs")
    with Page(server, cookie=server.cookie()) as page, Page(server) as other:
        page.wait("state", state="paused")
        for number in range(90):  # of 16 kB: more than its pipe and its queue hold
            page.say(type="set", id=f"s{number}", lease=page.lease["generation"], name="env", value="x" * 16_000)
        refused = page.until(lambda: [m for m in page.messages if m.get("code") == "conflict"])
        assert "takes no commands" in refused[0]["message"]
        assert other.ask("watch", led=False, probes=[])["type"] == "ack"


# The server's end


def test_no_orphan_survives_a_killed_server(launch):
    server = launch(paused=False)
    wait_for(lambda: server.run()["state"] == "running")
    worker = server.worker_pid()
    server.process.kill()
    server.process.wait()
    wait_for(lambda: not alive(worker), timeout=2 + SLACK)


def test_no_orphan_survives_a_killed_server_even_where_it_hangs(launch):
    server = launch("hangs")
    child = wait_for(lambda: server.run().get("child"))
    worker = server.worker_pid()
    server.process.kill()
    server.process.wait()
    wait_for(lambda: not alive(worker) and not alive(child), timeout=2.5 + SLACK)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_cleanly(launch, number):
    server = launch(paused=False)
    worker = wait_for(server.worker_pid)
    with Page(server) as page:
        page.until(lambda: page.headers("snapshot"))
        start = time.monotonic()
        server.process.send_signal(number)
        assert page.closed() == 1001
        assert server.process.wait(PATIENCE) == 0
        assert time.monotonic() - start < 5 + SLACK
    assert not alive(worker)
    server.end()
    assert server.errors == []


def test_what_the_end_cuts_off_is_no_error(launch):
    server = launch()
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.sendall(
            f"POST /api/session HTTP/1.1\r\nHost: {server.host}\r\nOrigin: {server.origin}\r\n"
            "Content-Length: 50\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert slow.recv(100).startswith(b"HTTP/1.1 100")  # the request is being answered, and its rest never comes
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(PATIENCE) == 0
    server.end()
    assert server.errors == []


def test_ctrl_c_ends_what_was_begun_with_it_blocked():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        server = LiveServer(str(ROOT / "frontend/recordings/cartpole.rec"), verb="open", anew=True)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert server.stop() == 0


@pytest.mark.parametrize("started", [False, True])
def test_a_signal_to_the_whole_terminal_is_no_other(launch, started):
    server = launch(paused=False)
    worker = wait_for(server.worker_pid if started else lambda: max(children(server.process.pid), default=None))
    os.killpg(server.process.pid, signal.SIGINT)
    assert server.process.wait(PATIENCE) == 0
    wait_for(lambda: not alive(worker), SLACK)
    server.end()
    assert server.errors == []


def test_a_second_signal_is_immediate(launch):
    server = launch("hangs")
    wait_for(lambda: server.run().get("child"))
    worker = server.worker_pid()
    with Page(server) as page:
        server.process.send_signal(signal.SIGINT)
        assert page.closed() == 1001  # the first one has been taken
    start = time.monotonic()
    server.process.send_signal(signal.SIGINT)
    server.process.wait(PATIENCE)
    assert time.monotonic() - start < 0.5 + SLACK, "the process that hangs would take 4 s"
    wait_for(lambda: not alive(worker))


def test_ending_while_the_process_hangs_takes_less_than_ten_seconds(launch):
    server = launch("hangs")
    child = wait_for(lambda: server.run().get("child"))
    start = time.monotonic()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(PATIENCE) == 0
    assert time.monotonic() - start < 8 + SLACK
    assert not alive(child)


# The port


def serve_once(*arguments):
    """`serve` with these arguments, expected to end by itself."""
    code = "import sys; from ppo_scope.server.serve import serve; from ppo_scope.ppo.settings import Settings; "
    code += f"sys.exit(serve(Settings(), open_browser=False, {', '.join(arguments)}))"
    return run("-c", code)


def test_a_port_in_use_is_one_line(scripted):
    ended = serve_once(f"port={scripted.port}")
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert f"Port {scripted.port}" in ended.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "no-such-host.invalid"])
def test_only_loopback_is_listened_on(host):
    ended = serve_once(f"host={host!r}")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "--host" in ended.stderr


def test_the_next_free_port_is_taken_where_none_was_asked_for():
    with contextlib.ExitStack() as stack:
        taken, is_ours = stack.enter_context(socket.socket()), False
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # whoever had it and has gone does not count
        with contextlib.suppress(OSError):  # somebody else has it already: as good, as long as they stay
            taken.bind(("127.0.0.1", 8000))
            taken.listen()
            is_ours = True
        server = stack.enter_context(ServerProcess(port=None))
        assert 8000 + is_ours <= server.port < 8100


# Pages


def memory(pid):
    """Resident bytes of a process."""
    return (
        int(subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout)
        * 1024
    )


def descriptors(server):
    """How many it has open; none where no system tells."""
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir())) if sys.platform == "linux" else 0


def ages(page, since, seconds):
    """Milliseconds between two frames of this page, for so long."""
    time.sleep(seconds)
    times = [at for at, _ in page.frames if at >= since]
    return [1000 * (b - a) for a, b in itertools.pairwise(times)]


def test_a_page_that_never_reads_costs_no_memory_and_nobody_elses_time(launch):
    server = launch("heavy", paused=False, sooner=[("client", "SEND_LIMIT", 5.0)])
    with Page(server, tab="reader") as reader:
        reader.until(lambda: len(reader.frames) > 100)
        alone = ages(reader, time.monotonic(), 2)
        before, start = memory(server.process.pid), time.monotonic()
        idle = [raw_websocket(server, receive_buffer=4096) for _ in range(8)]
        for bare in idle:
            bare.sendall(masked(RESUME))
        crowded = descriptors(server)
        # Other programs may slow the reader, too: of some looks one has to be as good as alone.
        limit = max(50, 3 * statistics.quantiles(alone, n=20)[-1])
        assert any(statistics.quantiles(ages(reader, time.monotonic(), 2), n=20)[-1] < limit for _ in range(4))
        grown = memory(server.process.pid) - before
        assert grown < 16 * 1024 * 1024, f"{grown / 2**20:.1f} MB more"
        if sys.platform == "linux":
            wait_for(
                lambda: descriptors(server) <= crowded - len(idle),
                timeout=20 + SLACK - (time.monotonic() - start),
                every=0.2,
            )
        for bare in idle:
            bare.close()


def test_a_thousand_reconnects_leak_nothing(scripted):
    if sys.platform != "linux":
        pytest.skip("counts descriptors in /proc")
    wait_for(lambda: len(children(scripted.process.pid)) >= 1)
    time.sleep(0.3)
    before = descriptors(scripted)
    for _ in range(1000):
        bare = raw_websocket(scripted)
        bare.close()
    wait_for(lambda: descriptors(scripted) <= before)


def test_half_open_handshakes_do_not_lock_anybody_out(scripted):
    with contextlib.ExitStack() as stack:
        for _ in range(500):
            bare = stack.enter_context(socket.create_connection(("127.0.0.1", scripted.port)))
            bare.sendall(b"GET /ws HTTP/1.1\r\nHost: 127")
        start = time.monotonic()
        page = stack.enter_context(Page(scripted, cookie=scripted.cookie()))
        assert page.lease["holder"]
        assert time.monotonic() - start < 1 + SLACK
