"""What a round costs, deciding and learning, beside other bandits in one interleaved run.

50 actions, 32 context features, rewards of 0 and 1. Every learner plays the same situations, some
rounds at a time in turn, for all to meet the same moments of the machine; figures are medians of
rounds, in processor time. A second run tells how the cost of a round grows with actions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import median
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.bandits.peers import PEERS, Job, peers
from benchmarks.report import figure, write
from nba.bandits import (
    UCB,
    BaggedModel,
    ContextualBandit,
    Cover,
    CoverModel,
    EpsilonGreedy,
    Greedy,
    HybridModel,
    LinearModel,
    LogisticModel,
    RegCB,
    Softmax,
    SquareCB,
    Thompson,
    Votes,
)
from nba.training.corrections import fit_correction

ACTIONS = 50
FEATURES = 32
WARM = 60
ROUNDS = 240
TURN = 20
SIZES = (1, 10, 100, 1_000)
SIZED_ROUNDS = 120
LONG_ROUNDS = 2_500
GOAL_BESIDE_MABWISER = 0.1
GOAL_EXPONENT = 1.1

Make = Callable[[int, int], ContextualBandit]


def _logistic(explorer: Any) -> Make:
    return lambda actions, features: ContextualBandit(LogisticModel(actions, features), explorer)


def _linear(explorer: Any, sharing: Any = "per_action") -> Make:
    return lambda actions, features: ContextualBandit(
        LinearModel(actions, features, sharing=sharing), explorer
    )


OURS: Mapping[str, Make] = {
    "hybrid, squarecb": lambda actions, features: ContextualBandit(
        HybridModel(actions, features, fit_correction), SquareCB()
    ),
    "logistic, squarecb": _logistic(SquareCB()),
    "logistic, thompson": _logistic(Thompson()),
    "linear, squarecb": _linear(SquareCB()),
    "linear, ucb": _linear(UCB()),
    "linear, regcb": _linear(RegCB()),
    "linear, regcb elimination": _linear(RegCB(elimination=True)),
    "linear, thompson": _linear(Thompson()),
    "linear, softmax": _linear(Softmax()),
    "linear, epsilon greedy": _linear(EpsilonGreedy()),
    "linear, greedy": _linear(Greedy()),
    "linear hybrid, ucb": _linear(UCB(), "hybrid"),
    "linear, cover 4": lambda actions, features: ContextualBandit(
        CoverModel(LinearModel(actions, features)), Cover()
    ),
    "4 bagged linear, votes": lambda actions, features: ContextualBandit(
        BaggedModel(LinearModel(actions, features), members=4), Votes()
    ),
}
"""The first is the one that goals are about."""


def _online(actions: int, features: int) -> ContextualBandit:
    return ContextualBandit(HybridModel(actions, features), SquareCB())


def world(actions: int, rounds: int, *, seed: int = 1) -> Job:
    """Draw situations and what every action would earn in them, about 1 in 5."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rounds, FEATURES))
    slopes = rng.normal(size=(FEATURES, actions)) / math.sqrt(FEATURES)
    chances = 1.0 / (1.0 + np.exp(1.5 - X @ slopes))
    rewards = (rng.random((rounds, actions)) < chances).astype(np.float64)
    return Job(X, rewards, np.arange(rounds)[None], seed)


def play(bandit: ContextualBandit, job: Job, first: int, rounds: int) -> NDArray[np.float64]:
    """Play rounds and return the seconds of each."""
    seconds = np.empty(rounds)
    for number in range(rounds):
        x = job.X[first + number]
        earned = job.rewards[first + number]
        begin = process_time()
        action = bandit.decide(x).action
        bandit.learn(x, action, float(earned[action]))
        seconds[number] = process_time() - begin
    return seconds


