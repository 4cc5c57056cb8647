"""Tokens of an OpenID issuer that really runs: those that count, and every way not to."""

from __future__ import annotations

import asyncio
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from issuer import AUDIENCE, Issuer, ec, ed, rsa, running_issuer
from joserfc.jwk import Key, OctKey
from shop import NOW_MS

from nba.access.http import fetch
from nba.access.oidc import (
    FRESH_SECONDS,
    LEEWAY_SECONDS,
    REFETCH_SECONDS,
    TRUSTED_SECONDS,
    OidcVerifier,
)
from nba.access.roles import ROLES, Actor, Role
from nba.domain.clock import ManualClock
from nba.errors import UnauthenticatedError, UnavailableError

NOW = NOW_MS // 1_000


@pytest.fixture(scope="module")
def running() -> Iterator[Issuer]:
    """Run one issuer for all tests."""
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture
def issuer(running: Issuer) -> Issuer:
    """Return the issuer as it was when it was new, but for its keys, which are slow to make."""
    running.keys = {"one": running.keys["one"]}
    running.issuer, running.jwks_uri = running.url, f"{running.url}/keys"
    running.extra, running.broken = [], None
    running.asked.clear()
    return running


@pytest.fixture
def claims(issuer: Issuer) -> dict[str, Any]:
    """Return the claims of a token that counts."""
    return {
        "iss": issuer.url,
        "aud": AUDIENCE,
        "sub": "ada",
        "exp": NOW + 600,
        "nbf": NOW - 5,
        "iat": NOW - 5,
        "roles": ["marketer", "nonsense"],
    }


def verifier(issuer: Issuer, clock: ManualClock, roles_claim: str = "roles") -> OidcVerifier:
    return OidcVerifier(issuer.url, AUDIENCE, roles_claim=roles_claim, fetch=fetch, clock=clock)


def ask(verifier: OidcVerifier, *tokens: str) -> Actor:
    async def asked() -> Actor:
        for token in tokens[:-1]:
            await verifier.actor(token.encode())
        return await verifier.actor(tokens[-1].encode())

    return asyncio.run(asked())


async def asked_until_refused(verifier: OidcVerifier, token: bytes) -> None:
    async with asyncio.timeout(5):
        while True:
            await verifier.actor(token)
            await asyncio.sleep(0.01)


def test_a_token_says_who_asks_and_what_they_may(
    issuer: Issuer, claims: dict[str, Any], clock: ManualClock
) -> None:
    actor = ask(verifier(issuer, clock), issuer.token(claims))
    assert actor == Actor("oidc:ada", ROLES[Role.MARKETER])


@pytest.mark.parametrize(
    ("make", "algorithm"),
    [(rsa, "RS512"), (rsa, "PS256"), (ec, "ES256"), (ed, "Ed25519")],
)
def test_every_signature_with_a_public_key_is_taken(
    issuer: Issuer,
    claims: dict[str, Any],
    clock: ManualClock,
    make: Callable[[str], Key],
    algorithm: str,
) -> None:
    issuer.keys["two"] = make("two")
    token = issuer.token(claims, key=issuer.keys["two"], algorithm=algorithm)
    assert ask(verifier(issuer, clock), token).name == "oidc:ada"


@pytest.mark.parametrize(
    ("claim", "value", "roles"),
    [
        ("roles", ["admin", "viewer"], [Role.VIEWER, Role.ADMIN]),
        ("roles", "viewer marketer", [Role.VIEWER, Role.MARKETER]),
        ("roles", [], []),
        ("roles", None, []),
        ("roles", {"admin": True}, []),
        ("roles", ["Admin", 7, ["admin"]], []),
        ("realm_access.roles", {"roles": ["approver"]}, [Role.APPROVER]),
        ("realm_access.roles", ["approver"], []),
        ("https://nba.example/roles", ["engineer"], [Role.ENGINEER]),
    ],
)
def test_roles_are_words_of_the_claim_that_was_set(
    issuer: Issuer,
    claims: dict[str, Any],
    clock: ManualClock,
    claim: str,
    value: object,
    roles: list[Role],
) -> None:
    del claims["roles"]
    claims["realm_access" if claim.startswith("realm") else claim] = value
    expected = frozenset().union(*(ROLES[role] for role in roles))
    actor = ask(verifier(issuer, clock, claim), issuer.token(claims))
    assert actor.permissions == expected


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "other"},
        {"aud": ["other", "another"]},
        {"aud": None},
        {"aud": 7},
        {"exp": NOW - LEEWAY_SECONDS},
        {"exp": None},
        {"exp": "tomorrow"},
        {"nbf": NOW + LEEWAY_SECONDS + 1},
        {"iat": NOW + LEEWAY_SECONDS + 1},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
    ],
)
def test_claims_that_are_wrong_or_missing_are_refused(
    issuer: Issuer, claims: dict[str, Any], clock: ManualClock, change: dict[str, Any]
) -> None:
    changed = {name: value for name, value in {**claims, **change}.items() if value is not None}
    with pytest.raises(UnauthenticatedError):
        ask(verifier(issuer, clock), issuer.token(changed))


