"""Endpoints as small ASGI applications: body in, bytes out, errors as problems.

A plain ASGI endpoint in a Starlette route costs a third of a FastAPI path operation, which would
otherwise be the largest part of a decision.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from nba.errors import Fault, InputError, NbaError
from nba.serving.problems import Reply, problem, refusal

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as a handler sees it."""

    body: bytes
    path: Mapping[str, str]
    query: Mapping[str, str]


Handler = Callable[[Call], Awaitable[Reply]]


class BodyTooLargeError(NbaError):
    """A request body is larger than the service accepts."""


class Endpoint:
    """An ASGI application that answers one path, with a handler for each method."""

    def __init__(self, handlers: Mapping[str, Handler], *, max_body_bytes: int) -> None:
        self._handlers = dict(handlers)
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
        handler = self._handlers.get(scope["method"])
        if handler is None:
            allowed = ", ".join(sorted(self._handlers))
            detail = f"{scope['method']} is not answered here; {allowed} is"
            reply = refusal(405, "method-not-allowed", "Method not allowed", detail)
            return replace(reply, headers=((b"allow", allowed.encode()),))
        try:
            body = await self._body(receive)
            raw = scope.get("query_string", b"")
            query = dict(parse_qsl(raw.decode("latin-1"))) if raw else {}
            return await handler(Call(body, scope.get("path_params", {}), query))
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
