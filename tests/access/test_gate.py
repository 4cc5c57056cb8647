"""The gate: who is let in, and why nobody else is."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop import NOW_MS

from nba.access.gate import KeyGate, OpenGate
from nba.access.keys import ApiKey
from nba.access.memory import MemoryKeyStore
from nba.access.ring import KeyRing
from nba.access.roles import ANYBODY, Actor, Permission, Role, Scope
from nba.access.service import KeyService
from nba.domain.clock import ManualClock
from nba.errors import AccessDeniedError, UnauthenticatedError, UnavailableError


class FlakyStore(MemoryKeyStore):
    """Keys in memory that can be out of reach."""

    away = False

    def keys(self) -> list[ApiKey]:
        """Return all keys, if they are in reach."""
        if self.away:
            raise UnavailableError("the control store does not answer")
        return super().keys()

    def used(self, at_ms_by_id: Mapping[str, int]) -> None:
        """Note when keys were last used, if they are in reach."""
        if self.away:
            raise UnavailableError("the control store does not answer")
        super().used(at_ms_by_id)


@pytest.fixture
def store() -> FlakyStore:
    """No keys yet."""
    return FlakyStore()


@pytest.fixture
def ring(store: FlakyStore, clock: ManualClock) -> KeyRing:
    """Return the keys as a replica knows them."""
    return KeyRing(store, clock, poll_seconds=0.01)


def ask(ring: KeyRing, credentials: str, needs: Permission = Permission.DECIDE) -> Actor:
    headers = [(b"host", b"api"), (b"authorization", credentials.encode())]
    return asyncio.run(KeyGate(ring).admit(headers, needs))


def refresh(ring: KeyRing) -> None:
    asyncio.run(ring.refresh())


def test_an_open_gate_lets_everybody_do_everything() -> None:
    assert asyncio.run(OpenGate().admit([], Permission.ERASE_CUSTOMERS)) == ANYBODY


def test_a_key_is_taken_as_bearer_and_as_user_name(ring: KeyRing, service: KeyService) -> None:
    text = service.create("web", Scope.DECIDE, by="ada").text
    refresh(ring)
    basic = b64encode(f"{text}:".encode()).decode()
    for credentials in (f"Bearer {text}", f"bearer  {text} ", f"Basic {basic}"):
        assert ask(ring, credentials).name == "key:web"


@pytest.mark.parametrize(
    "credentials",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer nba_",
        "Bearer nba__",
        "Bearer nba_none_none",
        "Bearer something",
        "Basic !!",
        "Basic bmJhXzpw",
        "Digest x",
        "nba_a_b",
        "Bearer nba_\xff_\xfe",
    ],
)
def test_what_is_no_key_is_not_let_in(ring: KeyRing, service: KeyService, credentials: str) -> None:
    service.create("web", Scope.DECIDE, by="ada")
    refresh(ring)
    with pytest.raises(UnauthenticatedError):
        ask(ring, credentials)


def test_neither_none_nor_two_headers_are_let_in(ring: KeyRing, service: KeyService) -> None:
    text = service.create("web", Scope.DECIDE, by="ada").text
    refresh(ring)
    header = (b"authorization", f"Bearer {text}".encode())
    for headers in ([], [header, header]):
        with pytest.raises(UnauthenticatedError, match="Authorization header"):
            asyncio.run(KeyGate(ring).admit(headers, Permission.DECIDE))


@given(place=st.integers(20, 71), letter=st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_one_wrong_letter_of_a_secret_is_enough(place: int, letter: str) -> None:
    store, clock = MemoryKeyStore(), ManualClock()
    text = (
        KeyService(store, clock, lambda count: b"\x5a" * count)
        .create("web", Scope.DECIDE, by="ada")
        .text
    )
    ring = KeyRing(store, clock, poll_seconds=1)
    refresh(ring)
    changed = text[:place] + letter + text[place + 1 :]
    if changed == text:
        assert ask(ring, f"Bearer {changed}").name == "key:web"
        return
    with pytest.raises(UnauthenticatedError, match="no such API key"):
        ask(ring, f"Bearer {changed}")


def test_a_key_of_one_scope_does_nothing_of_the_other(ring: KeyRing, service: KeyService) -> None:
    decide = service.create("web", Scope.DECIDE, by="ada").text
    admin = service.create("root", Scope.MANAGE, roles=[Role.ADMIN], by="ada").text
    refresh(ring)
    for permission in Permission:
        allowed, refused = decide, admin
        if permission not in {"decide", "report", "write_customers"}:
            allowed, refused = admin, decide
        ask(ring, f"Bearer {allowed}", permission)
        with pytest.raises(AccessDeniedError, match=f"may not {permission}"):
            ask(ring, f"Bearer {refused}", permission)


def test_a_key_ends_at_its_moment(ring: KeyRing, service: KeyService, clock: ManualClock) -> None:
    text = service.create("web", Scope.DECIDE, expires_at_ms=NOW_MS + 10, by="ada").text
    refresh(ring)
    clock.now_ms = NOW_MS + 9
    ask(ring, f"Bearer {text}")
    clock.now_ms = NOW_MS + 10
    with pytest.raises(UnauthenticatedError, match="expired at 2025-06-15T15:06:40"):
        ask(ring, f"Bearer {text}")


def test_a_revoked_key_ends_when_the_replica_looks_again(
    ring: KeyRing, service: KeyService
) -> None:
    text = service.create("web", Scope.DECIDE, by="ada").text
    refresh(ring)
    service.revoke("web", by="ada")
    ask(ring, f"Bearer {text}")
    refresh(ring)
    with pytest.raises(UnauthenticatedError, match="was revoked"):
        ask(ring, f"Bearer {text}")


def test_the_old_secret_is_good_for_the_grace_period_and_no_longer(
    ring: KeyRing, service: KeyService, clock: ManualClock
) -> None:
    old = service.create("web", Scope.DECIDE, by="ada").text
    new = service.rotate("web", grace_ms=1_000, by="ada").text
    refresh(ring)
    clock.now_ms = NOW_MS + 999
    assert {ask(ring, f"Bearer {text}").name for text in (old, new)} == {"key:web"}
    clock.now_ms = NOW_MS + 1_000
    ask(ring, f"Bearer {new}")
    with pytest.raises(UnauthenticatedError, match="was replaced"):
        ask(ring, f"Bearer {old}")


def test_revoking_ends_the_old_secret_too(ring: KeyRing, service: KeyService) -> None:
    old = service.create("web", Scope.DECIDE, by="ada").text
    new = service.rotate("web", grace_ms=1_000, by="ada").text
    service.revoke("web", by="ada")
    refresh(ring)
    for text in (old, new):
        with pytest.raises(UnauthenticatedError, match="was revoked"):
            ask(ring, f"Bearer {text}")


def test_known_keys_go_on_while_the_store_is_away_and_unknown_ones_wait(
    ring: KeyRing, service: KeyService, store: FlakyStore
) -> None:
    known = service.create("web", Scope.DECIDE, by="ada").text
    refresh(ring)
    new = service.create("new", Scope.DECIDE, by="ada").text
    store.away = True
    with pytest.raises(UnavailableError):
        refresh(ring)
    assert ask(ring, f"Bearer {known}").name == "key:web"
    with pytest.raises(UnavailableError, match="control store is away"):
        ask(ring, f"Bearer {new}")
    store.away = False
    refresh(ring)
    assert ask(ring, f"Bearer {new}").name == "key:new"


def test_a_ring_that_runs_sees_new_keys_and_outlives_a_store_that_is_away(
    ring: KeyRing, service: KeyService, store: FlakyStore
) -> None:
    async def story() -> None:
        running = asyncio.create_task(ring.run())
        store.away = True
        await asyncio.sleep(0.03)
        store.away = False
        text = service.create("late", Scope.DECIDE, by="ada").text
        async with asyncio.timeout(5):
            while True:
                try:
                    ring.actor(text.encode())
                except (UnauthenticatedError, UnavailableError):
                    await asyncio.sleep(0.01)
                else:
                    break
        running.cancel()

    asyncio.run(story())


def test_use_is_noted_once_and_again_where_it_could_not_be(
    ring: KeyRing, service: KeyService, store: FlakyStore, clock: ManualClock
) -> None:
    text = service.create("web", Scope.DECIDE, by="ada").text
    refresh(ring)
    ask(ring, f"Bearer {text}")
    store.away = True
    with pytest.raises(UnavailableError):
        asyncio.run(ring.note_use())
    store.away = False
    clock.now_ms += 60_000
    asyncio.run(ring.note_use())
    assert store.keys()[0].last_used_ms == NOW_MS
    ask(ring, f"Bearer {text}")
    asyncio.run(ring.note_use())
    assert store.keys()[0].last_used_ms == NOW_MS + 60_000
