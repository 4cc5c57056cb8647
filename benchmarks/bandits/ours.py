"""Our own bandits on the rounds that peers play: by name, as a function of a job and an order."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.bandits.peers import Job
from nba.bandits import (
    UCB,
    BaggedModel,
    BanditSettings,
    ContextualBandit,
    Cover,
    CoverModel,
    Explorer,
    Greedy,
    HybridModel,
    LinearModel,
    SquareCB,
    Thompson,
    Uniform,
    ValueModel,
    Votes,
)
from nba.bandits.hybrid_model import ALONE
from nba.training.corrections import fit_correction

DEFAULT_FLOOR = 0.022
"""Share of the choices spread over all actions alike where evaluation is to stay possible."""


@dataclass(frozen=True)
class Run:
    """One order played: rewards and probabilities of what was chosen (rounds,); seconds in all."""

    rewards: NDArray[np.float64]
    actions: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    seconds: float
    alarms: int = 0


_SQUARE_CB = SquareCB()


@dataclass(frozen=True)
class Setup:
    """How a bandit is made; ``floor`` is a share of all choices."""

    forests: bool = True
    settings: BanditSettings = ALONE
    explorer: Explorer = _SQUARE_CB
    floor: float = 0.0
    base_rate: float = 0.5
    model: Callable[[int, int], ValueModel] | None = None

    def make(self, n_actions: int, n_features: int, seed: int) -> ContextualBandit:
        fitter = fit_correction if self.forests else None
        if self.model is not None:
            model = self.model(n_actions, n_features)
        else:
            model = HybridModel(
                n_actions, n_features, fitter, base_rate=self.base_rate, settings=self.settings
            )
        return ContextualBandit(model, self.explorer, floor=self.floor / n_actions, seed=seed)


HYBRID = Setup()
WATCHFUL = Setup(
    model=partial(LinearModel, forgetting=0.999, change_threshold=4.0), explorer=Thompson()
)
"""A linear model that forgets and looks out for change, as the service's does."""
UNFORGETTING = Setup(settings=replace(ALONE, forgetting=1.0, change_threshold=None))
OURS: Mapping[str, Setup] = {
    "hybrid (default)": HYBRID,
    "hybrid, floor .02": Setup(floor=0.02),
    "online logistic": Setup(forests=False),
    "logistic Thompson": Setup(forests=False, explorer=Thompson()),
    "logistic greedy": Setup(forests=False, explorer=Greedy()),
    "LinUCB .25": Setup(model=LinearModel, explorer=UCB(0.25)),
    "linear Thompson": Setup(model=LinearModel, explorer=Thompson()),
    "linear Cover-NU(4)": Setup(
        model=lambda actions, features: CoverModel(LinearModel(actions, features)),
        explorer=Cover(uniform=0.0),
    ),
    "random": Setup(forests=False, explorer=Uniform()),
}

LINEAR: Mapping[str, Setup] = {
    "Greedy": Setup(model=LinearModel, explorer=Greedy()),
    "SquareCB": Setup(model=LinearModel),
    "UCB(.25)": OURS["LinUCB .25"],
    "Thompson": OURS["linear Thompson"],
    "Cover-NU(4)": OURS["linear Cover-NU(4)"],
    "Cover(4)": replace(OURS["linear Cover-NU(4)"], explorer=Cover()),
    "Votes, 4 members": Setup(
        model=lambda actions, features: BaggedModel(LinearModel(actions, features), members=4),
        explorer=Votes(),
    ),
}
"""Explorers on one value model, so that nothing but how they explore tells them apart."""


def play(
    setup: Setup, job: Job, order: int, *, every: int = 1, delays: NDArray[np.int64] | None = None
) -> Run:
    """Play one order of a job.

    ``every`` is how many rounds' outcomes are learned at once, ``delays`` (rounds,) how many rounds
    later each arrives.
    """
    rows = job.orders[order]
    bandit = setup.make(job.rewards.shape[1], job.X.shape[1], job.seed + order)
    rewards, probabilities = np.empty(len(rows)), np.empty(len(rows))
    actions = np.empty(len(rows), dtype=np.int64)
    coming: list[tuple[int, int]] = []  # when an outcome arrives, and whose it is
    started = time.process_time()
    for t, row in enumerate(rows):
        drawn = bandit.decide(job.X[row])
        actions[t], probabilities[t] = drawn.action, drawn.probability
        rewards[t] = job.rewards[row, drawn.action]
        wait = 0 if delays is None else int(delays[t])
        heapq.heappush(coming, (t + wait, t))
        if (t + 1) % every:
            continue
        while coming and coming[0][0] <= t:
            _, past = heapq.heappop(coming)
            bandit.learn(
                job.X[rows[past]],
                int(actions[past]),
                float(rewards[past]),
                probability=float(probabilities[past]),
            )
    seconds = time.process_time() - started
    alarms = getattr(bandit.model, "alarms", 0)  # of those that look out for change
    return Run(rewards, actions, probabilities, seconds, alarms)


def best_constant(job: Job, order: int) -> float:
    """Return the mean reward of the one action that was best in hindsight."""
    return float(job.rewards[job.orders[order]].mean(axis=0).max())
