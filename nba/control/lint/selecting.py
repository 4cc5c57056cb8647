"""Which actions and placements a selector selects, as masks, for very many selectors.

The same as :meth:`~nba.domain.policy.Selector.matches`, from words looked up once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.domain.catalog import Action, Placement
from nba.domain.policy import Selector
from nba.domain.taxonomy import dimension_of
from nba.policies.order import CONCERNS, Concern

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Selection:
    """What a policy selects: ``actions`` ``(n_actions,)`` and ``placements`` ``(n_placements,)``.

    A pair is selected where both are true.
    """

    actions: Mask
    placements: Mask

    @property
    def pairs(self) -> Mask:
        """Whether each pair is selected, ``(n_actions, n_placements)``."""
        return np.logical_and.outer(self.actions, self.placements)

    def covers(self, other: Selection) -> bool:
        """Whether everything the other selects is selected by this one too."""
        return not (
            (other.actions & ~self.actions).any() or (other.placements & ~self.placements).any()
        )

    @property
    def empty(self) -> bool:
        """Whether nothing is selected."""
        return not (self.actions.any() and self.placements.any())


class Words:
    """The words that actions and placements are selected by; none of ``actions`` is no_action."""

    def __init__(self, actions: Sequence[Action], placements: Sequence[Placement]) -> None:
        self._n = len(actions)
        self._by_id = {str(action.id): row for row, action in enumerate(actions)}
        self._classes = np.array([str(action.message_class) for action in actions], dtype=np.str_)
        self._terms: dict[str, list[int]] = {}
        for row, action in enumerate(actions):
            for term in {above for own in action.terms for above in _upwards(own)}:
                self._terms.setdefault(term, []).append(row)
        self._channels = np.array([place.channel for place in placements], dtype=np.str_)
        self._ids = np.array([str(place.id) for place in placements], dtype=np.str_)
        self._directions = np.array([str(place.direction) for place in placements], dtype=np.str_)

    def select(self, selector: Selector) -> Selection:
        """Return what a selector selects."""
        actions = np.ones(self._n, dtype=np.bool_)
        if selector.actions:
            actions &= self._rows(self._by_id[a] for a in selector.actions if a in self._by_id)
        if selector.terms:
            actions &= self._with_terms(selector.terms)
        if selector.message_classes:
            actions &= np.isin(self._classes, [str(c) for c in selector.message_classes])
        actions &= ~self._rows(self._by_id[a] for a in selector.except_actions if a in self._by_id)
        actions &= ~self._with_terms(selector.except_terms)
        placements = np.ones(len(self._ids), dtype=np.bool_)
        for wanted, found in (
            (selector.channels, self._channels),
            (selector.placements, self._ids),
            (selector.directions, self._directions),
        ):
            if wanted:
                placements &= np.isin(found, [str(word) for word in wanted])
        return Selection(actions, placements)

    def concerned(self, kind: str, selector: Selector) -> Selection:
        """Return what a policy of a kind may do something to, as ``policies.order`` says."""
        selected = self.select(selector)
        concerned = np.zeros(self._n, dtype=np.bool_)
        named = self._rows(self._by_id[a] for a in selector.actions if a in self._by_id)
        for message_class, concern in CONCERNS[kind].items():
            of_class = self._classes == str(message_class)
            if concern is Concern.ALWAYS or (
                concern is Concern.NAMED and message_class in selector.message_classes
            ):
                concerned |= of_class
            elif concern is Concern.NAMED:
                concerned |= of_class & named
        return Selection(selected.actions & concerned, selected.placements)

    def _rows(self, rows: Iterable[int]) -> Mask:
        mask = np.zeros(self._n, dtype=np.bool_)
        mask[list(rows)] = True
        return mask

    def _with_terms(self, terms: Sequence[str]) -> Mask:
        return self._rows(row for term in terms for row in self._terms.get(term, ()))


def _upwards(term: str) -> Iterable[str]:
    """Yield a term and every term above it."""
    dimension = dimension_of(term)
    levels = term[len(dimension) + 1 :].split("/")
    for depth in range(1, len(levels) + 1):
        yield f"{dimension}:{'/'.join(levels[:depth])}"
