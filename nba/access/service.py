"""Making, rotating and revoking API keys; what the command line and the API share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from nba.access.keys import ApiKey, find, hash_secret, key_text, new_id, new_secret
from nba.access.roles import SCOPES, Permission, Role, Scope
from nba.access.store import KeyStore
from nba.catalog.audit import AuditEntry
from nba.domain.clock import Clock, to_rfc3339
from nba.domain.ids import MAX_ID_LENGTH
from nba.errors import ConflictError, Fault, InputError, NotFoundError


class Issued(NamedTuple):
    """A key, and its text: this is the only time it is shown."""

    key: ApiKey
    text: str


class KeyService:
    """Changes keys.

    Parameters
    ----------
    random_bytes
        That many bytes of chance, fit for secrets.

    """

    def __init__(self, store: KeyStore, clock: Clock, random_bytes: Callable[[int], bytes]) -> None:
        self._store = store
        self._clock = clock
        self._random_bytes = random_bytes

    def keys(self) -> list[ApiKey]:
        """Return all keys, the revoked ones too, oldest first."""
        return self._store.keys()

    def create(
        self,
        name: str,
        scope: Scope,
        *,
        roles: Sequence[Role] = (),
        only: Sequence[Permission] = (),
        expires_at_ms: int | None = None,
        by: str,
    ) -> Issued:
        """Make a key.

        Raises :class:`~nba.errors.InputError` where it could do nothing or ends before it begins,
        :class:`~nba.errors.ConflictError` where its name is taken, by a revoked one too.
        """
        now = self._clock()
        secret = new_secret(self._random_bytes)
        key = ApiKey(
            id=new_id(self._random_bytes),
            name=name,
            scope=scope,
            roles=tuple(dict.fromkeys(roles)),
            only=tuple(dict.fromkeys(only)),
            secret_hash=hash_secret(secret.encode()),
            created_at_ms=now,
            created_by=by,
            expires_at_ms=expires_at_ms,
        )
        if faults := list(_faults(key)):
            raise InputError(faults)
        given = {"scope": [None, scope], "roles": [None, list(key.roles)]}
        given["only"] = [None, list(key.only)]
        self._store.add(key, self._entry(by, "key.create", key, given))
        return Issued(key, key_text(key.id, secret))

    def rotate(self, name: str, *, grace_ms: int, by: str) -> Issued:
        """Give a key a new secret; the one it has stays good for the grace period.

        Raises :class:`~nba.errors.NotFoundError` where no key has that name or id, and
        :class:`~nba.errors.ConflictError` where it is revoked.
        """
        if grace_ms < 0:
            raise InputError([Fault("/grace", f"found {grace_ms} ms", "0 or more")])
        key = self._held(name)
        if key.revoked_at_ms is not None:
            raise ConflictError(f"key {key.name!r} is revoked; make another")
        secret = new_secret(self._random_bytes)
        entry = self._entry(by, "key.rotate", key)
        self._store.rotate(
            key.id,
            hash_secret(secret.encode()),
            previous_until_ms=entry.at_ms + grace_ms,
            entry=entry,
        )
        return Issued(self._held(key.id), key_text(key.id, secret))

    def revoke(self, name: str, *, by: str) -> ApiKey:
        """End a key; replicas refuse it as soon as they next look."""
        key = self._held(name)
        self._store.revoke(key.id, self._entry(by, "key.revoke", key))
        return self._held(key.id)

    def _entry(
        self, by: str, verb: str, key: ApiKey, diff: Mapping[str, Any] | None = None
    ) -> AuditEntry:
        return AuditEntry(
            at_ms=self._clock(), actor=by, verb=verb, subject=f"key/{key.name}", diff=diff or {}
        )

    def _held(self, name: str) -> ApiKey:
        key = find(self._store.keys(), name)
        if key is None:
            raise NotFoundError(f"there is no key named {name!r}")
        return key


def _faults(key: ApiKey) -> list[Fault]:
    faults = []
    if not key.name or len(key.name) > MAX_ID_LENGTH or not key.name.isprintable():
        expected = f"1 to {MAX_ID_LENGTH} printable characters"
        faults.append(Fault("/name", f"found {key.name!r}", expected))
    if key.scope is Scope.DECIDE and key.roles:
        found = f"found {', '.join(key.roles)}"
        faults.append(Fault("/roles", found, "none: what a decide key may is its scope's"))
    if key.scope is Scope.MANAGE and not key.roles:
        expected = f"at least one of {', '.join(Role)}"
        faults.append(Fault("/roles", "a manage key without roles", expected))
    if beyond := sorted(set(key.only) - SCOPES[key.scope]):
        expected = f"permissions of the scope {key.scope}: {', '.join(sorted(SCOPES[key.scope]))}"
        faults.append(Fault("/only", f"found {', '.join(beyond)}", expected))
    elif not key.permissions and not faults:
        expected = "some that its roles have"
        faults.append(Fault("/only", f"{', '.join(key.only)} leaves nothing", expected))
    if key.expires_at_ms is not None and key.expires_at_ms <= key.created_at_ms:
        faults.append(Fault("/expires_at", "a moment that has passed", "a later one, or none"))
    return faults


def shown(key: ApiKey) -> dict[str, Any]:
    """Return what may be shown of a key: everything but what its secrets hash to."""
    moments = {
        "created_at": key.created_at_ms,
        "expires_at": key.expires_at_ms,
        "rotated_at": key.rotated_at_ms,
        "revoked_at": key.revoked_at_ms,
        "last_used": key.last_used_ms,
        "old_secret_until": key.previous_until_ms or None,
    }
    return {
        "id": key.id,
        "name": key.name,
        "scope": key.scope,
        "roles": list(key.roles),
        "only": list(key.only),
        "permissions": sorted(key.permissions),
        "created_by": key.created_by,
        **{name: at and to_rfc3339(at) for name, at in moments.items()},
    }
