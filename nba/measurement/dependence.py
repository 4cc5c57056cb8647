"""Whether choices depended on what was known of the customer: by chi-square, feature by feature.

Frequencies of actions are the probabilities they were chosen with only if they do not. Features are
cut into quarters, or taken as they are where they have few values; missing is a value too. One
decision a customer is looked at, as several are not independent, and what is rare (fewer than 20
decisions) is left aside. P-values are by the approximation of Wilson and Hilferty (1931), and the
level is shared out among the features (Bonferroni).
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray

ALPHA = 0.001
"""Below this p-value, over all features together, choices depend on one."""

_LEAST = 20
_FEW_VALUES = 8
_QUARTERS = (0.25, 0.5, 0.75)


def depends_on(rows: pl.DataFrame, *, prefix: str = "f_") -> list[str]:
    """Return the features on which ``action`` depends, most clearly first.

    ``rows`` are decisions, oldest first, with ``customer_id``, ``action`` and a column
    ``<prefix><name>`` for each feature; of each customer the last one counts.
    """
    once = rows.unique("customer_id", keep="last", maintain_order=True)
    actions = _codes(once["action"])
    columns = [name for name in once.columns if name.startswith(prefix)]
    found = []
    for name in columns:
        p_value = independence(actions, _codes(_binned(once[name])))
        if p_value < ALPHA / len(columns):
            found.append((p_value, name.removeprefix(prefix)))
    return [name for _, name in sorted(found)]


def independence(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Return the p-value of two codes ``(n,)`` being independent; 1 where nothing can be said.

    >>> same = np.repeat([0, 1], 50)
    >>> independence(same, same) < 1e-12, independence(same, np.tile([0, 1], 50))
    (True, 1.0)
    """
    if not len(one):
        return 1.0
    table = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(table, (one, other), 1.0)
    table = table[table.sum(axis=1) >= _LEAST]
    table = table[:, table.sum(axis=0) >= _LEAST]
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    if freedom <= 0:
        return 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    filled = expected > 0.0
    chi_square = float((((table - expected) ** 2)[filled] / expected[filled]).sum())
    spread = 2.0 / (9.0 * freedom)
    z = ((chi_square / freedom) ** (1.0 / 3.0) - (1.0 - spread)) / math.sqrt(spread)
    return min(0.5 * math.erfc(z / math.sqrt(2.0)), 1.0) if chi_square > 0.0 else 1.0


def _binned(values: pl.Series) -> pl.Series:
    if values.dtype == pl.String or values.n_unique() <= _FEW_VALUES:
        return values
    numbers = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    known = ~np.isnan(numbers)
    quarters = np.searchsorted(np.quantile(numbers[known], _QUARTERS), numbers)
    return pl.Series(np.where(known, quarters, -1))


def _codes(values: pl.Series) -> NDArray[np.int64]:
    return values.cast(pl.String).fill_null("").rank("dense").to_numpy().astype(np.int64) - 1
