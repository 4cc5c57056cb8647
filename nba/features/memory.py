"""Profiles in memory: for tests and simulations; nothing survives its process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, MutableMapping, Sequence

from nba.domain.clock import MILLISECONDS_PER_SECOND, SECONDS_PER_DAY, Clock
from nba.domain.ids import CustomerId, partition_of
from nba.features.profile import version_of
from nba.features.store import SEEN_DAYS, ForUpdate, LogEntry, WriteResult

_MS_PER_DAY = SECONDS_PER_DAY * MILLISECONDS_PER_SECOND


class MemoryProfileStore:
    """A :class:`~nba.features.store.ProfileStore` that lives as long as its process.

    Parameters
    ----------
    profiles
        Holds the profiles by customer; shared with the ledger in memory, as a server would be.
    append_entry
        Takes the partition, letter and body of each entry for the ledger.
    clock
        Decides the day under which a message id is remembered.
    partitions
        Number of partitions.

    """

    def __init__(
        self,
        profiles: MutableMapping[str, bytes],
        append_entry: Callable[[int, str, bytes], None],
        clock: Clock,
        *,
        partitions: int = 16,
    ) -> None:
        self._profiles = profiles
        self._append_entry = append_entry
        self._clock = clock
        self._partitions = partitions
        self._seen: dict[int, set[tuple[str, str]]] = defaultdict(set)

    async def get(self, customer_id: CustomerId) -> bytes | None:
        """Return a packed profile, ``None`` for a customer never seen."""
        return self._profiles.get(customer_id)

    async def read_for_update(
        self, customer_id: CustomerId, message_ids: Sequence[str]
    ) -> ForUpdate:
        """Return a packed profile and which messages were applied."""
        seen = frozenset(name for name in message_ids if self._was_seen(customer_id, name))
        return ForUpdate(self._profiles.get(customer_id), seen)

    async def write(
        self,
        customer_id: CustomerId,
        *,
        expected_version: int | None,
        profile: bytes,
        log_entries: Sequence[LogEntry],
        message_ids: Sequence[str],
    ) -> WriteResult:
        """Write profile, ledger entries and message ids together, or nothing."""
        stored = self._profiles.get(customer_id)
        version = None if stored is None else version_of(stored)
        if version != expected_version or any(
            self._was_seen(customer_id, name) for name in message_ids
        ):
            return WriteResult.STALE
        self._profiles[customer_id] = profile
        today = self._today()
        self._seen[today].update((customer_id, name) for name in message_ids)
        for day in [day for day in self._seen if day <= today - SEEN_DAYS]:
            del self._seen[day]
        for letter, body in log_entries:
            self._append_entry(partition_of(customer_id, self._partitions), letter, body)
        return WriteResult.WRITTEN

    async def erase(self, customer_id: CustomerId) -> None:
        """Forget a profile."""
        self._profiles.pop(customer_id, None)

    def _today(self) -> int:
        return self._clock() // _MS_PER_DAY

    def _was_seen(self, customer_id: str, message_id: str) -> bool:
        today = self._today()
        days = range(today - SEEN_DAYS + 1, today + 1)
        return any((customer_id, message_id) in self._seen.get(day, ()) for day in days)
