"""What every value model asks of observations before it learns from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.errors import Fault, InputError

MAX_REWARD = 1e6
"""Largest magnitude of a reward learned from; scale money down to about 1 first."""

MAX_WEIGHT = 1e6
"""Largest weight of one observation."""

MAX_FEATURE = 1e50
"""Largest magnitude of a feature; sums of products must stay numbers."""

_FEATURE = "a number within ±1e50, or NaN for missing, is expected"

_Checked = tuple[
    NDArray[np.float64],
    NDArray[np.intp],
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.float64],
]


def as_numbers(place: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return values as contiguous ``float64``, of whatever shape they are.

    Raises :class:`InputError` where some are no numbers, or rows differ in length.
    """
    try:
        return np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError([Fault(place, "not all are numbers", "numbers are expected")]) from None


def as_situation(x: ArrayLike, n_features: int) -> NDArray[np.float64]:
    """Return a situation as contiguous ``(n_features,) float64``, NaN where missing.

    Raises :class:`InputError` for another shape, or naming each feature beyond 1e50.
    """
    array = as_numbers("/x", x)
    if array.shape != (n_features,):
        expected = f"({n_features},) is expected"
        raise InputError([Fault("/x", f"found shape {array.shape}", expected)])
    if (np.abs(array) > MAX_FEATURE).any():
        raise InputError(_bad("/x", array, ~(np.abs(array) > MAX_FEATURE), _FEATURE))
    return array


def as_observations(
    X: ArrayLike,
    actions: ArrayLike,
    rewards: ArrayLike,
    weights: ArrayLike | None,
    probabilities: ArrayLike | None,
    *,
    n_features: int,
    n_actions: int,
) -> _Checked:
    """Return ``X`` (m, n_features) and the others, (m,) each, as arrays in that order.

    Weights and probabilities are 1 where they are not given. Raises :class:`InputError` with every
    fault: another shape, a feature beyond 1e50, an action that is none of ``n_actions``, a reward
    that is no number or beyond ±1e6, a weight that is not above 0 and up to 1e6, a probability that
    is not above 0 and up to 1.
    """
    features = as_numbers("/X", X)
    chosen = as_numbers("/actions", actions)
    earned = as_numbers("/rewards", rewards)
    m = len(chosen) if chosen.ndim == 1 else 0
    counted = np.ones(m) if weights is None else as_numbers("/weights", weights)
    chances = np.ones(m)
    if probabilities is not None:
        chances = as_numbers("/probabilities", probabilities)
    shapes = [
        ("/X", features.shape, (m, n_features)),
        ("/actions", chosen.shape, (m,)),
        ("/rewards", earned.shape, (m,)),
        ("/weights", counted.shape, (m,)),
        ("/probabilities", chances.shape, (m,)),
    ]
    faults = [
        Fault(place, f"found shape {found}", f"{expected} is expected")
        for place, found, expected in shapes
        if found != expected
    ]
    if faults:
        raise InputError(faults)
    good_actions = (chosen >= 0) & (chosen < n_actions) & (chosen == np.floor(chosen))
    checks = [
        ("/X", features, ~(np.abs(features) > MAX_FEATURE), _FEATURE),
        ("/actions", chosen, good_actions, f"a whole number below {n_actions}"),
        ("/rewards", earned, np.abs(earned) <= MAX_REWARD, "a number within ±1e6 is expected"),
        ("/weights", counted, (counted > 0.0) & (counted <= MAX_WEIGHT), "above 0 and up to 1e6"),
        ("/probabilities", chances, (chances > 0.0) & (chances <= 1.0), "above 0 and up to 1"),
    ]
    if not all(good.all() for _, _, good, _ in checks):
        raise InputError(fault for check in checks for fault in _bad(*check))
    return features, chosen.astype(np.intp), earned, counted, chances


def as_rows(actions: ArrayLike, n_actions: int, *, least: int = 0) -> NDArray[np.intp]:
    """Return actions ``(m,)`` as numbers from ``least`` to below ``n_actions``.

    Raises :class:`InputError` naming each that is none.
    """
    rows = as_numbers("/actions", actions).reshape(-1)
    good = (rows >= least) & (rows < n_actions) & (rows == np.floor(rows))
    if not good.all():
        raise InputError(_bad("/actions", rows, good, f"a whole number below {n_actions}"))
    return rows.astype(np.intp)


def as_action_features(described: ArrayLike, least: int) -> NDArray[np.float64]:
    """Return what tells actions apart, ``(m, p)`` with ``p`` of at least ``least``, as an array.

    Raises :class:`InputError` for another shape, or naming each feature that is not finite.
    """
    features = as_numbers("/action_features", described)
    if features.ndim != 2 or features.shape[1] < least:  # noqa: PLR2004 - axes
        expected = f"actions with at least {least} features are expected"
        raise InputError([Fault("/action_features", f"found shape {features.shape}", expected)])
    good = np.isfinite(features)
    if not good.all():
        raise InputError(_bad("/action_features", features, good, "a finite number is expected"))
    return features


def _bad(
    place: str, array: NDArray[Any], good: NDArray[np.bool_], expected: str
) -> Iterator[Fault]:
    for index in np.argwhere(~good):
        found = f"found {array[tuple(index)].item()!r}".removesuffix(".0")
        yield Fault("/".join([place, *map(str, index)]), found, expected)
