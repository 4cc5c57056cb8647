"""What fairness counts, on Redis or Valkey: a hash for each partition, and one for the states."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping
from importlib.resources import files

import msgspec

from nba.ledger.positions import START
from nba.ledger.shared import Tally
from nba.storage import Connection, Keys, Script

_TALLY = Script((files("nba.ledger") / "lua" / "tally.lua").read_text())
_POSITION = "position"
_PARTS = ("n", "p")

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(dict[int, tuple[int, ...]]).decode


class RedisShared:
    """A :class:`~nba.ledger.shared.SharedStore`."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys
        self._names = [keys.tallies(partition) for partition in range(keys.partitions)]

    async def positions(self) -> dict[int, str]:
        """Return up to where in the ledger each partition was counted."""
        replies = await asyncio.gather(
            *[self._connection.execute("HGET", name, _POSITION) for name in self._names]
        )
        return {
            partition: reply.decode() if reply else START for partition, reply in enumerate(replies)
        }

    async def count(
        self, partition: int, since: str, until: str, tallies: Mapping[str, Tally]
    ) -> bool:
        """Add tallies of what lies between two positions."""
        arguments: list[bytes | str | int | float] = [since, until]
        for name, (draws, chances) in tallies.items():
            arguments += [name, draws, chances]
        reply = await self._connection.script(_TALLY, [self._names[partition]], arguments)
        return bool(reply)

    async def tallies(self) -> dict[str, Tally]:
        """Return all tallies by name, summed over partitions."""
        sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        replies = await asyncio.gather(
            *[self._connection.execute("HGETALL", name) for name in self._names]
        )
        for flat in replies:
            for field, value in zip(flat[::2], flat[1::2], strict=True):
                part, separator, name = field.decode().partition(":")
                if separator:
                    sums[name][_PARTS.index(part)] += int(value)
        return {name: (draws, chances) for name, (draws, chances) in sums.items()}

    async def drop(self, names: Collection[str]) -> None:
        """Forget tallies."""
        fields = [f"{part}:{name}" for name in names for part in _PARTS]
        if fields:
            await asyncio.gather(
                *[self._connection.execute("HDEL", name, *fields) for name in self._names]
            )

    async def publish(self, states: Mapping[int, tuple[int, ...]]) -> None:
        """Tell every replica the state of policies, and nothing of any other."""
        await self._connection.execute("SET", self._keys.shared, _pack(dict(states)))

    async def published(self) -> dict[int, tuple[int, ...]]:
        """Return what was published."""
        packed = await self._connection.execute("GET", self._keys.shared)
        return _unpack(packed) if packed else {}
