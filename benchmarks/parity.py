"""Whether the feature store answers what a slow and obvious one answers, on many random cases.

A case is a random set of definitions and a random stream of events, updates and reads: late,
repeated, out of order, ahead of the clock, at the edges of tiles. Every value of every row read is
compared, as is what is refused. The events are applied one at a time, as batches, and offline from
frames as the log has them.

Run ``python -m benchmarks.parity --cases 10000``.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from benchmarks.parity_log import offline
from benchmarks.parity_shop import Differences, Shop
from tests.features.strategies import (
    CUSTOMERS,
    Ask,
    SeededChance,
    make_case,
    make_changed_case,
)

_SHOWN = 10


def play_random(seed: int) -> Differences:
    """Play a case.

    At the end of one in four what is declared changes, of one two customers are merged, and one is
    asked of the log too.
    """
    chance = SeededChance(np.random.default_rng(seed))
    case = make_case(chance)
    shop = Shop(case.declared)
    shop.play(case)
    match seed % 4:
        case 1:
            changed = make_changed_case(chance, case)
            shop.redeclare(changed.declared)
            shop.play(changed)
        case 2:
            shop.merge(CUSTOMERS[0], CUSTOMERS[1], case.end_ms())
            for customer in CUSTOMERS:
                shop.ask(Ask(customer, case.end_ms(), {}, {}, ()), len(case.steps))
        case 3:
            shop.tally.add(offline(case))
    return shop.tally


def run(cases: int, seed: int) -> Differences:
    """Play so many cases, the first from ``seed``, and return all that differed."""
    total = Differences()
    for number in range(seed, seed + cases):
        one = play_random(number)
        total.cases += 1
        total.add(one)
        total.seeds += [number] * bool(one.found)
    return total


def main() -> None:
    """Play cases and print what was compared and what differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    begin = time.perf_counter()
    total = run(arguments.cases, arguments.seed)
    seconds = time.perf_counter() - begin
    print(f"{'cases':>12} {'events':>12} {'reads':>12} {'values':>12} {'differences':>12}")
    print(
        f"{total.cases:>12,} {total.events:>12,} {total.reads:>12,} {total.values:>12,}"
        f" {total.differences:>12,}   in {seconds:.0f} s"
    )
    declared = ", ".join(f"{name} {count:,}" for name, count in total.by_function.most_common())
    print(f"declared: {declared}")
    for difference in total.found[:_SHOWN]:
        print(difference)
    if total.seeds:
        print(f"cases that differ: {total.seeds[:_SHOWN]}")


if __name__ == "__main__":
    main()
