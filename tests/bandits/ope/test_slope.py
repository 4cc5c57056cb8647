"""Choosing among estimators: bias is taken where it is not seen, and left where it is."""

from dataclasses import dataclass

import numpy as np
import pytest

from nba.bandits.ope import (
    DM,
    DR,
    IPS,
    SNIPS,
    LoggedData,
    Target,
    Terms,
    choose_estimator,
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

    def terms(self, *_) -> Terms:
        """Return what was told."""
        # Four rows at ± d have a standard error of d / √3.
        off = self.error * np.sqrt(3.0)
        return mean_terms(self.value + off * np.array([1.0, -1.0, 1.0, -1.0]))


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
    assert least <= sum(one.estimator == DM() for one in found) <= most
    for one in found:
        assert one.values[one.chosen] == pytest.approx(0.5, abs=0.1)
        errors = list(one.standard_errors)
        assert errors == sorted(errors, reverse=True)
