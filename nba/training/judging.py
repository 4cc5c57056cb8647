"""One policy's value from a log: its estimates, how it compares, and whether it may be believed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.bandits.ope import (
    DR,
    IPS,
    SNIPS,
    Comparison,
    Estimate,
    Estimator,
    LoggedData,
    Target,
    Thresholds,
    compare,
    diagnose,
    verdict,
)
from nba.bandits.ope import evaluate as estimate
from nba.training.candidates import CandidateTable

REFUSED = "refused"
IF_ESTIMATED = ", if the estimated probabilities are right"

_COLUMNS: Mapping[str, Estimator] = {"ips": IPS(), "snips": SNIPS(), "dr": DR()}
"""What values a policy, by the name it has in :class:`PolicyValue`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyValue:
    """What one policy would have brought per choice.

    ``refused`` gives the reasons not to believe it, each with what would be enough; then there is
    no verdict and no estimate is to be quoted. ``versus_best_constant`` is by DR, and ``None`` for
    the best constant action itself, and where there is nothing to compare.
    """

    policy: str
    description: str
    ips: Estimate
    snips: Estimate
    dr: Estimate
    effective_sample_size: float
    versus_best_constant: Comparison | None
    verdict: str
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Jury:
    """Values any policy given as probabilities of all candidates; ``q`` (n,) has no gaps."""

    table: CandidateTable
    data: LoggedData
    q: NDArray[np.float64]
    thresholds: Thresholds | None
    seed: int

    def target(self, policy: NDArray[np.float64]) -> Target:
        """Return a policy (n,) as it bears on the logged choices.

        A candidate whose features are in no logged choice was never chosen in that placement.
        """
        return Target(
            policy[self.table.logged],
            self.q[self.table.logged],
            self.table.totals(policy * self.q),
            self.table.totals(np.where(self.table.option < 0, policy, 0.0)),
        )

    def logging(self) -> Target:
        """Return what happened: by every estimator the plain mean, as its weights are all 1."""
        nothing = np.zeros(len(self.data))
        return Target(self.data.probabilities, nothing, nothing)

    def value(
        self, name: str, description: str, target: Target, best: Target | None
    ) -> PolicyValue:
        """Value a policy beside the best constant action, which has none beside it."""
        measured = diagnose(self.data, target)
        finding = verdict(measured, self.thresholds)
        versus = None
        if best is not None:
            versus = compare(DR(), self.data, target, best, seed=self.seed)
        said = "is the measure" if versus is None else str(versus.finding)
        found = {
            key: estimate(one, self.data, target, seed=self.seed) for key, one in _COLUMNS.items()
        }
        return PolicyValue(
            policy=name,
            description=description,
            **found,
            effective_sample_size=measured.effective_sample_size,
            versus_best_constant=versus,
            verdict=REFUSED if finding.refused else said + IF_ESTIMATED * bool(finding.caveats),
            refused=finding.reasons,
        )

    def without_value(self, name: str, description: str, reason: str) -> PolicyValue:
        """Return the row of a policy that the log says nothing of at all, and why."""
        found = {
            key: Estimate(
                name=one.name,
                value=math.nan,
                standard_error=math.nan,
                low=math.nan,
                high=math.nan,
                effective_sample_size=0.0,
                max_weight=0.0,
                n=len(self.data),
                probabilities_estimated=self.data.estimated,
            )
            for key, one in _COLUMNS.items()
        }
        return PolicyValue(
            policy=name,
            description=description,
            **found,
            effective_sample_size=0.0,
            versus_best_constant=None,
            verdict=REFUSED,
            refused=(reason,),
        )
