"""Every candidate of every logged choice, so that other policies can be asked what they would do.

The log keeps the features of the action chosen, not of those it was chosen from. But the features
of an action in a placement come from the catalog alone, so they are taken from the last time it was
chosen there. A candidate never chosen in a placement has none: no policy evaluated here takes it.
Crosses of customer and action are of the customer, and the log keeps them for every candidate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.domain.ids import NO_ACTION
from nba.errors import Fault, InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateTable:
    """All candidates of all choices, one after another; a choice's own lie together, in order.

    Attributes
    ----------
    choices
        The logged choices, (n_choices,) rows.
    options
        Distinct (action, placement) pairs ever chosen, with ``a_*``, ``value`` and ``cost``.
    choice
        (n,) the row of ``choices`` each candidate belongs to, ascending.
    action
        (n,) the number of its action among ``actions``.
    option
        (n,) its row of ``options``, or -1.
    logged
        (n_choices,) the position among candidates of the one that was chosen.
    start
        (n_choices + 1,) where each choice's candidates begin.
    actions
        Names of all actions, sorted.
    crosses
        (n,) the values of each cross by name, NaN where missing.

    """

    choices: pl.DataFrame
    options: pl.DataFrame
    choice: NDArray[np.intp]
    action: NDArray[np.intp]
    option: NDArray[np.intp]
    logged: NDArray[np.intp]
    start: NDArray[np.intp]
    actions: tuple[str, ...]
    crosses: Mapping[str, NDArray[np.float64]]

    def of_options(self, column: str) -> NDArray[np.float64]:
        """Return a number of its option for each candidate, (n,), NaN where it has none."""
        return np.append(self.options[column].to_numpy(), np.nan)[self.option]

    def totals(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum values of candidates (n,) by choice, (n_choices,)."""
        sums: NDArray[np.float64] = np.add.reduceat(values, self.start[:-1])
        return sums

    def uniform(self) -> NDArray[np.float64]:
        """Probabilities of a policy that takes any candidate alike, (n,)."""
        return 1.0 / np.diff(self.start)[self.choice]

    def constant(self, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
        """Probabilities of always taking an action, given for each choice (n_choices,), (n,).

        Where it is no candidate, ``no_action``; where that is none either, any candidate alike.
        """
        wanted = (self.action == chosen[self.choice]).astype(np.float64)
        nothing = np.zeros(len(wanted))
        if NO_ACTION in self.actions:
            nothing = (self.action == self.actions.index(NO_ACTION)).astype(np.float64)
        has_wanted = self.totals(wanted)[self.choice] > 0.0
        has_nothing = self.totals(nothing)[self.choice] > 0.0
        return np.where(has_wanted, wanted, np.where(has_nothing, nothing, self.uniform()))

    def always(self, name: str) -> NDArray[np.float64]:
        """Probabilities of always taking an action of the log, as :meth:`constant`, (n,)."""
        return self.constant(np.full(self.choices.height, self.actions.index(name)))

    def greedy(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of taking the highest score (n,), alike among equals; NaN is not taken."""
        known = np.where(np.isnan(scores), -np.inf, scores)
        best = np.maximum.reduceat(known, self.start[:-1])[self.choice]
        taken = ((known == best) & np.isfinite(known)).astype(np.float64)
        count = self.totals(taken)[self.choice]
        shared: NDArray[np.float64] = self.uniform()
        np.divide(taken, count, out=shared, where=count > 0.0)
        return shared


def list_candidates(choices: pl.DataFrame) -> CandidateTable:
    """List the candidates of resolved choices that are oldest first.

    Raises :class:`InputError` where a choice is not among its own candidates.
    """
    features = [name for name in choices.columns if name.startswith("a_")]
    pair = ["action", "placement"]
    options = choices.group_by(pair, maintain_order=True).agg(
        pl.col([*features, "value", "cost"]).last()
    )
    flat = (
        choices.select(
            pl.int_range(pl.len()).alias("choice"),
            pl.col("action").alias("taken"),
            "placement",
            pl.col("candidates").alias("action"),
        )
        .explode("action")
        .join(
            options.select(*pair, pl.int_range(pl.len()).alias("option")),
            on=pair,
            how="left",
            maintain_order="left",
        )
    )
    is_taken = (flat["action"] == flat["taken"]).fill_null(value=False).to_numpy()
    choice = flat["choice"].to_numpy().astype(np.intp)
    found = np.bincount(choice[is_taken], minlength=choices.height)
    if (found != 1).any():
        row = choices.row(int(np.argmax(found != 1)), named=True)
        place = f"decision {row['decision_id']} choice {row['choice']}"
        wrong = f"its action {row['action']!r} is not once among its candidates"
        raise InputError([Fault(place, wrong, "the log must list every candidate once")])
    names = flat["action"].unique().sort()
    codes = {name: code for code, name in enumerate(names)}
    action = flat["action"].replace_strict(codes, return_dtype=pl.Int64).to_numpy()
    sizes = np.bincount(choice, minlength=choices.height)
    return CandidateTable(
        choices=choices,
        options=options,
        choice=choice,
        action=action.astype(np.intp),
        option=flat["option"].cast(pl.Int64).fill_null(-1).to_numpy().astype(np.intp),
        logged=np.flatnonzero(is_taken),
        start=np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp),
        actions=tuple(names),
        crosses=_crosses(choices),
    )


def _crosses(choices: pl.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Return the logged crosses of all candidates; a choice logged without them has none."""
    unknown = pl.lit(None, pl.Float32).repeat_by(pl.col("candidates").list.len())
    return {
        name.removeprefix("x_"): choices.select(pl.col(name).fill_null(unknown).explode())
        .to_series()
        .cast(pl.Float64)
        .fill_null(np.nan)
        .to_numpy()
        for name in choices.columns
        if name.startswith("x_")
    }
