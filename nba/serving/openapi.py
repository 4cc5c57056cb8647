"""The API's OpenAPI 3.1 document, from the types its endpoints parse."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import msgspec

from nba.domain.ids import MAX_ID_LENGTH
from nba.ingestion.segment import TYPES, SegmentBody
from nba.serving.problems import PROBLEM_TYPE
from nba.serving.schemas import DecisionBody, OutcomeBody, ProfileBody

_ID = {"type": "string", "minLength": 1, "maxLength": MAX_ID_LENGTH}
_MOMENT = {"type": "string", "format": "date-time"}
_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
_OBJECT: dict[str, Any] = {"type": "object"}


class OutcomeBatch(msgspec.Struct):
    """Many outcomes."""

    outcomes: list[OutcomeBody]


class SegmentBatch(msgspec.Struct):
    """Many messages."""

    batch: list[SegmentBody]


def openapi_document() -> dict[str, Any]:
    """Return the document; the same code gives the same document."""
    bodies = [DecisionBody, OutcomeBody, OutcomeBatch, ProfileBody, SegmentBody, SegmentBatch]
    _, components = msgspec.json.schema_components(
        bodies, ref_template="#/components/schemas/{name}"
    )
    components |= _ANSWERS
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "NBA: next-best-action decisions",
            "version": version("nba"),
            "description": "Ask what to say to a customer, here, now, or whether to say nothing.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": _paths(),
        "components": {"schemas": dict(sorted(components.items()))},
    }


_ANSWERS: dict[str, Any] = {
    "Choice": {
        "type": "object",
        "description": (
            "One ranked choice. `propensity` is P(desired outcome); `probability` is the chance "
            "with which it was drawn at its rank. `value` and `score` are in the project's "
            "currency."
        ),
        "properties": {
            "placement": _ID,
            "rank": {"type": "integer", "minimum": 1},
            "action": _ID,
            "content": {"anyOf": [_ID, {"type": "null"}]},
            "slots": {"type": "object", "additionalProperties": _TEXT},
            "propensity": _NUMBER,
            "value": _NUMBER,
            "score": _NUMBER,
            "probability": _NUMBER,
            "reasons": {"type": "array", "items": _TEXT},
        },
    },
    "Answer": {
        "type": "object",
        "properties": {
            "decision_id": _ID,
            "customer_id": _ID,
            "at": _MOMENT,
            "expires_at": _MOMENT,
            "plan_version": _TEXT,
            "choices": {"type": "array", "items": {"$ref": "#/components/schemas/Choice"}},
            "holdout": {"type": "boolean"},
            "fallback": {"type": "boolean"},
            "degraded": {"type": "array", "items": _TEXT},
            "mode": {"enum": ["live", "dry_run"]},
        },
    },
    "Problem": {
        "type": "object",
        "description": "RFC 9457 problem; `errors` has a JSON pointer to each fault.",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT,
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"pointer": _TEXT, "found": _TEXT, "expected": _TEXT},
                },
            },
        },
    },
}


def _paths() -> dict[str, Any]:
    answer = {"$ref": "#/components/schemas/Answer"}
    one_or_many = [_ref("OutcomeBody"), _ref("OutcomeBatch")]
    messages = [_ref("SegmentBody"), _ref("SegmentBatch")]
    decision, customer = _parameter("decision_id"), _parameter("customer_id")
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer", "default": 50}}
    return {
        "/v1/decisions": {
            "post": _operation("Decide", answer, body=_ref("DecisionBody"), tag="decisions")
        },
        "/v1/decisions/{decision_id}": {
            "get": _operation("The answer as it was given", answer, [decision], tag="decisions")
        },
        "/v1/decisions/{decision_id}/explain": {
            "get": _operation("Why, for every candidate", _OBJECT, [decision], tag="decisions")
        },
        "/v1/decisions/{decision_id}/replay": {
            "get": _operation("Decide again from the record", answer, [decision], tag="decisions")
        },
        "/v1/outcomes": {
            "post": _operation(
                "Report outcomes", _OBJECT, body={"anyOf": one_or_many}, tag="outcomes"
            )
        },
        "/v1/events": {
            "post": _operation(
                "Take in events (Segment spec)", _OBJECT, body={"anyOf": messages}, tag="customers"
            )
        },
        **{f"/v1/{name}": _taking(name) for name in ("batch", *TYPES)},
        "/v1/customers/{customer_id}": {
            "get": _operation("A customer's profile", _OBJECT, [customer], tag="customers"),
            "put": _operation(
                "Change a profile", _OBJECT, [customer], body=_ref("ProfileBody"), tag="customers"
            ),
            "delete": _operation(
                "Erase a customer everywhere", _OBJECT, [customer], tag="customers", status="202"
            ),
        },
        "/v1/customers/{customer_id}/timeline": {
            "get": _operation(
                "Decisions, outcomes and events", _OBJECT, [customer, limit], tag="customers"
            )
        },
        "/v1/customers/{customer_id}/export": {
            "get": _operation("Everything kept", _OBJECT, [customer], tag="customers")
        },
        "/v1/customers/{customer_id}/consents": {
            "get": _operation(
                "Consents that stand, and their history", _OBJECT, [customer], tag="customers"
            )
        },
        "/v1/customers/{customer_id}/erasure": {
            "get": _operation(
                "How far an erasure has come, and its proof", _OBJECT, [customer], tag="customers"
            )
        },
        "/healthz": {"get": _operation("Whether the process lives", _OBJECT, tag="operations")},
        "/readyz": {"get": _operation("Whether it can decide", _OBJECT, tag="operations")},
        "/metrics": {"get": _metrics()},
    }


def _taking(name: str) -> dict[str, Any]:
    """Return the operation of one of Segment's own paths."""
    body = _ref("SegmentBatch" if name == "batch" else "SegmentBody")
    summary = f"Take in Segment's {name}, as its libraries send it"
    return {"post": _operation(summary, _OBJECT, body=body, tag="customers")}


def _metrics() -> dict[str, Any]:
    content = {"text/plain": {"schema": _TEXT}}
    answered = {"200": {"description": "Answered", "content": content}}
    return {"summary": "Measurements for Prometheus", "tags": ["operations"], "responses": answered}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _ID}


def _operation(
    summary: str,
    answer: dict[str, Any],
    parameters: list[dict[str, Any]] | None = None,
    *,
    tag: str,
    body: dict[str, Any] | None = None,
    status: str = "200",
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "tags": [tag],
        "responses": {
            status: {
                "description": "Answered",
                "content": {"application/json": {"schema": answer}},
            },
            "default": {
                "description": "Refused",
                "content": {PROBLEM_TYPE: {"schema": _ref("Problem")}},
            },
        },
    }
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        content = {"application/json": {"schema": body}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation
