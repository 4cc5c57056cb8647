"""What every explorer needs of its scores: that they are numbers, and which are best."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.errors import Fault, InputError

_LARGEST = float(np.finfo(np.float64).max)


def as_scores(scores: ArrayLike) -> NDArray[np.float64]:
    """Return scores as a contiguous ``(n,) float64`` array with at least one candidate.

    Raises :class:`InputError` for another shape or no candidate.
    """
    array = np.ascontiguousarray(scores, dtype=np.float64)
    if array.ndim != 1 or array.shape[0] == 0:
        found = f"found shape {array.shape}"
        raise InputError([Fault("/scores", found, "one score for each of at least one candidate")])
    return array


def as_deviations(deviations: ArrayLike | None, n: int) -> NDArray[np.float64]:
    """Return standard deviations of ``n`` scores as contiguous ``(n,) float64``; 0 for ``None``.

    Raises :class:`InputError` for another shape, and naming each that is negative or not finite.
    """
    if deviations is None:
        return np.zeros(n)
    array = np.ascontiguousarray(deviations, dtype=np.float64)
    if array.shape != (n,):
        found = f"found shape {array.shape}"
        raise InputError([Fault("/deviations", found, f"one for each of {n} scores is expected")])
    if not _are_deviations(array):
        raise InputError(
            Fault(f"/deviations/{index}", f"found {one}", "a finite number of at least 0")
            for index, one in enumerate(array.tolist())
            if not 0.0 <= one < math.inf
        )
    return array


def moved(
    scores: NDArray[np.float64], deviations: NDArray[np.float64], factor: float
) -> NDArray[np.float64]:
    """Return scores + factor · deviations, at most as far as floats go."""
    with np.errstate(over="ignore"):
        far: NDArray[np.float64] = scores + factor * deviations
    return np.clip(far, -_LARGEST, _LARGEST)


@numba.njit(cache=True)
def _are_deviations(array: NDArray[np.float64]) -> bool:
    good = True
    for one in array:
        good = good and 0.0 <= one < np.inf
    return good


def best_of(scores: NDArray[np.float64]) -> tuple[float, int]:
    """Return the highest score and how many candidates share it.

    Raises :class:`InputError` naming every score that is not finite.
    """
    best, ties = _best_of(scores)
    if ties == 0:
        raise InputError(
            Fault(f"/scores/{index}", f"found {score}", "a finite number is expected")
            for index, score in enumerate(scores.tolist())
            if not math.isfinite(score)
        )
    return best, ties


@numba.njit(cache=True)
def _best_of(scores: NDArray[np.float64]) -> tuple[float, int]:
    best = -np.inf
    ties = 0
    for score in scores:
        if not np.isfinite(score):
            return 0.0, 0
        if score > best:
            best = score
            ties = 1
        elif score == best:
            ties += 1
    return best, ties
