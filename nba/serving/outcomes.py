"""``/v1/outcomes``: what became of decisions, one or many, each with its own answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from nba.decision.outcomes import OutcomeResult, OutcomeService
from nba.domain.clock import Clock
from nba.domain.ids import OutcomeId
from nba.domain.outcome import Outcome
from nba.errors import Fault, InputError
from nba.serving.endpoint import Call
from nba.serving.metrics import Metrics
from nba.serving.problems import Reply
from nba.serving.schemas import MAX_BATCH, OutcomeBody, parse, parse_value


class OutcomeEndpoints:
    """Handlers for outcomes."""

    def __init__(self, service: OutcomeService, clock: Clock, metrics: Metrics) -> None:
        self._service = service
        self._clock = clock
        self._metrics = metrics

    async def report(self, call: Call) -> Reply:
        """Answer ``POST /v1/outcomes``; a wrong item is rejected and stops no other."""
        items = _items(parse(call.body, dict[str, Any]))
        now_ms = self._clock()
        good: list[Outcome] = []
        answers: list[dict[str, Any] | None] = []
        for index, item in enumerate(items):
            try:
                typed = parse_value(item, OutcomeBody)
            except InputError as error:
                answers.append(_rejected(item, error.faults[0], index))
                continue
            good.append(typed.to_domain(received_at_ms=now_ms))
            answers.append(None)
        results = iter(await self._service.report(good))
        complete = [
            answer if answer is not None else _answer(next(results), index)
            for index, answer in enumerate(answers)
        ]
        for answer in complete:
            self._metrics.outcomes.labels(answer["status"]).inc()
        return Reply(msgspec.json.encode({"results": complete}))


def _items(body: Mapping[str, Any]) -> list[Any]:
    if "outcomes" not in body:
        return [body]
    items = body["outcomes"]
    if not isinstance(items, list) or not items:
        raise InputError([Fault("/outcomes", f"found {items!r}"[:80], "a list of outcomes")])
    if len(items) > MAX_BATCH:
        raise InputError([Fault("/outcomes", f"{len(items)} items", f"at most {MAX_BATCH}")])
    return items


def _rejected(item: object, fault: Fault, index: int) -> dict[str, Any]:
    given = item.get("outcome_id") if isinstance(item, dict) else None
    return {"outcome_id": given, "status": "rejected", "error": _error(fault, index)}


def _answer(result: OutcomeResult, index: int) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "outcome_id": OutcomeId(result.outcome_id),
        "status": result.status.value,
    }
    if result.fault is not None:
        answer["error"] = _error(result.fault, index)
    return answer


def _error(fault: Fault, index: int) -> dict[str, str]:
    pointer = f"/outcomes/{index}{fault.place}"
    return {"pointer": pointer, "found": fault.found, "expected": fault.expected}
