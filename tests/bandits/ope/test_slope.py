"""Choosing among estimators: bias is taken where it is not seen, and left where it is."""

from dataclasses import dataclass

import numpy as np
import pytest

from nba.bandits.ope import (
    DM,
    DR,
    IPS,
    SNIPS,
    Chosen,
    LoggedData,
    Target,
    Terms,
    choose_estimator,
    evaluate,
    slope,
)
from nba.bandits.ope.terms import mean_terms
from nba.errors import InputError

DATA = LoggedData(np.zeros(4, dtype=int), np.zeros(4), np.ones(4))
TARGET = Target(np.ones(4))


@dataclass(frozen=True)
class Told:
    """An estimator that says what it is told: ``value``, with a standard error of ``error``."""

    value: float
    error: float
    name: str = "told"
    caveats: tuple[str, ...] = ()

    def terms(self, *_) -> Terms:
        """Return what was told."""
        # Four rows at ± d have a standard error of d / √3.
        off = self.error * np.sqrt(3.0)
        return mean_terms(self.value + off * np.array([1.0, -1.0, 1.0, -1.0]), *self.caveats)


@pytest.mark.parametrize(
    ("told", "chosen"),
    [
        # Each reaches one standard error to either side.
        ([Told(0.0, 1.0)], 0),
        ([Told(0.0, 1.0), Told(1.2, 0.25)], 1),  # 1 and 1.2 - .25 still meet
        ([Told(0.0, 1.0), Told(1.3, 0.25)], 0),
        ([Told(0.0, 1.0), Told(1.2, 0.5), Told(0.5, 0.01)], 1),  # .51 is below 1.2 - .5
        ([Told(0.0, 1.0), Told(9.0, 0.5), Told(0.0, 0.1)], 0),  # nothing after a break counts
        ([Told(np.nan, 1.0), Told(9.0, 0.5), Told(9.1, 0.1)], 2),
    ],
)
def test_the_last_interval_that_meets_all_before_is_taken(told, chosen):
    found = slope(told, DATA, TARGET)
    assert found.chosen == chosen
    assert found.estimator == told[chosen]
    assert found.standard_errors == pytest.approx([one.error for one in told], nan_ok=True) or (
        np.isnan(told[0].value)
    )


def test_none_with_a_value_is_refused():
    with pytest.raises(InputError, match="none of 1 estimators has a value"):
        slope([Told(np.nan, 1.0)], DATA, TARGET)
    with pytest.raises(InputError, match="none of 0 estimators"):
        slope([], DATA, TARGET)


BIASED = {"caveats": ("biased",)}


@pytest.mark.parametrize(
    ("told", "reference"),
    [
        ([Told(0.0, 1.0), Told(0.5, 0.5), Told(0.6, 0.1, **BIASED)], 1),
        ([Told(0.0, 1.0), Told(0.5, 0.5, **BIASED), Told(0.6, 0.1, **BIASED)], 0),
        # What is tried after the one taken says nothing of it.
        ([Told(0.0, 1.0), Told(0.6, 0.1, **BIASED), Told(3.0, 0.1)], 0),
    ],
)
def test_a_biased_estimator_has_the_interval_of_the_last_one_before_that_is_not(told, reference):
    found = slope(told, DATA, TARGET)
    assert found.estimator == Chosen(told[found.chosen], told[reference])
    taken = evaluate(found.estimator, DATA, TARGET)
    beside = evaluate(told[reference], DATA, TARGET)
    assert taken.value == pytest.approx(told[found.chosen].value)
    assert (taken.low, taken.high) == (beside.low, beside.high)
    assert taken.standard_error == beside.standard_error
    assert taken.caveats == ()


def test_without_an_unbiased_candidate_the_caveat_stays():
    told = [Told(0.0, 1.0, **BIASED), Told(0.5, 0.5, **BIASED)]
    found = slope(told, DATA, TARGET)
    assert found.estimator == told[1]
    assert evaluate(found.estimator, DATA, TARGET).caveats == ("biased",)


def test_an_interval_reaches_to_a_value_outside():
    """Four rows at ± √3 have an interval around 0 that does not reach to 30, nor to -30."""
    for value in (30.0, -30.0):
        beside = evaluate(Told(0.0, 1.0), DATA, TARGET)
        taken = evaluate(Chosen(Told(value, 0.1, **BIASED), Told(0.0, 1.0)), DATA, TARGET)
        assert taken.low == pytest.approx(min(value, beside.low))
        assert taken.high == pytest.approx(max(value, beside.high))


def logged(seed, q):
    """5,000 rows over two actions, .9 and .1; the target takes the rare one, which pays .5."""
    rng = np.random.default_rng(seed)
    actions = (rng.random(5_000) < 0.1).astype(int)
    rewards = (rng.random(5_000) < np.array([0.2, 0.5])[actions]).astype(float)
    data = LoggedData(actions, rewards, np.array([0.9, 0.1])[actions])
    return data, Target.from_distribution(actions, [[0.0, 1.0]], [q])


@pytest.mark.parametrize(("q", "least", "most"), [([0.2, 0.5], 10, 20), ([0.2, 0.2], 0, 0)])
def test_a_good_reward_model_is_mostly_trusted_and_a_bad_one_never(q, least, most):
    found = [choose_estimator([DM(), SNIPS(), IPS(), DR()], *logged(s, q)) for s in range(20)]
    assert least <= sum(one.estimator.name == "DM" for one in found) <= most
    for one in found:
        assert one.values[one.chosen] == pytest.approx(0.5, abs=0.1)
        errors = list(one.standard_errors)
        assert errors == sorted(errors, reverse=True)
