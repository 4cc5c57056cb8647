"""Bearer tokens of an OpenID Connect issuer: who signed them, for whom, and until when.

The issuer's keys are found by discovery (OpenID Connect Discovery 1.0), kept, and fetched again
when they are old or a token names one that is not known; so keys may rotate at any time. Tokens
that verified are remembered until they end or keys are fetched again, as a signature costs more
than everything else on the way to a decision. What is checked follows RFC 8725 and RFC 9068.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidKeyIdError, JoseError
from joserfc.jwk import JWKRegistry, KeySet
from joserfc.jws import JWSRegistry

from nba.access.hosts import is_safe_url
from nba.access.roles import Actor, Role, permissions_of
from nba.domain.clock import Clock
from nba.errors import UnauthenticatedError, UnavailableError

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "Ed25519"),
)
"""Signatures taken: with public keys only, so that no public key can serve as a shared secret."""

REFETCH_SECONDS = 10
"""Keys are asked for at most so often, however many tokens name unknown ones."""

FRESH_SECONDS = 600
"""Keys older than this are fetched again, so that one withdrawn is soon trusted no more."""

TRUSTED_SECONDS = 86_400
"""Keys that could not be fetched again for so long are trusted no more."""

LEEWAY_SECONDS = 30
"""How far the issuer's clock may be off."""

_REMEMBERED = 4_096
_ASYMMETRIC = frozenset({"RSA", "EC", "OKP"})
_DISCOVERY = "/.well-known/openid-configuration"

Fetch = Callable[[str], Awaitable[bytes]]
"""Gets a URL; :class:`~nba.errors.UnavailableError` where it is not answered with 200."""

_logger = logging.getLogger(__name__)


class _Verified(NamedTuple):
    actor: Actor
    until_s: float


class OidcVerifier:
    """Knows who bears a token of an issuer.

    Parameters
    ----------
    issuer
        Its URL, as its tokens say in ``iss``.
    audience
        What its tokens for this service say in ``aud``.
    roles_claim
        The claim that lists roles; a dotted path where no claim has that very name.

    """

    def __init__(
        self, issuer: str, audience: str, *, roles_claim: str, fetch: Fetch, clock: Clock
    ) -> None:
        self._issuer = issuer
        self._roles_claim = roles_claim
        self._fetch = fetch
        self._clock = clock
        self._registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: clock() // 1_000,
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        self._keys = KeySet([])
        self._fetched_s = self._tried_s = -float(TRUSTED_SECONDS)
        self._fetching = asyncio.Lock()
        self._refreshing: asyncio.Future[None] | None = None
        self._verified: dict[bytes, _Verified] = {}

    async def actor(self, token: bytes) -> Actor:
        """Return who bears a token.

        Raises :class:`~nba.errors.UnauthenticatedError` where it is none that counts here, and
        :class:`~nba.errors.UnavailableError` where the issuer's keys cannot be had.
        """
        self._keep_fresh()
        known = self._verified.get(token)
        if known is not None and self._now_s() < known.until_s:
            return known.actor
        claims = await self._decoded(token)
        actor = Actor(f"oidc:{claims['sub']}", permissions_of(self._roles(claims)))
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        self._verified[token] = _Verified(actor, claims["exp"] + LEEWAY_SECONDS)
        return actor

    async def _decoded(self, token: bytes) -> dict[str, Any]:
        try:
            try:
                decoded = jwt.decode(token, self._keys, registry=self._registry)
            except InvalidKeyIdError:
                await self._refetch()
                decoded = jwt.decode(token, self._keys, registry=self._registry)
            self._claims.validate(decoded.claims)
        except InvalidKeyIdError as error:
            if self._fetched_s < self._tried_s:
                raise UnavailableError(f"the keys of {self._issuer} cannot be had") from error
            raise UnauthenticatedError("the token is signed with a key its issuer lacks") from error
        except ExpiredTokenError as error:
            raise UnauthenticatedError("the token has expired") from error
        except (JoseError, ValueError, TypeError, KeyError) as error:
            found = getattr(error, "description", "") or type(error).__name__
            raise UnauthenticatedError(f"the token does not count here: {found}") from error
        return decoded.claims

    def _keep_fresh(self) -> None:
        """Fetch keys again where they are old; nobody waits for it while the old ones serve."""
        if self._now_s() - self._fetched_s > FRESH_SECONDS and (
            self._refreshing is None or self._refreshing.done()
        ):
            self._refreshing = asyncio.ensure_future(self._refetch())

    async def _refetch(self) -> None:
        """Fetch the issuer's keys unless that was tried just now; those known stay if it fails."""
        async with self._fetching:
            now_s = self._now_s()
            if now_s - self._tried_s < REFETCH_SECONDS:
                return
            self._tried_s = now_s
            try:
                keys = await self._published()
            except UnavailableError as error:
                _logger.warning("%s", error)
                if now_s - self._fetched_s > TRUSTED_SECONDS:
                    self._keys = KeySet([])
                    self._verified.clear()
                return
            self._keys = keys
            self._fetched_s = now_s
            self._verified.clear()

    async def _published(self) -> KeySet:
        """Return the keys the issuer publishes."""
        about = self._object(await self._fetch(self._issuer.rstrip("/") + _DISCOVERY))
        if about.get("issuer") != self._issuer:
            raise UnavailableError(
                f"{self._issuer} says it is {about.get('issuer')!r}; set NBA_OIDC_ISSUER to that"
            )
        place = about.get("jwks_uri")
        if not isinstance(place, str) or not is_safe_url(place):
            raise UnavailableError(f"{self._issuer} has its keys at {place!r}, not at an https URL")
        published = self._object(await self._fetch(place)).get("keys")
        keys = []
        for key in published if isinstance(published, list) else ():
            if not isinstance(key, dict) or key.get("kty") not in _ASYMMETRIC:
                continue
            try:
                keys.append(JWKRegistry.import_key(key))
            except (JoseError, ValueError, TypeError, KeyError) as error:
                _logger.warning("a key of %s cannot be read: %s", self._issuer, error)
        return KeySet(keys)

    def _object(self, body: bytes) -> dict[str, Any]:
        try:
            return msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise UnavailableError(f"{self._issuer} does not answer with JSON: {error}") from error

    def _roles(self, claims: Mapping[str, Any]) -> list[Role]:
        """Return the roles a token gives; words that are no role here give none."""
        found: Any = claims.get(self._roles_claim)
        if found is None:
            found = claims
            for name in self._roles_claim.split("."):
                found = found.get(name) if isinstance(found, dict) else None
        words = found.split() if isinstance(found, str) else found
        return [role for role in Role if role in words] if isinstance(words, list) else []

    def _now_s(self) -> float:
        return self._clock() / 1_000
