"""Two linear models that learned from different observations, as one that learned from all."""

from __future__ import annotations

import numpy as np

from nba.bandits.linear import LinearModel
from nba.bandits.ridge import RidgeStack
from nba.errors import ConflictError


def merge(first: LinearModel, second: LinearModel) -> LinearModel:
    """Return the model that both together would be; neither is changed.

    Sums over observations are added, so the result is exact: it equals a model trained on the
    observations of both, in any order, once that is settled too (to 1e-9, from rounding alone).

    Raises :class:`ConflictError` where their parameters differ, or they forget or look out for
    change, a feature was missing at times, or an action started where its kin had got to: all of
    that depends on the order of the observations, which sums do not tell.

    >>> models = [LinearModel(2, 1) for _ in range(3)]
    >>> rows = [([0.0], 0, 0.2), ([1.0], 1, 0.9), ([2.0], 0, 0.1), ([3.0], 1, 0.8)]
    >>> for number, row in enumerate(rows):
    ...     models[number % 2].update(*row)
    ...     models[2].update(*row)
    >>> models[2].settle()
    >>> merged = merge(models[0], models[1])
    >>> bool(abs(merged.estimate([1.5]).means - models[2].estimate([1.5]).means).max() < 1e-9)
    True
    """
    if first.parameters() != second.parameters():
        raise ConflictError("the models differ in their parameters; merge models of one kind")
    if first.forgetting < 1.0:
        raise ConflictError(
            f"the models forget by {first.forgetting}; only models that forget nothing can be "
            "merged exactly"
        )
    if first.change_threshold is not None:
        raise ConflictError(
            "the models look out for change, which depends on what came when; only models without "
            "a change_threshold can be merged exactly"
        )
    if any((model.frame.seen != model.updates).any() for model in (first, second)):
        raise ConflictError(
            "a feature was missing at times, and counted as its mean so far, which depends on "
            "when; only models that saw all of their features can be merged exactly"
        )
    if first.starts.any() or second.starts.any():
        raise ConflictError(
            "an action started where its kin had got to, which depends on when; only models whose "
            "actions all started at the prior can be merged exactly"
        )
    merged = LinearModel.from_bytes(first.to_bytes())
    other = LinearModel.from_bytes(second.to_bytes())
    other.reframe(other.frame.move_to(merged.frame))
    for into, more in ((merged.own, other.own), (merged.pooled, other.pooled)):
        _add(into, more)
    merged.frame.add(other.frame)
    merged.earned += other.earned
    merged.updates += other.updates
    merged.settle()
    return merged


def _add(into: RidgeStack, more: RidgeStack) -> None:
    for total, part in zip(into.statistics, more.statistics, strict=True):
        np.add(total, part, out=total)
