"""Drift: midway every action's rewards move to another one, and all that was learned is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.bandits import tables
from benchmarks.bandits.delay import second_half
from benchmarks.bandits.ours import HYBRID, OURS, UNFORGETTING, WATCHFUL, Run, play
from benchmarks.bandits.peers import Job, peers
from benchmarks.bandits.worlds import PLAIN, shifted
from benchmarks.report import figure

ROUNDS = 5_000
TABLES = ("digits", "segment", "satellite", "letter")
MOST_BESIDE_SQUARECB = 0.60
MOST_WHERE_NOTHING_DRIFTS = 0.005
MOST_FALSE_ALARMS = 1
BESIDE = "vw_squarecb"
_PEERS = (BESIDE, "gittins")
_OURS = {
    "hybrid (default)": HYBRID,
    "hybrid, forgets nothing": UNFORGETTING,
    "linear Thompson": OURS["linear Thompson"],
    "linear Thompson, alarm": WATCHFUL,
}
_ALARMED = ("hybrid (default)", "linear Thompson, alarm")


def jobs(orders: int) -> dict[str, Job]:
    """Return the tables of more than 1,000 rows and a logistic world."""
    found = {name: tables.load(name).job(orders) for name in TABLES}
    return found | {"logistic world": PLAIN.draw(orders, ROUNDS)[0]}


def drifting(job: Job, orders: int) -> dict[str, float]:
    """Return every row's loss over the half after the shift."""
    moved = shifted(job)
    found: dict[str, list[float]] = {}
    with peers(moved) as running:
        for order in range(orders):
            for name, setup in _OURS.items():
                loss = second_half(play(setup, moved, order).rewards)
                found.setdefault(name, []).append(loss)
            for name in _PEERS:
                loss = second_half(running.run(name, order)[0])
                found.setdefault(name, []).append(loss)
    return {name: float(np.mean(losses)) for name, losses in found.items()}


def steady(job: Job, orders: int) -> tuple[float, float, dict[str, int]]:
    """Return the same half's loss where nothing moves, with and without forgetting.

    And in how many runs those who look out for change raised an alarm.
    """
    alarmed = {name: _runs(name, job, orders) for name in _ALARMED}
    losses = [
        float(np.mean([second_half(run.rewards) for run in runs]))
        for runs in (alarmed[_ALARMED[0]], _runs("hybrid, forgets nothing", job, orders))
    ]
    alarms = {name: sum(run.alarms > 0 for run in runs) for name, runs in alarmed.items()}
    return losses[0], losses[1], alarms


def _runs(name: str, job: Job, orders: int) -> list[Run]:
    return [play(_OURS[name], job, order) for order in range(orders)]


def figures(orders: int) -> list[dict[str, Any]]:
    """Play with and without a shift."""
    found, rows, costs = [], [], []
    for name, job in jobs(orders).items():
        how = f"{name}, second half of {job.orders.shape[1]:,} rounds, {orders} orders"
        losses = drifting(job, orders)
        with_it, without, alarms = steady(job, orders)
        rows.append(losses)
        costs.append(with_it - without)
        found += [figure(f"drift: {name}: loss of {row}", losses[row], "", how) for row in losses]
        found += [
            figure(f"drift: {name}: loss where nothing drifts", with_it, "", how),
            figure(f"drift: {name}: the same, forgetting nothing", without, "", how),
        ]
        title, of = f"drift: {name}: runs with a false alarm", f"of {orders}, nothing drifts"
        found += [
            figure(f"{title}: {row}", count, "", of, at_most=MOST_FALSE_ALARMS)
            for row, count in alarms.items()
        ]
        told = {row: round(loss, 3) for row, loss in losses.items()}
        print(f"drift {name}", told, round(with_it, 4), round(without, 4), alarms, flush=True)
    mean = {row: float(np.mean([losses[row] for losses in rows])) for row in rows[0]}
    how = f"mean loss of the halves after the shift, {orders} orders"
    ratio = mean["hybrid (default)"] / mean[BESIDE]
    title = f"drift: hybrid (default) ÷ {BESIDE}"
    found.append(figure(title, ratio, "x", how, at_most=MOST_BESIDE_SQUARECB))
    found += [figure(f"drift: loss of {row}", mean[row], "", how) for row in mean]
    title = "drift: more loss where nothing drifts"
    how = "against forgetting nothing and no detector, mean of the same halves"
    cost = float(np.mean(costs))
    return [*found, figure(title, cost, "", how, at_most=MOST_WHERE_NOTHING_DRIFTS)]
