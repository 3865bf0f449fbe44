"""Where the server is that a loop is shown by: the link that it prints, in an environment variable."""

from __future__ import annotations

import ipaddress
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ppo_scope.wire.attaching import sendable

VARIABLE = "PPO_SCOPE_URL"
PAUSED = "PPO_SCOPE_PAUSED"
"""Set to 1, loops that begin in this process wait for Play before their first update."""
NAMELESS = {"", "-", "-c", "-m", "ipykernel_launcher.py", "colab_kernel_launcher.py"}
WRONG = (
    "{what} is not the link of a PPO Scope server: it is like http://127.0.0.1:8000/#token=…, as `ppo-scope watch` "
    "prints it."
)


@dataclass(frozen=True)
class Address:
    """Of a server, with what opens it."""

    place: str
    """Of its websocket for loops."""
    origin: str
    token: str = field(repr=False)

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine, where no proxy leads to."""
        host = urlsplit(self.origin).hostname or ""
        try:
            return ipaddress.ip_address(host.partition("%")[0]).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")

    @classmethod
    def of(cls, link: str) -> Address:
        """From the link that a server prints.

        Raises:
            ValueError: it is none; one readable line, without the token.
        """
        if not isinstance(link, str):
            raise ValueError(WRONG.format(what=f"Something of type {type(link).__name__}"))
        wrong = ValueError(WRONG.format(what=link.partition("#")[0][:80] or "an empty text"))
        try:
            parts = urlsplit(link.strip())
            name, _, token = parts.fragment.partition("=")
            valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and name == "token" and bool(token)
            valid = valid and parts.port != 0  # raises where it is none
        except ValueError:
            raise wrong from None
        if not valid:
            raise wrong
        scheme = "wss" if parts.scheme == "https" else "ws"
        return cls(
            f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}/attach", f"{parts.scheme}://{parts.netloc}", token
        )


def script_name() -> str:
    """Of the program that this process runs; empty where people do not know it by a name, as in a notebook."""
    path = Path(sys.argv[0]) if sys.argv else Path()
    name = path.parent.name if path.name == "__main__.py" else path.name
    return "" if name in NAMELESS else sendable(name)


def begins_paused() -> bool:
    """Whether loops are to wait for Play, by the environment."""
    return os.environ.get(PAUSED) == "1"


def given() -> str | None:
    """The link in the environment, if there is one."""
    return os.environ.get(VARIABLE) or None
