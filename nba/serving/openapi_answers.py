"""What management answers, as schemas of the OpenAPI document."""

from __future__ import annotations

from typing import Any

from nba.access import Permission, Role, Scope
from nba.catalog.changes import ChangeStatus, Operation
from nba.catalog.objects import ObjectKind, Status
from nba.catalog.publications import Source
from nba.serving.openapi_parts import (
    FLAG,
    ID,
    MOMENT,
    OBJECT,
    TEXT,
    WHOLE,
    listed,
    or_null,
    ref,
    thing,
)

_FAULT = thing({"place": TEXT, "found": TEXT, "expected": TEXT})
_FINDING = thing(
    {
        "code": TEXT,
        "severity": {"enum": ["error", "warning"]},
        "place": TEXT,
        "sentence": TEXT,
        "fix": TEXT,
    }
)
_KEY = {
    "id": ID,
    "name": ID,
    "scope": {"enum": list(Scope)},
    "roles": listed({"enum": list(Role)}),
    "only": listed({"enum": list(Permission)}),
    "permissions": listed({"enum": list(Permission)}),
    "created_by": TEXT,
    "created_at": MOMENT,
    **{
        name: or_null(MOMENT)
        for name in ("expires_at", "rotated_at", "revoked_at", "last_used", "old_secret_until")
    },
}
_PUBLICATION = {
    "publication": WHOLE,
    "version": ID,
    "source": {"enum": list(Source)},
    "change_set": TEXT,
    "actor": TEXT,
    "at": MOMENT,
}

MANAGEMENT_ANSWERS: dict[str, Any] = {
    "Object": thing(
        {
            "kind": {"enum": list(ObjectKind)},
            "id": ID,
            "version": WHOLE,
            "status": {"enum": list(Status)},
            "owner": TEXT,
            "author": TEXT,
            "note": TEXT,
            "at": MOMENT,
            "change_set": TEXT,
            "body": OBJECT,
        },
        "One version of an object; `body` is what the item says in the project's files.",
    ),
    "Objects": thing({"objects": listed(ref("Object"))}),
    "ObjectVersions": thing({"versions": listed(ref("Object"))}),
    "ChangeItem": thing(
        {
            "kind": {"enum": list(ObjectKind)},
            "id": ID,
            "operation": {"enum": list(Operation)},
            "body": or_null(OBJECT),
            "target": TEXT,
            "base_version": WHOLE,
            "author": TEXT,
            "note": TEXT,
            "at": MOMENT,
        },
        "One edit; `base_version` is the version that was live when it was made, 0 for none.",
    ),
    "ChangeSet": thing(
        {
            "id": ID,
            "name": TEXT,
            "author": TEXT,
            "note": TEXT,
            "at": MOMENT,
            "base": TEXT,
            "status": {"enum": list(ChangeStatus)},
            "revision": WHOLE,
            "version": TEXT,
            "items": listed(ref("ChangeItem")),
            "approvals": listed(thing({"actor": TEXT, "note": TEXT, "at": MOMENT})),
        },
        "Edits under a name. `base` is the plan that was live when it was opened, `version` the "
        "plan it was published as, `revision` its ETag.",
    ),
    "ChangeSets": thing({"changes": listed(ref("ChangeSet"))}),
    "Differences": thing(
        {
            "differences": listed(
                thing({"kind": TEXT, "id": ID, "field": TEXT, "before": {}, "after": {}})
            )
        },
        "Every field that publishing would change; `field` is a JSON pointer into the body.",
    ),
    "CheckReport": thing(
        {
            "publishable": FLAG,
            "faults": listed(_FAULT),
            "conflicts": listed(TEXT),
            "findings": listed(_FINDING),
        },
        "Faults and conflicts keep a change set from being published; findings may surprise.",
    ),
    "Publication": thing(
        {**_PUBLICATION, "live": FLAG},
        "A plan that was made live; `live` says whether this process decides with it by now.",
    ),
    "Plans": thing(
        {"plans": listed(thing({**_PUBLICATION, "note": TEXT, "live": FLAG}))},
        "What was made live, newest first; `live` is the one that is.",
    ),
    "AuditPage": thing(
        {
            "rows": listed(
                thing(
                    {
                        "sequence": WHOLE,
                        "at": MOMENT,
                        "actor": TEXT,
                        "verb": TEXT,
                        "subject": TEXT,
                        "detail": TEXT,
                        "diff": OBJECT,
                        "previous_hash": TEXT,
                        "hash": TEXT,
                    }
                )
            ),
            "next_before": or_null(WHOLE),
        },
        "Newest first; `next_before` is `before` of the next page.",
    ),
    "AuditVerdict": thing(
        {
            "intact": FLAG,
            "break": or_null(thing({"sequence": WHOLE, "found": TEXT, "expected": TEXT})),
        },
        "Whether every row of the audit trail is as it was written, or the first that is not.",
    ),
    "Key": thing(_KEY, "An API key, without its secret."),
    "Keys": thing({"keys": listed(ref("Key"))}),
    "IssuedKey": thing({**_KEY, "key": TEXT}, "An API key; `key` is shown this once."),
}
