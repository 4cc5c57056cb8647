"""Whatever is sent, the answer is a problem that names what is wrong, and never a 500."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

GOOD = {"customer_id": "bad-input", "placements": [{"id": "web.home.hero"}]}
LONG = "x" * 129
JSON = {"content-type": "application/json"}


def problem_of(reply: httpx.Response, status: int, name: str) -> dict[str, Any]:
    """Return the problem of a refusal, its envelope checked."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    body = reply.json()
    assert body["type"] == f"urn:nba:problem:{name}"
    assert body["status"] == status
    assert body["title"]
    assert "Traceback" not in reply.text
    return body


def pointers_of(body: dict[str, Any]) -> list[str]:
    assert all(set(e) == {"pointer", "found", "expected"} for e in body["errors"])
    return [error["pointer"] for error in body["errors"]]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"customer_id": 7}, "/customer_id"),
        ({"customer_id": ""}, "/customer_id"),
        ({"customer_id": LONG}, "/customer_id"),
        ({"customer_id": None}, "/customer_id"),
        ({"colour": "red"}, ""),
        ({"placements": []}, "/placements"),
        ({"placements": {}}, "/placements"),
        ({"placements": [{"id": "web.home.hero"}] * 17}, "/placements"),
        ({"placements": [{}]}, "/placements/0"),
        ({"placements": [{"id": "web.home.hero"}, {"id": 1}]}, "/placements/1/id"),
        ({"placements": [{"id": "web.home.hero", "count": "1"}]}, "/placements/0/count"),
        ({"placements": [{"id": "web.home.hero", "count": 0}]}, "/placements/0/count"),
        ({"placements": [{"id": "web.home.hero", "count": -1}]}, "/placements/0/count"),
        ({"placements": [{"id": "app.inbox", "count": 4}]}, "/placements/0/count"),
        ({"placements": [{"id": "web.home.hero", "count": 10**30}]}, "/placements/0/count"),
        ({"placements": [{"id": "web.nowhere"}]}, "/placements/0/id"),
        ({"context": {"moon": "full"}}, "/context/moon"),
        ({"context": {"device": 3}}, "/context/device"),
        ({"context": {"device": "toaster"}}, "/context/device"),
        ({"context": {"device": ["mobile"]}}, "/context/device"),
        ({"context": {"a/b~c": {}}}, "/context/a~1b~0c"),
        ({"attributes": {"shoe_size": 42}}, "/attributes/shoe_size"),
        ({"attributes": {"age": "old"}}, "/attributes/age"),
        ({"actions": ["sell_everything"]}, "/actions/0"),
        ({"actions": ["no_action", LONG]}, "/actions/1"),
        ({"terms": ["product:nothing"]}, "/terms/0"),
        ({"locale": LONG}, "/locale"),
        ({"request_id": LONG}, "/request_id"),
        ({"mode": "maybe"}, "/mode"),
    ],
)
def test_a_wrong_part_of_a_decision_request_is_pointed_at(
    api: httpx.Client, change: dict[str, Any], pointer: str
) -> None:
    reply = api.post("/v1/decisions", json={**GOOD, **change})
    assert pointers_of(problem_of(reply, 422, "invalid-input")) == [pointer]


def test_every_fault_of_a_request_is_named_at_once(api: httpx.Client) -> None:
    body = {
        **GOOD,
        "placements": [{"id": "web.nowhere"}, {"id": "app.inbox", "count": 9}],
        "actions": ["sell_everything"],
        "terms": ["product:nothing"],
    }
    problem = problem_of(api.post("/v1/decisions", json=body), 422, "invalid-input")
    assert pointers_of(problem) == [
        "/placements/0/id",
        "/placements/1/count",
        "/actions/0",
        "/terms/0",
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b"\xff\xfe",
        b'{"customer_id": "\xff"}',
        b"[" * 100_000,
        b'{"customer_id": "a", "placements": [{"id": "web.home.hero"}]} trailing',
        b'{"customer_id": "a", "attributes": {"age": NaN}',
    ],
)
@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/outcomes", "/v1/events"])
def test_what_is_not_json_is_refused(api: httpx.Client, path: str, body: bytes) -> None:
    reply = api.post(path, content=body, headers=JSON)
    assert pointers_of(problem_of(reply, 422, "invalid-input")) == [""]


@pytest.mark.parametrize("body", [b"null", b"[]", b"7", b'"text"'])
@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/outcomes", "/v1/events"])
def test_json_that_is_no_object_is_refused(api: httpx.Client, path: str, body: bytes) -> None:
    reply = api.post(path, content=body, headers=JSON)
    assert pointers_of(problem_of(reply, 422, "invalid-input")) == [""]


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_a_number_that_no_double_holds_is_refused_where_it_is(
    api: httpx.Client, number: str
) -> None:
    body = json.dumps({**GOOD, "attributes": {"age": 0}}).replace(": 0}", f": {number}}}")
    reply = api.post("/v1/decisions", content=body, headers=JSON)
    assert pointers_of(problem_of(reply, 422, "invalid-input")) == ["/attributes/age"]


@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/outcomes", "/v1/events"])
def test_a_body_beyond_the_limit_is_refused(api: httpx.Client, path: str) -> None:
    reply = api.post(path, content=b" " * 1_000_001, headers=JSON)
    assert "1000000 bytes" in problem_of(reply, 413, "too-large")["detail"]


def test_a_body_at_the_limit_is_read(api: httpx.Client) -> None:
    body = json.dumps(GOOD).encode().ljust(1_000_000)
    assert api.post("/v1/decisions", content=body, headers=JSON).status_code == 200


