"""Take in events and profile updates: checked one by one, written once per customer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from weakref import WeakValueDictionary

import msgspec

from nba.domain.clock import Clock
from nba.domain.customer import Event, EventEntry, ProfileUpdate, UpdateEntry
from nba.domain.ids import MAX_ID_LENGTH, CustomerId
from nba.errors import Fault, InputError, OverloadedError
from nba.features.feature_set import FeatureSet
from nba.features.profile import version_of
from nba.features.sensitivity import named_in, sensitive_names, sensitive_properties
from nba.features.store import (
    EVENT_ENTRY,
    UPDATE_ENTRY,
    ForUpdate,
    LogEntry,
    ProfileStore,
    WriteResult,
)
from nba.features.values import shown

MAX_ATTEMPTS = 100
"""Attempts to write before giving up; each one lost means that another process landed a write."""

MAX_ITEMS_PER_WRITE = 200
"""Items of one customer written at once; more would hold up everyone else at the store."""

Item = Event | ProfileUpdate


class ItemStatus(StrEnum):
    """What became of an item; ``ignored`` is an event that is not declared."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of an item, what was wrong with it, and the undeclared names left out of it."""

    status: ItemStatus
    faults: tuple[Fault, ...] = ()
    dropped: tuple[str, ...] = ()


@dataclass(slots=True)
class _Attempt:
    """One customer's items applied to the profile as read, not yet written."""

    profile: bytes | None
    results: list[ItemResult] = field(default_factory=list)
    message_ids: list[str] = field(default_factory=list)
    log_entries: list[LogEntry] = field(default_factory=list)
    changed: bool = False


class ProfileService:
    """Changes profiles, each item exactly once; an item reported ``recorded`` is in the store.

    Parameters
    ----------
    store
        Where profiles are kept.
    features
        Returns the feature set of the live plan.
    clock
        When a profile update happens.

    """

    def __init__(
        self, store: ProfileStore, features: Callable[[], FeatureSet], clock: Clock
    ) -> None:
        self._store = store
        self._features = features
        self._clock = clock
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def put(self, update: ProfileUpdate) -> ItemResult:
        """Change one profile; :class:`~nba.errors.InputError` where anything in it is wrong."""
        return await self._single(update)

    async def track(self, event: Event) -> ItemResult:
        """Take in one event; :class:`~nba.errors.InputError` where anything in it is wrong."""
        return await self._single(event)

    async def ingest(self, items: Sequence[Item]) -> list[ItemResult]:
        """Take in many; one result for each, in order.

        Items of one customer are applied in order. Raises :class:`~nba.errors.OverloadedError`
        where a customer is changed by others too fast, :class:`~nba.errors.UnavailableError` where
        the store is away; everything else has landed then, and the whole may be sent again.
        """
        features = self._features()
        results: dict[int, ItemResult] = {}
        by_customer: dict[CustomerId, list[tuple[int, Item]]] = {}
        dropped: dict[int, tuple[str, ...]] = {}
        for index, item in enumerate(items):
            checked, result = _checked(features, item)
            if checked is None:
                results[index] = result
                continue
            dropped[index] = result.dropped
            by_customer.setdefault(item.customer_id, []).append((index, checked))
        outcomes = await asyncio.gather(
            *[
                self._customer(features, customer_id, [item for _, item in group])
                for customer_id, group in by_customer.items()
            ],
            return_exceptions=True,
        )
        for group, outcome in zip(by_customer.values(), outcomes, strict=True):
            if isinstance(outcome, BaseException):
                raise outcome
            for (index, _), result in zip(group, outcome, strict=True):
                left_out = dropped[index] + result.dropped
                results[index] = ItemResult(result.status, result.faults, left_out)
        return [results[index] for index in range(len(items))]

    async def _single(self, item: Item) -> ItemResult:
        (result,) = await self.ingest([item])
        if result.status is ItemStatus.REJECTED:
            raise InputError(result.faults)
        return result

    async def _customer(
        self, features: FeatureSet, customer_id: CustomerId, items: Sequence[Item]
    ) -> list[ItemResult]:
        # Writers in this process queue here rather than compete at the store.
        lock = self._locks.setdefault(customer_id, asyncio.Lock())
        results: list[ItemResult] = []
        async with lock:
            for start in range(0, len(items), MAX_ITEMS_PER_WRITE):
                part = items[start : start + MAX_ITEMS_PER_WRITE]
                results += await self._write(features, customer_id, part)
        return results

    async def _write(
        self, features: FeatureSet, customer_id: CustomerId, items: Sequence[Item]
    ) -> list[ItemResult]:
        message_ids = [item.message_id for item in items if isinstance(item, Event)]
        for _ in range(MAX_ATTEMPTS):
            found = await self._store.read_for_update(customer_id, message_ids)
            attempt = self._apply(features, found, items)
            if not attempt.changed or attempt.profile is None:
                return attempt.results
            written = await self._store.write(
                customer_id,
                expected_version=None if found.profile is None else version_of(found.profile),
                profile=attempt.profile,
                log_entries=attempt.log_entries,
                message_ids=attempt.message_ids,
            )
            if written is WriteResult.WRITTEN:
                return attempt.results
        raise OverloadedError(
            f"customer {customer_id!r} was changed by others {MAX_ATTEMPTS} times meanwhile",
            retry_after_seconds=1,
        )

    def _apply(self, features: FeatureSet, found: ForUpdate, items: Sequence[Item]) -> _Attempt:
        attempt = _Attempt(found.profile)
        seen = set(found.seen)
        for item in items:
            if isinstance(item, Event):
                attempt.results.append(_apply_event(features, attempt, item, seen))
                continue
            try:
                attempt.results.append(_apply_update(features, attempt, item, self._clock()))
            except InputError as error:
                attempt.results.append(ItemResult(ItemStatus.REJECTED, error.faults))
        return attempt


