"""Whether one policy is better than another, on the same logged rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nba.bandits.ope.bootstrap import REPLICATES, Bootstrap
from nba.bandits.ope.data import LoggedData, Target
from nba.bandits.ope.estimators import Estimator
from nba.bandits.ope.intervals import Clusters, Interval, Spread, bounds
from nba.bandits.ope.terms import RESTS_ON_MODEL, Terms, difference

Finding = Literal["better", "worse", "no detectable difference", "not established"]
"""What a comparison comes to."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference per row between two policies, first less second, with its interval.

    ``caveats`` say what the interval does not know, and must be shown with it. "not established" is
    found of policies whose values rest on a reward model alone, whatever the interval.
    """

    difference: float
    standard_error: float
    low: float
    high: float
    finding: Finding
    caveats: tuple[str, ...] = ()


def compare(
    estimator: Estimator,
    data: LoggedData,
    first: Target,
    second: Target,
    *,
    interval: Interval | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Comparison:
    """Compare two policies by one estimator; ``first`` is "better" where the interval is above 0.

    Both are estimated on the same customers, and resampled together, so that what they have in
    common cancels: the interval is narrower than two separate ones would suggest. ``interval`` is a
    :class:`Bootstrap` of ``replicates`` resamples from ``seed`` where not given; the bounds of
    another are those of the difference.
    """
    return compare_terms(
        estimator.terms(data, first),
        estimator.terms(data, second),
        data.clusters,
        interval or Bootstrap(replicates, seed),
    )


def compare_terms(one: Terms, two: Terms, clusters: Clusters, interval: Interval) -> Comparison:
    """Compare two estimates that are sums over the same rows, first less second."""
    terms = difference(one, two)
    found = bounds(interval, terms, clusters)
    return Comparison(
        difference=terms.value,
        standard_error=found.standard_error,
        low=found.low,
        high=found.high,
        finding=_finding(found, terms.caveats),
        caveats=terms.caveats,
    )


def _finding(found: Spread, caveats: tuple[str, ...]) -> Finding:
    if RESTS_ON_MODEL in caveats:
        return "not established"
    if found.low > 0.0:
        return "better"
    return "worse" if found.high < 0.0 else "no detectable difference"
