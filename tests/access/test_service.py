"""Making keys: what is kept, what is shown, what is refused."""

from __future__ import annotations

import os
import re

import pytest
from shop import NOW_MS

from nba.access.keys import hash_secret
from nba.access.memory import MemoryKeyStore
from nba.access.roles import SCOPES, Permission, Role, Scope
from nba.access.service import KeyService, shown
from nba.domain.clock import ManualClock
from nba.errors import ConflictError, InputError, NotFoundError


def test_a_key_is_an_id_and_256_bits_of_secret(store: MemoryKeyStore, clock: ManualClock) -> None:
    issued = KeyService(store, clock, os.urandom).create("web", Scope.DECIDE, by="ada")
    found = re.fullmatch(r"nba_([a-z2-7]{16})_([a-z2-7]{52})", issued.text)
    assert found is not None
    assert found[1] == issued.key.id
    assert 52 * 5 >= 256
    (kept,) = store.keys()
    assert kept.secret_hash == hash_secret(found[2].encode())


def test_the_secret_is_kept_and_shown_nowhere_else(
    service: KeyService, store: MemoryKeyStore
) -> None:
    issued = service.create("web", Scope.DECIDE, by="ada")
    secret = issued.text.rpartition("_")[2]
    assert secret not in repr(store.keys())
    assert secret not in repr(shown(issued.key))
    assert issued.key.secret_hash.hex() not in repr(shown(issued.key))


def test_what_a_key_may_is_its_scope_and_its_roles_narrowed(service: KeyService) -> None:
    decide = service.create("web", Scope.DECIDE, by="ada").key
    assert decide.permissions == SCOPES[Scope.DECIDE]
    only = [Permission.WRITE_CUSTOMERS]
    assert service.create("page", Scope.DECIDE, only=only, by="ada").key.permissions == set(only)
    engineer = service.create("ops", Scope.MANAGE, roles=[Role.ENGINEER], by="ada").key
    assert Permission.ROLLBACK in engineer.permissions
    assert Permission.DECIDE not in engineer.permissions
    only = [Permission.READ_METRICS]
    scraper = service.create("prom", Scope.MANAGE, roles=[Role.ENGINEER], only=only, by="ada").key
    assert scraper.permissions == set(only)


@pytest.mark.parametrize(
    ("name", "scope", "more", "pointer"),
    [
        ("", Scope.DECIDE, {}, "/name"),
        ("x" * 129, Scope.DECIDE, {}, "/name"),
        ("a\nb", Scope.DECIDE, {}, "/name"),
        ("x", Scope.DECIDE, {"roles": [Role.ADMIN]}, "/roles"),
        ("x", Scope.MANAGE, {}, "/roles"),
        ("x", Scope.DECIDE, {"only": [Permission.PUBLISH]}, "/only"),
        ("x", Scope.MANAGE, {"roles": [Role.ADMIN], "only": [Permission.DECIDE]}, "/only"),
        ("x", Scope.MANAGE, {"roles": [Role.VIEWER], "only": [Permission.PUBLISH]}, "/only"),
        ("x", Scope.DECIDE, {"expires_at_ms": NOW_MS}, "/expires_at"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(
    service: KeyService, name: str, scope: Scope, more: dict[str, object], pointer: str
) -> None:
    with pytest.raises(InputError) as raised:
        service.create(name, scope, by="ada", **more)  # type: ignore[arg-type]
    assert [fault.place for fault in raised.value.faults] == [pointer]
    assert service.keys() == []


def test_keys_are_found_by_name_and_by_id(service: KeyService, clock: ManualClock) -> None:
    issued = service.create("web", Scope.DECIDE, by="ada")
    rotated = service.rotate("web", grace_ms=1_000, by="ada")
    assert rotated.key.id == issued.key.id
    assert rotated.text != issued.text
    assert rotated.key.previous_until_ms == clock() + 1_000
    assert service.revoke(issued.key.id, by="ada").revoked_at_ms == clock()


def test_what_is_not_there_is_neither_rotated_nor_revoked(service: KeyService) -> None:
    for change in (
        lambda: service.rotate("web", grace_ms=0, by="ada"),
        lambda: service.revoke("web", by="ada"),
    ):
        with pytest.raises(NotFoundError, match="no key named 'web'"):
            change()


def test_a_revoked_key_comes_back_neither_by_rotating_nor_by_its_name(service: KeyService) -> None:
    service.create("web", Scope.DECIDE, by="ada")
    service.revoke("web", by="ada")
    with pytest.raises(ConflictError, match="revoked"):
        service.rotate("web", grace_ms=0, by="ada")
    with pytest.raises(ConflictError, match="already"):
        service.create("web", Scope.DECIDE, by="ada")


def test_a_grace_period_is_not_negative(service: KeyService) -> None:
    service.create("web", Scope.DECIDE, by="ada")
    with pytest.raises(InputError):
        service.rotate("web", grace_ms=-1, by="ada")


def test_the_audit_trail_says_who_did_what_to_which_key(
    service: KeyService, store: MemoryKeyStore
) -> None:
    service.create("web", Scope.MANAGE, roles=[Role.VIEWER], by="ada")
    service.rotate("web", grace_ms=0, by="bob")
    service.revoke("web", by="cleo")
    assert [(row.actor, row.verb, row.subject) for row in store.trail] == [
        ("ada", "key.create", "key/web"),
        ("bob", "key.rotate", "key/web"),
        ("cleo", "key.revoke", "key/web"),
    ]
    assert store.trail[0].diff["roles"] == [None, ["viewer"]]
