"""The ports of the bandit: what explores, and what estimates values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

KIN_DOUBT = 50.0
"""Observations of kin at which half of what was learned of it is believed of a new action."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a value model expects of every action, ``(n_actions,) float64`` each.

    ``means`` are expected rewards; ``deviations`` the standard deviations of those means, on the
    same scale, at least 0. ``None`` is a model that does not know how sure it is. ``members``
    ``(m, n_actions)`` are what each member of an ensemble expects, ``None`` where it is none.
    """

    means: NDArray[np.float64]
    deviations: NDArray[np.float64] | None = None
    members: NDArray[np.float64] | None = None

    def each(self, change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Estimate:
        """Return what ``change`` makes of each part that there is; actions are along its last axis.

        >>> Estimate(np.array([1.0, 2.0])).each(lambda part: part[..., [1]]).means.tolist()
        [2.0]
        """
        deviations, members = self.deviations, self.members
        return Estimate(
            change(self.means),
            None if deviations is None else change(deviations),
            None if members is None else change(members),
        )


class Explorer(Protocol):
    """Turns scores into action probabilities, exactly and without drawing a random number.

    The candidates are those left after every guardrail; what is drawn from these probabilities,
    and what is frozen in the record, is the same array. ``uses_deviations`` says whether they
    depend on how sure the scores are, so that nobody computes that for nothing.
    """

    @property
    def uses_deviations(self) -> bool:
        """Whether deviations change the probabilities."""
        ...

    def probabilities(
        self,
        scores: NDArray[np.float64],
        *,
        updates: int,
        deviations: NDArray[np.float64] | None = None,
        members: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Return the probability of every candidate, ``(n,) float64`` summing to 1.

        ``scores`` are ``(n,) float64`` expected rewards scaled to about [0, 1], higher is better;
        ``updates`` is how many observations the scores rest on; ``deviations`` ``(n,) float64`` of
        at least 0 are the scores' standard deviations on their own scale, ``None`` where unknown,
        which counts as 0; ``members`` ``(m, n) float64`` are the scores that each member of an
        ensemble gives, ``None`` where it is none: only explorers that count votes look at them.
        Candidates equal in all get equal probabilities, whatever their order.
        Raises :class:`nba.errors.InputError` where there is no candidate or a score or deviation
        is not finite.
        """
        ...


class ValueModel(Protocol):
    """Learns what every action is worth in a situation, from what came of the actions taken.

    Actions are numbered from 0. A situation is ``(n_features,) float64``, NaN where a feature is
    missing. The same observations in the same order give the same state.
    """

    n_actions: int
    n_features: int
    updates: int

    def estimate(self, x: ArrayLike) -> Estimate:
        """Return what is expected of every action in a situation ``x`` ``(n_features,)``."""
        ...

    def update(
        self,
        x: ArrayLike,
        action: int,
        reward: float,
        weight: float = 1.0,
        probability: float = 1.0,
    ) -> None:
        """Learn from one observation; ``weight`` is how many times it counts.

        ``probability`` is the chance the action was drawn with, above 0 and up to 1. Models that
        learn from the action taken alone do not need it.
        """
        ...

    def update_many(
        self,
        X: ArrayLike,
        actions: ArrayLike,
        rewards: ArrayLike,
        weights: ArrayLike | None = None,
        probabilities: ArrayLike | None = None,
    ) -> None:
        """Learn from observations in order, exactly as one call of :meth:`update` each would.

        ``X`` is ``(m, n_features)``, the others ``(m,)``; ``weights`` and ``probabilities`` are 1
        where not given. Raises :class:`nba.errors.InputError` with every fault, and then nothing is
        learned.
        """
        ...
