"""API keys in memory: for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from threading import Lock

from nba.access.keys import ApiKey
from nba.catalog.audit import AuditEntry
from nba.errors import ConflictError, NotFoundError


class MemoryKeyStore:
    """Keeps keys in a dictionary; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._keys: dict[str, ApiKey] = {}
        self.trail: list[AuditEntry] = []

    def keys(self) -> list[ApiKey]:
        """Return all keys, oldest first."""
        with self._lock:
            return list(self._keys.values())

    def add(self, key: ApiKey, entry: AuditEntry) -> None:
        """Keep a new key."""
        with self._lock:
            if key.id in self._keys or any(k.name == key.name for k in self._keys.values()):
                raise ConflictError(f"there is already a key named {key.name!r}")
            self._keys[key.id] = key
            self.trail.append(entry)

    def rotate(
        self, key_id: str, secret_hash: bytes, *, previous_until_ms: int, entry: AuditEntry
    ) -> None:
        """Put a new secret in place of the one there."""
        with self._lock:
            key = self._keys.get(key_id)
            if key is None or key.revoked_at_ms is not None:
                raise NotFoundError(f"there is no key {key_id!r} to rotate, or it is revoked")
            self._keys[key_id] = replace(
                key,
                secret_hash=secret_hash,
                previous_hash=key.secret_hash,
                previous_until_ms=previous_until_ms,
                rotated_at_ms=entry.at_ms,
            )
            self.trail.append(entry)

    def revoke(self, key_id: str, entry: AuditEntry) -> None:
        """End a key."""
        with self._lock:
            key = self._keys.get(key_id)
            if key is None:
                raise NotFoundError(f"there is no key {key_id!r}")
            if key.revoked_at_ms is None:
                self._keys[key_id] = replace(key, revoked_at_ms=entry.at_ms)
                self.trail.append(entry)

    def used(self, at_ms_by_id: Mapping[str, int]) -> None:
        """Note when keys were last used."""
        with self._lock:
            for key_id, at_ms in at_ms_by_id.items():
                key = self._keys.get(key_id)
                if key is not None and at_ms > (key.last_used_ms or 0):
                    self._keys[key_id] = replace(key, last_used_ms=at_ms)
