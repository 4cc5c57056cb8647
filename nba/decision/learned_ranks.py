"""With which position effects the choices below the first rank were learned.

What stands at a rank is learned as what its effect lets one expect there. So a state speaks of the
effects that its lessons were learned with, and this tells where those that are live are others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from nba.domain.catalog import Placement
from nba.domain.ids import PlacementId

RankCount = tuple[PlacementId, int, float, int]
"""A placement, a rank of it, the effect it had, and how many choices were learned with it."""


@dataclass(frozen=True, slots=True)
class OutdatedRank:
    """A rank of which ``choices`` were learned ``learned_with`` an effect that is ``now`` another.

    ``of`` is how many choices there were learned in all.
    """

    placement: PlacementId
    rank: int
    learned_with: float
    now: float
    choices: int
    of: int


class LearnedRanks:
    """How many choices below the first rank were learned, by placement, rank and effect."""

    def __init__(self, counts: Iterable[RankCount] = ()) -> None:
        self._counts = Counter[tuple[PlacementId, int, float]]()
        for placement, rank, effect, choices in counts:
            self._counts[placement, rank, effect] += choices

    def note(self, placement: Placement, rank: int) -> None:
        """Count a choice that was learned; at the first rank there is nothing to remember."""
        if rank > 1:
            self._counts[placement.id, rank, placement.effect_at(rank)] += 1

    @property
    def counts(self) -> list[RankCount]:
        """All that was counted, in the order in which it first was."""
        return [(*about, choices) for about, choices in self._counts.items()]

    def outdated(self, placements: Iterable[Placement]) -> list[OutdatedRank]:
        """Return where effects are others than those that were learned with, in order."""
        live = {placement.id: placement for placement in placements}
        total = Counter[tuple[PlacementId, int]]()
        for (name, rank, _), choices in self._counts.items():
            total[name, rank] += choices
        return [
            OutdatedRank(name, rank, effect, live[name].effect_at(rank), choices, total[name, rank])
            for (name, rank, effect), choices in sorted(self._counts.items())
            if name in live and live[name].effect_at(rank) != effect
        ]
