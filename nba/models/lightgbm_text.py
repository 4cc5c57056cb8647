"""Read LightGBM's model text into a :class:`~nba.models.forest.Forest`, without LightGBM.

The text is what ``Booster.model_to_string()`` gives (format ``v4``, LightGBM 4): a header of
``key=value`` lines, one block per tree, ``end of trees``, then notes that scoring does not need.
Every child, feature and category set is checked here, so that compiled code may trust the arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, NoReturn, TypeVar

import numpy as np

from nba.errors import CorruptRecordError, DefinitionError, Fault
from nba.models.arrays import CATEGORY_BITS, SplitKind, Trees
from nba.models.forest import Forest

_T = TypeVar("_T", int, float)

_FIRST = "tree"
_LAST = "end of trees"
_SUPPORTED = {
    "version": "v4",
    "num_class": "1",
    "num_tree_per_iteration": "1",
    "objective": "binary sigmoid:1",
}
_CATEGORICAL = 1
_DEFAULT_LEFT = 2
_KINDS = {
    **{kind << 2: SplitKind(kind) for kind in (SplitKind.NONE, SplitKind.ZERO, SplitKind.NAN)},
    **{_CATEGORICAL | kind << 2: SplitKind.CATEGORY for kind in range(4)},
}
"""Meaning of LightGBM's ``decision_type`` once the default direction (bit 1) is masked out."""


def parse_lightgbm(text: str) -> Forest:
    """Return the forest that a LightGBM model text describes.

    Raises
    ------
    DefinitionError
        The model is of a kind that is not scored here: an objective other than binary log loss
        with ``sigmoid:1``, several classes, a random forest, linear leaves.
    CorruptRecordError
        The text is cut short or is not a LightGBM model.
    """
    lines = text.splitlines()
    if not lines or lines[0] != _FIRST or _LAST not in lines:
        raise CorruptRecordError(
            f"LightGBM model text of {len(text)} characters is cut or foreign: it must begin with "
            f"the line {_FIRST!r} and hold the line {_LAST!r}"
        )
    end = lines.index(_LAST)
    bounds = [i for i, line in enumerate(lines[:end]) if line.startswith("Tree=")] + [end]
    header = _Block("header", _fields(lines[: bounds[0]]))
    names = _read_header(header)
    blocks = [_Block(lines[i], _fields(lines[i:j])) for i, j in pairwise(bounds)]
    declared = len(header.get("tree_sizes").split())
    if [block.name for block in blocks] != [f"Tree={i}" for i in range(declared)]:
        header.fail(f"{declared} trees are declared, but {len(blocks)} in order were found")
    return Forest(names, _join([_read_tree(block, len(names)) for block in blocks]), text)


@dataclass(frozen=True, slots=True)
class _Block:
    """The ``key=value`` lines of the header or of one tree."""

    name: str
    fields: Mapping[str, str]

    def fail(self, problem: str) -> NoReturn:
        raise CorruptRecordError(f"LightGBM model text, {self.name}: {problem}")

    def fault(self, found: str, expected: str) -> Fault:
        return Fault(f"LightGBM model text, {self.name}", found, expected)

    def get(self, key: str) -> str:
        if key not in self.fields:
            self.fail(f"{key} is missing")
        return self.fields[key]

    def numbers(self, key: str, kind: Callable[[str], _T], count: int) -> list[_T]:
        words = self.get(key).split()
        if len(words) != count:
            self.fail(f"{key} has {len(words)} values; {count} are expected")
        try:
            return [kind(word) for word in words]
        except ValueError as error:
            self.fail(f"{key}: {error}")

    def integer(self, key: str) -> int:
        return self.numbers(key, int, 1)[0]


@dataclass(frozen=True, slots=True)
class _Tree:
    """One tree; its fields are those of :class:`Trees`, ``sets`` its nodes' category sets."""

    feature: list[int]
    threshold: list[float]
    kind: list[SplitKind]
    default_left: list[bool]
    left: list[int]
    right: list[int]
    leaf_begin: list[int]
    leaf_split: list[int]
    sets: list[list[int]]
    leaf_value: list[float]


def _fields(lines: Sequence[str]) -> dict[str, str]:
    return {key: value for key, _, value in (line.partition("=") for line in lines)}


def _read_header(header: _Block) -> tuple[str, ...]:
    faults = [
        header.fault(f"{key}={header.fields.get(key, '')}", f"only {key}={value} is scored here")
        for key, value in _SUPPORTED.items()
        if header.fields.get(key) != value
    ]
    if "average_output" in header.fields:
        faults.append(header.fault("a random forest", "only boosted trees are scored here"))
    if faults:
        raise DefinitionError(faults)
    names = tuple(header.get("feature_names").split())
    if len(set(names)) != header.integer("max_feature_idx") + 1:
        header.fail(f"feature_names has {len(set(names))} names, not max_feature_idx + 1")
    return names


