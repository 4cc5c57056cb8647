"""Profiles in memory: for tests and simulations; nothing survives its process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, MutableMapping, Sequence

from nba.domain.clock import MILLISECONDS_PER_SECOND, SECONDS_PER_DAY, Clock
from nba.domain.ids import CustomerId, partition_of
from nba.features.alias_memory import MemoryAliasStore
from nba.features.store import SEEN_DAYS, ForUpdate, ProfileWrite, Wanted, WriteResult

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
        Decides the day under which a message is remembered.
    partitions
        Number of partitions.
    histories
        Holds the contact histories by customer, shared in the same way.

    """

    def __init__(
        self,
        profiles: MutableMapping[str, bytes],
        append_entry: Callable[[int, str, bytes], None],
        clock: Clock,
        *,
        partitions: int = 16,
        histories: MutableMapping[str, bytes] | None = None,
    ) -> None:
        self._profiles = profiles
        self._append_entry = append_entry
        self._clock = clock
        self._partitions = partitions
        self._seen: dict[int, set[bytes]] = defaultdict(set)
        histories = {} if histories is None else histories
        self.aliases = MemoryAliasStore(profiles, histories, self._append)

    async def get(self, customer_id: CustomerId) -> bytes | None:
        """Return a packed profile, ``None`` for a customer never seen."""
        return self._profiles.get(customer_id)

    async def read_many(self, wanted: Sequence[Wanted]) -> list[ForUpdate]:
        """Return profiles and which messages were applied."""
        return [
            ForUpdate(self._profiles.get(one.customer_id), self._seen_of(one.messages))
            for one in wanted
        ]

    async def write_many(self, writes: Sequence[ProfileWrite]) -> list[WriteResult]:
        """Write profiles of different customers."""
        return [self._write(write) for write in writes]

    def _write(self, write: ProfileWrite) -> WriteResult:
        stored = self._profiles.get(write.customer_id)
        if stored != write.expected or self._seen_of(write.messages):
            return WriteResult.STALE
        self._profiles[write.customer_id] = write.profile
        today = self._today()
        self._seen[today].update(write.messages)
        for day in [day for day in self._seen if day <= today - SEEN_DAYS]:
            del self._seen[day]
        for letter, body in write.log_entries:
            self._append(write.customer_id, letter, body)
        return WriteResult.WRITTEN

    async def erase(self, customer_id: CustomerId) -> None:
        """Forget a profile and which aliases it had."""
        await self.aliases.erase(customer_id)

    def _append(self, customer_id: str, letter: str, body: bytes) -> None:
        self._append_entry(partition_of(customer_id, self._partitions), letter, body)

    def _today(self) -> int:
        return self._clock() // _MS_PER_DAY

    def _seen_of(self, messages: Sequence[bytes]) -> frozenset[bytes]:
        today = self._today()
        days = [self._seen.get(day, set()) for day in range(today - SEEN_DAYS + 1, today + 1)]
        return frozenset(m for m in messages if any(m in day for day in days))
