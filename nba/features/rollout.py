"""The port of a change of layout while serving: what is under way, and who has followed it.

A replica is a process that reads or writes profiles. Each says every second or so which plan and
rollout it follows; whoever changes the layout waits until all have followed before the next step
(:mod:`nba.worker.rollout` tells the steps).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

import msgspec

from nba.domain.ids import CustomerId
from nba.errors import CorruptRecordError

REPLICA_SECONDS = 10
"""After this long without a word a replica is gone. It stops writing well before (half of it)."""


class Rollout(msgspec.Struct, frozen=True, array_like=True):
    """One layout on its way to take the place of another, both by their plan's digest.

    At first replicas only learn to read profiles of both. Where ``writes`` is set, what they write
    holds what both keep.
    """

    live: str
    coming: str
    writes: bool = False

    def to_bytes(self) -> bytes:
        """Pack."""
        return msgspec.msgpack.encode(self)


class Followed(msgspec.Struct, frozen=True, array_like=True):
    """What a replica follows: nothing it does goes back to anything earlier."""

    digest: str = ""
    rollout: Rollout | None = None

    def to_bytes(self) -> bytes:
        """Pack."""
        return msgspec.msgpack.encode(self)


def read_rollout(packed: bytes | None) -> Rollout | None:
    """Unpack what is under way; :class:`CorruptRecordError` where it cannot be."""
    try:
        return None if packed is None else msgspec.msgpack.decode(packed, type=Rollout)
    except msgspec.MsgspecError as error:
        raise CorruptRecordError(f"cannot read the rollout: {error}") from error


def read_followed(packed: bytes) -> Followed:
    """Unpack what a replica follows; :class:`CorruptRecordError` where it cannot be."""
    try:
        return msgspec.msgpack.decode(packed, type=Followed)
    except msgspec.MsgspecError as error:
        raise CorruptRecordError(f"cannot read what a replica follows: {error}") from error


class RolloutStore(Protocol):
    """Where a rollout, the replicas that follow it, and all customers are found."""

    async def rollout(self) -> Rollout | None:
        """Return what is under way."""
        ...

    async def set_rollout(self, rollout: Rollout | None) -> None:
        """Say what is under way; ``None`` for nothing."""
        ...

    async def beat(self, replica: str, followed: Followed) -> None:
        """Say that a replica is there, and what it follows."""
        ...

    async def leave(self, replica: str) -> None:
        """Say that a replica is gone."""
        ...

    async def replicas(self) -> Mapping[str, Followed]:
        """Return what each replica follows that spoke lately."""
        ...

    def customers(self) -> AsyncIterator[list[CustomerId]]:
        """Iterate over the ids of all profiles, some at a time; one may come more than once.

        Whoever has a profile from beginning to end is among them.
        """
        ...
