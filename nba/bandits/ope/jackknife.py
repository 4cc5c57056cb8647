"""The standard error of any estimate without drawing anything: leave each customer out once."""

from __future__ import annotations

import math

import numpy as np

from nba.bandits.ope.bootstrap import cluster_sums
from nba.bandits.ope.intervals import Clusters
from nba.bandits.ope.terms import Terms

_TWO = 2


def jackknife(terms: Terms, clusters: Clusters) -> float:
    """Return the standard error by leaving out one customer at a time; NaN for fewer than two.

    Efron and Stein, *The jackknife estimate of variance*, Ann. Stat. 9 (1981). For a mean of rows
    that are customers it is the usual one. Linear in the number of rows.
    """
    sums = cluster_sums(terms.columns, clusters)
    customers = len(sums)
    if customers < _TWO:
        return math.nan
    without = terms.combine(sums.sum(axis=0) - sums)
    known = without[np.isfinite(without)]
    if len(known) < customers:
        return math.nan
    return float(math.sqrt((customers - 1.0) * known.var()))
