"""A forest of decision trees, and the plain way to score rows with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.models.arrays import Trees
from nba.models.kernels import walk

_ROW_AXES = 2


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Trees whose values add up to a raw score, and the text they were read from.

    Attributes
    ----------
    feature_names
        Names of the columns, in order.
    trees
        The trees as flat arrays.
    text
        The LightGBM model text that the arrays were read from.
    """

    feature_names: tuple[str, ...]
    trees: Trees
    text: str

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.trees.node_start) - 1

    def score_rows(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return raw scores (n,) float64 of rows (n, n_features) float64, walking every tree.

        Equal bit for bit to ``Booster.predict(rows, raw_score=True)``. This is the obvious way,
        for training and audits; serving binds first (:func:`nba.models.binding.bind_forest`).
        """
        rows = np.array(rows, dtype=np.float64, order="C")
        width = len(self.feature_names)
        if rows.ndim != _ROW_AXES or rows.shape[1] != width:
            raise ValueError(f"rows of shape {rows.shape}; (n, {width}) is expected")
        scores: NDArray[np.float64] = walk(rows, self.trees)
        return scores
