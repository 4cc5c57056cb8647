"""Change sets in tables: one row each, its items and approvals beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Select, Table, delete, insert, select, update

from nba.catalog.audit import AuditEntry
from nba.catalog.audit_sql import append
from nba.catalog.changes import (
    Approval,
    ChangeItem,
    ChangeSet,
    ChangeStatus,
    Operation,
    next_revision,
)
from nba.catalog.database import OnDatabase
from nba.catalog.objects import ObjectKey, ObjectKind
from nba.catalog.tables import change_approvals, change_items, change_sets


class SqlChangeStore(OnDatabase):
    """Keeps change sets."""

    def add_change(self, change: ChangeSet, entry: AuditEntry) -> None:
        """Keep a new change set."""
        conflict = f"change set {change.id!r} is there already"
        with self.database.write(conflict) as connection:
            insert_change(connection, change)
            append(connection, [entry])

    def save_change(self, change: ChangeSet, entry: AuditEntry) -> ChangeSet:
        """Keep a change set in the place of the revision it names."""
        with self.database.write() as connection:
            saved = update_change(connection, change)
            append(connection, [entry])
        return saved

    def change(self, change_id: str) -> ChangeSet | None:
        """Return a change set with all its items."""
        with self.database.read() as connection:
            found = _changes(connection, select(change_sets).where(change_sets.c.id == change_id))
        return found[0] if found else None

    def changes(self, limit: int, status: ChangeStatus | None = None) -> list[ChangeSet]:
        """Return the latest change sets with all their items, newest first."""
        query = select(change_sets).order_by(change_sets.c.row.desc()).limit(limit)
        if status is not None:
            query = query.where(change_sets.c.status == status)
        with self.database.read() as connection:
            return _changes(connection, query)


def insert_change(connection: Connection, change: ChangeSet) -> None:
    """Add a change set within the caller's transaction."""
    connection.execute(insert(change_sets).values(id=change.id, **_columns(change)))
    _insert_parts(connection, change)


def update_change(connection: Connection, change: ChangeSet) -> ChangeSet:
    """Save a change set over the revision it names, within the caller's transaction."""
    of_id = change_sets.c.id == change.id
    held = connection.scalar(select(change_sets.c.revision).where(of_id))
    saved = replace(change, revision=next_revision(change, held))
    connection.execute(update(change_sets).where(of_id).values(**_columns(saved)))
    for table in (change_items, change_approvals):
        connection.execute(delete(table).where(table.c.change_set == change.id))
    _insert_parts(connection, saved)
    return saved


def _columns(change: ChangeSet) -> dict[str, Any]:
    return {
        "name": change.name,
        "author": change.author,
        "note": change.note,
        "at_ms": change.at_ms,
        "base": change.base,
        "status": str(change.status),
        "revision": change.revision,
        "version": change.version,
    }


def _insert_parts(connection: Connection, change: ChangeSet) -> None:
    items = [
        {
            "change_set": change.id,
            "position": position,
            "kind": str(item.key.kind),
            "id": item.key.id,
            "operation": str(item.operation),
            "body": item.body,
            "target": item.target,
            "base_version": item.base_version,
            "author": item.author,
            "note": item.note,
            "at_ms": item.at_ms,
        }
        for position, item in enumerate(change.items)
    ]
    approvals = [
        {
            "change_set": change.id,
            "position": position,
            "actor": approval.actor,
            "note": approval.note,
            "at_ms": approval.at_ms,
        }
        for position, approval in enumerate(change.approvals)
    ]
    if items:
        connection.execute(insert(change_items), items)
    if approvals:
        connection.execute(insert(change_approvals), approvals)


def _changes(connection: Connection, query: Select[Any]) -> list[ChangeSet]:
    rows = connection.execute(query).mappings().all()
    ids = [row["id"] for row in rows]
    items: defaultdict[str, list[ChangeItem]] = defaultdict(list)
    for row in _parts(connection, change_items, ids):
        items[row["change_set"]].append(
            ChangeItem(
                key=ObjectKey(ObjectKind(row["kind"]), row["id"]),
                operation=Operation(row["operation"]),
                body=row["body"],
                target=row["target"],
                base_version=row["base_version"],
                author=row["author"],
                note=row["note"],
                at_ms=row["at_ms"],
            )
        )
    approvals: defaultdict[str, list[Approval]] = defaultdict(list)
    for row in _parts(connection, change_approvals, ids):
        approval = Approval(actor=row["actor"], note=row["note"], at_ms=row["at_ms"])
        approvals[row["change_set"]].append(approval)
    return [
        ChangeSet(
            id=row["id"],
            name=row["name"],
            author=row["author"],
            note=row["note"],
            at_ms=row["at_ms"],
            base=row["base"],
            status=ChangeStatus(row["status"]),
            revision=row["revision"],
            version=row["version"],
            items=tuple(items[row["id"]]),
            approvals=tuple(approvals[row["id"]]),
        )
        for row in rows
    ]


def _parts(connection: Connection, table: Table, ids: Sequence[str]) -> Sequence[Any]:
    query = select(table).where(table.c.change_set.in_(ids)).order_by(table.c.position)
    return connection.execute(query).mappings().all()
