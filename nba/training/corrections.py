"""Forests that correct the bandit's online logits, fitted by LightGBM."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nba.bandits.memory import Remembered
from nba.bandits.trees import CorrectionForest
from nba.models.arrays import SplitKind, Trees
from nba.models.lightgbm_text import parse_lightgbm

TREES = 100

PARAMETERS: Mapping[str, int | float | str | bool] = {
    "objective": "binary",
    "num_leaves": 15,
    "learning_rate": 0.15,
    "extra_trees": True,
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
"""


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
        dict(PARAMETERS), table, num_boost_round=TREES, keep_training_booster=True
    )
    return correction_of(parse_lightgbm(booster.model_to_string()).trees)


def correction_of(trees: Trees) -> CorrectionForest:
    """Return numerical trees in the bandit's own form.

    What LightGBM reads as 0 where it is missing goes the way that 0 goes.
    """
    reads_as_zero = trees.kind == SplitKind.NONE
    return CorrectionForest(
        tree_start=trees.node_start,
        feature=trees.feature,
        threshold=trees.threshold,
        missing_left=np.where(reads_as_zero, trees.threshold >= 0.0, trees.default_left),
        left=trees.left,
        right=trees.right,
        leaf_start=trees.leaf_start,
        leaf_value=trees.leaf_value,
    )
