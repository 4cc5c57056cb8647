"""Endpoints as small ASGI applications: who asks, body in, bytes out, errors as problems.

Whatever is served goes through an endpoint, and an endpoint hands nothing to a handler whose caller
may not do what its route needs: this is the one place where access is enforced.

A plain ASGI endpoint in a Starlette route costs a third of a FastAPI path operation, which would
otherwise be the largest part of a decision.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from nba.access import Actor, Gate, Permission
from nba.errors import Fault, InputError, NbaError
from nba.serving.problems import Reply, problem, refusal

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as a handler sees it; ``actor`` is who asks."""

    body: bytes
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Sequence[tuple[bytes, bytes]]
    actor: Actor

    def header(self, name: bytes) -> str | None:
        """Return a header by its name in lower case."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), None)


Handler = Callable[[Call], Awaitable[Reply]]

PUBLIC = None
"""What a route needs that answers everybody, credentials or not."""

NOBODY = Actor("nobody", frozenset())
"""Who asks on a route that answers everybody."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A handler, and the permission without which nobody reaches it."""

    needs: Permission | None
    handler: Handler


class BodyTooLargeError(NbaError):
    """A request body is larger than the service accepts."""


class Endpoint:
    """An ASGI application that answers one path, with an operation for each method."""

    def __init__(
        self, operations: Mapping[str, Operation], gate: Gate, *, max_body_bytes: int
    ) -> None:
        self.operations = dict(operations)
        self._gate = gate
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        reply = await self._reply(scope, receive)
        headers = [
            (b"content-type", reply.content_type.encode()),
            (b"content-length", str(len(reply.body)).encode()),
            *reply.headers,
        ]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        operation = self.operations.get(scope["method"])
        if operation is None:
            allowed = ", ".join(sorted(self.operations))
            detail = f"{scope['method']} is not answered here; {allowed} is"
            reply = refusal(405, "method-not-allowed", "Method not allowed", detail)
            return replace(reply, headers=((b"allow", allowed.encode()),))
        headers = scope["headers"]
        try:
            actor = NOBODY
            if operation.needs is not PUBLIC:
                actor = await self._gate.admit(headers, operation.needs)
            body = await self._body(receive)
            raw = scope.get("query_string", b"")
            query = dict(parse_qsl(raw.decode("latin-1"))) if raw else {}
            path = scope.get("path_params", {})
            return await operation.handler(Call(body, path, query, headers, actor))
        except BodyTooLargeError as error:
            return refusal(413, "too-large", "The body is too large", str(error))
        except NbaError as error:
            return problem(error)
        except Exception as error:
            _logger.exception("unexpected error in %s %s", scope["method"], scope["path"])
            return problem(error)

    async def _body(self, receive: Receive) -> bytes:
        message = await receive()
        body: bytes = message.get("body", b"")
        size = len(body)
        if not message.get("more_body", False):
            return self._within(body, size)
        chunks = [body]
        while message.get("more_body", False):
            self._within(b"", size)
            message = await receive()
            if message["type"] == "http.disconnect":
                found = "the client left before the body ended"
                raise InputError([Fault("", found, "send the whole body")])
            chunk = message.get("body", b"")
            size += len(chunk)
            chunks.append(chunk)
        return self._within(b"".join(chunks), size)

    def _within(self, body: bytes, size: int) -> bytes:
        if size > self._max_body_bytes:
            raise BodyTooLargeError(f"at most {self._max_body_bytes} bytes are accepted")
        return body
