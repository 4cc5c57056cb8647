"""One contract for every store of keys."""

from __future__ import annotations

from dataclasses import replace

import pytest
from control_stores import empty

from nba.access.keys import ApiKey
from nba.access.memory import MemoryKeyStore
from nba.access.roles import Permission, Role, Scope
from nba.access.sql import SqlKeyStore
from nba.access.store import KeyStore
from nba.catalog.audit import AuditEntry
from nba.catalog.audit_sql import SqlAuditStore
from nba.catalog.sql import SqlControlStore
from nba.errors import ConflictError, NotFoundError

FIRST = ApiKey(
    id="k1",
    name="first",
    scope=Scope.MANAGE,
    roles=(Role.MARKETER, Role.VIEWER),
    only=(Permission.READ_CATALOG,),
    secret_hash=b"\x00" * 32,
    created_at_ms=5,
    created_by="tests",
    expires_at_ms=10_000_000_000_000,
)
SECOND = ApiKey(
    id="k2",
    name="second",
    scope=Scope.DECIDE,
    secret_hash=b"\xff" * 32,
    created_at_ms=6,
    created_by="tests",
)


def entry(at_ms: int) -> AuditEntry:
    return AuditEntry(at_ms=at_ms, actor="tests", verb="change", subject="key")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> KeyStore:
    """Every adapter, empty."""
    if request.param == "memory":
        return MemoryKeyStore()
    control: SqlControlStore = request.getfixturevalue(f"{request.param}_control")
    return SqlKeyStore(empty(control).database)


def trail(store: KeyStore) -> list[int]:
    """Return when what is in the audit trail was done."""
    if isinstance(store, MemoryKeyStore):
        return [row.at_ms for row in store.trail]
    assert isinstance(store, SqlKeyStore)
    audit = SqlAuditStore(store._database)
    assert audit.verify_audit() is None
    return [row.at_ms for row in audit.audit_log(10)][::-1]


def test_keys_come_back_as_they_were_added_oldest_first(store: KeyStore) -> None:
    assert store.keys() == []
    store.add(FIRST, entry(5))
    store.add(SECOND, entry(5))
    assert store.keys() == [FIRST, SECOND]


@pytest.mark.parametrize("taken", [{"id": "k3"}, {"name": "third"}])
def test_a_name_and_an_id_are_given_once(store: KeyStore, taken: dict[str, str]) -> None:
    store.add(FIRST, entry(5))
    with pytest.raises(ConflictError, match="already a key named"):
        store.add(replace(FIRST, **taken), entry(5))
    assert store.keys() == [FIRST]


def test_a_revoked_key_keeps_its_name_and_its_moment(store: KeyStore) -> None:
    store.add(FIRST, entry(5))
    store.revoke("k1", entry(70))
    store.revoke("k1", entry(80))
    assert store.keys() == [replace(FIRST, revoked_at_ms=70)]
    with pytest.raises(ConflictError):
        store.add(replace(SECOND, name="first"), entry(5))


def test_rotating_keeps_the_secret_before_for_a_while(store: KeyStore) -> None:
    store.add(FIRST, entry(5))
    store.rotate("k1", b"\x01" * 32, previous_until_ms=90, entry=entry(80))
    rotated = replace(
        FIRST,
        secret_hash=b"\x01" * 32,
        previous_hash=b"\x00" * 32,
        previous_until_ms=90,
        rotated_at_ms=80,
    )
    assert store.keys() == [rotated]


def test_what_is_not_there_or_revoked_is_not_rotated(store: KeyStore) -> None:
    store.add(FIRST, entry(5))
    store.revoke("k1", entry(70))
    for key_id in ("k1", "k9"):
        with pytest.raises(NotFoundError):
            store.rotate(key_id, b"\x01" * 32, previous_until_ms=90, entry=entry(80))
    with pytest.raises(NotFoundError):
        store.revoke("k9", entry(70))
    assert store.keys()[0].secret_hash == FIRST.secret_hash


def test_last_used_only_moves_forward_and_unknown_ids_are_passed_over(store: KeyStore) -> None:
    store.add(FIRST, entry(5))
    store.add(SECOND, entry(5))
    store.used({"k1": 100, "gone": 100})
    store.used({"k1": 90, "k2": 95})
    kept = store.keys()
    assert [key.last_used_ms for key in kept] == [100, 95]


def test_what_was_done_is_in_the_audit_trail_and_what_was_not_is_not(store: KeyStore) -> None:
    store.add(FIRST, entry(1))
    with pytest.raises(ConflictError):
        store.add(FIRST, entry(2))
    store.rotate("k1", b"\x01" * 32, previous_until_ms=90, entry=entry(3))
    store.revoke("k1", entry(4))
    store.revoke("k1", entry(5))
    with pytest.raises(NotFoundError):
        store.rotate("k1", b"\x02" * 32, previous_until_ms=90, entry=entry(6))
    assert trail(store) == [1, 3, 4]
