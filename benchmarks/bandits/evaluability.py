"""What a floor under every probability costs, and what it buys: logs that can evaluate others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.bandits.ours import DEFAULT_FLOOR, HYBRID, Run, play
from benchmarks.bandits.worlds import TYPICAL
from benchmarks.report import figure

ROUNDS = 10_000
FLOORS = (0.0, 0.01, 0.02, DEFAULT_FLOOR, 0.05)
LEAST_SHARE = 0.025
MOST_LOSS = 0.006


def effective_share(run: Run, n_actions: int) -> float:
    """Return the effective sample for evaluating the uniform policy, as a share of the rounds.

    Kish (1965): (Σ w)² / Σ w², with weights 1 / (n_actions · probability).
    """
    weights = 1.0 / (n_actions * run.probabilities)
    return float(weights.sum() ** 2 / (weights**2).sum() / len(weights))


def figures(orders: int) -> list[dict[str, Any]]:
    """Play with every floor."""
    job, _ = TYPICAL.draw(orders, ROUNDS)
    shares, losses = {}, {}
    for floor in FLOORS:
        runs = [play(replace(HYBRID, floor=floor), job, order) for order in range(orders)]
        shares[floor] = float(np.mean([effective_share(run, TYPICAL.n_actions) for run in runs]))
        losses[floor] = 1.0 - float(np.mean([run.rewards.mean() for run in runs]))
        print(f"floor {floor}", round(shares[floor], 4), round(losses[floor], 4), flush=True)
    found = []
    for floor in FLOORS:
        default = floor == DEFAULT_FLOOR
        how = f"{TYPICAL.n_actions} actions, {orders} orders of {ROUNDS:,} rounds"
        share = 100 * shares[floor]
        goal = 100 * LEAST_SHARE if default else None
        title = f"floor {floor:g}: effective sample ÷ rounds"
        found.append(figure(title, share, "%", f"{how}, uniform policy", at_least=goal))
        more = losses[floor] - losses[0.0]
        goal = MOST_LOSS if default else None
        found.append(figure(f"floor {floor:g}: more loss", more, "", how, at_most=goal))
    return found
