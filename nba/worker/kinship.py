"""Where a new action or content starts: from what was learned of its kin, not from nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from nba.domain.catalog import Action, Content
from nba.domain.ids import Term
from nba.domain.taxonomy import is_within


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
    for ancestors in _by_depth(action.terms):
        kin = [o.id for o in candidates if any(o.has_term(ancestor) for ancestor in ancestors)]
        if kin:
            return tuple(kin)
    return ()


def content_kin_of(
    content: Content, others: Sequence[Content], known: Collection[str]
) -> tuple[str, ...]:
    """Return the known contents it is closest to; none where none is close.

    That is the same message elsewhere, which is to say the same content group; else whatever else
    its action is said with; else what shares its narrowest term with any.
    """
    candidates = [other for other in others if other.id in known and other.id != content.id]
    groups = [
        [other for other in candidates if other.group == content.group],
        [other for other in candidates if other.action == content.action],
        *(
            [o for o in candidates if any(is_within(t, a) for t in o.terms for a in ancestors)]
            for ancestors in _by_depth(content.terms)
        ),
    ]
    return tuple(kin.id for kin in next(filter(None, groups), ()))


def _by_depth(terms: Sequence[Term]) -> Iterator[list[str]]:
    """Iterate over terms and their ancestors, the deepest first."""
    split = [term.partition(":") for term in terms]
    paths = [(dimension, path.split("/")) for dimension, _, path in split]
    for depth in range(max((len(words) for _, words in paths), default=0), 0, -1):
        yield [
            f"{dimension}:{'/'.join(words[:depth])}"
            for dimension, words in paths
            if len(words) >= depth
        ]
