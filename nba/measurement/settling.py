"""What became of choices in the end: their resolutions and all corrections together."""

from __future__ import annotations

import polars as pl

from nba.domain.outcome import ResolutionKind

KEY = ("decision_id", "choice")
"""Columns that name a choice."""


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
