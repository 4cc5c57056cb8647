"""Who is let in by a running API whose access is by keys."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from issuer import AUDIENCE, Issuer, running_issuer
from live_api import live_api

from nba.access import ROLES, SCOPES, Permission, Role, Scope
from nba.access.service import KeyService
from nba.bootstrap import load_settings, open_keys

ASK = {"customer_id": "anna", "placements": [{"id": "web.home.hero"}]}
PUBLIC = {("get", "/healthz"), ("get", "/readyz")}
METHODS = ("get", "put", "post", "delete", "patch")


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """Run an OpenID issuer."""
    with running_issuer() as running:
        yield running


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the control store."""
    return tmp_path_factory.mktemp("access")


@pytest.fixture(scope="module")
def keys(data: Path) -> Iterator[KeyService]:
    """Return what makes keys."""
    with open_keys(load_settings(data_dir=data)) as service:
        yield service


@pytest.fixture(scope="module")
def texts(keys: KeyService) -> dict[str, str]:
    """Make a key to decide with, and one of each role to manage with."""
    made = {"decide": keys.create("decide", Scope.DECIDE, by="tests").text}
    for role in Role:
        made[role] = keys.create(role, Scope.MANAGE, roles=[role], by="tests").text
    return made


@pytest.fixture(scope="module")
def guarded(
    valkey: str, data: Path, texts: dict[str, str], issuer: Issuer
) -> Iterator[httpx.Client]:
    """Give a client of an API that lets in by keys, and by tokens of the issuer."""
    more = {"access": "keys", "access_poll_seconds": 0.02}
    more |= {"oidc_issuer": issuer.url, "oidc_audience": AUDIENCE}
    with (
        live_api(valkey, data, "guarded", **more) as url,
        httpx.Client(base_url=url, timeout=10.0) as client,
    ):
        yield client


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


def decide(client: httpx.Client, text: str) -> httpx.Response:
    return client.post("/v1/decisions", json=ASK, headers=bearer(text))


def operations(client: httpx.Client) -> list[tuple[str, str, str]]:
    """Return method, documented path and real path of everything documented."""
    document = client.get("/openapi.json").json()
    found = []
    for path, methods in document["paths"].items():
        real = path.replace("{", "some-").replace("}", "")
        found += [(method, path, real) for method in METHODS if method in methods]
    return found


def test_nothing_but_health_and_documentation_is_told_to_nobody(guarded: httpx.Client) -> None:
    seen = operations(guarded)
    assert {(method, path) for method, path, _ in seen} > PUBLIC
    for method, path, real in seen:
        reply = guarded.request(method, real)
        if (method, path) in PUBLIC:
            assert reply.status_code == 200
            continue
        assert reply.status_code == 401, (method, path)
        assert reply.headers["www-authenticate"] == "Bearer"
        assert reply.json()["type"] == "urn:nba:problem:unauthenticated"


def test_who_may_not_is_told_so_and_who_may_is_let_through(
    guarded: httpx.Client, texts: dict[str, str]
) -> None:
    may = {role: ROLES[role] & SCOPES[Scope.MANAGE] for role in Role}
    may["decide"] = SCOPES[Scope.DECIDE]
    needed = set()
    for method, path, real in operations(guarded):
        if (method, path) in PUBLIC:
            continue
        refused = {}
        for name, text in texts.items():
            reply = guarded.request(method, real, headers=bearer(text))
            if reply.status_code == 403:
                refused[name] = Permission(reply.json()["detail"].rpartition(" ")[2])
            else:
                assert reply.status_code != 401
        (permission,) = set(refused.values())
        assert refused.keys() == {name for name in may if permission not in may[name]}, path
        needed.add(permission)
        document = guarded.get("/openapi.json").json()
        assert document["paths"][path][method]["x-needs"] == permission
    assert needed == set(Permission)


def test_a_refusal_comes_before_the_body_is_read(guarded: httpx.Client) -> None:
    reply = guarded.post("/v1/decisions", content=b"{" * 2_000_000)
    assert reply.status_code == 401


