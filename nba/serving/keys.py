"""``/v1/keys``: making, listing, rotating and revoking API keys."""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec

from nba.access import Permission
from nba.access.service import Issued, KeyService, shown
from nba.bodies import parse
from nba.domain.clock import from_datetime
from nba.serving.endpoint import Call, Operation
from nba.serving.management_schemas import KeyBody, RotationBody
from nba.serving.problems import Reply

_CREATED = 201


class KeyEndpoints:
    """Handlers for API keys."""

    def __init__(self, service: KeyService) -> None:
        self._service = service

    def operations(self) -> dict[str, dict[str, Operation]]:
        """Return what is answered, by path and method."""
        manages = Permission.MANAGE_KEYS
        return {
            "/v1/keys": {
                "GET": Operation(manages, self.list),
                "POST": Operation(manages, self.create),
            },
            "/v1/keys/{name}/rotate": {"POST": Operation(manages, self.rotate)},
            "/v1/keys/{name}/revoke": {"POST": Operation(manages, self.revoke)},
        }

    async def list(self, _: Call) -> Reply:
        """Answer ``GET /v1/keys``: all of them, never their secrets."""
        keys = await asyncio.to_thread(self._service.keys)
        return Reply(msgspec.json.encode({"keys": [shown(key) for key in keys]}))

    async def create(self, call: Call) -> Reply:
        """Answer ``POST /v1/keys`` with the key, this once."""
        body = parse(call.body, KeyBody)
        create = partial(
            self._service.create,
            body.name,
            body.scope,
            roles=body.roles,
            only=body.only,
            expires_at_ms=None if body.expires_at is None else from_datetime(body.expires_at),
            by=call.actor.name,
        )
        return _issued(await asyncio.to_thread(create), _CREATED)

    async def rotate(self, call: Call) -> Reply:
        """Answer ``POST /v1/keys/{name}/rotate`` with the new key, this once."""
        body = parse(call.body or b"{}", RotationBody)
        rotate = partial(
            self._service.rotate,
            call.path["name"],
            grace_ms=body.grace_seconds * 1_000,
            by=call.actor.name,
        )
        return _issued(await asyncio.to_thread(rotate), 200)

    async def revoke(self, call: Call) -> Reply:
        """Answer ``POST /v1/keys/{name}/revoke``."""
        revoke = partial(self._service.revoke, call.path["name"], by=call.actor.name)
        return Reply(msgspec.json.encode(shown(await asyncio.to_thread(revoke))))


def _issued(issued: Issued, status: int) -> Reply:
    # What holds a secret is kept by no cache on the way.
    headers = ((b"cache-control", b"no-store"),)
    answer = {**shown(issued.key), "key": issued.text}
    return Reply(msgspec.json.encode(answer), status, headers=headers)
