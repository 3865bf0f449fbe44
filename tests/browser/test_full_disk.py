"""A disk that is full while a run is kept on it: the page says so, and says no more of it when there is room again."""

import contextlib
import resource

from ppo_scope.records.library import Library
from ppo_scope.records.store import Store
from tests.browser.dashboard import Dashboard, only, until
from tests.live import LiveServer
from tests.records.disks import SMALL, made_larger, small_disk

ENDS = "until then, what is known of it goes with the server."


def library_rows(place):
    """The updates that have a row, of the only run."""
    with contextlib.closing(Store(Library(place).runs()[0].folder)) as store:
        return store.series()[1]


def test_a_full_disk_is_said_on_the_page_and_training_goes_on(page, tmp_path):
    with small_disk(tmp_path):
        (tmp_path / "ballast").write_bytes(bytes(SMALL // 2))
        server = LiveServer("--runs-dir", str(tmp_path), "--hidden-sizes", "128,128", "--num-envs", "4", anew=True)
        try:
            Dashboard(page, only(server, "Loss components"))
            notice = page.locator(".notice", has_text="does not take this run")
            notice.wait_for()
            assert "full" in notice.text_content() or "I/O" in notice.text_content()
            at = server.run()["update"]
            until(lambda: server.run()["update"] > at + 20)
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            with made_larger(tmp_path):
                notice.wait_for(state="hidden")
                until(lambda: Library(tmp_path).runs()[0].last > at + 20)
                page.close()
                server.stop()
        finally:
            server.kill()


def test_a_run_that_could_not_be_begun_on_the_disk_is_said_to_be_kept_nowhere(page, tmp_path):
    place = tmp_path / "a file"
    place.write_text("no folder")
    server = LiveServer("--runs-dir", str(place))
    try:
        Dashboard(page, only(server, "Loss components"))
        notice = page.locator(".notice", has_text="not kept on the disk")
        notice.wait_for()
        until(lambda: notice.text_content().endswith("Training goes on. It is written once the disk takes it; " + ENDS))
        at = server.run()["update"]
        until(lambda: server.run()["update"] > at + 3)
        assert notice.is_visible(), "whoever looks after the runs leaves that as it is"
        page.keyboard.press("Space")
        until(lambda: "Training goes on" not in notice.text_content())
        assert notice.text_content().endswith("). It is written once the disk takes it; " + ENDS), "while it rests"
        place.unlink()
        notice.wait_for(state="hidden")
        page.keyboard.press("Space")
        until(lambda: (runs := Library(place).runs()) and runs[0].resumes_at)
        server.stop()
        assert list(library_rows(place)) == list(range(1, Library(place).runs()[0].last + 1)), "none is missing"
    finally:
        server.kill()
