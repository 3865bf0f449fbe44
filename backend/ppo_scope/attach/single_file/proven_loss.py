"""What a script's loss is made with and how, as far as its minibatches have proven it: ε⁺, c₁ and c₂ where `args` do
not tell them, the form that it has (`forms.py`), and a second clip once samples have reached it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import isclose
from typing import Any

from torch import Tensor

from ppo_scope.attach.facts import Facts
from ppo_scope.attach.kl_estimates import EITHER, symbol_of
from ppo_scope.attach.late import LateUpdate
from ppo_scope.attach.single_file.agent import Agent
from ppo_scope.attach.single_file.checking import NEARLY, OtherLoss, check_moved, made_of_in
from ppo_scope.attach.single_file.clip_ranges import ClipRanges
from ppo_scope.attach.single_file.coefficients import Coefficients, coefficients_in, unsaid_in
from ppo_scope.attach.single_file.dual_clip import cap_in
from ppo_scope.attach.single_file.exact_kl import LEAST, ExactKL
from ppo_scope.attach.single_file.forms import PLAIN, Form, as_written, forms_of, priced_forms, slopes_of
from ppo_scope.attach.single_file.kl_penalty import as_named, penalty_in
from ppo_scope.attach.single_file.named import Found, Unlike, facts_in, settings_in
from ppo_scope.attach.single_file.terms import check_terms, check_ways
from ppo_scope.attach.single_file.whole_update import cap_of, off_in

SYMBOLS = {"value_coef": "c₁", "entropy_coef": "c₂"}
BOTH = tuple(SYMBOLS)
ADDED = "what its losses of one minibatch have in them is not {names} any more: {old} before, and {new} now"
OFF = "its loss at minibatch {place} of this update was {theirs:.6g}, and {made_of} make {ours:.6g}"
NO_PRICE = "the term for the KL in it is not told by its gradient any more, as β·{estimate} was"


class ProvenLoss:
    """Of one script."""

    def __init__(
        self,
        found: Found,
        loss: Tensor,
        agent_of: Callable[[], Agent],
        alpha: float | None,
        coefficients: Coefficients | None,
    ) -> None:
        """Prove it.

        Args:
            found: its variables, at the first minibatch that is looked at, with
            loss: what is about to be differentiated.
            agent_of: finds its agent: one whose loss is not known is not asked for anything.
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
        self.beta_called: str | None = None
        """What `args` call β, where it is one of them."""
        self._coefficients: Mapping[str, float] = {}
        if coefficients is not None:
            self._coefficients = coefficients.settings(self.unsaid)
        self.clip = ClipRanges()
        """Where it holds r."""
        self.clip.read(found, loss)
        self._cap: dict[str, float | None] = {}  # c, where samples have told it
        self._price: dict[str, Any] = {}  # β and which estimate of the KL it weighs, where there is such a term
        self._terms = Coefficients()  # of the first minibatch of this update
        self._read: Any = None  # what its facts were read of
        self._alpha = alpha
        self.facts = facts_in(found, alpha, {**self._coefficients, **self.clip.told})
        """What it is made with."""
        self.prove(found, loss, agent_of=agent_of)

    def read(self, found: Found, alpha: float | None) -> Facts:
        """What it is made with now: as a rule what it was, but for α."""
        self._alpha = alpha
        return self._facts_of(found)

    def _facts_of(self, found: Found) -> Facts:
        coefficients = {**self._coefficients, **self.clip.told, **self._cap, **self._price}
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

    def prove(self, found: Found, loss: Tensor, *, agent_of: Callable[[], Agent] | None = None) -> None:
        """At the first minibatch of an update. Where c₁ and c₂ of `args` are not those of the loss, as where they fall
        by themselves, or the value loss has no ½, with those of the loss from now on. With `agent_of`, which is the
        first time, of whatever form it is.

        Raises:
            Unlike: the variables are not what they are called.
        """
        try:
            self.sound = is_made_of(found, loss, self.facts, self.form)
            if agent_of is not None and self.sound:
                self._look_for_a_price(found, loss)
        except Unlike as why:
            before = self.form, self.unsaid, self._coefficients, self._price
            others = [] if agent_of is None else others_of(found, loss, agent_of)
            tried = [(form, unsaid) for form in others for unsaid in (self.unsaid, BOTH)]
            if not any(self._is_made_so(found, loss, *one) for one in [(self.form, BOTH), *tried]):
                self.form, self.unsaid, self._coefficients, self._price = before
                raise why from None

    def _look_for_a_price(self, found: Found, loss: Tensor) -> None:
        """While r is 1, a term for the KL may be nothing, and so may its gradient."""
        slopes, sure = slopes_of(found, self.clip.edges(found))
        for form in priced_forms(self.form, found, loss, slopes, sure):
            self.form = form
            self._read_price(found, loss)
            self._facts_of(found)

    def _read_price(self, found: Found, loss: Tensor) -> None:
        """β of a loss that has a term for the KL in it: where it is one of the script's own numbers, to its last digit.

        Raises:
            Unlike: there is no such term any more.
        """
        before, self._price = self._price, {}
        if self.form.estimate is None:
            return
        beta = self._beta_in(found, self.form.undone(found, loss))
        unproven = self.form.exact is not None and not before
        if beta is None or (unproven and beta < LEAST):  # of what was there before, β may fall to 0
            raise Unlike(NO_PRICE.format(estimate=symbol_of(self.form.estimate)))
        named = as_named(beta, found)
        self.beta_called = named.name if named is not None and named.in_args else None
        self._price = {"kl_coef": as_written(beta) if named is None else named.value, "kl_estimate": self.form.estimate}

    def _beta_in(self, found: Found, loss: Tensor) -> float | None:
        if self.form.exact is not None:
            return self.form.exact.begin(found, loss)
        penalty = penalty_in(found, loss, *slopes_of(found, self.clip.edges(found)))
        return None if penalty is None or penalty.estimate != self.form.estimate else penalty.beta

    @property
    def open(self) -> bool:
        """Whether its KL may still turn out to be taken in the one direction or the other."""
        return self.form.estimate == EITHER

    def _take_direction(self, found: Found) -> None:
        """That has told itself, if it has."""
        if self.open and self.form.exact is not None and self.form.exact.direction != EITHER:
            self.form = replace(self.form, estimate=self.form.exact.direction)
            self._price["kl_estimate"] = self.form.estimate
            self._facts_of(found)

    def _is_made_so(self, found: Found, loss: Tensor, form: Form, unsaid: tuple[str, ...]) -> bool:
        """Whether the loss is of this form, with those of its coefficients that `args` do not tell; then it is so."""
        self.form, self.unsaid, self._price = form, unsaid, {}
        try:
            terms = coefficients_in(found, loss, BOTH, form)
            self._terms = terms if unsaid else Coefficients()
            self._coefficients = terms.settings(unsaid) if unsaid else {}
            self._read_price(found, loss)
            return is_made_of(found, loss, self._facts_of(found), form)
        except Unlike:
            return False

    def prove_again(self, found: Found, loss: Tensor) -> None:
        """At a later minibatch of the update. Where samples tell another c than is known, it is made with that from
        this update on.

        Raises:
            Unlike: it is not what it is taken for.
        """
        try:
            self.sound = is_made_of(found, loss, self.facts, self.form)
        except Unlike:
            known, cap = self.facts.ratio_cap, cap_in(found, loss, self.facts, self.form)
            others = [one for one in (cap, None) if one != known]  # beyond c none may have come here
            if not any(self._is_capped_at(one, found, loss) for one in others):
                raise
        self._take_direction(found)

    def _is_capped_at(self, cap: float | None, found: Found, loss: Tensor) -> bool:
        """Whether it is made with this c, then it is so; None: with none."""
        before, self._cap = self._cap, {"ratio_cap": cap}
        try:
            if is_made_of(found, loss, self._facts_of(found), self.form):
                return True
        except Unlike:
            pass
        self._cap = before
        self._facts_of(found)
        return False

    def compare(self, update: LateUpdate, told: Sequence[float], found: Found) -> None:
        """When an update is over: what the losses of all of its minibatches came to is held against ours. Where another
        c makes them what they are, it is made with that.

        Raises:
            OtherLoss: they are other ones.
        """
        off = off_in(update, told, self.facts)
        if not off:
            return
        cap = cap_of(update, told, self.facts)
        if cap is None:
            place, theirs, ours = off[0]
            raise OtherLoss(OFF.format(place=place + 1, theirs=theirs, ours=ours, made_of=made_of_in(self.form)))
        self._cap = {"ratio_cap": cap}
        self._facts_of(found)

    # Where the terms of a minibatch are differentiated one by one

    def begin(self, found: Found, loss: Tensor) -> None:
        """The first loss of an update.

        Raises:
            Unlike: something that only the loss tells cannot be told.
        """
        self.clip.read(found, loss)
        self._read_price(found, loss)
        if self.unsaid:
            self._terms = coefficients_in(found, loss, self.unsaid, self.form)
            if self._terms.whole:  # it may let them fall
                self._coefficients = self._terms.settings(self.unsaid)

    def add(self, found: Found, loss: Tensor, *, proven: bool) -> None:
        """One more loss of its first minibatch; `proven`: it has to be some of the terms.

        Raises:
            Unlike: it is not.
        """
        self.clip.read_late(found, loss)
        if self.unsaid:
            self._terms = self._terms.plus(coefficients_in(found, loss, self.unsaid, self.form))
        elif proven and self.sound:
            self.sound = is_made_of(found, loss, self.facts, self.form)

    def differs(self) -> str | None:
        """Why what was added up is not what the update is shown with; None: it is."""
        if not self._terms.whole:  # they are told, or the update has ended within its first minibatch
            return None
        now = self._terms.settings(self.unsaid)
        if all(isclose(value, self._coefficients[name], rel_tol=NEARLY) for name, value in now.items()):
            return None
        old, new = (", ".join(f"{one:.6g}" for one in each.values()) for each in (self._coefficients, now))
        return ADDED.format(names=" and ".join(SYMBOLS[name] for name in now), old=old, new=new)


def others_of(found: Found, loss: Tensor, agent_of: Callable[[], Agent]) -> list[Form]:
    """Other forms than a plain one that it may have; each is still to be proven."""
    others = forms_of(found, loss)
    exact = ExactKL.in_loss(agent_of, found, loss)
    bare = [] if exact is None else [one for one in (PLAIN, *others) if one.estimate is None]
    return [*(replace(one, estimate=EITHER, exact=exact) for one in bare), *others]


def is_made_of(found: Found, loss: Tensor, facts: Facts, form: Form) -> bool:
    """Whether it is made of our terms, or is some of them; False: a known mistake has put it together.

    Raises:
        Unlike: it is not.
    """
    if form.exact is None:
        check_ways(found, loss)
    else:
        form.exact.check(found, form.undone(found, loss), facts.kl_coef)
    if not check_moved(found, loss, facts, form):
        return False
    check_terms(found, loss, facts, form)
    return True
