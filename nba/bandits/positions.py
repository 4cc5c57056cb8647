"""How often each position is looked at, from what was clicked where, and rewards corrected by it.

In the position-based model a click needs two things: the position is examined, with a chance that
depends on the position alone, and what is shown there is wanted, with a chance that depends on the
item alone. Both are found by expectation-maximization: Wang, Golbandi, Bendersky, Metzler and
Najork, *Position bias estimation for unbiased learning to rank in personal search*, WSDM 2018,
with a table of items in place of their regression.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.observations import as_numbers
from nba.errors import EvaluationRefusedError, Fault, InputError

FloatArray = NDArray[np.float64]

_ROUNDS = 5_000
_TOLERANCE = 1e-7
_STARTING_ROUNDS = 100
_MOST_WEIGHED = 0.5
_MOST_AT_START = 0.99
_LEAST = float(np.finfo(np.float64).tiny)
_MOST_POSITIONS = 1_000


@dataclass(frozen=True, slots=True)
class PositionEffects:
    """Chances of being examined, ``(n_positions,)``, relative to that of the first position.

    ``least`` bounds from below what a reward is divided by, so that a position hardly anybody
    looks at cannot make one click count for hundreds; rewards there are then biased towards 0.
    """

    examination: FloatArray
    least: float = 0.05

    def correct(self, rewards: ArrayLike, positions: ArrayLike) -> FloatArray:
        """Return the rewards ``(m,)`` as the first position would have given them on average.

        ``positions`` ``(m,)`` are counted from 0. Raises :class:`InputError` for a position that
        was not estimated, or rewards that are no numbers.

        >>> PositionEffects(np.array([1.0, 0.5])).correct([1.0, 1.0, 0.0], [0, 1, 1]).tolist()
        [1.0, 2.0, 0.0]
        """
        earned = np.atleast_1d(as_numbers("/rewards", rewards))
        places = _whole("/positions", positions, len(self.examination), earned.shape)
        if not np.isfinite(earned).all():
            raise InputError([Fault("/rewards", "not all are finite", "numbers are expected")])
        return earned / np.maximum(self.examination[places], self.least)


def estimate_positions(
    positions: ArrayLike, items: ArrayLike, clicks: ArrayLike, *, least: float = 0.05
) -> PositionEffects:
    """Estimate how often positions are examined from impressions, ``(m,)`` each.

    ``positions`` are numbered from 0 and below 1,000, ``items`` are whole numbers of any size,
    ``clicks`` are 0 or 1. Positions can be told apart from what is shown in them only through items
    that were seen in several: raises :class:`EvaluationRefusedError` where such items do not
    connect all positions to the first, or where the first has no click; :class:`InputError` for
    shapes and numbers that are wrong.

    >>> positions, items = [0, 0, 1, 1] * 100, [0, 1, 0, 1] * 100
    >>> clicks = [1, 0, 1, 0] * 25 + [1, 1, 0, 0] * 25 + [0, 0, 0, 0] * 50
    >>> estimate_positions(positions, items, clicks).examination.round(2).tolist()
    [1.0, 0.36]
    """
    clicked = np.atleast_1d(as_numbers("/clicks", clicks))
    places = _whole("/positions", positions, _MOST_POSITIONS, clicked.shape)
    shown = _whole("/items", items, None, clicked.shape)
    if len(clicked) == 0 or not np.isin(clicked, (0.0, 1.0)).all():
        raise InputError([Fault("/clicks", "not all are 0 or 1", "at least one click or none")])
    names, shown = np.unique(shown, return_inverse=True)
    size = (int(places.max()) + 1, len(names))
    seen, hit = np.zeros(size), np.zeros(size)
    np.add.at(seen, (places, shown), 1.0)
    np.add.at(hit, (places, shown), clicked)
    return PositionEffects(examination(seen, hit), least)


def examination(seen: FloatArray, hit: FloatArray) -> FloatArray:
    """Return how often positions are examined, ``(n_positions,)``, relative to the first.

    ``seen`` and ``hit`` count impressions and clicks, ``(n_positions, n_items)``; every position
    has been seen. Raises :class:`EvaluationRefusedError` as :func:`estimate_positions` does.

    >>> examination(np.array([[200.0, 200.0], [200.0, 100.0]]), np.array([[80.0, 40], [40, 10]]))
    array([1. , 0.5])
    """
    _require_connected(seen)
    if seen.shape[0] > 1:
        # An item seen in one position only says nothing of how that compares with others.
        linking = np.count_nonzero(seen, axis=0) > 1
        seen, hit = seen[:, linking], hit[:, linking]
    if hit[0].sum() == 0.0:
        raise EvaluationRefusedError(
            "nothing was clicked in the first position of what others had too, which they are "
            "compared with; more impressions there would do"
        )
    examined = _maximize(seen, hit)
    relative: FloatArray = examined / examined[0]
    return relative


def _maximize(seen: FloatArray, hit: FloatArray) -> FloatArray:
    """Return chances of examination, ``(n_positions,)``, by expectation-maximization."""
    missed = seen - hit
    examined, wanted = _start(seen, hit)
    for _ in range(_ROUNDS):
        clicked = np.outer(examined, wanted)
        unclicked = np.maximum(1.0 - clicked, _LEAST)
        looked = hit + missed * (examined[:, None] - clicked) / unclicked
        liked = hit + missed * (wanted[None, :] - clicked) / unclicked
        before = examined
        examined = looked.sum(axis=1) / seen.sum(axis=1)
        wanted = liked.sum(axis=0) / np.maximum(seen.sum(axis=0), 1.0)
        if np.abs(examined - before).max() <= _TOLERANCE:
            break
    return examined


def _start(seen: FloatArray, hit: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return chances that are mostly the likeliest already, to a scale.

    Expectation-maximization alone takes the more rounds, the less is clicked. In turn,
    positions and items are scaled so that as much is clicked as is expected, each cell weighted as
    in the likelihood's derivative; where chances are small that solves for one side in one step.
    """
    examined = np.ones(seen.shape[0])
    wanted = hit.sum(axis=0) / np.maximum(seen.sum(axis=0), 1.0)
    for _ in range(_STARTING_ROUNDS):
        before = examined
        examined = examined * _clicked_to_expected(seen, hit, np.outer(examined, wanted), axis=1)
        wanted = wanted * _clicked_to_expected(seen, hit, np.outer(examined, wanted), axis=0)
        if np.abs(examined - before).max() <= _TOLERANCE:
            break
    # Below 1: maximizing expectations never leaves a chance of 1 again.
    scale = examined.max() / _MOST_AT_START
    return examined / scale, np.minimum(wanted * scale, _MOST_AT_START)


