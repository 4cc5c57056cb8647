"""Errors as RFC 9457 problems: one table from error to status; never a stack trace."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from nba.errors import (
    AccessDeniedError,
    ConflictError,
    CorruptRecordError,
    EvaluationRefusedError,
    FaultsError,
    NbaError,
    NotFoundError,
    OverloadedError,
    UnauthenticatedError,
    UnavailableError,
)

PROBLEM_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint answers."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


_TABLE: tuple[tuple[type[NbaError], int, str, str], ...] = (
    (FaultsError, 422, "invalid-input", "The request is not valid"),
    (UnauthenticatedError, 401, "unauthenticated", "Say who asks"),
    (AccessDeniedError, 403, "access-denied", "That may not be done with these credentials"),
    (NotFoundError, 404, "not-found", "There is no such thing"),
    (ConflictError, 409, "conflict", "It conflicts with what is there"),
    (OverloadedError, 429, "overloaded", "Too much at once"),
    (UnavailableError, 503, "unavailable", "No safe answer is possible now"),
    (EvaluationRefusedError, 422, "evaluation-refused", "The data cannot carry this conclusion"),
    (CorruptRecordError, 500, "corrupt-record", "A stored record cannot be read"),
)
"""From error to status, stable type and title; the first row that matches counts."""

_INTERNAL = (500, "internal", "Something is broken on our side")


def problem(error: Exception) -> Reply:
    """Return the problem that answers an error."""
    status, name, title = _INTERNAL
    for kind, its_status, its_name, its_title in _TABLE:
        if isinstance(error, kind):
            status, name, title = its_status, its_name, its_title
            break
    expected = isinstance(error, NbaError)
    detail = str(error) if expected else "The error was logged with the time of this answer."
    faults = error.faults if isinstance(error, FaultsError) else ()
    retry_after = None
    if isinstance(error, OverloadedError):
        retry_after = error.retry_after_seconds
    elif isinstance(error, UnavailableError):
        retry_after = 1
    reply = refusal(
        status,
        name,
        title,
        detail,
        errors=[
            {"pointer": fault.place, "found": fault.found, "expected": fault.expected}
            for fault in faults
        ],
        retry_after=retry_after,
    )
    if isinstance(error, UnauthenticatedError):
        return replace(reply, headers=((b"www-authenticate", b"Bearer"),))
    return reply


def refusal(
    status: int,
    name: str,
    title: str,
    detail: str,
    *,
    errors: list[dict[str, str]] | None = None,
    retry_after: int | None = None,
) -> Reply:
    """Build a problem reply."""
    body = {"type": f"urn:nba:problem:{name}", "title": title, "status": status, "detail": detail}
    content: dict[str, object] = {**body, **({"errors": errors} if errors else {})}
    headers = ((b"retry-after", str(retry_after).encode()),) if retry_after else ()
    return Reply(msgspec.json.encode(content), status, PROBLEM_TYPE, headers)
