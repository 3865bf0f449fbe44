"""Moments of our own trainer, as the probes see them."""

from ppo_scope.probes.moment import Moment
from ppo_scope.probes.trainers import TrainerSubject


class TrainersMoment(Moment):
    """With the trainer at hand, to compute beside it what the probes must have found."""

    def __init__(self, trainer, phase):
        super().__init__(TrainerSubject(trainer), phase)
        self.trainer = trainer


def moment_at(trainer, phase):
    """This phase of this trainer."""
    return TrainersMoment(trainer, phase)
