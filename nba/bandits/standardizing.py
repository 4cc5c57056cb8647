"""Features centred and scaled by what was seen of them so far."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_REACH = 10.0
"""A standardized feature counts up to this many standard deviations in a prediction."""


class Standardizer:
    """Running moments of every feature, and the frame in use: shift and scale as last set.

    ``seen``, ``means`` and ``squares`` (sums of squared deviations) are ``(k,)`` over the values
    that were not missing. The frame moves only when it is told to, so that what was computed in it
    stays comparable; until a feature has varied its scale is 1.
    """

    __slots__ = ("means", "scale", "seen", "shift", "squares")

    def __init__(self, k: int) -> None:
        self.seen = np.zeros(k)
        self.means = np.zeros(k)
        self.squares = np.zeros(k)
        self.shift = np.zeros(k)
        self.scale = np.ones(k)

    @property
    def n_features(self) -> int:
        """How many features a situation has."""
        return len(self.shift)

    @property
    def moments(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """All that was seen; the frame follows from it by :meth:`move`."""
        return self.seen, self.means, self.squares

    def observe(self, x: FloatArray) -> None:
        """Count one situation ``(k,)`` (Welford, *Technometrics* 4, 1962); NaN is not counted."""
        known = ~np.isnan(x)
        value = np.where(known, x, self.means)
        self.seen += known
        before = value - self.means
        self.means += before / np.maximum(self.seen, 1.0)
        self.squares += before * (value - self.means)

    def add(self, other: Standardizer) -> None:
        """Count all that another has seen (Chan, Golub and LeVeque, COMPSTAT 1982)."""
        total = np.maximum(self.seen + other.seen, 1.0)
        gap = other.means - self.means
        self.means += gap * other.seen / total
        self.squares += other.squares + gap * gap * self.seen * other.seen / total
        self.seen += other.seen

    def inputs(self, x: FloatArray) -> FloatArray:
        """Return ``[1, standardized x]``, ``(1 + k,)``, in the frame; 0 where missing."""
        return self._within(np.inf, x)

    def bounded_inputs(self, x: FloatArray) -> FloatArray:
        """Return :meth:`inputs` within ±10, so that one wild feature decides nothing alone."""
        return self._within(_REACH, x)

    def _within(self, reach: float, x: FloatArray) -> FloatArray:
        result = np.empty(len(x) + 1)
        _standardize(x, self.shift, self.scale, reach, result)
        return result

    def move(self) -> FloatArray:
        """Set the frame to the moments; return the ``(1 + k, 1 + k)`` matrix from old to new."""
        varied = self.squares > 0.0
        scale = np.ones(len(self.seen))
        np.sqrt(self.squares / np.maximum(self.seen, 1.0), out=scale, where=varied)
        change = np.diag(np.concatenate([[1.0], self.scale / scale]))
        change[1:, 0] = (self.shift - self.means) / scale
        self.shift, self.scale = self.means.copy(), scale
        return change

    def move_to(self, other: Standardizer) -> FloatArray:
        """Set the frame to another's; return the matrix from old to new."""
        change = np.diag(np.concatenate([[1.0], self.scale / other.scale]))
        change[1:, 0] = (self.shift - other.shift) / other.scale
        self.shift, self.scale = other.shift.copy(), other.scale.copy()
        return change


@numba.njit(cache=True)
def _standardize(
    x: FloatArray, shift: FloatArray, scale: FloatArray, reach: float, out: FloatArray
) -> None:
    out[0] = 1.0
    for k in range(x.shape[0]):
        value = (x[k] - shift[k]) / scale[k]
        out[k + 1] = 0.0 if math.isnan(value) else min(max(value, -reach), reach)
