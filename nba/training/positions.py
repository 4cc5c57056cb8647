"""How often each rank of a placement is looked at, from the log: its effects of positions.

A choice comes to its outcome where its rank is looked at, with a chance that is the rank's, and
what stands there is wanted, with a chance that is the choice's (:mod:`nba.bandits.positions`). Who
likes an action best sees it first, so an action at rank 3 is mostly shown to others than at rank 1.
Choices are therefore held only against those of the same action that were about as likely to
succeed, had they stood first. That is what was recorded as propensity, divided by the effect that
was in force; the highest of those held against each other is a quarter above the lowest.

Intervals are by resampling customers, with everything estimated anew from each resample.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.bandits.ope.bootstrap import REPLICATES, spread
from nba.bandits.positions import examination
from nba.domain.catalog import Placement
from nba.domain.ids import NO_ACTION, PlacementId
from nba.errors import EvaluationRefusedError
from nba.ledger.log import SHADOW, DecisionLog, LogTable
from nba.measurement.settling import KEY
from nba.training.dataset import resolved_choices
from nba.training.fit import codes_of
from nba.training.progress import Progress, silent

LEAST_OUTCOMES = 30
"""Outcomes at a rank with which its effect is estimated."""

InForce = Callable[[str], Mapping[PlacementId, Placement]]
"""Says by a plan's version which placements it has; none where it is not known."""

_BAND = 1.25
_DECIMALS = 3


@dataclass(frozen=True, slots=True)
class RankEffect:
    """How often a rank is looked at, relative to the first, with a 95 % interval."""

    rank: int
    choices: int
    outcomes: int
    effect: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionEstimate:
    """What was found of one placement; ``left_out`` are ranks with too few outcomes."""

    placement: PlacementId
    customers: int
    ranks: tuple[RankEffect, ...]
    left_out: tuple[int, ...]

    @property
    def position_effects(self) -> tuple[float, ...]:
        """What a placement may be given: three decimals, none of them 0 or above 1."""
        least = 10.0**-_DECIMALS
        return tuple(min(max(round(one.effect, _DECIMALS), least), 1.0) for one in self.ranks)


class _Entries(NamedTuple):
    """What is counted: each choice in a cell of its rank and item, each outcome in one beside.

    ``customers`` and ``cells`` are ``(m,)``; a table of counts is ``(2, ranks, items)``, choices
    first, in C order.
    """

    customers: NDArray[np.int64]
    cells: NDArray[np.int64]
    shape: tuple[int, int, int]


def shown_choices(
    log: DecisionLog, *, now: datetime, in_force: InForce, outcome: str | None = None
) -> pl.DataFrame:
    """Return what was shown and whether its outcome came, one row a choice, oldest first.

    Columns are ``customer_id``, ``placement``, ``rank``, ``action``, ``label``, 0 or 1, and
    ``first``, the propensity the choice had at the first rank. The label is that of the action's
    own desired outcome, or says whether there was an outcome of the kind ``outcome``. Only choices
    count whose time for it is over, and that this system made: what resolved early because it
    succeeded would otherwise be counted before what did not.
    """
    is_shown = (pl.col("action") != NO_ACTION) & (pl.col("source") != SHADOW)
    over = pl.col("horizon_at").is_null() | (pl.col("horizon_at") <= now)
    rows = resolved_choices(log).filter(is_shown & over)
    if outcome is None:
        label = pl.col("label") > 0.0
    else:
        reported = (
            log.scan(LogTable.OUTCOMES)
            .filter(pl.col("kind") == outcome)
            .select(*KEY, reported_at="at")
            .group_by(KEY)
            .agg(pl.col("reported_at").min())
            .collect()
        )
        rows = rows.join(reported, on=KEY, how="left", maintain_order="left")
        late = pl.col("reported_at") > pl.col("horizon_at")
        label = pl.col("reported_at").is_not_null() & ~late.fill_null(value=False)
    kinds = rows.select("plan_version", "placement", "rank").unique()
    effects = [_effect(in_force(version), *at) for version, *at in kinds.iter_rows()]
    return (
        rows.join(
            kinds.with_columns(pl.Series("effect", effects, pl.Float64)),
            on=["plan_version", "placement", "rank"],
            maintain_order="left",
        )
        .with_columns(
            label.cast(pl.Int8).alias("label"),
            (pl.col("propensity") / pl.col("effect")).alias("first"),
        )
        .select("customer_id", "placement", "rank", "action", "label", "first")
    )


