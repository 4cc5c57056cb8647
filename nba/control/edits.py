"""Edits: change sets opened, and objects and terms changed in them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from nba.catalog.changes import (
    ChangeItem,
    ChangeSet,
    Operation,
)
from nba.catalog.differences import changes_between, diff_of, differences
from nba.catalog.objects import ObjectKey, ObjectKind, Objects
from nba.control.candidate import apply_items, read_live
from nba.control.editing import fitting_body, key_of, with_edit, without_edit
from nba.control.steps import ChangeSteps
from nba.errors import Fault, InputError

_NO_WORD = re.compile(r"[^a-z0-9]+")
_MAX_SLUG = 60


class Edits(ChangeSteps):
    """Opens change sets and edits them."""

    def create(self, name: str, note: str, author: str) -> ChangeSet:
        """Open a change set; its id is made from its name."""
        if not name.strip():
            raise InputError([Fault("/name", "no name", "a few words that say what it is for")])
        at_ms = self._clock()
        slug = _NO_WORD.sub("-", name.lower()).strip("-")[:_MAX_SLUG] or "change"
        change_id = slug if self._control.change(slug) is None else f"{slug}-{at_ms}"
        change = ChangeSet(
            id=change_id,
            name=name,
            author=author,
            note=note,
            at_ms=at_ms,
            base=self._control.current() or "",
            revision=1,
        )
        self._control.add_change(change, self._entry(author, "create", change, note))
        return change

    def put(
        self,
        change_id: str,
        kind: str,
        object_id: str,
        body: Any,
        author: str,
        *,
        base_version: int | None = None,
        note: str = "",
    ) -> ChangeSet:
        """Add what an object is to say; ``base_version`` is the version it was edited from.

        Raises
        ------
        NotFoundError
            There is no such change set or kind.
        InputError
            The body does not fit, with a JSON pointer to everything that does not.
        ConflictError
            The change set is not open, or another version than ``base_version`` is live.

        """
        key = key_of(kind, object_id)
        fitting = fitting_body(key, body)
        item = self._item(key, Operation.PUT, author, note, body=fitting)
        return self._edit(change_id, item, base_version)

    def retire(
        self,
        change_id: str,
        kind: str,
        object_id: str,
        author: str,
        *,
        base_version: int | None = None,
        note: str = "",
    ) -> ChangeSet:
        """Add that an object is to be live no more."""
        item = self._item(key_of(kind, object_id), Operation.RETIRE, author, note)
        return self._edit(change_id, item, base_version)

    def rename(
        self, change_id: str, term: str, path: str, author: str, *, note: str = ""
    ) -> ChangeSet:
        """Add that a term (``product:credit/card``) is to have another path (``cards``)."""
        return self._edit_term(change_id, Operation.RENAME, term, path, author, note)

    def merge(
        self, change_id: str, term: str, into: str, author: str, *, note: str = ""
    ) -> ChangeSet:
        """Add that a term is to become part of another path of its dimension."""
        return self._edit_term(change_id, Operation.MERGE, term, into, author, note)

    def replace_objects(
        self, change_id: str, objects: Objects, author: str, *, note: str = ""
    ) -> ChangeSet:
        """Add all edits that make the live objects what others are to be, as files do.

        Edits of other objects stay; those of the same objects are taken over.
        """
        change, live = self._open(change_id), read_live(self._control)
        wanted = changes_between(live.versions.values(), objects, note=note, author=author)
        keys = {one.key for one in wanted}
        earlier = {item.key: item.base_version for item in change.items}
        items = [item for item in change.items if item.key not in keys]
        for one in wanted:
            operation = Operation.RETIRE if one.body is None else Operation.PUT
            item = self._item(one.key, operation, author, note, body=one.body)
            base = earlier.get(one.key, live.version_of(one.key))
            items.append(replace(item, base_version=base))
        change = replace(change, items=tuple(items))
        diff = diff_of(live.versions.values(), wanted)
        return self._control.save_change(change, self._entry(author, "put", change, note, diff))

    def discard(self, change_id: str, kind: str, object_id: str, author: str) -> ChangeSet:
        """Take the edits of an object, or of a term, out again."""
        key = key_of(kind, object_id)
        change = self._open(change_id)
        entry = self._entry(author, "discard", change, "", {str(key): {"edited": [True, False]}})
        return self._control.save_change(without_edit(change, key), entry)

    def _item(
        self, key: ObjectKey, operation: Operation, author: str, note: str, **more: Any
    ) -> ChangeItem:
        return ChangeItem(
            key=key,
            operation=operation,
            base_version=0,
            author=author,
            note=note,
            at_ms=self._clock(),
            **more,
        )

    def _edit_term(
        self, change_id: str, operation: Operation, term: str, path: str, author: str, note: str
    ) -> ChangeSet:
        key = ObjectKey(ObjectKind.DIMENSION, term)
        dimension, _, target = path.rpartition(":")
        if dimension and dimension != term.partition(":")[0]:
            found = f"{path!r} is of another dimension than {term!r}"
            raise InputError([Fault("/path", found, "a path of the same dimension")])
        return self._edit(change_id, self._item(key, operation, author, note, target=target), None)

    def _edit(self, change_id: str, item: ChangeItem, base_version: int | None) -> ChangeSet:
        change, live = self._open(change_id), read_live(self._control)
        changed = with_edit(change, item, live, base_version)
        before = apply_items(change.items, live.objects)
        after = apply_items(changed.items, live.objects)
        entry = self._entry(item.author, item.operation, change, item.note, _told(before, after))
        return self._control.save_change(changed, entry)


def _told(before: Objects, after: Objects) -> dict[str, Any]:
    diff: dict[str, dict[str, Any]] = {}
    for found in differences(before, after):
        diff.setdefault(f"{found.kind}/{found.id}", {})[found.field] = [found.before, found.after]
    return diff
