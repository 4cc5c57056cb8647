"""How MLflow loads a registered model: ``mlflow.pyfunc`` calls :func:`_load_pyfunc`.

Nothing is pickled: the model's data is one MessagePack file, and this module reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.models.mlflow import ARTIFACT
from nba.models.propensity import PropensityModel
from nba.training.encoding import encode_plain


@dataclass(frozen=True, slots=True)
class PropensityPredictor:
    """A propensity model for data frames.

    Columns carry the plain feature names: numbers as floating point, enumerations as text. What is
    absent, or a text the model never saw, is missing.
    """

    model: PropensityModel

    def predict(self, frame: Any) -> NDArray[np.float64]:
        """Return calibrated probabilities (n,) float64, one a row of a pandas frame."""
        names = [entry.name for entry in self.model.inputs if entry.name in frame.columns]
        rows = pl.DataFrame({name: pl.from_pandas(frame[name]) for name in names})
        matrix = encode_plain(self.model.inputs, rows)
        logits = self.model.calibration.apply(self.model.forest.score_rows(matrix))
        probabilities: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-logits))
        return probabilities


def _load_pyfunc(data_path: str) -> PropensityPredictor:
    path = Path(data_path)
    file = path / ARTIFACT if path.is_dir() else path
    return PropensityPredictor(PropensityModel.from_bytes(file.read_bytes()))
