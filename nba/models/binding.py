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

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.models.arrays import ALL_OPEN, WORD_BITS, BoundForest, SplitKind, Splits, Trees
from nba.models.forest import Forest
from nba.models.kernels import candidate_words


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
        The forest's other features, and their values (n_candidates, n) float64.
    """
    trees = forest.trees
    n_words = -(-np.diff(trees.leaf_start) // WORD_BITS)
    word_start = _starts(n_words)
    fixed = _collect_splits(trees, word_start, candidate)
    table = np.array(values, dtype=np.float64, order="C")
    return BoundForest(
        source=np.array(source, dtype=np.int64),
        lookup_start=_starts([len(lookup) for lookup in lookups]),
        lookup=np.concatenate([np.empty(0), *lookups]),
        splits=_collect_splits(trees, word_start, situation),
        word_start=word_start,
        leaf_start=trees.leaf_start,
        leaf_value=trees.leaf_value,
        candidate_words=candidate_words(table, fixed, word_start[-1]),
    )


def _starts(sizes: Any) -> NDArray[np.int64]:
    """Return where each of some runs begins, and where the last ends: (n + 1,) int64."""
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _collect_splits(trees: Trees, word_start: NDArray[np.int64], features: Sequence[int]) -> Splits:
    """Lay out the splits on ``features``, whose values will stand in that order."""
    columns = {feature: column for column, feature in enumerate(features)}
    runs: dict[tuple[int, int], list[tuple[float, int, int]]] = {}
    absent: dict[tuple[int, int], list[tuple[int, int]]] = {}
    sets: list[tuple[int, int, int, int, int]] = []
    for tree in range(len(trees.node_start) - 1):
        for node in range(trees.node_start[tree], trees.node_start[tree + 1]):
            column = columns.get(int(trees.feature[node]))
            if column is None:
                continue
            kind = int(trees.kind[node])
            for index, mask in _masks(int(trees.leaf_begin[node]), int(trees.leaf_split[node])):
                word = int(word_start[tree]) + index
                if kind == SplitKind.CATEGORY:
                    bounds = int(trees.bits_start[node]), int(trees.bits_end[node])
                    sets.append((column, *bounds, word, mask))
                    continue
                entry = (float(trees.threshold[node]), word, mask)
                runs.setdefault((column, kind), []).append(entry)
                if not trees.default_left[node]:
                    absent.setdefault((column, kind), []).append((word, mask))
    keys = sorted(runs)
    entries = [entry for key in keys for entry in sorted(runs[key])]
    absences = [entry for key in keys for entry in absent.get(key, ())]
    return Splits(
        run_column=np.array([column for column, _ in keys], dtype=np.int64),
        run_kind=np.array([kind for _, kind in keys], dtype=np.uint8),
        run_start=_starts([len(runs[key]) for key in keys]),
        threshold=np.array([entry[0] for entry in entries], dtype=np.float64),
        word=np.array([entry[1] for entry in entries], dtype=np.int64),
        mask=np.array([entry[2] for entry in entries], dtype=np.uint64),
        absent_start=_starts([len(absent.get(key, ())) for key in keys]),
        absent_word=np.array([entry[0] for entry in absences], dtype=np.int64),
        absent_mask=np.array([entry[1] for entry in absences], dtype=np.uint64),
        set_column=np.array([entry[0] for entry in sets], dtype=np.int64),
        set_start=np.array([entry[1] for entry in sets], dtype=np.int64),
        set_end=np.array([entry[2] for entry in sets], dtype=np.int64),
        set_word=np.array([entry[3] for entry in sets], dtype=np.int64),
        set_mask=np.array([entry[4] for entry in sets], dtype=np.uint64),
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
