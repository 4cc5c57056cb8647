"""What every value model asks of observations before it learns from them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.errors import Fault, InputError

MAX_REWARD = 1e6
"""Largest magnitude of a reward learned from; scale money down to about 1 first."""

MAX_WEIGHT = 1e6
"""Largest weight of one observation."""

MAX_FEATURE = 1e50
"""Largest magnitude of a feature; sums of products must stay numbers."""

_Checked = tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]


def as_situation(x: ArrayLike, n_features: int) -> NDArray[np.float64]:
    """Return a situation as contiguous ``(n_features,) float64``, NaN where missing.

    Raises :class:`InputError` for another shape, or naming each feature beyond 1e50.
    """
    array = np.ascontiguousarray(x, dtype=np.float64)
    if array.shape != (n_features,):
        expected = f"({n_features},) is expected"
        raise InputError([Fault("/x", f"found shape {array.shape}", expected)])
    if (np.abs(array) > MAX_FEATURE).any():
        raise InputError(_too_large("/x", array))
    return array


def as_observations(
    X: ArrayLike,
    actions: ArrayLike,
    rewards: ArrayLike,
    weights: ArrayLike | None,
    *,
    n_features: int,
    n_actions: int,
) -> _Checked:
    """Return ``X`` (m, n_features), ``actions``, ``rewards`` and ``weights`` (m,) as arrays.

    Raises :class:`InputError` with every fault: another shape, a feature beyond 1e50, an action
    that is none of ``n_actions``, a reward that is no number or beyond ±1e6, a weight that is not
    above 0 and up to 1e6.
    """
    features = np.ascontiguousarray(X, dtype=np.float64)
    chosen = np.asarray(actions)
    earned = np.ascontiguousarray(rewards, dtype=np.float64)
    m = len(chosen) if chosen.ndim == 1 else 0
    counted = np.ones(m) if weights is None else np.ascontiguousarray(weights, dtype=np.float64)
    shapes = [
        ("/X", features.shape, (m, n_features)),
        ("/actions", chosen.shape, (m,)),
        ("/rewards", earned.shape, (m,)),
        ("/weights", counted.shape, (m,)),
    ]
    faults = [
        Fault(place, f"found shape {found}", f"{expected} is expected")
        for place, found, expected in shapes
        if found != expected
    ]
    if faults:
        raise InputError(faults)
    good_actions = (chosen >= 0) & (chosen < n_actions) & (chosen == np.floor(chosen))
    good_rewards = np.abs(earned) <= MAX_REWARD
    good_weights = (counted > 0.0) & (counted <= MAX_WEIGHT)
    good_features = ~(np.abs(features) > MAX_FEATURE)
    if not (
        good_actions.all() and good_rewards.all() and good_weights.all() and good_features.all()
    ):
        raise InputError(
            [
                *_too_large("/X", features),
                *_bad("/actions", chosen, good_actions, f"a whole number below {n_actions}"),
                *_bad("/rewards", earned, good_rewards, "a number within ±1e6 is expected"),
                *_bad("/weights", counted, good_weights, "above 0 and up to 1e6 is expected"),
            ]
        )
    return features, chosen.astype(np.intp), earned, counted


def _too_large(place: str, array: NDArray[np.float64]) -> Iterator[Fault]:
    expected = "a number within ±1e50, or NaN for missing, is expected"
    return _bad(place, array, ~(np.abs(array) > MAX_FEATURE), expected)


def _bad(
    place: str, array: NDArray[np.float64], good: NDArray[np.bool_], expected: str
) -> Iterator[Fault]:
    for index in np.argwhere(~good):
        found = f"found {array[tuple(index)]}"
        yield Fault("/".join([place, *map(str, index)]), found, expected)
