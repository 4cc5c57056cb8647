"""What off-policy evaluation reads: logged choices, and a target policy's view of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.observations import as_numbers
from nba.bandits.ope.arrays import (
    as_actions,
    as_clusters,
    as_rows,
    refuse_cells,
    refuse_rows,
)
from nba.errors import EvaluationRefusedError, Fault, InputError

MAX_REWARD = 1e30
"""Largest magnitude of a reward: weights times rewards, and their squares, must stay numbers."""

LEAST_PROBABILITY = 1e-100
"""Smallest probability that is divided by, for the same reason."""

_SUM_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class LoggedData:
    """Logged choices, one row each, with the probability each was drawn with.

    ``actions`` are ``(n,) int64`` indices from 0, ``rewards`` ``(n,) float64``, ``probabilities``
    ``(n,) float64`` the logged action probabilities from 1e-100 to 1. Rows of one customer share a
    value in ``clusters`` (``(n,)``, integers or strings); ``None`` is a customer for every row.
    ``estimated`` says that the probabilities were not recorded when drawn but estimated afterwards
    (:func:`nba.bandits.ope.estimate_probabilities`); every estimate and verdict then says so.

    Raises :class:`InputError` where shapes or values cannot be read or a reward is beyond ±1e30,
    and :class:`EvaluationRefusedError` where an action probability is missing, 0 or next to it or
    below, or above 1: an estimate would divide by it.
    """

    actions: NDArray[np.int64]
    rewards: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    clusters: NDArray[np.int64] | NDArray[np.str_] | None = None
    estimated: bool = False

    def __post_init__(self) -> None:
        actions = as_actions(self.actions)
        n = len(actions)
        rewards = as_rows("/rewards", self.rewards, n)
        good = np.abs(rewards) <= MAX_REWARD
        refuse_rows("/rewards", rewards, good, "a finite number within ±1e30 is expected")
        probabilities = as_rows("/probabilities", self.probabilities, n)
        _refuse_probabilities(probabilities)
        object.__setattr__(self, "actions", actions)
        object.__setattr__(self, "rewards", rewards)
        object.__setattr__(self, "probabilities", probabilities)
        if self.clusters is not None:
            object.__setattr__(self, "clusters", as_clusters(self.clusters, n))

    def __len__(self) -> int:
        return int(self.actions.shape[0])


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A policy to be evaluated, as it bears on the logged rows.

    ``probabilities`` ``(n,) float64`` is how probable the policy makes each logged action in its
    situation, from 0 to 1. A reward model adds ``q_logged`` ``(n,)``, the reward it expects of the
    logged action, and ``q_target`` ``(n,)``, the reward it expects of the policy in that situation;
    fit it on other rows than these, or the estimate is flattered. ``never_logged`` ``(n,)``, from 0
    to 1, is how probable the policy makes actions that no row of the log has: of these nothing is
    known but what a reward model makes up.

    Raises :class:`InputError` where shapes or values cannot be read.
    """

    probabilities: NDArray[np.float64]
    q_logged: NDArray[np.float64] | None = None
    q_target: NDArray[np.float64] | None = None
    never_logged: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        probabilities = as_rows("/target/probabilities", self.probabilities, None)
        good = (probabilities >= 0.0) & (probabilities <= 1.0)
        refuse_rows("/target/probabilities", probabilities, good, "a number from 0 to 1")
        object.__setattr__(self, "probabilities", probabilities)
        if (self.q_logged is None) != (self.q_target is None):
            raise InputError([Fault("/target", "found one of q_logged, q_target", "give both")])
        for name in ("q_logged", "q_target"):
            found = getattr(self, name)
            if found is not None:
                values = as_rows(f"/target/{name}", found, len(probabilities))
                refuse_rows(f"/target/{name}", values, np.isfinite(values), "a finite number")
                object.__setattr__(self, name, values)
        if self.never_logged is not None:
            share = as_rows("/target/never_logged", self.never_logged, len(probabilities))
            good = (share >= -_SUM_TOLERANCE) & (share <= 1.0 + _SUM_TOLERANCE)
            refuse_rows("/target/never_logged", share, good, "a number from 0 to 1")
            object.__setattr__(self, "never_logged", share)

    @classmethod
    def from_distribution(
        cls, actions: ArrayLike, distribution: ArrayLike, q: ArrayLike | None = None
    ) -> Target:
        """Build a target from its probabilities of all actions.

        ``actions`` ``(n,)`` are the logged ones; ``distribution`` ``(n, n_actions)``, or
        ``(1, n_actions)`` for a policy that ignores the situation, sums to 1 by row; ``q``, of
        either shape, is the reward expected of every action.

        Raises :class:`InputError` where they cannot be read, naming row and column.
        """
        taken = as_actions(actions)
        pi = _as_distribution("/target/distribution", distribution, len(taken))
        if taken.max() >= pi.shape[1]:
            found = f"found actions {taken.min()} to {taken.max()}"
            raise InputError([Fault("/actions", found, f"0 to {pi.shape[1] - 1} are expected")])
        refuse_cells("/target/distribution", pi, pi >= 0.0, "a number from 0 to 1")
        sums = pi.sum(axis=1)
        good = np.abs(sums - 1.0) <= _SUM_TOLERANCE
        refuse_rows("/target/distribution", sums, good, "each row must sum to 1")
        rows = np.arange(len(taken))
        table = np.broadcast_to(pi, (len(taken), pi.shape[1]))
        unseen = np.bincount(taken, minlength=pi.shape[1]) == 0
        never = np.broadcast_to(pi[:, unseen].sum(axis=1), (len(taken),))
        if q is None:
            return cls(table[rows, taken], never_logged=never)
        expected = _as_distribution("/target/q", q, len(taken))
        if expected.shape[1] != pi.shape[1]:
            found = f"found {expected.shape[1]} actions"
            raise InputError([Fault("/target/q", found, f"{pi.shape[1]} are expected")])
        q_table = np.broadcast_to(expected, table.shape)
        q_target = np.broadcast_to((pi * expected).sum(axis=1), (len(taken),))
        return cls(table[rows, taken], q_table[rows, taken], q_target, never)

    def reward_model(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (q_logged, q_target); :class:`InputError` where the target has none."""
        if self.q_logged is None or self.q_target is None:
            expected = "this estimator needs q_logged and q_target"
            raise InputError([Fault("/target", "it has no reward model", expected)])
        return self.q_logged, self.q_target


def importance_weights(data: LoggedData, target: Target) -> NDArray[np.float64]:
    """Return target / logged probability of every logged action, ``(n,) float64``."""
    if len(target.probabilities) != len(data):
        found = f"found {len(target.probabilities)} rows"
        raise InputError([Fault("/target/probabilities", found, f"{len(data)} are expected")])
    return target.probabilities / data.probabilities


def _as_distribution(place: str, values: ArrayLike, n: int) -> NDArray[np.float64]:
    array = as_numbers(place, values)
    if array.ndim != 2 or array.shape[0] not in (1, n):  # noqa: PLR2004 - rows by actions
        expected = f"({n}, n_actions) or (1, n_actions) is expected"
        raise InputError([Fault(place, f"found shape {array.shape}", expected)])
    return array


def _refuse_probabilities(probabilities: NDArray[np.float64]) -> None:
    problems = "; ".join(_probability_problems(probabilities))
    if problems:
        raise EvaluationRefusedError(
            f"the logged action probabilities cannot be divided by: {problems}. Every row needs "
            "the probability, above 0 and up to 1, with which its action was drawn: leave out rows "
            "that were not drawn at random and evaluate on the rest, or estimate the probabilities "
            "and label the result as resting on estimates"
        )


def _probability_problems(probabilities: NDArray[np.float64]) -> Iterator[str]:
    n = len(probabilities)
    for problem, bad in (
        ("missing", np.isnan(probabilities)),
        ("0 or below", probabilities <= 0.0),
        ("below 1e-100", (probabilities > 0.0) & (probabilities < LEAST_PROBABILITY)),
        ("above 1", probabilities > 1.0),
    ):
        count = int(bad.sum())
        if count:
            yield f"{count:,} of {n:,} are {problem}, first at row {int(bad.argmax())}"
