"""Model text: what it says is kept; nothing cut, foreign or unsupported gets through."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.errors import CorruptRecordError, DefinitionError
from nba.models import parse_lightgbm
from nba.models.arrays import SplitKind

# Node 0: a <= 0.5, NaN right. Node 1 (its left): c in {1, 33}. Leaves are numbered by LightGBM in
# order of birth: 0 and 2 below node 1, 1 to the right of the root.
TEXT = """tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=2
objective=binary sigmoid:1
feature_names=a b c
feature_infos=[0:1] none 1:33
tree_sizes=1 2

Tree=0
num_leaves=3
num_cat=1
split_feature=0 2
split_gain=2 1
threshold=0.5 0
decision_type=8 1
left_child=1 -1
right_child=-2 -3
leaf_value=0.25 -1.5 4
leaf_weight=1 1 1
leaf_count=1 1 1
internal_value=0 0
internal_weight=3 2
internal_count=3 2
cat_boundaries=0 2
cat_threshold=2 2
is_linear=0
shrinkage=1


Tree=1
num_leaves=1
num_cat=0
split_feature=
split_gain=
threshold=
decision_type=
left_child=
right_child=
leaf_value=0.125
is_linear=0
shrinkage=0.1


end of trees

feature_importances:
a=1

parameters:
[boosting: gbdt]
end of parameters

pandas_categorical:null
"""


WORDS = ("0", "1", "-1", "2", "-2", "3", "33", "64", "1e400", "nan", "0.5", "99999999999", "x")


def test_arrays_say_what_the_text_says_with_leaves_from_left_to_right():
    forest = parse_lightgbm(TEXT)
    trees = forest.trees
    assert forest.feature_names == ("a", "b", "c")
    assert forest.text == TEXT
    assert forest.n_trees == 2
    assert trees.node_start.tolist() == [0, 2, 2]
    assert trees.leaf_start.tolist() == [0, 3, 4]
    assert trees.feature.tolist() == [0, 2]
    assert trees.kind.tolist() == [SplitKind.NAN, SplitKind.CATEGORY]
    assert trees.left.tolist() == [1, ~0]
    assert trees.right.tolist() == [~2, ~1]
    assert trees.leaf_value.tolist() == [0.25, 4.0, -1.5, 0.125]
    assert trees.leaf_begin.tolist() == [0, 0]
    assert trees.leaf_split.tolist() == [2, 1]
    assert trees.category_bits.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("row", "score"),
    [
        ((0.5, 9.0, 1.0), 0.25),
        ((0.5, 9.0, 33.0), 0.25),
        ((0.5, 9.0, 34.0), 4.0),
        ((0.5, 9.0, np.nan), 4.0),
        ((0.6, 9.0, 1.0), -1.5),
        ((np.nan, 9.0, 1.0), -1.5),
    ],
)
def test_rows_end_in_the_leaves_found_by_hand(row, score):
    assert parse_lightgbm(TEXT).score_rows(np.array([row])).tolist() == [score + 0.125]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("binary sigmoid:1", "binary sigmoid:2", "objective=binary sigmoid:2; only objective="),
        ("binary sigmoid:1", "regression", "objective=regression; only objective=binary sigmoid:1"),
        ("objective=binary sigmoid:1\n", "", "objective=; only objective=binary sigmoid:1"),
        ("num_class=1", "num_class=3", "num_class=3; only num_class=1"),
        ("version=v4", "version=v2", "version=v2; only version=v4"),
        ("tree_sizes", "average_output\ntree_sizes", "a random forest; only boosted trees"),
        ("is_linear=0", "is_linear=1", "Tree=0: linear leaves; only constant leaves"),
    ],
)
def test_a_model_of_another_kind_is_refused_by_name(old, new, message):
    with pytest.raises(DefinitionError, match=re.escape(message)):
        parse_lightgbm(TEXT.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tree\n", "forest\n", "cut or foreign"),
        ("tree_sizes=1 2", "tree_sizes=1 2 3", "3 trees are declared, but 2 in order were found"),
        ("Tree=1", "Tree=2", "2 trees are declared, but 2 in order were found"),
        ("feature_names=a b c", "feature_names=a b", "2 names, not max_feature_idx + 1"),
        ("feature_names=a b c", "feature_names=a b b", "2 names, not max_feature_idx + 1"),
        ("num_leaves=3\n", "", "Tree=0: num_leaves is missing"),
        ("num_leaves=3", "num_leaves=4", "split_feature has 2 values; 3 are expected"),
        ("num_leaves=3", "num_leaves=x", "num_leaves: invalid literal"),
        ("num_leaves=1", "num_leaves=0", "split_feature has 0 values; -1 are expected"),
        ("threshold=0.5 0", "threshold=0.5", "threshold has 1 values; 2 are expected"),
        (
            "threshold=0.5 0",
            "threshold=nan 0",
            "a threshold is not a number or a leaf_value is not finite",
        ),
        (
            "leaf_value=0.25",
            "leaf_value=inf",
            "a threshold is not a number or a leaf_value is not finite",
        ),
        ("split_feature=0 2", "split_feature=0 3", "split_feature is not among the 3 features"),
        ("decision_type=8 1", "decision_type=12 1", "decision_type is unknown"),
        ("left_child=1 -1", "left_child=0 -1", "child 0 is beyond the tree or has two parents"),
        ("left_child=1 -1", "left_child=2 -1", "child 2 is beyond the tree or has two parents"),
        ("left_child=1 -1", "left_child=-1 -1", "do not reach every leaf exactly once"),
        ("right_child=-2 -3", "right_child=-2 -2", "do not reach every leaf exactly once"),
        ("right_child=-2 -3", "right_child=-2 -9", "do not reach every leaf exactly once"),
        ("cat_boundaries=0 2", "cat_boundaries=0 3", "cat_threshold has 2 values; 3 are expected"),
        ("cat_boundaries=0 2", "cat_boundaries=1 2", "do not fit together"),
        ("cat_threshold=2 2", "cat_threshold=2 -2", "do not fit together"),
        ("threshold=0.5 0", "threshold=0.5 1", "do not fit together"),
        ("threshold=0.5 0", "threshold=0.5 -1", "do not fit together"),
    ],
)
def test_a_damaged_text_is_refused_and_the_place_named(old, new, message):
    with pytest.raises(CorruptRecordError, match=re.escape(message)):
        parse_lightgbm(TEXT.replace(old, new, 1))


@given(st.integers(0, TEXT.index("end of trees") + len("end of tree")))
def test_a_text_cut_anywhere_before_its_end_is_refused(length):
    with pytest.raises(CorruptRecordError):
        parse_lightgbm(TEXT[:length])


@given(data=st.data())
def test_a_text_with_any_line_garbled_is_read_safely_or_refused(data):
    lines = TEXT.splitlines()
    line = data.draw(st.integers(0, len(lines) - 1))
    value = data.draw(st.lists(st.sampled_from(WORDS)))
    lines[line] = lines[line].partition("=")[0] + "=" + " ".join(value)
    try:
        forest = parse_lightgbm("\n".join(lines))
    except (CorruptRecordError, DefinitionError):
        return
    odd = [0.5, np.nan, 33.0, np.inf, -np.inf, 0.0, -1.0, 1e300]
    rows = np.array([np.roll(odd, shift) for shift in range(8)])[:, : len(forest.feature_names)]
    assert np.isfinite(forest.score_rows(rows)).all()
