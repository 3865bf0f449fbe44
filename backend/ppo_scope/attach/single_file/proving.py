"""A loop of a script whose losses are held against what it is shown with, as long as it goes on."""

from __future__ import annotations

from math import nan

import torch
from torch import Tensor

from ppo_scope.attach.late import LateUpdate
from ppo_scope.attach.loop import Loop
from ppo_scope.attach.ranks import rank_here
from ppo_scope.attach.single_file.named import Found, Unlike, rough_of
from ppo_scope.attach.single_file.proven_loss import ProvenLoss
from ppo_scope.attach.watcher import guarded, say

CHECKED = 16
"""At so many updates, and then at every so many, it is checked again whether the variables mean what they are called,
and whenever somebody looks."""
CAPPED = (
    "In update {index} samples with Â < 0 have gone as far as a second clip, at c = {cap:g} (dual clip): it is found "
    "from the loss, and shown from this update on."
)
ANOTHER_CAP = "In update {index} c of the dual clip is {cap:g}, and was {before:g}: it is shown so from this update on."
UNCAPPED = "In update {index} samples have gone beyond c = {before:g} of the dual clip: it is not there any more."
ANOTHER = "From update {index} on, {why}: nothing more is shown, and the training goes on."


class ProvingLoop(Loop):
    """What a subclass hears of minibatches goes on being shown as far as it proves to be what it is taken for."""

    def __init__(self, found: Found, loss: ProvenLoss, index: int) -> None:
        """`found`: the script's variables; `loss`: as it is known by them; `index`: updates that are over."""
        super().__init__()
        self._reports = rank_here() == 0
        self.loss = loss
        """What it is made with, and how."""
        self.found = found
        """Its variables, at the latest minibatch."""
        self._index, self._first_index = index, index + 1
        self._count = 0  # of minibatches in this update
        self._told_losses: list[Tensor] = []  # L of each minibatch of the update, as the script has it
        self._to_check: set[int] = set()  # by their number in this update: those whose loss is looked at again
        self._checked = False  # an update was
        self._proves = False  # the one under way is

    @property
    def index(self) -> int:
        """Of the latest update that has begun."""
        return self._index

    def _lose(self, why: str) -> None:
        sentence = ANOTHER.format(index=self._index, why=why)
        say(sentence)
        self.watcher.close(cause={"summary": sentence})

    def _is_still_like_it(self, found: Found, loss: Tensor) -> bool:
        """Whether a later minibatch of the update is what it is taken for, too."""
        self._to_check -= {self._count}
        try:
            self.loss.prove_again(found, loss)
        except Unlike as why:
            self._lose(str(why))
            return False
        self._direction_is_known()
        self._cap_is_known()
        return True

    @guarded
    def _compare_coefficients(self) -> None:
        """Whether what was differentiated one by one came to what the update is shown with."""
        if (why := self.loss.differs()) is not None:
            self._lose(why)

    @guarded
    def _compare_losses(self) -> None:
        """Whether all minibatches of the update had the loss that it is shown with."""
        update, rough = self._update, rough_of(self.found["log_prob"])
        if not isinstance(update, LateUpdate) or rough or not (self._proves and self.loss.sound):
            return
        if not (is_looked_at(self._index) or self.watcher.stepped):  # it takes more than a millisecond
            return
        told = torch.stack(self._told_losses).double().tolist()
        if self._index == self._first_index:  # how many losses make a minibatch is known when the first is over
            told[0] = nan
        try:
            self.loss.compare(update, told, self.found)
        except Unlike as why:
            self._lose(str(why))
            return
        self._cap_is_known()

    def _direction_is_known(self) -> None:
        """This minibatch may be the first to tell it, of an exact KL: the ones before come to the same in both."""
        update, loss = self._update, self.loss
        if not isinstance(update, LateUpdate) or loss.facts.kl_estimate == update.settings.kl_estimate:
            return
        price = loss.form.price(self.found, loss.facts.kl_coef)
        one = update.brief.pop()
        update.brief.append(one._replace(penalty=price))
        update.turns_out(loss.facts)

    def _cap_is_known(self) -> None:
        """Samples may have told another c: the update under way is made with it, too."""
        update, cap = self._update, self.loss.facts.ratio_cap
        if update is None or cap == (before := update.settings.ratio_cap):
            return
        say(
            (CAPPED if before is None else UNCAPPED if cap is None else ANOTHER_CAP).format(
                index=self._index, cap=cap, before=before
            )
        )
        update.turns_out(self.loss.facts)
        if self._reports:
            self.watcher.changed("ratio_cap", before, cap, self._index)


def is_looked_at(index: int) -> bool:
    """Whether the whole of this update is, whoever looks."""
    return index <= CHECKED or index % CHECKED == 1
