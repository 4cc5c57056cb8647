"""Outcomes that are learned in batches, or come late: what that costs once the start is over."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.bandits import tables
from benchmarks.bandits.ours import HYBRID, play
from benchmarks.bandits.peers import Job
from benchmarks.bandits.worlds import PLAIN
from benchmarks.report import figure

ROUNDS = 10_000
BATCH = 100
LONGEST_DELAY = 1_000
MOST_BY_BATCHES = 1.01
MOST_BY_DELAYS = 1.03
LARGE = ("satellite", "letter")


def second_half(rewards: NDArray[np.float64]) -> float:
    """Return the loss over the second half of a run."""
    return 1.0 - float(rewards[len(rewards) // 2 :].mean())


def jobs(orders: int) -> dict[str, Job]:
    """Return a logistic world and the larger tables."""
    found = {"logistic world": PLAIN.draw(orders, ROUNDS)[0]}
    return found | {name: tables.load(name).job(orders, ROUNDS) for name in LARGE}


def compare(job: Job, orders: int) -> tuple[float, float, float]:
    """Return the second half's loss with every round's updates, with batches and with delays."""
    found = []
    for order in range(orders):
        rng = np.random.default_rng(order)
        delays = rng.integers(0, LONGEST_DELAY + 1, job.orders.shape[1])
        found.append(
            (
                second_half(play(HYBRID, job, order).rewards),
                second_half(play(HYBRID, job, order, every=BATCH).rewards),
                second_half(play(HYBRID, job, order, delays=delays).rewards),
            )
        )
    each, batched, delayed = np.mean(found, axis=0).tolist()
    return each, batched, delayed


def figures(orders: int) -> list[dict[str, Any]]:
    """Play all three ways."""
    found, all_losses = [], []
    for name, job in jobs(orders).items():
        losses = compare(job, orders)
        all_losses.append(losses)
        how = f"{name}, second half of {job.orders.shape[1]:,} rounds, {orders} orders"
        told = zip(("every round", f"every {BATCH} rounds", "delayed"), losses, strict=True)
        found += [figure(f"delay: {name}: loss, {way}", loss, "", how) for way, loss in told]
        print(f"delay {name}", [round(loss, 4) for loss in losses], flush=True)
    each, batched, delayed = np.mean(all_losses, axis=0).tolist()
    how = f"mean loss of the second halves, {orders} orders"
    title = f"delay: updates every {BATCH} rounds ÷ every round"
    found.append(figure(title, batched / each, "x", how, at_most=MOST_BY_BATCHES))
    title = f"delay: up to {LONGEST_DELAY:,} rounds late ÷ at once"
    found.append(figure(title, delayed / each, "x", how, at_most=MOST_BY_DELAYS))
    return found
