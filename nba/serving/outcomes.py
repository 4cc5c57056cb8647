"""``/v1/outcomes``: what became of decisions, one or many, each with its own answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from nba.bodies import parse, parse_value
from nba.decision.outcomes import OutcomeResult, OutcomeService, OutcomeStatus
from nba.domain.clock import Clock
from nba.domain.ids import OutcomeId
from nba.domain.outcome import Outcome
from nba.errors import Fault, InputError
from nba.serving.endpoint import Call
from nba.serving.metrics import Metrics
from nba.serving.problems import Reply
from nba.serving.schemas import MAX_BATCH, OutcomeBody


class OutcomeEndpoints:
    """Handlers for outcomes."""

    def __init__(self, service: OutcomeService, clock: Clock, metrics: Metrics) -> None:
        self._service = service
        self._clock = clock
        self._metrics = metrics

    async def report(self, call: Call) -> Reply:
        """Answer ``POST /v1/outcomes``; a wrong item is rejected and stops no other.

        A single outcome, sent as it is, is refused with 422 where it is wrong.
        """
        body = parse(call.body, dict[str, Any])
        items = _items(body)
        now_ms = self._clock()
        good: list[Outcome] = []
        results: list[OutcomeResult | None] = []
        for item in items:
            try:
                typed = parse_value(item, OutcomeBody)
                good.append(typed.to_domain(received_at_ms=now_ms))
                results.append(None)
            except InputError as error:
                results.append(_rejected(item, error.faults[0]))
        taken = iter(await self._service.report(good))
        complete = [result if result is not None else next(taken) for result in results]
        for result in complete:
            self._metrics.outcomes.labels(result.status.value).inc()
        if "outcomes" not in body and complete[0].fault is not None:
            raise InputError([complete[0].fault])
        answers = [_answer(result, index) for index, result in enumerate(complete)]
        return Reply(msgspec.json.encode({"results": answers}))


def _items(body: Mapping[str, Any]) -> list[Any]:
    if "outcomes" not in body:
        return [body]
    items = body["outcomes"]
    if not isinstance(items, list) or not items:
        raise InputError([Fault("/outcomes", f"found {items!r}"[:80], "a list of outcomes")])
    if len(items) > MAX_BATCH:
        raise InputError([Fault("/outcomes", f"{len(items)} items", f"at most {MAX_BATCH}")])
    return items


def _rejected(item: object, fault: Fault) -> OutcomeResult:
    given = item.get("outcome_id") if isinstance(item, dict) else None
    outcome_id = OutcomeId(given if isinstance(given, str) else "")
    return OutcomeResult(outcome_id, OutcomeStatus.REJECTED, fault)


def _answer(result: OutcomeResult, index: int) -> dict[str, Any]:
    answer: dict[str, Any] = {"outcome_id": result.outcome_id, "status": result.status.value}
    if result.fault is not None:
        answer["error"] = {
            "pointer": f"/outcomes/{index}{result.fault.place}",
            "found": result.fault.found,
            "expected": result.fault.expected,
        }
    return answer
