"""Change what profiles hold while serving: no request fails, and no value is wrong on the way.

1. *Read*: replicas learn to read profiles of both layouts, and of their union.
2. *Write*: replicas write the union. Decisions are made with the live plan, which reads from it
   just what it would have kept by itself. From here on new slots miss only what came before.
3. *Backfill*: the new slots of every profile are recomputed from all that is known
   (:mod:`nba.worker.backfill`).
4. *Swap*: the coming plan is made current, and replicas decide with it; they still write the union,
   for those that have not swapped yet.
5. *Settle*: nothing is under way any more; profiles are written without what only the old plan
   kept, one by one as their customers come.

Each step begins when every replica has followed the one before. Whatever is interrupted, at any
step, leaves the plan that is live correct; running the same again goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from nba.bootstrap import Runtime
from nba.catalog.store import ControlStore
from nba.decision.plan import Plan
from nba.decision.plans import PlanPointer, PlanRepository, read_pointer
from nba.domain.clock import Clock
from nba.errors import DefinitionError, UnavailableError
from nba.features import ProfileStore, StoredLayout
from nba.features.aliases import Aliases
from nba.features.backfill import event_names, moving
from nba.features.rollout import Followed, Rollout, RolloutStore
from nba.features.union import added_slots, conflicts, union
from nba.ledger.claims import alone_with_layouts
from nba.ledger.log import DecisionLog
from nba.ledger.store import LedgerStore
from nba.worker.backfill import Backfill, BackfillReport
from nba.worker.past import Past
from nba.worker.pointing import Pointing

FOLLOW_SECONDS = 60.0
"""How long replicas may take to follow a step."""

_LOOK_SECONDS = 0.2
_TIMES = 2

Told = Callable[[str, int], None]
"""Called with the step at work, and during the backfill the number of profiles looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutReport:
    """What a rollout did; ``backfill`` is ``None`` where there was nothing new to compute."""

    digest: str
    added: tuple[str, ...] = ()
    backfill: BackfillReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What a rollout works with."""

    control: ControlStore
    repository: PlanRepository
    ledger: LedgerStore
    profiles: ProfileStore
    rollouts: RolloutStore
    log: DecisionLog
    clock: Clock

    @classmethod
    def of(cls, runtime: Runtime, log: DecisionLog) -> Stores:
        """Return those of a process."""
        return cls(
            control=runtime.control,
            repository=runtime.repository,
            ledger=runtime.ledger,
            profiles=runtime.profiles,
            rollouts=runtime.rollouts,
            log=log,
            clock=runtime.clock,
        )


@dataclass(slots=True)
class RolloutRun:
    """Brings one saved plan in.

    Parameters
    ----------
    owner
        Name of this run, its own; only one is at work at a time.
    told
        Hears of progress.
    follow_seconds
        How long replicas may take to follow a step.
    rest
        See :class:`~nba.worker.backfill.Backfill`.

    """

    stores: Stores
    owner: str
    told: Told
    follow_seconds: float = FOLLOW_SECONDS
    rest: float = 0.5

    async def run(
        self, digest: str, make_current: Callable[[], None], *, backfill: bool = True
    ) -> RolloutReport:
        """Bring a plan in; ``make_current`` says in the control store that it is.

        Without ``backfill`` new slots start empty. Raises
        :class:`~nba.errors.DefinitionError` where a stored value changes its type,
        :class:`~nba.errors.ConflictError` where another run is at work, and
        :class:`~nba.errors.UnavailableError` where a replica does not follow in time.
        """
        async with alone_with_layouts(self.stores.ledger, self.owner):
            return await self._run(digest, make_current, backfill=backfill)

    async def _run(
        self, digest: str, make_current: Callable[[], None], *, backfill: bool
    ) -> RolloutReport:
        coming = await self._plan(digest)
        live = await self._live()
        under_way = await self.stores.rollouts.rollout()
        if live is None or live.features.layout_id == coming.features.layout_id:
            if under_way is not None:
                await self._settle(None)
            await self._swap(make_current)
            return RolloutReport(digest=digest)
        faults = [fault for _, fault in conflicts(live.features, coming.features)]
        if faults:
            raise DefinitionError(faults)
        rollout = Rollout(live.digest, digest, writes=True)
        if under_way != rollout:
            if under_way is not None:
                await self._settle(None)
            await asyncio.to_thread(self._save_layouts, live, coming)
            await self._step("read", Rollout(live.digest, digest))
        await self._step("write", rollout)
        added = added_slots(live.features.layout, coming.features.layout)
        report = None
        if backfill and added:
            report = await self._backfill(live, coming, added)
        self.told("swap", 0)
        await self._swap(make_current)
        await self._followed(Followed(digest, rollout))
        await self._settle(digest)
        return RolloutReport(digest=digest, added=added, backfill=report)

    async def _plan(self, digest: str) -> Plan:
        return await asyncio.to_thread(self.stores.repository.get, PlanPointer(digest))

    async def _live(self) -> Plan | None:
        """Return the plan that replicas follow, or will when they start."""
        packed = await self.stores.ledger.plan()
        digest = None if packed is None else read_pointer(packed).digest
        digest = digest or await asyncio.to_thread(self.stores.control.current)
        return None if digest is None else await self._plan(digest)

    def _save_layouts(self, live: Plan, coming: Plan) -> None:
        """Keep the layouts before anybody writes them, so that nobody meets one unknown."""
        both = union(live.features, coming.features)
        for features in (live.features, coming.features, both):
            save_layout(self.stores.control, features.layout)

    async def _swap(self, make_current: Callable[[], None]) -> None:
        await asyncio.to_thread(make_current)
        await Pointing(self.stores.ledger, self.stores.control).at_current()

    async def _step(self, name: str, rollout: Rollout) -> None:
        self.told(name, 0)
        await self.stores.rollouts.set_rollout(rollout)
        await self._followed(Followed(rollout=rollout))

    async def _settle(self, digest: str | None) -> None:
        """End what is under way."""
        self.told("settle", 0)
        await self.stores.rollouts.set_rollout(None)
        await self._followed(Followed(digest or ""))

    async def _followed(self, wanted: Followed) -> None:
        """Wait until all replicas follow; twice, for one may just have come."""
        deadline = asyncio.get_running_loop().time() + self.follow_seconds
        times = 0
        while times < _TIMES:
            replicas = await self.stores.rollouts.replicas()
            behind = [name for name, found in replicas.items() if not _is_at(found, wanted)]
            times = 0 if behind else times + 1
            if behind and asyncio.get_running_loop().time() > deadline:
                raise UnavailableError(
                    f"{len(behind)} of {len(replicas)} replicas did not follow within "
                    f"{self.follow_seconds:g} s ({', '.join(sorted(behind))}); what is live goes "
                    "on: see that the worker and all replicas run, and publish again"
                )
            await asyncio.sleep(_LOOK_SECONDS)

    async def _backfill(self, live: Plan, coming: Plan, added: tuple[str, ...]) -> BackfillReport:
        stores = self.stores
        layouts = await asyncio.to_thread(stores.repository.layouts)
        both = union(live.features, coming.features).with_previous(layouts)
        moved = moving(coming.features, added)
        past = Past(
            stores.ledger,
            stores.log,
            coming,
            event_names(moved),
            until_ms=stores.clock(),
        )
        return await Backfill(
            stores.profiles,
            stores.rollouts,
            Aliases(stores.profiles.aliases, lambda: both, stores.clock),
            past,
            union=both,
            moved=moved,
            slots=added,
            told=lambda done: self.told("backfill", done),
            rest=self.rest,
        ).run()


def save_layout(control: ControlStore, layout: StoredLayout) -> None:
    """Keep how profiles of a layout are read."""
    control.save_layout(layout.layout_id, msgspec.msgpack.encode(layout.to_builtins()))


def _is_at(found: Followed, wanted: Followed) -> bool:
    """Say whether a replica follows; which plan matters only where one is named."""
    if found.rollout != wanted.rollout or not found.digest:
        return False
    return not wanted.digest or found.digest == wanted.digest
