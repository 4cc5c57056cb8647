"""Audit trail, change sets and what is live, in memory; part of the control store's fake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import RLock

from nba.catalog.audit import AuditBreak, AuditEntry, AuditRow, chained, verify
from nba.catalog.changes import ChangeSet, ChangeStatus, next_revision
from nba.catalog.objects import ObjectKey, Status
from nba.catalog.publications import (
    ObjectChange,
    ObjectVersion,
    Publication,
    PublicationDraft,
    Source,
    require_publishable,
)
from nba.errors import ConflictError, NotFoundError


class MemoryHistory:
    """Keeps everything in lists and dictionaries; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._artifacts: dict[str, bytes] = {}
        self._publications: list[Publication] = []
        self._live: list[dict[ObjectKey, int]] = []
        self._versions: dict[ObjectKey, list[ObjectVersion]] = {}
        self._changes: dict[str, ChangeSet] = {}
        self._audit: list[AuditRow] = []

    def audit(self, entry: AuditEntry) -> AuditRow:
        """Append to the audit trail."""
        with self._lock:
            row = chained(entry, self._audit[-1] if self._audit else None)
            self._audit.append(row)
        return row

    def audit_log(self, limit: int, *, before: int | None = None) -> list[AuditRow]:
        """Return the latest rows, newest first; those before a sequence where one is given."""
        with self._lock:
            rows = [row for row in self._audit if before is None or row.sequence < before]
        return rows[::-1][:limit]

    def verify_audit(self) -> AuditBreak | None:
        """Recompute the chain from its beginning; return the first row that breaks it."""
        with self._lock:
            return verify(self._audit)

    def add_change(self, change: ChangeSet, entry: AuditEntry) -> None:
        """Keep a new change set."""
        with self._lock:
            if change.id in self._changes:
                raise ConflictError(f"change set {change.id!r} is there already")
            self._changes[change.id] = change
            self.audit(entry)

    def save_change(self, change: ChangeSet, entry: AuditEntry) -> ChangeSet:
        """Keep a change set in the place of the revision it names."""
        with self._lock:
            saved = self._replace(change)
            self.audit(entry)
        return saved

    def _replace(self, change: ChangeSet) -> ChangeSet:
        held = self._changes.get(change.id)
        revision = next_revision(change, None if held is None else held.revision)
        self._changes[change.id] = replace(change, revision=revision)
        return self._changes[change.id]

    def change(self, change_id: str) -> ChangeSet | None:
        """Return a change set with all its items."""
        return self._changes.get(change_id)

    def changes(self, limit: int, status: ChangeStatus | None = None) -> list[ChangeSet]:
        """Return the latest change sets with all their items, newest first."""
        with self._lock:
            found = [held for held in self._changes.values() if status in {None, held.status}]
        return found[::-1][:limit]

    def publish(self, draft: PublicationDraft) -> Publication:
        """Make a saved plan live with all its objects and audit rows, or do nothing at all."""
        change = draft.change
        with self._lock:
            if draft.version not in self._artifacts:
                raise NotFoundError(f"plan {draft.version} is not saved")
            held = None if change is None else self._changes.get(change.id)
            latest = self._publications[-1] if self._publications else None
            require_publishable(
                draft, latest, None if held is None else (str(held.status), held.revision)
            )
            publication = Publication(
                id=len(self._publications) + 1,
                version=draft.version,
                source=draft.source,
                change_set="" if change is None else change.id,
                actor=draft.actor,
                at_ms=draft.at_ms,
            )
            live = self._apply(draft.changes, publication)
            if change is not None:
                done = replace(change, status=ChangeStatus.PUBLISHED, version=draft.version)
                self._changes[change.id] = replace(done, revision=change.revision + 1)
            self._publications.append(publication)
            self._live.append(live)
            for entry in draft.entries:
                self.audit(entry)
        return publication

    def _apply(
        self, changes: Sequence[ObjectChange], publication: Publication
    ) -> dict[ObjectKey, int]:
        """Keep new versions; return which version of each object is live with them."""
        for change in changes:
            known = len(self._versions.get(change.key, ()))
            if change.version is not None and not 1 <= change.version <= known:
                raise NotFoundError(f"{change.key} has no version {change.version}, only {known}")
        live = dict(self._live[-1]) if self._live else {}
        for change in changes:
            live.pop(change.key, None)
            versions = self._versions.setdefault(change.key, [])
            if change.version is not None:
                live[change.key] = change.version
            if change.body is not None:
                live[change.key] = len(versions) + 1
                versions.append(
                    ObjectVersion(
                        key=change.key,
                        version=len(versions) + 1,
                        body=change.body,
                        note=change.note,
                        author=change.author,
                        at_ms=publication.at_ms,
                        change_set=publication.change_set,
                        status=Status.RETIRED,
                    )
                )
        return live

    def current(self) -> str | None:
        """Return the version of the live plan."""
        with self._lock:
            return self._publications[-1].version if self._publications else None

    def publications(self, limit: int) -> list[Publication]:
        """Return the latest publications, newest first."""
        with self._lock:
            return self._publications[::-1][:limit]

    def last_publication(self, *, but: Source) -> Publication | None:
        """Return the latest publication that another than ``but`` made."""
        with self._lock:
            found = (row for row in reversed(self._publications) if row.source is not but)
            return next(found, None)

    def publication_of(self, version: str) -> Publication | None:
        """Return the latest publication of a plan."""
        with self._lock:
            found = (row for row in reversed(self._publications) if row.version == version)
            return next(found, None)

    def live_objects(self, publication: int | None = None) -> list[ObjectVersion]:
        """Return all objects live now, or after a publication, by kind and id."""
        with self._lock:
            if not self._live:
                return []
            live = self._live[-1 if publication is None else publication - 1]
            return [
                replace(self._versions[key][version - 1], status=Status.LIVE)
                for key, version in sorted(live.items())
            ]

    def object_versions(self, key: ObjectKey) -> list[ObjectVersion]:
        """Return every version of an object that was ever live, oldest first."""
        with self._lock:
            now = self._live[-1].get(key) if self._live else None
            return [
                replace(held, status=Status.LIVE) if held.version == now else held
                for held in self._versions.get(key, ())
            ]
