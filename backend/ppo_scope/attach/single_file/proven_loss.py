"""What a script's loss is made with and how, as far as its minibatches have proven it: c₁ and c₂ where `args` do not
tell them, the form that it has (`forms.py`), and a second clip once samples have reached it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isclose
from typing import Any

from torch import Tensor

from ppo_scope.attach.facts import Facts
from ppo_scope.attach.single_file.checking import NEARLY, check, check_moved
from ppo_scope.attach.single_file.coefficients import Coefficients, coefficients_in, unsaid_in
from ppo_scope.attach.single_file.dual_clip import cap_in
from ppo_scope.attach.single_file.forms import PLAIN, Form, forms_of
from ppo_scope.attach.single_file.named import CLOSE, Found, Unlike, facts_in, settings_in

SYMBOLS = {"value_coef": "c₁", "entropy_coef": "c₂"}
BOTH = tuple(SYMBOLS)
ADDED = "what its losses of one minibatch have in them is not {names} any more: {old} before, and {new} now"


class ProvenLoss:
    """Of one script."""

    def __init__(self, found: Found, loss: Tensor, alpha: float | None, coefficients: Coefficients | None) -> None:
        """Prove it.

        Args:
            found: its variables, at the first minibatch that is looked at, with
            loss: what is about to be differentiated.
            alpha: its learning rate, where it is known.
            coefficients: what is in the losses of a minibatch, where `args` do not tell that.

        Raises:
            Unlike: it is not what it looks like.
        """
        self.unsaid = unsaid_in(found)
        """Of c₁ and c₂: those that only the loss tells."""
        self.form = PLAIN
        """How it is made of ours."""
        self.sound = True
        """As far as one has looked: no known mistake has put it together."""
        self.drops = False
        """A smaller minibatch than the others: its samples are left out."""
        self._coefficients: Mapping[str, float] = {}
        if coefficients is not None:
            self._coefficients = coefficients.settings(self.unsaid)
        self._cap: dict[str, float] = {}  # c, where samples have told it
        self._terms = Coefficients()  # of the first minibatch of this update
        self._read: Any = None  # what its facts were read of
        self._alpha = alpha
        self.facts = facts_in(found, alpha, self._coefficients)
        """What it is made with."""
        self.prove(found, loss, first=True)

    def read(self, found: Found, alpha: float | None) -> Facts:
        """What it is made with now: as a rule what it was, but for α."""
        self._alpha = alpha
        return self._facts_of(found)

    def _facts_of(self, found: Found) -> Facts:
        coefficients = {**self._coefficients, **self._cap}
        read = *settings_in(found), *coefficients.values()
        if read != self._read or self._alpha is None:
            self._read, self.facts = read, facts_in(found, self._alpha, coefficients, drops=self.drops)
        elif self._alpha != self.facts.learning_rate:
            self.facts = self.facts.at(self._alpha)
        return self.facts

    def leave_out(self, minibatches: int) -> Facts:
        """What is left of an epoch's samples is none of its minibatches: so many are."""
        self.drops = True
        self.facts = replace(self.facts, minibatches=minibatches)
        return self.facts

    def prove(self, found: Found, loss: Tensor, *, first: bool = False) -> None:
        """At the first minibatch of an update. Where c₁ and c₂ of `args` are not those of the loss, as where they fall
        by themselves, or the value loss has no ½, with those of the loss from now on; `first`: of whatever form it is.

        Raises:
            Unlike: the variables are not what they are called.
        """
        try:
            self.sound = (check_moved if self.unsaid else check)(found, loss, self.facts, self.form)
        except Unlike as why:
            before = self.form, self.unsaid, self._coefficients
            others = forms_of(found, loss) if first else []
            tried = [(form, unsaid) for form in others for unsaid in (self.unsaid, BOTH)]
            if not any(self._is_made_so(found, loss, *one) for one in [(self.form, BOTH), *tried]):
                self.form, self.unsaid, self._coefficients = before
                raise why from None

    def _is_made_so(self, found: Found, loss: Tensor, form: Form, unsaid: tuple[str, ...]) -> bool:
        """Whether the loss is of this form, with those of its coefficients that `args` do not tell; then it is so."""
        self.form, self.unsaid = form, unsaid
        try:
            terms = coefficients_in(found, loss, BOTH, form)
            self._terms = terms if unsaid else Coefficients()
            self._coefficients = terms.settings(unsaid) if unsaid else {}
            facts, both = self._facts_of(found), terms.settings(BOTH)
            like = all(isclose(one, getattr(facts, name), rel_tol=CLOSE) for name, one in both.items())
            return like and check_moved(found, loss, facts, form)
        except Unlike:
            return False

    def prove_again(self, found: Found, loss: Tensor) -> float | None:
        """At a later minibatch of the update. c, where samples have reached a second clip for the first time, with
        which it is made from this update on.

        Raises:
            Unlike: it is not what it is taken for.
        """
        try:
            self.sound = check_moved(found, loss, self.facts, self.form)
        except Unlike:
            if (cap := self._reached(found, loss)) is not None:
                return cap
            raise
        return None

    def _reached(self, found: Found, loss: Tensor) -> float | None:
        cap = cap_in(found, loss, self.facts, self.form) if self.facts.ratio_cap is None else None
        if cap is None:
            return None
        self._cap = {"ratio_cap": cap}
        try:
            if check_moved(found, loss, self._facts_of(found), self.form):
                return cap
        except Unlike:
            pass
        self._cap = {}
        self._facts_of(found)
        return None

    # Where the terms of a minibatch are differentiated one by one

    def begin(self, found: Found, loss: Tensor) -> None:
        """The first loss of an update."""
        if self.unsaid:
            self._terms = coefficients_in(found, loss, self.unsaid, self.form)
            if self._terms.whole:  # it may let them fall
                self._coefficients = self._terms.settings(self.unsaid)

    def add(self, found: Found, loss: Tensor) -> None:
        """One more loss of its first minibatch."""
        if self.unsaid:
            self._terms = self._terms.plus(coefficients_in(found, loss, self.unsaid, self.form))

    def differs(self) -> str | None:
        """Why what was added up is not what the update is shown with; None: it is."""
        if not self._terms.whole:  # they are told, or the update has ended within its first minibatch
            return None
        now = self._terms.settings(self.unsaid)
        if all(isclose(value, self._coefficients[name], rel_tol=NEARLY) for name, value in now.items()):
            return None
        old, new = (", ".join(f"{one:.6g}" for one in each.values()) for each in (self._coefficients, now))
        return ADDED.format(names=" and ".join(SYMBOLS[name] for name in now), old=old, new=new)
