"""Erasure of a customer: what was asked for, where was searched afterwards, and the store's port.

Once erased, a customer is known by a pseudonym only (:meth:`nba.ledger.sealing.Sealer.pseudonym`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from nba.domain.ids import DecisionId

SEARCH_BATCH = 1_000
"""Keys or entries looked at in one round trip."""

MAX_REWRITTEN_ENTRIES = 20_000
"""Entries a stream may hold to be written anew; a longer one waits until the worker has trimmed."""


class Searched(msgspec.Struct, frozen=True):
    """One place that was searched: how many things were looked at, and in how many they were.

    ``since`` counts what was written there under the same id after the erasure was asked for.
    """

    place: str
    searched: int
    found: int
    since: int = 0


class ErasureState(msgspec.Struct, frozen=True):
    """How far the erasure of one id has come; times in milliseconds since the epoch.

    ``family`` are the pseudonyms of the customer's other ids, erased with it. ``searched`` is the
    proof, made when the log was done; ``finished_at_ms`` is set when the store's own files no
    longer hold what it deleted.
    """

    requested_at_ms: int
    decisions: int
    family: tuple[str, ...] = ()
    searched: tuple[Searched, ...] = ()
    searched_at_ms: int | None = None
    finished_at_ms: int | None = None

    @property
    def status(self) -> str:
        """``pending``, ``done``, or ``remains`` where the search still found something."""
        if any(place.found for place in self.searched):
            return "remains"
        return "pending" if self.finished_at_ms is None else "done"


class ErasureStore(Protocol):
    """What erasing needs of the online store."""

    async def forget(self, decision_ids: Collection[DecisionId]) -> None:
        """Forget records, outcomes, requests, ledger entries and what waits of decisions."""
        ...

    async def search(
        self, customer_id: str, decision_ids: Collection[str], position: str
    ) -> list[Searched]:
        """Search keys and ledger for a customer and their decisions.

        ``position`` is that of the erasure in the ledger: what came after it is counted apart.
        """
        ...

    async def note(self, pseudonym: str, state: ErasureState) -> None:
        """Keep how far an erasure has come."""
        ...

    async def state(self, pseudonym: str) -> ErasureState | None:
        """Return how far an erasure has come; ``None`` where none was asked for."""
        ...

    async def drop(self, partition: int, position: str, pseudonym: str) -> None:
        """Take the erasure out of the ledger; only its pseudonym is left, waiting to be cleared."""
        ...

    async def clear(self) -> Sequence[str]:
        """See that neither the ledger nor the server's files keep what was removed from them.

        Goes one step further with each call, and returns the pseudonyms that are done with.
        """
        ...
