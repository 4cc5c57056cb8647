"""Forests that correct a logit, one per action, as flat arrays; and scoring with many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from nba.errors import CorruptRecordError

Integers = NDArray[np.signedinteger[Any]]

_DTYPES: Mapping[str, np.dtype[Any]] = {
    "tree_start": np.dtype("<i4"),
    "feature": np.dtype("<i4"),
    "threshold": np.dtype("<f8"),
    "missing_left": np.dtype("?"),
    "left": np.dtype("<i4"),
    "right": np.dtype("<i4"),
    "leaf_start": np.dtype("<i4"),
    "leaf_value": np.dtype("<f8"),
}


@dataclass(frozen=True, slots=True, eq=False)
class CorrectionForest:
    """Trees whose values add up to a correction of one action's logit.

    Within a tree, nodes are numbered from the root (0) and leaves from 0; a child below zero is the
    leaf ``~child``. A value goes left where it is at most the threshold, NaN where ``missing_left``
    says so.

    Attributes
    ----------
    tree_start, leaf_start
        (n_trees + 1,) int32: where each tree's nodes and leaves begin.
    feature, threshold, missing_left, left, right
        (n_nodes,) int32, float64, bool, int32, int32.
    leaf_value
        (n_leaves,) float64.

    Raises :class:`CorruptRecordError` where the arrays do not fit together, so that compiled code
    may trust them.

    """

    tree_start: Integers
    feature: Integers
    threshold: NDArray[np.float64]
    missing_left: NDArray[np.bool_]
    left: Integers
    right: Integers
    leaf_start: Integers
    leaf_value: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name, dtype in _DTYPES.items():
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype=dtype))
        if not self._fits():
            raise CorruptRecordError("the arrays of a correction forest do not fit together")

    def _fits(self) -> bool:
        n_trees, n_nodes = len(self.tree_start) - 1, len(self.feature)
        nodes, leaves = np.diff(self.tree_start), np.diff(self.leaf_start)
        lengths = {len(a) for a in (self.threshold, self.missing_left, self.left, self.right)}
        if n_trees < 0 or lengths != {n_nodes} or len(self.leaf_start) != n_trees + 1:
            return False
        if self.tree_start[0] != 0 or self.leaf_start[0] != 0 or (nodes < 0).any():
            return False
        if self.tree_start[-1] != n_nodes or self.leaf_start[-1] != len(self.leaf_value):
            return False
        if (leaves != nodes + 1).any() or (self.feature < 0).any():
            return False
        owner = np.repeat(np.arange(n_trees), nodes)
        number = np.arange(n_nodes) - self.tree_start[owner]
        for child in (self.left, self.right):
            # A child stands behind its parent, so that every walk ends.
            inner = (child > number) & (child < nodes[owner])
            leaf = (child < 0) & (~child < leaves[owner])
            if not (inner | leaf).all():
                return False
        return bool(np.isfinite(self.leaf_value).all() and not np.isnan(self.threshold).any())

    def value(self, model_logit: float, z: NDArray[np.float64]) -> float:
        """Return the correction for one situation; see :meth:`BoundForests.corrections`."""
        result = np.zeros(1)
        _correct(
            np.array([model_logit]),
            z,
            np.array([0]),
            np.array([len(self.tree_start) - 1]),
            self.tree_start,
            self.leaf_start,
            self.feature,
            self.threshold,
            self.missing_left,
            self.left,
            self.right,
            self.leaf_value,
            result,
        )
        return float(result[0])

    def to_parts(self) -> list[bytes]:
        """Return the arrays as bytes, little-endian, in the order of the fields."""
        return [getattr(self, field.name).tobytes() for field in fields(self)]

    @classmethod
    def from_parts(cls, parts: Sequence[bytes]) -> CorrectionForest:
        """Read the arrays back; :class:`CorruptRecordError` where they are not such a forest."""
        if len(parts) != len(_DTYPES):
            raise CorruptRecordError(f"a correction forest has {len(_DTYPES)} arrays, not {parts}")
        try:
            arrays = [np.frombuffer(part, dtype) for part, dtype in zip(parts, _DTYPES.values())]  # noqa: B905 - lengths are equal
        except ValueError as error:
            raise CorruptRecordError(f"a correction forest cannot be read: {error}") from error
        return cls(*arrays)


class ForestTable:
    """Forests of many actions laid one after another; frozen, and shared by all that is bound."""

    __slots__ = ("arrays", "trees")

    def __init__(self, forests: Mapping[str, CorrectionForest]) -> None:
        ends = np.cumsum([0, *(len(forest.tree_start) - 1 for forest in forests.values())])
        self.trees = {
            name: (int(ends[index]), int(ends[index + 1])) for index, name in enumerate(forests)
        }
        known = list(forests.values())
        self.arrays = (
            _starts(known, "tree_start", "feature"),
            _starts(known, "leaf_start", "leaf_value"),
            *(_joined(known, name) for name in _DTYPES if not name.endswith("_start")),
        )


def _joined(forests: Sequence[CorrectionForest], name: str) -> NDArray[Any]:
    parts: list[NDArray[Any]] = [np.zeros(0, dtype=_DTYPES[name])]
    parts += [getattr(forest, name) for forest in forests]
    joined: NDArray[Any] = np.concatenate(parts)
    return joined


def _starts(forests: Sequence[CorrectionForest], name: str, sized: str) -> NDArray[np.int64]:
    starts: list[int] = []
    offset = 0
    for forest in forests:
        starts += (getattr(forest, name)[:-1].astype(np.int64) + offset).tolist()
        offset += len(getattr(forest, sized))
    return np.array([*starts, offset], dtype=np.int64)


class BoundForests:
    """The forests of some candidates in a table; frozen.

    ``present`` ``(n,) bool`` says which candidates have one; the others are corrected by 0.
    """

    __slots__ = ("_first", "_last", "_table", "present")

    def __init__(self, table: ForestTable, action_ids: Sequence[str]) -> None:
        bounds = [table.trees.get(action_id, (0, 0)) for action_id in action_ids]
        self.present = np.array([name in table.trees for name in action_ids], dtype=np.bool_)
        self._table = table
        self._first = np.array([first for first, _ in bounds], dtype=np.int64)
        self._last = np.array([last for _, last in bounds], dtype=np.int64)

    def corrections(
        self, model_logits: NDArray[np.float64], z: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the correction of every candidate, ``(n,) float64``.

        Feature 0 of a forest is the candidate's own entry of ``model_logits`` ``(n,)``, the others
        are ``z`` ``(k,)``, NaN where missing.
        """
        result = np.zeros(len(model_logits))
        _correct(model_logits, z, self._first, self._last, *self._table.arrays, result)
        return result


@numba.njit(cache=True)
def _correct(
    model_logits: NDArray[np.float64],
    z: NDArray[np.float64],
    first_tree: NDArray[np.int64],
    last_tree: NDArray[np.int64],
    tree_start: Integers,
    leaf_start: Integers,
    feature: Integers,
    threshold: NDArray[np.float64],
    missing_left: NDArray[np.bool_],
    left: Integers,
    right: Integers,
    leaf_value: NDArray[np.float64],
    result: NDArray[np.float64],
) -> None:
    for i in range(result.shape[0]):
        total = 0.0
        for tree in range(first_tree[i], last_tree[i]):
            begin = tree_start[tree]
            child = 0 if tree_start[tree + 1] > begin else -1
            while child >= 0:
                node = begin + child
                column = feature[node]
                value = model_logits[i] if column == 0 else z[column - 1]
                goes_left = missing_left[node] if np.isnan(value) else value <= threshold[node]
                child = left[node] if goes_left else right[node]
            total += leaf_value[leaf_start[tree] + ~child]
        result[i] = total
