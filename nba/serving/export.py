"""A customer's export: what the log holds, and what is not there yet, in clear."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from nba.decision.answer import said_choices
from nba.decision.plan import Plan
from nba.decision.plans import PlanPointer, PlanRepository, parse_version
from nba.decision.recording import named_features, recorded_features, recorded_inputs
from nba.domain.clock import to_rfc3339
from nba.domain.customer import EventEntry
from nba.domain.ids import DecisionId
from nba.ledger.records import DecisionRecord, OutcomeEntry, ResolutionEntry, unpack
from nba.ledger.store import LedgerStore
from nba.serving.tail import Tail

if TYPE_CHECKING:
    from nba.measurement.records import CustomerData

_IN_ANSWER = ("plan_version", "holdout", "fallback")


async def exported(
    logged: CustomerData, tail: Tail, ledger: LedgerStore, repository: PlanRepository
) -> CustomerData:
    """Return what the log holds, completed by the end of the ledger and by what is kept online.

    A decision still held online also says what was asked and from where the customer was contacted.
    """
    logged.updates += recent_updates(tail, logged.updates)
    logged.events += _fresh(map(_event, tail.events), logged.events, "message_id")
    logged.outcomes += _fresh(map(_outcome, tail.outcomes), logged.outcomes, "outcome_id")
    key = ("decision_id", "choice", "kind", "outcome_id")
    logged.resolutions += _fresh(map(_resolution, tail.resolutions), logged.resolutions, *key)
    found = {str(decision["decision_id"]): decision for decision in logged.decisions}
    recent = [record.decision_id for record in tail.decisions]
    ids = [DecisionId(name) for name in dict.fromkeys([*found, *recent])]
    for packed in await ledger.records(ids):
        if packed is None:
            continue
        record = unpack(packed, DecisionRecord)
        if record.decision_id not in found:
            plan = await asyncio.to_thread(_plan_of(repository, record))
            logged.decisions.append(_decision(plan, record))
            found[record.decision_id] = logged.decisions[-1]
        found[record.decision_id]["asked"] = _asked(record)
    return logged


def recent_updates(tail: Tail, logged: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the profile updates that the log does not have yet."""
    updates = [
        {
            "customer_id": update.customer_id,
            "received_at": to_rfc3339(update.received_at_ms),
            "source": update.source,
            "attributes": dict(update.attributes),
            "consents": msgspec.to_builtins(update.consents),
            "audiences": dict(update.audiences),
            "time_zone": update.time_zone,
            "locale": update.locale,
            "version": update.version,
        }
        for update in tail.updates
    ]
    return _fresh(updates, logged, "received_at", "version")


def _fresh(
    recent: Iterable[dict[str, Any]], logged: Iterable[Mapping[str, Any]], *key: str
) -> list[dict[str, Any]]:
    known = {tuple(entry[name] for name in key) for entry in logged}
    return [entry for entry in recent if tuple(entry[name] for name in key) not in known]


def _plan_of(repository: PlanRepository, record: DecisionRecord) -> Callable[[], Plan]:
    pointer = PlanPointer(parse_version(record.plan_version).digest)
    return lambda: repository.get(pointer)


def _decision(plan: Plan, record: DecisionRecord) -> dict[str, Any]:
    answer = msgspec.json.decode(record.answer)
    named = named_features(plan.features, recorded_features(record))
    return {
        "decision_id": record.decision_id,
        "at": to_rfc3339(record.at_ms),
        **{name: answer[name] for name in _IN_ANSWER},
        "features": {name: value for name, value in named.items() if value is not None},
        "choices": said_choices(record.answer),
    }


def _asked(record: DecisionRecord) -> dict[str, Any]:
    inputs = recorded_inputs(record)
    request: dict[str, Any] = msgspec.to_builtins(inputs.request)
    return {**request, "time_zone": record.time_zone, "contacts_before": len(inputs.history)}


def _event(event: EventEntry) -> dict[str, Any]:
    return {
        "customer_id": event.customer_id,
        "name": event.name,
        "message_id": event.message_id,
        "at": to_rfc3339(event.at_ms),
        "received_at": to_rfc3339(event.received_at_ms),
        "properties": dict(event.properties),
        "version": event.version,
    }


def _outcome(outcome: OutcomeEntry) -> dict[str, Any]:
    return {
        **{name: getattr(outcome, name) for name in ("outcome_id", "decision_id", "choice")},
        "kind": outcome.kind,
        "at": to_rfc3339(outcome.at_ms),
        "received_at": to_rfc3339(outcome.received_at_ms),
        "value": outcome.value,
    }


def _resolution(resolution: ResolutionEntry) -> dict[str, Any]:
    named = msgspec.structs.asdict(resolution)
    at_ms = named.pop("at_ms")
    return {**named, "at": to_rfc3339(at_ms)}
