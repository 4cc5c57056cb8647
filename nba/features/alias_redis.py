"""Aliases on Redis or Valkey: every step one command or script in one hash slot."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files

from nba.domain.alias import ALIAS_MARK, Forward, pack_forward, read_forward
from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.domain.ids import CustomerId
from nba.features.alias_store import (
    CLAIM_SECONDS,
    MAX_ALIASES,
    Absorbed,
    AliasTarget,
    Frozen,
)
from nba.storage import Connection, Keys, Script

_HISTORY_VERSION = slice(0, 4)
_TIME_DIGITS = 13
_CLAIM_MS = CLAIM_SECONDS * MILLISECONDS_PER_SECOND
_ABSORBED = {0: Absorbed.STALE, 1: Absorbed.DONE, 2: Absorbed.GONE}


def _script(name: str) -> Script:
    return Script((files("nba.features") / "lua" / f"{name}_alias.lua").read_text())


_CLAIM, _RELEASE, _INTEND, _ABANDON, _FREEZE, _ABSORB, _SETTLE = map(
    _script, ("claim", "release", "intend", "abandon", "freeze", "absorb", "settle")
)


class RedisAliasStore:
    """A :class:`~nba.features.alias_store.AliasStore`.

    Parameters
    ----------
    connection, keys
        Where, and under which names.
    history_ttl_ms
        How long a contact history outlives its last contact.

    """

    def __init__(self, connection: Connection, keys: Keys, *, history_ttl_ms: int) -> None:
        self._connection = connection
        self._keys = keys
        self._history_ttl_ms = history_ttl_ms

    async def forward(self, customer_id: CustomerId) -> Forward | None:
        """Return where an id leads."""
        return read_forward(await self._connection.execute("GET", self._keys.profile(customer_id)))

    async def claim(self, previous_id: CustomerId, target: CustomerId, at_ms: int) -> bool:
        """Announce an alias before it is made."""
        claimed: int = await self._connection.script(
            _CLAIM,
            [self._keys.alias_claims],
            [previous_id, _claim(target, at_ms), at_ms, _CLAIM_MS],
        )
        return claimed == 1

    async def claims(self, at_ms: int) -> Mapping[CustomerId, CustomerId]:
        """Return the aliases announced and not released."""
        flat = await self._connection.execute("HGETALL", self._keys.alias_claims)
        texts = [text.decode() for text in flat]
        pairs = zip(texts[::2], texts[1::2], strict=True)
        return {
            CustomerId(name): CustomerId(claim[_TIME_DIGITS:])
            for name, claim in pairs
            if int(claim[:_TIME_DIGITS]) > at_ms - _CLAIM_MS
        }

    async def release(self, previous_id: CustomerId, target: CustomerId, at_ms: int) -> None:
        """Take an announcement back."""
        await self._connection.script(
            _RELEASE, [self._keys.alias_claims], [previous_id, _claim(target, at_ms)]
        )

    async def height(self, customer_id: CustomerId) -> int:
        """Return how many former ids in a row lead to an id at most."""
        states = await self._connection.execute("HVALS", self._keys.aliases(customer_id))
        return max((int(state[1:]) + 1 for state in states), default=0)

    async def intend(self, previous_id: CustomerId, target: CustomerId, height: int) -> bool:
        """Note at the target what is to be absorbed."""
        noted: int = await self._connection.script(
            _INTEND, [self._keys.aliases(target)], [previous_id, height, MAX_ALIASES]
        )
        return noted == 1

    async def abandon(self, previous_id: CustomerId, target: CustomerId) -> None:
        """Take an intention back."""
        await self._connection.script(_ABANDON, [self._keys.aliases(target)], [previous_id])

    async def freeze(self, previous_id: CustomerId, forward: Forward) -> Forward | None:
        """Set profile and history aside and the mark in their place."""
        keys = self._keys
        names = [
            keys.profile(previous_id),
            keys.history(previous_id),
            keys.frozen_profile(previous_id),
            keys.frozen_history(previous_id),
        ]
        return read_forward(
            await self._connection.script(_FREEZE, names, [pack_forward(forward), ALIAS_MARK])
        )

    async def frozen(self, previous_id: CustomerId) -> Frozen:
        """Return what was set aside and is not yet merged."""
        keys = self._keys
        names = [keys.frozen_profile(previous_id), keys.frozen_history(previous_id)]
        return Frozen(*await self._connection.execute("MGET", *names))

    async def target(self, target: CustomerId, previous_id: CustomerId) -> AliasTarget:
        """Return the customer that is to absorb a former id."""
        keys = self._keys
        (profile, history), state = await asyncio.gather(
            self._connection.execute("MGET", keys.profile(target), keys.history(target)),
            self._connection.execute("HGET", keys.aliases(target), previous_id),
        )
        return AliasTarget(profile, history, None if state is None else state[:1] == b"1")

    async def absorb(
        self,
        previous_id: CustomerId,
        target: CustomerId,
        *,
        seen: AliasTarget,
        merged: Frozen,
        log_entries: Sequence[tuple[str, bytes]],
    ) -> Absorbed:
        """Write the target with a former id merged into it, exactly once."""
        keys = self._keys
        names = [
            keys.profile(target),
            keys.history(target),
            keys.aliases(target),
            keys.ledger(keys.partition_of(target)),
        ]
        arguments: list[bytes | str | int | float] = [
            previous_id,
            seen.profile or b"",
            (seen.history or b"")[_HISTORY_VERSION],
            merged.profile or b"",
            merged.history or b"",
            self._history_ttl_ms,
            *[part for entry in log_entries for part in entry],
        ]
        return _ABSORBED[await self._connection.script(_ABSORB, names, arguments)]

    async def settle(self, previous_id: CustomerId, forward: Forward) -> None:
        """Say in the mark that the merge is done, and drop what was set aside."""
        keys = self._keys
        names = [
            keys.profile(previous_id),
            keys.frozen_profile(previous_id),
            keys.frozen_history(previous_id),
        ]
        marks = [pack_forward(replace(forward, merged=merged)) for merged in (False, True)]
        await self._connection.script(_SETTLE, names, list(marks))

    async def aliases_of(self, customer_id: CustomerId) -> tuple[CustomerId, ...]:
        """Return the former ids that lead to an id directly."""
        names = await self._connection.execute("HKEYS", self._keys.aliases(customer_id))
        return tuple(sorted(CustomerId(name.decode()) for name in names))

    async def erase(self, customer_id: CustomerId) -> None:
        """Forget an id's mark, what was set aside under it, and which former ids led to it."""
        keys = self._keys
        await self._connection.execute(
            "DEL",
            keys.profile(customer_id),
            keys.frozen_profile(customer_id),
            keys.frozen_history(customer_id),
            keys.aliases(customer_id),
        )


def _claim(target: str, at_ms: int) -> str:
    return f"{at_ms:0{_TIME_DIGITS}d}{target}"