def beside_peers() -> dict[str, float]:
    """Return the median µs of a round of everyone."""
    job = world(ACTIONS, WARM + ROUNDS)
    bandits = {name: make(ACTIONS, FEATURES) for name, make in OURS.items()}
    times: dict[str, list[float]] = {name: [] for name in (*bandits, *PEERS)}
    with peers(job) as running:
        for first in range(0, WARM + ROUNDS, TURN):
            turn = {name: play(bandit, job, first, TURN) for name, bandit in bandits.items()}
            turn |= {name: running.time(name, first, TURN) for name in PEERS}
            if first >= WARM:
                for name, seconds in turn.items():
                    times[name].extend(seconds.tolist())
    return {name: 1e6 * median(seconds) for name, seconds in times.items()}


def growth(make: Make) -> tuple[float, dict[int, float]]:
    """Return the exponent by which a round's cost beyond one action's grows from 10 to 1,000."""
    jobs = {size: world(size, WARM + SIZED_ROUNDS) for size in SIZES}
    bandits = {size: make(size, FEATURES) for size in SIZES}
    times: dict[int, list[float]] = {size: [] for size in SIZES}
    for first in range(0, WARM + SIZED_ROUNDS, TURN):
        for size, bandit in bandits.items():
            seconds = play(bandit, jobs[size], first, TURN)
            if first >= WARM:
                times[size].extend(seconds.tolist())
    us = {size: 1e6 * median(seconds) for size, seconds in times.items()}
    few, many = (max(us[size] - us[1], 1e-3) for size in (10, 1_000))
    return math.log(many / few) / math.log(100.0), us


def with_refits(make: Make) -> tuple[float, float]:
    """Return the mean µs of a round of a long run with all refits, and its longest round's ms.

    What a process pays once, importing LightGBM (a second) and reading compiled code, is paid
    before, in a short run that has refits too.
    """
    play(make(1, FEATURES), world(1, WARM + ROUNDS), 0, WARM + ROUNDS)
    job = world(ACTIONS, LONG_ROUNDS)
    seconds = play(make(ACTIONS, FEATURES), job, 0, LONG_ROUNDS)
    return 1e6 * float(seconds.mean()), 1e3 * float(seconds.max())


def figures() -> list[dict[str, Any]]:
    """Measure; takes about a minute."""
    how = (
        f"a round of deciding and learning, {ACTIONS} actions x {FEATURES} features, median of "
        f"{ROUNDS} interleaved rounds, processor time"
    )
    us = beside_peers()
    default = next(iter(OURS))
    found = [
        figure(
            f"{default} ÷ MABWiser LinUCB",
            us[default] / us["mabwiser_linucb"],
            "x",
            how,
            at_most=GOAL_BESIDE_MABWISER,
        )
    ]
    found += [figure(f"a round of {name}", us[name], "µs", how) for name in us]
    mean, longest = with_refits(OURS[default])
    found.append(
        figure(
            f"{default}, refits spread ÷ MABWiser LinUCB",
            mean / us["mabwiser_linucb"],
            "x",
            f"mean of {LONG_ROUNDS:,} rounds with all refits, {mean:.0f} µs, processor time",
            at_most=GOAL_BESIDE_MABWISER,
        )
    )
    how = f"of {LONG_ROUNDS:,} rounds, processor time"
    found.append(figure(f"{default}: longest round", longest, "ms", how))
    grown = {
        # Forests would be there after 60 rounds of one action, and not yet of a thousand.
        "hybrid before its forests, squarecb": _online,
        **{name: OURS[name] for name in ("linear, ucb", "linear, thompson")},
    }
    for name, make in grown.items():
        exponent, sized = growth(make)
        told = ", ".join(f"{size}: {value:.0f} µs" for size, value in sized.items())
        found.append(
            figure(
                f"growth with actions of {name}",
                exponent,
                "exponent",
                f"cost beyond one action's, from 10 to 1,000 actions ({told})",
                at_most=GOAL_EXPONENT,
            )
        )
    return found


if __name__ == "__main__":
    write("bandit_speed", figures())
