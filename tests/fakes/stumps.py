"""A fitter of the bandit's forests that needs no LightGBM: one split of the first feature."""

from __future__ import annotations

import numpy as np

from nba.bandits.memory import Remembered
from nba.bandits.trees import CorrectionForest


def fit_stump(rows: Remembered) -> CorrectionForest:
    """Return one tree that splits the first situation feature at its median.

    Each leaf holds the mean of label less 1/2 on its side, times two; missing goes left.
    """
    values = rows.inputs[:, 1]
    threshold = float(np.nanmedian(values))
    left = ~(values > threshold)
    sides = [rows.labels[side].mean() - 0.5 if side.any() else 0.0 for side in (left, ~left)]
    return CorrectionForest(
        tree_start=np.array([0, 1]),
        feature=np.array([1]),
        threshold=np.array([threshold]),
        missing_left=np.array([True]),
        left=np.array([-1]),
        right=np.array([-2]),
        leaf_start=np.array([0, 2]),
        leaf_value=2.0 * np.array(sides),
    )
