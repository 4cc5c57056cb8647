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
def goal_values(
    logits: FloatArray,
    variances: FloatArray,
    values: FloatArray,
    rows: NDArray[np.intp],
    count: int,
) -> tuple[FloatArray, FloatArray, FloatArray, bool]:
    """Return propensities of goals, what they bring by candidate, and whether all are finite.

    Goals are ``(g,)``, each of the candidate in ``rows``; what the ``count`` candidates' goals are
    expected to bring, and the variance of that by the delta method, are ``(count,)``.
    """
    propensities = np.empty_like(logits)
    worths = np.zeros(count)
    spreads = np.zeros(count)
    finite = True
    for goal in range(logits.shape[0]):
        propensity = 1.0 / (1.0 + math.exp(-logits[goal]))
        slope = values[goal] * propensity * (1.0 - propensity)
        propensities[goal] = propensity
        worths[rows[goal]] += values[goal] * propensity
        spreads[rows[goal]] += slope * slope * variances[goal]
        finite = finite and math.isfinite(logits[goal]) and math.isfinite(variances[goal])
    return propensities, worths, spreads, finite


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
