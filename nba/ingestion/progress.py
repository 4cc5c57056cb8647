"""How far a file has come: kept in the store itself, and so lost only with what it speaks of."""

from __future__ import annotations

from typing import Protocol

import msgspec

from nba.storage import Connection, Keys


class Progress(msgspec.Struct, kw_only=True):
    """How far one file has come, and what became of its rows so far.

    ``buckets`` is how many it was dealt into, ``done`` how many of them have landed. While one is
    on its way, ``started`` is its number.
    """

    buckets: int
    done: int = 0
    started: int = -1
    received_at_ms: int = 0
    rows: int = 0
    recorded: int = 0
    duplicate: int = 0
    ignored: int = 0
    rejected: int = 0
    dropped: dict[str, int] = {}

    @property
    def is_complete(self) -> bool:
        """Whether all of the file has landed."""
        return self.done == self.buckets


class ProgressStore(Protocol):
    """Where the progress of files is kept, by the file's digest."""

    async def load(self, job: str) -> Progress | None:
        """Return how far a file has come, ``None`` where it was never begun."""
        ...

    async def save(self, job: str, progress: Progress) -> None:
        """Keep how far a file has come."""
        ...


class RedisProgressStore:
    """A :class:`ProgressStore` on Redis or Valkey."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys

    async def load(self, job: str) -> Progress | None:
        """Return how far a file has come."""
        packed = await self._connection.execute("GET", self._keys.ingestion(job))
        return None if packed is None else msgspec.msgpack.decode(packed, type=Progress)

    async def save(self, job: str, progress: Progress) -> None:
        """Keep how far a file has come."""
        packed = msgspec.msgpack.encode(progress)
        await self._connection.execute("SET", self._keys.ingestion(job), packed)


class MemoryProgressStore:
    """A :class:`ProgressStore` that lives as long as its process."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    async def load(self, job: str) -> Progress | None:
        """Return how far a file has come."""
        packed = self._kept.get(job)
        return None if packed is None else msgspec.msgpack.decode(packed, type=Progress)

    async def save(self, job: str, progress: Progress) -> None:
        """Keep how far a file has come."""
        self._kept[job] = msgspec.msgpack.encode(progress)
