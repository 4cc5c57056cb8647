"""Whether one policy is better than another, on the same logged rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from nba.bandits.ope.bootstrap import cluster_sums, resample, spread
from nba.bandits.ope.data import LoggedData, Target
from nba.bandits.ope.estimators import REPLICATES, Estimator


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference per row between two policies, first less second, with its 95 % interval."""

    difference: float
    standard_error: float
    low: float
    high: float
    finding: Literal["better", "worse", "no detectable difference"]


def compare(
    estimator: Estimator,
    data: LoggedData,
    first: Target,
    second: Target,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Comparison:
    """Compare two policies by one estimator; ``first`` is "better" where the interval is above 0.

    Both are estimated on the same resamples of customers, so that what they have in common cancels:
    the interval is narrower than two separate ones would suggest.
    """
    one, two = estimator.terms(data, first), estimator.terms(data, second)
    split = one.columns.shape[1]
    columns = np.hstack([one.columns, two.columns])
    drawn = resample(cluster_sums(columns, data.clusters), replicates=replicates, seed=seed)
    differences = one.combine(drawn[:, :split]) - two.combine(drawn[:, split:])
    standard_error, low, high = spread(differences)
    totals = columns.sum(axis=0)
    return Comparison(
        difference=float(one.combine(totals[:split]) - two.combine(totals[split:])),
        standard_error=standard_error,
        low=low,
        high=high,
        finding="better" if low > 0.0 else "worse" if high < 0.0 else "no detectable difference",
    )
