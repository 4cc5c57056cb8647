"""``/v1/changes``: change sets, from the first edit until they are live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from nba.access import Permission
from nba.bodies import decode, loose_parts, parse, parse_value
from nba.catalog.changes import ChangeSet, ChangeStatus, Operation
from nba.catalog.objects import ObjectKind
from nba.catalog.publications import Publication
from nba.control.editing import key_of
from nba.control.service import ChangeService
from nba.domain.clock import to_rfc3339
from nba.errors import Fault, InputError
from nba.serving import endpoint
from nba.serving.endpoint import Call, Handler
from nba.serving.following import Following
from nba.serving.management_schemas import ChangeBody, ItemBody, StepBody
from nba.serving.problems import Reply
from nba.serving.reading import entity_tag, require_seen, seen_version, whole_number

MOST_CHANGES = 1_000
"""Change sets in one answer."""

_CREATED = 201

Step = Callable[[str, str, str], ChangeSet]
"""A step of the service: change set, actor, note."""


class ChangeEndpoints:
    """Handlers for change sets."""

    def __init__(self, service: ChangeService, following: Following) -> None:
        self._service = service
        self._following = following

    def operations(self) -> dict[str, dict[str, endpoint.Operation]]:
        """Return what is answered, by path and method."""
        may, guarded, service = Permission, endpoint.Operation, self._service
        change = "/v1/changes/{change_id}"
        steps: dict[str, Step] = {
            "submit": service.submit,
            "reopen": service.reopen,
            "abandon": service.abandon,
        }
        return {
            "/v1/changes": {
                "GET": guarded(may.READ_CATALOG, self.list),
                "POST": guarded(may.EDIT_CHANGES, self.create),
            },
            change: {"GET": guarded(may.READ_CATALOG, self.get)},
            f"{change}/items/{{kind}}/{{object_id:path}}": {
                "PUT": guarded(may.EDIT_CHANGES, self.put),
                "DELETE": guarded(may.EDIT_CHANGES, self.discard),
            },
            f"{change}/diff": {"GET": guarded(may.READ_CATALOG, self.diff)},
            f"{change}/check": {"GET": guarded(may.READ_CATALOG, self.check)},
            **{
                f"{change}/{name}": {"POST": guarded(may.EDIT_CHANGES, self._step(step))}
                for name, step in steps.items()
            },
            f"{change}/approve": {"POST": guarded(may.APPROVE, self._step(service.approve))},
            f"{change}/publish": {"POST": guarded(may.PUBLISH, self.publish)},
        }

    async def list(self, call: Call) -> Reply:
        """Answer ``GET /v1/changes``, newest first."""
        limit = whole_number(call, "limit", 100, most=MOST_CHANGES)
        text = call.query.get("status")
        if text is not None and text not in set(ChangeStatus):
            expected = ", ".join(ChangeStatus)
            raise InputError([Fault("/status", f"found {text[:40]!r}", f"one of {expected}")])
        status = None if text is None else ChangeStatus(text)
        found = await asyncio.to_thread(self._service.changes, limit, status)
        return Reply(msgspec.json.encode({"changes": [shown(change) for change in found]}))

    async def create(self, call: Call) -> Reply:
        """Answer ``POST /v1/changes``."""
        body = parse(call.body, ChangeBody)
        change = await asyncio.to_thread(
            self._service.create, body.name, body.note, call.actor.name
        )
        return replace(_answer(change), status=_CREATED)

    async def get(self, call: Call) -> Reply:
        """Answer ``GET /v1/changes/{id}``."""
        return _answer(await asyncio.to_thread(self._service.get, call.path["change_id"]))

    async def put(self, call: Call) -> Reply:
        """Answer ``PUT /v1/changes/{id}/items/{kind}/{object_id}``."""
        value, strict = decode(call.body)
        if not strict and (faults := loose_parts(value)):
            raise InputError(faults)
        item = parse_value(value, ItemBody)
        return _answer(await asyncio.to_thread(self._edit, call, item))

    def _edit(self, call: Call, item: ItemBody) -> ChangeSet:
        change_id, kind, object_id = (call.path[n] for n in ("change_id", "kind", "object_id"))
        if faults := list(_item_faults(item, kind)):
            raise InputError(faults)
        actor, note = call.actor.name, item.note
        match item.operation:
            case Operation.RENAME:
                return self._service.rename(change_id, object_id, item.target, actor, note=note)
            case Operation.MERGE:
                return self._service.merge(change_id, object_id, item.target, actor, note=note)
            case Operation.RETIRE:
                return self._service.retire(
                    change_id, kind, object_id, actor, base_version=seen_version(call), note=note
                )
        base_version = seen_version(call)
        key_of(kind, object_id)  # what is wrong with the path is told as that
        try:
            return self._service.put(
                change_id,
                kind,
                object_id,
                item.body,
                actor,
                base_version=base_version,
                note=note,
            )
        except InputError as error:
            within = (replace(fault, place=f"/body{fault.place}") for fault in error.faults)
            raise InputError(within) from error

    async def discard(self, call: Call) -> Reply:
        """Answer ``DELETE /v1/changes/{id}/items/{kind}/{object_id}``."""
        path = call.path
        return _answer(
            await asyncio.to_thread(
                self._service.discard,
                path["change_id"],
                path["kind"],
                path["object_id"],
                call.actor.name,
            )
        )

    async def diff(self, call: Call) -> Reply:
        """Answer ``GET /v1/changes/{id}/diff``."""
        found = await asyncio.to_thread(self._service.diff, call.path["change_id"])
        return Reply(msgspec.json.encode({"differences": found}))

    async def check(self, call: Call) -> Reply:
        """Answer ``GET /v1/changes/{id}/check``."""
        report = await asyncio.to_thread(self._service.check, call.path["change_id"])
        answer = {
            "publishable": report.publishable,
            "faults": report.faults,
            "conflicts": report.conflicts,
            "findings": report.findings,
        }
        return Reply(msgspec.json.encode(answer))

    async def publish(self, call: Call) -> Reply:
        """Answer ``POST /v1/changes/{id}/publish``; with ``wait``, once this process follows."""
        note = _note(call)
        change_id = call.path["change_id"]

        def published() -> Publication:
            self._require_seen(call, change_id)
            return self._service.publish(change_id, call.actor.name, note)

        return await self._following.answer(call, published)

    def _step(self, step: Step) -> Handler:
        async def answer(call: Call) -> Reply:
            note, change_id = _note(call), call.path["change_id"]

            def taken() -> ChangeSet:
                self._require_seen(call, change_id)
                return step(change_id, call.actor.name, note)

            return _answer(await asyncio.to_thread(taken))

        return answer

    def _require_seen(self, call: Call, change_id: str) -> None:
        """Refuse a step on what somebody changed after it was looked at."""
        if seen_version(call) is not None:
            revision = self._service.get(change_id).revision
            require_seen(call, f"change set {change_id!r}", revision)


def _item_faults(item: ItemBody, kind: str) -> list[Fault]:
    of_term = item.operation in {Operation.RENAME, Operation.MERGE}
    faults = []
    if of_term and kind != ObjectKind.DIMENSION:
        found = f"found {item.operation} of a {kind}"
        faults.append(Fault("/operation", found, "terms are renamed and merged: kind dimension"))
    if of_term != bool(item.target):
        found = "it is missing" if of_term else f"found {item.target!r} with {item.operation}"
        expected = "the term's new path" if of_term else "a target only to rename or merge"
        faults.append(Fault("/target", found, expected))
    if (item.operation is Operation.PUT) != (item.body is not None):
        found = "it is missing" if item.body is None else f"found a body with {item.operation}"
        expected = "what the object is to say" if item.body is None else "a body only to put"
        faults.append(Fault("/body", found, expected))
    return faults


def _note(call: Call) -> str:
    return parse(call.body, StepBody).note if call.body else ""


def _answer(change: ChangeSet) -> Reply:
    return Reply(msgspec.json.encode(shown(change)), headers=entity_tag(change.revision))


def shown(change: ChangeSet) -> dict[str, Any]:
    """Return a change set as it is answered."""
    return {
        "id": change.id,
        "name": change.name,
        "author": change.author,
        "note": change.note,
        "at": to_rfc3339(change.at_ms),
        "base": change.base,
        "status": change.status,
        "revision": change.revision,
        "version": change.version,
        "items": [
            {
                "kind": item.key.kind,
                "id": item.key.id,
                "operation": item.operation,
                "body": item.body,
                "target": item.target,
                "base_version": item.base_version,
                "author": item.author,
                "note": item.note,
                "at": to_rfc3339(item.at_ms),
            }
            for item in change.items
        ],
        "approvals": [
            {"actor": given.actor, "note": given.note, "at": to_rfc3339(given.at_ms)}
            for given in change.approvals
        ],
    }
