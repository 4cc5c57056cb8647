"""Replayable draws: a number from a recorded seed, and an action from a number."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.errors import Fault, InputError

_MASK = 0xFFFFFFFFFFFFFFFF
_GAMMA = 0x9E3779B97F4A7C15
_TOLERANCE = 1e-9


def uniform(seed: int, slot: int) -> float:
    """Return the ``slot``-th number in [0, 1) of the stream that ``seed`` starts.

    The generator is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), addressed by position instead
    of stepped, so that a slot's number does not depend on how many were drawn before it. Only the
    low 64 bits of ``seed`` count; ``slot`` counts from 0. The result is a multiple of 2⁻⁵³.

    >>> uniform(0, 0)
    0.8833108082136426
    """
    z = (seed + (slot + 1) * _GAMMA) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return float((z ^ (z >> 31)) >> 11) * 2.0**-53


def draw(probabilities: ArrayLike, u: float) -> int:
    """Return the index that ``u`` falls on when [0, 1) is cut by the probabilities, in order.

    ``probabilities`` is ``(n,) float64``, ``u`` in [0, 1). Index i owns the half-open stretch from
    the sum before it to the sum with it, so an index with probability 0 is never returned; what
    rounding leaves at the end belongs to the last index with a probability.

    Raises :class:`InputError` where a probability is negative or not a number, they do not sum to
    1 within 1e-9, or ``u`` is outside [0, 1).

    >>> draw([0.25, 0.0, 0.75], 0.25)
    2
    """
    p = np.ascontiguousarray(probabilities, dtype=np.float64)
    if not 0.0 <= u < 1.0:
        raise InputError([Fault("/u", f"found {u}", "a number in [0, 1) is expected")])
    if p.ndim != 1:
        raise InputError(
            [Fault("/probabilities", f"found shape {p.shape}", "one axis is expected")]
        )
    index: int = _draw(p, u)
    if index < 0:
        found = f"they sum to {p.sum()} and the least is {p.min(initial=np.inf)}"
        raise InputError(
            [Fault("/probabilities", found, "none below 0 and a sum of 1 is expected")]
        )
    return index


@numba.njit(cache=True)
def _draw(p: NDArray[np.float64], u: float) -> int:
    total = 0.0
    chosen = -1
    last = -1
    for index in range(p.shape[0]):
        if p[index] > 0.0:
            total += p[index]
            last = index
            if chosen < 0 and u < total:
                chosen = index
        elif p[index] != 0.0:
            return -1
    if not abs(total - 1.0) <= _TOLERANCE:
        return -1
    return chosen if chosen >= 0 else last
