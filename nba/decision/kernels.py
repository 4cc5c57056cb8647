"""The arithmetic of arbitration, compiled: one pass over a placement's candidates."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@numba.njit(cache=True)
def expected_values(
    logits: FloatArray, values: FloatArray, weights: FloatArray, costs: FloatArray
) -> tuple[FloatArray, FloatArray, bool]:
    """Return propensities, their expected values, and whether all are finite; all ``(n,)``.

    The expected value is propensity x value x weight - cost, in currency; ``weights`` is context
    weight x lever.
    """
    propensities = np.empty_like(logits)
    scores = np.empty_like(logits)
    finite = True
    for row in range(logits.shape[0]):
        propensity = 1.0 / (1.0 + math.exp(-logits[row]))
        propensities[row] = propensity
        scores[row] = propensity * values[row] * weights[row] - costs[row]
        finite = finite and math.isfinite(logits[row]) and math.isfinite(scores[row])
    return propensities, scores, finite


@numba.njit(cache=True)
def content_values(
    logits: FloatArray, variances: FloatArray, scale: float
) -> tuple[FloatArray, FloatArray, FloatArray, bool]:
    """Return propensities, their expected values, those' deviations, and whether all are finite.

    All are ``(n,)``; the expected value is propensity x scale, its standard deviation by the delta
    method.
    """
    propensities = np.empty_like(logits)
    values = np.empty_like(logits)
    deviations = np.empty_like(logits)
    finite = True
    for row in range(logits.shape[0]):
        propensity = 1.0 / (1.0 + math.exp(-logits[row]))
        propensities[row] = propensity
        values[row] = propensity * scale
        deviations[row] = propensity * (1.0 - propensity) * math.sqrt(variances[row]) * abs(scale)
        finite = finite and math.isfinite(logits[row]) and math.isfinite(deviations[row])
    return propensities, values, deviations, finite
