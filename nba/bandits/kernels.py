"""The arithmetic of :mod:`nba.bandits.logistic`, compiled; arrays in, arrays changed in place."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

MAX_LOGIT = 20.0
"""A model's logit counts up to this in the inputs; beyond it nothing is 0 or 1 to eight digits."""

MAX_STANDARDIZED = 5.0
"""A standardized feature counts up to this many standard deviations."""

MAX_VALUE = 1e100
"""Largest magnitude of a feature accepted; sums of its square must stay numbers."""

PULL_TO_PRIOR = 1e-12
"""Share of the prior's covariance mixed into the posterior's by every update."""

_MODE_STEPS = 60
_MODE_TOLERANCE = 1e-13


@numba.njit(cache=True)
def _clip(value: float, bound: float) -> float:
    return min(max(value, -bound), bound)


@numba.njit(cache=True)
def _sigmoid(a: float) -> float:
    if a >= 0.0:
        return 1.0 / (1.0 + math.exp(-a))
    e = math.exp(a)
    return e / (1.0 + e)


@numba.njit(cache=True)
def inverse_deviation(scaling: NDArray[np.float64], column: int) -> float:
    """Return 1 / standard deviation of a feature; 0 where it has not varied yet."""
    count = float(scaling[0, column])
    deviations = float(scaling[2, column])
    return math.sqrt(count / deviations) if deviations > 0.0 else 0.0


