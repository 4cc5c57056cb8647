"""Learning curves with intervals, as a picture."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import RESULTS

NAME = "learning-curves.svg"
POINTS = 25
ROWS = {
    "hybrid (default)": "#0b6e4f",
    "online logistic": "#56a3a6",
    "mabwiser_linucb": "#e08e45",
    "vw_squarecb_tuned": "#9b2226",
    "gittins": "#7d7d7d",
}
_Z = 1.96
_STYLE = {
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "svg.fonttype": "none",
    "svg.hashsalt": "learning curves",
    "xtick.minor.bottom": False,
}
_DECIMALS = re.compile(r"(\d\.\d)\d+")


def draw(by_table: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> None:
    """Draw the mean loss up to every round, and its 95 % interval over orders."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    plt.rcParams.update(_STYLE)
    figure, axes = plt.subplots(2, 3, figsize=(9, 5.2), layout="constrained")
    for axis, (table, losses) in zip(axes.flat, by_table.items(), strict=False):
        for name, colour in ROWS.items():
            rounds, mean, half = _curve(losses[name])
            axis.plot(rounds, mean, color=colour, label=name, linewidth=1.4)
            axis.fill_between(rounds, mean - half, mean + half, color=colour, alpha=0.2, lw=0)
        axis.set_title(table)
        axis.set_xscale("log")
        axis.set_ylim(0.0, 1.0)
    for axis in axes[-1]:
        axis.set_xlabel("rounds")
    for axis in axes[:, 0]:
        axis.set_ylabel("mean loss so far")
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    RESULTS.mkdir(exist_ok=True)
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    (RESULTS / NAME).write_text(smaller(text.getvalue()), encoding="utf-8")


def smaller(svg: str) -> str:
    """Return a picture whose coordinates have one decimal and whose lines are not indented."""
    head, body = svg.split("<g id=", maxsplit=1)
    lines = (head + "<g id=" + _DECIMALS.sub(r"\1", body)).splitlines()
    return "\n".join(line.strip() for line in lines) + "\n"


def _curve(
    losses: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return rounds, mean loss so far and the half-width of its interval, ``(points,)`` each."""
    orders, rounds = losses.shape
    shown = np.unique(np.geomspace(10, rounds, POINTS).astype(np.int64))
    so_far = (losses.cumsum(axis=1) / np.arange(1, rounds + 1))[:, shown - 1]
    spread = so_far.std(axis=0, ddof=1) if orders > 1 else np.zeros(len(shown))
    return shown, so_far.mean(axis=0), _Z * spread / np.sqrt(orders)
