"""What a project may not change about the plan that is live, with file and line."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from nba.decision.project import Project
from nba.documents import Document, read
from nba.errors import DefinitionError, Fault
from nba.features import FeatureSet
from nba.features.union import conflicts

_SECTIONS = ("features", "events")


def change_faults(project: Project, live: FeatureSet) -> list[Fault]:
    """Return what keeps a project's features from taking the place of those that are live."""
    found = list(conflicts(live, project.features))
    if not found:
        return []
    documents = _documents(project.root)
    return [
        Fault(_place(documents, name, fault.place), fault.found, fault.expected)
        for name, fault in found
    ]


def _documents(root: Path) -> list[Document]:
    documents = []
    for path in sorted((root / "features").glob("*.y*ml")):
        with suppress(DefinitionError):
            documents.append(read(path, root=root))
    return documents


def _place(documents: list[Document], name: str, otherwise: str) -> str:
    """Return where a feature or an event of a name is declared."""
    for document in documents:
        for section in _SECTIONS:
            for index, item in document.items(section):
                if isinstance(item, dict) and item.get("name") == name:
                    return document.place(section, index, "type")
    return otherwise
