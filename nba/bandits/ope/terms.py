"""An estimate as sums over rows: what intervals, comparisons and choices are computed from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

RESTS_ON_MODEL = (
    "it rests on the reward model alone, and its interval tells of who was logged, not of how "
    "wrong that model is"
)
"""The caveat of an estimate that no logged reward enters but through the reward model."""

UNSEEN_BIAS = "its weights are bounded, and its interval does not tell of the bias this brings"
"""The caveat of an estimate that is right on average only for other weights than its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """An estimate as sums over rows, so that it can be recomputed on any resample of them.

    ``columns`` is ``(n, c) float64``; ``combine`` turns their totals ``(…, c)`` into values
    ``(…)``. Where the estimate is the plain mean of one number a row, ``values`` ``(n,)`` are those
    numbers; bounds that hold at any sample size are of means only.

    ``caveats`` say what an interval made of these sums does not know. ``reference`` are the terms
    of another estimate of the same thing, without such a caveat, whose interval is to be given
    instead: that of an estimate chosen by the data, which its own sums know nothing of.
    """

    columns: NDArray[np.float64]
    combine: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    values: NDArray[np.float64] | None = None
    caveats: tuple[str, ...] = ()
    reference: Terms | None = None

    @property
    def value(self) -> float:
        """The estimate on all rows."""
        return float(self.combine(self.columns.sum(axis=0)))

    @property
    def of_interval(self) -> Terms:
        """The terms that an interval is made of: the reference's, or these."""
        return self.reference or self

    def beside(self, reference: Terms) -> Terms:
        """Return these terms with the interval and the caveats of ``reference``."""
        return replace(self, caveats=reference.caveats, reference=reference.of_interval)


def ratio(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first total over the second; NaN where the second is 0."""
    below = totals[..., 1]
    result: NDArray[np.float64] = totals[..., 0] / np.where(below == 0.0, np.nan, below)
    return result


def mean_terms(values: NDArray[np.float64], *caveats: str) -> Terms:
    """Return the terms of a plain mean of ``(n,)`` values."""
    return Terms(np.column_stack([values, np.ones_like(values)]), ratio, values, caveats)


def difference(one: Terms, two: Terms) -> Terms:
    """Return the terms of the first estimate less the second, both over the same rows."""
    split = one.columns.shape[1]

    def combine(totals: NDArray[np.float64]) -> NDArray[np.float64]:
        return one.combine(totals[..., :split]) - two.combine(totals[..., split:])

    values = None
    if one.values is not None and two.values is not None:
        values = one.values - two.values
    caveats = tuple(dict.fromkeys(one.caveats + two.caveats))
    found = Terms(np.hstack([one.columns, two.columns]), combine, values, caveats)
    if one.reference is None and two.reference is None:
        return found
    return found.beside(difference(one.of_interval, two.of_interval))
