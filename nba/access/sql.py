"""API keys in the control store's database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from sqlalchemy import RowMapping, func, insert, select, update

from nba.access.keys import ApiKey
from nba.access.roles import Permission, Role, Scope
from nba.access.tables import api_keys
from nba.catalog.audit import AuditEntry
from nba.catalog.audit_sql import append
from nba.catalog.database import Database
from nba.errors import NotFoundError


class SqlKeyStore:
    """Keeps keys in a table; safe to use from several threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keys(self) -> list[ApiKey]:
        """Return all keys, oldest first."""
        query = select(api_keys).order_by(api_keys.c.created_at_ms, api_keys.c.id)
        with self._database.read() as connection:
            return [_key(row) for row in connection.execute(query).mappings()]

    def add(self, key: ApiKey, entry: AuditEntry) -> None:
        """Keep a new key."""
        row = {**asdict(key), "roles": list(key.roles), "only": list(key.only)}
        with self._database.write(f"there is already a key named {key.name!r}") as connection:
            connection.execute(insert(api_keys).values(row))
            append(connection, [entry])

    def rotate(
        self, key_id: str, secret_hash: bytes, *, previous_until_ms: int, entry: AuditEntry
    ) -> None:
        """Put a new secret in place of the one there."""
        table = api_keys.c
        change = update(api_keys).where(table.id == key_id, table.revoked_at_ms.is_(None))
        change = change.values(
            previous_hash=table.secret_hash,
            secret_hash=secret_hash,
            previous_until_ms=previous_until_ms,
            rotated_at_ms=entry.at_ms,
        )
        with self._database.write() as connection:
            if connection.execute(change).rowcount == 0:
                raise NotFoundError(f"there is no key {key_id!r} to rotate, or it is revoked")
            append(connection, [entry])

    def revoke(self, key_id: str, entry: AuditEntry) -> None:
        """End a key."""
        table = api_keys.c
        change = update(api_keys).where(table.id == key_id, table.revoked_at_ms.is_(None))
        with self._database.write() as connection:
            if connection.execute(change.values(revoked_at_ms=entry.at_ms)).rowcount:
                append(connection, [entry])
            elif connection.scalar(select(table.id).where(table.id == key_id)) is None:
                raise NotFoundError(f"there is no key {key_id!r}")

    def used(self, at_ms_by_id: Mapping[str, int]) -> None:
        """Note when keys were last used."""
        last = func.coalesce(api_keys.c.last_used_ms, 0)
        with self._database.write() as connection:
            for key_id, at_ms in sorted(
                at_ms_by_id.items()
            ):  # one order, so that none wait in a ring
                change = update(api_keys).where(api_keys.c.id == key_id, last < at_ms)
                connection.execute(change.values(last_used_ms=at_ms))


def _key(row: RowMapping) -> ApiKey:
    columns = dict(row)
    columns["scope"] = Scope(columns["scope"])
    columns["roles"] = tuple(map(Role, columns["roles"]))
    columns["only"] = tuple(map(Permission, columns["only"]))
    return ApiKey(**columns)
