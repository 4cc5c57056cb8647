"""Whether logged choices may be evaluated at all, and what must be said of them beside any figure.

Whether they carry a particular policy is the diagnostics' to say (:mod:`nba.bandits.ope`).
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.bandits.ope import LoggedData, calibrate
from nba.errors import EvaluationRefusedError, Fault, InputError
from nba.training.candidates import CandidateTable

_TOLERANCE = 1e-3
"""The log keeps the probabilities of all candidates as float32."""

_LARGEST_SHARE = 0.1
_FEW = 10

_ENOUGH = 100
"""Times an action was chosen, below which a sum of 1 / p is too skewed to be called off."""


def refuse_unreadable(chosen: pl.DataFrame) -> None:
    """Raise :class:`InputError` where a choice has no customer, or no number as value or cost."""
    wrong = {
        "customer_id": pl.col("customer_id").is_null(),
        "value": ~pl.col("value").is_finite().fill_null(value=False),
        "cost": ~pl.col("cost").is_finite().fill_null(value=False),
    }
    faults = []
    for name, is_wrong in wrong.items():
        bad = chosen.filter(is_wrong)
        if bad.height:
            place = f"decision {bad['decision_id'][0]} choice {bad['choice'][0]}"
            found = f"{name} is {bad[name][0]}, as in {bad.height:,} of {chosen.height:,} choices"
            expected = "an id" if name == "customer_id" else "a finite number"
            faults.append(Fault(place, found, f"{expected} is expected"))
    if faults:
        raise InputError(faults)


def refuse_draws(table: CandidateTable) -> None:
    """Raise where choices' probabilities, as far as they are known, are not those of one draw.

    They are as many as candidates, 0 or more, sum to 1, and hold the logged one at its place;
    :class:`EvaluationRefusedError` says of how many choices one of that is not so.
    """
    chosen = table.choices
    lengths = chosen["probabilities"].list.len()
    is_known = lengths.is_not_null().to_numpy()
    count = lengths.fill_null(0).to_numpy().astype(np.int64)
    bad = is_known & (count != np.diff(table.start))
    _refuse_draw(chosen, bad, count, "are not as many as candidates", "are {:.0f}")
    known = np.full(len(table.choice), np.nan)
    known[is_known[table.choice]] = chosen["probabilities"].drop_nulls().explode().to_numpy()
    lowest = np.fmin.reduceat(known, table.start[:-1])
    _refuse_draw(chosen, lowest < 0.0, lowest, "are not all 0 or more", "go to {:.3f}")
    sums = table.totals(known)
    _refuse_draw(chosen, np.abs(sums - 1.0) > _TOLERANCE, sums, "do not sum to 1", "to {:.3f}")
    own, logged = known[table.logged], chosen["probability"].to_numpy()
    # One that is no probability at all is refused, and named as such, by LoggedData.
    off = (logged > 0.0) & (logged <= 1.0) & (np.abs(own - logged) > _TOLERANCE)
    _refuse_draw(chosen, off, own, "hold another than the one logged", "hold {:.3f}")


def _refuse_draw(
    chosen: pl.DataFrame,
    bad: NDArray[np.bool_],
    found: NDArray[np.float64] | NDArray[np.int64],
    what: str,
    form: str,
) -> None:
    if not bad.any():
        return
    first = int(bad.argmax())
    told = form.format(found[first])
    raise EvaluationRefusedError(
        f"the action probabilities of {int(bad.sum()):,} of {chosen.height:,} choices {what}, "
        f"those of decision {chosen['decision_id'][first]} {told}: they are not those of a draw. "
        "Log the probability of every candidate left, or only that of the action taken"
    )


def miscalibrated(table: CandidateTable, data: LoggedData) -> list[str]:
    """Name the actions that were chosen more or less often than their probabilities say."""
    shape = (len(data), len(table.actions))
    possible = np.zeros(shape, dtype=bool)
    possible[table.choice, table.action] = True
    return [
        f"{table.actions[one.action]} was chosen {one.rows:,} times, {abs(one.z):.1f} standard "
        f"errors from what its logged probabilities say: they are not those it was drawn with"
        for one in calibrate(data, n_actions=shape[1], possible=possible)
        if one.is_off and one.rows >= _ENOUGH
    ]


def lopsided(chosen: pl.DataFrame, rewards: NDArray[np.float64]) -> list[str]:
    """Say where all rewards are alike, few are anything, or one is much of all there is."""
    if rewards.min() == rewards.max():
        alike = (
            f"all {len(rewards):,} choices brought {rewards[0]:g}: nothing tells policies apart, "
            "and intervals have no width for want of outcomes, not of doubt"
        )
        return [alike]
    count = int(np.count_nonzero(rewards))
    if count < _FEW:
        few = (
            f"only {count} of {len(rewards):,} choices brought anything: every figure rests on them"
        )
        return [few]
    sizes = np.abs(rewards)
    largest = int(sizes.argmax())
    share = float(sizes[largest] / sizes.sum())
    alone = (
        f"decision {chosen['decision_id'][largest]} alone brought {rewards[largest]:g}, "
        f"{share:.0%} of all reward: every figure rests on it; see whether it is right, or cap "
        "rewards"
    )
    return [alone] if share > _LARGEST_SHARE else []
