"""Score one customer's candidates with a forest: shared-customer bit vectors.

Within a decision every candidate has the same customer, and the candidates themselves stay the same
for as long as the plan does. So a split is of one of two kinds: on the *situation* (customer and
request), decided once per decision for all candidates, or on the *candidate*, decided once per plan
when the forest is bound. A tree's leaves, numbered from left to right, are the bits of a word
(of several, beyond 64 leaves): a split that sends a row right clears the leaves below its left
child, and the lowest bit that stays is the leaf the row ends in (Lucchese et al., "QuickScorer",
SIGIR 2015). Clearing is an AND, so the customer's words and each candidate's words are made apart
and meet in one AND per tree and candidate.

Leaf values are added in tree order in double precision, so that scores equal
``Booster.predict(raw_score=True)`` bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.models.arrays import (
    ALL_OPEN,
    CATEGORY_SET,
    CLEARING,
    RUN,
    SOURCE,
    TREE,
    WORD_BITS,
    BoundForest,
    SplitKind,
    Splits,
    Trees,
)
from nba.models.forest import Forest
from nba.models.kernels import candidate_words

_CATEGORY = int(SplitKind.CATEGORY)


def bind_forest(
    forest: Forest,
    *,
    situation: Sequence[int],
    source: Sequence[int],
    lookups: Sequence[NDArray[np.float64]],
    candidate: Sequence[int],
    values: NDArray[np.float64],
) -> BoundForest:
    """Decide every candidate split and lay out the situation splits.

    Parameters
    ----------
    forest
        The forest.
    situation, source, lookups
        The forest's features that come from the customer row, where in the row each lies, and its
        code lookup (empty: take the value as it is).
    candidate, values
        The forest's features that the candidate has, and their values (n_candidates, n) float64.
    """
    trees = forest.trees
    word_start = words_of(trees)
    lookup_start = starts([len(lookup) for lookup in lookups])
    table = np.array(values, dtype=np.float64, order="C")
    fixed = collect_splits(trees, word_start, candidate)
    return BoundForest(
        sources=records(SOURCE, zip(source, lookup_start[:-1], lookup_start[1:], strict=True)),
        lookup=np.concatenate([np.empty(0), *lookups]),
        splits=collect_splits(trees, word_start, situation),
        trees=records(
            TREE, zip(word_start[:-1], np.diff(word_start), trees.leaf_start[:-1], strict=True)
        ),
        leaf_value=trees.leaf_value,
        candidate_words=candidate_words(table, fixed, word_start[-1]),
    )


def words_of(trees: Trees) -> NDArray[np.int64]:
    """Return where the words of each tree begin, and where the last end: (n_trees + 1,) int64."""
    return starts(-(-np.diff(trees.leaf_start) // WORD_BITS))


def starts(sizes: ArrayLike) -> NDArray[np.int64]:
    """Return where each of some runs begins, and where the last ends: (n + 1,) int64."""
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def records(kind: np.dtype[np.void], rows: Iterable[tuple[Any, ...]]) -> NDArray[np.void]:
    """Return an array of records, empty where there are none."""
    return np.array(list(rows), dtype=kind)


def collect_splits(trees: Trees, word_start: NDArray[np.int64], features: Sequence[int]) -> Splits:
    """Lay out the splits on ``features``, whose values will stand in that order."""
    columns = {feature: column for column, feature in enumerate(features)}
    nodes = np.flatnonzero(np.isin(trees.feature, list(features)))
    first_words = word_start[np.searchsorted(trees.node_start, nodes, side="right") - 1]
    present: dict[tuple[int, int], list[tuple[float, int, int]]] = {}
    absent: dict[tuple[int, int], list[tuple[float, int, int]]] = {}
    sets: list[tuple[int, int, int, int, int]] = []
    for node, first_word in zip(nodes.tolist(), first_words.tolist(), strict=True):
        run = columns[int(trees.feature[node])], int(trees.kind[node])
        for index, mask in _masks(int(trees.leaf_begin[node]), int(trees.leaf_split[node])):
            word = first_word + index
            if run[1] == _CATEGORY:
                bits = int(trees.bits_start[node]), int(trees.bits_end[node])
                sets.append((run[0], *bits, word, mask))
                continue
            clearing = float(trees.threshold[node]), word, mask
            present.setdefault(run, []).append(clearing)
            if not trees.default_left[node]:
                absent.setdefault(run, []).append(clearing)
    runs: list[tuple[int, ...]] = []
    clearings: list[tuple[float, int, int]] = []
    for run in sorted(present):
        begin = len(clearings)
        clearings += sorted(present[run])
        end = len(clearings)
        clearings += absent.get(run, [])
        runs.append((*run, begin, end, end, len(clearings)))
    sets.sort()
    return Splits(
        runs=records(RUN, runs),
        clearings=records(CLEARING, clearings),
        sets=records(CATEGORY_SET, sets),
        category_bits=trees.category_bits,
    )


def _masks(begin: int, end: int) -> list[tuple[int, int]]:
    """Return, per word touched, the mask that clears leaves ``begin`` up to ``end``.

    >>> [(word, f"{mask:x}") for word, mask in _masks(60, 66)]
    [(0, 'fffffffffffffff'), (1, 'fffffffffffffffc')]
    """
    masks = []
    for word in range(begin // WORD_BITS, (end - 1) // WORD_BITS + 1):
        low = max(begin - word * WORD_BITS, 0)
        high = min(end - word * WORD_BITS, WORD_BITS)
        masks.append((word, ALL_OPEN ^ ((1 << high) - (1 << low))))
    return masks
