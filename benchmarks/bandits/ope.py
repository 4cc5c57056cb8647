"""Off-policy evaluation: beside the Open Bandit Pipeline, in simulation, and on randomized sends.

``python -m benchmarks.bandits.ope [table|parity|coverage|slope|starbucks …]``; all parts where none
is named. ``parity`` installs the peer in an environment of its own, and with ``--record`` writes
what it answered for the tests. All but ``coverage`` and ``slope`` need the public datasets in
``NBA_DATASETS``.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from benchmarks.bandits.ope_coverage import coverage
from benchmarks.bandits.ope_parity import parity
from benchmarks.bandits.ope_slope import selection
from benchmarks.bandits.ope_starbucks import starbucks
from benchmarks.bandits.ope_table import table
from benchmarks.report import write

_DATASETS = Path(__file__).resolve().parents[3] / "shared" / "datasets"
PARTS = ("table", "parity", "coverage", "slope", "starbucks")


def figures(*parts: str, record: bool = False) -> list[dict[str, Any]]:
    """Measure the parts named, or all of them."""
    folder = Path(os.environ.get("NBA_DATASETS", _DATASETS))
    found: list[dict[str, Any]] = []
    for part in parts or PARTS:
        match part:
            case "table":
                found += table(folder)
            case "parity":
                found += parity(folder, record=record)
            case "coverage":
                found += coverage()
            case "slope":
                found += selection()
            case "starbucks":
                found += starbucks(folder)
            case _:
                raise ValueError(f"there is no part {part!r}; one of {', '.join(PARTS)}")
    return found


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}")
    arguments.add_argument("--record", action="store_true", help="what the peer answers")
    given = arguments.parse_args()
    write("ope", figures(*given.parts, record=given.record))


if __name__ == "__main__":
    main()