def test_a_decide_key_decides_and_does_not_manage(
    guarded: httpx.Client, texts: dict[str, str]
) -> None:
    reply = decide(guarded, texts["decide"])
    assert reply.status_code == 200
    place = f"/v1/decisions/{reply.json()['decision_id']}"
    assert guarded.get(place, headers=bearer(texts["decide"])).status_code == 403
    assert guarded.get(place, headers=bearer(texts["viewer"])).status_code == 200
    reply = decide(guarded, texts["admin"])
    assert (reply.status_code, reply.json()["detail"]) == (403, "key:admin may not decide")


def test_what_is_sensitive_is_shown_only_to_who_may_export_it(
    guarded: httpx.Client, texts: dict[str, str]
) -> None:
    place, attributes = "/v1/customers/shy", {"age": 40, "gender": "other"}
    put = guarded.put(place, json={"attributes": attributes}, headers=bearer(texts["decide"]))
    assert put.status_code == 200
    assert guarded.get(place, headers=bearer(texts["decide"])).status_code == 403
    for role, gender in ((Role.VIEWER, "•••"), (Role.ENGINEER, "other")):
        shown = guarded.get(place, headers=bearer(texts[role])).json()["attributes"]
        assert (shown["age"], shown["gender"]) == (40, gender)


def test_segments_libraries_send_their_write_key_as_user_name(
    guarded: httpx.Client, texts: dict[str, str]
) -> None:
    body = {"userId": "anna", "event": "App Opened", "messageId": "basic-1"}
    reply = guarded.post("/v1/track", json=body, auth=(texts["decide"], ""))
    assert reply.status_code == 200


def test_a_wrong_key_is_refused(guarded: httpx.Client, texts: dict[str, str]) -> None:
    text = texts["decide"]
    for wrong in (text[:-1] + ("a" if text[-1] != "a" else "b"), "nba_x_y", text.upper()):
        assert decide(guarded, wrong).status_code == 401


def until(check: Any) -> None:
    deadline = time.monotonic() + 10
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_keys_made_rotated_and_revoked_are_soon_seen(
    guarded: httpx.Client, keys: KeyService
) -> None:
    old = keys.create("shop", Scope.DECIDE, by="tests").text
    until(lambda: decide(guarded, old).status_code == 200)
    new = keys.rotate("shop", grace_ms=60_000, by="ada").text
    until(lambda: decide(guarded, new).status_code == 200)
    assert decide(guarded, old).status_code == 200
    newer = keys.rotate("shop", grace_ms=0, by="ada").text
    until(lambda: decide(guarded, newer).status_code == 200)
    assert {decide(guarded, text).status_code for text in (old, new)} == {401}
    keys.revoke("shop", by="ada")
    until(lambda: decide(guarded, newer).status_code == 401)
    assert "was revoked" in decide(guarded, newer).json()["detail"]


def test_an_expired_key_is_refused_and_told_why(guarded: httpx.Client, keys: KeyService) -> None:
    soon = time.time_ns() // 1_000_000 + 300
    text = keys.create("brief", Scope.DECIDE, expires_at_ms=soon, by="tests").text
    until(lambda: "expired at" in decide(guarded, text).text)


def test_a_token_of_the_issuer_is_let_in_as_its_roles_allow(
    guarded: httpx.Client, issuer: Issuer
) -> None:
    now = int(time.time())
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "ada", "exp": now + 60}
    engineer = bearer(issuer.token({**claims, "roles": ["engineer"]}))
    viewer = bearer(issuer.token({**claims, "roles": ["viewer"]}))
    assert guarded.get("/metrics", headers=engineer).status_code == 200
    reply = guarded.get("/metrics", headers=viewer)
    assert (reply.status_code, reply.json()["detail"]) == (403, "oidc:ada may not read_metrics")
    late = bearer(issuer.token({**claims, "roles": ["engineer"], "exp": now - 60}))
    assert guarded.get("/metrics", headers=late).status_code == 401
