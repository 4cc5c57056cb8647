"""The part of the OpenAPI document that is about changing what is live, and who may."""

from __future__ import annotations

from functools import partial
from typing import Any

from nba.access import Permission
from nba.catalog.changes import ChangeStatus
from nba.serving.catalog import MOST_ROWS, VIEWS
from nba.serving.changes import MOST_CHANGES
from nba.serving.management_schemas import ChangeBody, ItemBody, KeyBody, RotationBody, StepBody
from nba.serving.openapi_parts import (
    OBJECT,
    TEXT,
    WHOLE,
    in_header,
    in_path,
    in_query,
    operation,
    ref,
)
from nba.serving.simulating import SimulationBody

MANAGEMENT_BODIES = (ChangeBody, ItemBody, StepBody, SimulationBody, KeyBody, RotationBody)
"""What management takes."""

_SEEN_REVISION = in_header("If-Match", "The ETag of the change set; 409 if it has changed since.")
_SEEN_VERSION = in_header("If-Match", "The ETag of the object; 409 if another version is live.")
_WAIT = in_query(
    "wait",
    {"type": "boolean", "default": False},
    "Answer once this process decides with the plan, or after ten seconds.",
)


def management_paths() -> dict[str, Any]:
    """Return the paths of management."""
    return {**_change_paths(), **_object_paths(), **_plan_paths(), **_key_paths()}


def _change_paths() -> dict[str, Any]:
    may, about = Permission, partial(operation, tag="changes")
    change = in_path("change_id")
    item = [change, in_path("kind"), in_path("object_id")]
    place = "/v1/changes/{change_id}"
    status = in_query("status", {"enum": list(ChangeStatus)})
    step = partial(about, body=ref("StepBody"), body_required=False)
    steps = {
        "submit": ("Ask for review", may.EDIT_CHANGES),
        "reopen": ("Send it back to be edited", may.EDIT_CHANGES),
        "abandon": ("Give it up", may.EDIT_CHANGES),
        "approve": ("Approve it", may.APPROVE),
    }
    answer = ref("ChangeSet")
    return {
        "/v1/changes": {
            "get": about(
                "Change sets, newest first",
                ref("ChangeSets"),
                [_limit(100, MOST_CHANGES), status],
                needs=may.READ_CATALOG,
            ),
            "post": about(
                "Open a change set",
                answer,
                body=ref("ChangeBody"),
                status="201",
                needs=may.EDIT_CHANGES,
            ),
        },
        place: {"get": about("One change set", answer, [change], needs=may.READ_CATALOG)},
        f"{place}/items/{{kind}}/{{object_id}}": {
            "put": about(
                "Add what an object is to say, or that it is retired, renamed or merged",
                answer,
                [*item, _SEEN_VERSION],
                body=ref("ItemBody"),
                needs=may.EDIT_CHANGES,
            ),
            "delete": about("Take an edit out again", answer, item, needs=may.EDIT_CHANGES),
        },
        f"{place}/diff": {
            "get": about(
                "What it would change", ref("Differences"), [change], needs=may.READ_CATALOG
            )
        },
        f"{place}/check": {
            "get": about(
                "What is wrong with it", ref("CheckReport"), [change], needs=may.READ_CATALOG
            )
        },
        f"{place}/simulate": {
            "post": about(
                "Replay recorded decisions under it",
                OBJECT,
                [change],
                body=ref("SimulationBody"),
                body_required=False,
                needs=may.SIMULATE,
            )
        },
        **{
            f"{place}/{name}": {
                "post": step(summary, answer, [change, _SEEN_REVISION], needs=needs)
            }
            for name, (summary, needs) in steps.items()
        },
        f"{place}/publish": {
            "post": step(
                "Make it live, all at once",
                ref("Publication"),
                [change, _SEEN_REVISION, _WAIT],
                needs=may.PUBLISH,
            )
        },
    }


def _object_paths() -> dict[str, Any]:
    about = partial(operation, tag="catalog", needs=Permission.READ_CATALOG)
    one = [in_path("kind"), in_path("object_id")]
    return {
        **{
            path: {
                "get": about(
                    f"What is live: {', '.join(kinds)}",
                    ref("Objects"),
                    [
                        in_query("kind", {"enum": list(kinds)}),
                        in_query("term", TEXT, "Those that carry it, or a term below it."),
                    ],
                )
            }
            for path, kinds in VIEWS.items()
        },
        "/v1/objects/{kind}/{object_id}": {
            "get": about("What an object says, its version as ETag", ref("Object"), one)
        },
        "/v1/objects/{kind}/{object_id}/versions": {
            "get": about("Every version that was ever live", ref("ObjectVersions"), one)
        },
    }


def _plan_paths() -> dict[str, Any]:
    may = Permission
    before = in_query("before", WHOLE, "Rows before this sequence.")
    return {
        "/v1/plans": {
            "get": operation(
                "What was made live, by whom and why",
                ref("Plans"),
                [_limit(20, MOST_ROWS)],
                tag="plans",
                needs=may.READ_CATALOG,
            )
        },
        "/v1/plans/{version}/rollback": {
            "post": operation(
                "Make an earlier plan live again",
                ref("Publication"),
                [in_path("version"), _WAIT],
                tag="plans",
                body=ref("StepBody"),
                body_required=False,
                needs=may.ROLLBACK,
            )
        },
        "/v1/audit": {
            "get": operation(
                "Who did what, why, and what changed by it",
                ref("AuditPage"),
                [_limit(100, MOST_ROWS), before],
                tag="audit",
                needs=may.READ_AUDIT,
            )
        },
        "/v1/audit/verify": {
            "get": operation(
                "Whether the audit trail is as it was written",
                ref("AuditVerdict"),
                tag="audit",
                needs=may.READ_AUDIT,
            )
        },
    }


def _key_paths() -> dict[str, Any]:
    about = partial(operation, tag="keys", needs=Permission.MANAGE_KEYS)
    name, issued = in_path("name"), ref("IssuedKey")
    return {
        "/v1/keys": {
            "get": about("All API keys", ref("Keys")),
            "post": about("Make an API key", issued, body=ref("KeyBody"), status="201"),
        },
        "/v1/keys/{name}/rotate": {
            "post": about(
                "Give a key a new secret",
                issued,
                [name],
                body=ref("RotationBody"),
                body_required=False,
            )
        },
        "/v1/keys/{name}/revoke": {"post": about("End a key", ref("Key"), [name])},
    }


def _limit(default: int, most: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return in_query("limit", schema)
