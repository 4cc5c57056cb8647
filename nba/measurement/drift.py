"""Drift: how far a feature's values now are from those a model was trained on.

The training values make the bins. A number has the deciles of training as edges, bins closed on
the right; a value that is several deciles at once has a bin of its own, so that a count that is
mostly 0 is told apart from one that is not. A word has a bin for each word of training and one for
all others. Both have one more bin for what is missing: a feature that stops arriving has drifted.

With shares ``e`` in training and ``a`` now, over the bins that either has any value in:

- Population stability index, ``PSI = sum((a - e) * ln(a / e))``: E. M. Lewis, "An Introduction to
  Credit Scoring" (1992). Below 0.1 stable, from 0.25 shifted, between them a moderate shift: the
  thresholds of N. Siddiqi, "Credit Risk Scorecards" (2006).
- Jensen-Shannon distance, ``sqrt(H((e + a) / 2) - (H(e) + H(a)) / 2)`` with entropies in bits, so
  from 0 to 1: J. Lin, "Divergence Measures Based on the Shannon Entropy" (IEEE Transactions on
  Information Theory, 1991); that its root is a metric: Endres and Schindelin (2003).

Shares are smoothed for the PSI alone, ``(count + 1/2) / (rows + bins / 2)``, so that an empty bin
does not make it infinite. Between two samples of one distribution the PSI is about
``(1/n + 1/m)`` times a chi-square with bins - 1 degrees of freedom (B. Yurdakul, "Statistical
Properties of Population Stability Index", Western Michigan University, 2018). A PSI below the 99 %
quantile of that is chance, however large it looks: its verdict is stable.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

MODERATE_PSI = 0.1
"""From here on a distribution has moved."""

SHIFTED_PSI = 0.25
"""From here on it is another one, and what was learned from it should be learned again."""

_DECILES = tuple(share / 10 for share in range(1, 10))
_PSEUDO_COUNT = 0.5
_NORMAL_99 = 2.3263478740408408
_OTHER = "other"
_MISSING = "missing"


class DriftVerdict(StrEnum):
    """What a PSI amounts to."""

    STABLE = "stable"
    MODERATE = "moderate"
    SHIFTED = "shifted"


@dataclass(frozen=True, slots=True)
class Bins:
    """How values are sorted: numbers by ``edges``, or words by ``words``; then what is missing."""

    edges: tuple[float, ...] = ()
    words: tuple[str, ...] | None = None

    @classmethod
    def of(cls, training: pl.Series) -> Bins:
        """Return the bins that the values of training make; nulls are missing."""
        known = training.drop_nulls()
        if training.dtype == pl.String:
            return cls(words=tuple(known.unique().sort()))
        if known.is_empty():
            return cls()
        deciles = [float(known.quantile(share, "lower") or 0.0) for share in _DECILES]
        edges = set(deciles)
        edges |= {
            float(np.nextafter(edge, -np.inf))
            for edge, following in pairwise(deciles)
            if edge == following
        }
        return cls(edges=tuple(sorted(edges)))

    @property
    def labels(self) -> tuple[str, ...]:
        """A name for each bin, in the order of :meth:`count`."""
        if self.words is not None:
            return (*self.words, _OTHER, _MISSING)
        bounds = ("-inf", *(f"{edge:.6g}" for edge in self.edges), "inf")
        spans = (f"({low}, {high}]" for low, high in pairwise(bounds))
        return (*spans, _MISSING)

    def count(self, values: pl.Series) -> NDArray[np.int64]:
        """Count values by bin, ``(n_bins,)``; the last bin is for nulls."""
        known = values.drop_nulls()
        if self.words is not None:
            codes = {word: code for code, word in enumerate(self.words)}
            found = known.replace_strict(codes, default=len(codes), return_dtype=pl.Int64)
            positions = found.to_numpy()
        else:
            positions = np.searchsorted(self.edges, known.cast(pl.Float64).to_numpy(), side="left")
        counts = np.bincount(positions, minlength=len(self.labels)).astype(np.int64)
        counts[-1] = values.null_count()
        return counts


@dataclass(frozen=True, slots=True)
class Drift:
    """One feature's drift between ``rows_training`` and ``rows_now`` values.

    ``chance`` is the PSI that two samples of these sizes stay below 99 times in 100 although
    nothing moved.
    """

    psi: float
    js: float
    chance: float
    rows_training: int
    rows_now: int

    @property
    def verdict(self) -> DriftVerdict:
        """What it amounts to; see the module."""
        if self.psi < max(MODERATE_PSI, self.chance):
            return DriftVerdict.STABLE
        return DriftVerdict.MODERATE if self.psi < SHIFTED_PSI else DriftVerdict.SHIFTED


def measure_drift(training: Sequence[int], now: Sequence[int]) -> Drift | None:
    """Compare counts of the same bins; ``None`` where either side has no values at all."""
    counts = np.array([training, now], dtype=np.float64)
    rows_training, rows_now = (int(rows) for rows in counts.sum(axis=1))
    if not rows_training or not rows_now:
        return None
    counts = counts[:, counts.any(axis=0)]
    return Drift(
        psi=_psi(counts),
        js=_js_distance(counts),
        chance=_chance(counts.shape[1], rows_training, rows_now),
        rows_training=rows_training,
        rows_now=rows_now,
    )


def _psi(counts: NDArray[np.float64]) -> float:
    smoothed = counts + _PSEUDO_COUNT
    expected, actual = smoothed / smoothed.sum(axis=1, keepdims=True)
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def _js_distance(counts: NDArray[np.float64]) -> float:
    expected, actual = counts / counts.sum(axis=1, keepdims=True)
    divergence = _bits((expected + actual) / 2) - (_bits(expected) + _bits(actual)) / 2
    return math.sqrt(max(divergence, 0.0))


def _bits(shares: NDArray[np.float64]) -> float:
    positive = shares[shares > 0.0]
    return float(-np.sum(positive * np.log2(positive)))


def _chance(bins: int, rows_training: int, rows_now: int) -> float:
    """Return the 99 % quantile without drift; the chi-square's as Wilson and Hilferty (1931)."""
    freedom = bins - 1
    if not freedom:
        return 0.0
    spread = 2.0 / (9.0 * freedom)
    quantile = freedom * (1.0 - spread + _NORMAL_99 * math.sqrt(spread)) ** 3
    return quantile * (1.0 / rows_training + 1.0 / rows_now)
