"""How whoever starts a server comes to its page: a browser that opens it, or a word on the way there from elsewhere."""

from __future__ import annotations

import contextlib
import getpass
import os
import threading
import webbrowser
from collections.abc import Mapping
from urllib.parse import urlsplit

IN_THE_TERMINAL = webbrowser.GenericBrowser, webbrowser.Elinks
"""What Python makes of the browsers that it falls back to where there is no screen."""
SSH_PORT = "22"
FROM_ELSEWHERE = "From the machine that you sit at, this brings it there: ssh -L {port}:{host}:{port} {place}"


def open_page(link: str) -> None:
    """Open a link in a browser that has windows, where there is one; not in the terminal, and nobody waits for it, nor
    for the programs that Python asks which one that is: they may wait for a screen that does not answer.
    """
    threading.Thread(target=_open, args=(link,), daemon=True).start()


def way_here(link: str, variables: Mapping[str, str] = os.environ) -> str | None:
    """What brings the page to somebody who has come by SSH, whose own browser is on another machine; None: nobody has.

    Args:
        link: to the page, as it is here.
        variables: the environment. SSH_CONNECTION: the other end's address and port, and those here (`man ssh`).
    """
    match variables.get("SSH_CONNECTION", "").split():
        case [_, _, address, ssh_port]:
            place = f"{_user()}{address}"
            host, _, port = urlsplit(link).netloc.rpartition(":")
            place = place if ssh_port == SSH_PORT else f"-p {ssh_port} {place}"
            return FROM_ELSEWHERE.format(host=host, port=port, place=place)
    return None


def _user() -> str:
    """Who is logged in, as `ssh` takes it; nothing where this machine has no name for them, as in a container."""
    with contextlib.suppress(KeyError, OSError):
        return f"{getpass.getuser()}@"
    return ""


def _with_windows() -> webbrowser.BaseBrowser | None:
    """The browser of this machine, but for one that Python falls back to where there is no screen: w3m or elinks would
    take the terminal from the server. Whoever names one in BROWSER means it.
    """
    with contextlib.suppress(webbrowser.Error):
        browser = webbrowser.get()
        if os.environ.get("BROWSER") or type(browser) not in IN_THE_TERMINAL:
            return browser
    return None


def _open(link: str) -> None:
    with contextlib.suppress(Exception):  # such as of a BROWSER that cannot be read: the link is printed in any case
        browser = _with_windows()
        if browser is not None:
            browser.open(link)
