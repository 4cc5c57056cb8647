"""What is live, in tables: publications, versions of objects, and the spans they were live for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, insert, or_, select, update

from nba.catalog.audit_sql import append
from nba.catalog.changes import ChangeStatus
from nba.catalog.changes_sql import insert_change, update_change
from nba.catalog.database import OnDatabase
from nba.catalog.objects import ObjectKey, ObjectKind, Status
from nba.catalog.publications import (
    ObjectChange,
    ObjectVersion,
    Publication,
    PublicationDraft,
    Source,
    require_publishable,
)
from nba.catalog.tables import change_sets, object_spans, object_versions, plans, publications
from nba.errors import NotFoundError

_AT_ONCE = 500


class SqlObjectStore(OnDatabase):
    """Keeps objects and says what is live."""

    def publish(self, draft: PublicationDraft) -> Publication:
        """Make a saved plan live with all its objects and audit rows, or do nothing at all."""
        with self.database.write() as connection:
            if not connection.scalar(select(func.count()).where(plans.c.version == draft.version)):
                raise NotFoundError(f"plan {draft.version} is not saved")
            require_publishable(draft, _latest(connection), _held(connection, draft))
            publication = _insert_publication(connection, draft)
            if draft.change is not None:
                done = replace(draft.change, status=ChangeStatus.PUBLISHED, version=draft.version)
                if done.revision:
                    update_change(connection, done)
                else:
                    insert_change(connection, replace(done, revision=1))
            _apply(connection, list(draft.changes), publication)
            append(connection, draft.entries)
        return publication

    def current(self) -> str | None:
        """Return the version of the live plan."""
        query = select(publications.c.version).order_by(publications.c.id.desc()).limit(1)
        with self.database.read() as connection:
            return connection.scalar(query)

    def publications(self, limit: int) -> list[Publication]:
        """Return the latest publications, newest first."""
        query = select(publications).order_by(publications.c.id.desc()).limit(limit)
        with self.database.read() as connection:
            return [_publication(row) for row in connection.execute(query).mappings()]

    def last_publication(self, *, but: Source) -> Publication | None:
        """Return the latest publication that another than ``but`` made."""
        with self.database.read() as connection:
            return _latest(connection, publications.c.source != str(but))

    def publication_of(self, version: str) -> Publication | None:
        """Return the latest publication of a plan."""
        with self.database.read() as connection:
            return _latest(connection, publications.c.version == version)

    def live_objects(self, publication: int | None = None) -> list[ObjectVersion]:
        """Return all objects live now, or after a publication, by kind and id."""
        spans, versions = object_spans.c, object_versions.c
        live: ColumnElement[bool] = spans.until.is_(None)
        if publication is not None:
            live = and_(spans.since <= publication, or_(live, spans.until > publication))
        same = and_(
            versions.kind == spans.kind,
            versions.id == spans.id,
            versions.version == spans.version,
        )
        query: Select[Any] = select(object_versions).join(object_spans, same).where(live)
        with self.database.read() as connection:
            rows = connection.execute(query).mappings().all()
        found = [_object(row, Status.LIVE) for row in rows]
        return sorted(found, key=lambda version: version.key)

    def object_versions(self, key: ObjectKey) -> list[ObjectVersion]:
        """Return every version of an object that was ever live, oldest first."""
        spans, versions = object_spans.c, object_versions.c
        kind = str(key.kind)
        query = select(object_versions).where(versions.kind == kind, versions.id == key.id)
        live = select(spans.version).where(
            spans.kind == kind, spans.id == key.id, spans.until.is_(None)
        )
        with self.database.read() as connection:
            now = connection.scalar(live)
            rows = connection.execute(query.order_by(versions.version)).mappings().all()
        return [
            _object(row, Status.LIVE if row["version"] == now else Status.RETIRED) for row in rows
        ]


def _latest(connection: Connection, *where: Any) -> Publication | None:
    query = select(publications).where(*where).order_by(publications.c.id.desc()).limit(1)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _publication(row)


def _held(connection: Connection, draft: PublicationDraft) -> tuple[str, int] | None:
    if draft.change is None:
        return None
    query = select(change_sets.c.status, change_sets.c.revision)
    row = connection.execute(query.where(change_sets.c.id == draft.change.id)).one_or_none()
    return None if row is None else (row.status, row.revision)


def _insert_publication(connection: Connection, draft: PublicationDraft) -> Publication:
    values = {
        "version": draft.version,
        "source": str(draft.source),
        "change_set": "" if draft.change is None else draft.change.id,
        "actor": draft.actor,
        "at_ms": draft.at_ms,
    }
    row = insert(publications).values(**values).returning(publications)
    return _publication(connection.execute(row).mappings().one())


def _apply(connection: Connection, changes: list[ObjectChange], publication: Publication) -> None:
    """End the spans of what changes, keep new versions, and begin the spans of what is live."""
    latest = _latest_versions(connection, [change.key for change in changes])
    spans = object_spans.c
    added, begun = [], []
    for change in changes:
        kind, id_ = str(change.key.kind), change.key.id
        ended = update(object_spans).where(
            spans.kind == kind, spans.id == id_, spans.until.is_(None)
        )
        known, version = latest.get(change.key, 0), change.version
        if known:
            connection.execute(ended.values(until=publication.id))
        if version is not None and not 1 <= version <= known:
            raise NotFoundError(f"{change.key} has no version {version}, only {known}")
        if change.body is not None:
            version = known + 1
            added.append(_version_row(change, version, change.body, publication))
        if version is not None:
            begun.append({"kind": kind, "id": id_, "since": publication.id, "version": version})
    if added:
        connection.execute(insert(object_versions), added)
    if begun:
        connection.execute(insert(object_spans), begun)


def _version_row(
    change: ObjectChange, version: int, body: Any, publication: Publication
) -> dict[str, Any]:
    return {
        "kind": str(change.key.kind),
        "id": change.key.id,
        "version": version,
        "body": body,
        "note": change.note,
        "author": change.author,
        "at_ms": publication.at_ms,
        "change_set": publication.change_set,
    }


def _latest_versions(connection: Connection, keys: list[ObjectKey]) -> dict[ObjectKey, int]:
    versions = object_versions.c
    found: dict[ObjectKey, int] = {}
    for start in range(0, len(keys), _AT_ONCE):
        ids = {key.id for key in keys[start : start + _AT_ONCE]}
        query = select(versions.kind, versions.id, func.max(versions.version))
        query = query.where(versions.id.in_(ids)).group_by(versions.kind, versions.id)
        for kind, id_, version in connection.execute(query):
            found[ObjectKey(ObjectKind(kind), id_)] = version
    return found


def _publication(row: Any) -> Publication:
    return Publication(**{**row, "source": Source(row["source"])})


def _object(row: Any, status: Status) -> ObjectVersion:
    return ObjectVersion(
        key=ObjectKey(ObjectKind(row["kind"]), row["id"]),
        version=row["version"],
        body=row["body"],
        note=row["note"],
        author=row["author"],
        at_ms=row["at_ms"],
        change_set=row["change_set"],
        status=status,
    )
