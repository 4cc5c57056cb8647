"""Many ridge regressions of one size, kept up to date an observation at a time.

Each row is one regression: its sufficient statistics S = Σ λᵃ w xxᵀ and Σ λᵃ w r x, with λ the
forgetting factor and a an observation's age, and the inverse of its precision S + diag(prior).
Symmetric matrices are packed: the lower triangle by rows, d (d + 1) / 2 numbers.
"""

from __future__ import annotations

from typing import ClassVar

import numba
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_CHUNK = 256
"""Regressions solved at once, to bound the memory of unpacked matrices."""


class RidgeStack:
    """``n`` regressions on ``d`` inputs with prior precision ``prior`` ``(d,)`` on each weight.

    ``gram`` and ``inverse`` are ``(n, d (d + 1) / 2)``, ``moments`` ``(n, d)``, ``squares`` (of
    rewards) and ``counts`` (of weights) ``(n,)``.
    """

    __slots__ = ("counts", "gram", "inverse", "moments", "prior", "squares")

    PARTS: ClassVar = ("gram", "moments", "squares", "counts", "inverse")

    def __init__(self, n: int, prior: FloatArray) -> None:
        d = len(prior)
        self.prior = prior
        self.gram = np.zeros((n, d * (d + 1) // 2))
        self.moments = np.zeros((n, d))
        self.squares = np.zeros(n)
        self.counts = np.zeros(n)
        self.inverse = np.tile(pack(np.diag(1.0 / prior)), (n, 1))

    @property
    def statistics(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """All that was learned; the inverses follow from it by :meth:`solve`."""
        return self.gram, self.moments, self.squares, self.counts

    def observe(
        self, row: int, x: FloatArray, reward: float, weight: float, forgetting: float, turn: int
    ) -> None:
        """Learn one observation of ``x`` ``(d,)``.

        Forgetting would wear the prior away too; it is given back to one weight in turn, ``d``
        times its share, so that no direction that is not observed loses its bound.
        """
        if forgetting < 1.0:
            self.moments[row] *= forgetting
            self.squares[row] *= forgetting
            self.counts[row] *= forgetting
            _forget(self.gram[row], self.inverse[row], forgetting, self.prior, turn)
        self.squares[row] += weight * reward * reward
        self.counts[row] += weight
        _observe(self.gram[row], self.inverse[row], self.moments[row], x, reward, weight)

    def reframe(self, change: FloatArray) -> None:
        """Express everything in the inputs ``change @ x``; ``change`` is ``(d, d)``."""
        for rows in self._learned():
            gram = unpack(self.gram[rows])
            self.gram[rows] = pack(change @ gram @ change.T)
            self.moments[rows] = self.moments[rows] @ change.T
        self.solve()

    def solve(self) -> None:
        """Compute every inverse from its statistics, without what updates have rounded off."""
        for rows in self._learned():
            precision = unpack(self.gram[rows]) + np.diag(self.prior)
            self.inverse[rows] = pack(np.linalg.inv(precision).astype(np.float64))

    def _learned(self) -> list[NDArray[np.intp]]:
        rows = np.flatnonzero(self.counts)
        return [rows[first : first + _CHUNK] for first in range(0, len(rows), _CHUNK)]

    def predict(self, x: FloatArray, prior_moments: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return each row's prediction at ``x`` ``(d,)``, and xᵀ inverse x; both ``(n,)``.

        ``prior_moments`` ``(n, d)`` or ``(1, d)`` are prior precision times prior mean.
        """
        n = len(self.counts)
        means, quadratics = np.empty(n), np.empty(n)
        _predict(self.inverse, self.moments, prior_moments, x, means, quadratics)
        return means, quadratics

    def solutions(self, x: FloatArray) -> FloatArray:
        """Return inverse x of every row, ``(n, d)``."""
        result = np.empty_like(self.moments)
        _solve_all(self.inverse, x, result)
        return result

    def weights(self, row: int, prior_moments: FloatArray) -> FloatArray:
        """Return the posterior mean of a row's weights, ``(d,)``."""
        result = np.empty_like(prior_moments)
        _times(self.inverse[row], self.moments[row] + prior_moments, result)
        return result

    def residual(self, row: int, prior_moments: FloatArray) -> float:
        """Return a row's least sum of squared errors, the distance from the prior included."""
        total = self.moments[row] + prior_moments
        solution = np.empty_like(total)
        _times(self.inverse[row], total, solution)
        prior = float(prior_moments @ (prior_moments / self.prior))
        return max(float(self.squares[row]) + prior - float(total @ solution), 0.0)


def pack(matrices: FloatArray) -> FloatArray:
    """Return the lower triangles of ``(…, d, d)`` by rows, ``(…, d (d + 1) / 2)``."""
    rows, columns = np.tril_indices(matrices.shape[-1])
    result: FloatArray = matrices[..., rows, columns]
    return result


def unpack(packed: FloatArray) -> FloatArray:
    """Return the symmetric matrices of packed lower triangles; the reverse of :func:`pack`."""
    d = int((np.sqrt(8 * packed.shape[-1] + 1) - 1) / 2)
    rows, columns = np.tril_indices(d)
    matrices = np.empty((*packed.shape[:-1], d, d))
    matrices[..., rows, columns] = packed
    matrices[..., columns, rows] = packed
    return matrices


def quadratics(packed: FloatArray, vectors: FloatArray) -> FloatArray:
    """Return vᵀ M v for every row v of ``(n, d)``, ``(n,)``, with M packed."""
    result = np.empty(len(vectors))
    _quadratics(packed, vectors, result)
    return result


@numba.njit(cache=True)
def _quadratics(packed: FloatArray, vectors: FloatArray, out: FloatArray) -> None:
    n, d = vectors.shape
    for row in range(n):
        x = vectors[row]
        at = 0
        total = 0.0
        for a in range(d):
            inner = 0.0
            for b in range(a):
                inner += packed[at + b] * x[b]
            total += x[a] * (2.0 * inner + packed[at + a] * x[a])
            at += a + 1
        out[row] = max(total, 0.0)


@numba.njit(cache=True)
def _solve_all(packed: FloatArray, x: FloatArray, out: FloatArray) -> None:
    for row in range(packed.shape[0]):
        _times(packed[row], x, out[row])


@numba.njit(cache=True)
def _times(packed: FloatArray, x: FloatArray, out: FloatArray) -> None:
    d = x.shape[0]
    at = 0
    for a in range(d):
        total = 0.0
        for b in range(a):
            total += packed[at + b] * x[b]
            out[b] += packed[at + b] * x[a]
        out[a] = total + packed[at + a] * x[a]
        at += a + 1


@numba.njit(cache=True)
def _observe(
    gram: FloatArray,
    inverse: FloatArray,
    moments: FloatArray,
    x: FloatArray,
    reward: float,
    weight: float,
) -> None:
    d = x.shape[0]
    at = 0
    for a in range(d):
        moments[a] += weight * reward * x[a]
        for b in range(a + 1):
            gram[at + b] += weight * x[a] * x[b]
        at += a + 1
    _add(inverse, x, weight)


@numba.njit(cache=True)
def _add(inverse: FloatArray, x: FloatArray, weight: float) -> None:
    d = x.shape[0]
    s = np.empty(d)
    _times(inverse, x, s)
    variance = 0.0
    for a in range(d):
        variance += x[a] * s[a]
    shrink = weight / (1.0 + weight * variance)
    at = 0
    for a in range(d):
        for b in range(a + 1):
            inverse[at + b] -= shrink * s[a] * s[b]
        at += a + 1


@numba.njit(cache=True)
def _forget(
    gram: FloatArray, inverse: FloatArray, forgetting: float, prior: FloatArray, turn: int
) -> None:
    for k in range(gram.shape[0]):
        gram[k] *= forgetting
        inverse[k] /= forgetting
    d = prior.shape[0]
    unit = np.zeros(d)
    unit[turn % d] = 1.0
    _add(inverse, unit, d * (1.0 - forgetting) * prior[turn % d])


@numba.njit(cache=True)
def _predict(
    inverse: FloatArray,
    moments: FloatArray,
    prior_moments: FloatArray,
    x: FloatArray,
    means: FloatArray,
    quadratics: FloatArray,
) -> None:
    n, d = moments.shape
    s = np.empty(d)
    own = prior_moments.shape[0] == n
    for row in range(n):
        _times(inverse[row], x, s)
        mean = 0.0
        quadratic = 0.0
        prior_row = row if own else 0
        for a in range(d):
            mean += s[a] * (moments[row, a] + prior_moments[prior_row, a])
            quadratic += s[a] * x[a]
        means[row] = mean
        quadratics[row] = max(quadratic, 0.0)
