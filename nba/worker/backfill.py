"""Backfill while serving: every profile gets the state that newly kept slots would have by now.

A profile is read, then all that led to it (:mod:`nba.worker.past`); the state of the new slots is
recomputed, and written on condition that the profile is still as it was. Nothing else of it
changes, so whatever is interrupted is simply begun again, and what is right already is not written.

Whoever changes meanwhile is caught up with what the ledger holds since, which takes milliseconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from nba.domain.alias import read_forward
from nba.domain.ids import CustomerId
from nba.errors import CorruptRecordError, OverloadedError
from nba.features import FeatureSet, ProfileStore, ProfileWrite, Wanted, WriteResult
from nba.features.aliases import Aliases
from nba.features.backfill import Rebuilt
from nba.features.profile import version_of
from nba.features.rollout import RolloutStore
from nba.ledger.log import LogTable
from nba.worker.past import Past
from nba.worker.tail import Tail, frame, once

CUSTOMERS_AT_ONCE = 5_000
"""Customers recomputed together: what bounds memory, and how often the log is read."""

_WRITES_AT_ONCE = 256
_MAX_ATTEMPTS = 50
_MAX_CATCHES = 20

Told = Callable[[int], None]
"""Called with the number of profiles looked at so far."""


@dataclass(slots=True)
class BackfillReport:
    """What a backfill did; ``since`` is when the first event it could know of was received."""

    customers: int = 0
    written: int = 0
    unreadable: int = 0
    since: datetime | None = None


@dataclass(slots=True)
class _Held:
    """What is known of some customers, and their profiles as of then."""

    events: pl.DataFrame
    aliases: pl.DataFrame
    profiles: dict[CustomerId, bytes] = field(default_factory=dict)


class Backfill:
    """Brings newly kept slots up to date in every profile.

    Parameters
    ----------
    profiles, rollouts
        The store of profiles, and where all of them are found.
    aliases
        Completes merges that somebody left half done.
    past
        What happened.
    union, moved
        What profiles are written with, and just the features that need new slots.
    slots
        Keys of the new slots.
    told
        Hears of progress.
    rest
        How long to rest after each piece of work, as a share of what it took: serving goes first.

    """

    def __init__(
        self,
        profiles: ProfileStore,
        rollouts: RolloutStore,
        aliases: Aliases,
        past: Past,
        *,
        union: FeatureSet,
        moved: FeatureSet,
        slots: Sequence[str],
        told: Told,
        rest: float = 0.5,
    ) -> None:
        self._profiles = profiles
        self._rollouts = rollouts
        self._aliases = aliases
        self._past = past
        self._union = union
        self._moved = moved
        self._slots = tuple(slots)
        self._told = told
        self._rest = rest
        self._report = BackfillReport()

    async def run(self) -> BackfillReport:
        """Go through all customers; safe to stop anywhere and to run again."""
        self._report.since = await asyncio.to_thread(self._past.begins)
        merged = await self._merges()
        waiting: list[CustomerId] = []
        async for names in self._rollouts.customers():
            waiting += names
            while len(waiting) >= CUSTOMERS_AT_ONCE:
                await self._some(waiting[:CUSTOMERS_AT_ONCE])
                del waiting[:CUSTOMERS_AT_ONCE]
        await self._some(waiting)
        # A customer may have taken over one whose turn had not come.
        while (now := await self._merges()) - merged:
            again = {CustomerId(customer) for customer, _ in now - merged}
            merged = now
            await self._some([await self._aliases.resolve(customer) for customer in again])
        return self._report

    async def _merges(self) -> set[tuple[str, int]]:
        aliases = await self._past.aliases(await self._past.tail())
        return set(aliases.select("customer_id", "version").iter_rows())

    async def _some(self, customers: Collection[CustomerId]) -> None:
        started = time.perf_counter()
        left = set(customers)
        for _ in range(_MAX_ATTEMPTS):
            if not left:
                break
            left = await self._attempt(left)
        if left:
            raise OverloadedError(
                f"customer {min(left)!r} was changed by others {_MAX_ATTEMPTS} times meanwhile",
                retry_after_seconds=1,
            )
        self._report.customers += len(set(customers))
        self._told(self._report.customers)
        await asyncio.sleep(self._rest * (time.perf_counter() - started))

    async def _attempt(self, customers: Collection[CustomerId]) -> set[CustomerId]:
        """Bring customers up to date; return those that others changed too often."""
        profiles = await self._read(customers)
        # In this order: what is in neither of them did not lead to the profiles read.
        tail = await self._past.tail()
        aliases = await self._past.aliases(tail)
        held = _Held(await self._past.of(profiles, tail, aliases), aliases, profiles)
        stale = await self._write(held, profiles)
        for _ in range(_MAX_CATCHES):
            caught = await self._catch_up(held, stale) if stale else set()
            if not caught:
                return stale if caught is None else set()
            stale = caught
        return stale

    async def _read(self, customers: Collection[CustomerId]) -> dict[CustomerId, bytes]:
        """Return profiles; of a former id not yet merged, see that it is."""
        found = await self._profiles.read_many([Wanted(customer) for customer in customers])
        profiles = {}
        for customer, state in zip(customers, found, strict=True):
            forward = read_forward(state.profile)
            if forward is not None:
                await self._aliases.follow(customer, forward)
            elif state.profile is not None:
                profiles[customer] = state.profile
        return profiles

    async def _write(self, held: _Held, customers: Collection[CustomerId]) -> set[CustomerId]:
        """Write what is not right already; return who changed meanwhile."""
        writes = await asyncio.to_thread(self._changed, held, customers)
        stale = set()
        for start in range(0, len(writes), _WRITES_AT_ONCE):
            some = writes[start : start + _WRITES_AT_ONCE]
            results = await self._profiles.write_many(some)
            for write, result in zip(some, results, strict=True):
                if result is WriteResult.WRITTEN:
                    self._report.written += 1
                else:
                    stale.add(write.customer_id)
        return stale

    def _changed(self, held: _Held, customers: Collection[CustomerId]) -> list[ProfileWrite]:
        versions = {str(name): version_of(held.profiles[name]) for name in customers}
        rebuilt = Rebuilt(self._moved, held.events, held.aliases, versions)
        writes = []
        for customer in customers:
            profile = held.profiles[customer]
            try:
                there = self._union.slots(profile)
            except CorruptRecordError:
                self._report.unreadable += 1
                continue
            state = rebuilt.state(customer)
            wanted = {key: state[key] for key in self._slots}
            if any(there[key] != wanted[key] for key in self._slots):
                writes.append(
                    ProfileWrite(
                        customer_id=customer,
                        expected=profile,
                        profile=self._union.with_slots(profile, wanted),
                    )
                )
        return writes

    async def _catch_up(
        self, held: _Held, customers: Collection[CustomerId]
    ) -> set[CustomerId] | None:
        """Try again with what the ledger holds since; ``None`` where that is not all there is."""
        profiles = await self._read(customers)
        tail = await self._past.tail()
        if not all(
            _continues(tail, customer, version_of(held.profiles[customer]), version_of(profile))
            for customer, profile in profiles.items()
        ):
            return None
        news = [row for row in tail.events if _is_new(row, held.profiles)]
        held.events = once(pl.concat([held.events, frame(LogTable.EVENTS, news)]))
        held.profiles |= profiles
        return await self._write(held, profiles)


def _is_new(row: Mapping[str, object], profiles: Mapping[CustomerId, bytes]) -> bool:
    """Say whether a row of the ledger is later than what is held of its customer."""
    profile = profiles.get(CustomerId(str(row["customer_id"])))
    version = row["version"]
    return profile is not None and isinstance(version, int) and version > version_of(profile)


def _continues(tail: Tail, customer: str, held: int, now: int) -> bool:
    """Say whether the ledger has everything between two versions, and no merge among it."""
    merged = any(row["customer_id"] == customer and row["version"] > held for row in tail.aliases)
    return not merged and tail.versions[customer].issuperset(range(held + 1, now + 1))