@pytest.mark.parametrize(("path", "name"), [("/v1/outcomes", "outcomes"), ("/v1/events", "batch")])
@pytest.mark.parametrize("items", [[], {}, None, "x", [{}] * 1_001])
def test_a_batch_must_be_a_list_of_one_to_a_thousand(
    api: httpx.Client, path: str, name: str, items: object
) -> None:
    reply = api.post(path, json={name: items})
    assert pointers_of(problem_of(reply, 422, "invalid-input")) == [f"/{name}"]


@pytest.mark.parametrize("tail", ["", "/explain", "/replay"])
@pytest.mark.parametrize(
    "decision_id",
    ["000018bcfe5680000000000f", "fff18bcfe568000000000000", "nonsense", "0" * 23, "Z" * 24, "%00"],
)
def test_a_decision_that_is_not_there_is_not_found(
    api: httpx.Client, decision_id: str, tail: str
) -> None:
    problem_of(api.get(f"/v1/decisions/{decision_id}{tail}"), 404, "not-found")


@pytest.mark.parametrize("tail", ["", "/export"])
def test_a_customer_that_is_not_there_is_not_found(api: httpx.Client, tail: str) -> None:
    problem_of(api.get(f"/v1/customers/nobody{tail}"), 404, "not-found")


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "ten", "1.5", "\u00b2"])
def test_the_limit_of_a_timeline_is_checked(api: httpx.Client, limit: str) -> None:
    reply = api.get("/v1/customers/nobody/timeline", params={"limit": limit})
    assert pointers_of(problem_of(reply, 422, "invalid-input")) == ["/limit"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/decisions", "POST"),
        ("DELETE", "/v1/outcomes", "POST"),
        ("PUT", "/v1/events", "POST"),
        ("POST", "/v1/decisions/0/explain", "GET"),
        ("POST", "/v1/customers/a", "DELETE, GET, PUT"),
        ("POST", "/healthz", "GET"),
        ("POST", "/metrics", "GET"),
        ("POST", "/docs", "GET, HEAD"),
        ("POST", "/openapi.json", "GET, HEAD"),
    ],
)
def test_another_method_is_told_the_right_ones(
    api: httpx.Client, method: str, path: str, allowed: str
) -> None:
    reply = api.request(method, path)
    problem_of(reply, 405, "method-not-allowed")
    assert ", ".join(sorted(reply.headers["allow"].split(", "))) == allowed


@pytest.mark.parametrize("path", ["/", "/v1", "/v2/decisions", "/v1/decisions/a/b/c", "/%00"])
def test_an_unknown_path_is_not_found(api: httpx.Client, path: str) -> None:
    problem_of(api.get(path), 404, "not-found")


def test_the_static_files_of_the_docs_are_no_window_into_the_machine(api: httpx.Client) -> None:
    problem_of(api.get("/docs-static/%2e%2e/%2e%2e/__init__.py"), 404, "not-found")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"colour": 1}, ""),
        ({"attributes": {"age": []}}, "/attributes/age"),
        ({"attributes": {"age": "old"}}, "/attributes/age"),
        ({"consents": {"email": {"marketing": "yes"}}}, "/consents/email/marketing"),
        ({"consents": {"email": "granted"}}, "/consents/email"),
        ({"audiences": {"members/glod": True}}, "/audiences/members~1glod"),
        ({"audiences": {"members": "yes"}}, "/audiences/members"),
        ({"audiences": ["members"]}, "/audiences"),
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"locale": LONG}, "/locale"),
    ],
)
def test_a_wrong_part_of_a_profile_is_pointed_at(
    api: httpx.Client, body: dict[str, Any], pointer: str
) -> None:
    reply = api.put("/v1/customers/bad-profile", json=body)
    assert pointers_of(problem_of(reply, 422, "invalid-input")) == [pointer]
    problem_of(api.get("/v1/customers/bad-profile"), 404, "not-found")


def test_a_customer_id_of_more_than_128_characters_is_refused(api: httpx.Client) -> None:
    reply = api.put(f"/v1/customers/{LONG}", json={"attributes": {"age": 40}})
    assert pointers_of(problem_of(reply, 422, "invalid-input")) == ["/customer_id"]


@pytest.mark.parametrize(
    ("message", "pointer"),
    [
        ({"type": "pageant", "userId": "a"}, "/type"),
        ({"type": "track", "userId": "a"}, "/event"),
        ({"type": "track", "event": "App Opened"}, "/userId"),
        ({"type": "track", "userId": LONG, "event": "App Opened"}, "/userId"),
        ({"type": "track", "userId": "a", "event": "App Opened", "timestamp": "x"}, "/timestamp"),
        (
            {
                "type": "track",
                "userId": "a",
                "event": "Payment Missed",
                "properties": {"amount": 10**400},
            },
            "/properties/amount",
        ),
        (
            {
                "type": "track",
                "userId": "a",
                "event": "Payment Missed",
                "properties": {"amount": "x"},
            },
            "/properties/amount",
        ),
        ({"type": "identify", "userId": "a", "traits": {"age": "old"}}, "/traits/age"),
        (
            {"type": "identify", "userId": "a", "context": {"timezone": "Mars/Olympus"}},
            "/context/timezone",
        ),
    ],
)
def test_a_wrong_part_of_a_message_is_pointed_at(
    api: httpx.Client, message: dict[str, Any], pointer: str
) -> None:
    reply = api.post("/v1/events", json=message)
    assert pointers_of(problem_of(reply, 422, "invalid-input")) == [pointer]
