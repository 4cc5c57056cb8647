"""One recorded decision under one plan: what it would have said, with which chances.

Nothing is written. The action probabilities of the first rank of a placement are exact, given what
was drawn for the placements before it; deeper ranks are drawn with the decision's own seed, since
who is left for them depends on who was drawn above.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nba.decision.drawn import DrawnChoice
from nba.decision.pipeline import decide
from nba.decision.plan import PlacementPlan, Plan
from nba.decision.scoring import score
from nba.decision.situations import DecisionInputs
from nba.domain.ids import PlacementId, hash32

_NOTHING_SPENT = (0, 0)
"""What a budget is told of one of which nothing was taken yet."""


@dataclass(frozen=True, slots=True)
class Filled:
    """One placement of a decision, filled; arrays run over the rows ``kept``, ``(n_kept,)``.

    ``probabilities`` are those of the first rank. ``values`` are expected values, propensity x
    value, goals included, less cost, without levers and context weights, which decide who wins and
    not what it brings. ``features`` is the row they were judged by. ``deeper`` are the rows drawn
    for the ranks below, each with its expected value.
    """

    slot: PlacementPlan
    kept: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    values: NDArray[np.float64]
    features: NDArray[np.float32]
    deeper: tuple[tuple[int, float], ...]

    @property
    def empty(self) -> float:
        """The chance that nothing is said here."""
        return float(self.probabilities[0]) if self.kept[0] == 0 else 0.0

    @property
    def has_options(self) -> bool:
        """Whether anything may be said here."""
        return len(self.kept) > 1 or self.kept[0] != 0

    def chance_of(self, action: str) -> float:
        """Return the chance that an action is the first choice."""
        place = self._place(action)
        return 0.0 if place is None else float(self.probabilities[place])

    def modelled(self) -> dict[str, float]:
        """Return what the propensity model alone expects of each action that may be said here.

        The bandit corrects it by what it has learned from outcomes.
        """
        # The logistic function, in a form that does not overflow.
        propensities = 0.5 * (1.0 + np.tanh(0.5 * self.slot.model_logits(self.features)[self.kept]))
        expected = propensities * self.slot.values[self.kept] - self.slot.costs[self.kept]
        if self.slot.goals is not None:
            expected = expected + self.slot.goals.base_worths()[self.kept]
        ids = [str(self.slot.action_ids[row]) for row in self.kept.tolist()]
        return dict(zip(ids, expected.tolist(), strict=True))

    def _place(self, action: str) -> int | None:
        for place, row in enumerate(self.kept.tolist()):
            if self.slot.action_ids[row] == action:
                return place
        return None


@dataclass(frozen=True, slots=True)
class Replayed:
    """A decision under a plan: its placements, and the inputs it was replayed with.

    ``gone`` are placements that were asked for and that the plan does not have: they say nothing.
    """

    filled: tuple[Filled, ...]
    gone: tuple[PlacementId, ...]
    inputs: DecisionInputs

    @property
    def first(self) -> Filled | None:
        """The placement asked for first; ``None`` where the plan does not have it."""
        asked = self.inputs.request.placements
        if not self.filled or asked[0].id != self.filled[0].slot.placement.id:
            return None
        return self.filled[0]

    @property
    def has_options(self) -> bool:
        """Whether anything may be said anywhere."""
        return any(one.has_options for one in self.filled)

    @property
    def silent(self) -> float:
        """The chance that nothing is said anywhere."""
        return float(np.prod([one.empty for one in self.filled]))


def unspent(plan: Plan) -> dict[int, tuple[int, ...]]:
    """Return what policies know of all customers where nothing has happened yet.

    A record has nothing of a policy that was not there; without it a new budget would be closed.
    """
    states: dict[int, tuple[int, ...]] = {}
    for policy in plan.source.policies:
        kind = getattr(policy, "kind", "")
        if kind == "budget":
            states[hash32(policy.id)] = _NOTHING_SPENT
        elif kind == "fairness":
            states[hash32(policy.id)] = ()
    return states


def replayed(plan: Plan, inputs: DecisionInputs, states: Mapping[int, tuple[int, ...]]) -> Replayed:
    """Decide again under a plan; ``states`` is :func:`unspent` of it."""
    asked = inputs.request.placements
    known = tuple(one for one in asked if one.id in plan.placements)
    gone = tuple(one.id for one in asked if one.id not in plan.placements)
    given = replace(
        inputs,
        request=replace(inputs.request, placements=known),
        shared={**states, **inputs.shared},
    )
    decided = decide(plan, given)
    filled: list[Filled] = []
    for draw in decided.draws:
        if draw.rank == 1:
            filled.append(_filled(plan, draw, given))
            continue
        value = float(_worths(plan, draw.slot, given, draw.rank)[draw.row])
        above = filled[-1]
        filled[-1] = replace(above, deeper=(*above.deeper, (draw.row, value)))
    return Replayed(tuple(filled), gone, inputs)


def _filled(plan: Plan, draw: DrawnChoice, inputs: DecisionInputs) -> Filled:
    slot, kept = draw.slot, draw.kept
    worths = _worths(plan, slot, inputs, 1)[kept]
    return Filled(slot, kept, draw.probabilities, worths, inputs.features, ())


def _worths(
    plan: Plan, slot: PlacementPlan, inputs: DecisionInputs, rank: int
) -> NDArray[np.float64]:
    """Return what each candidate is expected to bring at a rank, ``(n,)``, weighed by nothing."""
    scored = score(slot, plan, inputs.features, np.ones(len(slot.actions)), rank=rank)
    worths: NDArray[np.float64] = scored.propensities * slot.values - slot.costs
    if scored.goals is not None:
        worths = worths + scored.goals.worths
    return worths if scored.learned is None else worths + scored.learned
