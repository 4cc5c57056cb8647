"""Which actions are kin: where a new one starts from what was learned, not from nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from nba.domain.catalog import Action
from nba.domain.ids import ActionId
from nba.domain.taxonomy import ancestors_by_depth


class Kinship:
    """Actions by the terms that they share; ``no_action`` is nobody's kin.

    >>> from nba.domain.ids import Term
    >>> gold = Action(id=ActionId("gold"), name="Gold", terms=(Term("product:credit/card/gold"),))
    >>> card = Action(id=ActionId("card"), name="Card", terms=(Term("product:credit/card"),))
    >>> loan = Action(id=ActionId("loan"), name="Loan", terms=(Term("product:credit/loan"),))
    >>> kinship = Kinship([gold, card, loan])
    >>> kinship.of(gold, {"card", "loan"})
    ('card',)
    >>> kinship.of(gold, {"loan"})
    ('loan',)
    """

    def __init__(self, actions: Sequence[Action]) -> None:
        self._places = {action.id: place for place, action in enumerate(actions)}
        self._carrying: dict[str, list[ActionId]] = defaultdict(list)
        for action in actions:
            if not action.is_no_action:
                every = (term for terms in ancestors_by_depth(action.terms) for term in terms)
                for term in dict.fromkeys(every):
                    self._carrying[term].append(action.id)

    def of(self, action: Action, known: Collection[str]) -> tuple[ActionId, ...]:
        """Return the known actions that share its narrowest term with any; none where none does.

        A term's ancestors are tried from the narrowest to the widest, those of all its terms
        together at each depth; what shares more is closer. They are in the order of the catalog.
        """
        if action.is_no_action or not known:
            return ()
        for ancestors in ancestors_by_depth(action.terms):
            carrying = {name for term in ancestors for name in self._carrying.get(term, ())}
            kin = [name for name in carrying if name in known and name != action.id]
            if kin:
                return tuple(sorted(kin, key=self._places.__getitem__))
        return ()
