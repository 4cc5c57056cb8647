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
    rewards) and ``counts`` (of weights) ``(n,)``; ``unseen`` is the inverse of a regression that
    has seen nothing. Regressions are added by :meth:`grow` and inputs by :meth:`widen`, without
    anything that was learned changing.
    """

    __slots__ = ("counts", "gram", "inverse", "moments", "prior", "squares", "unseen")

    PARTS: ClassVar = ("gram", "moments", "squares", "counts", "inverse")

    def __init__(self, n: int, prior: FloatArray) -> None:
        d = len(prior)
        self.prior, self.unseen = prior, pack(np.diag(1.0 / prior))
        self.gram = np.zeros((0, d * (d + 1) // 2))
        self.moments = np.zeros((0, d))
        self.squares = np.zeros(0)
        self.counts = np.zeros(0)
        self.inverse = np.zeros((0, d * (d + 1) // 2))
        self.grow(n)

    def grow(self, n: int) -> None:
        """Add regressions that have seen nothing behind the others, until there are ``n``."""
        have = len(self.counts)
        for name in self.PARTS:
            setattr(self, name, lengthen(getattr(self, name), n))
        self.inverse[have:] = self.unseen

    def widen(self, prior: FloatArray) -> None:
        """Add inputs behind the others, as if all that was seen had had 0 of them.

        ``prior`` ``(d',)`` is the precision on every weight, that of the ``d`` old ones unchanged.
        """
        n, d = self.moments.shape
        packed = self.gram.shape[1]
        gram, inverse = self.gram, self.inverse
        self.prior, self.unseen = prior, pack(np.diag(1.0 / prior))
        self.gram = np.zeros((n, len(self.unseen)))
        self.gram[:, :packed] = gram
        self.inverse = np.zeros_like(self.gram)
        self.inverse[:] = self.unseen
        self.inverse[:, :packed] = inverse
        self.moments = np.column_stack([self.moments, np.zeros((n, len(prior) - d))])

    def reset(self, rows: NDArray[np.intp]) -> None:
        """Forget everything that some regressions learned."""
        for part in self.statistics:
            part[rows] = 0.0
        self.inverse[rows] = self.unseen

    def shrink(self, most: float) -> FloatArray:
        """Let no regression's observations count for more than ``most`` times its prior does.

        Of ``m`` observations, with a prior precision of p on a weight, the share ``most`` · p /
        (p + m) is kept; those shares ``(n,)`` are returned.
        """
        p = self.prior.mean()
        shares: FloatArray = most * p / (p + self.counts)
        gram, moments, squares, counts = self.statistics
        gram *= shares[:, None]
        moments *= shares[:, None]
        squares *= shares
        counts *= shares
        self.solve()
        return shares

    @property
    def statistics(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """All that was learned; the inverses follow from it by :meth:`solve`."""
        return self.gram, self.moments, self.squares, self.counts

    def observe(
        self, row: int, x: FloatArray, reward: float, weight: float, forgetting: float, turn: int
    ) -> None:
        """Learn one observation of ``x`` ``(d,)``; see :meth:`see` for the rest."""
        self.see(np.array([row]), x, weight, forgetting, turn)
        self.squares[row] += weight * reward * reward
        self.moments[row] += weight * reward * x

    def see(
        self, rows: NDArray[np.intp], x: FloatArray, weight: float, forgetting: float, turn: int
    ) -> None:
        """Learn that ``x`` ``(d,)`` was observed by some regressions, but not with what reward.

        Forgetting would wear the prior away too; it is given back to one weight in turn, ``d``
        times its share, so that no direction that is not observed loses its bound.
        """
        if forgetting < 1.0:
            self.moments[rows] *= forgetting
            self.squares[rows] *= forgetting
            self.counts[rows] *= forgetting
        self.counts[rows] += weight
        _see(self.gram, self.inverse, rows, x, weight, forgetting, self.prior, turn)

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

    def weights(self, row: int, prior_moments: FloatArray) -> FloatArray:
        """Return the posterior mean of a row's weights, ``(d,)``."""
        result = np.empty_like(prior_moments)
        times(self.inverse[row], self.moments[row] + prior_moments, result)
        return result

    def residual(self, row: int, prior_moments: FloatArray) -> float:
        """Return a row's least sum of squared errors, the distance from the prior included."""
        total = self.moments[row] + prior_moments
        solution = np.empty_like(total)
        times(self.inverse[row], total, solution)
        prior = float(prior_moments @ (prior_moments / self.prior))
        return max(float(self.squares[row]) + prior - float(total @ solution), 0.0)


def lengthen(array: FloatArray, n: int) -> FloatArray:
    """Return an array with ``n`` rows, those added 0, and room behind them to do so again.

    What it is given is lost: an array that was made here, or owns its data, is taken over, so that
    adding rows costs in the end no more than what is added.
    """
    room = array.base
    if room is None or len(room) < n:
        room = np.zeros((max(n, 2 * len(array)), *array.shape[1:]))
        room[: len(array)] = array
    return room[:n]


def taken(array: FloatArray, rows: NDArray[np.intp], unknown: FloatArray) -> FloatArray:
    """Return a copy of some rows of an array, ``unknown`` where a row is -1."""
    result = np.empty((len(rows), *array.shape[1:]))
    result[:] = unknown
    known = rows >= 0
    result[known] = array[rows[known]]
    return result


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


@numba.njit(cache=True)
def times(packed: FloatArray, x: FloatArray, out: FloatArray) -> None:
    """Set ``out`` ``(d,)`` to M x, with M packed; compiled."""
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
def _add(inverse: FloatArray, x: FloatArray, weight: float) -> None:
    d = x.shape[0]
    s = np.empty(d)
    times(inverse, x, s)
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
def _see(
    gram: FloatArray,
    inverse: FloatArray,
    rows: NDArray[np.intp],
    x: FloatArray,
    weight: float,
    forgetting: float,
    prior: FloatArray,
    turn: int,
) -> None:
    for row in rows:
        if forgetting < 1.0:
            _forget(gram[row], inverse[row], forgetting, prior, turn)
        at = 0
        for a in range(x.shape[0]):
            for b in range(a + 1):
                gram[row, at + b] += weight * x[a] * x[b]
            at += a + 1
        _add(inverse[row], x, weight)
