"""Segment's libraries pointed at a running API: each message with its result, nothing else lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from live_api import live_api

VIEW = {"type": "track", "userId": "events", "event": "Product Viewed"}


def results(reply: httpx.Response) -> list[dict[str, Any]]:
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["results"]
    return found


def aggregates(api: httpx.Client, customer_id: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/v1/customers/{customer_id}").json()["aggregates"]
    return found


@pytest.mark.parametrize(
    ("path", "message", "status"),
    [
        ("track", {"userId": "sdk", "event": "App Opened"}, "recorded"),
        ("track", {"anonymousId": "sdk-a", "event": "App Opened"}, "recorded"),
        ("identify", {"userId": "sdk", "traits": {"age": 40}}, "recorded"),
        ("page", {"userId": "sdk", "name": "Home"}, "ignored"),
        ("screen", {"userId": "sdk", "name": "Home"}, "ignored"),
        ("group", {"userId": "sdk", "groupId": "g", "traits": {"size": 3}}, "recorded"),
        ("alias", {"previousId": "sdk-b", "userId": "sdk"}, "recorded"),
    ],
)
def test_each_of_segments_paths_takes_its_messages(
    api: httpx.Client, path: str, message: dict[str, Any], status: str
) -> None:
    (result,) = results(api.post(f"/v1/{path}", json=message))
    assert result["status"] == status
    # Libraries name the type too.
    (result,) = results(api.post(f"/v1/{path}", json={**message, "type": path}))
    assert result["status"] in {status, "duplicate"}


def test_a_group_that_is_not_declared_is_left_out_and_said_so(api: httpx.Client) -> None:
    message = {"userId": "g", "groupId": "g", "traits": {"size": 3}}
    (result,) = results(api.post("/v1/group", json=message))
    assert sorted(result["ignored"]) == ["group_id", "group_size"]


def test_bad_items_are_named_and_everything_else_of_the_batch_lands(api: httpx.Client) -> None:
    good = {**VIEW, "userId": "mixed"}
    missed = {**VIEW, "userId": "mixed", "event": "Payment Missed"}
    batch = [
        {**good, "messageId": "b0"},
        {**missed, "messageId": "b1", "properties": {"amount": "dear"}},
        {**good, "messageId": "b2", "timestamp": "1970-01-01T00:00:00Z"},
        {**good, "messageId": "b3", "timestamp": "2100-01-01T00:00:00Z"},
        {**good, "messageId": "b4", "userId": "x" * 300},
        {**good, "messageId": "b5", "userId": "🎁 שלום"},
        {**missed, "messageId": "b6", "properties": {"amount": float("nan")}},
        {**missed, "messageId": "b7", "properties": {"amount": float("-inf")}},
        {**missed, "messageId": "b8", "properties": {"amount": "NaN"}},
        {**missed, "messageId": "b9", "properties": {"amount": -0.0}},
        {**good, "messageId": "b10", "properties": {"category": "\ud800"}},
        "track",
        {**good, "messageId": "b12"},
    ]
    text = json.dumps({"batch": batch}).replace(
        '"messageId": "b12"', '"messageId": "b12", "messageId": "b13"'
    )
    found = results(api.post("/v1/batch", content=text.encode()))
    assert [result["status"] for result in found] == [
        *("recorded", "rejected", "rejected", "rejected", "rejected", "recorded"),
        *("rejected", "rejected", "rejected", "recorded", "rejected", "rejected", "rejected"),
    ]
    pointers = [error["pointer"] for result in found for error in result.get("errors", [])]
    assert pointers == [
        "/batch/1/properties/amount",
        "/batch/2/timestamp",
        "/batch/3/timestamp",
        "/batch/4/userId",
        "/batch/6/properties/amount",
        "/batch/7/properties/amount",
        "/batch/8/properties/amount",
        "/batch/10/properties/category",
        "/batch/11",
        "/batch/12/messageId",
    ]
    assert aggregates(api, "mixed")["views_7d"] == 1


def test_an_alias_makes_two_customers_one_everywhere(api: httpx.Client) -> None:
    for customer_id in ("one", "two"):
        results(api.post("/v1/events", json={**VIEW, "userId": customer_id}))
    consents = {"consents": {"email": {"marketing": "denied"}}}
    api.put("/v1/customers/one", json=consents).raise_for_status()
    asked = {"customer_id": "one", "placements": [{"id": "web.home.hero"}], "request_id": "r"}
    before = api.post("/v1/decisions", json=asked).json()
    alias = {"type": "alias", "previousId": "one", "userId": "two"}
    assert results(api.post("/v1/events", json=alias))[0]["status"] == "recorded"
    assert results(api.post("/v1/events", json=alias))[0]["status"] == "duplicate"

    for customer_id in ("one", "two"):
        profile = api.get(f"/v1/customers/{customer_id}").json()
        assert profile["customer_id"] == "two"
        assert profile["aggregates"]["views_7d"] == 2
        assert profile["consents"]["email"]["marketing"] == "denied"
    # What was answered before is answered again; what is asked anew is asked for the one.
    assert api.post("/v1/decisions", json=asked).json() == before
    answer = api.post("/v1/decisions", json={**asked, "request_id": "r2"}).json()
    assert answer["customer_id"] == "two"
    assert api.post("/v1/decisions", json={**asked, "request_id": "r2"}).json() == answer
    replayed = api.get(f"/v1/decisions/{answer['decision_id']}/replay").json()
    assert replayed == answer

    for customer_id in ("one", "two"):
        timeline = api.get(f"/v1/customers/{customer_id}/timeline").json()
        ids = {entry["id"] for entry in timeline["timeline"] if entry["type"] == "decision"}
        assert ids == {before["decision_id"], answer["decision_id"]}

    circle = {"type": "alias", "previousId": "two", "userId": "one"}
    reply = api.post("/v1/events", json=circle)
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["pointer"] == "/previousId"

    assert api.delete("/v1/customers/one").status_code == 202
    for customer_id in ("one", "two"):
        assert api.get(f"/v1/customers/{customer_id}").status_code == 404
        assert api.get(f"/v1/customers/{customer_id}/timeline").json()["timeline"] == []
    assert api.get(f"/v1/decisions/{before['decision_id']}").status_code == 404


def test_what_is_left_out_is_counted(api: httpx.Client) -> None:
    def counted() -> dict[str, float]:
        lines = api.get("/metrics").text.splitlines()
        found = [line for line in lines if line.startswith("nba_undeclared_total{")]
        return {line.split('"')[1]: float(line.rsplit(" ", 1)[1]) for line in found}

    before = counted()
    message = {**VIEW, "userId": "counted"}
    batch = [
        {**message, "properties": {"colour": 1, "smell": 2}},
        {**message, "event": "Moon Landed"},
        {"type": "identify", "userId": "counted", "traits": {"shoe": 1}},
    ]
    results(api.post("/v1/events", json={"batch": batch}))
    after = counted()
    grown = {name: after[name] - before.get(name, 0.0) for name in after}
    assert grown == {"property": 2.0, "event": 1.0, "attribute": 1.0}


@pytest.fixture(scope="module")
def strict_api(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Give a client of an API that refuses what is not declared, with a short ledger."""
    folder: Path = tmp_path_factory.mktemp("strict")
    limits = {"undeclared": "refuse", "max_ledger_backlog": 3}
    with (
        live_api(valkey, folder, "strict", **limits) as url,
        httpx.Client(base_url=url, timeout=10.0) as client,
    ):
        yield client


def test_what_is_not_declared_may_be_refused_and_a_log_behind_says_come_back(
    strict_api: httpx.Client,
) -> None:
    message = {**VIEW, "userId": "strict"}
    batch = [
        {**message, "properties": {"colour": 1}},
        {**message, "event": "Moon Landed"},
        {"type": "identify", "userId": "strict", "traits": {"shoe": 1, "age": 3}},
        {**message, "properties": {"category": "home"}},
    ]
    found = results(strict_api.post("/v1/events", json={"batch": batch}))
    assert [result["status"] for result in found] == ["rejected"] * 3 + ["recorded"]
    pointers = [result["errors"][0]["pointer"] for result in found[:3]]
    assert pointers == ["/batch/0/properties/colour", "/batch/1/event", "/batch/2/traits/shoe"]

    # Nobody takes the ledger to the log here, so it fills.
    taken = 1
    for _ in range(400):
        reply = strict_api.post("/v1/events", json=message)
        if reply.status_code == 429:
            break
        taken += 1
    assert reply.status_code == 429
    assert int(reply.headers["retry-after"]) == 10
    assert reply.json()["type"] == "urn:nba:problem:overloaded"
    assert aggregates(strict_api, "strict")["views_7d"] == taken
