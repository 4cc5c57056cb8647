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
    a value clears the leaves of each threshold below it and stops. A missing value clears instead
    those of the run's splits that send missing right. Category splits are tested one by one.

    Attributes
    ----------
    run_column, run_kind
        (n_runs,) int64 and uint8 (:class:`~nba.models.forest.SplitKind`).
    run_start, threshold, word, mask
        (n_runs + 1,) int64, then per entry float64, int64, uint64: ``words[word] &= mask``.
    absent_start, absent_word, absent_mask
        The same for missing values.
    set_column, set_start, set_end, set_word, set_mask, category_bits
        Category splits: the set is ``category_bits[set_start:set_end]``, uint32.
    """

    run_column: NDArray[np.int64]
    run_kind: NDArray[np.uint8]
    run_start: NDArray[np.int64]
    threshold: NDArray[np.float64]
    word: NDArray[np.int64]
    mask: NDArray[np.uint64]
    absent_start: NDArray[np.int64]
    absent_word: NDArray[np.int64]
    absent_mask: NDArray[np.uint64]
    set_column: NDArray[np.int64]
    set_start: NDArray[np.int64]
    set_end: NDArray[np.int64]
    set_word: NDArray[np.int64]
    set_mask: NDArray[np.uint64]
    category_bits: NDArray[np.uint32]


class BoundForest(NamedTuple):
    """A forest bound to the layout of customer rows and to a fixed table of candidates.

    Attributes
    ----------
    source, lookup_start, lookup
        Where in a row each situation value lies, (n_values,) int64; and what its code means to the
        model: ``lookup[lookup_start[i]:lookup_start[i + 1]]`` by code, float64, its last entry for
        every other code. A value without a lookup is taken as it is.
    splits
        The splits on situation values.
    word_start, leaf_start, leaf_value
        (n_trees + 1,) int64 each; (n_leaves,) float64.
    candidate_words
        (n_words, n_candidates) uint64: the leaves that each candidate leaves open.
    """

    source: NDArray[np.int64]
    lookup_start: NDArray[np.int64]
    lookup: NDArray[np.float64]
    splits: Splits
    word_start: NDArray[np.int64]
    leaf_start: NDArray[np.int64]
    leaf_value: NDArray[np.float64]
    candidate_words: NDArray[np.uint64]
