"""The end of the ledger that the worker has not taken to the log yet, for one customer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from nba.domain.customer import EventEntry, UpdateEntry
from nba.domain.ids import CustomerId, DecisionId, partition_of
from nba.ledger.positions import START
from nba.ledger.records import DecisionRecord, OutcomeEntry, ResolutionEntry, unpack
from nba.ledger.store import EntryType, LedgerEntry, LedgerStore

_BATCH = 1_000


@dataclass(slots=True)
class Tail:
    """A customer's entries, in order; the worker may have logged the first of them already."""

    decisions: list[DecisionRecord] = field(default_factory=list)
    outcomes: list[OutcomeEntry] = field(default_factory=list)
    resolutions: list[ResolutionEntry] = field(default_factory=list)
    events: list[EventEntry] = field(default_factory=list)
    updates: list[UpdateEntry] = field(default_factory=list)


async def read_tail(
    ledger: LedgerStore, customer_id: CustomerId, logged_decisions: Collection[str]
) -> Tail:
    """Return a customer's entries, and those of their decisions, logged ones included."""
    tail = Tail()
    mine = set(logged_decisions)
    partition = partition_of(customer_id, ledger.partitions)
    position = START
    while entries := await ledger.entries({partition: position}, _BATCH):
        position = entries[-1].position
        ids = [DecisionId(e.body.decode()) for e in entries if e.type is EntryType.DECISION]
        records = [unpack(r, DecisionRecord) for r in await ledger.records(ids) if r is not None]
        theirs = [record for record in records if record.customer_id == customer_id]
        tail.decisions += theirs
        mine.update(record.decision_id for record in theirs)
        for entry in entries:
            _take(tail, entry, customer_id, mine)
    return tail


def _take(tail: Tail, entry: LedgerEntry, customer_id: str, mine: set[str]) -> None:
    match entry.type:
        case EntryType.OUTCOME:
            outcome = unpack(entry.body, OutcomeEntry)
            if outcome.decision_id in mine:
                tail.outcomes.append(outcome)
        case EntryType.RESOLUTION:
            resolution = unpack(entry.body, ResolutionEntry)
            if resolution.decision_id in mine:
                tail.resolutions.append(resolution)
        case EntryType.EVENT:
            event = unpack(entry.body, EventEntry)
            if event.customer_id == customer_id:
                tail.events.append(event)
        case EntryType.UPDATE:
            update = unpack(entry.body, UpdateEntry)
            if update.customer_id == customer_id:
                tail.updates.append(update)
