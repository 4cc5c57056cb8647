"""What the parts of the OpenAPI document are made of."""

from __future__ import annotations

from typing import Any

from nba.access import Permission
from nba.domain.ids import MAX_ID_LENGTH
from nba.serving.problems import PROBLEM_TYPE

ID = {"type": "string", "minLength": 1, "maxLength": MAX_ID_LENGTH}
MOMENT = {"type": "string", "format": "date-time"}
TEXT = {"type": "string"}
NUMBER = {"type": "number"}
WHOLE = {"type": "integer"}
FLAG = {"type": "boolean"}
OBJECT: dict[str, Any] = {"type": "object"}


def listed(items: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def thing(properties: dict[str, Any], description: str = "") -> dict[str, Any]:
    """Return the schema of an object, of which every property is there."""
    made = {"type": "object", "properties": properties, "required": list(properties)}
    return {**made, "description": description} if description else made


def or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of something that may be null."""
    return {"anyOf": [schema, {"type": "null"}]}


def ref(name: str) -> dict[str, str]:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def in_path(name: str) -> dict[str, Any]:
    """Return a parameter of the path."""
    return {"name": name, "in": "path", "required": True, "schema": ID}


def in_query(name: str, schema: dict[str, Any], description: str = "") -> dict[str, Any]:
    """Return a parameter of the query."""
    made = {"name": name, "in": "query", "schema": schema}
    return {**made, "description": description} if description else made


def in_header(name: str, description: str) -> dict[str, Any]:
    """Return a header that may be sent."""
    return {"name": name, "in": "header", "schema": TEXT, "description": description}


def operation(
    summary: str,
    answer: dict[str, Any],
    parameters: list[dict[str, Any]] | None = None,
    *,
    tag: str,
    needs: Permission | None,
    body: dict[str, Any] | None = None,
    body_required: bool = True,
    status: str = "200",
    content_type: str = "application/json",
) -> dict[str, Any]:
    """Return one operation: what it takes, answers, and the permission it needs, if any."""
    made: dict[str, Any] = {
        "summary": summary,
        "tags": [tag],
        "responses": {
            status: {"description": "Answered", "content": {content_type: {"schema": answer}}},
            "default": {
                "description": "Refused",
                "content": {PROBLEM_TYPE: {"schema": ref("Problem")}},
            },
        },
    }
    if needs is None:
        made["security"] = []
    else:
        made["description"] = f"Needs the permission `{needs}`."
        made["x-needs"] = str(needs)
    if parameters:
        made["parameters"] = parameters
    if body is not None:
        content = {"application/json": {"schema": body}}
        made["requestBody"] = {"required": body_required, "content": content}
    return made
