"""The API's OpenAPI 3.1 document, from the types its endpoints parse."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from inspect import cleandoc
from typing import Any

import msgspec

from nba.access import Permission
from nba.domain.decision import Mode
from nba.ingestion.segment import TYPES, SegmentBody
from nba.serving.openapi_answers import MANAGEMENT_ANSWERS
from nba.serving.openapi_management import MANAGEMENT_BODIES, management_paths
from nba.serving.openapi_parts import (
    ID,
    MOMENT,
    NUMBER,
    OBJECT,
    TEXT,
    in_path,
    in_query,
    operation,
    ref,
)
from nba.serving.openapi_reports import SHADOW_REPORT
from nba.serving.schemas import DecisionBody, OutcomeBody, ProfileBody


class OutcomeBatch(msgspec.Struct):
    """Many outcomes."""

    outcomes: list[OutcomeBody]


class SegmentBatch(msgspec.Struct):
    """Many messages."""

    batch: list[SegmentBody]


def openapi_document() -> dict[str, Any]:
    """Return the document; the same code gives the same document."""
    bodies = [
        *(DecisionBody, OutcomeBody, OutcomeBatch, ProfileBody, SegmentBody, SegmentBatch),
        *MANAGEMENT_BODIES,
    ]
    _, components = msgspec.json.schema_components(
        bodies, ref_template="#/components/schemas/{name}"
    )
    for schema in components.values():
        if "description" in schema:  # a docstring, which Python 3.13 has without its indentation
            schema["description"] = cleandoc(schema["description"])
    components |= _ANSWERS | MANAGEMENT_ANSWERS
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "NBA: next-best-action decisions",
            "version": version("nba"),
            "description": "Ask what to say to a customer, here, now, or whether to say nothing.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}, {"write_key": []}],
        "paths": _paths(),
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": _SECURITY,
        },
    }


_SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, or a token of the OpenID issuer that is set.",
    },
    "write_key": {
        "type": "http",
        "scheme": "basic",
        "description": "An API key as user name, as Segment's libraries send their write key.",
    },
}

_ANSWERS: dict[str, Any] = {
    "Choice": {
        "type": "object",
        "description": (
            "One ranked choice. `propensity` is P(desired outcome); `probability` is the chance "
            "with which it was drawn at its rank, and `content_probability` the chance with which "
            "its content was drawn for the action, null without content. `value` and `score` are "
            "in the project's currency."
        ),
        "properties": {
            "placement": ID,
            "rank": {"type": "integer", "minimum": 1},
            "action": ID,
            "content": {"anyOf": [ID, {"type": "null"}]},
            "slots": {"type": "object", "additionalProperties": TEXT},
            "propensity": NUMBER,
            "value": NUMBER,
            "score": NUMBER,
            "probability": NUMBER,
            "content_probability": {"anyOf": [NUMBER, {"type": "null"}]},
            "reasons": {"type": "array", "items": TEXT},
        },
    },
    "Answer": {
        "type": "object",
        "properties": {
            "decision_id": ID,
            "customer_id": ID,
            "at": MOMENT,
            "expires_at": MOMENT,
            "plan_version": TEXT,
            "choices": {"type": "array", "items": {"$ref": "#/components/schemas/Choice"}},
            "holdout": {"type": "boolean"},
            "fallback": {"type": "boolean"},
            "degraded": {"type": "array", "items": TEXT},
            "not_before": {
                "type": "object",
                "additionalProperties": MOMENT,
                "description": (
                    "By placement, when what quiet hours alone hold back may be sent; ask again "
                    "then."
                ),
            },
            "mode": {"enum": [mode.value for mode in Mode]},
            "taken": {"type": "array", "items": {"$ref": "#/components/schemas/TakenChoice"}},
        },
    },
    "TakenChoice": {
        "type": "object",
        "description": (
            "In shadow: what another system took in a placement. `probability` is the one it "
            "reported; `propensity`, `value`, `score` and `shadow_probability` are of the same "
            "action here. `would_have_been_dropped` has reason codes."
        ),
        "properties": {
            "placement": ID,
            "rank": {"const": 1},
            "action": ID,
            "content": {"anyOf": [ID, {"type": "null"}]},
            "propensity": NUMBER,
            "value": NUMBER,
            "score": NUMBER,
            "probability": {"anyOf": [NUMBER, {"type": "null"}]},
            "agrees": {"type": "boolean"},
            "shadow_action": ID,
            "shadow_probability": NUMBER,
            "would_have_been_dropped": {"type": "array", "items": TEXT},
        },
    },
    **SHADOW_REPORT,
    "Problem": {
        "type": "object",
        "description": "RFC 9457 problem; `errors` has a JSON pointer to each fault.",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": TEXT,
            "status": {"type": "integer"},
            "detail": TEXT,
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"pointer": TEXT, "found": TEXT, "expected": TEXT},
                },
            },
        },
    },
}


def _paths() -> dict[str, Any]:
    return {
        **_decision_paths(),
        **_customer_paths(),
        **management_paths(),
        **_report_paths(),
        **_operation_paths(),
    }


def _decision_paths() -> dict[str, Any]:
    may, answer = Permission, ref("Answer")
    about = partial(operation, tag="decisions")
    decision = [in_path("decision_id")]
    one_or_many = {"anyOf": [ref("OutcomeBody"), ref("OutcomeBatch")]}
    place = "/v1/decisions/{decision_id}"
    reads = may.READ_DECISIONS
    return {
        "/v1/decisions": {
            "post": about("Decide", answer, body=ref("DecisionBody"), needs=may.DECIDE)
        },
        place: {"get": about("The answer as it was given", answer, decision, needs=reads)},
        f"{place}/explain": {
            "get": about("Why, for every candidate", OBJECT, decision, needs=reads)
        },
        f"{place}/replay": {
            "get": about("Decide again from the record", answer, decision, needs=reads)
        },
        "/v1/outcomes": {
            "post": operation(
                "Report outcomes", OBJECT, body=one_or_many, tag="outcomes", needs=may.REPORT
            )
        },
    }


def _report_paths() -> dict[str, Any]:
    about = partial(operation, tag="reports", needs=Permission.READ_DECISIONS)
    said = "What another system earned in shadow, and what ours would have"
    return {"/v1/reports/shadow": {"get": about(said, ref("ShadowReport"))}}


def _customer_paths() -> dict[str, Any]:
    may, about = Permission, partial(operation, tag="customers")
    customer = [in_path("customer_id")]
    limit = in_query("limit", {"type": "integer", "default": 50})
    place = "/v1/customers/{customer_id}"
    messages = {"anyOf": [ref("SegmentBody"), ref("SegmentBatch")]}
    reads, writes = may.READ_CUSTOMERS, may.WRITE_CUSTOMERS
    return {
        "/v1/events": {
            "post": about("Take in events (Segment spec)", OBJECT, body=messages, needs=writes)
        },
        **{f"/v1/{name}": _taking(name) for name in ("batch", *TYPES)},
        place: {
            "get": about("A customer's profile", OBJECT, customer, needs=reads),
            "put": about(
                "Change a profile", OBJECT, customer, body=ref("ProfileBody"), needs=writes
            ),
            "delete": about(
                "Erase a customer everywhere",
                OBJECT,
                customer,
                status="202",
                needs=may.ERASE_CUSTOMERS,
            ),
        },
        f"{place}/timeline": {
            "get": about("Decisions, outcomes and events", OBJECT, [*customer, limit], needs=reads)
        },
        f"{place}/export": {
            "get": about("Everything kept", OBJECT, customer, needs=may.EXPORT_CUSTOMERS)
        },
        f"{place}/consents": {
            "get": about("Consents that stand, and their history", OBJECT, customer, needs=reads)
        },
        f"{place}/erasure": {
            "get": about(
                "How far an erasure has come, and its proof", OBJECT, customer, needs=reads
            )
        },
    }


def _taking(name: str) -> dict[str, Any]:
    """Return the operation of one of Segment's own paths."""
    body = ref("SegmentBatch" if name == "batch" else "SegmentBody")
    summary = f"Take in Segment's {name}, as its libraries send it"
    needs = Permission.WRITE_CUSTOMERS
    return {"post": operation(summary, OBJECT, body=body, tag="customers", needs=needs)}


def _operation_paths() -> dict[str, Any]:
    about = partial(operation, tag="operations")
    measured = about(
        "Measurements for Prometheus",
        TEXT,
        content_type="text/plain",
        needs=Permission.READ_METRICS,
    )
    return {
        "/healthz": {"get": about("Whether the process lives", OBJECT, needs=None)},
        "/readyz": {"get": about("Whether it can decide", OBJECT, needs=None)},
        "/metrics": {"get": measured},
    }
