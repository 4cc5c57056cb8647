"""One contract for every store of keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nba.access.keys import ApiKey
from nba.access.memory import MemoryKeyStore
from nba.access.roles import Permission, Role, Scope
from nba.access.sql import SqlKeyStore
from nba.access.store import KeyStore
from nba.catalog.database import Database
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


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyStore]:
    """Every adapter, empty."""
    if request.param == "memory":
        yield MemoryKeyStore()
        return
    database = Database.create(f"sqlite:///{tmp_path}/control.db")
    yield SqlKeyStore(database)
    database.close()


def test_keys_come_back_as_they_were_added_oldest_first(store: KeyStore) -> None:
    assert store.keys() == []
    store.add(FIRST)
    store.add(SECOND)
    assert store.keys() == [FIRST, SECOND]


@pytest.mark.parametrize("taken", [{"id": "k3"}, {"name": "third"}])
def test_a_name_and_an_id_are_given_once(store: KeyStore, taken: dict[str, str]) -> None:
    store.add(FIRST)
    with pytest.raises(ConflictError, match="already a key named"):
        store.add(replace(FIRST, **taken))
    assert store.keys() == [FIRST]


def test_a_revoked_key_keeps_its_name_and_its_moment(store: KeyStore) -> None:
    store.add(FIRST)
    store.revoke("k1", 70)
    store.revoke("k1", 80)
    assert store.keys() == [replace(FIRST, revoked_at_ms=70)]
    with pytest.raises(ConflictError):
        store.add(replace(SECOND, name="first"))


def test_rotating_keeps_the_secret_before_for_a_while(store: KeyStore) -> None:
    store.add(FIRST)
    store.rotate("k1", b"\x01" * 32, previous_until_ms=90, at_ms=80)
    rotated = replace(
        FIRST,
        secret_hash=b"\x01" * 32,
        previous_hash=b"\x00" * 32,
        previous_until_ms=90,
        rotated_at_ms=80,
    )
    assert store.keys() == [rotated]


def test_what_is_not_there_or_revoked_is_not_rotated(store: KeyStore) -> None:
    store.add(FIRST)
    store.revoke("k1", 70)
    for key_id in ("k1", "k9"):
        with pytest.raises(NotFoundError):
            store.rotate(key_id, b"\x01" * 32, previous_until_ms=90, at_ms=80)
    with pytest.raises(NotFoundError):
        store.revoke("k9", 70)
    assert store.keys()[0].secret_hash == FIRST.secret_hash


def test_last_used_only_moves_forward_and_unknown_ids_are_passed_over(store: KeyStore) -> None:
    store.add(FIRST)
    store.add(SECOND)
    store.used({"k1": 100, "gone": 100})
    store.used({"k1": 90, "k2": 95})
    kept = store.keys()
    assert [key.last_used_ms for key in kept] == [100, 95]
