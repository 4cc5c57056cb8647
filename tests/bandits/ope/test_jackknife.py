"""The jackknife is the usual standard error of a mean, and the bootstrap's elsewhere."""

import math

import numpy as np
import pytest

from nba.bandits.ope import SNIPS, Bootstrap, LoggedData, Target
from nba.bandits.ope.jackknife import jackknife
from nba.bandits.ope.terms import mean_terms


def test_of_a_mean_it_is_the_usual_one():
    values = np.random.default_rng(1).normal(size=50)
    assert jackknife(mean_terms(values), None) == pytest.approx(values.std(ddof=1) / np.sqrt(50))


def test_of_a_ratio_it_agrees_with_the_bootstrap():
    rng = np.random.default_rng(2)
    n = 3_000
    data = LoggedData(
        np.zeros(n, dtype=int),
        rng.normal(1.0, 1.0, n),
        rng.uniform(0.2, 1.0, n),
        rng.integers(0, 1_000, n),
    )
    terms = SNIPS().terms(data, Target(np.full(n, 0.5)))
    drawn = Bootstrap(replicates=2_000).around(terms, data.clusters).standard_error
    assert jackknife(terms, data.clusters) == pytest.approx(drawn, rel=0.06)


def test_one_customer_has_none():
    assert math.isnan(jackknife(mean_terms(np.ones(3)), np.zeros(3, dtype=int)))
    alone = LoggedData(np.zeros(2, dtype=int), np.ones(2), np.ones(2))
    terms = SNIPS().terms(alone, Target(np.array([1.0, 0.0])))
    assert math.isnan(jackknife(terms, None))
