"""What came of an action as one number to learn from: yes or no, money, or several goals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.observations import as_numbers
from nba.errors import Fault, InputError

FloatArray = NDArray[np.float64]

MAX_AMOUNT = 1e7
"""Largest magnitude of an amount of money believed; beyond it a unit is taken to be wrong."""


class Reward(Protocol):
    """Turns raw outcomes into rewards on a stated scale, ``(m,) float64``."""

    def __call__(self, outcomes: ArrayLike) -> FloatArray:
        """Return one reward for each outcome; raises :class:`InputError` naming what is wrong."""
        ...


@dataclass(frozen=True, slots=True)
class BinaryReward:
    """Whether the goal was reached: rewards are 0 and 1; fractions are partial successes.

    >>> BinaryReward()([True, False, 0.5]).tolist()
    [1.0, 0.0, 0.5]
    """

    def __call__(self, outcomes: ArrayLike) -> FloatArray:
        """Return them as numbers; raises :class:`InputError` outside 0 to 1."""
        array = np.atleast_1d(as_numbers("/outcomes", outcomes))
        _require(array, (array >= 0.0) & (array <= 1.0), "a number from 0 to 1 is expected")
        return array


@dataclass(frozen=True, slots=True)
class MoneyReward:
    """Money earned, on a scale of about [0, 1]: amount / ``cap``, what exceeds the cap cut off.

    Money has a heavy tail: one customer who spends a hundred times the rest would move a least
    squares fit more than all others together. Cutting at the cap (winsorizing) bounds that, at the
    price of a bias: of two actions that differ only in spending above the cap it sees no
    difference. :meth:`fitted` puts the cap where that price is small. Losses are cut at -cap.
    Where amounts are mostly 0, learn whether they are at all by :class:`BinaryReward` and let the
    action's value say how much; that is what the service does.

    >>> MoneyReward(cap=200.0)([0.0, 50.0, 9_000.0, -20.0]).tolist()
    [0.0, 0.25, 1.0, -0.1]
    """

    cap: float

    def __post_init__(self) -> None:
        if not 0.0 < self.cap <= MAX_AMOUNT:
            found = f"found {self.cap}"
            raise InputError([Fault("/cap", found, "an amount above 0 and up to 1e7 is expected")])

    @classmethod
    def fitted(cls, amounts: ArrayLike, *, share: float = 0.99) -> MoneyReward:
        """Return the reward whose cap is the ``share`` quantile of the amounts that are not 0.

        Raises :class:`InputError` where an amount is no number or beyond 1e7, or all are 0.
        """
        array = _amounts(amounts)
        earned = np.abs(array[array != 0.0])
        if len(earned) == 0:
            raise InputError([Fault("/amounts", "all are 0", "one that is not is expected")])
        return cls(float(np.quantile(earned, share)))

    def __call__(self, outcomes: ArrayLike) -> FloatArray:
        """Return rewards in [-1, 1]; raises :class:`InputError` for what is no amount."""
        return np.clip(_amounts(outcomes) / self.cap, -1.0, 1.0)


@dataclass(frozen=True, slots=True)
class WeightedGoals:
    """Several goals as one reward: the weighted mean of their rewards.

    ``weights`` are by goal and not all 0; a negative one makes the goal a thing to avoid
    (``{"purchase": 5, "unsubscribe": -20}``). Divided by the sum of their magnitudes, so that
    rewards of goals in [0, 1] give one in [-1, 1], whatever the weights.

    >>> goals = WeightedGoals({"purchase": 3.0, "complaint": -1.0})
    >>> goals({"purchase": [1.0, 0.0, 1.0], "complaint": [0.0, 1.0, 1.0]}).tolist()
    [0.75, -0.25, 0.5]
    """

    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        faults = [
            Fault(f"/weights/{goal}", f"found {weight}", "a finite number is expected")
            for goal, weight in self.weights.items()
            if not math.isfinite(weight)
        ]
        if not faults and not any(self.weights.values()):
            faults = [Fault("/weights", "none is other than 0", "a goal to pursue is expected")]
        if faults:
            raise InputError(faults)

    def __call__(self, rewards: Mapping[str, ArrayLike]) -> FloatArray:
        """Return one reward for each round from ``(m,)`` rewards by goal, each in [-1, 1].

        Raises :class:`InputError` where a goal is missing or unknown, their numbers differ, or a
        reward is out of range: goals count by their weight only where they share a scale.
        """
        if rewards.keys() != self.weights.keys():
            found, expected = sorted(rewards), sorted(self.weights)
            raise InputError(
                [Fault("/rewards", f"found goals {found}", f"{expected} are expected")]
            )
        total = sum(abs(weight) for weight in self.weights.values())
        result: FloatArray | None = None
        for goal, weight in self.weights.items():
            array = np.atleast_1d(as_numbers(f"/rewards/{goal}", rewards[goal]))
            expected_range = "a number from -1 to 1 is expected"
            _require(array, np.abs(array) <= 1.0, expected_range, f"/rewards/{goal}")
            if result is not None and result.shape != array.shape:
                found_shape = f"found shape {array.shape}"
                raise InputError(
                    [Fault(f"/rewards/{goal}", found_shape, f"{result.shape} is expected")]
                )
            part = weight / total * array
            result = part if result is None else result + part
        return np.zeros(0) if result is None else result


def median_of_means(values: ArrayLike, *, blocks: int = 8) -> float:
    """Return the median of the means of ``blocks`` consecutive parts of ``values`` ``(m,)``.

    A mean that a few wild amounts cannot move: with fewer wild amounts than half the blocks it
    stays within the spread of the others. Nemirovsky and Yudin (1983); for bandits Bubeck,
    Cesa-Bianchi and Lugosi, *Bandits with heavy tail* (arXiv:1209.1727). Values that come in an
    order of their own are shuffled first by whoever calls. Raises :class:`InputError` for no value,
    or one that is no amount.

    >>> amounts = [1.0, 2.0, 3.0, 2.0, 1.0, 9_999.0, 3.0, 1.0]
    >>> median_of_means(amounts, blocks=4), sum(amounts) / 8
    (2.25, 1251.5)
    """
    array = _amounts(values)
    if len(array) == 0 or blocks < 1:
        found = f"found {len(array)} values and {blocks} blocks"
        raise InputError([Fault("/values", found, "at least one of each is expected")])
    parts = np.array_split(array, min(blocks, len(array)))
    return float(np.median([part.mean() for part in parts]))


def _amounts(amounts: ArrayLike) -> FloatArray:
    array = np.atleast_1d(as_numbers("/amounts", amounts))
    _require(array, np.abs(array) <= MAX_AMOUNT, "an amount within ±1e7 is expected")
    return array


def _require(
    array: FloatArray, good: NDArray[np.bool_], expected: str, place: str = "/outcomes"
) -> None:
    if array.ndim != 1:
        raise InputError([Fault(place, f"found shape {array.shape}", "one axis is expected")])
    if not good.all():
        raise InputError(
            Fault(f"{place}/{index}", f"found {array[index]}", expected)
            for index in np.flatnonzero(~good)
        )
