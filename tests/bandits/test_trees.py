"""Forests are walked as the slow way would, and those that cannot be walked are refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.bandits.trees import BoundForests, CorrectionForest, ForestTable
from nba.errors import CorruptRecordError

# Two trees: x0 <= 1 (NaN right) above x1 <= 0 (NaN left) on its left; and a leaf alone.
FOREST = CorrectionForest(
    tree_start=[0, 2, 2],
    feature=[0, 1],
    threshold=[1.0, 0.0],
    missing_left=[False, True],
    left=[1, ~0],
    right=[~2, ~1],
    leaf_start=[0, 3, 4],
    leaf_value=[10.0, 20.0, 30.0, 0.5],
)
NONE = CorrectionForest([0], [], [], [], [], [], [0], [])


def bind(many):
    """Bind forests to candidates numbered as they come, beside one that is no candidate."""
    known = {str(index): forest for index, forest in enumerate(many) if forest is not None}
    table = ForestTable({"other": FOREST, **known})
    return BoundForests(table, [str(index) for index in range(len(many))])


def by_hand(forest, inputs):
    """Walk every tree, a node at a time."""
    total = 0.0
    for tree in range(len(forest.tree_start) - 1):
        first, last = forest.tree_start[tree : tree + 2]
        node = 0 if last > first else ~0
        while node >= 0:
            at = first + node
            value = inputs[forest.feature[at]]
            left = forest.missing_left[at] if np.isnan(value) else value <= forest.threshold[at]
            node = forest.left[at] if left else forest.right[at]
        total += forest.leaf_value[forest.leaf_start[tree] + ~node]
    return total


@st.composite
def forests(draw, n_inputs=3):
    """Draw forests of random shape: each node splits one of the leaves there are."""
    arrays = {name: [] for name in ("feature", "threshold", "missing_left", "left", "right")}
    tree_start, leaf_start, leaf_value = [0], [0], []
    for _ in range(draw(st.integers(0, 3))):
        n = draw(st.integers(0, 5))
        left, right = [], []
        open_ends = []
        for node in range(n):
            if open_ends:
                side, parent = open_ends.pop(draw(st.integers(0, len(open_ends) - 1)))
                side[parent] = node
            left.append(None)
            right.append(None)
            open_ends += [(left, node), (right, node)]
        for number, (side, parent) in enumerate(open_ends):
            side[parent] = ~number
        arrays["left"] += left
        arrays["right"] += right
        for _ in range(n):
            arrays["feature"].append(draw(st.integers(0, n_inputs - 1)))
            arrays["threshold"].append(draw(st.sampled_from([-1.0, 0.0, 0.5, 1.0])))
            arrays["missing_left"].append(draw(st.booleans()))
        tree_start.append(tree_start[-1] + n)
        leaf_start.append(leaf_start[-1] + n + 1)
        leaf_value += [draw(st.floats(-5.0, 5.0)) for _ in range(n + 1)]
    return CorrectionForest(
        tree_start=tree_start, leaf_start=leaf_start, leaf_value=leaf_value, **arrays
    )


VALUES = st.sampled_from([-1.0, 0.0, -0.0, 0.5, 0.7, 1.0, 3.0, np.nan])


@settings(deadline=None)  # the first example compiles
@given(
    st.lists(forests() | st.none(), min_size=1, max_size=4),
    st.tuples(VALUES, VALUES),
    st.sampled_from([-1.0, 0.5, 2.0]),
)
def test_corrections_are_those_found_by_hand(many, z, model_logit):
    bound = bind(many)
    found = bound.corrections(np.full(len(many), model_logit), np.array(z))
    expected = [0.0 if one is None else by_hand(one, (model_logit, *z)) for one in many]
    assert found.tolist() == expected
    assert bound.present.tolist() == [one is not None for one in many]
    alone = [0.0 if one is None else one.value(model_logit, np.array(z)) for one in many]
    assert alone == expected


@pytest.mark.parametrize(
    ("inputs", "value"),
    [
        ((1.0, 0.0), 10.5),
        ((1.0, 0.1), 20.5),
        ((1.0, np.nan), 10.5),
        ((1.1, 0.0), 30.5),
        ((np.nan, 0.0), 30.5),
    ],
)
def test_a_threshold_itself_goes_left_and_missing_where_it_is_said(inputs, value):
    assert FOREST.value(inputs[0], np.array(inputs[1:])) == value


def test_each_candidate_has_its_own_logit_in_its_own_forest():
    bound = bind([FOREST, None, FOREST])
    corrections = bound.corrections(np.array([0.0, 0.0, 5.0]), np.array([1.0]))
    assert corrections.tolist() == [20.5, 0.0, 30.5]


def test_candidates_may_come_in_any_order_and_twice():
    table = ForestTable({"a": FOREST, "b": NONE})
    bound = BoundForests(table, ["b", "a", "never", "a"])
    assert bound.present.tolist() == [True, True, False, True]
    assert bound.corrections(np.zeros(4), np.array([1.0])).tolist() == [0.0, 20.5, 0.0, 20.5]


def test_no_forest_and_an_empty_one_correct_nothing():
    assert bind([]).corrections(np.zeros(0), np.zeros(1)).tolist() == []
    assert NONE.value(3.0, np.zeros(1)) == 0.0


@pytest.mark.parametrize(
    "broken",
    [
        {"tree_start": [0, 2]},
        {"tree_start": [0, 1, 2]},
        {"tree_start": [0, 3, 2]},
        {"tree_start": [1, 2, 2]},
        {"tree_start": []},
        {"leaf_start": [0, 4, 4]},
        {"leaf_start": [1, 3, 4]},
        {"feature": [0, -1]},
        {"feature": [0]},
        {"threshold": [1.0, np.nan]},
        {"left": [0, ~0]},
        {"left": [2, ~0]},
        {"right": [~3, ~1]},
        {"right": [~2, 0]},
        {"leaf_value": [1.0, 2.0, np.inf, 3.0]},
        {"leaf_value": [1.0]},
    ],
)
def test_arrays_that_cannot_be_walked_are_refused(broken):
    with pytest.raises(CorruptRecordError, match="do not fit together"):
        replace(FOREST, **broken)


@given(forests())
def test_forests_come_back_to_the_last_bit(forest):
    again = CorrectionForest.from_parts(forest.to_parts())
    assert again.to_parts() == forest.to_parts()


@pytest.mark.parametrize("parts", [[], [b""] * 7, [b"123", *FOREST.to_parts()[1:]], [b""] * 8])
def test_bytes_that_are_no_forest_are_refused(parts):
    with pytest.raises(CorruptRecordError, match="correction forest"):
        CorrectionForest.from_parts(parts)
