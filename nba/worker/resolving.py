"""Resolving choices: by the outcomes reported for them, or at their horizon."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from nba.decision.answer import said_choices
from nba.decision.plan import PlacementPlan
from nba.domain.catalog import Action
from nba.domain.clock import Clock
from nba.domain.ids import DecisionId
from nba.ledger.records import DecisionRecord, OutcomeEntry
from nba.ledger.store import LedgerStore
from nba.worker.joining import censored, correction_by, counting, expiry_of, resolution_by
from nba.worker.records import UNREADABLE, Held, Records, leave_out


class Resolver:
    """Writes resolutions; the store keeps each choice from resolving twice.

    Parameters
    ----------
    partitions
        Whose choices it expires.
    clock
        Decides what is due.
    grace_ms
        How long after its horizon a choice still waits for what is on its way.

    """

    def __init__(
        self,
        ledger: LedgerStore,
        records: Records,
        *,
        partitions: Collection[int],
        clock: Clock,
        grace_ms: int,
    ) -> None:
        self._ledger = ledger
        self._partitions = partitions
        self._records = records
        self._clock = clock
        self._grace_ms = grace_ms

    async def join(
        self, outcomes: Collection[OutcomeEntry], held: Held, *, before_ms: int | None = None
    ) -> None:
        """Join outcomes to their choices, those of one choice in the order they happened.

        Choices whose waiting ended before ``before_ms``, by default before now less the grace, wait
        for no goals any more.
        """
        if before_ms is None:
            before_ms = self._clock() - self._grace_ms
        groups: dict[tuple[str, int], dict[str, OutcomeEntry]] = {}
        for outcome in outcomes:
            group = groups.setdefault((outcome.decision_id, outcome.choice), {})
            group[outcome.outcome_id] = outcome
        await asyncio.gather(
            *[
                self._join(list(group.values()), held.get(decision_id), before_ms)
                for (decision_id, _), group in groups.items()
            ]
        )

    async def expire(self, limit: int) -> int:
        """Resolve up to ``limit`` choices of each partition whose waiting ended; return how many.

        What was reported for them and not joined yet counts first.
        """
        before_ms = self._clock() - self._grace_ms
        found = await asyncio.gather(
            *[self._ledger.due(p, before_ms, limit) for p in self._partitions]
        )
        due = [member for members in found for member in members]
        if not due:
            return 0
        ids = list(dict.fromkeys(decision_id for decision_id, _ in due))
        held = await self._records.load(ids)
        await self.join(await self._records.reported(ids), held, before_ms=before_ms)
        await asyncio.gather(*[self._expire(*member, held.get(member[0])) for member in due])
        return len(due)

    async def _join(
        self, outcomes: Sequence[OutcomeEntry], record: DecisionRecord | None, before_ms: int
    ) -> None:
        decision_id, choice = DecisionId(outcomes[0].decision_id), outcomes[0].choice
        found = self._chosen(record, choice)
        if found is None:
            return
        action, horizon_ms = found
        if action.goals:
            known = await self._records.reported([decision_id])
            outcomes = [outcome for outcome in known if outcome.choice == choice]
        counted = counting(action, outcomes, horizon_ms=horizon_ms)
        if not counted:
            return
        waited = horizon_ms < before_ms
        resolution = resolution_by(action, counted, horizon_ms=horizon_ms, waited=waited)
        if resolution is None or not await self._ledger.resolve(resolution):
            resolution = await self._ledger.resolution(decision_id, choice)
        if resolution is None:
            return
        for outcome in counted:
            correction = correction_by(action, outcome, resolution)
            if correction is not None:
                await self._ledger.resolve(correction)

    async def _expire(
        self, decision_id: DecisionId, choice: int, record: DecisionRecord | None
    ) -> None:
        found = self._chosen(record, choice)
        if found is None:
            await self._ledger.resolve(censored(decision_id, choice, at_ms=self._clock()))
            return
        action, horizon_ms = found
        await self._ledger.resolve(expiry_of(action, decision_id, choice, horizon_ms=horizon_ms))

    def _chosen(self, record: DecisionRecord | None, choice: int) -> tuple[Action, int] | None:
        """Return what was chosen and when its waiting ends; ``None`` where that is not known."""
        if record is None:
            return None
        choices = said_choices(record.answer)
        if choice >= len(choices):
            return None
        try:
            plan = self._records.plan_of(record)
        except UNREADABLE as error:
            leave_out(f"decision {record.decision_id}", error)
            return None
        slot: PlacementPlan = plan.placements[choices[choice]["placement"]]
        row = slot.action_ids.index(choices[choice]["action"])
        return slot.actions[row], record.at_ms + slot.horizons_ms[row]
