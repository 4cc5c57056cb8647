"""Empirical Bernstein bounds: right at any sample size, for means of bounded rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nba.bandits.ope.bootstrap import cluster_sums
from nba.bandits.ope.intervals import LEVEL, Clusters, Spread, bounded_values, refuse_level
from nba.bandits.ope.terms import Terms

_TWO = 2


@dataclass(frozen=True, slots=True)
class EmpiricalBernstein:
    """Bounds that hold the truth at least ``level`` of the time, however few the customers.

    ``low`` and ``high`` are what a row's number can be at all, known before the data: for IPS of
    rewards from 0 to r and logged probabilities of at least p, 0 and r / p
    (:func:`nba.bandits.ope.row_bounds`). The price of certainty is width: some 2 to 10 times that
    of the bootstrap where weights are large.

    With m customers, whose totals are scaled to have the estimate as their mean, variance V and
    range R, the radius is √(2 V L / m) + 7 R L / (3 (m - 1)) with L = log(4 / (1 - level)): Maurer
    and Pontil, *Empirical Bernstein bounds and sample variance penalization*, COLT 2009, theorem 11
    on both sides. How many rows a customer has is taken as given.

    Of IPS, clipped IPS, DM, DR and its relatives; raises :class:`~nba.errors.InputError` for SNIPS
    and SNDR, which are no means, and where a row lies outside ``low`` to ``high``.
    """

    low: float
    high: float
    level: float = LEVEL

    def __post_init__(self) -> None:
        refuse_level(self.level)

    def around(self, terms: Terms, clusters: Clusters) -> Spread:
        """Return the interval, never beyond ``low`` and ``high``; all of it for one customer."""
        values = bounded_values(terms, self.low, self.high)
        sums = cluster_sums(np.column_stack([values, np.ones_like(values)]), clusters)
        customers = len(sums)
        if customers < _TWO:
            return Spread(math.nan, self.low, self.high)
        rows = sums[:, 1]
        scale = customers / rows.sum()
        ends = np.outer([self.low, self.high], [rows.min(), rows.max()]) * scale
        variance = float((sums[:, 0] * scale).var(ddof=1))
        deviation = math.log(4.0 / (1.0 - self.level))
        radius = math.sqrt(2.0 * variance * deviation / customers)
        radius += 7.0 * float(ends.max() - ends.min()) * deviation / (3.0 * (customers - 1))
        value = terms.value
        return Spread(
            math.sqrt(variance / customers),
            max(value - radius, self.low),
            min(value + radius, self.high),
        )
