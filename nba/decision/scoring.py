"""Propensity and value: what every candidate of a placement is expected to bring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.decision.kernels import expected_values
from nba.decision.plan import PlacementPlan, Plan
from nba.decision.positions import logits_at
from nba.errors import InputError


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one placement's candidates, all ``(n,)``; ``degraded`` names what failed.

    ``logits`` are those of the propensities, ``weights`` what each value counts for.
    ``deviations`` are the scores' standard deviations in currency, where exploration asks for them
    and the learner did not fail.
    """

    logits: NDArray[np.float64]
    weights: NDArray[np.float64]
    propensities: NDArray[np.float64]
    scores: NDArray[np.float64]
    degraded: tuple[str, ...]
    deviations: NDArray[np.float64] | None = None


class RankScores:
    """Scores of one placement's candidates in one situation, at any rank.

    Models are asked once, and ranks that are looked at alike share their scores. Arguments are
    those of :func:`score`.
    """

    def __init__(
        self,
        slot: PlacementPlan,
        plan: Plan,
        row: NDArray[np.float32],
        weights: NDArray[np.float64],
    ) -> None:
        self._slot, self._given = slot, (plan, row, weights)
        self._model_logits = slot.model_logits(row)
        self._found: dict[float, Scores] = {}

    def at(self, rank: int) -> Scores:
        """Return the scores at a rank, counted from 1."""
        effect = self._slot.placement.effect_at(rank)
        if effect not in self._found:
            given = self._slot, *self._given
            self._found[effect] = score(*given, rank=rank, model_logits=self._model_logits)
        return self._found[effect]


def score(
    slot: PlacementPlan,
    plan: Plan,
    row: NDArray[np.float32],
    weights: NDArray[np.float64],
    *,
    rank: int = 1,
    model_logits: NDArray[np.float64] | None = None,
) -> Scores:
    """Score a placement's candidates; where a model or the learner breaks, priors stand in.

    ``weights`` is what the guardrails make each candidate count for, ``(n,)``; ``model_logits``
    ``(n,)`` is what the models say at the first rank, where they were asked already.
    """
    weights = slot.weights * weights
    if model_logits is None:
        model_logits = slot.model_logits(row)
    logits = logits_at(slot.placement, model_logits, rank)
    degraded: tuple[str, ...] = ()
    variances: NDArray[np.float64] | None = None
    try:
        logits, variances = slot.learner.estimate(logits, plan.learner_inputs(row))
    except InputError:
        degraded, variances = ("bandit",), None
    propensities, scores, finite = _valued(slot, logits, weights)
    if not finite:
        logits = logits_at(slot.placement, slot.prior_logits, rank)
        propensities, scores, _ = _valued(slot, logits, weights)
        degraded, variances = ("propensity",), None
    deviations = None
    if variances is not None and slot.arbitration.uses_deviations:
        deviations = _deviations(slot, propensities, variances, weights)
        if not np.isfinite(deviations).all():
            degraded, deviations = ("bandit",), None
    return Scores(logits, weights, propensities, scores, degraded, deviations)


def _deviations(
    slot: PlacementPlan,
    propensities: NDArray[np.float64],
    variances: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the scores' deviations from their logits' variances, by the delta method."""
    slopes = slot.values * weights * propensities * (1.0 - propensities)
    with np.errstate(invalid="ignore"):  # a learner that answers nonsense is told from the result
        deviations: NDArray[np.float64] = np.abs(slopes) * np.sqrt(variances)
    return deviations


def _valued(
    slot: PlacementPlan, logits: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    valued: tuple[NDArray[np.float64], NDArray[np.float64], bool] = expected_values(
        logits, slot.values, weights, slot.costs
    )
    return valued
