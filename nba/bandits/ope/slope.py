"""Choosing among estimators by the data alone: the least noisy one that is not visibly biased."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nba.bandits.ope.data import LoggedData, Target
from nba.bandits.ope.estimators import Estimator
from nba.bandits.ope.jackknife import jackknife
from nba.errors import Fault, InputError

REACH = 1.0
"""How many standard errors an interval reaches to either side."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which estimator was chosen, and what of each made it so.

    ``values`` and ``standard_errors`` are those of all candidates in the order they were tried, the
    least biased first; ``chosen`` is the place of the one taken.
    """

    estimator: Estimator
    chosen: int
    values: tuple[float, ...]
    standard_errors: tuple[float, ...]


def slope(estimators: Sequence[Estimator], data: LoggedData, target: Target) -> Choice:
    """Take the last estimator whose interval still meets those of all before it.

    ``estimators`` must come least biased first; each is as biased as the one before or more, and
    usually less noisy. The first should be right on average, such as IPS or DR. Su, Srinath and
    Krishnamurthy, *Adaptive estimator selection for off-policy evaluation*, ICML 2020
    (arXiv:2002.07729), take twice a bound on the deviation as the interval's reach; here it is one
    standard error (jackknife by customer). In simulations of 600 to 3,000 rows
    (``benchmarks/bandits/ope_slope.py``) twice 1.96 took estimators with up to 4 times the error of
    the first, one took at most 1.9 times for a clip and 1.5 times for DR's relatives, and .4 times
    for DR-os where the reward model is good.

    An estimator without a value is passed over. Raises :class:`~nba.errors.InputError` where there
    is none with a value.
    """
    values: list[float] = []
    errors: list[float] = []
    chosen, lowest, highest = -1, -math.inf, math.inf
    judged = True
    for place, estimator in enumerate(estimators):
        terms = estimator.terms(data, target)
        value, error = terms.value, jackknife(terms, data.clusters)
        values.append(value)
        errors.append(error)
        if not judged or not math.isfinite(value) or not math.isfinite(error):
            continue
        lowest = max(lowest, value - REACH * error)
        highest = min(highest, value + REACH * error)
        if lowest <= highest:
            chosen = place
        else:
            judged = False
    if chosen < 0:
        found = f"none of {len(values)} estimators has a value"
        raise InputError([Fault("/estimators", found, "give one that has, and two customers")])
    return Choice(estimators[chosen], chosen, tuple(values), tuple(errors))


def choose_estimator(estimators: Sequence[Estimator], data: LoggedData, target: Target) -> Choice:
    """Choose among estimators of different kinds by :func:`slope`, the noisiest one first.

    That supposes what usually holds: of two estimators the less noisy one is the more biased. An
    unbiased one (IPS, DR) must be among them, or nothing shows the bias of the others.
    """
    errors = [jackknife(one.terms(data, target), data.clusters) for one in estimators]
    known = [math.inf if math.isnan(error) else error for error in errors]
    order = sorted(range(len(estimators)), key=lambda place: -known[place])
    return slope([estimators[place] for place in order], data, target)
