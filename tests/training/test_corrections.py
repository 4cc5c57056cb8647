"""Fitted forests are walked here exactly as LightGBM walks them."""

import lightgbm
import numpy as np
import pytest

from nba.bandits.memory import Remembered
from nba.bandits.trees import BoundForests, ForestTable
from nba.errors import CorruptRecordError
from nba.models.lightgbm_text import parse_lightgbm
from nba.training.corrections import PARAMETERS, TREES, fit_correction, read_forest

TINY = 1e-34
"""LightGBM takes magnitudes up to 1e-35 for 0, and splits there between 0 and the rest."""


def remembered(n=160, *, missing=0.0, seed=4):
    """Return observations whose labels follow a step that no logit was told of."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, 4)).round(1)
    labels = (rng.random(n) < np.where(inputs[:, 1] > 0.3, 0.9, 0.1)).astype(float)
    inputs[rng.random(inputs.shape) < missing] = np.nan
    return Remembered(inputs, rng.normal(size=n), labels, rng.uniform(0.5, 2.0, n))


def booster_of(rows):
    """Train as the fitter does."""
    table = lightgbm.Dataset(rows.inputs, rows.labels, weight=rows.weights, init_score=rows.offsets)
    return lightgbm.train(dict(PARAMETERS), table, num_boost_round=TREES)


def situations(booster, width=4):
    """Return rows at every threshold, right beside them, at zero, far out and missing."""
    trees = parse_lightgbm(booster.model_to_string()).trees
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(300, width))
    for column in range(width):
        at = rng.choice(trees.threshold[trees.feature == column], 200)
        at[abs(at) < TINY] = 0.0
        rows[:200, column] = at
        rows[50:100, column] = np.nextafter(at[50:100], np.inf)
        rows[100:150, column] = np.nextafter(at[100:150], -np.inf)
    rows[200:220] = 0.0
    rows[220:240] = 1e40
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_scores_are_those_of_lightgbm_to_the_last_bit(missing):
    booster = booster_of(remembered(missing=missing))
    forest = read_forest(booster.model_to_string())
    rows = situations(booster)
    expected = booster.predict(rows, raw_score=True)
    bound = BoundForests(ForestTable({"offer": forest}), ["offer"])
    found = [float(bound.corrections(row[:1], row[1:])[0]) for row in rows]
    assert found == expected.tolist()
    assert [forest.value(row[0], row[1:]) for row in rows] == found


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_the_fitter_gives_the_forest_of_that_booster(missing):
    rows = remembered(missing=missing)
    expected = read_forest(booster_of(rows).model_to_string())
    assert fit_correction(rows).to_parts() == expected.to_parts()


@pytest.mark.parametrize(("rows", "trees"), [(20, 30), (57, 57), (160, 100)])
def test_a_forest_has_as_many_trees_as_rows_within_bounds(rows, trees):
    assert len(fit_correction(remembered(rows)).tree_start) - 1 == trees


def test_the_same_rows_give_the_same_bytes():
    assert fit_correction(remembered()).to_parts() == fit_correction(remembered()).to_parts()


def test_a_correction_fits_what_the_logits_missed():
    """The chance is .9 above the step and .1 below it, where all logits said 1."""
    rows = remembered(2_000)
    forest = fit_correction(
        Remembered(rows.inputs, np.full(len(rows), 1.0), rows.labels, np.ones(len(rows)))
    )
    fresh = np.random.default_rng(9).normal(size=(400, 4))
    chances = np.array([1.0 / (1.0 + np.exp(-1.0 - forest.value(x[0], x[1:]))) for x in fresh])
    high = fresh[:, 1] > 0.3
    assert chances[high].mean() == pytest.approx(0.9, abs=0.05)
    assert chances[~high].mean() == pytest.approx(0.1, abs=0.05)


def test_rows_that_do_not_differ_give_a_correction_all_alike():
    rows = Remembered(np.ones((40, 1)), np.zeros(40), np.arange(40) % 2.0, np.ones(40))
    forest = fit_correction(rows)
    assert forest.value(1.0, np.zeros(0)) == forest.value(-9.0, np.zeros(0)) == 0.0


def test_a_text_that_is_cut_is_refused():
    text = booster_of(remembered()).model_to_string()
    for end in (0, text.index("Tree=7"), text.index("leaf_value"), text.rindex("end of trees")):
        with pytest.raises(CorruptRecordError):
            read_forest(text[:end])


@pytest.mark.parametrize(
    ("found", "broken"),
    [
        ("threshold=", "threshold=x"),
        ("num_cat=0", "num_cat=1"),
        ("left_child=", "left_child=0 "),
        ("leaf_value=", "values="),
        ("num_leaves=", "num_leaves=9"),
    ],
)
def test_a_text_whose_trees_do_not_hold_together_is_refused(found, broken):
    text = booster_of(remembered()).model_to_string()
    with pytest.raises(CorruptRecordError):
        read_forest(text.replace(found, broken, 1))
