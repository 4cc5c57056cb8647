"""Propensity and value: what every candidate of a placement is expected to bring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.bandits import Correction, Estimate
from nba.decision.goals import GoalsExpected
from nba.decision.kernels import expected_values
from nba.decision.plan import PlacementPlan, Plan
from nba.decision.positions import correction_at, logits_at
from nba.errors import InputError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one placement's candidates, all ``(n,)``; ``degraded`` names what failed.

    ``logits`` are those of the propensities, ``weights`` what each value counts for, ``goals`` what
    is expected beside desired outcomes, ``None`` where no candidate has goals. ``learned`` is what
    the learner adds to expected rewards, in currency; ``None`` where it corrects logits alone.
    ``deviations`` are the scores' standard deviations in currency, where exploration asks for them
    and the learner did not fail, and ``members`` ``(m, n)`` the scores that each member of an
    ensemble gives.
    """

    logits: FloatArray
    weights: FloatArray
    propensities: FloatArray
    scores: FloatArray
    degraded: tuple[str, ...]
    goals: GoalsExpected | None = None
    learned: FloatArray | None = None
    deviations: FloatArray | None = None
    members: FloatArray | None = None

    @property
    def estimate(self) -> Estimate:
        """The scores, and how sure they are."""
        return Estimate(self.scores, self.deviations, self.members)


class RankScores:
    """Scores of one placement's candidates in one situation, at any rank.

    Models are asked once, and ranks that are looked at alike share their scores. Arguments are
    those of :func:`score`.
    """

    def __init__(
        self, slot: PlacementPlan, plan: Plan, row: NDArray[np.float32], weights: FloatArray
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
    weights: FloatArray,
    *,
    rank: int = 1,
    model_logits: FloatArray | None = None,
) -> Scores:
    """Score a placement's candidates; where a model or the learner breaks, priors stand in.

    ``weights`` is what the guardrails make each candidate count for, ``(n,)``; ``model_logits``
    ``(n,)`` is what the models say at the first rank, where they were asked already.
    """
    weights = slot.weights * weights
    if model_logits is None:
        model_logits = slot.model_logits(row)
    logits, z = logits_at(slot.placement, model_logits, rank), plan.learner_inputs(row)
    degraded: tuple[str, ...] = ()
    try:
        correction = slot.learner.correct(logits, z)
    except InputError:
        degraded, correction = ("bandit",), Correction(logits)
    propensities, scores, finite = _valued(slot, correction.logits, weights)
    if not finite:
        logits = logits_at(slot.placement, slot.prior_logits, rank)
        degraded, correction = ("propensity",), Correction(logits)
        propensities, scores, _ = _valued(slot, correction.logits, weights)
    goals = None
    if slot.goals is not None:
        goals = slot.goals.expect(z, effect=slot.placement.effect_at(rank))
        scores = scores + goals.worths * weights
    correction = correction_at(slot.placement, correction, rank)
    learned, members = correction.rewards, correction.members
    deviations = _deviations(slot, propensities, correction, goals, weights)
    if not all(map(_is_sound, (learned, members, deviations))):
        degraded, learned, members, deviations = ("bandit",), None, None, None
    if goals is not None and not goals.sound:
        degraded = degraded or ("bandit",)
    return Scores(
        correction.logits,
        weights,
        propensities,
        scores if learned is None else scores + learned * weights,
        degraded,
        goals,
        learned,
        deviations,
        None if members is None else scores + members * weights,
    )


def _is_sound(part: FloatArray | None) -> bool:
    return part is None or bool(np.isfinite(part).all())


def _deviations(
    slot: PlacementPlan,
    propensities: FloatArray,
    correction: Correction,
    goals: GoalsExpected | None,
    weights: FloatArray,
) -> FloatArray | None:
    """Return the scores' deviations; those of logits count by the delta method.

    How often goals are met is taken to be independent of whether the desired outcome comes.
    """
    if not slot.arbitration.uses_deviations:
        return None
    if correction.variances is not None:
        slopes = slot.values * weights * propensities * (1.0 - propensities)
        with np.errstate(invalid="ignore"):  # a learner that answers nonsense is told by the result
            alone: FloatArray = np.abs(slopes) * np.sqrt(correction.variances)
            return alone if goals is None else np.hypot(alone, weights * np.sqrt(goals.variances))
    if correction.deviations is not None:
        return np.abs(weights) * correction.deviations
    return None


def _valued(
    slot: PlacementPlan, logits: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray, bool]:
    valued: tuple[FloatArray, FloatArray, bool] = expected_values(
        logits, slot.values, weights, slot.costs
    )
    return valued
