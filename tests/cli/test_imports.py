"""What the command line loads before it knows what is asked: little, so that it answers at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

STORES = {"alembic", "deltalake", "httpx", "mlflow", "polars", "redis", "sqlalchemy"}
NUMBERS = {"lightgbm", "numba", "numpy", "scipy", "sklearn"}


def loaded_by(program: str) -> set[str]:
    """Return the top-level packages that a program has loaded when it ends."""
    told = f"import sys; {program}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    ran = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(ran.stdout.splitlines()[-1].split())


def test_help_needs_neither_stores_nor_numbers() -> None:
    loaded = loaded_by("import nba.cli")
    assert "typer" in loaded
    assert not loaded & (STORES | NUMBERS)


def test_checking_a_project_needs_no_store(tmp_path: Path) -> None:
    """A folder without a control store is checked by its files alone."""
    settings = f"import os; os.environ['NBA_DATA_DIR'] = {str(tmp_path)!r}"
    call = "from nba.cli.projects import check; check(None)"
    loaded = loaded_by(f"{settings}; {call}")
    assert "numba" in loaded  # policies and explorers are compiled
    assert not loaded & STORES
