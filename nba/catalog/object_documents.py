"""Objects as they are written: where in a project's files each kind stands, and how faults name it.

An object that comes from elsewhere is made a document of its own, so that whatever checks files
checks it too; its faults are at ``kind/id/field`` instead of ``file:line``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nba.catalog.objects import PROJECT_ID, Body, ObjectKey, ObjectKind
from nba.documents import Document, Location
from nba.errors import Fault


@dataclass(frozen=True, slots=True)
class Section:
    """Where objects of a kind are written: a folder, a top-level key, and the key of their id.

    Without ``id_key`` the section is a mapping from id to body; the project stands alone.
    """

    kind: ObjectKind
    folder: str
    key: str
    id_key: str = ""


SECTIONS = {
    section.kind: section
    for section in (
        Section(ObjectKind.PROJECT, "catalog", "project"),
        Section(ObjectKind.DIMENSION, "catalog", "taxonomy"),
        Section(ObjectKind.PLACEMENT, "catalog", "placements", "id"),
        Section(ObjectKind.ACTION, "catalog", "actions", "id"),
        Section(ObjectKind.CONTENT, "catalog", "contents", "id"),
        Section(ObjectKind.POLICY, "policies", "policies", "id"),
        Section(ObjectKind.SEGMENT, "features", "segments", "name"),
    )
}


@dataclass(frozen=True, slots=True)
class WrittenObject:
    """An object in a document, and the path at which its body stands there."""

    key: ObjectKey
    body: Body
    document: Document
    location: Location


class PlainDocument(Document):
    """Plain data that comes from no file; ``path`` stands for its first ``depth`` keys."""

    def __init__(self, path: str, data: Any, depth: int) -> None:
        super().__init__(path, data, {(): depth})

    def place(self, *location: str | int) -> str:
        """Return the path of something inside, levels separated by ``/``."""
        return "/".join([self.path, *map(str, location[self.lines[()] :])])


def written_objects(documents: Iterable[Document], folder: str) -> Iterator[WrittenObject]:
    """Iterate over the objects in a folder's documents; what is no object is told by its loader."""
    for document in documents:
        for section in SECTIONS.values():
            if section.folder == folder:
                yield from _in_section(document, section)


def _in_section(document: Document, section: Section) -> Iterator[WrittenObject]:
    found = document.data.get(section.key)
    if section.kind is ObjectKind.PROJECT:
        if isinstance(found, Mapping):
            key = ObjectKey(section.kind, PROJECT_ID)
            yield WrittenObject(key, plain(found), document, (section.key,))
    elif section.id_key:
        for index, body in document.items(section.key):
            if isinstance(body, Mapping) and isinstance(body.get(section.id_key), str):
                key = ObjectKey(section.kind, body[section.id_key])
                yield WrittenObject(key, plain(body), document, (section.key, index))
    elif isinstance(found, Mapping):
        for name, body in found.items():
            if isinstance(body, Mapping):
                key = ObjectKey(section.kind, str(name))
                yield WrittenObject(key, plain(body), document, (section.key, name))


def object_document(key: ObjectKey, body: Body) -> Document:
    """Return an object as a document of its own."""
    section = SECTIONS[key.kind]
    if section.id_key:
        return PlainDocument(str(key), {section.key: [body]}, depth=2)
    if section.kind is ObjectKind.PROJECT:
        return PlainDocument(str(key), {section.key: body}, depth=1)
    return PlainDocument(str(key), {section.key: {key.id: body}}, depth=2)


def plain(value: Any) -> Any:
    """Return data as JSON can carry it: keys are text."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def body_faults(key: ObjectKey, body: Body) -> Iterator[Fault]:
    """Yield what keeps a body from being kept at all: another id, or values JSON does not have."""
    id_key = SECTIONS[key.kind].id_key
    if id_key and body.get(id_key) != key.id:
        found = f"{id_key} {body.get(id_key)!r}"
        yield Fault(f"/{id_key}", found, f"{key.id!r} is expected, or leave it out")
    try:
        json.dumps(body, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        yield Fault("", f"not JSON: {error}", "text, finite numbers, true, false, null, lists")
