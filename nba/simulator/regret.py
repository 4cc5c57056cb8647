"""What a log's decisions were truly worth, and what they could have been worth.

For each decision the log names the candidates its guardrails kept; the world knows what each was
truly worth at that moment. All values are expected ones with neutral content, in currency.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from nba.domain.ids import NO_ACTION, ActionId
from nba.errors import EvaluationRefusedError
from nba.simulator.arrivals import Arrivals
from nba.simulator.memory import JourneyMemory
from nba.simulator.tastes import FloatArray
from nba.simulator.world import World


@dataclass(frozen=True, slots=True)
class Regret:
    """Mean true value per decision, over ``decisions`` decisions, of ways to have decided.

    Fatigue and caps are those that the policy played brought about; another policy would have met
    others, which :mod:`nba.simulator.baselines` replays. ``constants`` has every action, each
    where it was a candidate and ``no_action`` elsewhere.
    """

    decisions: int
    as_decided: float
    random: float
    best_constant: ActionId
    constants: dict[ActionId, float]
    no_action: float
    optimum: float

    @property
    def regret(self) -> float:
        """Mean value lost per decision against the optimum."""
        return self.optimum - self.as_decided


def measure_regret(
    world: World, arrivals: Arrivals, memory: JourneyMemory, decisions: pl.DataFrame
) -> Regret:
    """Value every decision in ``decisions`` that the journey played.

    ``decisions`` is a frame of the log's table; rows of other decisions are ignored. Raises
    :class:`EvaluationRefusedError` where none was played.
    """
    truth = world.truth
    first = decisions.filter(pl.col("choice") == 0).select("decision_id", "candidates")
    candidates = dict(first.iter_rows())
    totals = np.zeros(len(truth.action_ids))
    chosen = equal_shares = optimum = 0.0
    valued = 0
    for played in memory.played:
        kept = candidates.get(played.decision_id)
        if kept is None:
            continue
        values = truth.expected_values(
            played.customer,
            played.placement,
            at_ms=played.at_ms,
            context=arrivals.context(played.arrival),
            exposure=played.exposure,
        )
        rows = [truth.action_index[ActionId(action)] for action in kept]
        chosen += values[truth.action_index[ActionId(played.action)]]
        equal_shares += values[rows].mean()
        optimum += values[rows].max()
        totals += _constants(values, rows, truth.no_action)
        valued += 1
    if not valued:
        raise EvaluationRefusedError("no decision of this log was played by this journey")
    constants = dict(zip(truth.action_ids, (totals / valued).tolist(), strict=True))
    best = max((name for name in constants if name != NO_ACTION), key=constants.__getitem__)
    return Regret(
        decisions=valued,
        as_decided=float(chosen / valued),
        random=float(equal_shares / valued),
        best_constant=best,
        constants=constants,
        no_action=constants[NO_ACTION],
        optimum=float(optimum / valued),
    )


def _constants(values: FloatArray, rows: list[int], no_action: int) -> FloatArray:
    """Return what each action is worth as the constant choice, ``(n_actions,)``."""
    outcome = np.full(len(values), values[no_action])
    outcome[rows] = values[rows]
    return outcome
