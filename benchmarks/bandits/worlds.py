"""Simulated worlds: logistic rewards, rare where wanted, and rewards that move to other actions."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.bandits.peers import Job


@dataclass(frozen=True)
class LogisticWorld:
    """Each action succeeds with a logistic chance of its own in the situation.

    Logits are that of ``base_rate``, plus a bias of each action with the standard deviation
    ``bias``, plus slopes on standard normal features that together have the deviation ``slope``.
    """

    n_actions: int
    n_features: int
    base_rate: float
    bias: float
    slope: float
    seed: int

    def draw(self, orders: int, rounds: int) -> tuple[Job, NDArray[np.float64]]:
        """Return a job whose orders are situations of their own, and chances ``(n, n_actions)``."""
        rng = np.random.default_rng(self.seed)
        middle = math.log(self.base_rate / (1.0 - self.base_rate))
        biases = middle + self.bias * rng.normal(size=self.n_actions)
        slopes = self.slope * rng.normal(size=(self.n_features, self.n_actions))
        slopes /= math.sqrt(self.n_features)
        X = rng.normal(size=(orders * rounds, self.n_features))
        chances = 1.0 / (1.0 + np.exp(-(biases + X @ slopes)))
        rewards = (rng.random(chances.shape) < chances).astype(np.float64)
        rows = np.arange(orders * rounds).reshape(orders, rounds)
        return Job(X, rewards, rows, self.seed), chances


RARE = {
    "0.6 %": LogisticWorld(8, 10, base_rate=0.006, bias=1.2, slope=1.5, seed=7),
    "2 %": LogisticWorld(8, 10, base_rate=0.02, bias=0.6, slope=1.25, seed=4),
}
"""By base rate. The best constant action earns about .06 in both; how much more there is to learn
differs: the best action of every situation would earn about .08 and .145."""

PLAIN = LogisticWorld(10, 10, base_rate=0.3, bias=0.5, slope=1.5, seed=1)
"""A world in which nothing is hard."""

TYPICAL = LogisticWorld(10, 10, base_rate=0.1, bias=0.5, slope=1.0, seed=1)
"""One choice in seven succeeds by chance, one in five of the best constant action's, more than one
in three of the best ones'."""


def shifted(job: Job) -> Job:
    """Return the job with the rewards of every action moved to the next one midway."""
    n, rounds = len(job.X), job.orders.shape[1]
    late = np.arange(rounds) >= rounds // 2
    return replace(
        job,
        X=np.concatenate([job.X, job.X]),
        rewards=np.concatenate([job.rewards, np.roll(job.rewards, 1, axis=1)]),
        orders=job.orders + n * late,
    )
