"""What differs between objects: which of them, and field by field what they said and say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nba.catalog.objects import Body, Objects
from nba.catalog.publications import ObjectChange, ObjectVersion

_NOTHING: Body = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field of an object, before and after; ``None`` where it is not there.

    ``field`` is a JSON pointer into the body; it is empty where the whole object comes or goes.
    """

    kind: str
    id: str
    field: str
    before: Any
    after: Any


def differences(before: Objects, after: Objects) -> Iterator[Difference]:
    """Yield every field in which objects differ, by kind and id.

    Examples
    --------
    >>> from nba.catalog.objects import ObjectKey, ObjectKind
    >>> key = ObjectKey(ObjectKind.ACTION, "card")
    >>> [found] = differences({key: {"id": "card", "value": 50}}, {key: {"id": "card"}})
    >>> found.field, found.before, found.after
    ('/value', 50, None)

    """
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old is None or new is None:
            yield Difference(kind=key.kind, id=key.id, field="", before=old, after=new)
            continue
        for field, was, is_ in _fields(old, new, ""):
            yield Difference(kind=key.kind, id=key.id, field=field, before=was, after=is_)


def _fields(old: Body, new: Body, at: str) -> Iterator[tuple[str, Any, Any]]:
    for name in [*old, *(name for name in new if name not in old)]:
        was, is_ = old.get(name), new.get(name)
        place = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"
        if isinstance(was, Mapping) and isinstance(is_, Mapping):
            yield from _fields(was, is_, place)
        elif name not in old or name not in new or not same(was, is_):
            yield place, was, is_


def same(one: Any, other: Any) -> bool:
    """Say whether two bodies say the same; unlike in Python, ``true`` is not ``1``."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def changes_between(
    live: Iterable[ObjectVersion], after: Objects, *, note: str, author: str
) -> list[ObjectChange]:
    """Return what makes live objects what they are to be: only those that differ."""
    before = {held.key: held.body for held in live}
    return [
        ObjectChange(key=key, body=after.get(key), note=note, author=author)
        for key in sorted(before.keys() | after.keys())
        if key not in before or key not in after or not same(before[key], after[key])
    ]


def diff_of(live: Iterable[ObjectVersion], changes: Iterable[ObjectChange]) -> dict[str, Any]:
    """Return what changes do, for the audit trail: by object, each field before and after.

    A version that comes back is named by its number; an object that comes or goes is not spelt
    out, as its versions are kept.
    """
    held = {version.key: version for version in live}
    diff: dict[str, Any] = {}
    for change in changes:
        was = held.get(change.key)
        if change.version is not None or change.body is None or was is None:
            version = None if was is None else was.version
            comes = change.version if change.body is None else 1
            diff[str(change.key)] = {"version": [version, comes]}
        else:
            found = _fields(was.body, change.body, "")
            diff[str(change.key)] = {field: [old, new] for field, old, new in found}
    return diff
