"""Following the live plan: a replica swaps whole plans by one assignment, off the request path.

It follows a change of layout too (:mod:`nba.features.rollout`), and says what it follows, but only
once nothing that began under what it followed before is still under way: the feature sets handed
out then are let go of by whoever held them.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple
from weakref import ref

from nba.decision.plan import Plan
from nba.decision.plans import PlanPointer, PlanRepository, read_pointer
from nba.errors import NbaError, NotFoundError, UnavailableError
from nba.features import FeatureSet
from nba.features.rollout import REPLICA_SECONDS, Followed, Rollout, RolloutStore
from nba.features.union import union
from nba.ledger.store import LedgerStore

LOOK_SECONDS = 0.05
"""How often a replica looks where it is pointed; a look is two keys, read with all else that is."""

_SAY_SECONDS = 1.0
_LET_GO_SECONDS = 1.0

_logger = logging.getLogger(__name__)


class _Sets(NamedTuple):
    """What profiles are read and written with under a plan and a rollout."""

    followed: Followed
    reading: FeatureSet
    writing: FeatureSet


async def _nothing_to_prepare(_: Plan) -> None:
    """Do nothing."""


class PlanFollower:
    """Keeps the plan that the ledger's pointer names; the last good one where a new one fails.

    Parameters
    ----------
    rollouts
        Says what layout is on its way in, and is told what this replica follows.
    replica
        Name of this replica, its own.
    swapped
        Called with each new plan before it goes live; warms it.
    prepared
        Awaited with each new plan after that; reads the state that its policies share.

    """

    def __init__(
        self,
        ledger: LedgerStore,
        rollouts: RolloutStore,
        repository: PlanRepository,
        *,
        replica: str,
        poll_seconds: float,
        swapped: Callable[[Plan], None],
        prepared: Callable[[Plan], Awaitable[None]] = _nothing_to_prepare,
    ) -> None:
        self._ledger = ledger
        self._rollouts = rollouts
        self._repository = repository
        self._replica = replica
        self._poll_seconds = poll_seconds
        self._swapped = swapped
        self._prepared_for = prepared
        self._wanted: tuple[str, Rollout | None] | None = None
        self._refused: tuple[str, Rollout | None] | None = None
        self._plan: Plan | None = None
        self._sets: _Sets | None = None
        self._retired: list[ref[FeatureSet]] = []
        self._said: Followed | None = None
        self._heard_at = 0.0
        self._collect_at = 0.0
        self._patience_seconds = _LET_GO_SECONDS

    def plan(self) -> Plan | None:
        """Return the live plan, or ``None`` before the first."""
        return self._plan

    def require(self) -> Plan:
        """Return the live plan; :class:`UnavailableError` before the first."""
        if self._plan is None:
            raise UnavailableError("no plan is live yet")
        return self._plan

    def writing(self) -> FeatureSet:
        """Return what profiles are written with; take it anew for each piece of work.

        Raises :class:`UnavailableError` before the first plan, and where the store has not heard of
        this replica for so long that others may have gone on without it.
        """
        plan = self.require()
        silent_seconds = asyncio.get_running_loop().time() - self._heard_at
        if silent_seconds > REPLICA_SECONDS / 2:
            raise UnavailableError("this process has lost touch with the store")
        return plan.writing

    async def start(self) -> None:
        """Look once before the first request; no plan yet is no error."""
        await self._look()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            await self._look()

    async def leave(self) -> None:
        """Say that this replica ends."""
        await self._rollouts.leave(self._replica)

    async def _look(self) -> None:
        try:
            await self.follow()
        except NbaError as error:
            _logger.warning("the plan could not be followed: %s", error)
        except Exception:
            # Whatever is wrong with a plan, the last good one goes on.
            _logger.exception("the plan could not be followed")

    async def follow(self) -> bool:
        """Look once; return whether a new plan went live."""
        try:
            return await self._take()
        finally:
            await self._say()

    async def _take(self) -> bool:
        packed, rollout = await asyncio.gather(self._ledger.plan(), self._rollouts.rollout())
        if packed is None:
            return False
        pointer = read_pointer(packed)
        wanted = pointer.version, rollout
        if wanted in (self._wanted, self._refused):
            return False
        try:
            plan, sets = await self._prepared(pointer, rollout)
            await self._prepared_for(plan)
        except (UnavailableError, NotFoundError):
            raise  # to be tried again: a store is away, or lags behind the pointer
        except Exception:
            self._refused = wanted
            raise
        before, self._wanted = self._sets, wanted
        self._plan, self._sets = plan, sets
        if before is not None and sets is not before:
            self._retired += [ref(before.reading), ref(before.writing)]
            self._patience_seconds = _LET_GO_SECONDS
            self._collect_at = asyncio.get_running_loop().time() + _LET_GO_SECONDS
        return True

    async def _prepared(self, pointer: PlanPointer, rollout: Rollout | None) -> tuple[Plan, _Sets]:
        """Prepare beside the loop, and go on saying what is followed meanwhile."""
        preparing = asyncio.ensure_future(asyncio.to_thread(self._prepare, pointer, rollout))
        while not (await asyncio.wait({preparing}, timeout=_SAY_SECONDS))[0]:
            with suppress(UnavailableError):
                await self._say()
        return preparing.result()

    async def _say(self) -> None:
        """Tell the store what is followed, and that this replica is there."""
        sets = self._sets
        if sets is None:
            return
        now = asyncio.get_running_loop().time()
        followed = sets.followed if self._has_let_go(now) else Followed()
        if followed == self._said and now - self._heard_at < _SAY_SECONDS:
            return
        await self._rollouts.beat(self._replica, followed)
        if followed != self._said and followed == sets.followed:
            # What a plan holds lives long: keep the collector from walking it on every cycle.
            gc.collect()
            gc.freeze()
        self._said, self._heard_at = followed, now

    def _has_let_go(self, now: float) -> bool:
        """Say whether nothing holds the sets of before any more.

        What is under way holds them for some milliseconds, an error may in a cycle: looking for
        those walks everything there is, and every request waits for it, so it is for later, and
        for ever later where it does not help.
        """
        self._retired = [retired for retired in self._retired if retired() is not None]
        if self._retired and now >= self._collect_at:
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            self._retired = [retired for retired in self._retired if retired() is not None]
            self._patience_seconds *= 2
            self._collect_at = now + self._patience_seconds
        return not self._retired

    def _prepare(self, pointer: PlanPointer, rollout: Rollout | None) -> tuple[Plan, _Sets]:
        plan = self._repository.get(pointer)
        sets = self._sets
        followed = Followed(pointer.digest, rollout)
        if sets is None or sets.followed != followed:
            sets = self._compiled(plan, followed)
        plan = plan.with_features(sets.reading, sets.writing)
        self._swapped(plan)
        return plan, sets

    def _compiled(self, plan: Plan, followed: Followed) -> _Sets:
        layouts = self._repository.layouts()
        reading = plan.features.with_previous(layouts)
        rollout = followed.rollout
        if rollout is None or not rollout.writes:
            return _Sets(followed, reading, reading)
        live, coming = (
            self._repository.get(PlanPointer(digest)).features
            for digest in (rollout.live, rollout.coming)
        )
        return _Sets(followed, reading, union(live, coming).with_previous(layouts))
