"""What both plans would have earned, estimated from what the log earned.

Only first choices count: of the placement asked for first, where the action probability of a plan
is exact. A reward is weighed by the plan's probability of the logged action over the probability it
was drawn with. The reward model of the doubly robust estimate is the propensity model, before the
bandit that has learned from these very rewards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.bandits.ope import (
    DR,
    IPS,
    SNIPS,
    Estimator,
    LoggedData,
    Target,
    compare,
    diagnose,
    evaluate,
    verdict,
)
from nba.control.simulation.replaying import Replayed
from nba.control.simulation.report import OffPolicy, ValueDifference, ValueRow
from nba.domain.ids import NO_ACTION
from nba.errors import EvaluationRefusedError

ESTIMATORS: tuple[Estimator, ...] = (IPS(), SNIPS(), DR())

NO_REWARDS = "no decision of the sample has a reward yet: sample older ones, or wait"


@dataclass(frozen=True, slots=True)
class Rewarded:
    """A first choice with its reward, and how both plans see it.

    ``chances`` are the probabilities of the logged action before and after, ``expected`` the
    rewards the model expects of it, and ``planned`` those it expects of the whole plan.
    ``modelled`` gives what the model expects of each action that the plan before leaves.
    """

    customer: str
    action: str
    probability: float
    reward: float
    chances: tuple[float, float]
    expected: tuple[float, float]
    planned: tuple[float, float]
    modelled: dict[str, float]

    @classmethod
    def of(
        cls, action: str, probability: float, reward: float, before: Replayed, after: Replayed
    ) -> Rewarded:
        """Take in a logged choice under both plans."""
        models = [
            {str(NO_ACTION): 0.0} if one.first is None else one.first.modelled()
            for one in (before, after)
        ]
        seen = [
            _seen(action, one, model) for one, model in zip((before, after), models, strict=True)
        ]
        return cls(
            before.inputs.request.customer_id,
            action,
            probability,
            reward,
            (seen[0][0], seen[1][0]),
            (seen[0][1], seen[1][1]),
            (seen[0][2], seen[1][2]),
            models[0],
        )

    def constant(self, action: str) -> str:
        """Return what is said under a policy that says one action wherever it may."""
        return action if action in self.modelled else NO_ACTION


def _seen(action: str, decided: Replayed, model: dict[str, float]) -> tuple[float, float, float]:
    """Return a plan's chance of an action, what is expected of it, and of the plan."""
    first = decided.first
    if first is None:
        return float(action == NO_ACTION), 0.0, 0.0
    planned = float((first.probabilities * np.array(list(model.values()))).sum())
    return first.chance_of(action), model.get(action, 0.0), planned


def off_policy(rewarded: Sequence[Rewarded], *, seed: int) -> OffPolicy:
    """Return the value table; ``seed`` draws the resamples of customers behind the intervals."""
    if not rewarded:
        return OffPolicy(0, refused=NO_REWARDS)
    try:
        data = _data(rewarded)
    except EvaluationRefusedError as error:
        return OffPolicy(len(rewarded), refused=str(error))
    plans = {name: _plan_target(rewarded, side) for side, name in enumerate(("before", "after"))}
    best = _best_constant(rewarded, data)
    targets = {**plans, NO_ACTION: _constant_target(rewarded, NO_ACTION)}
    if best:
        targets[f"always {best}"] = _constant_target(rewarded, best)
    rows = [
        _row(name, estimator, data, target, seed)
        for name, target in targets.items()
        for estimator in ESTIMATORS
    ]
    refused = any(_refusal(data, target) for target in plans.values())
    differences = [
        _difference(estimator, data, plans, seed, refused=refused) for estimator in ESTIMATORS
    ]
    return OffPolicy(len(rewarded), tuple(rows), tuple(differences), best)


def _data(rewarded: Sequence[Rewarded]) -> LoggedData:
    customers = {
        name: code for code, name in enumerate(dict.fromkeys(r.customer for r in rewarded))
    }
    return LoggedData(
        actions=np.zeros(len(rewarded), dtype=np.int64),
        rewards=np.array([one.reward for one in rewarded]),
        probabilities=np.array([one.probability for one in rewarded]),
        clusters=np.array([customers[one.customer] for one in rewarded], dtype=np.int64),
    )


def _plan_target(rewarded: Sequence[Rewarded], side: int) -> Target:
    chances = np.array([one.chances[side] for one in rewarded])
    return Target(
        # What was drawn is recorded in full, but a sum of shares may be a rounding above 1.
        np.minimum(chances, 1.0),
        np.array([one.expected[side] for one in rewarded]),
        np.array([one.planned[side] for one in rewarded]),
    )


def _constant_target(rewarded: Sequence[Rewarded], action: str) -> Target:
    said = [one.constant(action) for one in rewarded]
    chances: NDArray[np.float64] = np.array(
        [float(one.action == wanted) for one, wanted in zip(rewarded, said, strict=True)]
    )
    return Target(
        chances,
        np.array([one.modelled.get(one.action, 0.0) for one in rewarded]),
        np.array([one.modelled[w] for one, w in zip(rewarded, said, strict=True)]),
    )


def _best_constant(rewarded: Sequence[Rewarded], data: LoggedData) -> str:
    """Return the offer worth most if always made, of those the log can judge if there are any."""
    offers = sorted({one.action for one in rewarded} - {NO_ACTION})
    judged: dict[str, tuple[bool, float]] = {}
    for offer in offers:
        target = _constant_target(rewarded, offer)
        terms = SNIPS().terms(data, target)
        value = float(terms.combine(terms.columns.sum(axis=0)))
        judged[offer] = (not _refusal(data, target), value)
    return max(judged, key=lambda offer: judged[offer], default="")


def _refusal(data: LoggedData, target: Target) -> str:
    return "; ".join(verdict(diagnose(data, target)).reasons)


def _row(name: str, estimator: Estimator, data: LoggedData, target: Target, seed: int) -> ValueRow:
    refused = _refusal(data, target)
    found = evaluate(estimator, data, target, seed=seed)
    if refused or not math.isfinite(found.value):
        return ValueRow(
            name, estimator.name, None, None, None, found.effective_sample_size, refused
        )
    return ValueRow(
        name, estimator.name, found.value, found.low, found.high, found.effective_sample_size
    )


def _difference(
    estimator: Estimator,
    data: LoggedData,
    plans: dict[str, Target],
    seed: int,
    *,
    refused: bool,
) -> ValueDifference:
    if refused:
        finding = "refused: the log cannot carry the value of both plans"
        return ValueDifference(estimator.name, None, None, None, finding)
    found = compare(estimator, data, plans["after"], plans["before"], seed=seed)
    return ValueDifference(estimator.name, found.difference, found.low, found.high, found.finding)
