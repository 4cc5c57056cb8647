"""Who wins among what the guardrails left: expected value, then bounded exploration.

Expected value is the field's own arbitration: propensity x value x context weight x lever, less
cost. ``no_action`` is scored by the same formula, so that with a model of what happens untreated
the ranking is by incremental value.

How much of that decides in a placement is its autonomy:

- ``rules``: the highest priority is certain, and of several the action whose id comes first. No
  score, lever or bound on exploration changes that, nothing is drawn, and nothing is learned from
  what comes of it.
- ``assisted``: priority decides between branches, expected value and exploration within the
  branch, with saying nothing. A branch is that of the action that would win by ``rules``.
- ``autonomous``: expected value and exploration decide among all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.bandits import Estimate, Explorer, project
from nba.domain.catalog import Action, Autonomy, Placement
from nba.domain.customer import Scalar
from nba.domain.ids import ActionId, CustomerId, PlacementId
from nba.policies import Era

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


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
    """How one placement of one plan chooses; arrays run over all its candidates.

    ``order`` is each candidate's place by priority, 0 the highest, ``no_action`` last; ``branches``
    the number of its branch.
    """

    autonomy: Autonomy
    explorer: Explorer
    reward_scale: float
    order: IntArray
    branches: IntArray

    @property
    def uses_deviations(self) -> bool:
        """Whether probabilities depend on how sure the scores are."""
        return self.autonomy is not Autonomy.RULES and self.explorer.uses_deviations

    def probabilities(
        self,
        kept: NDArray[np.intp],
        scores: Estimate,
        updates: int,
        bounds: Era,
    ) -> FloatArray:
        """Return action probabilities over ``kept`` rows, both ``(n_kept,)``.

        ``scores`` are theirs alone, in currency; ``bounds`` says what each chance may at least and
        at most be.
        """
        if len(kept) == 1:
            return np.ones(1)
        if self.autonomy is Autonomy.AUTONOMOUS:
            return self._explored(kept, scores, updates, bounds)
        probabilities = np.zeros(len(kept))
        foremost = int(np.argmin(self.order[kept]))
        if self.autonomy is Autonomy.RULES:
            probabilities[foremost] = 1.0
            return probabilities
        branches = self.branches[kept]
        competing = (branches == branches[foremost]) | (kept == 0)
        probabilities[competing] = self._explored(
            kept[competing], scores.each(lambda part: part[..., competing]), updates, bounds
        )
        return probabilities

    def _explored(
        self,
        kept: NDArray[np.intp],
        scores: Estimate,
        updates: int,
        bounds: Era,
    ) -> FloatArray:
        if len(kept) == 1:
            return np.ones(1)
        scaled = scores.each(lambda part: part / self.reward_scale)
        chances = self.explorer.probabilities(
            scaled.means, updates=updates, deviations=scaled.deviations, members=scaled.members
        )
        if not bounds.bounded:
            return chances
        return project(chances, bounds.floors[kept], bounds.ceilings[kept])


def compile_arbitration(
    placement: Placement, actions: Sequence[Action], *, explorer: Explorer, reward_scale: float
) -> Arbitration:
    """Return how a placement chooses among its candidates, row 0 being ``no_action``."""
    by_priority = sorted(
        range(len(actions)),
        key=lambda row: (actions[row].is_no_action, -actions[row].priority, actions[row].id),
    )
    order = np.empty(len(actions), dtype=np.int64)
    order[by_priority] = np.arange(len(actions))
    branch = placement.branch
    names = [
        action.priority if branch is None else action.term_in(branch.dimension, depth=branch.depth)
        for action in actions
    ]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return Arbitration(
        autonomy=placement.autonomy,
        explorer=explorer,
        reward_scale=reward_scale,
        order=order,
        branches=np.array([numbers[name] for name in names], dtype=np.int64),
    )
