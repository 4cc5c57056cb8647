"""Guardrails: evaluation beside other CEL evaluators, compiling, arbitration beside an oracle.

Parts are ``evaluate``, ``compile`` and ``oracle``; all are run unless some are named. The oracle
needs the public datasets in ``NBA_DATASETS``.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from benchmarks.policies.compiling import compiling
from benchmarks.policies.evaluation import evaluate
from benchmarks.policies.oracle import compare, read_extract
from benchmarks.report import figure, write

_DATASETS = Path(__file__).resolve().parents[2] / "shared" / "datasets"


def oracle() -> list[dict[str, Any]]:
    """Compare all decisions of the extract."""
    folder = Path(os.environ.get("NBA_DATASETS", _DATASETS))
    found = [compare(rows) for rows in read_extract(folder)]
    candidates = sum(one.candidates for one in found)
    how = f"{len(found)} decisions, {candidates:,} candidates, through decide()"
    agree = 100 * sum(one.ranks_agree for one in found) / candidates
    error = max(one.priority_error for one in found)
    return [
        figure("oracle: relative error of priority", error, "", how, at_most=1e-9),
        figure("oracle: ranks that agree", agree, "%", how, at_least=100),
    ]


PARTS = {"evaluate": evaluate, "compile": compiling, "oracle": oracle}


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}")
    chosen = arguments.parse_args().parts or list(PARTS)
    write("policies", [one for part in chosen for one in PARTS[part]()])


if __name__ == "__main__":
    main()
