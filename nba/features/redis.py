"""Profiles on Redis or Valkey: one round trip to read, one script to write."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from hashlib import blake2b
from importlib.resources import files

from nba.domain.clock import MILLISECONDS_PER_SECOND, SECONDS_PER_DAY, Clock
from nba.domain.ids import CustomerId
from nba.features.profile import pack_version
from nba.features.store import SEEN_DAYS, ForUpdate, LogEntry, WriteResult
from nba.storage import Connection, Keys, Script

_WRITE = Script((files("nba.features") / "lua" / "write_profile.lua").read_text())
_RESULTS = {0: WriteResult.STALE, 1: WriteResult.WRITTEN}
_MS_PER_DAY = SECONDS_PER_DAY * MILLISECONDS_PER_SECOND
_MESSAGE_DIGEST_BYTES = 8


class RedisProfileStore:
    """A :class:`~nba.features.store.ProfileStore`.

    Parameters
    ----------
    connection, keys
        Where, and under which names.
    clock
        Decides the day under which a message id is remembered; the server forgets a day's ids
        48 hours after the last of them.

    """

    def __init__(self, connection: Connection, keys: Keys, clock: Clock) -> None:
        self._connection = connection
        self._keys = keys
        self._clock = clock

    async def get(self, customer_id: CustomerId) -> bytes | None:
        """Return a packed profile, ``None`` for a customer never seen."""
        profile: bytes | None = await self._connection.execute(
            "GET", self._keys.profile(customer_id)
        )
        return profile

    async def read_for_update(
        self, customer_id: CustomerId, message_ids: Sequence[str]
    ) -> ForUpdate:
        """Return a packed profile and which messages were applied, in one round trip."""
        if not message_ids:
            return ForUpdate(await self.get(customer_id), frozenset())
        digests = [_digest(customer_id, message_id) for message_id in message_ids]
        profile, *days = await asyncio.gather(
            self._connection.execute("GET", self._keys.profile(customer_id)),
            *[
                self._connection.execute("SMISMEMBER", name, *digests)
                for name in self._seen(customer_id)
            ],
        )
        seen = {
            message_id
            for flags in days
            for message_id, flag in zip(message_ids, flags, strict=True)
            if flag
        }
        return ForUpdate(profile, frozenset(seen))

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
        partition = self._keys.partition_of(customer_id)
        names = [
            self._keys.profile(customer_id),
            self._keys.ledger(partition),
            *self._seen(customer_id),
        ]
        arguments: list[bytes | str | int | float] = [
            b"" if expected_version is None else pack_version(expected_version),
            profile,
            SEEN_DAYS * SECONDS_PER_DAY,
            len(message_ids),
            *[_digest(customer_id, message_id) for message_id in message_ids],
            *[part for entry in log_entries for part in entry],
        ]
        return _RESULTS[await self._connection.script(_WRITE, names, arguments)]

    async def erase(self, customer_id: CustomerId) -> None:
        """Forget a profile; digests of message ids are forgotten within 48 hours by themselves."""
        await self._connection.execute("DEL", self._keys.profile(customer_id))

    def _seen(self, customer_id: str) -> list[str]:
        """Return the keys of remembered message ids, today's first."""
        partition = self._keys.partition_of(customer_id)
        today = self._clock() // _MS_PER_DAY
        return [self._keys.seen(partition, today - back) for back in range(SEEN_DAYS)]


def _digest(customer_id: str, message_id: str) -> bytes:
    """Return what a message is remembered by: small, and one customer's never another's."""
    content = f"{customer_id}\x00{message_id}".encode()
    return blake2b(content, digest_size=_MESSAGE_DIGEST_BYTES).digest()
