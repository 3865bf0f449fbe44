"""How the guide steps a run to the moment of a chapter, on runs that do not come there as usual."""

import pytest

WALK = """
    const { scene, status, stops, gives_up = Infinity, late = 0 } = given;
    const state = {
      connection: { state: "open" }, role: "controller", lease: { holder: true }, recorded: false, stepping: false,
      run: { settings: { epochs: 4, minibatches: 4 } }, status,
    };
    const steps = [];
    const means = {
      pause: async () => steps.push("pause"),
      step: async (size) => {
        steps.push(size);
        const reached = stops[steps.length - 1];
        if (late) setTimeout(() => (state.status = reached), late);
        else state.status = reached;
      },
    };
    let said = null;
    const holds = () => steps.length < gives_up;
    await m.walk(scene, state, holds, means).catch((error) => (said = error.message));
    return [steps, said];
"""
LAST_EPOCH = {"phase": "epoch", "epoch": "last"}


def place(update, phase, epoch=0, minibatch=0):
    return {"state": "paused", "update": update, "phase": phase, "epoch": epoch, "minibatch": minibatch}


@pytest.fixture
def walk(modules):
    """Sets a scene on a run that stops there one after the other: the steps that were asked for, and what was said."""

    def _walk(scene, stops, **how):
        first, *rest = stops
        return tuple(modules("learn/scene.js", WALK, {"scene": scene, "status": first, "stops": rest, **how}))

    return _walk


def test_an_epoch_that_ends_early_is_the_last_one(walk):
    stops = [place(3, "update", 4, 4), place(4, "epoch", 1, 4), place(4, "epoch", 2, 3)]
    assert walk(LAST_EPOCH, stops) == (["epoch", "epoch"], None)


def test_where_the_last_epoch_does_not_come_two_updates_are_enough(walk):
    each = [("epoch", 1, 4), ("epoch", 2, 4), ("update", 2, 4)]  # stopped in the last minibatch of epoch 2
    stops = [place(3, "update", 2, 4), *(place(update, *stop) for update in (4, 5) for stop in each)]
    steps, said = walk(LAST_EPOCH, stops)
    assert steps == ["epoch"] * 6
    assert "ended early" in said and "target KL" in said


def test_a_run_that_does_not_go_on_ends_the_scene(walk):
    stuck = place(4, "loss", 1, 2)
    fault = stuck | {"cause": {"summary": "Not finite."}}
    steps, said = walk({"phase": "update"}, [stuck, fault])
    assert (steps, said) == (["update"], "The run did not go on, so it is not at this moment.")


def test_no_step_is_made_before_the_last_one_is_known(walk):
    stops = [place(3, "update", 4, 4), place(4, "rollout"), place(4, "advantages"), place(4, "loss", 1, 1)]
    assert walk({"phase": "loss"}, stops, late=150) == (["phase"] * 3, None)


def test_a_scene_that_nobody_wishes_any_more_is_left(walk):
    stops = [place(3, "update", 4, 4), *(place(4, "epoch", epoch, 4) for epoch in (1, 2, 3))]
    assert walk(LAST_EPOCH, stops, gives_up=2) == (["epoch", "epoch"], None)
