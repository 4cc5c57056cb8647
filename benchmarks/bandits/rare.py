"""Rare rewards: what is earned where most choices earn nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.bandits.ours import HYBRID, OURS, Setup, best_constant, play
from benchmarks.bandits.peers import peers
from benchmarks.bandits.worlds import RARE, LogisticWorld
from benchmarks.report import figure

ROUNDS = 10_000
LEAST_BESIDE_SQUARECB = 1.05
BESIDE = "vw_squarecb"
_PEERS = (BESIDE, "vw_squarecb_tuned", "gittins")


def setups(base_rate: float) -> dict[str, Setup]:
    """Return ours; those that start from a base rate are told it, as a catalog tells a service."""
    hybrid = replace(HYBRID, base_rate=base_rate)
    return {
        "hybrid (default)": hybrid,
        "online logistic": replace(hybrid, forests=False),
        "linear Thompson": OURS["linear Thompson"],
        "random": OURS["random"],
    }


def earned(world: LogisticWorld, orders: int) -> dict[str, float]:
    """Return the mean reward of every row."""
    job, chances = world.draw(orders, ROUNDS)
    found: dict[str, list[float]] = {}
    with peers(job) as running:
        for order in range(orders):
            for name, setup in setups(world.base_rate).items():
                rewards = play(setup, job, order).rewards
                found.setdefault(name, []).append(float(rewards.mean()))
            for name in _PEERS:
                found.setdefault(name, []).append(float(running.run(name, order)[0].mean()))
            found.setdefault("best constant", []).append(best_constant(job, order))
            best = chances[job.orders[order]].max(axis=1)
            found.setdefault("oracle", []).append(float(best.mean()))
    return {name: float(np.mean(means)) for name, means in found.items()}


def figures(orders: int) -> list[dict[str, Any]]:
    """Play both worlds."""
    found = []
    for label, world in RARE.items():
        rewards = earned(world, orders)
        how = f"mean reward, {orders} orders of {ROUNDS:,} rounds, {world.n_actions} actions"
        for name in ("hybrid (default)", "online logistic"):
            ratio = rewards[name] / rewards[BESIDE]
            title = f"rare {label}: {name} ÷ {BESIDE}"
            found.append(figure(title, ratio, "x", how, at_least=LEAST_BESIDE_SQUARECB))
        found += [figure(f"rare {label}: {name}", rewards[name], "", how) for name in rewards]
        print(f"rare {label}", {name: round(mean, 4) for name, mean in rewards.items()}, flush=True)
    return found
