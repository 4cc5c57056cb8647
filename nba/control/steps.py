"""What all steps of a change set share: where it may go next, and what is audited of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nba.catalog.audit import AuditEntry
from nba.catalog.changes import (
    STEPS,
    ChangeSet,
    ChangeStatus,
)
from nba.catalog.differences import changes_between
from nba.catalog.objects import Objects
from nba.catalog.publications import (
    ObjectChange,
)
from nba.catalog.store import ControlStore
from nba.control.candidate import Live, apply_items
from nba.decision.project import Definitions, definitions_of
from nba.domain.clock import Clock
from nba.errors import ConflictError, DefinitionError, Fault, NotFoundError
from nba.worker.publisher import Publisher


class ChangeSteps:
    """A change set on its way, each step audited.

    Parameters
    ----------
    control
        Where objects, change sets and plans are kept.
    publisher
        Compiles plans and makes earlier ones current.
    four_eyes
        Whether whoever approves a change set must have written none of it.

    """

    def __init__(
        self, control: ControlStore, publisher: Publisher, *, clock: Clock, four_eyes: bool
    ) -> None:
        self._control = control
        self._publisher = publisher
        self._clock = clock
        self._four_eyes = four_eyes

    def get(self, change_id: str) -> ChangeSet:
        """Return a change set; :class:`~nba.errors.NotFoundError` where there is none."""
        change = self._control.change(change_id)
        if change is None:
            raise NotFoundError(f"there is no change set {change_id!r}")
        return change

    def _entry(
        self,
        actor: str,
        verb: str,
        change: ChangeSet,
        note: str,
        diff: Mapping[str, Any] | None = None,
    ) -> AuditEntry:
        return AuditEntry(
            at_ms=self._clock(),
            actor=actor,
            verb=f"change.{verb}",
            subject=change.id,
            detail=note,
            diff=diff or {},
        )

    def _open(self, change_id: str) -> ChangeSet:
        change = self.get(change_id)
        if change.status is not ChangeStatus.OPEN:
            raise ConflictError(
                f"change set {change_id!r} is {change.status}; only an open one can be edited"
            )
        return change

    def _next(self, change_id: str, status: ChangeStatus) -> ChangeSet:
        change = self.get(change_id)
        allowed = STEPS[change.status]
        if status not in allowed:
            steps = " or ".join(allowed) or "nothing any more"
            raise ConflictError(
                f"change set {change_id!r} is {change.status} and cannot become {status}; it can "
                f"become {steps}"
            )
        return change

    def _move(
        self,
        change: ChangeSet,
        status: ChangeStatus,
        verb: str,
        actor: str,
        note: str,
        diff: Mapping[str, Any] | None = None,
    ) -> ChangeSet:
        told = {f"change_set/{change.id}": {"status": [change.status, status]}, **(diff or {})}
        entry = self._entry(actor, verb, change, note, told)
        return self._control.save_change(replace(change, status=status), entry)

    def _candidate(self, change: ChangeSet, live: Live) -> tuple[Objects, Definitions]:
        objects = apply_items(change.items, live.objects)
        faults: list[Fault] = []
        definitions = definitions_of(objects, live.source.definitions, faults)
        if definitions is None:
            raise DefinitionError(dict.fromkeys(faults))
        return objects, definitions

    def _object_changes(
        self, change: ChangeSet, live: Live, objects: Objects
    ) -> list[ObjectChange]:
        authors = {item.key: (item.author, item.note or change.note) for item in change.items}
        found = changes_between(
            live.versions.values(), objects, note=change.note, author=change.author
        )
        return [
            replace(one, author=authors[one.key][0], note=authors[one.key][1])
            if one.key in authors
            else one
            for one in found
        ]
