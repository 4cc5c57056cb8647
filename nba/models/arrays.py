"""The flat arrays that compiled scoring works on, and the constants of their layout."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ZERO_THRESHOLD = float(np.float32(1e-35))
"""Magnitudes up to this are zero to LightGBM (``kZeroThreshold``, a float32 constant)."""

CATEGORY_BITS = 32
"""Categories per word of a category set."""

WORD_BITS = 64
"""Leaves per word of open leaves."""

ALL_OPEN = 2**WORD_BITS - 1
"""A word with every leaf still open."""


class SplitKind(IntEnum):
    """How a node decides: numerically, by what it takes for missing, or by a set of categories.

    The first three are LightGBM's missing types. ``NONE`` reads NaN as 0; ``ZERO`` reads NaN and 0
    as missing; ``NAN`` reads NaN as missing. What is missing goes the node's default way.
    """

    NONE = 0
    ZERO = 1
    NAN = 2
    CATEGORY = 3


class Trees(NamedTuple):
    """All trees, their nodes, leaves and category sets one after another.

    Within a tree, nodes are numbered from the root (0) and leaves from left to right; a child below
    zero is the leaf ``~child``. The leaves under a node's left child are ``leaf_begin`` up to, not
    including, ``leaf_split``: what bit-vector scoring needs to know.

    Attributes
    ----------
    node_start, leaf_start
        (n_trees + 1,) int64: where each tree's nodes and leaves begin.
    feature, threshold, kind, default_left
        (n_nodes,) int64, float64, uint8 (:class:`SplitKind`), bool.
    left, right, leaf_begin, leaf_split
        (n_nodes,) int64, numbered within the tree.
    bits_start, bits_end
        (n_nodes,) int64: the node's words in ``category_bits``; a member category goes left.
    category_bits
        (n_words,) uint32.
    leaf_value
        (n_leaves,) float64, learning rate included.
    """

    node_start: NDArray[np.int64]
    leaf_start: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    kind: NDArray[np.uint8]
    default_left: NDArray[np.bool_]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    leaf_begin: NDArray[np.int64]
    leaf_split: NDArray[np.int64]
    bits_start: NDArray[np.int64]
    bits_end: NDArray[np.int64]
    category_bits: NDArray[np.uint32]
    leaf_value: NDArray[np.float64]


class Splits(NamedTuple):
    """The splits on some features, ordered so that only those that send a row right are visited.

    Numerical splits on one column with one meaning of missing form a run, by ascending threshold:
    a value applies the clearings of each threshold below it and stops. A missing value applies
    instead the clearings of the run's splits that send missing right. Category splits are tested
    one by one.

    Attributes
    ----------
    runs
        :data:`RUN` (n_runs,): the column and kind, and where its clearings begin and end.
    clearings
        :data:`CLEARING` (n,): ``words[word] &= mask``; the threshold counts for values only.
    sets
        :data:`CATEGORY_SET` (n_sets,): a column, its members among the words of
        ``category_bits``, and what to clear for every other value. Runs and sets are in order of
        column.
    category_bits
        (n_words,) uint32.
    """

    runs: NDArray[np.void]
    clearings: NDArray[np.void]
    sets: NDArray[np.void]
    category_bits: NDArray[np.uint32]


class BoundForest(NamedTuple):
    """A forest bound to the layout of customer rows and to a fixed table of candidates.

    Attributes
    ----------
    sources, lookup
        :data:`SOURCE` (n_values,): where in a row each situation value lies, and which part of
        ``lookup`` (float64) gives the model's code by the plan's; the part's last entry is for
        every other code. A value without a part is taken as it is.
    splits
        The splits on situation values.
    trees, leaf_value
        :data:`TREE` (n_trees,): where its words and leaves begin; (n_leaves,) float64.
    candidate_words
        (n_words, n_candidates) uint64: the leaves that each candidate leaves open.
    """

    sources: NDArray[np.void]
    lookup: NDArray[np.float64]
    splits: Splits
    trees: NDArray[np.void]
    leaf_value: NDArray[np.float64]
    candidate_words: NDArray[np.uint64]


class Crosses(NamedTuple):
    """The features whose value a candidate shares with its group, read from the customer row.

    Features that group the candidates alike form a grouping. The groups of all groupings are
    numbered through, and each is decided once per decision.

    Attributes
    ----------
    splits
        The splits on cross values, those of a grouping side by side.
    groupings
        :data:`GROUPING` (n_groupings,): its runs and sets among the splits, its columns and groups.
    positions
        (n_groups, n_columns) int64: where in a row the value of a group lies, -1 where nowhere.
    groups
        (n_candidates, n_groupings) int64: the groups of each candidate.
    candidate_words
        (n_candidates, n_words) uint64: the leaves that each candidate leaves open by itself.
    """

    splits: Splits
    groupings: NDArray[np.void]
    positions: NDArray[np.int64]
    groups: NDArray[np.int64]
    candidate_words: NDArray[np.uint64]


def _record(kind: str, *names: str) -> np.dtype[np.void]:
    return np.dtype([(name, kind) for name in names])


RUN = _record("i8", "column", "kind", "begin", "end", "absent_begin", "absent_end")
CLEARING = np.dtype([("threshold", "f8"), ("word", "i8"), ("mask", "u8")])
CATEGORY_SET = np.dtype(
    [("column", "i8"), ("begin", "i8"), ("end", "i8"), ("word", "i8"), ("mask", "u8")]
)
GROUPING = _record(
    "i8",
    *("run_begin", "run_end", "set_begin", "set_end"),
    *("column_begin", "column_end", "group_begin", "group_end"),
)
SOURCE = _record("i8", "position", "begin", "end")
TREE = _record("i8", "word", "n_words", "leaf")
