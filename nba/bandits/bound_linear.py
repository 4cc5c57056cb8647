"""What a linear model expects of some actions, as arrays in their order."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.observations import as_situation
from nba.bandits.protocols import Estimate
from nba.bandits.ridge import times
from nba.bandits.standardizing import Standardizer

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """The shared part: its packed ``inverse``, and ``groups`` ``(m, q)`` that actions load on it.

    ``pull`` ``(d,)`` is the precision with which an action's own weights are held to it.
    """

    inverse: FloatArray
    groups: FloatArray
    pull: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class BoundLinear:
    """A :class:`nba.bandits.LinearModel` at ``m`` of its actions, on ``d`` inputs of its frame.

    ``inverse`` ``(m, d (d + 1) / 2)`` are packed inverses of precisions and ``totals`` ``(m, d)``
    moments, the prior's included. Where actions have no parameters of their own there are no
    inverses, and ``totals`` are weights. What is expected of an action does not depend on which
    others there are, to the last bit.
    """

    frame: Standardizer
    noise: float
    inverse: FloatArray | None
    totals: FloatArray
    pooled: Pooled | None

    def estimate(self, x: ArrayLike) -> Estimate:
        """Return expected rewards of the actions and their deviations, ``(m,)`` each.

        ``x`` is ``(n_features,)``, NaN where missing. Raises :class:`nba.errors.InputError` for
        another shape, or naming each feature beyond 1e50.
        """
        inputs = self.frame.bounded_inputs(as_situation(x, self.frame.n_features))
        means, spread, vectors = self._regressed(inputs)
        if self.pooled is not None:
            _add_pooled(self.pooled.inverse, self.pooled.groups, vectors, spread)
        return Estimate(means, np.sqrt(self.noise * spread))

    def means(self, x: FloatArray) -> FloatArray:
        """Return expected rewards alone, in a situation that was checked."""
        return self._regressed(self.frame.bounded_inputs(x))[0]

    def _regressed(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return means, what their own weights spread, and what the shared ones are crossed with.

        They are ``(m,)``, ``(m,)`` and ``(m, d)``.
        """
        m, d = self.totals.shape
        means, spread = np.empty(m), np.zeros(m)
        if self.inverse is None:
            _weigh(self.totals, inputs, means)
            return means, spread, np.tile(inputs, (m, 1))
        solved = np.empty((m, d))
        _regress(self.inverse, self.totals, inputs, solved, means, spread)
        return means, spread, solved if self.pooled is None else solved * self.pooled.pull


def combined(groups: FloatArray, weights: FloatArray) -> FloatArray:
    """Return ``groups @ weights``, each row computed alone, and cheaply where most are 0."""
    result = np.zeros((len(groups), weights.shape[1]))
    _combine(groups, weights, result)
    return result


@numba.njit(cache=True)
def _combine(groups: FloatArray, weights: FloatArray, out: FloatArray) -> None:
    m, q = groups.shape
    for row in range(m):
        for g in range(q):
            load = groups[row, g]
            if load != 0.0:
                for a in range(weights.shape[1]):
                    out[row, a] += load * weights[g, a]


@numba.njit(cache=True)
def _weigh(weights: FloatArray, x: FloatArray, out: FloatArray) -> None:
    m, d = weights.shape
    for row in range(m):
        total = 0.0
        for a in range(d):
            total += weights[row, a] * x[a]
        out[row] = total


@numba.njit(cache=True)
def _regress(
    inverse: FloatArray,
    totals: FloatArray,
    x: FloatArray,
    solved: FloatArray,
    means: FloatArray,
    spread: FloatArray,
) -> None:
    m, d = totals.shape
    for row in range(m):
        s = solved[row]
        times(inverse[row], x, s)
        mean = 0.0
        quadratic = 0.0
        for a in range(d):
            mean += s[a] * totals[row, a]
            quadratic += s[a] * x[a]
        means[row] = mean
        spread[row] = max(quadratic, 0.0)


@numba.njit(cache=True)
def _add_pooled(
    inverse: FloatArray, groups: FloatArray, vectors: FloatArray, spread: FloatArray
) -> None:
    """Add vᵀ M v to each row's spread, with v its groups crossed with its vector."""
    m, q = groups.shape
    d = vectors.shape[1]
    where = np.empty(q * d, dtype=np.intp)
    values = np.empty(q * d)
    for row in range(m):
        size = 0
        for g in range(q):
            if groups[row, g] != 0.0:
                for a in range(d):
                    where[size] = g * d + a
                    values[size] = groups[row, g] * vectors[row, a]
                    size += 1
        total = 0.0
        for i in range(size):
            at = where[i] * (where[i] + 1) // 2
            inner = 0.0
            for j in range(i):
                inner += inverse[at + where[j]] * values[j]
            total += values[i] * (2.0 * inner + inverse[at + where[i]] * values[i])
        spread[row] += max(total, 0.0)
