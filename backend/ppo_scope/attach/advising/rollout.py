"""The lines before an update: the Scope, and what it is told of the rollout."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ppo_scope.attach.advising.adding_up import adds_up_in
from ppo_scope.attach.advising.draft import MAY_BE, TO_FILL_IN, Draft, Piece, call
from ppo_scope.attach.advising.inputs import asked_with
from ppo_scope.attach.advising.recurrence import Collected, collected_in
from ppo_scope.attach.advising.reward_flow import CUT, TERMINATED, arrived, given_by
from ppo_scope.attach.advising.rewards import gathered
from ppo_scope.attach.advising.rows import Rows, before_it_is_normalised, rows_in
from ppo_scope.attach.advising.settings import learning_rate_of, settings_of
from ppo_scope.attach.advising.source import Bit, Source
from ppo_scope.attach.advising.tree import Function, called, is_name

OWN_REWARDS = "the environment's own: not scaled, and without γ·V(s′) in them"
TO_LOOK_AT = "the environment's own: as they are before "
CHANGED = TO_LOOK_AT + "line {line} changes them"
OF_ONE = "as the environment gives them; those of several at once are refused by `float`"
NOT_SEEN = TO_LOOK_AT + "anything changes them: their way here from where it gives them is not seen"
NOT_ADDED_UP = TO_LOOK_AT + "they are added up; of these the advantages are not made, or not in this order"
OF_STEP = "as the environment gives them"
AS_GIVEN = "as the environment gives them, before line {line} changes them"
ORDER = ("actions", "rewards", "log_probs", "advantages", "values", "returns", "dones", "truncated", "observations")
UNKNOWN = {
    "actions": TO_FILL_IN + "[M, N, …], steps first, as the policy drew them",
    "rewards": f"{TO_FILL_IN}[M, N], {OWN_REWARDS}",
    "log_probs": TO_FILL_IN + "[M, N], log π_old",
    "advantages": TO_FILL_IN + "[M, N], before they are normalised",
    "values": MAY_BE + "[M, N], V of the critic that collected",
    "dones": MAY_BE + "[M, N], ends of episodes; with truncated=…, those of them that were cut",
}
AS_ONE = "as of one environment; of N, whose samples lie step by step: reshape(-1, N), and so the others"


NOT_SURE = (
    "# to look at: who calls {function} is not seen. As it stands, each call is shown as an update; what follows goes "
    "before its epochs, and the last piece after them"
)


def lines_before(draft: Draft) -> list[str]:
    """Of the update."""
    begins = [] if draft.place.sure else [NOT_SURE.format(function=getattr(draft.place.scope, "name", ""))]
    begins += [f"global {draft.scope}"] if isinstance(draft.place.scope, Function) else []
    found = collected_in(draft.source)
    settings = settings_of(draft, found)
    made = ["    " + one for one in call(f"{draft.scope} = ppo_scope.Scope", settings)]
    told = call(f"{draft.scope}.rollout", {**_rollout(draft, found), **_that_may_move(settings)})
    after = [f"{draft.given}.clear()"] if draft.given is not None else []
    return [*begins, f"if {draft.scope} is None:", *made, *told, *after]


MAY_MOVE = ("clip_range", "clip_range_high", "value_coef", "entropy_coef")


def _that_may_move(settings: Mapping[str, str | None]) -> dict[str, str]:
    """Those that are no numbers in the file: they are told anew at each update."""
    given = {name: settings[name] or "" for name in MAY_MOVE}
    known = {name: one.partition(",  # ")[0] for name, one in given.items() if one and not one.startswith(TO_FILL_IN)}
    return {name: one for name, one in known.items() if not _is_number(one)}


def _is_number(words: str) -> bool:
    return words.replace(".", "").replace("e-", "").isdigit()


def _rollout(draft: Draft, found: Collected) -> dict[str, str | None]:
    """What it is told of the rollout."""
    reading = draft.reading
    actions, observations = _asked(draft)
    used = draft.whole(reading.used)
    told = {
        "actions": _by_steps(draft, actions, wide=True),
        "log_probs": _by_steps(draft, draft.log_probs),
        "advantages": None if used is None else _raw(draft, used),
        "returns": _by_steps(draft, draft.whole(reading.target)),
        "observations": _by_steps(draft, observations, wide=True),
        "rewards": _collected(draft, found.rewards),
        "values": _collected(draft, found.values),
        **_ends(draft, found),
    }
    if told["rewards"] is not None and found.rewards is not None:
        told["rewards"] = _said_of_rewards(draft, found, told["rewards"])
    elif told["log_probs"] is not None and (draft.rows is None or draft.rows.layout[1] == 1):
        told["log_probs"] += f",  # {AS_ONE}"
        runs = draft.log_probs is not None and draft.living.array(draft.log_probs) is not None and not draft.shuffled
        given = gathered(draft, alone=True) if runs else None
        told["rewards"] = None if given is None else f"{given},  # {OF_ONE}"
    arguments = {name: told.get(name) or UNKNOWN.get(name) for name in ORDER}
    return {**arguments, "learning_rate": learning_rate_of(draft)}


def _said_of_rewards(draft: Draft, found: Collected, words: str) -> str:
    """They, or where they are gathered instead; and whether that is seen to be what the environment gives."""
    assert found.rewards is not None
    if adds_up_in(draft, found) is False:
        return f"{words},  # {NOT_ADDED_UP}"
    seen, line = arrived(draft.source, found.rewards)
    if seen and line is None:
        return f"{words},  # {OWN_REWARDS}"
    given, changed = gathered(draft), CHANGED if seen else NOT_SEEN
    said = changed if given is None else AS_GIVEN if line else OF_STEP
    return f"{given or words},  # {said.format(line=line and draft.source.said(line))}"


def _asked(draft: Draft) -> tuple[Bit | None, Bit | None]:
    """(actions, observations) of all samples: what log π was asked with."""
    seen, acted = asked_with(draft.source, draft.reading.log_prob)
    actions = draft.whole(acted)
    wholes = {ast.dump(one.node): one for one in map(draft.whole, seen) if one is not None}  # a mean and σ of one state
    others = [one for one in wholes.values() if _may_be_samples(draft, one)]
    if actions is not None:
        others = [one for one in others if ast.dump(one.node) != ast.dump(actions.node)]
    elif len(others) > 1:
        actions = next((one for one in others if _are_choices(draft, one)), others[1])
        others = [one for one in others if one is not actions]
    return actions, others[0] if others else None


def _may_be_samples(draft: Draft, whole: Bit) -> bool:
    """Whatever a minibatch is taken of; of what is given as it stands, arrays, where that can be seen, but for what the
    policy has found itself.
    """
    if isinstance(whole.node, ast.Constant) or is_name(whole.node, "self") or draft.living.has_gradient(whole):
        return False
    return draft.taken is not None or not draft.living.scopes or draft.living.array(whole) is not None


def _are_choices(draft: Draft, whole: Bit) -> bool:
    array = draft.living.array(whole)
    return array is not None and array.dtype.kind in "iu"


# In the shape of a rollout


def _by_steps(draft: Draft, whole: Bit | None, *, wide: bool = False) -> str | None:
    """[M, N] of an array of all samples; [M, N, …] where it is `wide`."""
    if whole is None:
        return None
    found = _rows_of(draft, whole)
    if found is not None:
        return draft.source.words(found.node)
    words, array = draft.source.words(whole.node), draft.living.array(whole)
    return _reshaped(draft, words, f", *{words}.shape[1:]" if wide and (array is None or array.ndim > 1) else "")


def _rows_of(draft: Draft, whole: Bit) -> Rows | None:
    """What was flattened to it, in the layout and order of log π_old."""
    rows = draft.rows
    found = None if rows is None else rows_in(draft.source, draft.living, whole, draft.place, rows.layout)
    if found is None or rows is None:
        return None
    return found if found.by_environment == rows.by_environment or 1 in rows.layout else None


def _reshaped(draft: Draft, words: str, more: str = "") -> str:
    rows = draft.rows
    if rows is None or rows.layout[1] == 1:
        return f"{words}.reshape(-1, 1{more})"
    width = draft.width_of(rows)
    if rows.by_environment:
        return f"{words}.reshape({width}, -1{more}).swapaxes(0, 1)"
    return f"{words}.reshape(-1, {width}{more})"


def _raw(draft: Draft, whole: Bit) -> str | None:
    """Â as it was before it was normalised: kept under another name, where it is written over."""
    normal = before_it_is_normalised(draft.source, whole, draft.place)
    if normal is None and (found := _rows_of(draft, whole)) is not None:  # seen by its numbers alone
        normal = before_it_is_normalised(draft.source, Bit(found.node, draft.place.scope), draft.place)
    if normal is None:
        return _by_steps(draft, whole)
    inner, statement = normal
    words = draft.source.words(inner)
    in_place = isinstance(statement, ast.AugAssign)  # then it is the same array
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if not in_place and not any(is_name(one, words) for one in targets):
        return _by_steps(draft, Bit(inner, whole.scope))
    kept = draft.source.free(f"raw_{words}")
    code = [f"{kept} = {words} + 0" if in_place else f"{kept} = {words}"]
    draft.besides.append(Piece(statement.lineno, False, code, statement.lineno))
    if draft.rows is not None and draft.rows.by_environment:  # it may have been flattened by then, or not
        return f"{kept} if {kept}.ndim > 1 else {_reshaped(draft, kept)}"
    return _reshaped(draft, kept)


# What was collected step by step


def _collected(draft: Draft, bit: Bit | None) -> str | None:
    """An array or a list, where it is seen to have the rollout's layout."""
    words = None if bit is None or draft.shuffled else draft.there(bit)
    if bit is None or words is None:
        return None
    whole = Bit(ast.parse(words, mode="eval").body, draft.place.scope)
    array = draft.living.array(whole)
    if array is None or (called(whole.node, "logical_or") is not None and not draft.has("np")):
        return None
    if draft.living.is_list(whole):
        words = _laid(draft, words, array)
    if draft.rows is not None and draft.rows.layout == array.shape:
        return words
    flat = None if draft.log_probs is None else draft.living.array(draft.log_probs)
    one = draft.rows is None or draft.rows.layout[1] == 1
    return f"{words}.reshape(-1, 1)" if one and flat is not None and array.shape == (flat.size,) else None