def test_one_of_several_audiences_is_enough_and_clocks_may_differ_a_little(
    issuer: Issuer, claims: dict[str, Any], clock: ManualClock
) -> None:
    claims |= {"aud": ["other", AUDIENCE], "exp": NOW - LEEWAY_SECONDS + 1}
    claims |= {"nbf": NOW + LEEWAY_SECONDS, "iat": NOW + LEEWAY_SECONDS}
    assert ask(verifier(issuer, clock), issuer.token(claims)).name == "oidc:ada"


def part(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_token_that_nobody_signed_is_refused(
    issuer: Issuer, claims: dict[str, Any], clock: ManualClock
) -> None:
    for header in ({"alg": "none", "kid": "one"}, {"alg": "none"}, {"alg": "NONE", "kid": "one"}):
        with pytest.raises(UnauthenticatedError):
            ask(verifier(issuer, clock), f"{part(header)}.{part(claims)}.")


def test_a_public_key_does_not_serve_as_a_shared_secret(
    issuer: Issuer, claims: dict[str, Any], clock: ManualClock
) -> None:
    public = issuer.keys["one"].as_pem(private=False)
    signed = f"{part({'alg': 'HS256', 'kid': 'one'})}.{part(claims)}"
    signature = hmac.digest(public, signed.encode(), "sha256")
    token = f"{signed}.{urlsafe_b64encode(signature).decode().rstrip('=')}"
    with pytest.raises(UnauthenticatedError, match="not allowed"):
        ask(verifier(issuer, clock), token)


def test_a_shared_secret_that_is_published_counts_for_nothing(
    issuer: Issuer, claims: dict[str, Any], clock: ManualClock
) -> None:
    shared = OctKey.generate_key(256, {"kid": "shared"})
    issuer.extra = [shared.as_dict(private=True), {"kty": "AKP", "kid": "new"}, {"kty": "RSA"}, 7]
    with pytest.raises(UnauthenticatedError):
        ask(verifier(issuer, clock), issuer.token(claims, key=shared, algorithm="HS256"))
    assert ask(verifier(issuer, clock), issuer.token(claims)).name == "oidc:ada"


def test_a_key_of_somebody_else_that_takes_a_known_name_is_refused(
    issuer: Issuer, claims: dict[str, Any], clock: ManualClock
) -> None:
    with pytest.raises(UnauthenticatedError):
        ask(verifier(issuer, clock), issuer.token(claims, key=rsa("one")))


def test_a_key_for_encryption_signs_nothing(
    issuer: Issuer, claims: dict[str, Any], clock: ManualClock
) -> None:
    issuer.keys["two"] = issuer.keys["one"].import_key(
        {**issuer.keys["one"].as_dict(private=True), "kid": "two", "use": "enc"}
    )
    token = issuer.token(claims, header={"kid": "two"})
    with pytest.raises(UnauthenticatedError):
        ask(verifier(issuer, clock), token)


def test_where_a_token_names_no_key_there_must_be_but_one(
    issuer: Issuer, claims: dict[str, Any], clock: ManualClock
) -> None:
    token = issuer.token(claims, header={"kid": None})
    assert ask(verifier(issuer, clock), token).name == "oidc:ada"
    issuer.keys["two"] = ec("two")
    with pytest.raises(UnauthenticatedError):
        ask(verifier(issuer, clock), token)


@pytest.mark.parametrize("mend", ["", "x", "..", "a.b", "a.b.c", "é.é.é", ".".join("abcde")])
def test_what_is_no_token_is_refused(issuer: Issuer, clock: ManualClock, mend: str) -> None:
    with pytest.raises(UnauthenticatedError):
        ask(verifier(issuer, clock), mend)


def test_a_token_whose_claims_or_signature_were_changed_is_refused(
    issuer: Issuer, claims: dict[str, Any], clock: ManualClock
) -> None:
    head, _, signature = issuer.token(claims).split(".")
    for changed in (
        f"{head}.{part({**claims, 'roles': ['admin']})}.{signature}",
        f"{head}.{part(claims)}.{signature[:-8]}AAAAAAAA",
        f"{head}.{part(claims)}.",
        f"{head}.{part([1])}.{signature}",
    ):
        with pytest.raises(UnauthenticatedError):
            ask(verifier(issuer, clock), changed)


def test_keys_rotate_without_anybody_being_told(
    issuer: Issuer, claims: dict[str, Any], clock: ManualClock
) -> None:
    async def story() -> None:
        checked = verifier(issuer, clock)
        await checked.actor(issuer.token(claims).encode())
        issuer.keys["two"] = ec("two")
        token = issuer.token(claims, key=issuer.keys["two"], algorithm="ES256").encode()
        with pytest.raises(UnauthenticatedError, match="its issuer lacks"):
            await checked.actor(token)  # keys were fetched a moment ago
        clock.now_ms += REFETCH_SECONDS * 1_000
        assert (await checked.actor(token)).name == "oidc:ada"

    asyncio.run(story())


def test_a_key_withdrawn_is_soon_trusted_no_more(
    issuer: Issuer, claims: dict[str, Any], clock: ManualClock
) -> None:
    claims["exp"] += TRUSTED_SECONDS

    async def story() -> None:
        checked, token = verifier(issuer, clock), issuer.token(claims).encode()
        await checked.actor(token)
        held, issuer.keys = issuer.keys, {"two": ec("two")}
        clock.now_ms += (FRESH_SECONDS + 1) * 1_000
        await checked.actor(token)  # nobody waits while keys are fetched again
        with pytest.raises(UnauthenticatedError):
            await asked_until_refused(checked, token)
        issuer.keys = held

    asyncio.run(story())


def test_unknown_keys_are_asked_for_now_and_then_and_not_every_time(
    issuer: Issuer, claims: dict[str, Any], clock: ManualClock
) -> None:
    async def story() -> None:
        checked = verifier(issuer, clock)
        await checked.actor(issuer.token(claims).encode())
        for number in range(20):
            token = issuer.token({**claims, "jti": str(number)}, header={"kid": f"no{number}"})
            with pytest.raises(UnauthenticatedError):
                await checked.actor(token.encode())

    asyncio.run(story())
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


def test_a_token_seen_before_is_not_verified_again_and_still_ends(
    issuer: Issuer, claims: dict[str, Any], clock: ManualClock
) -> None:
    async def story() -> None:
        checked, token = verifier(issuer, clock), issuer.token(claims).encode()
        first = await checked.actor(token)
        assert await checked.actor(token) is first
        clock.now_ms = (claims["exp"] + LEEWAY_SECONDS) * 1_000
        with pytest.raises(UnauthenticatedError, match="has expired"):
            await checked.actor(token)

    asyncio.run(story())


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b"{}"])
def test_where_the_issuer_does_not_answer_nobody_is_called_an_impostor(
    issuer: Issuer, claims: dict[str, Any], clock: ManualClock, broken: bytes
) -> None:
    token = issuer.token(claims)
    issuer.broken = broken
    with pytest.raises(UnavailableError, match="cannot be had"):
        ask(verifier(issuer, clock), token)


