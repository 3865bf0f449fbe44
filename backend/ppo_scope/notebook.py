"""The dashboard in a notebook: a frame in its output, which reaches a server through Jupyter's own address.

A notebook's browser may sit elsewhere than its kernel. jupyter-server-proxy hands on what is asked for below
`proxy/PORT/` of Jupyter's address, websockets included; the page's own addresses are relative, so that this suffices.
"""

from __future__ import annotations

import html
import json
import os
import re
import runpy
import secrets
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from ppo_scope.records.loading import LoadedRun

LINK = re.compile(r"https?://\S+")
HEIGHT = 900
END_SECONDS = 10.0
FRAME = """<iframe id="{id}" title="PPO Scope: {title}" style="width: 100%; height: {height}px; border: 0"></iframe>
<script>
(() => {{
  const place = {place};
  const told = document.getElementById("jupyter-config-data")?.textContent;
  const base = document.body.dataset.baseUrl ?? (told ? JSON.parse(told).baseUrl : null) ?? {base};
  const direct = location.protocol === "file:" || base === null;
  document.getElementById("{id}").src = direct ? place.direct : base.replace(/\\/?$/, "/") + place.proxied;
}})();
</script>
<p><small>Nothing is shown? The frame needs jupyter-server-proxy where Jupyter runs, and PPO Scope's server, which ends
with its kernel.</small></p>"""
"""Jupyter says in its page where it is: classic notebooks on the body, JupyterLab in its configuration."""

_servers: dict[str, Server] = {}
"""By what they show: shown again, it is not started again."""


@dataclass(eq=False)
class Server:
    """`ppo-scope open` as a process that ends with this one."""

    link: str
    """As it was printed: whoever has it may control."""
    _process: subprocess.Popen[str] = field(repr=False)

    @property
    def lives(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@dataclass(frozen=True)
class Shown:
    """What a notebook displays as the dashboard."""

    link: str
    """Of the server, on the kernel's machine."""
    title: str
    height: int
    server: Server | None = None
    """That was started for it; None where one was named."""

    @property
    def proxied(self) -> str:
        """Its address, below that of Jupyter."""
        parts = urlsplit(self.link)
        query, fragment = (
            f"{mark}{part}" if part else "" for mark, part in (("?", parts.query), ("#", parts.fragment))
        )
        return f"proxy/{parts.port}{parts.path or '/'}{query}{fragment}"

    def close(self) -> None:
        """End the server that was started for it."""
        if self.server is not None:
            self.server.close()

    def _repr_html_(self) -> str:
        place = json.dumps({"direct": self.link, "proxied": self.proxied}).replace("<", "\\u003c")
        base = json.dumps(os.environ.get("JUPYTERHUB_SERVICE_PREFIX"))
        return FRAME.format(
            id=f"ppo-scope-{secrets.token_hex(4)}",  # the same may be shown twice in a notebook
            title=html.escape(self.title),
            height=self.height,
            place=place,
            base=base,
        )


def show(run: str | Path | LoadedRun = "last", folder: str | Path | None = None, *, height: int = HEIGHT) -> Shown:
    """Show the dashboard in a notebook, of a run that is kept or of a server that runs already.

    Args:
        run: its identifier, as much of it as tells it from others, `last`, its folder, or what `load` has read; or the
            link that `ppo-scope serve` has printed, for a run that is under way.
        folder: that runs are kept in; left out, the one in the user's data.
        height: of the frame, in pixels.

    Raises:
        CannotRead: there is no such run; one readable line.
        RuntimeError: its server does not start; with what it printed.
    """
    if LINK.match(str(run)):
        return Shown(str(run), "a run under way", height)
    from ppo_scope.records.library import Library, default_folder
    from ppo_scope.records.loading import LoadedRun, find

    kept = find(
        run.folder if isinstance(run, LoadedRun) else run,
        Library(Path(folder).expanduser()) if folder is not None else Library(default_folder()),
    )
    known = _servers.get(str(kept.folder))
    if known is None or not known.lives:
        known = _servers[str(kept.folder)] = _started(kept.folder)
    return Shown(known.link, f"run {kept.id}", height, known)


def _started(folder: Path) -> Server:
    command = [sys.executable, "-m", "ppo_scope.notebook", "open", str(folder), "--no-browser"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        if found := LINK.search(line):
            threading.Thread(target=_read_on, args=(process.stdout,), daemon=True).start()
            return Server(found[0], process)
    process.wait()
    raise RuntimeError(f"The dashboard does not start: {' '.join(''.join(said).split())}")


def _read_on(output: object) -> None:
    """What nobody reads would stop the server once the pipe is full."""
    try:
        for _ in output:  # type: ignore[attr-defined]
            pass
    except ValueError:  # it was closed
        return


def _main() -> None:
    """The command line, until whoever has started this process is gone: then its end of the pipe is, too."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait, daemon=True).start()
    runpy.run_module("ppo_scope", run_name="__main__")


if __name__ == "__main__":
    _main()
