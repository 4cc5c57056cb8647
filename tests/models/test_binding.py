"""Shared-customer scoring gives what the plain walker gives for the rows put together."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nba.models import parse_lightgbm
from nba.models.binding import bind_forest
from nba.models.kernels import score_all, score_some

SITUATION_COLUMNS = {
    "half": (1, 3, 5, 7),
    "numbers only": (0, 1, 2, 3, 4, 5),
    "categories only": (6, 7),
    "all": tuple(range(8)),
    "none": (),
}


def bind(forest, situation, candidates):
    """Bind with the situation's columns where they stand in a full row."""
    candidate = [column for column in range(8) if column not in situation]
    return bind_forest(
        forest,
        situation=situation,
        source=situation,
        lookups=[np.empty(0)] * len(situation),
        candidate=candidate,
        values=candidates[:, candidate],
    )


@pytest.mark.parametrize("columns", SITUATION_COLUMNS)
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"zero_as_missing": True},
        {"use_missing": False},
        {"num_leaves": 64, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0.0},
        {"num_leaves": 200, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0.0},
        {"min_data_in_leaf": 400},
    ],
)
def test_scores_equal_lightgbm_whichever_features_are_the_situation(fit, columns, parameters):
    fitted = fit(7, n_trees=8, **parameters)
    forest = parse_lightgbm(fitted.text)
    situation = SITUATION_COLUMNS[columns]
    rng = np.random.default_rng(11)
    candidates = fitted.probes[rng.integers(0, len(fitted.probes), 30)]
    bound = bind(forest, situation, candidates)
    for customer in fitted.probes[rng.integers(0, len(fitted.probes), 25)]:
        rows = candidates.copy()
        rows[:, situation] = customer[list(situation)]
        expected = fitted.raw(rows)
        assert_array_equal(score_all(customer, bound), expected)
        chosen = rng.integers(0, 30, 9)
        assert_array_equal(score_some(customer, chosen, bound), expected[chosen])


def test_a_tree_of_more_leaves_than_a_word_takes_several_words(fit):
    fitted = fit(7, num_leaves=200, min_data_in_leaf=1, min_sum_hessian_in_leaf=0.0, n_trees=3)
    forest = parse_lightgbm(fitted.text)
    leaves = np.diff(forest.trees.leaf_start)
    assert leaves.max() > 64
    bound = bind(forest, (0,), fitted.probes[:5])
    assert len(bound.candidate_words) == sum(-(-n // 64) for n in leaves.tolist())


def test_a_placement_without_candidates_has_no_scores(fit):
    fitted = fit(1, n_trees=2)
    bound = bind(parse_lightgbm(fitted.text), (0, 1), np.empty((0, 8)))
    assert score_all(np.zeros(8), bound).shape == (0,)


@pytest.mark.parametrize("row", [-1, 5])
def test_a_candidate_beyond_the_table_is_refused(fit, row):
    fitted = fit(1, n_trees=2)
    bound = bind(parse_lightgbm(fitted.text), (0, 1), fitted.probes[:5])
    with pytest.raises(IndexError, match="beyond the table"):
        score_some(np.zeros(8), np.array([0, row]), bound)
