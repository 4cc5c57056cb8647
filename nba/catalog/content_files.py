"""Writing contents into a project's files: one line of a person's file, or a connector's whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from nba.catalog.declarations import Written
from nba.domain.catalog import Content
from nba.errors import DefinitionError, Fault

Body = Mapping[str, Any]

_CONFIRMED = "confirmed_against"
_BESIDE = "group"


def write_confirmations(
    root: Path, confirmed: Iterable[tuple[Written[Content], str]]
) -> list[Path]:
    """Write the fingerprint each content is confirmed against into the line where it belongs.

    Everything else in the files stays as it is, comments too. Returns the files.

    Raises :class:`~nba.errors.DefinitionError` where an item is written in one line; then no file
    is changed.
    """
    lines: dict[Path, list[str]] = {}
    edits: dict[Path, dict[int, tuple[bool, str]]] = {}
    faults: list[Fault] = []
    for written, fingerprint in confirmed:
        path = root / written.document.path
        text = lines.setdefault(path, path.read_text(encoding="utf-8").splitlines(keepends=True))
        known = written.document.lines
        at = known.get((*written.location, _CONFIRMED))
        beside = at or known[(*written.location, _BESIDE)]
        indent, key, _ = text[beside - 1].partition(_CONFIRMED if at else _BESIDE)
        if not key or indent.strip(" -"):
            found = f"content {written.id!r} is written in one line"
            expected = f'write {_CONFIRMED}: "{fingerprint}" into it'
            faults.append(written.fault((), found, expected))
            continue
        lead = indent if at else " " * len(indent)
        edits.setdefault(path, {})[beside] = (
            at is not None,
            f'{lead}{_CONFIRMED}: "{fingerprint}"\n',
        )
    if faults:
        raise DefinitionError(faults)
    for path, changed in edits.items():
        for number in sorted(changed, reverse=True):
            replaces, line = changed[number]
            before = lines[path][number - 1]
            whole = before if before.endswith("\n") else f"{before}\n"
            lines[path][number - 1 : number] = [line] if replaces else [whole, line]
        path.write_text("".join(lines[path]), encoding="utf-8")
    return sorted(edits)


def write_contents(path: Path, bodies: Iterable[Body], heading: str) -> None:
    """Write a file of contents from nothing; ``heading`` is its first, commented line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = yaml.safe_dump(
        {"contents": [dict(body) for body in bodies]},
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )
    path.write_text(f"# {heading}\n{listed}", encoding="utf-8")