def _clicked_to_expected(
    seen: FloatArray, hit: FloatArray, chances: FloatArray, *, axis: int
) -> FloatArray:
    weights = 1.0 / (1.0 - np.minimum(chances, _MOST_WEIGHED))
    expected = (seen * chances * weights).sum(axis=axis)
    ratio: FloatArray = (hit * weights).sum(axis=axis) / np.maximum(expected, _LEAST)
    return ratio


def _require_connected(seen: FloatArray) -> None:
    reached = np.zeros(seen.shape[0], dtype=np.bool_)
    reached[0] = True
    for _ in range(seen.shape[0]):
        items = seen[reached].sum(axis=0) > 0.0
        reached |= seen[:, items].sum(axis=1) > 0.0
    if not reached.all():
        apart = np.flatnonzero(~reached).tolist()
        raise EvaluationRefusedError(
            f"no item links positions {apart} to position 0, so what is seen there cannot be told "
            "from what is shown there; show some items in several positions"
        )


def _whole(
    place: str, numbers: ArrayLike, below: int | None, shape: tuple[int, ...]
) -> NDArray[np.intp]:
    array = np.atleast_1d(as_numbers(place, numbers))
    if array.shape != shape or array.ndim != 1:
        raise InputError([Fault(place, f"found shape {array.shape}", f"{shape} is expected")])
    good = (array >= 0) & (array == np.floor(array))
    if below is not None:
        good &= array < below
    if not good.all():
        expected = "a whole number" if below is None else f"a whole number below {below:,}"
        raise InputError(
            Fault(f"{place}/{index}", f"found {found!r}".removesuffix(".0"), expected)
            for index, found in enumerate(array.tolist())
            if not good[index]
        )
    return array.astype(np.intp)
