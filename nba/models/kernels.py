"""All compiled code of scoring.

It lies in one module because numba renews its cache on disk only when the file of the function
called has changed, not when a function that it calls has.

No fast-math and no reordering: sums are the same, bit for bit, as LightGBM's.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from nba.models.arrays import (
    ALL_OPEN,
    CATEGORY_BITS,
    WORD_BITS,
    ZERO_THRESHOLD,
    BoundForest,
    Crosses,
    SplitKind,
    Splits,
    Trees,
)

_ZERO = int(SplitKind.ZERO)
_NAN = int(SplitKind.NAN)
_CATEGORY = int(SplitKind.CATEGORY)
_MAX_CATEGORY = float(2**31)
_TILE = 8  # candidates summed side by side, so that no sum waits for its last addition


@numba.njit(cache=True)
def _is_member(value: float, bits: NDArray[np.uint32], start: int, end: int) -> bool:
    """Say whether a category is in the set ``bits[start:end]``, by LightGBM's rules.

    A code is cut towards zero (-0.5 is category 0); NaN, negative and unknown codes are in no set.
    """
    if not -1.0 < value < _MAX_CATEGORY:
        return False
    code = int(value)
    word = start + code // CATEGORY_BITS
    if word >= end:
        return False
    return bool(bits[word] >> np.uint32(code % CATEGORY_BITS) & np.uint32(1))


@numba.njit(cache=True)
def _goes_left(value: float, node: int, trees: Trees) -> bool:
    kind = trees.kind[node]
    if kind == _CATEGORY:
        begin, end = trees.bits_start[node], trees.bits_end[node]
        return bool(_is_member(value, trees.category_bits, begin, end))
    if np.isnan(value) and kind != _NAN:
        value = 0.0
    if np.isnan(value) or (kind == _ZERO and value == 0.0):
        return bool(trees.default_left[node])
    return bool(value <= trees.threshold[node])


@numba.njit(cache=True)
def walk(rows: NDArray[np.float64], trees: Trees) -> NDArray[np.float64]:
    """Return raw scores (n,) float64 of rows (n, n_features) float64, from root to leaf."""
    scores = np.zeros(rows.shape[0])
    for i in range(rows.shape[0]):
        for tree in range(trees.node_start.size - 1):
            start = trees.node_start[tree]
            child = 0 if trees.node_start[tree + 1] > start else ~0
            while child >= 0:
                node = start + child
                value = rows[i, trees.feature[node]]
                if abs(value) <= ZERO_THRESHOLD:
                    value = 0.0
                left = _goes_left(value, node, trees)
                child = trees.left[node] if left else trees.right[node]
            scores[i] += trees.leaf_value[trees.leaf_start[tree] + ~child]
    return scores


@intrinsic
def _lowest_bit(_context: Any, _word: Any) -> Any:
    """Position of the lowest bit set in a uint64: one machine instruction."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], context.get_constant(types.boolean, 1))

    return types.uint64(types.uint64), generate


@numba.njit(cache=True)
def _clear(values: NDArray[np.float64], splits: Splits, words: NDArray[np.uint64]) -> None:
    """Clear the leaves that a row of values cannot end in."""
    clearings = splits.clearings
    for run in splits.runs:
        value = values[run.column]
        if np.isnan(value) and run.kind != _NAN:
            value = 0.0
        if np.isnan(value) or (run.kind == _ZERO and value == 0.0):
            for i in range(run.absent_begin, run.absent_end):
                words[clearings[i].word] &= clearings[i].mask
            continue
        for i in range(run.begin, run.end):
            if value <= clearings[i].threshold:
                break
            words[clearings[i].word] &= clearings[i].mask
    for members in splits.sets:
        value = values[members.column]
        if not _is_member(value, splits.category_bits, members.begin, members.end):
            words[members.word] &= members.mask


@numba.njit(cache=True)
def candidate_words(table: NDArray[np.float64], splits: Splits, n_words: int) -> NDArray[np.uint64]:
    """Return the leaves that each row of ``table`` leaves open: (n_words, n_rows) uint64.

    Overwrites what counts as zero in ``table`` with zero.
    """
    words = np.empty((n_words, table.shape[0]), np.uint64)
    for candidate in range(table.shape[0]):
        values = table[candidate]
        for i in range(values.size):
            if abs(values[i]) <= ZERO_THRESHOLD:
                values[i] = 0.0
        open_words = np.full(n_words, ALL_OPEN, np.uint64)
        _clear(values, splits, open_words)
        words[:, candidate] = open_words
    return words


@numba.njit(cache=True)
def _situation_words(row: NDArray[np.float64], forest: BoundForest) -> NDArray[np.uint64]:
    values = np.empty(forest.sources.size)
    for i in range(values.size):
        source = forest.sources[i]
        value = row[source.position]
        other = source.end - source.begin - 1
        if other >= 0:
            is_known = 0.0 <= value < other
            value = forest.lookup[source.begin + (int(value) if is_known else other)]
        values[i] = 0.0 if abs(value) <= ZERO_THRESHOLD else value
    words = np.full(forest.candidate_words.shape[0], ALL_OPEN, np.uint64)
    _clear(values, forest.splits, words)
    return words


