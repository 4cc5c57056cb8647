"""Change sets: edits gathered under a name, reviewed, and published together.

A change set is ``open`` while it is edited, then ``in_review``, ``approved`` and ``published``;
until then it may be reopened or ``abandoned``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from nba.catalog.audit import AuditEntry
from nba.catalog.objects import Body, ObjectKey
from nba.errors import ConflictError, NotFoundError


class ChangeStatus(StrEnum):
    """How far a change set has come."""

    OPEN = "open"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    PUBLISHED = "published"
    ABANDONED = "abandoned"


STEPS = {
    ChangeStatus.OPEN: (ChangeStatus.IN_REVIEW, ChangeStatus.ABANDONED),
    ChangeStatus.IN_REVIEW: (ChangeStatus.APPROVED, ChangeStatus.OPEN, ChangeStatus.ABANDONED),
    ChangeStatus.APPROVED: (ChangeStatus.PUBLISHED, ChangeStatus.OPEN, ChangeStatus.ABANDONED),
    ChangeStatus.PUBLISHED: (),
    ChangeStatus.ABANDONED: (),
}
"""Where a change set may go from each status."""


class Operation(StrEnum):
    """What an item does: ``put`` and ``retire`` an object, ``rename`` and ``merge`` a term."""

    PUT = "put"
    RETIRE = "retire"
    RENAME = "rename"
    MERGE = "merge"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeItem:
    """One edit.

    ``body`` is what an object is to say (``put``), ``target`` what a term is to be called or to
    become part of (``rename``, ``merge``: the id is the term). ``base_version`` is the version of
    the object that was live when it was edited, 0 where it was not there.
    """

    key: ObjectKey
    operation: Operation
    body: Body | None = None
    target: str = ""
    base_version: int
    author: str
    note: str = ""
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who approved a change set, and why."""

    actor: str
    note: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSet:
    """Edits under a name, in the order in which they apply.

    ``base`` is the plan that was live when it was opened; ``revision`` counts what was done to it,
    so that a stale write is refused. ``version`` is the plan it was published as.
    """

    id: str
    name: str
    author: str
    note: str
    at_ms: int
    base: str
    status: ChangeStatus = ChangeStatus.OPEN
    revision: int = 0
    version: str = ""
    items: tuple[ChangeItem, ...] = field(default=())
    approvals: tuple[Approval, ...] = field(default=())

    @property
    def authors(self) -> frozenset[str]:
        """Everyone who wrote some of it."""
        return frozenset({self.author, *(item.author for item in self.items)})


class ChangeStore(Protocol):
    """The part of the control store that keeps change sets."""

    def add_change(self, change: ChangeSet, entry: AuditEntry) -> None:
        """Keep a new change set; :class:`~nba.errors.ConflictError` where the id is taken."""

    def save_change(self, change: ChangeSet, entry: AuditEntry) -> ChangeSet:
        """Keep a change set in the place of the revision it names; return it with the next one.

        Raises :class:`~nba.errors.NotFoundError` where there is none, and
        :class:`~nba.errors.ConflictError` where somebody saved another revision meanwhile.
        """

    def change(self, change_id: str) -> ChangeSet | None:
        """Return a change set with all its items."""

    def changes(self, limit: int, status: ChangeStatus | None = None) -> list[ChangeSet]:
        """Return the latest change sets with all their items, newest first."""


def next_revision(change: ChangeSet, held: int | None) -> int:
    """Return the revision a change set is saved as; ``held`` is the one that is kept.

    Raises :class:`~nba.errors.NotFoundError` where none is, and
    :class:`~nba.errors.ConflictError` where it is another than ``change`` was read at.
    """
    if held is None:
        raise NotFoundError(f"there is no change set {change.id!r}")
    if held != change.revision:
        raise ConflictError(
            f"change set {change.id!r} was changed meanwhile: it is at revision {held}, not "
            f"{change.revision}; read it again"
        )
    return held + 1
