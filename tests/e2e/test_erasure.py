"""A customer erased from the whole running service: found in no key and in no file afterwards."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import polars as pl
import psutil
import pytest
import redis

GONE, FORMER, STAYS = "zebulon-to-be-erased", "zebulon-before-login", "quentin-who-stays"
WORD = "zebulon-order-number"


@pytest.fixture(scope="module")
def tree(start_tree, tmp_path_factory):
    return start_tree(tmp_path_factory.mktemp("data"))


def until(check: Callable[[], Any], seconds: float = 90.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
    return found


def live(client: httpx.Client, customer: str) -> list[str]:
    """Let a customer live through everything that leaves a trace; return the ids it leaves."""
    profile = {
        "attributes": {"age": 41, "gender": "other"},
        "consents": {"email": {"marketing": "granted"}, "web": {"marketing": "granted"}},
        "consent_source": f"form of {customer}",
    }
    assert client.put(f"/v1/customers/{customer}", json=profile).is_success
    event = {
        "type": "track",
        "userId": customer,
        "event": "Order Completed",
        "messageId": f"{customer}-message",
        "properties": {"revenue": 20.0, "order_id": f"{customer}-{WORD}"},
    }
    assert client.post("/v1/events", json=event).is_success
    body = {
        "customer_id": customer,
        "placements": [{"id": "web.home.hero"}],
        "request_id": f"{customer}-request",
    }
    reply = client.post("/v1/decisions", json=body)
    assert reply.is_success, reply.text
    decision_id = reply.json()["decision_id"]
    outcome = {"outcome_id": f"{customer}-outcome", "decision_id": decision_id, "kind": "convert"}
    assert client.post("/v1/outcomes", json=outcome).is_success
    return [customer, decision_id]


def values(store: redis.Redis) -> Iterator[tuple[bytes, bytes]]:
    """Iterate over every key with all that is under it, as the server dumps and as it tells it."""
    for key in store.scan_iter(count=1_000):
        dumped = store.dump(key) or b""
        match store.type(key):
            case b"string":
                told = store.get(key)
            case b"hash":
                told = store.hgetall(key)
            case b"zset":
                told = store.zrange(key, 0, -1)
            case b"set":
                told = store.smembers(key)
            case b"stream":
                told = store.xrange(key)
            case b"none":  # a claim, say, that was let go since it was listed
                continue
            case kind:
                raise AssertionError(f"a key of type {kind!r}")
        yield key, dumped + (told if isinstance(told, bytes) else repr(told).encode())


def texts(file: Path) -> bytes:
    """Return a file's bytes, and what is in a Parquet file; nothing of a file that is gone."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:  # renamed or compacted since it was listed
        return b""
    if file.suffix == ".parquet":
        content += repr(pl.read_parquet(content).rows()).encode()
    return content


def places(store: redis.Redis, data: Path, needles: list[str]) -> set[str]:
    """Return every key and file that any of the needles is in."""
    found = set()
    for key, held in values(store):
        if any(needle.encode() in key + held for needle in needles):
            found.add(f"key {key!r}")
    for file in data.rglob("*"):
        if file.is_file() and any(needle.encode() in texts(file) for needle in needles):
            found.add(f"file {file.relative_to(data)}")
    return found


def connect(tree: Any) -> redis.Redis:
    server = tree.child("valkey-server")
    listening = [c for c in server.net_connections() if c.status == psutil.CONN_LISTEN]
    return redis.Redis(port=listening[0].laddr.port)


def test_an_erased_customer_is_found_nowhere_and_the_others_everywhere(tree) -> None:
    with httpx.Client(base_url=tree.url, timeout=60.0) as client, connect(tree) as store:
        stays = live(client, STAYS)
        gone = live(client, FORMER)
        alias = {"type": "alias", "previousId": FORMER, "userId": GONE}
        assert client.post("/v1/events", json=alias).is_success
        gone += live(client, GONE)
        export = client.get(f"/v1/customers/{GONE}/export").json()
        assert export["aliases"] == [FORMER]
        assert {decision["decision_id"] for decision in export["decisions"]} < set(gone)
        folders = ("decisions", "outcomes", "resolutions", "events", "updates")

        def logged() -> bool:
            found = places(store, tree.data / "log" / "live", [gone[1], FORMER, GONE])
            return all(any(f"file {folder}" in place for place in found) for folder in folders)

        until(logged)
        assert len(places(store, tree.data, gone)) > 10

        reply = client.delete(f"/v1/customers/{GONE}")
        assert (reply.status_code, reply.json()["decisions"]) == (202, 2)
        path = reply.json()["erasure"]
        proof = until(lambda: (p := client.get(path).json())["status"] != "pending" and p)

        assert proof["status"] == "done"
        assert proof["ids"] == 2
        assert {place["found"] for place in proof["searched"]} == {0}
        searched = {place["place"]: place["searched"] for place in proof["searched"]}
        for place in ("keys", "decision records and outcomes", "ledger", "log live/updates"):
            assert searched[place] > 0, place
        assert places(store, tree.data, gone) == set()
        assert client.get(f"/v1/customers/{GONE}/export").status_code == 404
        left = client.get(f"/v1/customers/{STAYS}/export").json()
        assert [decision["decision_id"] for decision in left["decisions"]] == stays[1:]
        assert [outcome["outcome_id"] for outcome in left["outcomes"]] == [f"{STAYS}-outcome"]
        assert len(left["updates"]) == 1
        assert len(left["events"]) == 1


def test_who_comes_back_is_a_new_customer_and_the_proof_stands(tree) -> None:
    with httpx.Client(base_url=tree.url, timeout=60.0) as client:
        live(client, GONE)
        assert client.get(f"/v1/customers/{GONE}").json()["attributes"]["age"] == 41
        assert client.get(f"/v1/customers/{GONE}/erasure").json()["status"] == "done"
        export = client.get(f"/v1/customers/{GONE}/export").json()
        assert export["aliases"] == []
        assert len(export["decisions"]) == 1


def test_the_command_erases_waits_and_searches_again(tree) -> None:
    command = [sys.executable, "-m", "nba", "erase", GONE, "--verify", "--json", "--url", tree.url]
    ended = subprocess.run(command, env=tree.environment, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr
    told = msgspec.json.decode(ended.stdout)
    assert told["status"] == "done"
    assert told["verified"]["found"] == []
    assert told["verified"]["files"] > 10