@numba.njit(cache=True)
def score_all(row: NDArray[np.float64], forest: BoundForest) -> NDArray[np.float64]:
    """Return raw scores (n_candidates,) float64 of all candidates for a row (n,) float64."""
    words = _situation_words(row, forest)
    scores = np.zeros(forest.candidate_words.shape[1])
    for tree in forest.trees:
        if tree.n_words == 1:
            word = words[tree.word]
            fixed = forest.candidate_words[tree.word]
            for i in range(scores.size):
                scores[i] += forest.leaf_value[tree.leaf + _lowest_bit(word & fixed[i])]
        else:
            for i in range(scores.size):
                leaf = _leaf(words, forest.candidate_words, tree.word, i)
                scores[i] += forest.leaf_value[tree.leaf + leaf]
    return scores


@numba.njit(cache=True)
def _check_rows(rows: NDArray[np.intp], forest: BoundForest) -> None:
    for candidate in rows:
        if not 0 <= candidate < forest.candidate_words.shape[1]:
            raise IndexError("a candidate row is beyond the table")


@numba.njit(cache=True)
def score_some(
    row: NDArray[np.float64], rows: NDArray[np.intp], forest: BoundForest
) -> NDArray[np.float64]:
    """Return raw scores (n,) float64 of the candidates at ``rows`` (n,), in that order."""
    _check_rows(rows, forest)
    words = _situation_words(row, forest)
    scores = np.zeros(rows.size)
    for tree in forest.trees:
        if tree.n_words == 1:
            word = words[tree.word]
            fixed = forest.candidate_words[tree.word]
            for i in range(scores.size):
                scores[i] += forest.leaf_value[tree.leaf + _lowest_bit(word & fixed[rows[i]])]
        else:
            for i in range(scores.size):
                leaf = _leaf(words, forest.candidate_words, tree.word, rows[i])
                scores[i] += forest.leaf_value[tree.leaf + leaf]
    return scores


@numba.njit(cache=True)
def _leaf(
    words: NDArray[np.uint64], candidate_words: NDArray[np.uint64], first: int, candidate: int
) -> int:
    """Leaf of the tree whose words begin at ``first``; its last leaf is never cleared."""
    word = first
    still_open = words[word] & candidate_words[word, candidate]
    while still_open == np.uint64(0):
        word += 1
        still_open = words[word] & candidate_words[word, candidate]
    return int((word - first) * WORD_BITS + np.int64(_lowest_bit(still_open)))


@numba.njit(cache=True)
def _cross_words(row: NDArray[np.float64], crosses: Crosses) -> NDArray[np.uint64]:
    """Return the leaves that each group leaves open: (n_groups, n_words) uint64."""
    splits = crosses.splits
    n_groups, n_columns = crosses.positions.shape
    words = np.full((n_groups, crosses.candidate_words.shape[1]), ALL_OPEN, np.uint64)
    values = np.empty(n_columns)
    for grouping in crosses.groupings:
        own = Splits(
            splits.runs[grouping.run_begin : grouping.run_end],
            splits.clearings,
            splits.sets[grouping.set_begin : grouping.set_end],
            splits.category_bits,
        )
        for group in range(grouping.group_begin, grouping.group_end):
            for column in range(grouping.column_begin, grouping.column_end):
                position = crosses.positions[group, column]
                value = row[position] if position >= 0 else np.nan
                values[column] = 0.0 if abs(value) <= ZERO_THRESHOLD else value
            _clear(values, own, words[group])
    return words


@numba.njit(cache=True)
def _meet(
    words: NDArray[np.uint64],
    cross_words: NDArray[np.uint64],
    chosen: NDArray[np.intp],
    crosses: Crosses,
    still_open: NDArray[np.uint64],
) -> None:
    """Write the leaves still open to each of the ``chosen``: (n_chosen, n_words)."""
    # Their own words by themselves, so that the processor sees what it must fetch far ahead.
    for i in range(chosen.size):
        own = crosses.candidate_words[chosen[i]]
        for word in range(words.size):
            still_open[i, word] = words[word] & own[word]
    for i in range(chosen.size):
        for group in crosses.groups[chosen[i]]:
            shared = cross_words[group]
            for word in range(words.size):
                still_open[i, word] &= shared[word]


@numba.njit(cache=True)
def score_crossed(
    row: NDArray[np.float64], rows: NDArray[np.intp], forest: BoundForest, crosses: Crosses
) -> NDArray[np.float64]:
    """Return raw scores (n,) float64 of the candidates at ``rows`` (n,), in that order.

    As :func:`score_some`, for a forest that has crosses.
    """
    _check_rows(rows, forest)
    words = _situation_words(row, forest)
    cross_words = _cross_words(row, crosses)
    scores = np.empty(rows.size)
    still_open = np.empty((_TILE, words.size), np.uint64)
    sums = np.empty(_TILE)
    chosen = np.empty(_TILE, np.intp)
    for first in range(0, rows.size, _TILE):
        for i in range(_TILE):
            chosen[i] = rows[min(first + i, rows.size - 1)]
        _meet(words, cross_words, chosen, crosses, still_open)
        sums[:] = 0.0
        for tree in forest.trees:
            if tree.n_words == 1:
                word = tree.word
                leaf_value = forest.leaf_value[tree.leaf :]
                for i in range(_TILE):
                    sums[i] += leaf_value[_lowest_bit(still_open[i, word])]
            else:
                for i in range(_TILE):
                    sums[i] += forest.leaf_value[tree.leaf + _first_open(still_open[i], tree.word)]
        scores[first : first + _TILE] = sums[: rows.size - first]
    return scores


@numba.njit(cache=True)
def _first_open(words: NDArray[np.uint64], first: int) -> int:
    """Leaf of the tree whose words begin at ``first``; its last leaf is never cleared."""
    word = first
    while words[word] == np.uint64(0):
        word += 1
    return int((word - first) * WORD_BITS + np.int64(_lowest_bit(words[word])))
