"""Releases: what was approved made live, earlier plans made live again, and what was live when."""

from __future__ import annotations

from collections.abc import Callable

from nba.catalog.audit import AuditBreak, AuditEntry, AuditRow
from nba.catalog.changes import (
    ChangeStatus,
)
from nba.catalog.differences import diff_of
from nba.catalog.objects import ObjectKind
from nba.catalog.publications import (
    ObjectVersion,
    Publication,
    PublicationDraft,
    Source,
    StaleError,
)
from nba.control.candidate import read_live, require_current
from nba.control.editing import key_of
from nba.control.steps import ChangeSteps
from nba.decision.artifact import unpack_plan
from nba.errors import ConflictError, NotFoundError
from nba.worker.publisher import ROLLBACK

_TRIES = 8

BringIn = Callable[[str, Callable[[], None]], None]
"""Called with a plan whose profiles are of another layout, and what makes it current."""


class Releases(ChangeSteps):
    """Makes plans live."""

    def publish(self, change_id: str, actor: str, note: str = "") -> Publication:
        """Make what was approved live, all of it at once.

        What others published meanwhile stays, as long as it is of other objects.

        Raises
        ------
        ConflictError
            It is not approved, or an object it edits changed meanwhile.
        DefinitionError
            With what is live by now it has faults.

        """
        for _ in range(_TRIES):
            change = self._next(change_id, ChangeStatus.PUBLISHED)
            live = read_live(self._control)
            require_current(change.items, live)
            objects, definitions = self._candidate(change, live)
            reason = note or change.note
            plan = self._publisher.keep_definitions(
                definitions, live.source, note=f"{change.name}: {reason}", author=actor
            )
            changes = self._object_changes(change, live, objects)
            diff = diff_of(live.versions.values(), changes)
            entry = AuditEntry(
                at_ms=self._clock(),
                actor=actor,
                verb="publish",
                subject=plan.digest,
                detail=reason,
                diff={f"change_set/{change.id}": {"status": [change.status, "published"]}, **diff},
            )
            draft = PublicationDraft(
                version=plan.digest,
                source=Source.CHANGE,
                expected=live.publication.id,
                at_ms=entry.at_ms,
                actor=actor,
                entries=[entry],
                changes=changes,
                change=change,
            )
            try:
                return self._control.publish(draft)
            except StaleError:
                continue
        raise ConflictError(f"others kept publishing before {change_id!r} could be; try again")

    def rollback(
        self, version: str, actor: str, note: str = "", *, bring_in: BringIn | None = None
    ) -> Publication:
        """Make an earlier plan live again, with the objects it was live with.

        Where its profiles are of another layout than the live ones it must be brought in step by
        step, which ``bring_in`` does.

        Raises :class:`~nba.errors.NotFoundError` where it was never live, and
        :class:`~nba.errors.ConflictError` where it is live, or is of another layout.
        """
        digest = version.partition(".")[0]
        latest = self._control.publications(1)
        earlier, artifact = self._control.publication_of(digest), self._control.plan(digest)
        if earlier is None or artifact is None:
            known = ", ".join(dict.fromkeys(row.version for row in self._control.publications(5)))
            raise NotFoundError(f"there is no plan {digest!r}; the latest are {known or 'none'}")
        if latest[0].version == digest:
            raise ConflictError(f"plan {digest} is live already")
        coming = unpack_plan(artifact).features
        live = read_live(self._control).source.features

        def make_current() -> None:
            self._publisher.make_current(digest, note=note, author=actor, verb=ROLLBACK)

        if coming.layout_id == live.layout_id:
            make_current()
        elif bring_in is not None:
            bring_in(digest, make_current)
        else:
            raise ConflictError(
                f"plan {digest} packs profiles otherwise than the live one; `nba rollback {digest}`"
                " brings it in step by step"
            )
        return self._control.publications(1)[0]

    def publications(self, limit: int = 20) -> list[Publication]:
        """Return what was made live, newest first."""
        return self._control.publications(limit)

    def objects(self, kind: str | None = None) -> list[ObjectVersion]:
        """Return all live objects, or those of a kind, by kind and id."""
        known = {str(member) for member in ObjectKind}
        if kind is not None and kind not in known:
            raise NotFoundError(f"there is no kind {kind!r}; known: {', '.join(sorted(known))}")
        return [held for held in self._control.live_objects() if kind in {None, held.key.kind}]

    def versions(self, kind: str, object_id: str) -> list[ObjectVersion]:
        """Return every version of an object that was ever live, oldest first."""
        key = key_of(kind, object_id)
        found = self._control.object_versions(key)
        if not found:
            raise NotFoundError(f"there is no {key}, and there never was")
        return found

    def audit_log(self, limit: int = 100, *, before: int | None = None) -> list[AuditRow]:
        """Return the latest rows of the audit trail, newest first."""
        return self._control.audit_log(limit, before=before)

    def verify_audit(self) -> AuditBreak | None:
        """Recompute the audit trail's chain; return the first row that breaks it."""
        return self._control.verify_audit()
