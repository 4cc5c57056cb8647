"""Take in events and profile updates: checked one by one, written once per customer.

Items are taken a batch at a time. Each round reads the profiles of all its customers at once,
applies what is theirs, and writes all of them at once. A customer changed by somebody else in
between is in the next round again, and one who goes on under another id is looked for there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from weakref import WeakValueDictionary

from nba.domain.alias import Alias, Forward, read_forward
from nba.domain.clock import Clock
from nba.domain.customer import Event, ProfileUpdate
from nba.domain.ids import CustomerId
from nba.errors import InputError, NbaError, OverloadedError
from nba.features.aggregation import Moves
from nba.features.aliases import Aliases
from nba.features.entries import event_entry, update_entry
from nba.features.feature_set import FeatureSet
from nba.features.items import (
    DUPLICATE,
    RECORDED,
    Item,
    ItemResult,
    ItemStatus,
    Undeclared,
    check_event,
    check_update,
    id_faults,
    rejected,
    undeclared_faults,
)
from nba.features.profile import version_of
from nba.features.recent import RecentProfiles
from nba.features.store import (
    ForUpdate,
    LogEntry,
    ProfileStore,
    ProfileWrite,
    Wanted,
    WriteResult,
    message_key,
)

MAX_ATTEMPTS = 100
"""Attempts to write before giving up; each one lost means that another process landed a write."""

MAX_ITEMS_AT_ONCE = 256
"""Items of one batch; more would hold up everyone else in the process and at the store."""


@dataclass(slots=True)
class _Task:
    """One good item on its way to a profile.

    ``key`` is what its message is remembered by, under the id it was sent for; empty where it may
    be applied any number of times.
    """

    position: int
    item: Event | ProfileUpdate
    key: bytes
    moves: Moves | None = None


@dataclass(slots=True)
class _Group:
    """What is to be applied to one customer, in order."""

    customer_id: CustomerId
    tasks: list[_Task]
    attempts: int = 0


@dataclass(slots=True)
class _Attempt:
    """One customer's tasks applied to the profile as read, not yet written."""

    profile: bytes | None
    expected: bytes | None = None
    version: int = 0
    results: list[tuple[int, ItemResult]] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    log_entries: list[LogEntry] = field(default_factory=list)
    changed: bool = False


NoteEvents = Callable[[Sequence[Event]], Awaitable[None]]
"""Notes events that were taken in; it may be called with the same ones again."""


async def _not_noted(_: Sequence[Event]) -> None:
    """Note nothing."""


