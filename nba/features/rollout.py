"""The port of a change of layout while serving: what is under way, and who has followed it.

A replica is a process that reads or writes profiles. Each says every second or so which plan and
rollout it follows; whoever changes the layout waits until all have followed before the next step
(:mod:`nba.worker.rollout` tells the steps).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec

from nba.domain.ids import CustomerId
from nba.errors import ConflictError, CorruptRecordError

REPLICA_SECONDS = 10
"""After this long without a word a replica is gone. It stops writing well before (half of it)."""

CLAIM_SECONDS = 20
"""How long a rollout is somebody's who does not renew it."""


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

    async def claim(self, owner: str) -> bool:
        """Take or renew the right to change what is under way; ``False`` where it is another's."""
        ...

    async def release(self, owner: str) -> None:
        """Give the right back, where it is still this owner's."""
        ...

    def customers(self) -> AsyncIterator[list[CustomerId]]:
        """Iterate over the ids of all profiles, some at a time; one may come more than once.

        Whoever has a profile from beginning to end is among them.
        """
        ...


@asynccontextmanager
async def claimed(rollouts: RolloutStore, owner: str) -> AsyncIterator[None]:
    """Be the only one who changes layouts, or lands events that the log does not order.

    Raises :class:`~nba.errors.ConflictError` where another is at it.
    """
    if not await rollouts.claim(owner):
        raise ConflictError(
            "another plan is on its way in, or a file is; try again when it is there"
        )

    async def renew() -> None:
        while True:
            await asyncio.sleep(CLAIM_SECONDS / 4)
            await rollouts.claim(owner)

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()
        await rollouts.release(owner)
