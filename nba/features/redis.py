"""Profiles on Redis or Valkey: one round trip to read, one script a partition to write."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from importlib.resources import files

from nba.domain.clock import MILLISECONDS_PER_SECOND, SECONDS_PER_DAY, Clock
from nba.domain.ids import CustomerId
from nba.features.alias_redis import RedisAliasStore
from nba.features.store import SEEN_DAYS, ForUpdate, ProfileWrite, Wanted, WriteResult
from nba.storage import Connection, Keys, Script

MAX_WRITES_PER_SCRIPT = 64
"""Profiles that one script writes; more would hold up everyone else at the server."""

_WRITE = Script((files("nba.features") / "lua" / "write_profiles.lua").read_text())
_RESULTS = (WriteResult.STALE, WriteResult.WRITTEN)
_MS_PER_DAY = SECONDS_PER_DAY * MILLISECONDS_PER_SECOND
_HISTORY_TTL_MS = 400 * _MS_PER_DAY


class RedisProfileStore:
    """A :class:`~nba.features.store.ProfileStore`.

    Parameters
    ----------
    connection, keys
        Where, and under which names.
    clock
        Decides the day under which a message is remembered; the server forgets a day's messages 48
        hours after the last of them.
    history_ttl_ms
        How long the contact history of an alias outlives its last contact.
    profile_ttl_ms
        How long a profile outlives the last change to it; 0 for ever.

    """

    def __init__(
        self,
        connection: Connection,
        keys: Keys,
        clock: Clock,
        *,
        history_ttl_ms: int = _HISTORY_TTL_MS,
        profile_ttl_ms: int = 0,
    ) -> None:
        self._profile_ttl_ms = profile_ttl_ms
        self._connection = connection
        self._keys = keys
        self._clock = clock
        self.aliases = RedisAliasStore(connection, keys, history_ttl_ms=history_ttl_ms)

    async def get(self, customer_id: CustomerId) -> bytes | None:
        """Return a packed profile, ``None`` for a customer never seen."""
        profile: bytes | None = await self._connection.execute(
            "GET", self._keys.profile(customer_id)
        )
        return profile

    async def read_many(self, wanted: Sequence[Wanted]) -> list[ForUpdate]:
        """Return profiles and which messages were applied, in one round trip."""
        found: list[ForUpdate | None] = [None] * len(wanted)
        await asyncio.gather(
            *[
                self._read(partition, wanted, positions, found)
                for partition, positions in self._by_partition([w.customer_id for w in wanted])
            ]
        )
        return [one for one in found if one is not None]

    async def _read(
        self,
        partition: int,
        wanted: Sequence[Wanted],
        positions: Sequence[int],
        found: list[ForUpdate | None],
    ) -> None:
        execute = self._connection.execute
        names = [self._keys.profile(wanted[position].customer_id) for position in positions]
        messages = [message for position in positions for message in wanted[position].messages]
        # Profiles first: whatever is applied in between shows among the messages, never only in
        # a profile.
        replies = [execute("MGET", *names)]
        if messages:
            replies += [execute("SMISMEMBER", name, *messages) for name in self._seen(partition)]
        profiles, *days = await asyncio.gather(*replies)
        seen = {m for flags in days for m, flag in zip(messages, flags, strict=True) if flag}
        for position, profile in zip(positions, profiles, strict=True):
            mine = seen.intersection(wanted[position].messages) if seen else ()
            found[position] = ForUpdate(profile, frozenset(mine))

    async def write_many(self, writes: Sequence[ProfileWrite]) -> list[WriteResult]:
        """Write profiles of different customers, in one round trip."""
        results = [WriteResult.STALE] * len(writes)
        groups = [
            (partition, positions[start : start + MAX_WRITES_PER_SCRIPT])
            for partition, positions in self._by_partition([w.customer_id for w in writes])
            for start in range(0, len(positions), MAX_WRITES_PER_SCRIPT)
        ]
        written = await asyncio.gather(
            *[self._write(partition, [writes[p] for p in mine]) for partition, mine in groups],
            return_exceptions=True,
        )
        for (_, positions), flags in zip(groups, written, strict=True):
            if isinstance(flags, BaseException):
                raise flags
            for position, flag in zip(positions, flags, strict=True):
                results[position] = _RESULTS[flag]
        return results

    async def _write(self, partition: int, writes: Sequence[ProfileWrite]) -> list[int]:
        names = [self._keys.ledger(partition), *self._seen(partition)]
        arguments: list[bytes | str | int | float] = [
            SEEN_DAYS * SECONDS_PER_DAY,
            self._profile_ttl_ms,
        ]
        for write in writes:
            names.append(self._keys.profile(write.customer_id))
            arguments += (
                write.expected or b"",
                write.profile,
                len(write.messages),
                *write.messages,
                len(write.log_entries),
            )
            for entry in write.log_entries:
                arguments += entry
        flags: list[int] = await self._connection.script(_WRITE, names, arguments)
        return flags

    async def erase(self, customer_id: CustomerId) -> None:
        """Forget a profile and which aliases it had.

        Keys of messages are forgotten within 48 hours by themselves.
        """
        await self.aliases.erase(customer_id)

    def _by_partition(self, customer_ids: Sequence[CustomerId]) -> list[tuple[int, list[int]]]:
        """Return the positions of customers by their partition."""
        positions: dict[int, list[int]] = defaultdict(list)
        partition_of = self._keys.partition_of
        for position, customer_id in enumerate(customer_ids):
            positions[partition_of(customer_id)].append(position)
        return list(positions.items())

    def _seen(self, partition: int) -> list[str]:
        """Return the names of remembered messages, today's first."""
        today = self._clock() // _MS_PER_DAY
        return [self._keys.seen(partition, today - back) for back in range(SEEN_DAYS)]
