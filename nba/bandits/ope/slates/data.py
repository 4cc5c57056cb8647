"""Logged slates, and a target policy's view of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.observations import as_numbers
from nba.bandits.ope.arrays import as_clusters, refuse_cells
from nba.bandits.ope.intervals import Clusters
from nba.errors import EvaluationRefusedError, Fault, InputError

_TABLE_AXES = 2


@dataclass(frozen=True, slots=True, eq=False)
class LoggedSlates:
    """Slates of up to k positions, one row each; a position left empty holds NaN everywhere.

    ``rewards`` are ``(n, k) float64``. ``conditional`` ``(n, k)`` is the probability with which the
    action at each position was drawn, given those above it; ``marginal`` ``(n, k)`` that of the
    action being at this position whatever is above it, needed by :class:`IIPS` alone.
    ``position_weights`` ``(k,)`` say what a reward at each position counts, 1 where not given.
    ``clusters`` ``(n,)`` is the customer of each slate. Slates fill from the top: below an empty
    position there is none that is not.

    Raises :class:`InputError` where shapes or values cannot be read, and
    :class:`EvaluationRefusedError` where a probability is missing, not above 0, or above 1.
    """

    rewards: NDArray[np.float64]
    conditional: NDArray[np.float64]
    marginal: NDArray[np.float64] | None = None
    position_weights: NDArray[np.float64] | None = None
    clusters: Clusters = None
    estimated: bool = False

    def __post_init__(self) -> None:
        rewards = as_numbers("/rewards", self.rewards)
        if rewards.ndim != _TABLE_AXES or 0 in rewards.shape:
            expected = "(n, k) with a slate and a position at least"
            raise InputError([Fault("/rewards", f"found shape {rewards.shape}", expected)])
        filled = ~np.isnan(rewards)
        _refuse_shape(rewards, filled)
        object.__setattr__(self, "rewards", rewards)
        for name in ("conditional", "marginal"):
            given = getattr(self, name)
            if given is not None:
                table = as_slates(f"/{name}", given, filled)
                _refuse_probabilities(name, table, filled)
                object.__setattr__(self, name, table)
        weights = np.ones(rewards.shape[1])
        if self.position_weights is not None:
            weights = as_numbers("/position_weights", self.position_weights)
        if weights.shape != rewards.shape[1:] or not np.isfinite(weights).all():
            found = f"found {weights.tolist()}"
            expected = f"a finite number for each of {rewards.shape[1]} positions"
            raise InputError([Fault("/position_weights", found, expected)])
        object.__setattr__(self, "position_weights", weights)
        if self.clusters is not None:
            object.__setattr__(self, "clusters", as_clusters(self.clusters, len(rewards)))

    def __len__(self) -> int:
        return int(self.rewards.shape[0])

    @property
    def filled(self) -> NDArray[np.bool_]:
        """Which positions hold an action, ``(n, k)``."""
        return ~np.isnan(self.rewards)

    @property
    def earned(self) -> NDArray[np.float64]:
        """What each position counts, ``(n, k)``: reward times weight, 0 where empty."""
        counted = np.asarray(self.position_weights, dtype=np.float64)
        return np.where(self.filled, self.rewards, 0.0) * counted


@dataclass(frozen=True, slots=True, eq=False)
class SlateTarget:
    """A policy to be evaluated, as it bears on the logged slates; what is empty there is ignored.

    ``conditional`` and ``marginal`` ``(n, k)`` are how probable it makes the logged actions, as in
    :class:`LoggedSlates`. A reward model adds ``q_logged`` ``(n, k)``, what it expects from the
    position to the end of the slate given the logged actions down to it, and ``q_target``
    ``(n, k)``, the same with the target choosing at the position itself, given the logged actions
    above it. Position weights are in both, and the target chooses below.
    """

    conditional: NDArray[np.float64]
    marginal: NDArray[np.float64] | None = None
    q_logged: NDArray[np.float64] | None = None
    q_target: NDArray[np.float64] | None = None


def weights_by_position(data: LoggedSlates, target: SlateTarget) -> NDArray[np.float64]:
    """Return target / logged conditional probability, ``(n, k)``, 1 where a position is empty."""
    return _divide(data, target_table(data, "conditional", target.conditional), data.conditional)


def marginal_weights(data: LoggedSlates, target: SlateTarget) -> NDArray[np.float64]:
    """Return target / logged marginal probability, ``(n, k)``, 1 where a position is empty.

    Raises :class:`InputError` where either side does not have them.
    """
    if data.marginal is None or target.marginal is None:
        side = "the log" if data.marginal is None else "the target"
        found = f"{side} has no marginal probabilities"
        raise InputError([Fault("/marginal", found, "IIPS needs them on both sides")])
    return _divide(data, target_table(data, "marginal", target.marginal), data.marginal)


def target_table(data: LoggedSlates, name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return a target's probabilities of logged actions; :class:`InputError` beyond 0 to 1."""
    table = as_slates(f"/target/{name}", values, data.filled)
    good = ~data.filled | ((table >= 0.0) & (table <= 1.0))
    refuse_cells(f"/target/{name}", table, good, "a number from 0 to 1")
    return table


def as_slates(place: str, values: ArrayLike, filled: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return values as ``(n, k) float64``; :class:`InputError` for another shape."""
    table = as_numbers(place, values)
    if table.shape != filled.shape:
        expected = f"{filled.shape} is expected"
        raise InputError([Fault(place, f"found shape {table.shape}", expected)])
    return table


def _divide(
    data: LoggedSlates, target: NDArray[np.float64], logged: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.divide(target, logged, out=np.ones_like(logged), where=data.filled)


def _refuse_shape(rewards: NDArray[np.float64], filled: NDArray[np.bool_]) -> None:
    for wrong, said, expected in (
        (np.isinf(rewards).any(axis=1), "an infinite reward", "a finite number, NaN where empty"),
        (~filled[:, 0], "no first position", "at least one choice"),
        ((filled[:, 1:] & ~filled[:, :-1]).any(axis=1), "a gap", "positions filled from the top"),
    ):
        bad = np.flatnonzero(wrong)
        if len(bad):
            found = f"{len(bad):,} of {len(rewards):,} slates have {said}"
            raise InputError([Fault(f"/rewards/{bad[0]}", found, expected)])


def _refuse_probabilities(name: str, table: NDArray[np.float64], filled: NDArray[np.bool_]) -> None:
    bad = filled & ~((table > 0.0) & (table <= 1.0))
    if bad.any():
        row, position = np.argwhere(bad)[0]
        raise EvaluationRefusedError(
            f"the logged {name} probabilities cannot be divided by: {int(bad.sum()):,} of "
            f"{int(filled.sum()):,} are missing, not above 0 or above 1, first at slate {row} "
            f"position {position}. Leave out slates that were not drawn at random"
        )
