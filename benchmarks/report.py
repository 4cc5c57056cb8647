"""How benchmarks tell what they measured: a table on screen, a file of figures beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def figure(
    name: str,
    value: float,
    unit: str,
    how: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> dict[str, Any]:
    """Return one figure; whether its goal is met is computed here and nowhere else."""
    goal, met = None, None
    if at_least is not None:
        goal, met = f"≥ {at_least:g}", value >= at_least
    elif at_most is not None:
        goal, met = f"≤ {at_most:g}", value <= at_most
    return {"name": name, "value": value, "unit": unit, "goal": goal, "met": met, "how": how}


def write(name: str, figures: list[dict[str, Any]]) -> None:
    """Print the figures and write them to ``results/NAME.json``."""
    for one in figures:
        verdict = {True: "met", False: "NOT met", None: ""}[one["met"]]
        goal = one["goal"] or ""
        print(f"{one['name']:<58} {one['value']:>10.4g} {one['unit']:<8} {goal:<9} {verdict}")
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"figures": figures}, indent=2, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(text + "\n")
