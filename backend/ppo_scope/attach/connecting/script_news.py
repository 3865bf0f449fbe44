"""Tells a server of the script that is run to be shown, while there is no run of it yet."""

from __future__ import annotations

import contextlib
import urllib.request
from http.client import HTTPException

from ppo_scope.attach.connecting.address import Address
from ppo_scope.wire.attaching import ScriptNews

WITHIN = 5.0
"""Seconds that the server has to hear it."""


def tell(link: str | None, news: ScriptNews) -> None:
    """Say it to the server of this link, as far as there is one and it can be reached: nothing depends on it."""
    if link is None:
        return
    with contextlib.suppress(ValueError, OSError, HTTPException):
        address = Address.of(link)
        request = urllib.request.Request(
            f"{address.origin}/attach/script",
            data=news.model_dump_json(exclude_none=True).encode(),
            headers={"Authorization": f"Bearer {address.token}", "Origin": address.origin},
            method="POST",
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        direct.open(request, timeout=WITHIN).close()
