"""Where a new action starts: from what was learned of its kin, not from nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from nba.domain.catalog import Action


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
    for ancestors in _by_depth(action):
        kin = [o.id for o in candidates if any(o.has_term(ancestor) for ancestor in ancestors)]
        if kin:
            return tuple(kin)
    return ()


def _by_depth(action: Action) -> Iterator[list[str]]:
    """Iterate over its terms and their ancestors, the deepest first."""
    split = [term.partition(":") for term in action.terms]
    paths = [(dimension, path.split("/")) for dimension, _, path in split]
    for depth in range(max((len(words) for _, words in paths), default=0), 0, -1):
        yield [
            f"{dimension}:{'/'.join(words[:depth])}"
            for dimension, words in paths
            if len(words) >= depth
        ]
