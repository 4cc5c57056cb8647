"""How good a propensity model is on rows it has not seen.

Discrimination (ROC and precision-recall area), sharpness and calibration together (log loss, Brier
score), calibration alone (expected calibration error, slope and intercept), and whether all that
beats predicting the base rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from nba.models.calibration import fit_logistic

_BINS = 10
_CLIP = 1e-12
_Z_95 = 1.959963984540054


class Verdict(StrEnum):
    """How one thing compares with another, at 95 % confidence."""

    BETTER = "better"
    SAME = "no detectable difference"
    WORSE = "worse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate and the ends of its 95 % interval."""

    estimate: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """Read the interval as a difference where more is better."""
        if self.low > 0.0:
            return Verdict.BETTER
        return Verdict.WORSE if self.high < 0.0 else Verdict.SAME


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetrics:
    """Metrics over the rows of one period; areas and losses as usually defined.

    ``base_rate`` is that of the periods before, which is what one would predict without a model;
    ``gain_over_base_rate`` is how much log loss the model takes off it per row. ``slope`` and
    ``intercept`` regress the label on the predicted logit: 1 and 0 are perfect.
    """

    rows: int
    positives: int
    base_rate: float
    observed_rate: float
    mean_prediction: float
    log_loss: float
    base_rate_log_loss: float
    roc_auc: float
    pr_auc: float
    brier: float
    expected_calibration_error: float
    slope: float
    intercept: float
    gain_over_base_rate: Interval

    @property
    def verdict(self) -> Verdict:
        """Whether the model beats the base rate."""
        return self.gain_over_base_rate.verdict


def measure(
    labels: NDArray[np.float64],
    probabilities: NDArray[np.float64],
    *,
    base_rate: float,
    clusters: NDArray[np.int64],
) -> ModelMetrics:
    """Measure predictions (n,) against labels (n,) of 0 and 1.

    ``clusters`` (n,) says which rows belong to one customer and so are not independent. Both labels
    must be present.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    clipped = np.clip(probabilities, _CLIP, 1.0 - _CLIP)
    losses = -(labels * np.log(clipped) + (1.0 - labels) * np.log(1.0 - clipped))
    base = -(labels * np.log(base_rate) + (1.0 - labels) * np.log(1.0 - base_rate))
    recalibration = fit_logistic(np.log(clipped / (1.0 - clipped)), labels)
    return ModelMetrics(
        rows=len(labels),
        positives=int(labels.sum()),
        base_rate=base_rate,
        observed_rate=float(labels.mean()),
        mean_prediction=float(probabilities.mean()),
        log_loss=float(losses.mean()),
        base_rate_log_loss=float(base.mean()),
        roc_auc=float(roc_auc_score(labels, probabilities)),
        pr_auc=float(average_precision_score(labels, probabilities)),
        brier=float(np.mean((probabilities - labels) ** 2)),
        expected_calibration_error=_calibration_error(labels, probabilities),
        slope=recalibration.slope,
        intercept=recalibration.intercept,
        gain_over_base_rate=clustered_mean(base - losses, clusters),
    )


def clustered_mean(values: NDArray[np.float64], clusters: NDArray[np.int64]) -> Interval:
    """Return the mean of values (n,) with a 95 % interval that knows rows come in clusters (n,)."""
    mean = float(values.mean())
    members = int(np.unique(clusters).size)
    if members == 1:
        return Interval(estimate=mean, low=-np.inf, high=np.inf)
    sums = np.bincount(clusters, weights=values - mean)
    spread = float(np.sqrt(members / (members - 1) * np.sum(sums**2)))
    half = _Z_95 * spread / len(values)
    return Interval(estimate=mean, low=mean - half, high=mean + half)


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows of like prediction: how many, what was predicted, what came."""

    rows: int
    mean_prediction: float
    observed_rate: float


def reliability(
    labels: NDArray[np.float64], probabilities: NDArray[np.float64]
) -> tuple[ReliabilityBin, ...]:
    """Cut rows at the tenths of predictions; equal ones share a bin, so there may be fewer."""
    edges = np.quantile(probabilities, np.arange(1, _BINS) / _BINS)
    of = np.searchsorted(edges, probabilities, side="right")
    parts = (of == index for index in np.unique(of))
    return tuple(
        ReliabilityBin(int(p.sum()), float(probabilities[p].mean()), float(labels[p].mean()))
        for p in parts
    )


def _calibration_error(labels: NDArray[np.float64], probabilities: NDArray[np.float64]) -> float:
    bins = reliability(labels, probabilities)
    gaps = [entry.rows * abs(entry.mean_prediction - entry.observed_rate) for entry in bins]
    return float(sum(gaps) / len(labels))
