"""What exploring alone costs: explorers on one linear value model, no peers, the six tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.bandits import tables
from benchmarks.bandits.ours import LINEAR, play
from benchmarks.report import figure


def figures(orders: int) -> list[dict[str, Any]]:
    """Play the six tables with every explorer; progressive loss of each, by table in its words."""
    losses: dict[str, dict[str, float]] = {name: {} for name in LINEAR}
    for table in tables.SIX:
        job = tables.load(table).job(orders)
        for name, setup in LINEAR.items():
            rewards = [play(setup, job, order).rewards.mean() for order in range(orders)]
            losses[name][table] = 1.0 - float(np.mean(rewards))
            print(f"{table:<10} {name:<18} {losses[name][table]:.4f}", flush=True)
    how = f"progressive loss, {orders} orders, at most {tables.MOST_ROUNDS:,} rounds"
    found = []
    for name, by_table in losses.items():
        told = " ".join(f"{table} {loss:.4f}" for table, loss in by_table.items())
        mean = float(np.mean(list(by_table.values())))
        found.append(figure(f"LinearModel, {name}", mean, "", f"{how}; {told}"))
    return found
