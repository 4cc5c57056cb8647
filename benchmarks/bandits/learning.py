"""Classification tables turned into bandit problems: the default learner beside all others.

Every row plays the same orders of the same rounds, one order after another in turn. Loss is
progressive: the mean of 1 less the reward over all rounds, those at the start included.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.bandits import tables
from benchmarks.bandits.ours import OURS, best_constant, play
from benchmarks.bandits.peers import PEERS, peers
from benchmarks.bandits.tables import Table
from benchmarks.report import figure

DEFAULT = "hybrid (default)"
CONSTANT = "best constant"
MABWISER = "mabwiser_linucb"
VOWPAL_WABBIT = tuple(name for name in PEERS if name.startswith("vw"))

MOST_MEAN = 0.20
MOST_BESIDE_VOWPAL_WABBIT = 0.56
MOST_BESIDE_MABWISER = 0.70

Losses = Mapping[str, NDArray[np.float64]]
"""By row, ``(orders, rounds)``: 1 less the reward of every round; of the best constant its mean."""


@dataclass(frozen=True)
class Played:
    """What a table cost everyone, and the false alarms of the default in each order."""

    losses: Losses
    alarms: list[int]


def losses(table: Table, orders: int) -> Played:
    """Let everyone play a table."""
    job = table.job(orders)
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in (*OURS, CONSTANT, *PEERS)}
    alarms: list[int] = []
    with peers(job) as running:
        for order in range(orders):
            for name, setup in OURS.items():
                played = play(setup, job, order)
                found[name].append(1.0 - played.rewards)
                if name == DEFAULT:
                    alarms.append(played.alarms)
            constant = 1.0 - best_constant(job, order)
            found[CONSTANT].append(np.full(job.orders.shape[1], constant))
            for name in PEERS:
                rewards, _ = running.run(name, order)
                found[name].append(1.0 - rewards)
    return Played({name: np.array(runs) for name, runs in found.items()}, alarms)


def show(by_table: Mapping[str, Played]) -> None:
    """Print mean losses, a row each, best first."""
    names = (*OURS, CONSTANT, *PEERS)
    rows = {name: [float(by_table[t].losses[name].mean()) for t in by_table] for name in names}
    print(f"{'loss':<24} {'mean':>6} " + " ".join(f"{name[:9]:>9}" for name in by_table))
    for name, means in sorted(rows.items(), key=lambda row: np.mean(row[1])):
        told = " ".join(f"{mean:>9.3f}" for mean in means)
        print(f"{name:<24} {np.mean(means):>6.4f} {told}", flush=True)


def summary(group: str, by_table: Mapping[str, Played], orders: int) -> list[dict[str, Any]]:
    """Return the figures of a group of tables; goals of the mean are those of the six."""
    names = (*OURS, CONSTANT, *PEERS)
    each = {name: {t: float(by_table[t].losses[name].mean()) for t in by_table} for name in names}
    mean = {name: float(np.mean(list(each[name].values()))) for name in names}
    best = min(VOWPAL_WABBIT, key=lambda name: mean[name])
    how = f"progressive loss, {orders} orders, at most {tables.MOST_ROUNDS:,} rounds: {group}"
    ours = mean[DEFAULT]
    of_six = group == "six"
    found = [
        figure(f"{group}: {DEFAULT}", ours, "", how, at_most=MOST_MEAN if of_six else None),
        figure(
            f"{group}: {DEFAULT} ÷ {best}",
            ours / mean[best],
            "x",
            how,
            at_most=MOST_BESIDE_VOWPAL_WABBIT if of_six else None,
        ),
        figure(
            f"{group}: {DEFAULT} ÷ {MABWISER}",
            ours / mean[MABWISER],
            "x",
            how,
            at_most=MOST_BESIDE_MABWISER if of_six else None,
        ),
    ]
    for table in by_table:
        ratio = each[DEFAULT][table] / min(each[name][table] for name in VOWPAL_WABBIT)
        name = f"{group}: {table}: {DEFAULT} ÷ best of Vowpal Wabbit"
        found.append(figure(name, ratio, "x", how, at_most=1.0))
        alarms = sum(count > 0 for count in by_table[table].alarms)
        what = f"orders with a false alarm, of {orders}; nothing changes in this table"
        found.append(figure(f"{group}: {table}: false alarms", alarms, "", what, at_most=1))
    for name in names:
        spread = " ".join(f"{t} {_interval(by_table[t].losses[name])}" for t in by_table)
        found.append(figure(f"{group}: loss of {name}", mean[name], "", f"{how}; {spread}"))
    return found


def _interval(runs: NDArray[np.float64]) -> str:
    """Return the mean of runs ``(orders, rounds)`` and its standard error over orders."""
    means = runs.mean(axis=1)
    error = means.std(ddof=1) / np.sqrt(len(means)) if len(means) > 1 else 0.0
    return f"{means.mean():.4f} ± {error:.4f}"


def play_all(chosen: Iterable[Table], orders: int) -> dict[str, Played]:
    """Let everyone play tables, and print each as it is done."""
    by_table: dict[str, Played] = {}
    for table in chosen:
        by_table[table.name] = losses(table, orders)
        show({table.name: by_table[table.name]})
    return by_table


def figures(orders: int) -> list[dict[str, Any]]:
    """Play the six tables and those held back, and draw the learning curves of the six."""
    from benchmarks.bandits import curves

    six = play_all((tables.load(name) for name in tables.SIX), orders)
    curves.draw({name: played.losses for name, played in six.items()})
    show(six)
    others = play_all(tables.held_back(), orders)
    show(others)
    return [*summary("six", six, orders), *summary("held back", others, orders)]
