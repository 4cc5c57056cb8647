"""What is live: plans made live one after the other, and the version of every object in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from nba.catalog.audit import AuditEntry
from nba.catalog.changes import ChangeSet, ChangeStatus
from nba.catalog.objects import Body, ObjectKey, Status
from nba.errors import ConflictError, NotFoundError


class Source(StrEnum):
    """What made a plan live."""

    FILES = "files"
    CHANGE = "change"
    MODEL = "model"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectVersion:
    """One version of an object that is, or was, live."""

    key: ObjectKey
    version: int
    body: Body
    note: str
    author: str
    at_ms: int
    change_set: str
    status: Status

    @property
    def owner(self) -> str:
        """Who answers for it, as far as its body says."""
        owner = self.body.get("owner", "")
        return owner if isinstance(owner, str) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectChange:
    """What a publication does to one object.

    It goes live with a ``body`` (a new version), with a ``version`` it had before, or, where
    neither is given, it is retired.
    """

    key: ObjectKey
    body: Body | None = None
    version: int | None = None
    author: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A plan that was made live, in the order of ``id``."""

    id: int
    version: str
    source: Source
    change_set: str
    actor: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationDraft:
    """A plan to make live, with everything that changes with it.

    ``expected`` is the id of the publication it was made on, 0 where there was none. A change set
    of revision 0 is new and is kept with it.
    """

    version: str
    source: Source
    expected: int
    at_ms: int
    actor: str
    entries: Sequence[AuditEntry]
    changes: Sequence[ObjectChange] = ()
    change: ChangeSet | None = None


class ObjectStore(Protocol):
    """The part of the control store that keeps objects and says what is live."""

    def publish(self, draft: PublicationDraft) -> Publication:
        """Make a saved plan live with all its objects and audit rows, or do nothing at all.

        A change set is published with it where one is given.

        Raises
        ------
        NotFoundError
            The plan is not saved, or a version of an object is not there.
        ConflictError
            Something else was published meanwhile, or the change set is not approved, or not
            any more what was given.

        """

    def publications(self, limit: int) -> list[Publication]:
        """Return the latest publications, newest first."""

    def last_publication(self, *, but: Source) -> Publication | None:
        """Return the latest publication that another than ``but`` made."""

    def publication_of(self, version: str) -> Publication | None:
        """Return the latest publication of a plan."""

    def live_objects(self, publication: int | None = None) -> list[ObjectVersion]:
        """Return all objects live now, or after a publication, by kind and id."""

    def object_versions(self, key: ObjectKey) -> list[ObjectVersion]:
        """Return every version of an object that was ever live, oldest first."""

    def current(self) -> str | None:
        """Return the version of the live plan."""


class StaleError(ConflictError):
    """Something was published after what a plan was made on; making it anew may succeed."""


def require_publishable(
    draft: PublicationDraft, latest: Publication | None, held: tuple[str, int] | None
) -> None:
    """Refuse a draft that was made on what is not live any more, or whose review is not over.

    ``held`` is the status and the revision of its change set as they are kept.
    """
    live = 0 if latest is None else latest.id
    if live != draft.expected:
        by = "" if latest is None else f": {latest.actor!r} made plan {latest.version} live"
        raise StaleError(
            f"something was published meanwhile{by}, and plan {draft.version} was not made on that"
        )
    change = draft.change
    if change is None or not change.revision:
        return
    if held is None:
        raise NotFoundError(f"there is no change set {change.id!r}")
    status, revision = held
    if status != ChangeStatus.APPROVED or revision != change.revision:
        raise ConflictError(
            f"change set {change.id!r} is {status} at revision {revision}; what is published is "
            f"approved, and here that was revision {change.revision}"
        )
