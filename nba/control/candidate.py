"""What a change set would make live: its edits applied to the objects that are live now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nba.catalog.changes import ChangeItem, Operation
from nba.catalog.objects import Body, ObjectKey, Objects
from nba.catalog.publications import ObjectVersion, Publication
from nba.catalog.store import ControlStore
from nba.catalog.taxonomy_changes import merge_terms, rename_term
from nba.decision.artifact import PlanSource, unpack_plan
from nba.errors import ConflictError, NotFoundError


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What is live at one moment: the publication, its plan's source, and its objects."""

    publication: Publication
    source: PlanSource
    versions: dict[ObjectKey, ObjectVersion]

    @property
    def objects(self) -> dict[ObjectKey, Body]:
        """The bodies of the objects."""
        return {key: version.body for key, version in self.versions.items()}

    def version_of(self, key: ObjectKey) -> int:
        """Return the version of an object, 0 where it is not live."""
        held = self.versions.get(key)
        return 0 if held is None else held.version


def read_live(control: ControlStore) -> Live:
    """Return what is live now.

    Raises :class:`~nba.errors.NotFoundError` where nothing is.
    """
    latest = control.publications(1)
    artifact = control.plan(latest[0].version) if latest else None
    if artifact is None:
        raise NotFoundError("no plan is live yet; `nba publish` makes a project's files live")
    held = control.live_objects(latest[0].id)
    return Live(
        publication=latest[0],
        source=unpack_plan(artifact),
        versions={version.key: version for version in held},
    )


def apply_items(items: Iterable[ChangeItem], objects: Objects) -> dict[ObjectKey, Body]:
    """Return objects with edits applied one after the other.

    Raises :class:`~nba.errors.InputError` where a term cannot be renamed or merged.
    """
    after = dict(objects)
    for item in items:
        if item.operation is Operation.RETIRE:
            after.pop(item.key, None)
        elif item.operation is Operation.PUT and item.body is not None:
            after[item.key] = item.body
        elif item.operation is Operation.RENAME:
            dimension, _, path = item.key.id.partition(":")
            after.update(rename_term(after, dimension, path, item.target))
        elif item.operation is Operation.MERGE:
            dimension, _, path = item.key.id.partition(":")
            after.update(merge_terms(after, dimension, [path], item.target))
    return after


def conflicts(items: Iterable[ChangeItem], live: Live) -> list[str]:
    """Say which objects somebody else published a version of since they were edited."""
    found = []
    for item in items:
        key = edited_object(item)
        now = live.version_of(key)
        if now == item.base_version:
            continue
        was = f"version {item.base_version}" if item.base_version else "not there"
        held = live.versions.get(key)
        if held is None:
            found.append(f"{key} was {was} when it was edited and is retired now")
            continue
        by = (
            f"{held.author!r} in change set {held.change_set!r}" if held.change_set else held.author
        )
        found.append(f"{key} was {was} when it was edited and is version {now} now, by {by}")
    return found


def edited_object(item: ChangeItem) -> ObjectKey:
    """Return the object an edit is of: that of a term is its dimension."""
    if item.operation in {Operation.RENAME, Operation.MERGE}:
        return ObjectKey(item.key.kind, item.key.id.partition(":")[0])
    return item.key


def require_current(items: Iterable[ChangeItem], live: Live) -> None:
    """Raise :class:`~nba.errors.ConflictError` naming all that changed meanwhile."""
    if found := conflicts(items, live):
        raise ConflictError(
            f"changed meanwhile: {'; '.join(found)}. Discard those edits and make them anew"
        )
