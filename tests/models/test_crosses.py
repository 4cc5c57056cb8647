"""Scoring with crosses gives what LightGBM gives for the rows each candidate would be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from nba.models import parse_lightgbm
from nba.models.binding import bind_forest
from nba.models.crosses import bind_crosses
from nba.models.kernels import score_crossed

N_ROW = 20
SITUATION = (0, 3)
CROSSES = {
    "one": (1,),
    "several": (1, 4, 5),
    "categories too": (1, 6, 7),
    "every other feature": (1, 2, 4, 5, 6, 7),
}


def bind(forest, gathers, candidates):
    """Bind with the situation's columns first in the row; the crosses' lie anywhere in it."""
    own = [column for column in range(8) if column not in SITUATION and column not in gathers]
    bound = bind_forest(
        forest,
        situation=SITUATION,
        source=[0, 1],
        lookups=[np.empty(0)] * 2,
        candidate=own,
        values=candidates[:, own],
    )
    return bound, bind_crosses(forest, gathers, bound.candidate_words)


def expanded(row, gathers, candidates):
    """Return the rows (n, 8) that the booster was trained on."""
    rows = candidates.copy()
    rows[:, SITUATION] = row[:2]
    for column, gather in gathers.items():
        rows[:, column] = [row[position] if position >= 0 else np.nan for position in gather]
    return rows


def draw_row(rng, fitted, gathers):
    """Fill a row with values that probe the features that read it."""
    row = fitted.probes[rng.integers(0, len(fitted.probes), N_ROW), 0].copy()
    row[1] = rng.choice(fitted.probes[:, 3])
    for column, gather in gathers.items():
        for position in np.unique(gather[gather >= 2]):
            row[position] = rng.choice(fitted.probes[:, column])
    return row


@pytest.mark.parametrize("columns", CROSSES)
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"zero_as_missing": True},
        {"use_missing": False},
        {"num_leaves": 200, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0.0},
    ],
)
def test_scores_equal_lightgbm_on_the_rows_expanded(fit, columns, parameters):
    fitted = fit(7, n_trees=8, **parameters)
    forest = parse_lightgbm(fitted.text)
    rng = np.random.default_rng(11)
    candidates = fitted.probes[rng.integers(0, len(fitted.probes), 40)]
    gathers = {column: rng.integers(-1, N_ROW, 40) for column in CROSSES[columns]}
    bound, crosses = bind(forest, gathers, candidates)
    for _ in range(25):
        row = draw_row(rng, fitted, gathers)
        expected = fitted.raw(expanded(row, gathers, candidates))
        assert_array_equal(score_crossed(row, np.arange(40), bound, crosses), expected)
        chosen = rng.integers(0, 40, 9)
        assert_array_equal(score_crossed(row, chosen, bound, crosses), expected[chosen])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_grouping_of_any_number_of_candidates_is_scored_exactly(fitted, data):
    size = data.draw(st.integers(1, 40))
    columns = data.draw(st.lists(st.sampled_from([1, 2, 4, 5, 7]), min_size=1, unique=True))
    position = st.integers(-1, N_ROW - 1)
    few = data.draw(st.lists(position, min_size=1, max_size=3))
    gather = st.lists(position, min_size=size, max_size=size)
    gather |= st.lists(st.sampled_from(few), min_size=size, max_size=size)
    gathers = {column: np.array(data.draw(gather), dtype=np.intp) for column in columns}
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    candidates = fitted.probes[rng.integers(0, len(fitted.probes), size)]
    bound, crosses = bind(parse_lightgbm(fitted.text), gathers, candidates)
    row = draw_row(rng, fitted, gathers)
    assert_array_equal(
        score_crossed(row, np.arange(size), bound, crosses),
        fitted.raw(expanded(row, gathers, candidates)),
    )


@pytest.fixture(scope="module")
def fitted(fit):
    return fit(5, n_trees=6)


def test_crosses_that_group_candidates_alike_share_their_groups(fitted):
    gathers = {
        1: np.array([5, 5, 7, -1]),
        4: np.array([9, 9, 3, 4]),
        2: np.array([5, 5, 5, 5]),
    }
    _, crosses = bind(parse_lightgbm(fitted.text), gathers, fitted.probes[:4])
    assert crosses.groups.tolist() == [[0, 3], [0, 3], [1, 3], [2, 3]]
    assert crosses.positions.tolist() == [[5, 9, -1], [7, 3, -1], [-1, 4, -1], [-1, -1, 5]]


def test_no_candidates_have_no_scores(fitted):
    gathers = {1: np.empty(0, dtype=np.intp)}
    bound, crosses = bind(parse_lightgbm(fitted.text), gathers, np.empty((0, 8)))
    assert score_crossed(np.zeros(N_ROW), np.arange(0), bound, crosses).shape == (0,)


@pytest.mark.parametrize("row", [-1, 4])
def test_a_candidate_beyond_the_table_is_refused(fitted, row):
    gathers = {1: np.array([0, 1, 2, 3])}
    bound, crosses = bind(parse_lightgbm(fitted.text), gathers, fitted.probes[:4])
    with pytest.raises(IndexError, match="beyond the table"):
        score_crossed(np.zeros(N_ROW), np.array([0, row]), bound, crosses)