def estimate_effects(
    rows: pl.DataFrame,
    placement: PlacementId,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    progress: Progress = silent,
) -> PositionEstimate:
    """Estimate the effects of a placement's ranks from :func:`shown_choices`.

    Ranks are estimated down to the first that has fewer than :data:`LEAST_OUTCOMES` outcomes.

    Raises :class:`EvaluationRefusedError` where that leaves none but the first, or nothing that
    was shown at several ranks links them to it.
    """
    here = rows.filter(pl.col("placement") == placement)
    by_rank = here.group_by("rank").agg(pl.len(), pl.col("label").sum()).sort("rank")
    known = {rank: (choices, outcomes) for rank, choices, outcomes in by_rank.iter_rows()}
    deepest = _deepest(placement, known)
    kept = here.filter(pl.col("rank") <= deepest)
    entries = _entries(kept, deepest)
    counts = np.bincount(entries.cells, minlength=math.prod(entries.shape)).astype(np.float64)
    try:
        effects = examination(*counts.reshape(entries.shape))
    except EvaluationRefusedError as error:
        raise EvaluationRefusedError(
            f"ranks of {placement} cannot be compared: no action was shown at several of them to "
            "customers for whom it is about as good. More exploration would do, such as a policy "
            "of kind `exploration` with a floor"
        ) from error
    drawn = _resampled(entries, replicates, seed, progress)
    intervals = [spread(drawn[:, place])[1:] for place in range(deepest)]
    return PositionEstimate(
        placement=placement,
        customers=kept["customer_id"].n_unique(),
        ranks=tuple(
            RankEffect(rank, *known[rank], float(effect), *interval)
            for rank, effect, interval in zip(known, effects, intervals, strict=False)
        ),
        left_out=tuple(rank for rank in known if rank > deepest),
    )


def _effect(placements: Mapping[PlacementId, Placement], placement: str, rank: int) -> float:
    known = placements.get(PlacementId(placement))
    return 1.0 if known is None else known.effect_at(rank)


def _deepest(placement: str, known: Mapping[int, tuple[int, int]]) -> int:
    """Return the last rank down to which all have outcomes enough."""
    deepest = 0
    while known.get(deepest + 1, (0, 0))[1] >= LEAST_OUTCOMES:
        deepest += 1
    if deepest >= 2:  # noqa: PLR2004 - two are what can be compared
        return deepest
    choices, outcomes = known.get(deepest + 1, (0, 0))
    more = f"at least {LEAST_OUTCOMES} are needed"
    if outcomes:
        more += f", as come of about {round(LEAST_OUTCOMES / outcomes * choices):,} choices"
    raise EvaluationRefusedError(
        f"rank {deepest + 1} of {placement} has {choices:,} resolved choices and {outcomes:,} "
        f"outcomes; {more}"
    )


def _entries(rows: pl.DataFrame, ranks: int) -> _Entries:
    """Return choices and outcomes by cell; an item is an action at about one propensity."""
    band = pl.col("first").log(_BAND).floor().cast(pl.String).fill_null("")
    items = codes_of(rows.select(pl.concat_str("action", band, separator=" ")).to_series())
    width = int(items.max()) + 1
    cells = (rows["rank"].to_numpy().astype(np.int64) - 1) * width + items
    came = rows["label"].to_numpy() > 0
    customers = codes_of(rows["customer_id"])
    return _Entries(
        np.concatenate([customers, customers[came]]),
        np.concatenate([cells, ranks * width + cells[came]]),
        (2, ranks, width),
    )


def _resampled(
    entries: _Entries, replicates: int, seed: int, progress: Progress
) -> NDArray[np.float64]:
    """Return the effects in each resample of the customers, ``(replicates, ranks)``.

    NaN where nothing came of the first rank, or ranks are not linked.
    """
    customers, cells, shape = entries
    rng = np.random.default_rng(seed)
    n = int(customers.max()) + 1
    effects = np.full((replicates, shape[1]), np.nan)
    for number in range(replicates):
        progress("resampling customers", number / replicates)
        # Tables are too wide to be summed by customer first, as estimators' terms are.
        drawn = np.bincount(rng.integers(n, size=n), minlength=n)
        counts = np.bincount(cells, weights=drawn[customers], minlength=math.prod(shape))
        with suppress(EvaluationRefusedError):
            effects[number] = examination(*counts.reshape(shape))
    progress("done", 1.0)
    return effects
