"""Read ``catalog/``: every YAML file in it, in any arrangement of files and folders.

A file holds one or more of these top-level keys: ``project`` (once), ``taxonomy`` (dimensions by
name), and the lists ``actions``, ``contents`` and ``placements``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from nba.catalog.checks import check
from nba.catalog.declarations import Declarations, Declared, ProjectSettings, Written
from nba.catalog.suggestions import nearest
from nba.documents import Document, convert, read
from nba.domain.catalog import Action, Catalog, Content, Placement
from nba.domain.taxonomy import Dimension, Taxonomy
from nba.errors import DefinitionError, Fault

Item = TypeVar("Item", Action, Content, Placement)

_KEYS = ("project", "taxonomy", "actions", "contents", "placements")
_DIMENSION_KEYS = ("description", "required", "terms")


def load_catalog(directory: Path, *, root: Path, faults: list[Fault]) -> Catalog | None:
    """Read and check a catalog folder; add every fault, with its place relative to ``root``.

    Returns ``None`` where anything in it is wrong.
    """
    before = len(faults)
    declarations = Declarations()
    for path in sorted(directory.rglob("*.y*ml")):
        try:
            document = read(path, root=root)
        except DefinitionError as error:
            faults.extend(error.faults)
            declarations.readable = False
            continue
        _collect(document, declarations, faults)
    faults.extend(check(declarations, folder=directory.relative_to(root).as_posix()))
    project = declarations.project
    if project is None or len(faults) > before:
        return None
    return Catalog(
        currency=project.item.currency,
        default_locale=project.item.default_locale,
        taxonomy=Taxonomy({written.id: written.item for written in declarations.dimensions}),
        actions=tuple(written.item for written in declarations.actions),
        contents=tuple(written.item for written in declarations.contents),
        placements=tuple(written.item for written in declarations.placements),
    )


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
        item = convert(document, value, kind, faults, key, index)
        if item is None:
            into.complete = False
        else:
            into.items.append(Written(item.id, item, document, (key, index)))
