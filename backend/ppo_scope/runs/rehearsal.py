"""Whether a run can be begun at all, found out in a process of its own before another run is given up for it.

Environments run somebody's code, and torch takes its seconds and its memory: neither belongs into the server.
"""

from __future__ import annotations

import asyncio
import json
import sys

from ppo_scope.ppo.settings import Settings

REFUSED = 3
"""Exit code of a rehearsal that ended with a refusal, which is the last line that it printed."""
LONGEST_SECONDS = 30.0
MATTERING = frozenset(
    {
        *("env", "env_kwargs", "device", "normalize_observations"),
        *("frame_skip", "frame_size", "grayscale", "frame_stack"),
    }
)
"""Settings on which it can depend."""


async def rehearse(settings: Settings) -> str | None:
    """Why a run with these settings cannot begin, in one line; None where nothing speaks against it.

    What goes wrong in other ways than by a refusal, or takes too long, is left for the run itself to tell.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        wanted = json.dumps(settings.model_dump()).encode()
        output, _ = await asyncio.wait_for(process.communicate(wanted), LONGEST_SECONDS)
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    lines = output.decode(errors="replace").splitlines()
    return lines[-1] if process.returncode == REFUSED and lines else None


def main() -> int:
    """Set everything up as a run would, in the smallest size; the exit code."""
    from ppo_scope.ppo.trainer import Trainer

    settings = Settings.parse(json.load(sys.stdin))
    try:
        Trainer(settings.changed(num_envs=1, rollout_steps=1, minibatches=1)).close()
    except ValueError as error:
        print("\n" + " ".join(str(error).split()))
        return REFUSED
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
