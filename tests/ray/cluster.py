"""A Ray cluster of several nodes on this machine, for tests.

python -m tests.ray.cluster ADDRESS_FILE NODES    starts one and waits for its standard input to close; a line `lose N`
                                                  kills node N
"""

from __future__ import annotations

import contextlib
import inspect
import os
import socket
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_worker_niceness", "0")  # else whatever else goes on here starves them
os.environ.setdefault("RAY_raylet_start_wait_time_s", "200")
STORE = 80 * 1024 * 1024
PORTS = ("runtime_env_agent_port", "metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port")


def main(place: str, count: str) -> None:
    """A head without a core, and nodes with one each."""
    from ray._private import services
    from ray.cluster_utils import Cluster

    services.start_raylet = _patient(services.start_raylet)
    cluster = Cluster(initialize_head=True, head_node_args=_node(cores=0))
    nodes = [cluster.add_node(**_node(cores=1)) for _ in range(int(count))]
    try:
        Path(place).write_text(cluster.address)
        for line in sys.stdin:
            _lose(nodes[int(line.split()[1])])
    finally:
        cluster.shutdown()


def _node(cores: int) -> dict[str, Any]:
    ports = {name: _free() for name in PORTS}
    return {"num_cpus": cores, "object_store_memory": STORE, "include_dashboard": False, **ports}


def _lose(node: Any) -> None:
    """As a machine is lost: all of it at once, and nobody is told."""
    import psutil  # Ray brings it along

    (raylet,) = node.all_processes["raylet"]
    there = psutil.Process(raylet.process.pid)
    for one in (there, *there.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()


def _free() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


def _patient(start: Any) -> Any:
    """A node gives up that its helpers have not told their ports within 15 seconds, as on a busy machine. They were
    chosen before, so they are told in the helpers' place.
    """

    def told(*given: Any, **named: Any) -> Any:
        known = inspect.signature(start).bind(*given, **named).arguments
        for name in PORTS:
            place = Path(known["session_dir"]) / f"{name}_{known['node_id']}"
            with contextlib.suppress(FileExistsError), place.open("x") as file:
                file.write(str(known[name]))
        return start(*given, **named)

    return told


if __name__ == "__main__":
    main(*sys.argv[1:])
