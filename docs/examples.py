"""Records the two examples that the guide shows where the run at hand has nothing to show: `python -m docs.examples`.

Which update of which run it is, is looked for, not written down: the first one that shows what the chapters speak of.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ppo_scope.ppo.losses import Region
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.threads import use_one_thread
from ppo_scope.wire import frame
from ppo_scope.worker.recording import Recorder

FOLDER = Path(__file__).parents[1] / "frontend" / "recordings"
TRIALS = ({"value_coef": 5.0}, {"objective": "reinforce"}, {"entropy_coef": 0.1}, {"epochs": 20})
"""What the chapters make the update a second time with."""
SEEDS, TENS = range(1, 9), range(1, 5)


def main() -> None:
    """Write both files.

    Raises:
        LookupError: no run shows all that it should.
    """
    use_one_thread()
    for seed, tens in itertools.product(SEEDS, TENS):
        two = recorder(seed, tens, name="two-networks", trials=TRIALS)
        if shows_its_point(two):
            break
    else:
        raise LookupError("no run shows all that the guide speaks of")
    write(two, lambda place: place in places(two))
    shared = recorder(seed, tens, name="shared-trunk", shared_network=True)
    write(shared, lambda place: place[0] in {"rollout", "advantages", "loss", "gradient"} and place[1] <= 1)


def recorder(seed: int, tens: int, *, name: str, trials: tuple[dict[str, Any], ...] = (), **settings: Any) -> Recorder:
    """Some tens of updates on CartPole, and one more in detail."""
    wanted = Settings.parse({"seed": seed, **settings})
    return Recorder(wanted, [*["updates"] * tens, "update"], name=name, trials=trials)


def places(recorder: Recorder) -> set[tuple[str, int]]:
    """(phase, minibatch counted through the update) of what is kept: the first minibatch, and the ends."""
    first = {(phase, 1) for phase in ("loss", "gradient", "step")}
    ends = {place for place, _, _ in moments(recorder) if place[0] in {"epoch", "update"}}
    return {("rollout", 0), ("advantages", 0), *first, *ends}


def moments(recorder: Recorder) -> Iterator[tuple[tuple[str, int], dict[str, Any], bytes]]:
    """(place, header, frame) of every moment of the last update."""
    found = [(frame.header(one), one) for one in recorder.frames]
    snapshots = [(header, one) for header, one in found if header["kind"] == "snapshot"]
    last = max(header["update"] for header, _ in snapshots)
    for header, one in snapshots:
        if header["update"] == last:
            through = (header["epoch"] - 1) * header["minibatches"] + header["minibatch"]
            yield (header["phase"], max(0, through)), header, one


def shows_its_point(recorder: Recorder) -> bool:
    """Whether the last update shows what the chapters speak of."""
    ends = {place[0]: one for place, _, one in moments(recorder)}
    (epoch, arrays), (update, _) = frame.decode(ends["epoch"]), frame.decode(ends["update"])
    s, final = epoch["scalars"], update["scalars"]
    r, used, region, full = (arrays[name] for name in ("ratio", "advantage_used", "region", "in_minibatch"))
    above = (r > 1 + epoch["settings"]["clip_range"]) & (full != 0)
    held, pulled = above & (region == Region.HELD) & (used > 0), above & (region == Region.PULLED_BACK) & (used < 0)
    trials = [header["scalars"] for one in recorder.frames if (header := frame.header(one))["kind"] == "comparison"]
    c1, reinforce, c2, epochs = trials
    return all(
        (
            min(s["held_fraction"], s["pulled_back_fraction"]) > 0.02,
            held.any() and pulled.any(),
            final["final_entropy"] < 0.9 * np.log(2),
            final["explained_variance_before"] > 0.3,
            c1["new_gradient_clip_factor"] < 0.7 * c1["old_gradient_clip_factor"],
            c1["new_kl_k3"] < 0.8 * c1["old_kl_k3"] and c1["new_held_fraction"] < c1["old_held_fraction"],
            reinforce["new_advantage_std"] > 1.5 * reinforce["old_advantage_std"],
            c2["new_final_entropy"] > 1.02 * c2["old_final_entropy"],
            epochs["new_kl_k3"] > 1.5 * epochs["old_kl_k3"],
            epochs["new_clip_fraction"] > 1.5 * epochs["old_clip_fraction"],
            all(
                epochs[f"new_{name}"] > 1.5 * epochs[f"old_{name}"]
                for name in ("final_kl_exact", "ratio_clip_fraction")
            ),
            epochs["new_final_ratio_max"] > epochs["old_final_ratio_max"],
            epochs["new_final_ratio_min"] < epochs["old_final_ratio_min"],
            c1["new_final_kl_exact"] < c1["old_final_kl_exact"],
        )
    )


def write(recorder: Recorder, wanted: Any) -> None:
    """Write the moments at the places that are wanted, with the series and the updates made twice."""
    kept = {id(one) for place, _, one in moments(recorder) if wanted(place)}
    recorder.frames = [one for one in recorder.frames if id(one) in kept or frame.header(one)["kind"] != "snapshot"]
    path = FOLDER / f"{recorder.name}.rec"
    recorder.write(path)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB, update {max(h['update'] for _, h, _ in moments(recorder))}")


if __name__ == "__main__":
    main()
