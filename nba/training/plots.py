"""Plots of a fitted model on its evaluation period, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nba.training.fit import FittedModel
from nba.training.metrics import reliability

_INK = "#1f4e79"
_PALE = "#b8b8b8"
_MOST_INPUTS = 20


def write_plots(fitted: FittedModel, folder: Path) -> tuple[Path, ...]:
    """Draw reliability, cumulative gain and feature importance into a folder."""
    figures = {
        "reliability.png": _reliability(fitted),
        "cumulative_gain.png": _cumulative_gain(fitted),
        "feature_importance.png": _importance(fitted.importance),
    }
    paths = []
    for name, figure in figures.items():
        path = folder / name
        figure.savefig(path, dpi=110)
        paths.append(path)
    return tuple(paths)


def _axes(title: str, x: str, y: str) -> tuple[Any, Any]:
    # A figure of its own needs no display, no global state, and nothing to close afterwards.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _reliability(fitted: FittedModel) -> Any:
    figure, axes = _axes("Reliability", "predicted probability", "observed rate")
    bins = reliability(fitted.labels, fitted.probabilities)
    predicted = np.array([entry.mean_prediction for entry in bins])
    observed = np.array([entry.observed_rate for entry in bins])
    rows = np.array([entry.rows for entry in bins])
    half = 1.96 * np.sqrt(observed * (1.0 - observed) / rows)
    top = 1.05 * max(predicted.max(), (observed + half).max())
    axes.plot([0.0, top], [0.0, top], color=_PALE, linestyle="--", label="perfect")
    axes.errorbar(predicted, observed, yerr=half, color=_INK, marker="o", label="tenths of rows")
    axes.set_xlim(0.0, top)
    axes.set_ylim(0.0, top)
    axes.legend(frameon=False)
    return figure


def _cumulative_gain(fitted: FittedModel) -> Any:
    figure, axes = _axes("Cumulative gain", "share of rows, best first", "share of outcomes found")
    order = np.argsort(-fitted.probabilities, kind="stable")
    found = np.concatenate([[0.0], np.cumsum(fitted.labels[order])]) / fitted.labels.sum()
    share = np.linspace(0.0, 1.0, len(found))
    axes.plot([0.0, 1.0], [0.0, 1.0], color=_PALE, linestyle="--", label="at random")
    axes.plot(share, found, color=_INK, label="by propensity")
    axes.legend(frameon=False, loc="lower right")
    return figure


def _importance(importance: Mapping[str, float]) -> Any:
    figure, axes = _axes("Feature importance", "share of total gain", "")
    total = sum(importance.values()) or 1.0
    ranked = sorted(importance.items(), key=lambda item: item[1])[-_MOST_INPUTS:]
    axes.barh([name for name, _ in ranked], [gain / total for _, gain in ranked], color=_INK)
    return figure
