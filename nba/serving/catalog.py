"""What is live and was: objects, plans, and the audit trail of how they came about."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from nba.access import Permission
from nba.bodies import parse
from nba.catalog.objects import ObjectKind, Status
from nba.catalog.publications import ObjectVersion, Publication
from nba.catalog.store import ControlStore
from nba.control.service import ChangeService
from nba.domain.clock import to_rfc3339
from nba.domain.taxonomy import is_within
from nba.errors import Fault, InputError, NotFoundError
from nba.serving import following
from nba.serving.endpoint import Call, Handler, Operation
from nba.serving.following import Following
from nba.serving.management_schemas import StepBody
from nba.serving.problems import Reply
from nba.serving.reading import entity_tag, whole_number

MOST_ROWS = 1_000
"""Plans or rows of the audit trail in one answer."""

VIEWS = {
    "/v1/catalog": (
        *(ObjectKind.PROJECT, ObjectKind.PLACEMENT),
        *(ObjectKind.ACTION, ObjectKind.CONTENT),
    ),
    "/v1/taxonomy": (ObjectKind.DIMENSION,),
    "/v1/policies": (ObjectKind.POLICY,),
    "/v1/segments": (ObjectKind.SEGMENT,),
}
"""Lists of live objects, as a project's folders part them."""


class CatalogEndpoints:
    """Handlers for objects, plans and the audit trail."""

    def __init__(self, service: ChangeService, control: ControlStore, following: Following) -> None:
        self._service = service
        self._control = control
        self._following = following

    def operations(self) -> dict[str, dict[str, Operation]]:
        """Return what is answered, by path and method."""
        may = Permission
        reads = may.READ_CATALOG
        one = "/v1/objects/{kind}/{object_id:path}"
        return {
            **{path: {"GET": Operation(reads, self._list(kinds))} for path, kinds in VIEWS.items()},
            f"{one}/versions": {"GET": Operation(reads, self.versions)},
            one: {"GET": Operation(reads, self.get)},
            "/v1/plans": {"GET": Operation(reads, self.plans)},
            "/v1/plans/{version}/rollback": {"POST": Operation(may.ROLLBACK, self.rollback)},
            "/v1/audit": {"GET": Operation(may.READ_AUDIT, self.audit)},
            "/v1/audit/verify": {"GET": Operation(may.READ_AUDIT, self.verify)},
        }

    def _list(self, kinds: tuple[ObjectKind, ...]) -> Handler:
        async def answer(call: Call) -> Reply:
            kind = call.query.get("kind")
            if kind is not None and kind not in kinds:
                expected = f"one of {', '.join(kinds)}"
                raise InputError([Fault("/kind", f"found {kind[:40]!r}", expected)])
            wanted, term = kinds if kind is None else (kind,), call.query.get("term")
            held = await asyncio.to_thread(self._service.objects)
            found = [
                shown(version)
                for version in held
                if version.key.kind in wanted and (term is None or _carries(version, term))
            ]
            return Reply(msgspec.json.encode({"objects": found}))

        return answer

    async def get(self, call: Call) -> Reply:
        """Answer ``GET /v1/objects/{kind}/{object_id}``: what is live, its version as ETag."""
        latest = (await self._versions(call))[-1]
        if latest.status is not Status.LIVE:
            raise NotFoundError(
                f"{latest.key} is {latest.status}; its versions are at …/{latest.key.id}/versions"
            )
        return Reply(msgspec.json.encode(shown(latest)), headers=entity_tag(latest.version))

    async def versions(self, call: Call) -> Reply:
        """Answer ``GET /v1/objects/{kind}/{object_id}/versions``, oldest first."""
        found = [shown(version) for version in await self._versions(call)]
        return Reply(msgspec.json.encode({"versions": found}))

    async def _versions(self, call: Call) -> list[ObjectVersion]:
        kind, object_id = call.path["kind"], call.path["object_id"]
        return await asyncio.to_thread(self._service.versions, kind, object_id)

    async def plans(self, call: Call) -> Reply:
        """Answer ``GET /v1/plans``: what was made live, newest first, and why."""
        limit = whole_number(call, "limit", 20, most=MOST_ROWS)
        return Reply(msgspec.json.encode({"plans": await asyncio.to_thread(self._plans, limit)}))

    def _plans(self, limit: int) -> list[dict[str, Any]]:
        notes = {plan.version: plan.note for plan in self._control.plans(MOST_ROWS)}
        found = self._service.publications(limit)
        live = found[0].id if found else 0
        return [
            {
                **following.shown(row),
                "note": notes.get(row.version, ""),
                "live": row.id == live,
            }
            for row in found
        ]

    async def rollback(self, call: Call) -> Reply:
        """Answer ``POST /v1/plans/{version}/rollback``."""
        note = parse(call.body, StepBody).note if call.body else ""

        def rolled_back() -> Publication:
            return self._service.rollback(call.path["version"], call.actor.name, note)

        return await self._following.answer(call, rolled_back)

    async def audit(self, call: Call) -> Reply:
        """Answer ``GET /v1/audit``, newest first; ``before`` turns the page."""
        limit = whole_number(call, "limit", 100, most=MOST_ROWS)
        before = None
        if "before" in call.query:
            before = whole_number(call, "before", 1, most=1 << 62)
        rows = await asyncio.to_thread(self._service.audit_log, limit, before=before)
        found = [
            {
                "sequence": row.sequence,
                "at": to_rfc3339(row.at_ms),
                "actor": row.actor,
                "verb": row.verb,
                "subject": row.subject,
                "detail": row.detail,
                "diff": row.diff,
                "previous_hash": row.previous_hash,
                "hash": row.hash,
            }
            for row in rows
        ]
        more = rows[-1].sequence if len(rows) == limit and rows[-1].sequence > 1 else None
        return Reply(msgspec.json.encode({"rows": found, "next_before": more}))

    async def verify(self, _: Call) -> Reply:
        """Answer ``GET /v1/audit/verify``: whether every row is as it was written."""
        broken = await asyncio.to_thread(self._service.verify_audit)
        return Reply(msgspec.json.encode({"intact": broken is None, "break": broken}))


def shown(version: ObjectVersion) -> dict[str, Any]:
    """Return a version of an object as it is answered."""
    return {
        "kind": version.key.kind,
        "id": version.key.id,
        "version": version.version,
        "status": version.status,
        "owner": version.owner,
        "author": version.author,
        "note": version.note,
        "at": to_rfc3339(version.at_ms),
        "change_set": version.change_set,
        "body": version.body,
    }


def _carries(version: ObjectVersion, term: str) -> bool:
    """Say whether an object carries a term or one below it."""
    carried = version.body.get("terms")
    return isinstance(carried, list) and any(is_within(str(one), term) for one in carried)
