"""What became of choices in the end: their resolutions and all corrections together."""

from __future__ import annotations

import polars as pl

from nba.domain.outcome import ResolutionKind

KEY = ("decision_id", "choice")
"""Columns that name a choice."""

_GOALS = ("goals", "missed")


def settled(resolutions: pl.LazyFrame) -> pl.LazyFrame:
    """Return the final ``label`` and ``reward`` of every choice that resolved.

    The label is that of the resolution or of the latest correction that has one: a goal's has none.
    The reward is the sum of all. Where a choice was censored it stays out, even where a correction
    came later, for only its successes would have one.
    """
    correction = pl.col("kind") == ResolutionKind.CORRECTION
    of_goal = correction & (pl.col("goals").list.len().fill_null(0) > 0)
    resolved = (~correction).any() & (pl.col("kind") != ResolutionKind.CENSORED).all()
    return (
        resolutions.sort(correction, "at", maintain_order=True)
        .group_by(KEY)
        .agg(pl.col("label").filter(~of_goal).last(), pl.col("reward").sum(), resolved=resolved)
        .filter("resolved")
        .drop("resolved")
    )


def settled_goals(resolutions: pl.LazyFrame) -> pl.LazyFrame:
    """Return the kinds of ``goals`` that every choice met in the end, and those it ``missed``.

    A goal that came after the resolution had waited for it in vain is met, and not missed.
    """
    kinds = [pl.col(name).explode().drop_nulls().unique(maintain_order=True) for name in _GOALS]
    found = resolutions.group_by(KEY).agg(kinds)
    return found.with_columns(pl.col("missed").list.set_difference("goals"))
