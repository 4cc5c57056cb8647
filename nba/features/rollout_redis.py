"""Rollouts on Redis or Valkey."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from importlib.resources import files

from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.domain.ids import CustomerId
from nba.features.rollout import (
    REPLICA_SECONDS,
    Followed,
    Rollout,
    read_followed,
    read_rollout,
)
from nba.storage import Connection, Keys, Script

_SCANNED_AT_ONCE = 5_000
_REPLICA_MS = REPLICA_SECONDS * MILLISECONDS_PER_SECOND


def _script(name: str) -> Script:
    return Script((files("nba.features") / "lua" / f"{name}.lua").read_text())


_REPLICAS = _script("live_replicas")


class RedisRolloutStore:
    """A :class:`~nba.features.rollout.RolloutStore`; times are the server's."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys

    async def rollout(self) -> Rollout | None:
        """Return what is under way."""
        return read_rollout(await self._connection.execute("GET", self._keys.rollout))

    async def set_rollout(self, rollout: Rollout | None) -> None:
        """Say what is under way."""
        if rollout is None:
            await self._connection.execute("DEL", self._keys.rollout)
        else:
            await self._connection.execute("SET", self._keys.rollout, rollout.to_bytes())

    async def beat(self, replica: str, followed: Followed) -> None:
        """Say that a replica is there, and what it follows."""
        arguments: list[bytes | str | int | float] = [_REPLICA_MS, replica, followed.to_bytes()]
        await self._connection.script(_REPLICAS, [self._keys.replicas], arguments)

    async def leave(self, replica: str) -> None:
        """Say that a replica is gone."""
        await self._connection.execute("HDEL", self._keys.replicas, replica)

    async def replicas(self) -> Mapping[str, Followed]:
        """Return what each replica follows that spoke lately."""
        flat = await self._connection.script(
            _REPLICAS, [self._keys.replicas], [_REPLICA_MS, "", b""]
        )
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return {name.decode(): read_followed(packed) for name, packed in pairs}

    async def customers(self) -> AsyncIterator[list[CustomerId]]:
        """Iterate over the ids of all profiles."""
        pattern, cursor = self._keys.all_profiles, b"0"
        while True:
            cursor, names = await self._connection.execute(
                "SCAN", cursor, "MATCH", pattern, "COUNT", _SCANNED_AT_ONCE
            )
            if names:
                yield [self._keys.customer_of_profile(name.decode()) for name in names]
            if cursor == b"0":
                return
