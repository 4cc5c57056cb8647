"""Noting in contact histories what came of contacts, and what happened to customers.

Policies look at them when the next decision is made, so they are there before what told of them is
acknowledged. Noting twice notes once; where a process dies before, the report is sent again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from nba.decision.answer import said_choices
from nba.decision.plan import Plan
from nba.decision.recording import read_record
from nba.decision.service import MAX_HOPS, Follow
from nba.domain.clock import MILLISECONDS_PER_SECOND, Clock
from nba.domain.customer import Event
from nba.domain.history import Entry, contact_tag, event_code, outcome_code
from nba.domain.ids import NO_ACTION, CustomerId, DecisionId, hash32
from nba.domain.outcome import Outcome
from nba.errors import CorruptRecordError
from nba.features import FeatureSet, ProfileService, ProfileStore
from nba.features.items import Undeclared
from nba.ledger.store import LedgerStore


class Noting:
    """Notes what the live plan's policies look for.

    Parameters
    ----------
    ledger
        Where histories are kept.
    plan
        Returns the live plan, ``None`` where there is none.
    follow
        Returns where a former id of a customer leads.

    """

    def __init__(
        self, ledger: LedgerStore, plan: Callable[[], Plan | None], follow: Follow
    ) -> None:
        self._ledger = ledger
        self._plan = plan
        self._follow = follow

    async def outcomes(self, reported: Sequence[tuple[Outcome, bytes]]) -> None:
        """Note outcomes, each given with its decision's packed record."""
        plan = self._plan()
        if plan is None or not plan.noted.outcomes:
            return
        found: dict[CustomerId, list[Entry]] = defaultdict(list)
        for outcome, packed in reported:
            if outcome.kind in plan.noted.outcomes:
                customer_id, entry = _of_outcome(outcome, packed)
                if entry is not None:
                    found[customer_id].append(entry)
        await self._note(found)

    async def events(self, events: Sequence[Event]) -> None:
        """Note events that were taken in."""
        plan = self._plan()
        if plan is None or not plan.noted.events:
            return
        found: dict[CustomerId, list[Entry]] = defaultdict(list)
        for event in events:
            if event.name in plan.noted.events:
                found[event.customer_id].append(
                    Entry(
                        at_s=event.at_ms // MILLISECONDS_PER_SECOND,
                        what=event_code(event.name),
                        tag=hash32(event.message_id),
                    )
                )
        await self._note(found)

    async def _note(self, found: dict[CustomerId, list[Entry]]) -> None:
        for customer_id, entries in found.items():
            at = customer_id
            for _ in range(MAX_HOPS):
                forward = await self._ledger.note(at, entries)
                if forward is None:
                    break
                at = await self._follow(at, forward)
            else:
                raise CorruptRecordError(f"the aliases of customer {customer_id!r} never end")


def _of_outcome(outcome: Outcome, packed: bytes) -> tuple[CustomerId, Entry | None]:
    """Return the customer of an outcome, and its entry; saying nothing was no contact."""
    record = read_record(packed)
    choice = said_choices(record.answer)[outcome.choice]
    customer_id = CustomerId(record.customer_id)
    if choice["action"] == NO_ACTION:
        return customer_id, None
    content = choice["content"]
    entry = Entry(
        at_s=outcome.at_ms // MILLISECONDS_PER_SECOND,
        action=hash32(choice["action"]),
        placement=hash32(choice["placement"]),
        what=outcome_code(outcome.kind),
        tag=contact_tag(DecisionId(record.decision_id), outcome.choice),
        content=0 if content is None else hash32(content),
    )
    return customer_id, entry


def open_profiles(
    store: ProfileStore,
    features: Callable[[], FeatureSet],
    clock: Clock,
    ledger: LedgerStore,
    plan: Callable[[], Plan | None],
    *,
    undeclared: Undeclared = Undeclared.DROP,
) -> tuple[ProfileService, Noting]:
    """Return what changes profiles, and what notes the events it takes in and outcomes."""

    async def noted(events: Sequence[Event]) -> None:
        await noting.events(events)

    profiles = ProfileService(store, features, clock, undeclared=undeclared, noted=noted)
    noting = Noting(ledger, plan, profiles.aliases.follow)
    return profiles, noting
