"""An estimate as sums over rows: what intervals, comparisons and choices are computed from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """An estimate as sums over rows, so that it can be recomputed on any resample of them.

    ``columns`` is ``(n, c) float64``; ``combine`` turns their totals ``(…, c)`` into values
    ``(…)``. Where the estimate is the plain mean of one number a row, ``values`` ``(n,)`` are those
    numbers; bounds that hold at any sample size are of means only.
    """

    columns: NDArray[np.float64]
    combine: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    values: NDArray[np.float64] | None = None

    @property
    def value(self) -> float:
        """The estimate on all rows."""
        return float(self.combine(self.columns.sum(axis=0)))


def ratio(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first total over the second; NaN where the second is 0."""
    below = totals[..., 1]
    result: NDArray[np.float64] = totals[..., 0] / np.where(below == 0.0, np.nan, below)
    return result


def mean_terms(values: NDArray[np.float64]) -> Terms:
    """Return the terms of a plain mean of ``(n,)`` values."""
    return Terms(np.column_stack([values, np.ones_like(values)]), ratio, values)


def difference(one: Terms, two: Terms) -> Terms:
    """Return the terms of the first estimate less the second, both over the same rows."""
    split = one.columns.shape[1]

    def combine(totals: NDArray[np.float64]) -> NDArray[np.float64]:
        return one.combine(totals[..., :split]) - two.combine(totals[..., split:])

    values = None
    if one.values is not None and two.values is not None:
        values = one.values - two.values
    return Terms(np.hstack([one.columns, two.columns]), combine, values)
