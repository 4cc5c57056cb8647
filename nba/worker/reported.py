"""Outcomes that no feature counted when they were reported, as the events they would have been.

What a feature did count is among the events already, under the outcome's id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec
import polars as pl

from nba.decision.interactions import interactions
from nba.decision.plan import Plan
from nba.domain.customer import Event, EventEntry
from nba.domain.ids import CustomerId, DecisionId, OutcomeId
from nba.domain.outcome import Outcome
from nba.features.aggregates import INTERACTION_EVENT_PREFIX
from nba.ledger.delta import moment
from nba.ledger.log import DecisionLog, LogTable
from nba.ledger.records import OutcomeEntry
from nba.ledger.store import LedgerStore
from nba.worker.rows import event_row
from nba.worker.tail import Tail, frame


class Reported:
    """Finds outcomes of some kinds.

    Parameters
    ----------
    ledger, log
        The stores.
    plan
        The plan that is coming; says which interaction an outcome is.
    kinds
        Kinds of outcomes wanted.
    until_ms
        Outcomes reported later reach profiles as events, if they are to.

    """

    def __init__(
        self,
        ledger: LedgerStore,
        log: DecisionLog,
        plan: Plan,
        kinds: Sequence[str],
        *,
        until_ms: int,
    ) -> None:
        self.kinds = tuple(kinds)
        self._ledger = ledger
        self._log = log
        self._plan = plan
        self._until_ms = until_ms

    async def joined(self, rows: pl.DataFrame, ids: list[str], tail: Tail) -> pl.DataFrame:
        """Return rows of events with the outcomes of customers that nothing counted before."""
        reported = await self._held(tail)
        return await asyncio.to_thread(self._joined, rows, ids, reported, tail)

    async def _held(self, tail: Tail) -> list[Event]:
        """Return the outcomes that the ledger holds as the events they are."""
        outcomes = [
            outcome
            for outcome in tail.outcomes
            if outcome.kind in self.kinds and outcome.received_at_ms <= self._until_ms
        ]
        ids = [DecisionId(outcome.decision_id) for outcome in outcomes]
        records = await self._ledger.records(ids)
        pairs = [
            (_outcome(outcome), record)
            for outcome, record in zip(outcomes, records, strict=True)
            if record is not None
        ]
        return list(interactions(self._plan, pairs))

    def _joined(
        self, rows: pl.DataFrame, ids: list[str], reported: Sequence[Event], tail: Tail
    ) -> pl.DataFrame:
        is_own = pl.col("name").str.starts_with(INTERACTION_EVENT_PREFIX)
        named = self._log.scan(LogTable.EVENTS).filter(is_own).select("message_id")
        logged = self._logged_outcomes(ids, named, tail)
        seen = {row["message_id"] for row in tail.events}
        news = {event.message_id: event for event in (*logged, *reported)}
        wanted = set(ids)
        added = [
            event_row(_entry(event))
            for event in news.values()
            if event.message_id not in seen and event.customer_id in wanted
        ]
        return pl.concat([self._retold(rows), frame(LogTable.EVENTS, added)])

    def _logged_outcomes(
        self, ids: list[str], counted: pl.LazyFrame, tail: Tail
    ) -> Iterator[Event]:
        decisions = self._log.scan(LogTable.DECISIONS).filter(
            pl.col("customer_id").is_in(ids) & ~pl.col("customer_id").is_in(list(tail.erased))
        )
        columns = ("decision_id", "choice", "customer_id", "action", "placement")
        outcomes = (
            self._log.scan(LogTable.OUTCOMES)
            .filter(
                pl.col("kind").is_in(self.kinds) & (pl.col("received_at") <= moment(self._until_ms))
            )
            .join(
                decisions.select(*columns, pl.col("at").alias("decided_at")),
                on=["decision_id", "choice"],
            )
            # One reported before its decision was recorded was never applied.
            .filter(pl.col("received_at") >= pl.col("decided_at"))
            .join(counted, left_on="outcome_id", right_on="message_id", how="anti")
            .sort("received_at")
            .collect()
        )
        for row in outcomes.iter_rows(named=True):
            yield from self._event(
                row["kind"],
                row["action"],
                row["placement"],
                CustomerId(row["customer_id"]),
                row["outcome_id"],
                _millis(row["at"]),
                _millis(row["received_at"]),
            )

    def _event(
        self,
        kind: str,
        action: str,
        placement: str,
        customer_id: CustomerId,
        outcome_id: str,
        at_ms: int,
        received_at_ms: int,
    ) -> Iterator[Event]:
        catalog = self._plan.catalog
        found = next((item for item in catalog.actions if item.id == action), None)
        slot = next((item for item in catalog.placements if item.id == placement), None)
        if found is None or slot is None:
            return
        event = self._plan.features.interaction(
            kind,
            found,
            slot,
            customer_id=customer_id,
            message_id=outcome_id,
            at_ms=at_ms,
            received_at_ms=received_at_ms,
        )
        if event is not None:
            yield event

    def _retold(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows whose interactions say all that features of the plan group them by."""
        retold: dict[tuple[str, str], str] = {}

        def said(name: str, text: str) -> str:
            if not name.startswith(INTERACTION_EVENT_PREFIX):
                return text
            if (name, text) not in retold:
                given = msgspec.json.decode(text)
                kind = name.removeprefix(INTERACTION_EVENT_PREFIX)
                action, placement = given.get("action", ""), given.get("placement", "")
                news = self._event(kind, action, placement, CustomerId(""), "", 0, 0)
                for event in news:
                    given |= event.properties
                retold[name, text] = msgspec.json.encode(given).decode()
            return retold[name, text]

        pairs = zip(rows["name"], rows["properties"], strict=True)
        texts = [said(name, text) for name, text in pairs]
        return rows.with_columns(pl.Series("properties", texts, dtype=pl.String))


def _outcome(entry: OutcomeEntry) -> Outcome:
    return Outcome(
        outcome_id=OutcomeId(entry.outcome_id),
        decision_id=DecisionId(entry.decision_id),
        kind=entry.kind,
        at_ms=entry.at_ms,
        received_at_ms=entry.received_at_ms,
        choice=entry.choice,
        value=entry.value,
    )


def _entry(event: Event) -> EventEntry:
    return EventEntry(
        customer_id=event.customer_id,
        name=event.name,
        message_id=event.message_id,
        at_ms=event.at_ms,
        received_at_ms=event.received_at_ms,
        properties=event.properties,
    )


def _millis(moment_: datetime) -> int:
    return round(moment_.timestamp() * 1_000)