def _events(batch: Sequence[Item], results: Sequence[ItemResult]) -> Iterator[Event]:
    """Yield the events of a batch that landed, now or before."""
    for item, result in zip(batch, results, strict=True):
        landed = result.status in {ItemStatus.RECORDED, ItemStatus.DUPLICATE}
        if landed and isinstance(item, Event):
            yield item


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
    undeclared
        What becomes of what is not declared.
    noted
        Called with events that were taken in, or sent again, before they are acknowledged.

    """

    def __init__(
        self,
        store: ProfileStore,
        features: Callable[[], FeatureSet],
        clock: Clock,
        *,
        undeclared: Undeclared = Undeclared.DROP,
        noted: NoteEvents = _not_noted,
    ) -> None:
        self.aliases = Aliases(store.aliases, features, clock)
        self._store = store
        self._features = features
        self._clock = clock
        self._undeclared = undeclared
        self._noted = noted
        self._recent = RecentProfiles()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def put(self, update: ProfileUpdate) -> ItemResult:
        """Change one profile; :class:`~nba.errors.InputError` where anything in it is wrong."""
        return await self._single(update)

    async def track(self, event: Event) -> ItemResult:
        """Take in one event; :class:`~nba.errors.InputError` where anything in it is wrong."""
        return await self._single(event)

    async def ingest(
        self, items: Sequence[Item], *, once: str | None = None, log_events: bool = True
    ) -> list[ItemResult]:
        """Take in many; one result for each, in order.

        Items of one customer are applied in order. Where ``once`` is given, it stands for the ids
        of all messages: what a customer has in a batch is applied once under this name. Without
        ``log_events`` no event goes to the ledger; whoever says so logs them.

        Raises :class:`~nba.errors.OverloadedError` where a customer is changed by others too fast,
        :class:`~nba.errors.UnavailableError` where the store is away; everything else has landed
        then, and the whole may be sent again.
        """
        results: list[ItemResult] = []
        for batch in _batches(items):
            first = batch[0]
            if isinstance(first, Alias):
                results.append(await self._make(first))
            else:
                name = None if once is None else f"{once}:{len(results)}"
                taken = await self._take(batch, name, log_events=log_events)
                await self._noted(list(_events(batch, taken)))
                results += taken
        return results

    async def interact(self, events: Sequence[Event]) -> None:
        """Apply outcomes of decisions as the events that features count; only the service does.

        Raises as :meth:`ingest` does; each lands once, however often it is sent.
        """
        for batch in _batches(events):
            await self._take(batch, None, own=True)

    def forget(self) -> None:
        """Forget all profiles written a moment ago, as after one of them was erased."""
        self._recent.clear()

    async def _single(self, item: Event | ProfileUpdate) -> ItemResult:
        (result,) = await self.ingest([item])
        if result.status is ItemStatus.REJECTED:
            raise InputError(result.faults)
        return result

    async def _make(self, alias: Alias) -> ItemResult:
        faults = id_faults("previous_id", alias.previous_id)
        faults += id_faults("customer_id", alias.customer_id)
        if faults:
            return rejected(faults)
        try:
            made = await self.aliases.make(alias)
        except InputError as error:
            return rejected(error.faults)
        return RECORDED if made else DUPLICATE

    async def _take(
        self,
        items: Sequence[Item],
        once: str | None,
        *,
        log_events: bool = True,
        own: bool = False,
    ) -> list[ItemResult]:
        features = self._features()
        results, groups = self._checked(features, items, once, own=own)
        run = _Run(
            self._store,
            self.aliases,
            features,
            self._clock,
            self._undeclared,
            self._recent,
            results,
        )
        run.once, run.log_events = once is not None, log_events
        async with AsyncExitStack() as stack:
            # Writers in this process queue here rather than compete at the store; in order, so that
            # no two wait for each other.
            for customer_id in sorted(groups):
                lock = self._locks.setdefault(customer_id, asyncio.Lock())
                await stack.enter_async_context(lock)
            while groups:
                groups = await run.round(groups)
        if run.broken:
            raise run.broken[0]
        return results

    def _checked(
        self, features: FeatureSet, items: Sequence[Item], once: str | None, *, own: bool
    ) -> tuple[list[ItemResult], dict[CustomerId, _Group]]:
        """Return what becomes of each item if it lands, and what is to land by customer."""
        results: list[ItemResult] = []
        groups: dict[CustomerId, _Group] = {}
        events: list[Event] = []
        moving: list[_Task] = []
        for position, item in enumerate(items):
            good: Event | ProfileUpdate | None
            if isinstance(item, Event):
                good, result = check_event(features, item, self._undeclared, own=own)
            else:
                good, result = check_update(item)
            results.append(result)
            if good is None:
                continue
            task = _Task(position, good, _key(good, once))
            if isinstance(good, Event):
                events.append(good)
                moving.append(task)
            _join(groups, good.customer_id, [task])
        for task, moves in zip(moving, features.moves(events), strict=True):
            task.moves = moves
        return results, groups


@dataclass(slots=True)
class _Run:
    """One batch on its way: rounds of reading, applying and writing until all has landed."""

    store: ProfileStore
    aliases: Aliases
    features: FeatureSet
    clock: Clock
    undeclared: Undeclared
    recent: RecentProfiles
    results: list[ItemResult]
    once: bool = False
    log_events: bool = True
    broken: list[NbaError] = field(default_factory=list)

    async def round(self, groups: dict[CustomerId, _Group]) -> dict[CustomerId, _Group]:
        """Try each group once; return those left, by the id to try next."""
        found = await self._read(groups.values())
        left: dict[CustomerId, _Group] = {}
        attempts: list[tuple[_Group, _Attempt]] = []
        for group, state in zip(groups.values(), found, strict=True):
            try:
                forward = read_forward(state.profile)
                if forward is not None:
                    await self._redirect(group, state, forward, left)
                    continue
                attempt = self._apply(group, state)
            except NbaError as error:
                self.broken.append(error)
                continue
            if attempt.changed:
                attempts.append((group, attempt))
            else:
                self._note(attempt)
        await self._write(attempts, left)
        return left

    async def _read(self, groups: Collection[_Group]) -> list[ForUpdate]:
        """Return each customer's profile: as it was last written here, or else as it is stored."""
        known = [self.recent.get(g.customer_id) if not g.attempts else None for g in groups]
        wanted = [
            Wanted(group.customer_id, _keys(group.tasks))
            for group, profile in zip(groups, known, strict=True)
            if profile is None
        ]
        read = iter(await self.store.read_many(wanted) if wanted else ())
        return [
            next(read) if profile is None else ForUpdate(profile, frozenset()) for profile in known
        ]

    async def _redirect(
        self,
        group: _Group,
        state: ForUpdate,
        forward: Forward,
        left: dict[CustomerId, _Group],
    ) -> None:
        """Hand what was not applied under a former id on to the id that goes on."""
        target = await self.aliases.follow(group.customer_id, forward)
        handed = []
        for task in group.tasks:
            if task.key in state.seen:
                self.results[task.position] = DUPLICATE
            else:
                task.item = replace(task.item, customer_id=target)
                handed.append(task)
        if handed:
            _join(left, target, handed)

    async def _write(
        self, attempts: list[tuple[_Group, _Attempt]], left: dict[CustomerId, _Group]
    ) -> None:
        writes = [
            ProfileWrite(
                customer_id=group.customer_id,
                expected=attempt.expected,
                profile=attempt.profile,
                messages=attempt.messages,
                log_entries=attempt.log_entries,
            )
            for group, attempt in attempts
            if attempt.profile is not None
        ]
        written = await self.store.write_many(writes)
        for (group, attempt), result in zip(attempts, written, strict=True):
            if result is WriteResult.WRITTEN:
                self._note(attempt)
                self.recent.put(group.customer_id, attempt.profile)
                continue
            self.recent.forget(group.customer_id)
            group.attempts += 1
            if group.attempts < MAX_ATTEMPTS:
                _join(left, group.customer_id, group.tasks, attempts=group.attempts)
                continue
            message = (
                f"customer {group.customer_id!r} was changed by others {MAX_ATTEMPTS} times "
                "meanwhile"
            )
            self.broken.append(OverloadedError(message, retry_after_seconds=1))

    def _note(self, attempt: _Attempt) -> None:
        for position, result in attempt.results:
            self.results[position] = result

    def _apply(self, group: _Group, state: ForUpdate) -> _Attempt:
        attempt = _Attempt(state.profile, expected=state.profile)
        if state.profile is not None:
            attempt.version = version_of(state.profile)
        applied: set[bytes] = set()
        moves: list[Moves] = []
        for task in group.tasks:
            if task.key in state.seen or (task.key in applied and not self.once):
                attempt.results.append((task.position, DUPLICATE))
                continue
            if isinstance(task.item, ProfileUpdate):
                self._move(attempt, moves)
                if not self._update(attempt, task.position, task.item):
                    continue
            elif task.moves is not None:
                moves.append(task.moves)
                attempt.version += 1
                if self.log_events:
                    entry = event_entry(self.features, task.item, version=attempt.version)
                    attempt.log_entries.append(entry)
            attempt.changed = True
            if task.key:
                applied.add(task.key)
        self._move(attempt, moves)
        attempt.messages = list(applied)
        return attempt

    def _move(self, attempt: _Attempt, moves: list[Moves]) -> None:
        if moves:
            attempt.profile = self.features.apply_moves(attempt.profile, moves)
            moves.clear()

    def _update(self, attempt: _Attempt, position: int, update: ProfileUpdate) -> bool:
        now_ms = self.clock()
        try:
            profile, dropped = self.features.update(attempt.profile, update, at_ms=now_ms)
        except InputError as error:
            attempt.results.append((position, rejected(error.faults)))
            return False
        if dropped and self.undeclared is Undeclared.REFUSE:
            faults = undeclared_faults("attributes", dropped)
            attempt.results.append((position, rejected(faults)))
            return False
        attempt.profile, attempt.version = profile, version_of(profile)
        if dropped:
            result = ItemResult(ItemStatus.RECORDED, dropped=dropped)
            attempt.results.append((position, result))
        entry = update_entry(
            self.features,
            update,
            undeclared=dropped,
            received_at_ms=now_ms,
            version=attempt.version,
        )
        attempt.log_entries.append(entry)
        return True


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Cut items into batches; an alias comes on its own, as those after it depend on it."""
    start = 0
    for position, item in enumerate(items):
        if isinstance(item, Alias) or position - start == MAX_ITEMS_AT_ONCE:
            if position > start:
                yield items[start:position]
            start = position
            if isinstance(item, Alias):
                yield items[position : position + 1]
                start = position + 1
    if start < len(items):
        yield items[start:]


def _join(
    groups: dict[CustomerId, _Group],
    customer_id: CustomerId,
    tasks: list[_Task],
    *,
    attempts: int = 0,
) -> None:
    """Add tasks to a customer's group, all of them in the order they were sent."""
    group = groups.get(customer_id)
    if group is None:
        groups[customer_id] = _Group(customer_id, tasks, attempts)
        return
    in_order = group.tasks[-1].position < tasks[0].position
    group.tasks += tasks
    group.attempts = max(group.attempts, attempts)
    if not in_order:
        group.tasks.sort(key=_position)


def _position(task: _Task) -> int:
    return task.position


def _key(item: Event | ProfileUpdate, once: str | None) -> bytes:
    if once is not None:
        return message_key(item.customer_id, once)
    if isinstance(item, Event):
        return message_key(item.customer_id, item.message_id)
    return b""


def _keys(tasks: list[_Task]) -> list[bytes]:
    """Return the keys to look for, each once."""
    if len(tasks) == 1:
        return [tasks[0].key] if tasks[0].key else []
    return list(dict.fromkeys(task.key for task in tasks if task.key))
