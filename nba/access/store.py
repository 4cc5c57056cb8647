"""Where API keys are kept: the port. Cold path and synchronous; replicas read all keys at once.

What is done to a key is written to the audit trail in the same step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from nba.access.keys import ApiKey
from nba.catalog.audit import AuditEntry


class KeyStore(Protocol):
    """Keeps keys for ever: a revoked one stays, so that its name never means another.

    Every call raises :class:`~nba.errors.UnavailableError` where the store does not answer.
    """

    def keys(self) -> list[ApiKey]:
        """Return all keys, oldest first."""

    def add(self, key: ApiKey, entry: AuditEntry) -> None:
        """Keep a new key; :class:`~nba.errors.ConflictError` where its name or id is taken."""

    def rotate(
        self, key_id: str, secret_hash: bytes, *, previous_until_ms: int, entry: AuditEntry
    ) -> None:
        """Put a new secret in place of the one there, which stays good for a while.

        Raises :class:`~nba.errors.NotFoundError` where there is no such key, or it is revoked.
        """

    def revoke(self, key_id: str, entry: AuditEntry) -> None:
        """End a key; one that is already revoked keeps its moment.

        Raises :class:`~nba.errors.NotFoundError` where there is no such key.
        """

    def used(self, at_ms_by_id: Mapping[str, int]) -> None:
        """Note when keys were last used; an earlier moment changes nothing."""
