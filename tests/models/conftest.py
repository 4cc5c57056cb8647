"""Small LightGBM boosters fitted on awkward data, and rows that probe every edge of a split."""

from collections.abc import Callable
from dataclasses import dataclass

import lightgbm
import numpy as np
import pytest

ODD_NUMBERS = (
    *(np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1e-36, -1e-36, 1e300, -1e300),
    *(float(np.float32(1e-35)), -float(np.float32(1e-35)), 1.1e-35, -1.1e-35),
)
ODD_CATEGORIES = (
    *(np.nan, np.inf, -np.inf, 0.0, -0.0, -0.5, -1.0, -7.0, 0.9, 2.5, 31.0, 32.0, 63.0, 64.0),
    *(1e9, 2.0**31 - 1, 2.0**31, 2.0**40, 1e300, -1e300),
)


@dataclass(frozen=True)
class Fitted:
    """A booster, its model text, which columns are categorical, and rows to score."""

    booster: lightgbm.Booster
    categorical: tuple[int, ...]
    probes: np.ndarray

    @property
    def text(self) -> str:
        """The model text."""
        return self.booster.model_to_string()

    def raw(self, rows: np.ndarray) -> np.ndarray:
        """LightGBM's own raw scores (n,)."""
        return self.booster.predict(rows, raw_score=True, num_threads=1)


@pytest.fixture(scope="session")
def fit() -> Callable[..., Fitted]:
    """Fit on 500 rows of 8 columns: 0-2 numbers, 3-4 with NaN, 5 mostly 0, 6-7 categories."""
    return _fit


def _fit(seed: int, *, n_trees: int = 12, rows: int = 500, **parameters: object) -> Fitted:
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(rows, 8))
    data[:, 3:5][rng.random((rows, 2)) < 0.3] = np.nan
    data[:, 5][rng.random(rows) < 0.6] = 0.0
    data[:, 6] = rng.integers(0, 5, rows)
    data[:, 7] = rng.integers(0, 70, rows)
    data[:, 7][rng.random(rows) < 0.1] = np.nan
    signal = (
        data[:, 0] * data[:, 1]
        + np.where(np.isnan(data[:, 3]), 1.5, data[:, 3])
        + (data[:, 5] == 0)
        + np.isin(data[:, 6], (1, 3))
        + np.isin(data[:, 7] % 7, (0, 2))
    )
    labels = signal + rng.normal(size=rows) > np.median(signal)
    settings = {
        "objective": "binary",
        "verbosity": -1,
        "num_threads": 1,
        "seed": seed,
        "min_data_per_group": 5,
        "cat_smooth": 1.0,
        "min_data_in_leaf": 5,
        **parameters,
    }
    dataset = lightgbm.Dataset(
        data,
        labels.astype(float),
        feature_name=[f"x{i}" for i in range(8)],
        categorical_feature=[6, 7],
    )
    booster = lightgbm.train(settings, dataset, num_boost_round=n_trees)
    return Fitted(booster, (6, 7), np.vstack([data[:200], _probes(booster, data, rng)]))


def _probes(booster: lightgbm.Booster, data: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows whose values are odd, or lie on, just below or just above a threshold."""
    lines = booster.model_to_string().splitlines()
    thresholds = np.array(
        [float(w) for line in lines if line.startswith("threshold=") for w in line[10:].split()]
        or [0.0]
    )
    near = np.concatenate(
        [thresholds, np.nextafter(thresholds, -np.inf), np.nextafter(thresholds, np.inf)]
    )
    rows = data[rng.integers(0, len(data), 600)].copy()
    for column in range(rows.shape[1]):
        pool = ODD_CATEGORIES if column in {6, 7} else (*near, *ODD_NUMBERS)
        chosen = rng.random(len(rows)) < 0.4
        rows[chosen, column] = rng.choice(np.array(pool), chosen.sum())
    return rows
