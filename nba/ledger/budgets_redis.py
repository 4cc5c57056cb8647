"""Budgets on Redis or Valkey: each account in a hash slot of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from hashlib import blake2b
from importlib.resources import files

import msgspec

from nba.ledger.budgets import Account, Acquired, Claim
from nba.storage import Connection, Keys, Script

_ACQUIRE = Script((files("nba.ledger") / "lua" / "acquire.lua").read_text())
_HOLD = Script((files("nba.ledger") / "lua" / "hold.lua").read_text())
_FINISH = Script((files("nba.ledger") / "lua" / "finish.lua").read_text())

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Account).decode


class RedisBudgets:
    """A :class:`~nba.ledger.budgets.BudgetStore`.

    An account is noted, for the worker to find, before its first share is taken.
    """

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys
        self._noted: set[str] = set()

    async def used(self, accounts: Sequence[Account]) -> list[int]:
        """Return how much is used of each account."""
        replies = await asyncio.gather(
            *[self._connection.execute("HGET", self._names(a)[0], "s") for a in accounts]
        )
        return [int(reply or 0) for reply in replies]

    async def acquire(self, claim: Claim) -> Acquired:
        """Take a share, if there is enough left."""
        account = claim.account
        if account.name not in self._noted:
            await self._connection.execute("SADD", self._keys.budgets, _pack(account))
            self._noted.add(account.name)
        granted, used, at_ms = await self._connection.script(
            _ACQUIRE,
            self._names(account)[:2],
            [claim.grant, claim.units, claim.allowed, claim.limit, claim.ttl_ms],
        )
        return Acquired(granted == 1, used, at_ms)

    async def hold(self, account: Account, grant: str, until_ms: int) -> bool:
        """Keep a grant whose decision is recorded."""
        reply = await self._connection.script(_HOLD, self._names(account), [grant, until_ms])
        return bool(reply)

    async def settle(self, account: Account, grant: str) -> bool:
        """End a grant for good."""
        return bool(await self._connection.script(_FINISH, self._names(account), [grant, 0]))

    async def release(self, account: Account, grant: str) -> bool:
        """End a grant and give back what it took."""
        return bool(await self._connection.script(_FINISH, self._names(account), [grant, 1]))

    async def accounts(self) -> list[Account]:
        """Return the accounts that are looked after."""
        members = await self._connection.execute("SMEMBERS", self._keys.budgets)
        return sorted((_unpack(member) for member in members), key=lambda account: account.name)

    async def abandoned(self, account: Account, age_ms: int, limit: int) -> list[str]:
        """Return open grants of at least an age, by the store's clock, oldest first."""
        seconds, microseconds = await self._connection.execute("TIME")
        now_ms = int(seconds) * 1_000 + int(microseconds) // 1_000
        return await self._first(self._names(account)[1], f"{now_ms - age_ms}", limit)

    async def due(self, account: Account, before_ms: int, limit: int) -> list[str]:
        """Return grants held until before a time, the longest due first."""
        return await self._first(self._names(account)[2], f"({before_ms}", limit)

    async def forget(self, account: Account) -> None:
        """Look no more after an account."""
        await self._connection.execute("SREM", self._keys.budgets, _pack(account))

    async def _first(self, name: str, until: str, limit: int) -> list[str]:
        members = await self._connection.execute(
            "ZRANGE", name, "-inf", until, "BYSCORE", "LIMIT", 0, limit
        )
        return [member.decode() for member in members]

    def _names(self, account: Account) -> list[str]:
        name = account.name
        slot = blake2b(name.encode(), digest_size=6).hexdigest()
        return [self._keys.budget(slot, part, name) for part in ("spent", "open", "held")]
