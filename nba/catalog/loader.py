"""Read ``catalog/``: every YAML file in it, in any arrangement of files and folders.

A file holds one or more of these top-level keys: ``project`` (once), ``taxonomy`` (dimensions by
name), and the lists ``actions``, ``contents``, ``placements`` and ``connectors``. Connectors are
checked with the rest, but are no part of the catalog: nothing is decided by them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from nba.catalog.checks import check
from nba.catalog.connections import check_connection
from nba.catalog.declarations import (
    Connection,
    Declarations,
    Declared,
    ProjectSettings,
    Written,
)
from nba.catalog.suggestions import nearest
from nba.documents import Document, convert, read
from nba.domain.catalog import Action, Catalog, Content, Placement
from nba.domain.taxonomy import Dimension, Taxonomy
from nba.errors import DefinitionError, Fault, NotFoundError

Item = TypeVar("Item", Action, Content, Placement)

_KEYS = ("project", "taxonomy", "actions", "contents", "placements", "connectors")
_DIMENSION_KEYS = ("description", "required_for", "renamed", "terms")


def load_catalog(directory: Path, *, root: Path, faults: list[Fault]) -> Catalog | None:
    """Read and check a catalog folder; add every fault, with its place relative to ``root``.

    Returns ``None`` where anything in it is wrong.
    """
    return assemble(read_catalog(directory, root=root), faults)


def read_catalog(directory: Path, *, root: Path) -> Declarations:
    """Read a catalog folder as it was written, places relative to ``root``."""
    documents: list[Document] = []
    unreadable: list[Fault] = []
    for path in sorted(directory.rglob("*.y*ml")):
        try:
            documents.append(read(path, root=root))
        except DefinitionError as error:
            unreadable.extend(error.faults)
    declarations = declare(documents, folder=directory.relative_to(root).as_posix())
    declarations.faults[:0] = unreadable
    declarations.readable = not unreadable
    return declarations


def declare(documents: Iterable[Document], *, folder: str) -> Declarations:
    """Return what documents say, wherever they came from; ``folder`` names them all together."""
    declarations = Declarations(folder)
    for document in documents:
        _collect(document, declarations, declarations.faults)
    return declarations


def assemble(declarations: Declarations, faults: list[Fault]) -> Catalog | None:
    """Check what was declared and return the catalog; ``None`` where anything is wrong."""
    found = [*declarations.faults, *check(declarations), *_check_connections(declarations)]
    faults.extend(found)
    return None if found else as_declared(declarations)


def as_declared(declarations: Declarations) -> Catalog:
    """Return the catalog unchecked, as long as all of it could be read.

    Terms are those in use now, whatever a term was called where it was written.

    Raises :class:`~nba.errors.DefinitionError` where anything could not.
    """
    project = declarations.project
    if project is None or declarations.faults:
        missing = Fault(declarations.folder, "no project", "add project.yaml with `project:`")
        raise DefinitionError(declarations.faults or [missing])
    taxonomy = declarations.taxonomy()
    return Catalog(
        currency=project.item.currency,
        default_locale=project.item.default_locale,
        taxonomy=taxonomy,
        actions=tuple(_presently(written.item, taxonomy) for written in declarations.actions),
        contents=tuple(_presently(written.item, taxonomy) for written in declarations.contents),
        placements=tuple(_presently(written.item, taxonomy) for written in declarations.placements),
        stale_content=project.item.stale_content,
    )


def connection_of(declarations: Declarations, name: str) -> Connection:
    """Return a connector that was declared, checked.

    Raises :class:`~nba.errors.NotFoundError` where there is none of that name, and
    :class:`~nba.errors.DefinitionError` where it is wrong.
    """
    for written in declarations.connections:
        if written.id == name:
            faults = list(check_connection(written, declarations))
            if faults:
                raise DefinitionError(faults)
            return written.item
    if declarations.faults:
        raise DefinitionError(declarations.faults)
    known = [written.id for written in declarations.connections]
    raise NotFoundError(f"no connector {name!r} in {declarations.folder}; {nearest(name, known)}")


def _check_connections(declarations: Declarations) -> Iterator[Fault]:
    first: dict[str, Written[Connection]] = {}
    for written in declarations.connections:
        yield from check_connection(written, declarations)
        if first.setdefault(written.id, written) is not written:
            found = f"connector {written.id!r} is given twice"
            yield written.fault(("name",), found, f"first at {first[written.id].place('name')}")


def _presently(item: Item, taxonomy: Taxonomy) -> Item:
    """Return an item with its terms as they are called now."""
    return replace(item, terms=taxonomy.present(item.terms)) if item.terms else item


def _collect(document: Document, into: Declarations, faults: list[Fault]) -> None:
    for key in document.data:
        if key not in _KEYS:
            found = f"key {key!r} is not known"
            faults.append(Fault(document.place(key), found, nearest(str(key), _KEYS)))
    if "project" in document.data:
        _collect_project(document, into, faults)
    if "taxonomy" in document.data:
        _collect_taxonomy(document, into.dimensions, faults)
    _collect_items(document, "actions", Action, into.actions, faults)
    _collect_items(document, "contents", Content, into.contents, faults)
    _collect_items(document, "placements", Placement, into.placements, faults)
    _collect_connections(document, into, faults)


def _collect_project(document: Document, into: Declarations, faults: list[Fault]) -> None:
    into.projects += 1
    if into.projects > 1:
        found = "the project is described twice"
        faults.append(Fault(document.place("project"), found, "describe it once"))
        return
    settings = convert(document, document.data["project"], ProjectSettings, faults, "project")
    if settings is not None:
        into.project = Written(settings.name, settings, document, ("project",))


def _collect_taxonomy(document: Document, into: Declared[Dimension], faults: list[Fault]) -> None:
    dimensions = document.data["taxonomy"]
    if not isinstance(dimensions, Mapping):
        found = f"taxonomy is a {type(dimensions).__name__}"
        faults.append(Fault(document.place("taxonomy"), found, "dimensions by name are expected"))
        into.complete = False
        return
    for name, value in dimensions.items():
        into.ids.add(str(name))
        for key in value if isinstance(value, Mapping) else ():
            if key not in _DIMENSION_KEYS:
                found = f"key {key!r} is not known"
                expected = nearest(str(key), _DIMENSION_KEYS)
                faults.append(Fault(document.place("taxonomy", name, key), found, expected))
        dimension = convert(document, value, Dimension, faults, "taxonomy", name)
        if dimension is None:
            into.complete = False
        else:
            into.items.append(Written(str(name), dimension, document, ("taxonomy", name)))


def _collect_items(
    document: Document, key: str, kind: type[Item], into: Declared[Item], faults: list[Fault]
) -> None:
    listed: Any = document.data.get(key, [])
    if not isinstance(listed, list):
        found = f"{key} is a {type(listed).__name__}"
        faults.append(Fault(document.place(key), found, "a list is expected"))
        into.complete = False
        return
    for index, value in document.items(key):
        if isinstance(value, Mapping) and isinstance(value.get("id"), str):
            into.ids.add(value["id"])
        item = convert(document, _with_slots(value), kind, faults, key, index)
        if item is None:
            into.complete = False
        else:
            into.items.append(Written(item.id, item, document, (key, index)))


def _collect_connections(document: Document, into: Declarations, faults: list[Fault]) -> None:
    listed: Any = document.data.get("connectors", [])
    if not isinstance(listed, list):
        found = f"connectors is a {type(listed).__name__}"
        faults.append(Fault(document.place("connectors"), found, "a list is expected"))
        return
    for index, value in enumerate(listed):
        connection = convert(document, value, Connection, faults, "connectors", index)
        if connection is not None:
            location = ("connectors", index)
            into.connections.append(Written(connection.name, connection, document, location))


def _with_slots(item: Any) -> Any:
    """Return a placement whose slots are typed; names alone are short for texts it must have."""
    slots = item.get("slots") if isinstance(item, Mapping) else None
    if not isinstance(slots, list) or not all(isinstance(name, str) for name in slots):
        return item
    return item if len(set(slots)) < len(slots) else {**item, "slots": {n: {} for n in slots}}
