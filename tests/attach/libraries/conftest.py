"""A real Chromium on somebody else's loop."""

from tests.browser.conftest import chromium, faults, new_page, pytest_runtest_teardown, windows

__all__ = ["chromium", "faults", "new_page", "pytest_runtest_teardown", "windows"]
