"""Reporting outcomes: checked against the decision they belong to, then written exactly once.

An outcome of a recorded decision is applied to the customer's profile and noted in their contact
history too, before it is acknowledged, so that the very next decision counts it. Where a process
dies between the two, the report is sent again and applied then; an outcome that came before its
decision is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from nba.decision.answer import said_choices
from nba.decision.interactions import Interact, interactions
from nba.decision.noting import Noting
from nba.decision.plan import Plan
from nba.decision.recording import read_record
from nba.domain.clock import Clock
from nba.domain.ids import NO_ACTION, DecisionId, OutcomeId, decided_at_ms, decision_partition
from nba.domain.outcome import SHOWN_OUTCOMES, Outcome
from nba.errors import Fault
from nba.ledger.records import OutcomeEntry
from nba.ledger.store import LedgerStore, Written

REMEMBERED_MS = 86_400_000
"""Messages applied to a profile are remembered for at least this long."""

CLOCK_TOLERANCE_MS = 300_000
"""How far in the future, or before its decision, an outcome may lie, for clocks that disagree."""


class OutcomeStatus(StrEnum):
    """What became of a reported outcome.

    ``unmatched`` is recorded and kept: it joins its decision if that is still to come, and is
    counted as an orphan if it never does.
    """

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    UNMATCHED = "unmatched"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class OutcomeResult:
    """The answer to one outcome; ``fault`` says why it was rejected, its place within the item."""

    outcome_id: OutcomeId
    status: OutcomeStatus
    fault: Fault | None = None


class OutcomeService:
    """Takes outcomes in; joining and learning happen in the worker, off the request path.

    Parameters
    ----------
    ledger
        Where outcomes are recorded.
    clock
        Says what lies in the future.
    plan
        Returns the live plan, ``None`` where there is none.
    interact
        Applies outcomes to profiles.
    noting
        Notes outcomes in contact histories.

    """

    def __init__(
        self,
        ledger: LedgerStore,
        *,
        clock: Clock,
        plan: Callable[[], Plan | None],
        interact: Interact,
        noting: Noting,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._plan = plan
        self._interact = interact
        self._noting = noting

    async def report(self, outcomes: Sequence[Outcome]) -> list[OutcomeResult]:
        """Write outcomes; each gets its own answer, in order, and a bad one stops no other."""
        partitioned = [self._has_partition(o.decision_id) for o in outcomes]
        ids = [o.decision_id for o, good in zip(outcomes, partitioned, strict=True) if good]
        stored = dict(zip(ids, await self._ledger.records(ids), strict=True))
        faults = [
            self._fault(outcome, stored.get(outcome.decision_id), known=good)
            for outcome, good in zip(outcomes, partitioned, strict=True)
        ]
        good = [o for o, fault in zip(outcomes, faults, strict=True) if fault is None]
        results = await self._ledger.report([_entry(outcome) for outcome in good])
        await self._apply(good, results, stored)
        written = iter(results)
        return [
            OutcomeResult(outcome.outcome_id, OutcomeStatus.REJECTED, fault)
            if fault is not None
            else _result(outcome, next(written), stored[outcome.decision_id])
            for outcome, fault in zip(outcomes, faults, strict=True)
        ]

    async def _apply(
        self,
        outcomes: Sequence[Outcome],
        written: Sequence[Written],
        stored: Mapping[DecisionId, bytes | None],
    ) -> None:
        plan = self._plan()
        if plan is None:
            return
        counted = [
            (outcome, packed)
            for outcome, result in zip(outcomes, written, strict=True)
            if (packed := stored[outcome.decision_id]) is not None
            and (result is Written.RECORDED or self._is_repeat(outcome, result))
        ]
        await self._noting.outcomes(counted)
        events = list(interactions(plan, counted)) if plan.writing.counts_interactions else []
        if events:
            await self._interact(events)

    def _is_repeat(self, outcome: Outcome, result: Written) -> bool:
        """Say whether a duplicate may be applied again: only while profiles remember messages."""
        decided_ms = decided_at_ms(outcome.decision_id)
        return result is Written.DUPLICATE and self._clock() - decided_ms < REMEMBERED_MS

    def _has_partition(self, decision_id: DecisionId) -> bool:
        partition = decision_partition(decision_id)
        return partition is not None and partition < self._ledger.partitions

    def _fault(self, outcome: Outcome, packed: bytes | None, *, known: bool) -> Fault | None:
        if not known:
            found = f"{outcome.decision_id[:64]!r} is no decision id"
            return Fault("/decision_id", found, "use the one in the answer")
        if outcome.at_ms > self._clock() + CLOCK_TOLERANCE_MS:
            return Fault("/at", "it lies in the future", "report what has happened")
        if outcome.at_ms < decided_at_ms(outcome.decision_id) - CLOCK_TOLERANCE_MS:
            return Fault("/at", "it lies before its decision", "report when it happened")
        return None if packed is None else _choice_fault(outcome, packed)


def _choice_fault(outcome: Outcome, packed: bytes) -> Fault | None:
    """Return what is wrong about an outcome given the decision's record."""
    choices = said_choices(read_record(packed).answer)
    if outcome.choice >= len(choices):
        found = f"choice {outcome.choice} of an answer with {len(choices)}"
        return Fault("/choice", found, f"0 to {len(choices) - 1}")
    if choices[outcome.choice]["action"] == NO_ACTION and outcome.kind in SHOWN_OUTCOMES:
        found = f"{outcome.kind!r} of {NO_ACTION}, which showed nothing"
        return Fault("/kind", found, "convert, or an outcome of your own")
    return None


def _entry(outcome: Outcome) -> OutcomeEntry:
    return OutcomeEntry(
        outcome.outcome_id,
        outcome.decision_id,
        outcome.choice,
        outcome.kind,
        outcome.at_ms,
        outcome.received_at_ms,
        outcome.value,
    )


def _result(outcome: Outcome, written: Written, packed: bytes | None) -> OutcomeResult:
    if written is Written.CONFLICT:
        found = "outcome_id was used for another outcome"
        fault = Fault("/outcome_id", found, "use a new one")
        return OutcomeResult(outcome.outcome_id, OutcomeStatus.REJECTED, fault)
    if written is Written.DUPLICATE:
        return OutcomeResult(outcome.outcome_id, OutcomeStatus.DUPLICATE)
    status = OutcomeStatus.RECORDED if packed is not None else OutcomeStatus.UNMATCHED
    return OutcomeResult(outcome.outcome_id, status)
