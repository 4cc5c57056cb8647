"""Choosing among estimators by the data alone: the least noisy one that is not visibly biased."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nba.bandits.ope.data import LoggedData, Target
from nba.bandits.ope.estimators import Estimator
from nba.bandits.ope.jackknife import jackknife
from nba.bandits.ope.terms import Terms
from nba.errors import Fault, InputError

REACH = 1.0
"""How many standard errors an interval reaches to either side."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The estimator that was ``taken``, with an interval that knows it was chosen by the data.

    It is the interval of ``reference``, the least noisy candidate tried before without a bias that
    its own interval would not know, as far out as the value taken lies where that is outside. The
    one taken may be much less noisy than it is wrong, and which one that is depends on the draw; as
    it is within two standard errors of ``reference``, its error has a bound, but no interval.
    """

    taken: Estimator
    reference: Estimator

    @property
    def name(self) -> str:
        """The name of the estimator taken."""
        return self.taken.name

    def terms(self, data: LoggedData, target: Target) -> Terms:
        """Return the sums the estimate is made of, beside those of its interval."""
        return self.taken.terms(data, target).beside(self.reference.terms(data, target))


@dataclass(frozen=True, slots=True)
class Choice:
    """Which estimator was chosen, and what of each made it so.

    ``estimator`` is the one taken as it was given, where its interval knows of all its bias or that
    of no candidate up to it does, and else it is :class:`Chosen`.

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
    chosen, reference, lowest, highest = -1, -1, -math.inf, math.inf
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
            reference = reference if terms.caveats else place
        else:
            judged = False
    if chosen < 0:
        found = f"none of {len(values)} estimators has a value"
        raise InputError([Fault("/estimators", found, "give one that has, and two customers")])
    taken = estimators[chosen]
    if reference not in (-1, chosen):
        taken = Chosen(taken, estimators[reference])
    return Choice(taken, chosen, tuple(values), tuple(errors))


def choose_estimator(estimators: Sequence[Estimator], data: LoggedData, target: Target) -> Choice:
    """Choose among estimators of different kinds by :func:`slope`, the noisiest one first.

    That supposes what usually holds: of two estimators the less noisy one is the more biased. An
    unbiased one (IPS, DR) must be among them, or nothing shows the bias of the others.
    """
    errors = [jackknife(one.terms(data, target), data.clusters) for one in estimators]
    known = [math.inf if math.isnan(error) else error for error in errors]
    order = sorted(range(len(estimators)), key=lambda place: -known[place])
    return slope([estimators[place] for place in order], data, target)