def _apply_update(
    features: FeatureSet, attempt: _Attempt, update: ProfileUpdate, now_ms: int
) -> ItemResult:
    attempt.profile, dropped = features.update(attempt.profile, update, at_ms=now_ms)
    attempt.changed = True
    kept = {name: value for name, value in update.attributes.items() if name not in dropped}
    entry = UpdateEntry(
        customer_id=update.customer_id,
        attributes=kept,
        consents=update.consents,
        time_zone=update.time_zone,
        locale=update.locale,
        source=update.source,
        received_at_ms=now_ms,
        version=version_of(attempt.profile),
        sensitive=named_in(kept, sensitive_names(features)),
    )
    attempt.log_entries.append((UPDATE_ENTRY, msgspec.msgpack.encode(entry)))
    return ItemResult(ItemStatus.RECORDED, dropped=dropped)


def _apply_event(
    features: FeatureSet, attempt: _Attempt, event: Event, seen: set[str]
) -> ItemResult:
    if event.message_id in seen:
        return ItemResult(ItemStatus.DUPLICATE)
    attempt.profile = features.apply_checked(attempt.profile, event)
    attempt.changed = True
    seen.add(event.message_id)
    attempt.message_ids.append(event.message_id)
    sensitive = sensitive_properties(features).get(event.name, frozenset())
    entry = EventEntry(
        customer_id=event.customer_id,
        name=event.name,
        message_id=event.message_id,
        at_ms=event.at_ms,
        received_at_ms=event.received_at_ms,
        properties=event.properties,
        version=version_of(attempt.profile),
        sensitive=named_in(event.properties, sensitive),
    )
    attempt.log_entries.append((EVENT_ENTRY, msgspec.msgpack.encode(entry)))
    return ItemResult(ItemStatus.RECORDED)


def _checked(features: FeatureSet, item: Item) -> tuple[Item | None, ItemResult]:
    """Return the item with what is declared only, or ``None`` and what became of it."""
    faults = list(_id_faults("/customer_id", item.customer_id))
    if isinstance(item, ProfileUpdate):
        if faults:
            return None, ItemResult(ItemStatus.REJECTED, tuple(faults))
        return item, ItemResult(ItemStatus.RECORDED)
    faults += _id_faults("/message_id", item.message_id)
    if not faults and not features.declares(item.name):
        return None, ItemResult(ItemStatus.IGNORED)
    if not faults:
        try:
            event, dropped = features.check(item)
        except InputError as error:
            return None, ItemResult(ItemStatus.REJECTED, error.faults)
        return event, ItemResult(ItemStatus.RECORDED, dropped=dropped)
    return None, ItemResult(ItemStatus.REJECTED, tuple(faults))


def _id_faults(place: str, identifier: str) -> list[Fault]:
    expected = f"1 to {MAX_ID_LENGTH} characters are expected"
    if not 0 < len(identifier) <= MAX_ID_LENGTH:
        return [Fault(place, f"an id of {len(identifier)} characters", expected)]
    try:
        identifier.encode()
    except UnicodeEncodeError:
        return [Fault(place, f"found {shown(identifier)}", "text that UTF-8 can hold is expected")]
    return []
