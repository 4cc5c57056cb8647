"""What is recorded about one customer: their timeline, consents and export, and its erasure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from nba.decision.answer import said_choices
from nba.decision.plans import PlanRepository
from nba.decision.recording import is_shadow
from nba.domain.clock import Clock, to_rfc3339
from nba.domain.consent import consent_history
from nba.domain.ids import CustomerId, DecisionId
from nba.features import ProfileStore
from nba.features.aliases import Aliases
from nba.ledger.erasure import ErasureState
from nba.ledger.records import DecisionRecord
from nba.ledger.sealing import HIDDEN
from nba.ledger.store import LedgerStore
from nba.serving.export import exported, recent_updates
from nba.serving.tail import Tail, read_tail

if TYPE_CHECKING:
    from nba.ledger.log import DecisionLog
    from nba.measurement.records import CustomerData

T = TypeVar("T")


class CustomerRecords:
    """Reads and erases what the log and the not yet logged end of the ledger hold of a customer.

    Parameters
    ----------
    repository
        Plans by version, to name the features a decision used.
    open_log
        Opens the log; called off the request path, as the log's libraries are heavy to load.
    clock
        When an erasure is asked for.

    """

    def __init__(
        self,
        ledger: LedgerStore,
        profiles: ProfileStore,
        aliases: Aliases,
        repository: PlanRepository,
        open_log: Callable[[], DecisionLog],
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._profiles = profiles
        self._aliases = aliases
        self._repository = repository
        self._open_log = open_log
        self._clock = clock

    async def timeline(self, customer_id: CustomerId, *, limit: int | None) -> list[dict[str, Any]]:
        """Return decisions, outcomes and events of a customer under all their ids, newest first.

        What is sensitive is hidden.
        """
        family = await self._aliases.family(customer_id)
        found = [entry for member in family for entry in await self._timeline_of(member)]
        found.sort(key=lambda entry: entry["at"], reverse=True)
        return found if limit is None else found[:limit]

    async def _timeline_of(self, customer_id: CustomerId) -> list[dict[str, Any]]:
        from nba.measurement.timeline import logged_timeline

        logged = await self._in_log(lambda log: logged_timeline(log, customer_id))
        mine = [entry["id"] for entry in logged if entry["type"] == "decision"]
        known = {(entry["type"], entry["id"]) for entry in logged}
        recent = _recent(await read_tail(self._ledger, customer_id, mine))
        return [*(e for e in recent if (e["type"], e["id"]) not in known), *logged]

    async def consents(self, customer_id: CustomerId) -> list[dict[str, str]]:
        """Return every word on consent a customer gave under all their ids, oldest first."""
        from nba.measurement.records import logged_updates

        updates: list[dict[str, Any]] = []
        for member in await self._aliases.family(customer_id):
            logged = await self._in_log(lambda log, m=member: logged_updates(log, m))  # type: ignore[misc]  # bound now
            tail = await read_tail(self._ledger, member, ())
            updates += [*logged, *recent_updates(tail, logged)]
        updates.sort(key=lambda update: update["received_at"])
        return consent_history(updates)

    async def export(self, customer_id: CustomerId) -> dict[str, Any]:
        """Return everything recorded about a customer, in clear."""
        from nba.measurement.records import logged_data

        family = await self._aliases.family(customer_id)
        parts: list[CustomerData] = []
        for member in family:
            logged = await self._in_log(lambda log, m=member: logged_data(log, m))  # type: ignore[misc]  # bound now
            mine = [decision["decision_id"] for decision in logged.decisions]
            tail = await read_tail(self._ledger, member, mine)
            parts.append(await exported(logged, tail, self._ledger, self._repository))
        merged = {
            name: [entry for part in parts for entry in getattr(part, name)]
            for name in ("decisions", "outcomes", "resolutions", "events", "updates")
        }
        merged["updates"].sort(key=lambda update: update["received_at"])
        history = consent_history(merged["updates"])
        return {"aliases": list(family[1:]), "consents": history, **merged}

    async def erase(self, customer_id: CustomerId) -> int:
        """Erase a customer online, all their ids; return how many decisions went with them.

        The worker erases them from the log when it reaches the ledger's erasure entries.
        """
        family = await self._aliases.family(customer_id)
        names = await self._in_log(lambda log: [log.sealer.pseudonym(member) for member in family])
        count = 0
        # The id that goes on comes last: it knows the others, should this have to be done again.
        for member, name in reversed(list(zip(family, names, strict=True))):
            timeline = await self._timeline_of(member)
            ids = [DecisionId(entry["id"]) for entry in timeline if entry["type"] == "decision"]
            others = tuple(other for other in names if other != name)
            state = ErasureState(self._clock(), len(ids), others)
            await self._ledger.erasures.note(name, state)
            await self._profiles.erase(member)
            await self._ledger.erase(member, ids)
            count += len(ids)
        return count

    async def erasure(self, customer_id: CustomerId) -> list[tuple[str, ErasureState]]:
        """Return how far the erasure of an id and those erased with it has come.

        By pseudonym, the id's own first; empty where none was asked for.
        """
        store = self._ledger.erasures
        name = await self._in_log(lambda log: log.sealer.pseudonym(customer_id))
        state = await store.state(name)
        if state is None:
            return []
        others = [(other, await store.state(other)) for other in state.family]
        return [(name, state), *((other, found) for other, found in others if found is not None)]

    async def _in_log(self, read: Callable[[DecisionLog], T]) -> T:
        return await asyncio.to_thread(lambda: read(self._open_log()))


def _recent(tail: Tail) -> list[dict[str, Any]]:
    decisions = [_decision(record) for record in tail.decisions]
    outcomes = [
        {
            "type": "outcome",
            "id": outcome.outcome_id,
            "at": to_rfc3339(outcome.at_ms),
            "decision_id": outcome.decision_id,
            "kind": outcome.kind,
            "value": outcome.value,
        }
        for outcome in tail.outcomes
    ]
    resolutions = [
        {
            "type": "resolution",
            "id": f"{r.decision_id}:{r.choice}:{r.kind}:{r.outcome_id or ''}",
            "at": to_rfc3339(r.at_ms),
            "decision_id": r.decision_id,
            "kind": r.kind,
            "reward": r.reward,
        }
        for r in tail.resolutions
    ]
    events = [
        {
            "type": "event",
            "id": event.message_id,
            "at": to_rfc3339(event.at_ms),
            "name": event.name,
            "properties": {
                name: HIDDEN if name in event.sensitive else value
                for name, value in event.properties.items()
            },
        }
        for event in tail.events
    ]
    return [*decisions, *outcomes, *resolutions, *events]


def _decision(record: DecisionRecord) -> dict[str, Any]:
    last = "shadow_action" if is_shadow(record) else "reasons"
    kept = ("placement", "rank", "action", "content", "propensity", "score", last)
    # Records made before contents were chosen by what was learned do not say with what chance.
    return {
        "type": "decision",
        "id": record.decision_id,
        "at": to_rfc3339(record.at_ms),
        "choices": [
            {
                **{name: choice[name] for name in kept},
                "content_probability": choice.get("content_probability"),
            }
            for choice in said_choices(record.answer)
        ],
    }
