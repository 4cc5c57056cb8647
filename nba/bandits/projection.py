"""The nearest distribution within floors and ceilings.

Nearest in Kullback-Leibler divergence, in either direction: both have the same solution,
``clip(c · p, floor, ceiling)`` for the one ``c`` that makes it sum to 1. It keeps the ratios
between all candidates that no bound holds, so that the explorer's preferences survive; a
least-squares projection would take the same amount from each and push small probabilities to their
floor first.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.errors import Fault, InputError

_TOLERANCE = 1e-9
_OK, _BAD_BOUND, _BAD_PROBABILITY, _BAD_SUM = range(4)


def project(
    probabilities: ArrayLike, floors: ArrayLike, ceilings: ArrayLike
) -> NDArray[np.float64]:
    """Return the distribution nearest to ``probabilities`` with floors ≤ p ≤ ceilings.

    All are ``(n,) float64``. The bounds are met exactly, the sum is 1 to rounding. Mass that the
    ceilings leave to candidates of probability 0 alone is shared among them as equals.

    Bounds that cannot be met together give way in a fixed order:

    1. a floor above its own ceiling is lowered to it;
    2. floors that sum to more than 1 are divided by their sum, which then is the answer;
    3. ceilings that sum to less than 1 are divided by their sum, which then is the answer; where
       all are 0 there is nothing to divide, and the probabilities stay as they are.

    Raises :class:`InputError` where shapes differ or there is no candidate, a bound or probability
    is negative or not finite, or the probabilities do not sum to 1 within 1e-9.

    >>> project([0.9, 0.1, 0.0], [0.05] * 3, [0.8] * 3).round(4).tolist()
    [0.8, 0.15, 0.05]
    """
    p = np.ascontiguousarray(probabilities, dtype=np.float64)
    low = np.ascontiguousarray(floors, dtype=np.float64)
    high = np.ascontiguousarray(ceilings, dtype=np.float64)
    if p.ndim != 1 or p.shape[0] == 0 or p.shape != low.shape or p.shape != high.shape:
        found = f"found shapes {p.shape}, {low.shape}, {high.shape}"
        expected = "a probability, a floor and a ceiling for each of at least one candidate"
        raise InputError([Fault("/probabilities", found, expected)])
    result = np.empty_like(p)
    status, index = _check(p, low, high)
    if status != _OK:
        raise InputError([_fault(status, index, p, low, high)])
    _project(p, low, high, result)
    return result


def _fault(
    status: int,
    index: int,
    p: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> Fault:
    if status == _BAD_BOUND:
        found = f"found floor {low[index]} and ceiling {high[index]}"
        return Fault(f"/bounds/{index}", found, "finite bounds of at least 0 are expected")
    if status == _BAD_PROBABILITY:
        found = f"found {p[index]}"
        return Fault(f"/probabilities/{index}", found, "a finite number of at least 0 is expected")
    return Fault("/probabilities", f"they sum to {p.sum()}", "they must sum to 1")


@numba.njit(cache=True)
def _check(
    p: NDArray[np.float64], floors: NDArray[np.float64], ceilings: NDArray[np.float64]
) -> tuple[int, int]:
    total = 0.0
    for i in range(p.shape[0]):
        if not (0.0 <= floors[i] < np.inf and 0.0 <= ceilings[i] < np.inf):
            return _BAD_BOUND, i
        if not 0.0 <= p[i] < np.inf:
            return _BAD_PROBABILITY, i
        total += p[i]
    return (_OK, 0) if abs(total - 1.0) <= _TOLERANCE else (_BAD_SUM, 0)


@numba.njit(cache=True)
def _project(
    p: NDArray[np.float64],
    floors: NDArray[np.float64],
    ceilings: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    n = p.shape[0]
    low = np.empty(n)
    low_sum = 0.0
    high_sum = 0.0
    reachable = 0.0  # the most that candidates with a probability can take, the others at floors
    within = True
    for i in range(n):
        low[i] = min(floors[i], ceilings[i])
        low_sum += low[i]
        high_sum += ceilings[i]
        reachable += ceilings[i] if p[i] > 0.0 else low[i]
        within = within and low[i] <= p[i] <= ceilings[i]
        out[i] = p[i]
    if within or high_sum == 0.0:
        return
    if low_sum >= 1.0:
        for i in range(n):
            out[i] = low[i] / low_sum
    elif high_sum <= 1.0:
        for i in range(n):
            out[i] = ceilings[i] / high_sum
    elif reachable >= 1.0:
        _fill(p, low, ceilings, out)
    else:
        weights = np.zeros(n)
        for i in range(n):
            if p[i] > 0.0:
                low[i] = ceilings[i]
            else:
                weights[i] = 1.0
        _fill(weights, low, ceilings, out)


@numba.njit(cache=True)
def _fill(
    weights: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    # out = clip(scale · weights, low, high); each round fixes, for good, every candidate out of
    # bounds on the side that weighs more: the final scale moves the other way, so those candidates
    # can only go further out. So there are at most n rounds, two or three as a rule.
    n = weights.shape[0]
    free = np.empty(n, dtype=np.bool_)
    for i in range(n):
        free[i] = weights[i] > 0.0
        out[i] = low[i]
    for _ in range(n):
        room = 1.0
        largest = 0.0
        for i in range(n):
            if free[i]:
                largest = max(largest, weights[i])
            else:
                room -= out[i]
        if largest == 0.0:
            return
        total = 0.0
        for i in range(n):
            total += weights[i] / largest if free[i] else 0.0
        below = 0.0
        above = 0.0
        for i in range(n):
            if free[i]:
                out[i] = room / total * (weights[i] / largest)
                below += max(0.0, low[i] - out[i])
                above += max(0.0, out[i] - high[i])
        if below == 0.0 and above == 0.0:
            return
        _fix(below - above, low, high, free, out)


@numba.njit(cache=True)
def _fix(
    balance: float,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    free: NDArray[np.bool_],
    out: NDArray[np.float64],
) -> None:
    for i in range(out.shape[0]):
        bound = min(max(out[i], low[i]), high[i])
        if free[i] and ((bound > out[i] and balance >= 0.0) or (bound < out[i] and balance <= 0.0)):
            out[i] = bound
            free[i] = False
