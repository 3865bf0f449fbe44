"""A training process whose probes are faulty: one raises, one is slow, others give what no frame holds."""

import time

import numpy as np

from ppo_scope.probes.measurement import Measurement
from ppo_scope.probes.probes import PROBES
from ppo_scope.worker import worker


def raises(moment):
    return 1 / 0


def slow(moment):
    time.sleep(1.2)
    return Measurement({"patience": 1.0})


def wrong_shape(moment):
    return Measurement(arrays={"ratio_counts": np.zeros((4, 64), np.uint32)})


def wrong_dtype(moment):
    return Measurement(arrays={"minibatches": np.zeros((1, 2), np.float64)})


def unheard_of(moment):
    return Measurement(arrays={"ratio_counts": np.zeros((5, 64), np.uint32)})


def no_measurement(moment):
    return {"policy_now": 1.0}


def no_number(moment):
    return Measurement({"number": "1"})


def no_note(moment):
    return Measurement(notes={"no_note": {"value": float("nan")}})


def no_array(moment):
    return Measurement(arrays={"no_array": [1.0, 2.0]})


FAULTY = {
    "raises": raises,
    "ratio": wrong_shape,
    "minibatches": wrong_dtype,
    "samples": unheard_of,
    "policy": no_measurement,
    "no_number": no_number,
    "no_note": no_note,
    "no_array": no_array,
}


def main(*arguments):
    """The real training process, with these."""
    PROBES.update({**FAULTY, "slow": slow})
    worker.main(*arguments)
