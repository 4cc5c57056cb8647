"""API keys: ``nba_<id>_<secret>``, the secret shown once and kept only as its hash.

The id finds the key, the secret proves it. A secret is 256 bits of chance, so one round of a fast
hash is enough: slow hashes exist to make guessing *passwords* dear, and nobody guesses 256 bits.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from nba.access.roles import SCOPES, Permission, Role, Scope, permissions_of

PREFIX = "nba_"
"""What every key begins with, so that scanners of leaked secrets know one."""

SECRET_BYTES = 32
_ID_BYTES = 10
_PERSON = b"nba-api-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is kept; times in milliseconds since the epoch.

    ``only`` narrows what its scope allows, empty for all of it. ``previous_hash`` is of the secret
    before the last rotation, which is good until ``previous_until_ms``.
    """

    id: str
    name: str
    scope: Scope
    roles: tuple[Role, ...] = ()
    only: tuple[Permission, ...] = ()
    secret_hash: bytes
    previous_hash: bytes | None = None
    previous_until_ms: int = 0
    created_at_ms: int
    created_by: str
    expires_at_ms: int | None = None
    rotated_at_ms: int | None = None
    revoked_at_ms: int | None = None
    last_used_ms: int | None = None

    @property
    def permissions(self) -> frozenset[Permission]:
        """Return what a bearer of this key may do."""
        allowed = SCOPES[self.scope]
        if self.scope is Scope.MANAGE:
            allowed &= permissions_of(self.roles)
        return allowed & frozenset(self.only) if self.only else allowed


def new_id(random_bytes: Callable[[int], bytes]) -> str:
    """Return an id no other key has."""
    return _text(random_bytes(_ID_BYTES))


def new_secret(random_bytes: Callable[[int], bytes]) -> str:
    """Return a secret of 256 bits."""
    return _text(random_bytes(SECRET_BYTES))


def key_text(key_id: str, secret: str) -> str:
    """Return what is handed to whoever is to use the key."""
    return f"{PREFIX}{key_id}_{secret}"


def hash_secret(secret: bytes) -> bytes:
    """Return what is kept of a secret: 32 bytes of BLAKE2b."""
    return blake2b(secret, digest_size=32, person=_PERSON).digest()


def _text(data: bytes) -> str:
    return b32encode(data).decode("ascii").rstrip("=").lower()


def find(keys: Sequence[ApiKey], name: str) -> ApiKey | None:
    """Return the key with that name or id."""
    return next((key for key in keys if name in {key.id, key.name}), None)
