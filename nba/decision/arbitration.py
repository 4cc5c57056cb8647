"""Who wins among what the guardrails left: expected value, then bounded exploration.

Expected value is the field's own arbitration: propensity x value x context weight x lever, less
cost. ``no_action`` is scored by the same formula, so that with a model of what happens untreated
the ranking is by incremental value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.bandits import Explorer, project
from nba.domain.catalog import Autonomy
from nba.domain.customer import Scalar
from nba.domain.ids import ActionId, CustomerId, PlacementId
from nba.policies import Era

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArbiterInput:
    """What an arbiter sees: the candidates left for one slot, and the situation.

    ``scores`` are expected values of shape ``(n_kept,)`` in currency; the first candidate is
    ``no_action`` wherever saying nothing is still possible.
    """

    actions: tuple[ActionId, ...]
    placement: PlacementId
    customer_id: CustomerId
    at_ms: int
    context: Mapping[str, Scalar]
    scores: FloatArray


Arbiter = Callable[[ArbiterInput], FloatArray]
"""Gives action probabilities over the candidates left; replaces the plan's own arbitration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arbitration:
    """How one placement of one plan chooses; arrays run over all its candidates."""

    autonomy: Autonomy
    explorer: Explorer
    reward_scale: float
    priorities: FloatArray

    def probabilities(
        self, kept: NDArray[np.intp], scores: FloatArray, updates: int, bounds: Era
    ) -> FloatArray:
        """Return action probabilities over ``kept`` rows, given their scores, both ``(n_kept,)``.

        ``bounds`` says what each may at least and at most be.
        With ``rules`` the highest priority is certain; with ``assisted`` scores decide among the
        highest priority (and saying nothing); with ``autonomous`` scores decide among all.
        """
        if len(kept) == 1:
            return np.ones(1)
        if self.autonomy is Autonomy.AUTONOMOUS:
            return self._explored(kept, scores, updates, bounds)
        priorities = self.priorities[kept]
        foremost = priorities == priorities.max()
        if self.autonomy is Autonomy.RULES:
            certain: FloatArray = foremost / np.count_nonzero(foremost)
            return certain
        foremost[kept == 0] = True
        probabilities = np.zeros(len(kept))
        probabilities[foremost] = self._explored(
            kept[foremost], scores[foremost], updates, bounds
        )
        return probabilities

    def _explored(
        self, kept: NDArray[np.intp], scores: FloatArray, updates: int, bounds: Era
    ) -> FloatArray:
        if len(kept) == 1:
            return np.ones(1)
        chances = self.explorer.probabilities(scores / self.reward_scale, updates=updates)
        if not bounds.bounded:
            return chances
        return project(chances, bounds.floors[kept], bounds.ceilings[kept])
