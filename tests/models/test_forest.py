"""The plain walker gives LightGBM's own raw scores, bit for bit."""

import lightgbm
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nba.models import parse_lightgbm

SETTINGS = {
    "defaults": {},
    "zero is missing": {"zero_as_missing": True},
    "nothing is missing": {"use_missing": False},
    "one category against the rest": {"max_cat_to_onehot": 100},
    "many leaves": {"num_leaves": 200, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0.0},
    "stumps": {"num_leaves": 2},
    "dart": {"boosting": "dart", "drop_rate": 0.5},
    "sampled": {"bagging_fraction": 0.5, "bagging_freq": 1, "feature_fraction": 0.4},
    "weighted": {"scale_pos_weight": 7.0, "boost_from_average": False},
    "extremely random": {"extra_trees": True, "path_smooth": 2.0},
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("seed", [1, 2])
def test_scores_equal_lightgbm_on_missing_zero_infinite_and_unknown_values(fit, name, seed):
    fitted = fit(seed, **SETTINGS[name])
    forest = parse_lightgbm(fitted.text)
    assert_array_equal(forest.score_rows(fitted.probes), fitted.raw(fitted.probes))


def test_trees_with_one_leaf_add_their_constant(fit):
    fitted = fit(3, n_trees=3, min_data_in_leaf=400)
    forest = parse_lightgbm(fitted.text)
    assert forest.trees.node_start[-1] == 0
    assert_array_equal(forest.score_rows(fitted.probes), fitted.raw(fitted.probes))


def test_a_model_cut_to_its_best_iteration_scores_with_those_trees_only(fit):
    fitted = fit(4, n_trees=9)
    fitted.booster.best_iteration = 4
    forest = parse_lightgbm(fitted.text)
    assert forest.n_trees == 4
    assert_array_equal(forest.score_rows(fitted.probes), fitted.raw(fitted.probes))


def test_rows_of_another_width_are_refused(fit):
    forest = parse_lightgbm(fit(1, n_trees=1).text)
    with pytest.raises(ValueError, match=r"rows of shape \(3, 7\); \(n, 8\) is expected"):
        forest.score_rows(np.zeros((3, 7)))


def test_a_split_of_missing_from_all_that_is_there_is_scored_as_lightgbm_does():
    rng = np.random.default_rng(5)
    data = rng.normal(size=(400, 1))
    data[rng.random(400) < 0.4] = np.nan
    dataset = lightgbm.Dataset(data, np.isnan(data[:, 0]).astype(float), feature_name=["x"])
    settings = {"objective": "binary", "verbosity": -1, "num_threads": 1, "num_leaves": 4}
    booster = lightgbm.train(settings, dataset, num_boost_round=3)
    text = booster.model_to_string()
    assert "threshold=inf" in text
    probes = np.array([[np.nan], [np.inf], [-np.inf], [0.0], [1e300]])
    raw = booster.predict(probes, raw_score=True, num_threads=1)
    assert_array_equal(parse_lightgbm(text).score_rows(probes), raw)
