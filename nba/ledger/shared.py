"""The port of what fairness counts: once for each ledger entry, summed over partitions.

Counts are added to a partition together with the position in the ledger up to which it was
counted, so that whoever counts may be killed anywhere and start again from before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

Tally = tuple[int, int]
"""How many draws a group took part in, and their chances of being chosen, in millionths."""


class SharedStore(Protocol):
    """Where tallies are kept, and what follows from them is told to every replica."""

    async def positions(self) -> dict[int, str]:
        """Return up to where in the ledger each partition was counted."""
        ...

    async def count(
        self, partition: int, since: str, until: str, tallies: Mapping[str, Tally]
    ) -> bool:
        """Add tallies of what lies between two positions; ``False`` where others counted on."""
        ...

    async def tallies(self) -> dict[str, Tally]:
        """Return all tallies by name, summed over partitions."""
        ...

    async def drop(self, names: Collection[str]) -> None:
        """Forget tallies."""
        ...

    async def publish(self, states: Mapping[int, tuple[int, ...]]) -> None:
        """Tell every replica the state of policies, and nothing of any other."""
        ...

    async def published(self) -> dict[int, tuple[int, ...]]:
        """Return what was published."""
        ...
