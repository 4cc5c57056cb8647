"""Forests that correct the bandit's online logits, fitted by LightGBM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nba.bandits.memory import Remembered
from nba.bandits.trees import CorrectionForest
from nba.errors import CorruptRecordError

TREES = 100
LEAST_TREES = 30
"""As many trees as rows, between these bounds: of few rows the last trees would learn nothing."""

PARAMETERS: Mapping[str, int | float | str | bool] = {
    "objective": "binary",
    "num_leaves": 15,
    "learning_rate": 0.15,
    "extra_trees": True,
    "max_bin": 63,
    "min_data_in_leaf": 5,
    "lambda_l2": 1.0,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
    "seed": 1,
    "extra_seed": 1,
}
"""Small trees at random thresholds: an action has hundreds of rows, where the best split of each
tree would mostly fit their noise (Geurts, Ernst and Wehenkel, *Extremely randomized trees*, 2006).
Where thresholds are random, 63 bins are as good as 255, and twice as fast with a thousand rows.
"""

_INTEGERS = ("num_leaves", "num_cat", "split_feature", "decision_type", "left_child", "right_child")
_NUMBERS = ("threshold", "leaf_value")
_LAST_LINE = 10
"""What is needed of a tree stands in its first lines; gains, weights and counts follow."""

_DEFAULT_LEFT = 2
_MISSING = 0b1100
"""Bits of ``decision_type``: where what is missing goes, and what counts as it; 0 is nothing."""


def fit_correction(rows: Remembered) -> CorrectionForest:
    """Boost a small forest from the online logits of one action's observations.

    An implementation of :class:`nba.bandits.CorrectionFitter`. The same rows give the same forest,
    to the byte.
    """
    import lightgbm

    table = lightgbm.Dataset(
        rows.inputs,
        rows.labels,
        weight=rows.weights,
        init_score=rows.offsets,
        params={"verbosity": -1, "num_threads": 1},
    )
    # A booster that may no longer train would be written to text and read back first.
    booster = lightgbm.train(
        dict(PARAMETERS),
        table,
        num_boost_round=min(max(len(rows), LEAST_TREES), TREES),
        keep_training_booster=True,
    )
    return read_forest(booster.model_to_string())


def read_forest(text: str) -> CorrectionForest:
    """Return the trees of a LightGBM model text (format ``v4``) in the bandit's own form.

    Reads what was just written, all trees at once, in a fraction of the time that
    :func:`nba.models.lightgbm_text.parse_lightgbm` takes to name what is wrong with a foreign text;
    that the trees hold together :class:`CorrectionForest` checks. What LightGBM reads as 0 where it
    is missing goes the way that 0 goes. Raises :class:`CorruptRecordError` for a text that is cut,
    or whose trees do not have numerical splits alone.
    """
    trees, ended, _ = text.partition("\nend of trees\n")
    blocks = trees.split("\nTree=")[1:]
    try:
        lines = [dict(_fields(block)) for block in blocks]
        integers = {key: np.array(_words(key, lines), dtype=np.int64) for key in _INTEGERS}
        numbers = {key: np.array(_words(key, lines), dtype=np.float64) for key in _NUMBERS}
    except (KeyError, ValueError) as error:
        raise CorruptRecordError(f"LightGBM model text cannot be read: {error}") from error
    if not ended or integers["num_cat"].any():
        raise CorruptRecordError("LightGBM model text is cut, or has categorical splits")
    leaves, decisions = integers["num_leaves"], integers["decision_type"]
    threshold = numbers["threshold"]
    reads_as_zero = (decisions & _MISSING) == 0
    return CorrectionForest(
        tree_start=_starts(leaves - 1),
        feature=integers["split_feature"],
        threshold=threshold,
        missing_left=np.where(reads_as_zero, threshold >= 0.0, (decisions & _DEFAULT_LEFT) > 0),
        left=integers["left_child"],
        right=integers["right_child"],
        leaf_start=_starts(leaves),
        leaf_value=numbers["leaf_value"],
    )


def _fields(block: str) -> Iterator[tuple[str, str]]:
    for line in block.split("\n", _LAST_LINE)[1:_LAST_LINE]:
        key, _, value = line.partition("=")
        yield key, value


def _words(key: str, trees: Sequence[Mapping[str, str]]) -> list[str]:
    """Return what stands behind a key in every tree, one after another."""
    return " ".join([tree[key] for tree in trees]).split()


def _starts(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(sizes)])
