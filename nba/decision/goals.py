"""What candidates bring beside their desired outcomes: the goals of a placement, compiled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nba.bandits import BoundLogistic
from nba.decision.beside import LearnedBeside, goal_keys
from nba.decision.kernels import goal_values
from nba.decision.positions import looked_at
from nba.domain.catalog import Action
from nba.errors import InputError

FloatArray = NDArray[np.float64]


def prior_logit(base_rate: float) -> float:
    """Return the logit of a base rate."""
    return float(np.log(base_rate / (1.0 - base_rate)))


@dataclass(frozen=True, slots=True, eq=False)
class GoalsExpected:
    """What is expected of ``g`` goals of ``n`` candidates in one situation.

    ``propensities`` are ``(g,)``, ``worths`` ``(n,)`` what each candidate's goals are expected to
    bring, in currency, and ``variances`` ``(n,)`` theirs. ``sound`` says whether what was learned
    could be used; where not, all is by base rates.
    """

    propensities: FloatArray
    worths: FloatArray
    variances: FloatArray
    sound: bool


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PlacementGoals:
    """The ``g`` goals of a placement's ``n`` candidates.

    ``rows`` ``(g,)`` are the candidates', ``values`` ``(g,)`` in currency; ``learner`` is what was
    learned of how often each is met, beside the logits of their base rates.
    """

    count: int
    keys: tuple[str, ...]
    kinds: tuple[str, ...]
    rows: NDArray[np.intp]
    values: FloatArray
    prior_logits: FloatArray
    learner: BoundLogistic

    def base_worths(self, effect: float = 1.0) -> FloatArray:
        """Return what goals bring by base rates alone, by candidate ``(n,)``, in currency.

        ``effect`` is how often the rank is looked at, as a share of the first one.
        """
        return self._by_base_rates(self.base_logits(effect)).worths

    def base_logits(self, effect: float) -> FloatArray:
        """Return the logits of base rates, ``(g,)``, at a rank of such an effect.

        The first candidate is ``no_action``, which is shown nowhere: its own stay.
        """
        if effect == 1.0:
            return self.prior_logits
        return np.where(self.rows == 0, self.prior_logits, looked_at(self.prior_logits, effect))

    def of(self, row: int) -> list[int]:
        """Return where the goals of one candidate stand among all."""
        return [int(index) for index in np.flatnonzero(self.rows == row)]

    def expect(self, z: FloatArray, *, effect: float = 1.0) -> GoalsExpected:
        """Return what is expected in a situation ``z`` ``(k,)``; base rates where that breaks.

        ``effect`` is how often the rank is looked at, as a share of the first one.
        """
        base = self.base_logits(effect)
        try:
            logits, variances = self.learner.estimate(base, z)
        except InputError:
            return self._by_base_rates(base)
        found = goal_values(logits, variances, self.values, self.rows, self.count)
        return GoalsExpected(*found) if found[-1] else self._by_base_rates(base)

    def _by_base_rates(self, logits: FloatArray) -> GoalsExpected:
        certain = np.zeros_like(self.values)
        found = goal_values(logits, certain, self.values, self.rows, self.count)
        return replace(GoalsExpected(*found), sound=False)

    def taught(self, learner: BoundLogistic) -> PlacementGoals:
        """Return the same by another state of what was learned."""
        return replace(self, learner=learner)


def compile_goals(actions: Sequence[Action], beside: LearnedBeside) -> PlacementGoals | None:
    """Return the goals of a placement's candidates; ``None`` where none of them has any."""
    found = [
        (row, kind, goal)
        for row, action in enumerate(actions)
        for kind, goal in action.goals.items()
    ]
    if not found:
        return None
    return PlacementGoals(
        count=len(actions),
        keys=tuple(goal_keys(actions)),
        kinds=tuple(kind for _, kind, _ in found),
        rows=np.array([row for row, _, _ in found], dtype=np.intp),
        values=np.array([goal.value for _, _, goal in found]),
        prior_logits=np.array([prior_logit(goal.base_rate) for _, _, goal in found]),
        learner=beside.bind_goals(actions),
    )
