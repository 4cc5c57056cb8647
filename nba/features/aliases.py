"""Make two ids one customer, whatever fails in between.

The former id and the id that goes on may lie in different partitions, which no script may touch
together. So an alias is made in steps, each atomic in one partition and harmless when repeated:

1. *claim*: announce the alias, look at all others announced and at where ids lead already, and
   refuse it where it would close a circle. Of aliases made at once that would, the last to announce
   itself sees the others.
2. *intend*: note at the id that goes on (the target) that it is to absorb the former id.
3. *freeze*: in the former id's partition, set profile and contact history aside and leave a mark in
   the profile's place. A writer or a decision that read them before finds another version now,
   reads again and follows the mark. Nothing is lost: what was written before is set aside, what
   comes later goes to the target.
4. *absorb*: write the target with the two merged, on condition that it is as it was read and that
   this former id was not absorbed yet, which is noted in the same script. So it counts once.
5. *settle*: say in the mark that the merge is done, and drop what was set aside.

Whoever meets a mark not settled takes steps 4 and 5 before going on; so a caller never sees the
target without what the former id had, and a process may die anywhere. Where the target itself
became a former id before it absorbed, it never will, and the next one does.

Message ids stay in the partition where they were applied and are looked for at each id on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec

from nba.domain.alias import Alias, Forward, read_forward
from nba.domain.clock import MILLISECONDS_PER_SECOND, Clock
from nba.domain.customer import ALIAS_SOURCE, UpdateEntry
from nba.domain.history import EMPTY_HISTORY, unpack_history
from nba.domain.ids import CustomerId
from nba.errors import CorruptRecordError, Fault, InputError, OverloadedError
from nba.features.alias_store import (
    CLAIM_SECONDS,
    MAX_ALIASES,
    Absorbed,
    AliasStore,
    AliasTarget,
    Frozen,
)
from nba.features.feature_set import FeatureSet
from nba.features.profile import version_of

MAX_CHAIN = 16
"""Ids in a row that may lead from one to the next."""

_MAX_HOPS = 4 * MAX_CHAIN
_MAX_ATTEMPTS = 100
_FREEZE_WITHIN_MS = CLAIM_SECONDS * MILLISECONDS_PER_SECOND // 2
_UPDATE_ENTRY = "u"


class Aliases:
    """Finds out which customer an id is, and makes two ids one.

    Parameters
    ----------
    store
        Where aliases are kept.
    features
        Returns the feature set of the live plan.
    clock
        When an alias is made.

    """

    def __init__(self, store: AliasStore, features: Callable[[], FeatureSet], clock: Clock) -> None:
        self._store = store
        self._features = features
        self._clock = clock

    async def resolve(self, customer_id: CustomerId) -> CustomerId:
        """Return the id that goes on for an id; merges not done yet are done first."""
        at = customer_id
        for _ in range(_MAX_HOPS):
            forward = await self._store.forward(at)
            if forward is None:
                return at
            at = await self.follow(at, forward)
        raise CorruptRecordError(f"the aliases of customer {customer_id!r} never end")

    async def follow(self, previous_id: CustomerId, forward: Forward) -> CustomerId:
        """Return where a mark leads; the merge it stands for is done then."""
        if not forward.merged:
            await self._complete(previous_id, forward)
        return forward.target

    async def family(self, customer_id: CustomerId) -> tuple[CustomerId, ...]:
        """Return every id of a customer: the one that goes on, then all that lead to it."""
        found = [await self.resolve(customer_id)]
        for member in found:
            for alias in await self._store.aliases_of(member):
                forward = await self._store.forward(alias)
                if forward is not None and alias not in found:
                    found.append(alias)
        return tuple(found)

    async def make(self, alias: Alias) -> bool:
        """Make two ids one customer; ``False`` where they were before.

        Raises :class:`~nba.errors.InputError` where the former id leads to the other already the
        other way round, is a former id of somebody else, or the chain would be too long.
        """
        previous_id, customer_id = alias.previous_id, alias.customer_id
        if previous_id == customer_id:
            raise _refused(f"{previous_id!r} for itself", "two different ids are expected")
        if await self._made(previous_id, customer_id):
            return False
        claimed_ms = self._clock()
        if not await self._store.claim(previous_id, customer_id, claimed_ms):
            raise OverloadedError(
                f"an alias of customer {previous_id!r} is being made", retry_after_seconds=1
            )
        try:
            chain = await self._chain(previous_id, customer_id, claimed_ms)
            target = await self.resolve(customer_id)
            height = await self._store.height(previous_id)
            if height + len(chain) > MAX_CHAIN:
                found = f"{height + len(chain)} ids in a row"
                raise _refused(found, f"at most {MAX_CHAIN} may lead from one to the next")
            return await self._join(previous_id, target, height, claimed_ms)
        finally:
            await self._store.release(previous_id, customer_id, claimed_ms)

    async def _made(self, previous_id: CustomerId, customer_id: CustomerId) -> bool:
        """Say whether an alias is there already, and see it through."""
        forward = await self._store.forward(previous_id)
        if forward is None:
            return False
        if await self.resolve(previous_id) == await self.resolve(customer_id):
            if await self._leads(customer_id, previous_id):
                raise _circle(previous_id, customer_id)
            return True
        found = f"{previous_id!r} is a former id of {forward.target!r}"
        raise _refused(found, f"make {forward.target!r} an alias where they are one customer")

    async def _leads(self, customer_id: CustomerId, to: CustomerId) -> bool:
        at: CustomerId | None = customer_id
        while at is not None and at != to:
            forward = await self._store.forward(at)
            at = forward.target if forward else None
        return at == to

    async def _chain(
        self, previous_id: CustomerId, customer_id: CustomerId, claimed_ms: int
    ) -> list[CustomerId]:
        """Return the ids from the one that goes on, along what is made or announced, in order."""
        # Announced first, made second: an alias made in between is seen as made.
        announced = await self._store.claims(claimed_ms)
        chain = [customer_id]
        while len(chain) <= _MAX_HOPS:
            onward = await self._onward(chain[-1], announced)
            if onward is None:
                return chain
            if onward == previous_id or onward in chain:
                raise _circle(previous_id, customer_id)
            chain.append(onward)
        raise _refused(f"more than {_MAX_HOPS} ids in a row", f"at most {MAX_CHAIN}")

    async def _onward(
        self, customer_id: CustomerId, announced: Mapping[CustomerId, CustomerId]
    ) -> CustomerId | None:
        forward = await self._store.forward(customer_id)
        return forward.target if forward else announced.get(customer_id)

    async def _join(
        self, previous_id: CustomerId, target: CustomerId, height: int, claimed_ms: int
    ) -> bool:
        if not await self._store.intend(previous_id, target, height):
            found = f"{target!r} has {MAX_ALIASES} former ids"
            raise _refused(found, "no more are kept")
        if self._clock() - claimed_ms > _FREEZE_WITHIN_MS:
            await self._store.abandon(previous_id, target)
            raise OverloadedError("making an alias took too long", retry_after_seconds=1)
        forward = Forward(target, claimed_ms, merged=False)
        there = await self._store.freeze(previous_id, forward)
        await self._complete(previous_id, there or forward)
        return there is None

    async def _complete(self, previous_id: CustomerId, forward: Forward) -> None:
        """Absorb and settle; whoever else is at it does no harm."""
        target = forward.target
        for _ in range(_MAX_ATTEMPTS):
            # What was set aside first: where it is gone by then, the target says it was absorbed.
            frozen = await self._store.frozen(previous_id)
            seen = await self._store.target(target, previous_id)
            if seen.absorbed is not False:
                break
            onward = read_forward(seen.profile)
            if onward is not None:
                height = await self._store.height(previous_id)
                await self._store.intend(previous_id, onward.target, height)
                target = onward.target
                continue
            absorbed = await self._absorb(previous_id, target, frozen, seen)
            if absorbed is not Absorbed.STALE:
                break
        else:
            raise OverloadedError(
                f"customer {target!r} was changed by others {_MAX_ATTEMPTS} times meanwhile",
                retry_after_seconds=1,
            )
        await self._store.settle(previous_id, replace(forward, merged=False))

    async def _absorb(
        self, previous_id: CustomerId, target: CustomerId, frozen: Frozen, seen: AliasTarget
    ) -> Absorbed:
        now_ms = self._clock()
        profile, entries = None, []
        if frozen.profile is not None:
            profile = self._features().merge(seen.profile, frozen.profile, at_ms=now_ms)
            entry = UpdateEntry(
                customer_id=target,
                source=f"{ALIAS_SOURCE}{previous_id}",
                received_at_ms=now_ms,
                version=version_of(profile),
            )
            entries.append((_UPDATE_ENTRY, msgspec.msgpack.encode(entry)))
        history = None
        if frozen.history is not None:
            kept = unpack_history(seen.history) if seen.history else EMPTY_HISTORY
            history = kept.united(unpack_history(frozen.history)).packed
        return await self._store.absorb(
            previous_id,
            target,
            seen=seen,
            merged=Frozen(profile, history),
            log_entries=entries,
        )


def _circle(previous_id: str, customer_id: str) -> InputError:
    found = f"{customer_id!r} is or becomes a former id of {previous_id!r}"
    return _refused(found, "an alias that closes no circle is expected")


def _refused(found: str, expected: str) -> InputError:
    return InputError([Fault("/previous_id", found, expected)])