@numba.njit(cache=True)
def inverse_deviations(scaling: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / standard deviation of every feature, ``(k,)``; 0 where it has not varied yet."""
    result = np.empty(scaling.shape[1])
    for column in range(scaling.shape[1]):
        result[column] = inverse_deviation(scaling, column)
    return result


@numba.njit(cache=True)
def refresh(
    index: int,
    mean: NDArray[np.float64],
    covariance: NDArray[np.float64],
    correction: NDArray[np.float64],
    packed: NDArray[np.float64],
) -> None:
    """Write one posterior into column ``index`` of what :func:`predict` reads."""
    row = 0
    for a in range(mean.shape[0]):
        correction[a, index] = mean[a] - 1.0 if a == 1 else mean[a]
        for b in range(a + 1):
            packed[row, index] = covariance[a, b]
            row += 1


@numba.njit(cache=True)
def predict_one(
    model_logit: float,
    z: NDArray[np.float64],
    scaling: NDArray[np.float64],
    mean: NDArray[np.float64],
    covariance: NDArray[np.float64],
) -> tuple[float, float]:
    """Return the moderated logit of one posterior, and the variance, as :func:`predict` does."""
    d = mean.shape[0]
    x = np.zeros(d)
    x[0] = 1.0
    x[1] = _clip(model_logit, MAX_LOGIT)
    for column in range(d - 2):
        if not np.isnan(z[column]):
            centred = z[column] - scaling[1, column]
            x[2 + column] = _clip(centred * inverse_deviation(scaling, column), MAX_STANDARDIZED)
    moved = -x[1]
    variance = 0.0
    for a in range(d):
        total = 0.0
        for b in range(d):
            total += covariance[a, b] * x[b]
        moved += mean[a] * x[a]
        variance += total * x[a]
    variance = max(variance, 0.0)
    return model_logit + moved / np.sqrt(1.0 + np.pi / 8.0 * variance), variance


@numba.njit(cache=True)
def predict(
    model_logits: NDArray[np.float64],
    z: NDArray[np.float64],
    shift: NDArray[np.float64],
    scale: NDArray[np.float64],
    correction: NDArray[np.float64],
    covariance: NDArray[np.float64],
    logits: NDArray[np.float64],
    variances: NDArray[np.float64],
) -> bool:
    """Fill the moderated logit and the variance of every candidate; False where input is not sane.

    ``correction`` is ``(d, n)``, ``covariance`` ``(d (d + 1) / 2, n)`` the lower triangle by rows.
    """
    d, n = correction.shape
    m = np.empty(n)
    for i in range(n):
        if not np.isfinite(model_logits[i]):
            return False
        m[i] = _clip(model_logits[i], MAX_LOGIT)
    x = np.zeros(d)  # the inputs all candidates share; 0 at the model's logit, which they do not
    x[0] = 1.0
    for column in range(d - 2):
        if np.isnan(z[column]):
            continue
        if not abs(z[column]) <= MAX_VALUE:
            return False
        x[2 + column] = _clip((z[column] - shift[column]) * scale[column], MAX_STANDARDIZED)
    for i in range(n):
        logits[i] = m[i] * correction[1, i]
        variances[i] = m[i] * m[i] * covariance[2, i]
    for a in range(d):
        if x[a] != 0.0:
            _add_input(a, x, m, correction, covariance, logits, variances)
    for i in range(n):
        variances[i] = max(variances[i], 0.0)
        logits[i] = model_logits[i] + logits[i] / np.sqrt(1.0 + np.pi / 8.0 * variances[i])
    return True


@numba.njit(cache=True)
def _add_input(
    a: int,
    x: NDArray[np.float64],
    m: NDArray[np.float64],
    correction: NDArray[np.float64],
    covariance: NDArray[np.float64],
    logits: NDArray[np.float64],
    variances: NDArray[np.float64],
) -> None:
    n = m.shape[0]
    row = a * (a + 1) // 2
    with_m = 1 if a == 0 else row + 1
    for i in range(n):
        logits[i] += x[a] * correction[a, i]
        variances[i] += x[a] * (x[a] * covariance[row + a, i] + 2.0 * m[i] * covariance[with_m, i])
    for b in range(a):
        if x[b] != 0.0:
            factor = 2.0 * x[a] * x[b]
            for i in range(n):
                variances[i] += factor * covariance[row + b, i]


@numba.njit(cache=True)
def learn(
    slots: NDArray[np.intp],
    model_logits: NDArray[np.float64],
    z: NDArray[np.float64],
    labels: NDArray[np.float64],
    weights: NDArray[np.float64],
    forgetting: float,
    prior_variance: NDArray[np.float64],
    scaling: NDArray[np.float64],
    counts: NDArray[np.float64],
    mean: NDArray[np.float64],
    covariance: NDArray[np.float64],
) -> None:
    """Learn from observations in order, changing ``scaling`` … ``covariance`` in place."""
    d = prior_variance.shape[0]
    x = np.empty(d)
    s = np.empty(d)
    x[0] = 1.0
    for row in range(slots.shape[0]):
        slot = slots[row]
        x[1] = _clip(model_logits[row], MAX_LOGIT)
        for column in range(d - 2):
            x[2 + column] = _standardize(scaling, column, z[row, column])
        if forgetting < 1.0:
            _forget(covariance[slot], forgetting, prior_variance, s)
        counts[slot] = forgetting * counts[slot] + weights[row]
        _observe(x, labels[row], weights[row], prior_variance, mean[slot], covariance[slot], s)


@numba.njit(cache=True)
def _standardize(scaling: NDArray[np.float64], column: int, value: float) -> float:
    if np.isnan(value):
        return 0.0
    scaling[0, column] += 1.0
    before = value - scaling[1, column]
    scaling[1, column] += before / scaling[0, column]
    after = value - scaling[1, column]
    scaling[2, column] += before * after
    standardized: float = _clip(after * inverse_deviation(scaling, column), MAX_STANDARDIZED)
    return standardized


@numba.njit(cache=True)
def _forget(
    covariance: NDArray[np.float64],
    forgetting: float,
    prior_variance: NDArray[np.float64],
    factor: NDArray[np.float64],
) -> None:
    # Σ becomes SΣS with a diagonal S that is 1/√λ where the prior's variance allows: still a
    # covariance, and no input's variance exceeds the prior's.
    d = prior_variance.shape[0]
    for a in range(d):
        room = prior_variance[a] / covariance[a, a]
        factor[a] = np.sqrt(max(1.0, min(1.0 / forgetting, room)))
    for a in range(d):
        for b in range(a + 1):
            covariance[a, b] *= factor[a] * factor[b]
            covariance[b, a] = covariance[a, b]


@numba.njit(cache=True)
def _observe(
    x: NDArray[np.float64],
    label: float,
    weight: float,
    prior_variance: NDArray[np.float64],
    mean: NDArray[np.float64],
    covariance: NDArray[np.float64],
    s: NDArray[np.float64],
) -> None:
    d = x.shape[0]
    activation = 0.0
    variance = 0.0
    for a in range(d):
        total = 0.0
        for b in range(d):
            total += covariance[a, b] * x[b]
        s[a] = total
        activation += mean[a] * x[a]
        variance += total * x[a]
    step = _mode(activation, variance, label, weight)
    p = _sigmoid(activation + variance * step)
    curvature = weight * p * (1.0 - p)
    shrink = curvature / (1.0 + curvature * variance)
    for a in range(d):
        mean[a] += step * s[a]
        for b in range(a + 1):
            covariance[a, b] = (1.0 - PULL_TO_PRIOR) * (covariance[a, b] - shrink * s[a] * s[b])
            covariance[b, a] = covariance[a, b]
        covariance[a, a] += PULL_TO_PRIOR * prior_variance[a]


@numba.njit(cache=True)
def _mode(activation: float, variance: float, label: float, weight: float) -> float:
    # The posterior's mode is mean + t Σx with t = weight (label - p(t)), where p(t) is the sigmoid
    # of activation + variance t. The right side falls as t grows, so the root is unique and lies
    # between its two extremes. Newton's step is taken where it at least halves the last one, the
    # middle of what is left of the bracket elsewhere.
    low = weight * (label - 1.0)
    high = weight * label
    t = 0.0
    last_move = 2.0 * weight
    for _ in range(_MODE_STEPS):
        p: float = _sigmoid(activation + variance * t)
        excess = t - weight * (label - p)
        if excess > 0.0:
            high = t
        else:
            low = t
        proposal = t - excess / (1.0 + weight * variance * p * (1.0 - p))
        if not low <= proposal <= high or 2.0 * abs(proposal - t) > last_move:
            proposal = 0.5 * (low + high)
        last_move = abs(proposal - t)
        t = proposal
        if last_move <= _MODE_TOLERANCE * weight:
            break
    return t
