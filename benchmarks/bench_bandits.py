"""The bandits' figures: how well they learn, what a round costs, how well logs evaluate.

Seeds are fixed. Peers run in an environment of their own under ``benchmarks/.peers``. A full run
takes about an hour on two cores; ``--only`` runs one part and writes ``bandits_PART.json``, so that
it does not overwrite the results of a full run. Tables need the public datasets in
``NBA_DATASETS``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from benchmarks.report import write

PARTS: Mapping[str, str] = {
    "tables": "learning",
    "explorers": "explorers",
    "rare": "rare",
    "delay": "delay",
    "drift": "drift",
    "evaluability": "evaluability",
    "shop": "shop",
    "speed": "speed",
    "ope": "ope",
}
"""By name, the module of ``benchmarks.bandits`` whose ``figures`` they are."""

WITHOUT_ORDERS = ("speed", "ope")
LEAST_ORDERS = 2


def run(part: str, orders: int) -> list[dict[str, Any]]:
    """Measure one part."""
    module = import_module(f"benchmarks.bandits.{PARTS[part]}")
    measure: Callable[..., list[dict[str, Any]]] = module.figures
    return measure() if part in WITHOUT_ORDERS else measure(orders)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="measure this part alone")
    parser.add_argument("--orders", type=int, default=10, help="random orders of each table")
    arguments = parser.parse_args()
    if arguments.orders < LEAST_ORDERS:
        parser.error(f"intervals need at least {LEAST_ORDERS} orders")
    chosen = [arguments.only] if arguments.only else list(PARTS)
    found = [one for part in chosen for one in run(part, arguments.orders)]
    write(f"bandits_{arguments.only}" if arguments.only else "bandits", found)


if __name__ == "__main__":
    main()