def test_an_issuer_that_says_it_is_another_or_sends_keys_elsewhere_is_not_followed(
    issuer: Issuer, claims: dict[str, Any], clock: ManualClock
) -> None:
    token = issuer.token(claims)
    for name, place in (
        ("https://other.example", issuer.jwks_uri),
        (issuer.url, "http://other.example/keys"),
        (issuer.url, "file:///etc/passwd"),
    ):
        issuer.issuer, issuer.jwks_uri = name, place
        with pytest.raises(UnavailableError):
            ask(verifier(issuer, clock), token)


def test_known_keys_serve_for_a_day_while_the_issuer_is_away(
    issuer: Issuer, claims: dict[str, Any], clock: ManualClock
) -> None:
    claims["exp"] += 3 * TRUSTED_SECONDS

    async def story() -> None:
        checked, token = verifier(issuer, clock), issuer.token(claims).encode()
        await checked.actor(token)
        issuer.broken = b""
        clock.now_ms += TRUSTED_SECONDS * 1_000
        for number in range(3):
            again = issuer.token({**claims, "jti": str(number)}).encode()
            assert (await checked.actor(again)).name == "oidc:ada"
            await asyncio.sleep(0.02)
        clock.now_ms += REFETCH_SECONDS * 1_000
        with pytest.raises(UnavailableError):
            await asked_until_refused(checked, token)

    asyncio.run(story())
