"""Logistic calibration of raw scores: a line on the log-odds scale.

Source: J. Platt, "Probabilistic outputs for support vector machines" (1999), with the targets'
smoothing, fitted by Newton's method with step halving after Lin, Lin and Weng, "A note on Platt's
probabilistic outputs" (Machine Learning 68, 2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.errors import EvaluationRefusedError

MIN_SLOPE = 1e-3
"""Least slope: scores that rank worse than chance are flattened, never turned around."""

_MAX_STEPS = 100
_LEAST_STEP = 1e-10
_RIDGE = 1e-12
_LEAST_GAIN = 1e-15
_SUFFICIENT_DECREASE = 1e-4


@dataclass(frozen=True, slots=True)
class Calibration:
    """The calibrated log odds of a raw score x: ``slope`` · x + ``intercept``.

    The slope is above zero, so that calibration never changes an order.

    >>> Calibration(slope=2.0, intercept=-1.0).apply(np.array([0.0, 1.0]))
    array([-1.,  1.])
    """

    slope: float = 1.0
    intercept: float = 0.0

    def __post_init__(self) -> None:
        if not (isfinite(self.slope) and self.slope > 0.0 and isfinite(self.intercept)):
            raise ValueError(
                f"slope {self.slope} and intercept {self.intercept}; "
                "a slope above zero and a finite intercept are expected"
            )

    def apply(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return calibrated log odds of raw scores, of any shape, float64."""
        calibrated: NDArray[np.float64] = self.slope * logits + self.intercept
        return calibrated


def fit_logistic(
    logits: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None
) -> Calibration:
    """Fit a calibration to raw scores (n,) and labels (n,) of 0 or 1, by maximum likelihood.

    Targets are smoothed as Platt does: (N₊ + 1)/(N₊ + 2) for positives and 1/(N₋ + 2) for
    negatives, N being the weight of each class. ``weights`` (n,) default to 1.

    Where a slope cannot be learned, because only one class or only one score was seen, the slope is
    1 and the intercept makes the mean probability the smoothed rate of positives,
    (N₊ + 1)/(N + 2). Where the best slope is below :data:`MIN_SLOPE`, it is held there.

    Raises :class:`EvaluationRefusedError` where there is no weight at all, or a score, label or
    weight is not usable.
    """
    scores, targets, weight = _read(logits, labels, weights)
    positive = float(weight @ targets)
    total = float(weight.sum())
    ones = np.ones((len(scores), 1))
    if positive in {0.0, total} or np.ptp(scores) == 0.0:
        rate = np.full(len(scores), (positive + 1.0) / (total + 2.0))
        (intercept,) = _fit(ones, scores, rate, weight)
        return Calibration(1.0, float(intercept))
    high, low = (positive + 1.0) / (positive + 2.0), 1.0 / (total - positive + 2.0)
    smoothed = np.where(targets == 1.0, high, low)
    centre, scale = float(scores.mean()), float(scores.std())
    standardized = (scores - centre) / scale
    design = np.column_stack([standardized, ones])
    steepness, level = _fit(design, np.zeros(len(scores)), smoothed, weight)
    slope = float(steepness) / scale
    if slope < MIN_SLOPE:
        (intercept,) = _fit(ones, MIN_SLOPE * scores, smoothed, weight)
        return Calibration(MIN_SLOPE, float(intercept))
    return Calibration(slope, float(level) - slope * centre)


def _read(
    logits: ArrayLike, labels: ArrayLike, weights: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    scores = np.asarray(logits, dtype=np.float64)
    targets = np.asarray(labels, dtype=np.float64)
    weight = np.ones(scores.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    if scores.ndim != 1 or targets.shape != scores.shape or weight.shape != scores.shape:
        raise EvaluationRefusedError(
            f"scores {scores.shape}, labels {targets.shape} and weights {weight.shape} to calibrate"
            " with; one of each per row is expected"
        )
    if not np.isfinite(scores).all() or not np.isin(targets, (0.0, 1.0)).all():
        raise EvaluationRefusedError("calibration needs finite scores and labels of 0 or 1")
    if not (np.isfinite(weight).all() and (weight >= 0.0).all() and weight.sum() > 0.0):
        raise EvaluationRefusedError(
            "calibration needs rows, with finite weights, none below zero and some above"
        )
    return scores, targets, weight


def _fit(
    design: NDArray[np.float64],
    offset: NDArray[np.float64],
    targets: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the coefficients (k,) of a logistic regression on ``design`` (n, k) plus ``offset``.

    The targets lie strictly between 0 and 1, so that the one optimum is finite.
    """

    def loss(coefficients: NDArray[np.float64]) -> float:
        logit = design @ coefficients + offset
        return float(weight @ (np.logaddexp(0.0, logit) - targets * logit))

    total = float(weight.sum())
    coefficients = np.zeros(design.shape[1])
    current = loss(coefficients)
    for _ in range(_MAX_STEPS):
        logit = design @ coefficients + offset
        chance = np.exp(-np.logaddexp(0.0, -logit))
        gradient = design.T @ (weight * (chance - targets))
        curvature = design.T @ (design * (weight * chance * (1.0 - chance))[:, None])
        ridge = _RIDGE * (1.0 + np.trace(curvature)) * np.eye(len(gradient))
        direction = np.linalg.solve(curvature + ridge, gradient)
        gain = float(gradient @ direction)
        step = 1.0
        while (tried := loss(coefficients - step * direction)) > (
            current - _SUFFICIENT_DECREASE * step * gain
        ):
            step /= 2.0
            if step < _LEAST_STEP:
                return coefficients
        coefficients = coefficients - step * direction
        current = tried
        if gain <= _LEAST_GAIN * total:
            break
    return coefficients
