"""Deciding for real: read once, decide on arrays, reserve and record once.

If the customer changed between the read and the write (another decision's contact, a withdrawn
consent), nothing was written and the decision is made again on the new state. So every guardrail
that looks at the history holds under any concurrency, without a word of policy inside the store.
What a budget has for all customers is taken before the decision is reserved
(:mod:`nba.decision.budgeting`); where it refuses, the decision is made again knowing so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

from nba.decision.answer import encode_answer
from nba.decision.arbitration import Arbiter
from nba.decision.budgeting import NOTHING_TAKEN, Shared, Spending, Taken
from nba.decision.drawn import Decided
from nba.decision.pipeline import decide
from nba.decision.plan import Plan
from nba.decision.recording import pack_record, pack_request, read_record
from nba.decision.shadow import decide_as_asked, taken_faults
from nba.decision.situations import DecisionInputs
from nba.domain.alias import Forward
from nba.domain.clock import Clock
from nba.domain.decision import DecisionRequest, Mode
from nba.domain.history import unpack_history
from nba.domain.ids import CustomerId, DecisionId, new_decision_id, partition_of
from nba.errors import (
    ConflictError,
    CorruptRecordError,
    Fault,
    InputError,
    NotFoundError,
    OverloadedError,
    UnavailableError,
)
from nba.ledger.store import CustomerState, LedgerStore, Reservation, Reserved

RandomBits = Callable[[int], int]
"""Returns that many random bits; where seeds and ids come from."""

StageTimer = Callable[[str], None]
"""Called with the name of each stage as it ends, so that time can be measured by stage."""

StageTimers = Callable[[], StageTimer]
"""Starts a timer for one decision."""

Follow = Callable[[CustomerId, Forward], Awaitable[CustomerId]]
"""Returns where a former id leads."""

MAX_HOPS = 64
"""Former ids followed from one to the next."""

MAX_ATTEMPTS = 16
"""How often a decision is made again because its customer or a budget changed meanwhile."""


def _untimed() -> StageTimer:
    """Measure nothing."""
    return _no_stage


def _no_stage(_: str) -> None:
    """Note nothing."""


async def _follow_merged(customer_id: CustomerId, forward: Forward) -> CustomerId:
    if not forward.merged:
        raise UnavailableError(f"customer {customer_id!r} is being merged with another")
    return forward.target


def _nothing_shared() -> Shared:
    """Know nothing of budgets, so that all of them are closed."""
    return {}


class DecisionService:
    """Decides.

    Parameters
    ----------
    plan
        Returns the live plan, or ``None`` where none is live yet.
    ledger
        Where customers are read and decisions recorded.
    clock, random_bits
        Time and chance.
    follow
        Returns where a former id of a customer leads, once what was kept under it is there.
    arbiter
        Replaces the plan's arbitration (never its guardrails); for baselines and simulation.
    timers
        Measure time by stage.
    shared
        Returns the state that all customers share, as it is known here.
    spending
        Takes the shares of budgets; without it, what is under a budget is never chosen.

    """

    def __init__(
        self,
        plan: Callable[[], Plan | None],
        ledger: LedgerStore,
        *,
        clock: Clock,
        random_bits: RandomBits,
        follow: Follow = _follow_merged,
        arbiter: Arbiter | None = None,
        timers: StageTimers = _untimed,
        shared: Callable[[], Shared] = _nothing_shared,
        spending: Spending | None = None,
    ) -> None:
        self._plan = plan
        self._ledger = ledger
        self._clock = clock
        self._random_bits = random_bits
        self._follow = follow
        self._arbiter = arbiter
        self._timers = timers
        self._shared = shared
        self._spending = spending

    async def decide(self, request: DecisionRequest) -> bytes:
        """Answer a request as JSON bytes; a live answer is recorded before it is given.

        Raises :class:`~nba.errors.InputError` for a wrong request,
        :class:`~nba.errors.ConflictError` for a ``request_id`` used for another request,
        :class:`~nba.errors.OverloadedError` where the customer never stood still, and
        :class:`~nba.errors.UnavailableError` without a plan or a store.
        """
        stage = self._timers()
        plan = self._plan()
        if plan is None:
            raise UnavailableError("no plan is live yet")
        check_request(plan, request)
        request, state = await self._read(request)
        stage("read")
        for _ in range(MAX_ATTEMPTS):
            packed = pack_request(request)
            if state.answered is not None:
                return await self._answered(state.answered, packed)
            answer, reserved = await self._attempt(plan, request, packed, state, stage)
            if reserved is Reserved.RECORDED:
                return answer
            request, state = await self._read(request)
        raise OverloadedError(
            f"customer {request.customer_id!r} changed {MAX_ATTEMPTS} times while deciding",
            retry_after_seconds=1,
        )

    async def _read(self, request: DecisionRequest) -> tuple[DecisionRequest, CustomerState]:
        """Read the customer, and ask for them under the id they go on under."""
        for _ in range(MAX_HOPS):
            state = await self._ledger.read(request.customer_id, request.request_id)
            if state.forward is None or state.answered is not None:
                return request, state
            target = await self._follow(request.customer_id, state.forward)
            request = replace(request, customer_id=target)
        raise CorruptRecordError(f"the aliases of customer {request.customer_id!r} never end")

    async def _attempt(
        self,
        plan: Plan,
        request: DecisionRequest,
        packed: bytes,
        state: CustomerState,
        stage: StageTimer,
    ) -> tuple[bytes, Reserved]:
        inputs = self._inputs(plan, request, state)
        stage("features")
        if request.mode is Mode.DRY_RUN:
            return encode_answer(decide(plan, inputs, self._arbiter).decision), Reserved.RECORDED
        inputs, decided, taken = await self._decided(plan, inputs)
        stage("decide")
        answer = encode_answer(decided.decision)
        record = pack_record(
            inputs,
            request=packed,
            plan_version=plan.version,
            draws=decided.draws,
            answer=answer,
        )
        stage("encode")
        reserved = await self._ledger.reserve(
            Reservation(
                decision_id=inputs.decision_id,
                customer_id=request.customer_id,
                seen=state,
                record=record,
                history=None if decided.history is None else decided.history.packed,
                horizons=decided.horizons,
                request_id=request.request_id,
                deadline_ms=taken.deadline_ms,
            )
        )
        await self._settle(taken, reserved, inputs.at_ms)
        stage("reserve")
        return answer, reserved

    async def _decided(
        self, plan: Plan, inputs: DecisionInputs
    ) -> tuple[DecisionInputs, Decided, Taken]:
        """Decide, and take what it takes of budgets; again as long as one has too little left.

        In shadow nothing is taken: what was done was not chosen here.
        """
        for _ in range(MAX_ATTEMPTS):
            decided = decide_as_asked(plan, inputs, self._arbiter)
            if self._spending is None or inputs.request.mode is Mode.SHADOW:
                return inputs, decided, NOTHING_TAKEN
            taken = await self._spending.take(plan.source, decided.decision)
            if not taken.refused:
                return inputs, decided, taken
            inputs = replace(
                inputs,
                decision_id=self._new_id(inputs.request.customer_id, inputs.at_ms),
                shared={**inputs.shared, **taken.refused},
            )
        raise OverloadedError(
            f"the budgets changed {MAX_ATTEMPTS} times while deciding", retry_after_seconds=1
        )

    async def _settle(self, taken: Taken, reserved: Reserved, at_ms: int) -> None:
        if self._spending is None or not taken.shares:
            return
        if reserved is Reserved.RECORDED:
            self._spending.confirm(taken.shares, at_ms)
        else:
            await self._spending.release(taken.shares)

    def _inputs(self, plan: Plan, request: DecisionRequest, state: CustomerState) -> DecisionInputs:
        at_ms = self._clock()
        history = unpack_history(state.history)
        view = plan.features.read(
            state.profile,
            at_ms=at_ms,
            context=request.context,
            attributes=request.attributes,
            history=history,
        )
        return DecisionInputs(
            decision_id=self._new_id(request.customer_id, at_ms),
            at_ms=at_ms,
            seed=self._random_bits(63),
            request=request,
            features=view.features,
            consents=view.consents,
            time_zone=view.time_zone,
            locale=view.locale,
            history=history,
            shared=self._shared(),
        )

    def _new_id(self, customer_id: CustomerId, at_ms: int) -> DecisionId:
        partition = partition_of(customer_id, self._ledger.partitions)
        return new_decision_id(partition, at_ms, self._random_bits(40))

    async def _answered(self, decision_id: DecisionId, packed: bytes) -> bytes:
        (stored,) = await self._ledger.records([decision_id])
        if stored is None:
            raise NotFoundError(f"decision {decision_id} is no longer held")
        record = read_record(stored)
        if record.request != packed:
            raise ConflictError(
                f"request_id was used for another request (decision {decision_id}); "
                "repeat that request unchanged or use a new request_id"
            )
        return record.answer


def check_request(plan: Plan, request: DecisionRequest) -> None:
    """Raise :class:`InputError` naming every part of a request the plan does not know."""
    faults = [*_placement_faults(plan, request), *taken_faults(request, plan.placements)]
    if not request.placements:
        faults.append(Fault("/placements", "it is empty", "name at least one placement"))
    for index, action in enumerate(request.actions):
        if action not in plan.action_ids:
            found = f"action {action!r} is unknown"
            faults.append(Fault(f"/actions/{index}", found, "an action of the catalog"))
    for index, term in enumerate(request.terms):
        if plan.catalog.taxonomy.resolve(term) is None:
            found = f"term {term!r} is unknown"
            faults.append(Fault(f"/terms/{index}", found, "a term of the taxonomy"))
    if faults:
        raise InputError(faults)


def _placement_faults(plan: Plan, request: DecisionRequest) -> Iterator[Fault]:
    named: set[str] = set()
    for index, wanted in enumerate(request.placements):
        slot = plan.placements.get(wanted.id)
        if slot is None:
            known = ", ".join(sorted(plan.placements))
            found = f"placement {wanted.id!r} is unknown"
            yield Fault(f"/placements/{index}/id", found, f"one of {known}")
        elif slot.placement.shadow and request.mode is Mode.LIVE:
            found = f"placement {wanted.id!r} is in shadow: another system decides in it"
            expected = "mode 'shadow' with what was taken, or a plan in which it is live"
            yield Fault(f"/placements/{index}/id", found, expected)
        elif wanted.id in named:
            found = f"placement {wanted.id!r} is asked for twice"
            yield Fault(f"/placements/{index}/id", found, "ask once, with a higher count")
        elif not 1 <= wanted.count <= slot.placement.max_count:
            found = f"count is {wanted.count}"
            expected = f"1 to {slot.placement.max_count} in {wanted.id}"
            yield Fault(f"/placements/{index}/count", found, expected)
        named.add(wanted.id)
