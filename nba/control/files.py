"""A project's YAML files and the control store, kept in step.

Files change only where their objects do (:mod:`nba.control.yaml_edit`), and what is written is read
back before it is kept: it says what it should, or the file is left as it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nba.catalog.differences import same
from nba.catalog.object_documents import SECTIONS, Section, plain
from nba.catalog.objects import Body, ObjectKey, ObjectKind, Objects
from nba.control.yaml_edit import UnfitError, rewrite, written
from nba.decision.project import written_in
from nba.documents import YamlLoader, read
from nba.errors import CorruptRecordError

_IDS = {section.key: section.id_key for section in SECTIONS.values() if section.id_key}
_NEW_FILES = {
    ObjectKind.PROJECT: "catalog/project.yaml",
    ObjectKind.DIMENSION: "catalog/taxonomy.yaml",
    ObjectKind.PLACEMENT: "catalog/placements.yaml",
    ObjectKind.ACTION: "catalog/actions.yaml",
    ObjectKind.CONTENT: "catalog/contents.yaml",
    ObjectKind.POLICY: "policies/policies.yaml",
    ObjectKind.SEGMENT: "features/segments.yaml",
}
"""Where objects of a kind go that no file has any of yet."""


@dataclass(frozen=True, slots=True)
class FileEdit:
    """A file that changes: its path in the project, and what it said and says."""

    path: str
    before: str
    after: str

    def write(self, root: Path) -> None:
        """Write the file; its folder is made where it is not there."""
        file = root / self.path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", encoding="utf-8", newline="") as target:
            target.write(self.after)


def pull(root: Path, objects: Objects) -> list[FileEdit]:
    """Return what makes a project's files say what objects say, in the order of their paths.

    Raises :class:`~nba.errors.DefinitionError` where a file that must change is not readable.
    """
    home, held = {}, {}
    for found in written_in(root):
        home[found.key], held[found.key] = found.document.path, found.body
    changes: dict[str, dict[ObjectKey, Body | None]] = {}
    for key in sorted(held.keys() | objects.keys()):
        wanted = objects.get(key)
        if key in held and wanted is not None and same(held[key], wanted):
            continue
        path = home.get(key) or _file_for(key, wanted or {}, home, held)
        changes.setdefault(path, {})[key] = wanted
    return [_edit(root, path, changed) for path, changed in sorted(changes.items())]


def _file_for(
    key: ObjectKey, body: Body, home: Mapping[ObjectKey, str], held: Mapping[ObjectKey, Body]
) -> str:
    """Return where a new object goes: to those it is most like, or where most of its kind are."""
    likeness = dict(_likeness(key.kind, body))
    scores: Counter[str] = Counter()
    for other, path in home.items():
        if other.kind is not key.kind:
            continue
        alike = dict(_likeness(key.kind, held[other]))
        scores[path] += 1 + 1_000 * sum(likeness[name] == alike.get(name) for name in likeness)
    if not scores:
        return _NEW_FILES[key.kind]
    return max(sorted(scores), key=lambda path: scores[path])


def _likeness(kind: ObjectKind, body: Body) -> Iterator[tuple[str, Any]]:
    match kind:
        case ObjectKind.CONTENT:
            yield "action", body.get("action")
        case ObjectKind.POLICY:
            yield "kind", body.get("kind")
        case ObjectKind.ACTION:
            terms = body.get("terms")
            first = terms[0] if isinstance(terms, list) and terms else ""
            yield "term", str(first).split("/", maxsplit=1)[0]
        case _:
            return


def _edit(root: Path, path: str, changed: Mapping[ObjectKey, Body | None]) -> FileEdit:
    file = root / path
    text, old = "", {}
    if file.exists():
        with file.open(encoding="utf-8", newline="") as source:
            text = source.read()
        old = read(file, root=root).data
    new = deepcopy(old)
    for key, body in changed.items():
        _set(new, SECTIONS[key.kind], key.id, body)
    try:
        after = rewrite(text, old, new, _IDS)
    except UnfitError:
        after = _heading(text) + written(new)
    if not _says(after, new):
        after = _heading(text) + written(new)
    if not _says(after, new):
        raise CorruptRecordError(f"{path}: cannot write {', '.join(map(str, changed))} as YAML")
    return FileEdit(path, text, after)


def _set(data: dict[str, Any], section: Section, id_: str, body: Body | None) -> None:
    """Put an object in its section of a file, or take it out."""
    if section.kind is ObjectKind.PROJECT:
        _put(data, section.key, body)
    elif not section.id_key:
        _put(data.setdefault(section.key, {}), id_, body)
        if not data[section.key]:
            del data[section.key]
    else:
        items = data.setdefault(section.key, [])
        at = [index for index, item in enumerate(items) if _id_of(item, section.id_key) == id_]
        if body is None:
            for index in reversed(at):
                del items[index]
        elif at:
            items[at[0]] = body
        else:
            items.append(body)


def _put(data: dict[str, Any], key: str, body: Body | None) -> None:
    if body is None:
        data.pop(key, None)
    else:
        data[key] = body


def _id_of(item: Any, id_key: str) -> Any:
    return item.get(id_key) if isinstance(item, Mapping) else None


def _says(text: str, data: Mapping[str, Any]) -> bool:
    try:
        return same(plain(yaml.load(text, Loader=YamlLoader)), plain(data))  # noqa: S506  # a safe loader
    except (yaml.YAMLError, RecursionError):
        return False


def _heading(text: str) -> str:
    """Return the comment that a file begins with."""
    lines = text.splitlines(keepends=True)
    end = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "".join(lines[:end])
