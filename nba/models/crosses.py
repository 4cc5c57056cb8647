"""Bind a forest's crosses: features of the customer that each candidate reads in its own column.

A split on a cross, such as the customer's purchases of the candidate's own product, is decided
neither once per plan nor once for all candidates: its value is the customer's, and which one
depends on the candidate. Candidates that read the same columns of the row form a group, whose words
(:mod:`nba.models.binding`) are made once per decision and meet the situation's and the candidate's
in one more AND.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nba.models.arrays import GROUPING, Crosses
from nba.models.binding import collect_splits, records, starts, words_of
from nba.models.forest import Forest


def bind_crosses(
    forest: Forest,
    crosses: Mapping[int, NDArray[np.intp]],
    candidate_words: NDArray[np.uint64],
) -> Crosses:
    """Group the candidates of each cross; crosses that group them alike share their groups.

    Parameters
    ----------
    forest
        The forest.
    crosses
        By feature of the forest, where in the row each candidate's value lies: (n_candidates,),
        -1 where it has none.
    candidate_words
        (n_words, n_candidates) uint64: the leaves that each candidate leaves open by itself.
    """
    alike: dict[bytes, list[int]] = {}
    for feature, gather in crosses.items():
        alike.setdefault(_leaders(gather).tobytes(), []).append(feature)
    ordered = [feature for features in alike.values() for feature in features]
    splits = collect_splits(forest.trees, words_of(forest.trees), ordered)
    members = [np.unique(np.frombuffer(key, np.intp), return_inverse=True) for key in alike]
    column_start = starts([len(features) for features in alike.values()]).tolist()
    group_start = starts([len(leaders) for leaders, _ in members]).tolist()
    positions = np.full((group_start[-1], len(ordered)), -1, dtype=np.int64)
    groups = np.empty((candidate_words.shape[1], len(members)), dtype=np.int64)
    groupings = []
    for number, (leaders, group) in enumerate(members):
        columns = column_start[number : number + 2]
        own = group_start[number : number + 2]
        for column in range(*columns):
            positions[slice(*own), column] = crosses[ordered[column]][leaders]
        groups[:, number] = group + own[0]
        runs = np.searchsorted(splits.runs["column"], columns)
        sets = np.searchsorted(splits.sets["column"], columns)
        groupings.append((*runs, *sets, *columns, *own))
    return Crosses(
        splits,
        records(GROUPING, groupings),
        positions,
        groups,
        np.ascontiguousarray(candidate_words.T),
    )


def _leaders(gather: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return for every candidate the first one that reads the same position: (n,) intp."""
    _, first, same = np.unique(gather, return_index=True, return_inverse=True)
    return first[same]