def _read_tree(block: _Block, n_features: int) -> _Tree:
    if block.get("is_linear") != "0":
        raise DefinitionError([block.fault("linear leaves", "only constant leaves are scored")])
    n_leaves = block.integer("num_leaves")
    n_nodes = n_leaves - 1
    feature = block.numbers("split_feature", int, n_nodes)
    if not all(0 <= index < n_features for index in feature):
        block.fail(f"split_feature is not among the {n_features} features")
    threshold = block.numbers("threshold", float, n_nodes)
    values = block.numbers("leaf_value", float, n_leaves)
    # A split of what is missing from all that is not has an infinite threshold.
    if np.isnan(threshold).any() or not np.isfinite(values).all():
        block.fail("a threshold is not a number or a leaf_value is not finite")
    decisions = block.numbers("decision_type", int, n_nodes)
    kinds = [_KINDS.get(decision & ~_DEFAULT_LEFT) for decision in decisions]
    left = block.numbers("left_child", int, n_nodes)
    right = block.numbers("right_child", int, n_nodes)
    order, begin, split = _order_leaves(block, left, right)
    rank = {leaf: position for position, leaf in enumerate(order)}
    known = [kind for kind in kinds if kind is not None]
    if len(known) != n_nodes:
        block.fail("decision_type is unknown")
    return _Tree(
        feature=feature,
        threshold=threshold,
        kind=known,
        default_left=[bool(decision & _DEFAULT_LEFT) for decision in decisions],
        left=[child if child >= 0 else ~rank[~child] for child in left],
        right=[child if child >= 0 else ~rank[~child] for child in right],
        leaf_begin=begin,
        leaf_split=split,
        sets=_read_sets(block, known, threshold),
        leaf_value=[values[leaf] for leaf in order],
    )


def _order_leaves(
    block: _Block, left: Sequence[int], right: Sequence[int]
) -> tuple[list[int], list[int], list[int]]:
    """Return the leaves from left to right, and per node where its leaves begin and split.

    Fails unless every node and leaf is reached exactly once from the root.
    """
    n_nodes = len(left)
    order: list[int] = []
    begin, split = [-1] * n_nodes, [-1] * n_nodes
    pending: list[tuple[int, bool]] = [(0 if n_nodes else ~0, False)]
    while pending:
        child, left_is_done = pending.pop()
        if child < 0:
            order.append(~child)
        elif left_is_done:
            split[child] = len(order)
            pending.append((right[child], False))
        elif child >= n_nodes or begin[child] >= 0:
            block.fail(f"child {child} is beyond the tree or has two parents")
        else:
            begin[child] = len(order)
            pending += [(child, True), (left[child], False)]
    if sorted(order) != list(range(n_nodes + 1)):
        block.fail("left_child and right_child do not reach every leaf exactly once")
    return order, begin, split


def _read_sets(
    block: _Block, kinds: Sequence[SplitKind], threshold: Sequence[float]
) -> list[list[int]]:
    """Return the bitset words of every node; a categorical node's threshold numbers its set."""
    n_sets = block.integer("num_cat")
    numbers = [
        int(value)
        for kind, value in zip(kinds, threshold, strict=True)
        if kind is SplitKind.CATEGORY
    ]
    if not numbers:
        return [[] for _ in kinds]
    bounds = block.numbers("cat_boundaries", int, n_sets + 1)
    words = block.numbers("cat_threshold", int, bounds[-1])
    if (
        bounds[0] != 0
        or bounds != sorted(bounds)
        or not all(0 <= number < n_sets for number in numbers)
        or not all(0 <= word < 2**CATEGORY_BITS for word in words)
    ):
        block.fail("cat_boundaries, cat_threshold and threshold do not fit together")
    sets = (words[bounds[number] : bounds[number + 1]] for number in numbers)
    return [next(sets) if kind is SplitKind.CATEGORY else [] for kind in kinds]


def _join(trees: Sequence[_Tree]) -> Trees:
    """Lay the trees one after another."""

    def flat(pick: Callable[[_Tree], Iterable[Any]], dtype: Any) -> Any:
        return np.array([value for tree in trees for value in pick(tree)], dtype=dtype)

    def starts(sizes: Iterable[int]) -> Any:
        return np.array([0, *accumulate(sizes)], dtype=np.int64)

    bits = starts(len(words) for tree in trees for words in tree.sets)
    return Trees(
        node_start=starts(len(tree.feature) for tree in trees),
        leaf_start=starts(len(tree.leaf_value) for tree in trees),
        feature=flat(lambda tree: tree.feature, np.int64),
        threshold=flat(lambda tree: tree.threshold, np.float64),
        kind=flat(lambda tree: tree.kind, np.uint8),
        default_left=flat(lambda tree: tree.default_left, np.bool_),
        left=flat(lambda tree: tree.left, np.int64),
        right=flat(lambda tree: tree.right, np.int64),
        leaf_begin=flat(lambda tree: tree.leaf_begin, np.int64),
        leaf_split=flat(lambda tree: tree.leaf_split, np.int64),
        bits_start=bits[:-1],
        bits_end=bits[1:],
        category_bits=flat(lambda tree: (w for words in tree.sets for w in words), np.uint32),
        leaf_value=flat(lambda tree: tree.leaf_value, np.float64),
    )
