"""What online logistic regression asks of observations before it learns from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits import kernels
from nba.errors import Fault, InputError

MAX_WEIGHT = 1e6
"""Largest weight of one observation."""


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """Observations that were checked; see :meth:`OnlineLogistic.update_many` for their shapes."""

    action_ids: Sequence[str]
    model_logits: NDArray[np.float64]
    z: NDArray[np.float64]
    labels: NDArray[np.float64]
    weights: NDArray[np.float64]


def as_labelled(
    action_ids: Sequence[str],
    model_logits: ArrayLike,
    z: ArrayLike,
    labels: ArrayLike,
    weights: ArrayLike | None,
    k: int,
) -> Observations:
    """Return observations on ``k`` features as arrays that were checked.

    Shapes are those of :meth:`OnlineLogistic.update_many`. Raises :class:`InputError` with every
    fault.
    """
    n = len(action_ids)
    logits = np.ascontiguousarray(model_logits, dtype=np.float64)
    features = np.ascontiguousarray(z, dtype=np.float64)
    y = np.ascontiguousarray(labels, dtype=np.float64)
    w = np.ones(n) if weights is None else np.ascontiguousarray(weights, dtype=np.float64)
    require_shape("/model_logits", logits, (n,))
    require_shape("/z", features, (n, k))
    require_shape("/label", y, (n,))
    require_shape("/weight", w, (n,))
    faults = [
        *not_finite("/model_logits", logits),
        *too_large("/z", features),
        *_outside("/label", y, (y >= 0.0) & (y <= 1.0), "a number from 0 to 1 is expected"),
        *_outside("/weight", w, (w > 0.0) & (w <= MAX_WEIGHT), "above 0 and up to 1e6 is expected"),
    ]
    if faults:
        raise InputError(faults)
    return Observations(action_ids, logits, features, y, w)


def require_shape(place: str, array: NDArray[np.float64], shape: tuple[int, ...]) -> None:
    """Raise :class:`InputError` where an array has another shape."""
    if array.shape != shape:
        raise InputError([Fault(place, f"found shape {array.shape}", f"{shape} is expected")])


def _outside(
    place: str, array: NDArray[np.float64], good: NDArray[np.bool_], expected: str
) -> list[Fault]:
    return [
        Fault("/".join([place, *map(str, index)]), f"found {array[tuple(index)]}", expected)
        for index in np.argwhere(~good)
    ]


def not_finite(place: str, array: NDArray[np.float64]) -> list[Fault]:
    """Return a fault for each number that is not finite."""
    return _outside(place, array, np.isfinite(array), "a finite number is expected")


def too_large(place: str, array: NDArray[np.float64]) -> list[Fault]:
    """Return a fault for each number beyond 1e100; NaN is missing."""
    good = np.isnan(array) | (np.abs(array) <= kernels.MAX_VALUE)
    return _outside(place, array, good, "a number within ±1e100, or NaN for missing, is expected")
