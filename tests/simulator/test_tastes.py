"""Customers underneath: standard, seeded, and independent by stream."""

import numpy as np
import pytest

from nba.simulator.tastes import FACTORS, draw_tastes, generator, loadings, softmax


def test_equal_seeds_draw_equal_customers():
    first, again, other = (draw_tastes(seed, 50) for seed in (1, 1, 2))
    assert np.array_equal(first.factors, again.factors)
    assert np.array_equal(first.channels, again.channels)
    assert not np.array_equal(first.factors, other.factors)


def test_factors_are_about_standard():
    factors = draw_tastes(3, 20_000).factors
    assert np.abs(factors.mean(axis=0)).max() < 0.05
    assert np.abs(factors.std(axis=0) - 1.0).max() < 0.1


def test_shares_sum_to_one():
    tastes = draw_tastes(4, 100)
    assert np.allclose(tastes.dayparts.sum(axis=1), 1.0)
    assert np.allclose(tastes.categories.sum(axis=1), 1.0)


def test_the_thrifty_are_the_less_wealthy():
    tastes = draw_tastes(5, 20_000)
    found = np.corrcoef(tastes.factor("thrift"), tastes.factor("wealth"))[0, 1]
    assert found == pytest.approx(-0.5, abs=0.03)


def test_streams_are_independent():
    draws = [generator(7, stream).random(3).tolist() for stream in (1, 2)]
    assert draws[0] != draws[1]
    assert generator(7, 1).random(3).tolist() == draws[0]


def test_loadings_are_placed_by_name():
    vector = loadings({"home": 0.5, "loyal": -1.0})
    assert vector[FACTORS.index("home")] == 0.5
    assert vector[FACTORS.index("loyal")] == -1.0
    assert np.count_nonzero(vector) == 2


def test_softmax_of_known_logits():
    assert softmax(np.log([[1.0, 3.0]])).tolist() == [pytest.approx([0.25, 0.75])]
