"""The port every interval fills: between which bounds the value of a policy lies.

- :class:`~nba.bandits.ope.bootstrap.Bootstrap`, the default: any estimator, about right from an
  effective sample of some hundred, as narrow as the data allow.
- :class:`~nba.bandits.ope.bernstein.EmpiricalBernstein`: means of bounded rows, right at any sample
  size, for one look.
- :class:`~nba.bandits.ope.sequence.ConfidenceSequence`: the same, right however often it is looked
  at while rows come in.

All take customers, not rows, as what was drawn at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nba.bandits.ope.terms import Terms
from nba.errors import Fault, InputError

LEVEL = 0.95
"""How often an interval holds the truth, by default."""

Clusters = NDArray[np.int64] | NDArray[np.str_] | None
"""Which customer each row is of; ``None`` where each row is its own."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How far an estimate could be off: its standard error, and the bounds of its interval."""

    standard_error: float
    low: float
    high: float


class Interval(Protocol):
    """A way to say between which bounds an estimate's truth lies."""

    def around(self, terms: Terms, clusters: Clusters) -> Spread:
        """Return the interval of what the terms alone make; see :func:`bounds`.

        Raises :class:`nba.errors.InputError` where it cannot be given.
        """
        ...


def bounds(interval: Interval, terms: Terms, clusters: Clusters) -> Spread:
    """Return the interval of an estimate, which holds its value.

    For one that was chosen by the data it is that of its reference (:class:`Terms`), as far out as
    the value lies where that is outside.
    """
    found = interval.around(terms.of_interval, clusters)
    if terms.reference is None:
        return found
    value = terms.value
    return Spread(found.standard_error, min(found.low, value), max(found.high, value))


def refuse_level(level: float) -> None:
    """Raise :class:`InputError` for a level that is no share between 0 and 1."""
    if not 0.0 < level < 1.0:
        raise InputError(
            [Fault("/level", f"found {level:g}", "above 0 and below 1; 0.95 is usual")]
        )


def bounded_values(terms: Terms, low: float, high: float) -> NDArray[np.float64]:
    """Return the numbers an estimate is the mean of, ``(n,)``.

    Raises :class:`InputError` where it is no mean, or a number lies outside ``low`` to ``high``.
    """
    if not low < high:
        raise InputError([Fault("/low", f"found {low:g} to {high:g}", "low must be below high")])
    if terms.values is None:
        expected = "a bound at any sample size is of means: IPS, DM or DR, or take the bootstrap"
        raise InputError([Fault("/estimator", "it divides by a sum of weights", expected)])
    slack = 1e-9 * (high - low)
    bad = np.flatnonzero((terms.values < low - slack) | (terms.values > high + slack))
    if len(bad):
        found = f"{len(bad):,} rows lie outside, the first holds {terms.values[bad[0]]:g}"
        raise InputError([Fault(f"/values/{bad[0]}", found, f"{low:g} to {high:g} was promised")])
    return terms.values
