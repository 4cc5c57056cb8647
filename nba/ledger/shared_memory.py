"""What fairness counts, in memory: for tests and simulations."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from nba.ledger.positions import START
from nba.ledger.shared import Tally


class MemoryShared:
    """A :class:`~nba.ledger.shared.SharedStore` that lives as long as its process."""

    def __init__(self, *, partitions: int = 16) -> None:
        self._positions = dict.fromkeys(range(partitions), START)
        self._tallies: dict[str, Tally] = {}
        self._published: dict[int, tuple[int, ...]] = {}

    async def positions(self) -> dict[int, str]:
        """Return up to where in the ledger each partition was counted."""
        return dict(self._positions)

    async def count(
        self, partition: int, since: str, until: str, tallies: Mapping[str, Tally]
    ) -> bool:
        """Add tallies of what lies between two positions."""
        if self._positions[partition] != since:
            return False
        self._positions[partition] = until
        for name, (draws, chances) in tallies.items():
            before = self._tallies.get(name, (0, 0))
            self._tallies[name] = before[0] + draws, before[1] + chances
        return True

    async def tallies(self) -> dict[str, Tally]:
        """Return all tallies by name."""
        return dict(self._tallies)

    async def drop(self, names: Collection[str]) -> None:
        """Forget tallies."""
        for name in names:
            self._tallies.pop(name, None)

    async def publish(self, states: Mapping[int, tuple[int, ...]]) -> None:
        """Tell every replica the state of policies, and nothing of any other."""
        self._published = dict(states)

    async def published(self) -> dict[int, tuple[int, ...]]:
        """Return what was published."""
        return dict(self._published)
