"""The reference project: where its folders are, and copying them to start one's own."""

from __future__ import annotations

import shutil
from pathlib import Path

from nba.errors import Fault, InputError, NotFoundError

REFERENCE_FOLDERS = ("catalog", "features", "policies", "models", "training", "serving")
"""What a project consists of."""

_PACKAGE = Path(__file__).resolve().parents[1]
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


def reference_root() -> Path:
    """Return the folder that holds the reference project: in the wheel, or in the checkout.

    Raises :class:`~nba.errors.NotFoundError` where neither has it.
    """
    for root in (_PACKAGE / "reference", _PACKAGE.parent):
        if (root / "catalog" / "project.yaml").is_file():
            return root
    raise NotFoundError(f"no reference project in {_PACKAGE}: the installation is incomplete")


def copy_reference(target: Path) -> list[Path]:
    """Copy the reference project into a new or empty folder; return the files made, sorted.

    Raises :class:`~nba.errors.InputError` where ``target`` is a file or holds anything.
    """
    if target.exists():
        if not target.is_dir():
            raise InputError([Fault(str(target), "it is a file", "name a new or empty folder")])
        held = sorted(path.name for path in target.iterdir())
        if held:
            found = f"the folder is not empty: it holds {held[0]!r}"
            raise InputError([Fault(str(target), found, "name a new or empty folder")])
    root = reference_root()
    for folder in REFERENCE_FOLDERS:
        if (root / folder).is_dir():
            shutil.copytree(root / folder, target / folder, ignore=_LEFT_OUT)
    return sorted(path for path in target.rglob("*") if path.is_file())
