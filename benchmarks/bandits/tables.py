"""Tables of classes turned into bandit problems: reward 1 for naming the right class."""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.bandits.peers import Job

SIX = ("digits", "wine", "segment", "letter", "satellite", "vehicle")
"""The tables that the goals are about."""

MOST_ROUNDS = 5_000

_FILES = {"segment": "segment_river", "letter": "letterrecognition"}
_DATASETS = Path(__file__).resolve().parents[3] / "shared" / "datasets"


@dataclass(frozen=True)
class Table:
    """Features (n, d), standardized by the whole table's statistics, and labels from 0."""

    name: str
    X: NDArray[np.float64]
    labels: NDArray[np.int64]

    @property
    def n_classes(self) -> int:
        return int(self.labels.max()) + 1

    def job(self, orders: int, rounds: int | None = None) -> Job:
        """Return as many random orders, each of at most ``rounds`` rows, by fixed seeds."""
        most = min(len(self.labels), MOST_ROUNDS if rounds is None else rounds)
        rows = [np.random.default_rng(seed).permutation(len(self.labels)) for seed in range(orders)]
        return Job.of_labels(self.X, self.labels, np.array(rows)[:, :most])


def load(name: str) -> Table:
    """Read a table of the folder ``multiclass`` of the datasets."""
    folder = Path(os.environ.get("NBA_DATASETS", _DATASETS)) / "multiclass"
    with gzip.open(folder / f"{_FILES.get(name, name)}.csv.gz", "rb") as file:
        frame = pl.read_csv(file.read())
    label = next(c for c in frame.columns if c.strip() in {"label", "category"})
    codes = frame[label].cast(pl.String).rank("dense").to_numpy().astype(np.int64) - 1
    return of_features(name, frame.drop(label).cast(pl.Float64).to_numpy(), codes)


def held_back() -> list[Table]:
    """Return tables that nothing here was tuned on, shipped with scikit-learn or made by it."""
    from sklearn import datasets

    made = [
        datasets.make_classification(
            3_000, 20, n_informative=8, n_classes=classes, n_clusters_per_class=2, random_state=seed
        )
        for classes, seed in ((4, 1), (8, 2))
    ]
    named = {"iris": datasets.load_iris, "breast_cancer": datasets.load_breast_cancer}
    tables = [of_features(name, *get(return_X_y=True)) for name, get in named.items()]
    tables += [of_features(f"made {labels.max() + 1}", X, labels) for X, labels in made]
    return [*tables, load("zoo")]


def of_features(name: str, X: NDArray[np.float64], labels: NDArray[np.int64]) -> Table:
    deviation = X.std(axis=0)
    scaled = (X - X.mean(axis=0)) / np.where(deviation > 0.0, deviation, 1.0)
    return Table(name, scaled, np.asarray(labels, dtype=np.int64))
