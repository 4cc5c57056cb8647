"""The gate every request passes: who asks, and may they; the one place where that is decided.

Credentials come in the header ``Authorization``: ``Bearer`` with an API key or with a token of the
OpenID issuer, or ``Basic`` with an API key as user name, as Segment's libraries send their write
key.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from nba.access.keys import PREFIX
from nba.access.ring import KeyRing
from nba.access.roles import ANYBODY, Actor, Permission
from nba.errors import AccessDeniedError, UnauthenticatedError

if TYPE_CHECKING:
    from nba.access.oidc import OidcVerifier

Headers = Iterable[tuple[bytes, bytes]]

_PREFIX = PREFIX.encode()


class Gate(Protocol):
    """Lets requests in."""

    async def admit(self, headers: Headers, needs: Permission) -> Actor:
        """Return who asks, as far as they may.

        Raises :class:`~nba.errors.UnauthenticatedError` where nobody known asks,
        :class:`~nba.errors.AccessDeniedError` where they may not.
        """

    async def start(self) -> None:
        """Get ready for the first request."""

    async def run(self) -> None:
        """Keep up with who is let in, until cancelled."""


class OpenGate:
    """Lets everybody do everything: on a machine of one's own."""

    async def admit(self, headers: Headers, needs: Permission) -> Actor:  # noqa: ARG002 - kept by others
        """Return anybody."""
        return ANYBODY

    async def start(self) -> None:
        """Nothing to get ready."""

    async def run(self) -> None:
        """Nothing to keep up with."""


class KeyGate:
    """Lets bearers of keys and tokens do what theirs allow."""

    def __init__(self, ring: KeyRing, oidc: OidcVerifier | None = None) -> None:
        self._ring = ring
        self._oidc = oidc

    async def admit(self, headers: Headers, needs: Permission) -> Actor:
        """Return who asks, as far as they may."""
        credentials = _credentials(headers)
        if credentials.startswith(_PREFIX):
            actor = self._ring.actor(credentials)
        elif self._oidc is not None:
            actor = await self._oidc.actor(credentials)
        else:
            raise UnauthenticatedError(f"found something that is no API key: {PREFIX}ID_SECRET")
        if needs not in actor.permissions:
            raise AccessDeniedError(f"{actor.name} may not {needs}")
        return actor

    async def start(self) -> None:
        """Read all keys; raises :class:`~nba.errors.UnavailableError` where the store is away."""
        await self._ring.refresh()

    async def run(self) -> None:
        """Keep up with keys, until cancelled."""
        await self._ring.run()


def _credentials(headers: Headers) -> bytes:
    """Return the key or token that a request carries."""
    given = [value for name, value in headers if name == b"authorization"]
    if len(given) != 1:
        found = "found several Authorization headers" if given else "found no Authorization header"
        raise UnauthenticatedError(f"{found}; send one: Authorization: Bearer KEY")
    scheme, _, credentials = given[0].partition(b" ")
    match scheme.lower():
        case b"bearer":
            return credentials.strip()
        case b"basic":
            try:
                return b64decode(credentials.strip(), validate=True).partition(b":")[0]
            except ValueError:
                raise UnauthenticatedError("the Basic credentials are not base64") from None
        case _:
            raise UnauthenticatedError("Authorization holds neither Bearer nor Basic")
