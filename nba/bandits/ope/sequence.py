"""A confidence sequence: bounds that stay right however often one looks while rows come in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.ope.arrays import as_integers
from nba.bandits.ope.bootstrap import cluster_sums
from nba.bandits.ope.intervals import LEVEL, Clusters, Spread, bounded_values, refuse_level
from nba.bandits.ope.jackknife import jackknife
from nba.bandits.ope.terms import Terms
from nba.errors import Fault, InputError

_LARGEST_BET = 0.5
_HALVINGS = 50


@dataclass(frozen=True, slots=True)
class ConfidenceSequence:
    """Bounds all of which together, over all time, hold the truth ``level`` of the time.

    For watching a policy's value live: look whenever you like and stop when you like. ``low`` and
    ``high`` are what a row's number can be at all (:func:`nba.bandits.ope.row_bounds`),
    ``most_rows`` how many rows a customer can have; where that is ``None``, the most that any has,
    which is a promise that none will have more.

    A gambler bets against each possible value μ, customer by customer in the order of their first
    rows: her capital is multiplied by 1 ± λ (S - μ n), S the sum of the customer's n rows. Against
    the truth she wins nothing on average, so her capital hardly ever (Ville's inequality) reaches
    2 / (1 - level): what she got so rich against is ruled out, for good. λ comes from what went
    before. Waudby-Smith and Ramdas, *Estimating means of bounded random variables by betting*, J.
    R. Stat. Soc. B 86 (2024), section 4 (arXiv:2010.09686); for off-policy values Waudby-Smith, Wu,
    Ramdas, Karampatziakis and Mineiro, *Anytime-valid off-policy inference for contextual bandits*,
    ACM/IMS J. Data Sci. 1 (2024) (arXiv:2210.10768).

    Of the estimators that :class:`nba.bandits.ope.EmpiricalBernstein` is of, with the same errors;
    for DR the reward model must come from other rows, as cross-fitting ensures.
    """

    low: float
    high: float
    most_rows: int | None = None
    level: float = LEVEL

    def __post_init__(self) -> None:
        refuse_level(self.level)

    def around(self, terms: Terms, clusters: Clusters) -> Spread:
        """Return the bounds after all rows, which must be in the order they came in."""
        sums, rows = self._customers(bounded_values(terms, self.low, self.high), clusters)
        low, high = self._bounds(sums, rows, self._bets(sums, rows))
        return Spread(jackknife(terms, clusters), low, high)

    def watch(
        self, terms: Terms, clusters: Clusters = None, *, after: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the bounds (low, high) as they were ``after`` so many customers, ``(k,)`` each.

        A customer counts with all rows from where the first one came in. Raises
        :class:`InputError` for numbers that are not whole, or not of customers there are.
        """
        values = bounded_values(terms.of_interval, self.low, self.high)
        sums, rows = self._customers(values, clusters)
        counts = as_integers("/after", after, "whole numbers of customers")
        if len(counts) and not 1 <= counts.min() <= counts.max() <= len(sums):
            found = f"found {counts.min()} to {counts.max()}"
            raise InputError([Fault("/after", found, f"1 to {len(sums)} customers")])
        bets = self._bets(sums, rows)
        bounds = [self._bounds(sums[:n], rows[:n], bets[:n]) for n in counts.tolist()]
        found_bounds = np.array(bounds, dtype=np.float64).reshape(-1, 2)
        return found_bounds[:, 0], found_bounds[:, 1]

    def _customers(
        self, values: NDArray[np.float64], clusters: Clusters
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return sums and numbers of rows by customer, in the order of their first rows."""
        if clusters is None:
            return values, np.ones_like(values)
        _, first = np.unique(clusters, return_index=True)
        columns = np.column_stack([values, np.ones_like(values)])
        by_customer = cluster_sums(columns, clusters)[np.argsort(first)]
        return by_customer[:, 0].copy(), by_customer[:, 1].copy()

    def _most(self, rows: NDArray[np.float64]) -> float:
        most = float(rows.max())
        if self.most_rows is None:
            return most
        if most > self.most_rows:
            found = f"a customer has {most:.0f} rows"
            raise InputError([Fault("/most_rows", found, f"{self.most_rows} was promised")])
        return float(self.most_rows)

    def _bets(self, sums: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return λ for each customer, from those before; each side may still have to lower it."""
        alpha = 1.0 - self.level
        most, log_term = self._most(rows), math.log(2.0 / alpha)
        return np.asarray(_plan_bets(sums, rows, self.low, self.high, most, log_term))

    def _bounds(
        self, sums: NDArray[np.float64], rows: NDArray[np.float64], bets: NDArray[np.float64]
    ) -> tuple[float, float]:
        most = self._most(rows)
        limit = math.log(2.0 / (1.0 - self.level))
        # The upper bound is the lower bound of the mirror image.
        low = _lower(sums, rows, bets, self.low, self.high, most, limit)
        high = -_lower(-sums, rows, bets, -self.high, -self.low, most, limit)
        return low, high


@numba.njit(cache=True)
def _plan_bets(
    sums: NDArray[np.float64],
    rows: NDArray[np.float64],
    low: float,
    high: float,
    most: float,
    log_term: float,
) -> NDArray[np.float64]:
    # As if one customer with the most rows had been seen before, at half the span, and a quarter of
    # the span off.
    bets = np.empty(len(sums))
    total, count = 0.5 * (low + high) * most, most
    squares = ((high - low) * most) ** 2 / 16.0
    for t in range(len(sums)):
        variance = squares / (t + 1.0)
        bets[t] = math.sqrt(2.0 * log_term / (variance * (t + 1.0) * math.log(t + 2.0)))
        total += sums[t]
        count += rows[t]
        off = sums[t] - total / count * rows[t]
        squares += off * off
    return bets


@numba.njit(cache=True)
def _ruled_out(
    value: float,
    sums: NDArray[np.float64],
    rows: NDArray[np.float64],
    bets: NDArray[np.float64],
    low: float,
    most: float,
    limit: float,
) -> bool:
    # Whether betting on more than this value ever multiplied the stake by exp(limit).
    worst = most * (value - low)
    largest = _LARGEST_BET / worst if worst > 0.0 else np.inf
    capital = 0.0
    for t in range(len(sums)):
        capital += math.log1p(min(bets[t], largest) * (sums[t] - value * rows[t]))
        if capital >= limit:
            return True
    return False


@numba.njit(cache=True)
def _lower(
    sums: NDArray[np.float64],
    rows: NDArray[np.float64],
    bets: NDArray[np.float64],
    low: float,
    high: float,
    most: float,
    limit: float,
) -> float:
    # Capital falls as the value rises, so what is ruled out is all below some value.
    if not _ruled_out(low, sums, rows, bets, low, most, limit):
        return low
    out, kept = low, high
    for _ in range(_HALVINGS):
        middle = 0.5 * (out + kept)
        if _ruled_out(middle, sums, rows, bets, low, most, limit):
            out = middle
        else:
            kept = middle
    return out
