"""One table from error to status; what is unexpected is never told."""

from __future__ import annotations

import json

import pytest

from nba.errors import (
    AccessDeniedError,
    ConflictError,
    CorruptRecordError,
    DefinitionError,
    EvaluationRefusedError,
    Fault,
    InputError,
    NbaError,
    NotFoundError,
    OverloadedError,
    UnauthenticatedError,
    UnavailableError,
)
from nba.serving.problems import PROBLEM_TYPE, problem, refusal

FAULTS = [Fault("/a", "found x", "y"), Fault("/b/0", "it is missing", "add it")]


@pytest.mark.parametrize(
    ("error", "status", "name", "headers"),
    [
        (InputError(FAULTS), 422, "invalid-input", ()),
        (DefinitionError(FAULTS), 422, "invalid-input", ()),
        (AccessDeniedError("not you"), 403, "access-denied", ()),
        (NotFoundError("gone"), 404, "not-found", ()),
        (ConflictError("used"), 409, "conflict", ()),
        (OverloadedError("busy", retry_after_seconds=7), 429, "overloaded", (b"7",)),
        (UnavailableError("down"), 503, "unavailable", (b"1",)),
        (EvaluationRefusedError("few"), 422, "evaluation-refused", ()),
        (CorruptRecordError("torn"), 500, "corrupt-record", ()),
        (NbaError("other"), 500, "internal", ()),
        (RuntimeError("secret"), 500, "internal", ()),
    ],
)
def test_each_error_has_its_status_and_its_stable_type(
    error: Exception, status: int, name: str, headers: tuple[bytes, ...]
) -> None:
    reply = problem(error)
    body = json.loads(reply.body)
    assert (reply.status, body["status"]) == (status, status)
    assert body["type"] == f"urn:nba:problem:{name}"
    assert reply.content_type == PROBLEM_TYPE
    assert reply.headers == tuple((b"retry-after", value) for value in headers)


def test_every_fault_is_named_with_its_pointer() -> None:
    assert json.loads(problem(InputError(FAULTS)).body)["errors"] == [
        {"pointer": "/a", "found": "found x", "expected": "y"},
        {"pointer": "/b/0", "found": "it is missing", "expected": "add it"},
    ]


def test_what_was_not_raised_on_purpose_is_not_told() -> None:
    assert b"secret" not in problem(RuntimeError("secret")).body


def test_a_refusal_without_faults_has_no_list_of_them() -> None:
    assert json.loads(refusal(404, "not-found", "Title", "detail").body) == {
        "type": "urn:nba:problem:not-found",
        "title": "Title",
        "status": 404,
        "detail": "detail",
    }


def test_whoever_is_not_known_is_told_how_to_say_who_they_are() -> None:
    reply = problem(UnauthenticatedError("no key"))
    assert (reply.status, reply.headers) == (401, ((b"www-authenticate", b"Bearer"),))
    assert json.loads(reply.body)["type"] == "urn:nba:problem:unauthenticated"
