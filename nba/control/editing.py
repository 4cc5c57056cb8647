"""Edits of a change set: what each may be, checked as far as one object can be checked alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nba.catalog.changes import ChangeItem, ChangeSet, Operation
from nba.catalog.loader import declare
from nba.catalog.object_documents import SECTIONS, body_faults, object_document, plain
from nba.catalog.objects import PROJECT_ID, Body, ObjectKey, ObjectKind
from nba.catalog.suggestions import nearest
from nba.control.candidate import Live, apply_items, edited_object
from nba.documents import convert
from nba.domain.ids import MAX_ID_LENGTH
from nba.errors import ConflictError, Fault, InputError, NotFoundError
from nba.features import SegmentDefinition
from nba.policies import read_policies


def key_of(kind: str, id_: str) -> ObjectKey:
    """Return which object is meant.

    Raises :class:`~nba.errors.NotFoundError` where there is no such kind, and
    :class:`~nba.errors.InputError` where the id can be none.
    """
    kinds = {str(known): known for known in ObjectKind}
    if kind not in kinds:
        raise NotFoundError(f"there is no kind {kind!r}; {nearest(kind, kinds)}")
    if kinds[kind] is ObjectKind.PROJECT and id_ != PROJECT_ID:
        raise NotFoundError(f"there is no project {id_!r}; the one project is {PROJECT_ID!r}")
    if not id_.strip() or len(id_) > MAX_ID_LENGTH:
        found = f"{kind} id of {len(id_)} characters"
        raise InputError([Fault("/id", found, f"1 to {MAX_ID_LENGTH} characters are expected")])
    return ObjectKey(kinds[kind], id_)


def fitting_body(key: ObjectKey, body: Any) -> Body:
    """Return a body that fits the schema of its kind, its id filled in where it is left out.

    Raises :class:`~nba.errors.InputError` with a JSON pointer to everything that does not fit;
    what it says about other objects is looked at when the change set is checked.
    """
    if not isinstance(body, Mapping):
        expected = f"a mapping is expected, as a {key.kind} is in files"
        raise InputError([Fault("", f"found {type(body).__name__}", expected)])
    id_key = SECTIONS[key.kind].id_key
    whole: dict[str, Any] = plain(body)
    if id_key and id_key not in whole:
        whole = {id_key: key.id, **whole}
    faults = list(body_faults(key, whole)) or list(_shape_faults(key, whole))
    if faults:
        raise InputError(faults)
    return whole


def _shape_faults(key: ObjectKey, body: Body) -> list[Fault]:
    document = object_document(key, body)
    faults: list[Fault] = []
    if key.kind is ObjectKind.POLICY:
        for located in read_policies([document], faults):
            faults.extend(
                Fault(located.place(problem.field), problem.found, problem.expected)
                for problem in located.policy.problems()
            )
    elif key.kind is ObjectKind.SEGMENT:
        convert(document, body, SegmentDefinition, faults, "segments", 0)
    else:
        faults.extend(declare([document], folder="catalog").faults)
    prefix = len(str(key))
    return [replace(fault, place=fault.place[prefix:]) for fault in faults]


def with_edit(
    change: ChangeSet, item: ChangeItem, live: Live, base_version: int | None
) -> ChangeSet:
    """Return a change set with one more edit, which takes the place of an earlier one of its kind.

    Raises :class:`~nba.errors.ConflictError` where the edit was made of a version of the object
    that is not the live one, and :class:`~nba.errors.NotFoundError` where there is nothing to
    retire, rename or merge.
    """
    key = edited_object(item)
    now = live.version_of(key)
    if base_version is not None and base_version != now:
        held = live.versions.get(key)
        by = "nobody has it live" if held is None else f"version {now} is live, by {held.author!r}"
        if held is not None and held.change_set:
            by += f" in change set {held.change_set!r}"
        raise ConflictError(f"{key} was edited from version {base_version}, but {by}")
    earlier = next((old for old in change.items if _replaces(item, old)), None)
    if earlier is not None and base_version is None:
        now = earlier.base_version
    kept = tuple(old for old in change.items if old is not earlier)
    if item.operation is Operation.RETIRE and key not in live.versions:
        known = [other.id for other in live.versions if other.kind is key.kind]
        raise NotFoundError(f"{key} is not live, so it cannot be retired; {nearest(key.id, known)}")
    changed = replace(change, items=(*kept, replace(item, base_version=now)))
    if item.operation in {Operation.RENAME, Operation.MERGE}:
        apply_items(changed.items, live.objects)
    return changed


def without_edit(change: ChangeSet, key: ObjectKey) -> ChangeSet:
    """Return a change set without its edits of an object or term.

    Raises :class:`~nba.errors.NotFoundError` where it has none.
    """
    kept = tuple(item for item in change.items if item.key != key)
    if len(kept) == len(change.items):
        edited = ", ".join(str(item.key) for item in change.items) or "nothing"
        raise NotFoundError(f"change set {change.id!r} does not edit {key}; it edits {edited}")
    return replace(change, items=kept)


def _replaces(item: ChangeItem, old: ChangeItem) -> bool:
    objects = {Operation.PUT, Operation.RETIRE}
    return item.key == old.key and (item.operation in objects) == (old.operation in objects)