def _laid(draft: Draft, words: str, array: NDArray[Any]) -> str:
    """A list as an array."""
    module = "torch" if draft.has("torch") else "np"
    if array.ndim > 1:
        return f"{module}.stack({words})"
    return f"torch.tensor({words})" if module == "torch" else f"np.array({words})"


def _ends(draft: Draft, found: Collected) -> dict[str, str | None]:
    """`dones`, and `truncated` where terminated steps are told apart."""
    if found.ends is not None and _without_cuts(draft.source, found.ends):
        return {}
    ends, over = _collected(draft, found.ends), _collected(draft, found.terminated)
    if ends is None or over is None:
        return {"dones": ends or over}
    return {"dones": ends, "truncated": f"{ends} {_less(draft, found)} {over}"}


def _without_cuts(source: Source, ends: Bit) -> bool:
    """Whether the environment tells of episodes that it cuts, and these ends do not: returns would go on over them."""
    if not given_by(source, CUT) or not arrived(source, ends, TERMINATED).seen:
        return False
    return not arrived(source, ends, CUT).seen


def _less(draft: Draft, found: Collected) -> str:
    """What takes the one away from the other: of True and False there is no minus."""
    words = [draft.there(one) for one in (found.ends, found.terminated) if one is not None]
    bits = (Bit(ast.parse(one, mode="eval").body, draft.place.scope) for one in words if one is not None)
    arrays = [draft.living.array(one) for one in bits]
    return "^" if any(one is not None and one.dtype.kind == "b" for one in arrays) else "-"
