"""Aliases in memory: for tests and simulations; nothing survives its process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import replace

from nba.domain.alias import Forward, pack_forward, read_forward
from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.domain.ids import CustomerId
from nba.features.alias_store import (
    CLAIM_SECONDS,
    MAX_ALIASES,
    Absorbed,
    AliasTarget,
    Frozen,
)

_CLAIM_MS = CLAIM_SECONDS * MILLISECONDS_PER_SECOND


class MemoryAliasStore:
    """A :class:`~nba.features.alias_store.AliasStore` that lives as long as its process.

    Parameters
    ----------
    profiles, histories
        Hold packed profiles and contact histories by customer.
    append_entry
        Takes a customer, and the letter and body of an entry for their ledger.

    """

    def __init__(
        self,
        profiles: MutableMapping[str, bytes],
        histories: MutableMapping[str, bytes],
        append_entry: Callable[[str, str, bytes], None],
    ) -> None:
        self._profiles = profiles
        self._histories = histories
        self._append_entry = append_entry
        self._claims: dict[CustomerId, tuple[CustomerId, int]] = {}
        self._aliases: dict[CustomerId, dict[CustomerId, tuple[bool, int]]] = defaultdict(dict)
        self._frozen: dict[CustomerId, Frozen] = {}

    async def forward(self, customer_id: CustomerId) -> Forward | None:
        """Return where an id leads."""
        return read_forward(self._profiles.get(customer_id))

    async def claim(self, previous_id: CustomerId, target: CustomerId, at_ms: int) -> bool:
        """Announce an alias before it is made."""
        there = self._claims.get(previous_id)
        if there is not None and there[1] > at_ms - _CLAIM_MS:
            return False
        self._claims[previous_id] = (target, at_ms)
        return True

    async def claims(self, at_ms: int) -> Mapping[CustomerId, CustomerId]:
        """Return the aliases announced and not released."""
        found = self._claims.items()
        return {name: target for name, (target, since) in found if since > at_ms - _CLAIM_MS}

    async def release(self, previous_id: CustomerId, target: CustomerId, at_ms: int) -> None:
        """Take an announcement back."""
        if self._claims.get(previous_id) == (target, at_ms):
            del self._claims[previous_id]

    async def height(self, customer_id: CustomerId) -> int:
        """Return how many former ids in a row lead to an id at most."""
        heights = [height for _, height in self._aliases[customer_id].values()]
        return max(heights, default=-1) + 1

    async def intend(self, previous_id: CustomerId, target: CustomerId, height: int) -> bool:
        """Note at the target what is to be absorbed."""
        aliases = self._aliases[target]
        if previous_id not in aliases and len(aliases) >= MAX_ALIASES:
            return False
        aliases.setdefault(previous_id, (False, height))
        return True

    async def abandon(self, previous_id: CustomerId, target: CustomerId) -> None:
        """Take an intention back."""
        absorbed, _ = self._aliases[target].get(previous_id, (True, 0))
        if not absorbed:
            del self._aliases[target][previous_id]

    async def freeze(self, previous_id: CustomerId, forward: Forward) -> Forward | None:
        """Set profile and history aside and the mark in their place."""
        there = read_forward(self._profiles.get(previous_id))
        if there is not None:
            return there
        profile = self._profiles.get(previous_id)
        self._frozen[previous_id] = Frozen(profile, self._histories.pop(previous_id, None))
        self._profiles[previous_id] = pack_forward(forward)
        return None

    async def frozen(self, previous_id: CustomerId) -> Frozen:
        """Return what was set aside and is not yet merged."""
        return self._frozen.get(previous_id, Frozen(None, None))

    async def target(self, target: CustomerId, previous_id: CustomerId) -> AliasTarget:
        """Return the customer that is to absorb a former id."""
        absorbed, _ = self._aliases[target].get(previous_id, (None, 0))
        return AliasTarget(self._profiles.get(target), self._histories.get(target), absorbed)

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
        absorbed, height = self._aliases[target].get(previous_id, (None, 0))
        if absorbed is None:
            return Absorbed.GONE
        if absorbed:
            return Absorbed.DONE
        if (self._profiles.get(target), self._histories.get(target)) != (
            seen.profile,
            seen.history,
        ):
            return Absorbed.STALE
        if merged.profile is not None:
            self._profiles[target] = merged.profile
        if merged.history is not None:
            self._histories[target] = merged.history
        self._aliases[target][previous_id] = (True, height)
        for letter, body in log_entries:
            self._append_entry(target, letter, body)
        return Absorbed.DONE

    async def settle(self, previous_id: CustomerId, forward: Forward) -> None:
        """Say in the mark that the merge is done, and drop what was set aside."""
        if self._profiles.get(previous_id) == pack_forward(replace(forward, merged=False)):
            self._profiles[previous_id] = pack_forward(replace(forward, merged=True))
            self._frozen.pop(previous_id, None)

    async def aliases_of(self, customer_id: CustomerId) -> tuple[CustomerId, ...]:
        """Return the former ids that lead to an id directly."""
        return tuple(sorted(self._aliases[customer_id]))

    async def erase(self, customer_id: CustomerId) -> None:
        """Forget an id's mark, what was set aside under it, and which former ids led to it."""
        self._profiles.pop(customer_id, None)
        self._frozen.pop(customer_id, None)
        self._aliases.pop(customer_id, None)
