"""Where a new action starts: from what was learned of its kin, not from nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from nba.domain.catalog import Action
from nba.domain.taxonomy import ancestors_by_depth


def kin_of(action: Action, others: Sequence[Action], known: Collection[str]) -> tuple[str, ...]:
    """Return the known actions that share its narrowest term with any; none where none does.

    A term's ancestors are tried from the narrowest to the widest, those of all its terms together
    at each depth; what shares more is closer. ``no_action`` is nobody's kin.

    >>> from nba.domain.ids import ActionId, Term
    >>> gold = Action(id=ActionId("gold"), name="Gold", terms=(Term("product:credit/card/gold"),))
    >>> card = Action(id=ActionId("card"), name="Card", terms=(Term("product:credit/card"),))
    >>> loan = Action(id=ActionId("loan"), name="Loan", terms=(Term("product:credit/loan"),))
    >>> kin_of(gold, [card, loan], {"card", "loan"})
    ('card',)
    >>> kin_of(gold, [loan], {"loan"})
    ('loan',)
    """
    if action.is_no_action:
        return ()
    candidates = [
        other
        for other in others
        if other.id in known and other.id != action.id and not other.is_no_action
    ]
    for ancestors in ancestors_by_depth(action.terms):
        kin = [o.id for o in candidates if any(o.has_term(ancestor) for ancestor in ancestors)]
        if kin:
            return tuple(kin)
    return ()
