"""Reading arrays that callers give: numbers, indices, folds and customers, or a clear error."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.observations import as_numbers
from nba.errors import Fault, InputError

_INTEGERS = "iu"
_TABLE_AXES = 2


def as_rows(place: str, values: ArrayLike, n: int | None) -> NDArray[np.float64]:
    """Return values as ``(n,) float64``; :class:`InputError` for another shape."""
    array = as_numbers(place, values)
    if array.ndim != 1 or (n is not None and array.shape[0] != n):
        expected = "one axis is expected" if n is None else f"({n},) is expected"
        raise InputError([Fault(place, f"found shape {array.shape}", expected)])
    return array


def as_table(place: str, values: ArrayLike, n: int) -> NDArray[np.float64]:
    """Return values as ``(n, d) float64``; :class:`InputError` for another shape."""
    array = as_numbers(place, values)
    if array.ndim != _TABLE_AXES or array.shape[0] != n:
        raise InputError([Fault(place, f"found shape {array.shape}", f"({n}, d) is expected")])
    return array


def as_integers(place: str, values: ArrayLike, expected: str) -> NDArray[np.int64]:
    """Return values as one axis of ``int64``; :class:`InputError` for fractions and all else."""
    as_numbers(place, values)
    array = np.asarray(values)
    if array.ndim != 1:
        raise InputError([Fault(place, f"found shape {array.shape}", "one axis is expected")])
    if array.size and array.dtype.kind not in _INTEGERS:
        raise InputError([Fault(place, f"found {array.dtype}", expected)])
    return array.astype(np.int64)


def as_actions(actions: ArrayLike, n_actions: int | None = None) -> NDArray[np.int64]:
    """Return logged actions as ``(n,) int64`` indices from 0, below ``n_actions`` where given.

    Raises :class:`InputError` for anything else, and where there are none.
    """
    found = as_integers("/actions", actions, "integers from 0")
    if len(found) == 0:
        shape = f"found shape {found.shape}"
        raise InputError([Fault("/actions", shape, "one axis with at least one row")])
    values = found.astype(np.float64)
    refuse_rows("/actions", values, found >= 0, "an index from 0 is expected")
    if n_actions is not None:
        refuse_rows("/actions", values, found < n_actions, f"below {n_actions} is expected")
    return found


def as_folds(folds: ArrayLike, n: int) -> NDArray[np.float64]:
    """Return the fold of each row, ``(n,)``; :class:`InputError` for a row without one."""
    found = as_rows("/folds", folds, n)
    refuse_rows("/folds", found, ~np.isnan(found), "a fold for every row")
    return found


def as_clusters(clusters: ArrayLike, n: int) -> NDArray[np.int64] | NDArray[np.str_]:
    """Return the customer of each row, ``(n,)``.

    Raises :class:`InputError` for another shape, a row without one, or names of several kinds.
    """
    array = np.asarray(clusters)
    if array.shape != (n,):
        raise InputError([Fault("/clusters", f"found shape {array.shape}", f"({n},) is expected")])
    # In a list NaN beside strings would become the string "nan".
    given = clusters if isinstance(clusters, np.ndarray) else np.asarray(clusters, dtype=object)
    is_missing = given != given  # noqa: PLR0124 - NaN alone, in any kind of array
    if given.dtype.kind == "O":
        is_missing = is_missing | [one is None for one in given]
    missing = np.flatnonzero(is_missing)
    if len(missing):
        found = f"{len(missing):,} of {n:,} rows have none"
        raise InputError([Fault(f"/clusters/{missing[0]}", found, "every row needs its customer")])
    try:
        np.unique(array)
    except TypeError as error:
        found = f"they cannot be told apart: {error}"
        raise InputError([Fault("/clusters", found, "all integers, or all strings")]) from error
    return array


def refuse_rows(
    place: str, values: NDArray[np.float64], good: NDArray[np.bool_], expected: str
) -> None:
    """Raise :class:`InputError` with the number of rows that are not good, and the first."""
    bad = np.flatnonzero(~good)
    if len(bad):
        found = f"{len(bad):,} of {len(values):,} rows are wrong, the first holds {values[bad[0]]}"
        raise InputError([Fault(f"{place}/{bad[0]}", found, expected)])


def refuse_cells(
    place: str, values: NDArray[np.float64], good: NDArray[np.bool_], expected: str
) -> None:
    """Raise :class:`InputError` with the number of cells that are not good, and where the first is.

    ``values`` and ``good`` are of one shape; the place is that of the row, column and so on.
    """
    bad = np.argwhere(~good)
    if len(bad):
        first = tuple(bad[0].tolist())
        found = f"{len(bad):,} are wrong, the first is {values[first]}"
        raise InputError([Fault("/".join([place, *map(str, first)]), found, expected)])
