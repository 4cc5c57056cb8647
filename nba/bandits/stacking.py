"""How much to believe a correction: an online logistic regression on three inputs.

What two estimators of one logit are worth together is learned from labels neither has seen yet, as
in stacked generalization (Wolpert, *Neural Networks* 5, 1992), an observation at a time.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from nba.errors import CorruptRecordError

PRIOR_WEIGHTS = (0.0, 1.0, 0.7)
"""A bias of 0, the logit as it is, and most of the correction."""

PRIOR_VARIANCE = 0.1
"""Of each weight, at the start."""

_LEAST_CURVATURE = 1e-6


class Stacker:
    """Weights of [1, logit, correction] with a Gaussian posterior, one Newton step a label."""

    __slots__ = ("covariance", "weights")

    def __init__(self) -> None:
        self.weights = np.array(PRIOR_WEIGHTS)
        self.covariance = np.diag(np.full(len(PRIOR_WEIGHTS), PRIOR_VARIANCE))

    def combine(
        self, logits: NDArray[np.float64], corrections: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the combined logits, of the shape of both."""
        bias, of_logit, of_correction = self.weights
        combined: NDArray[np.float64] = bias + of_logit * logits + of_correction * corrections
        return combined

    def combine_one(self, logit: float, correction: float) -> float:
        """Return one combined logit."""
        bias, of_logit, of_correction = self.weights.tolist()
        return float(bias + of_logit * logit + of_correction * correction)

    def copy(self) -> Stacker:
        """Return the same weights, which later labels do not reach."""
        other = Stacker()
        other.weights, other.covariance = self.weights.copy(), self.covariance.copy()
        return other

    def to_parts(self) -> tuple[bytes, bytes]:
        """Return weights and covariance as bytes."""
        return self.weights.astype("<f8").tobytes(), self.covariance.astype("<f8").tobytes()

    @classmethod
    def from_parts(cls, parts: tuple[bytes, bytes]) -> Stacker:
        """Read them back; :class:`CorruptRecordError` where they are not such parts."""
        stacker = cls()
        try:
            stacker.weights[:] = np.frombuffer(parts[0], "<f8")
            stacker.covariance[:] = np.frombuffer(parts[1], "<f8").reshape(3, 3)
        except ValueError as error:
            raise CorruptRecordError(f"a stacker cannot be read: {error}") from error
        return stacker

    def learn(self, logit: float, correction: float, label: float, weight: float) -> None:
        """Learn from one label, 0 to 1, of what was estimated before it was known."""
        _learn(self.weights, self.covariance, logit, correction, label, weight)


@numba.njit(cache=True)
def _learn(
    weights: NDArray[np.float64],
    covariance: NDArray[np.float64],
    logit: float,
    correction: float,
    label: float,
    weight: float,
) -> None:
    x = np.array([1.0, logit, correction])
    combined = (weights * x).sum()
    p = 1.0 / (1.0 + math.exp(-min(max(combined, -30.0), 30.0)))
    curvature = max(weight * p * (1.0 - p), _LEAST_CURVATURE)
    s = np.zeros(3)
    for a in range(3):
        for b in range(3):
            s[a] += covariance[a, b] * x[b]
    shrink = 1.0 / (1.0 + curvature * (s * x).sum())
    for a in range(3):
        weights[a] += s[a] * weight * (label - p) * shrink
        for b in range(3):
            covariance[a, b] -= curvature * shrink * s[a] * s[b]
