"""Features added after the fact: what older decisions would have had, point in time.

A decision made before a feature was declared has no value of it in the log. Everything the feature
looks at may be there all the same, so its value is computed as of the decision's own time. Where
the log does not have all of a customer's past, and for decisions that were imported, the value
stays missing; and what only the request could tell cannot be filled at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.features import ContextFeature, FeatureSet
from nba.features.aggregates import DECISION, INTERACTION_EVENT_PREFIX, InteractionFeature
from nba.features.offline import PREFIX, asked_by, point_in_time
from nba.ledger.log import DecisionLog, LogTable
from nba.measurement.logged_past import Lack, LoggedPast

IMPORTED = "import"
"""Source of decisions that nothing but a table is known of."""


def fill_missing_features(
    rows: pl.DataFrame, log: DecisionLog, features: FeatureSet, names: Iterable[str]
) -> tuple[pl.DataFrame, Mapping[str, int]]:
    """Return rows of ``decisions`` with the features they lack, and how many values were filled.

    A feature is lacking where a plan version has not one value of it. ``features`` are those
    declared now; of ``names``, those it does not compute are passed over.
    """
    lacking = _lacking(rows, features, names)
    filled = dict.fromkeys(lacking, 0)
    some = np.logical_or.reduce([*lacking.values(), np.zeros(rows.height, dtype=np.bool_)])
    wanted = rows.with_row_index("_row").filter(pl.Series(some))
    for (source,), decisions in wanted.group_by("source", maintain_order=True):
        if source == IMPORTED:
            continue
        computed = _computed(decisions, log, features, str(source))
        for name, mask in lacking.items():
            rows, count = _filled(rows, computed, PREFIX + name, mask)
            filled[name] += count
    return rows, {name: count for name, count in filled.items() if count}


def _lacking(
    rows: pl.DataFrame, features: FeatureSet, names: Iterable[str]
) -> dict[str, NDArray[np.bool_]]:
    """Return for each feature that is lacking anywhere, in which rows."""
    context = {item.name for item in features.definitions if isinstance(item, ContextFeature)}
    fillable = set(features.names) - features.hidden - context
    digest = pl.col("plan_version").str.split(".").list.first()
    found = {}
    for name in names:
        if name not in fillable:
            continue
        column = PREFIX + name
        mask = np.ones(rows.height, dtype=np.bool_)
        if column in rows.columns:
            none = rows.select(pl.col(column).is_null().all().over(digest)).to_series()
            mask = none.to_numpy()
        if mask.any():
            found[name] = mask
    return found


def _computed(
    decisions: pl.DataFrame, log: DecisionLog, features: FeatureSet, source: str
) -> pl.DataFrame:
    """Return the features of the decisions whose customers' past the log has, with ``_row``."""
    past = LoggedPast.of(log, decisions["customer_id"], source=source)
    known = past.judged(decisions)
    known = known.filter(pl.col("_lack").is_null() | (pl.col("_lack") != Lack.INCOMPLETE.value))
    told = asked_by(features, known)
    events = pl.concat([past.events, _reported(log, past, features)], how="diagonal_relaxed")
    answered = point_in_time(features, events, told, past.updates, past.decisions)
    return answered.with_columns(known["_row"])


def _filled(
    rows: pl.DataFrame, computed: pl.DataFrame, column: str, mask: NDArray[np.bool_]
) -> tuple[pl.DataFrame, int]:
    new = computed.filter(pl.Series(mask[computed["_row"].to_numpy()])).select(
        "_row", pl.col(column).alias("_new")
    )
    if column not in rows.columns:
        rows = rows.with_columns(pl.lit(None, new.schema["_new"]).alias(column))
    joined = rows.with_row_index("_row").join(new, on="_row", how="left", maintain_order="left")
    kept = joined.with_columns(pl.coalesce(column, "_new").alias(column)).drop("_row", "_new")
    return kept, new["_new"].len() - new["_new"].null_count()


def _reported(log: DecisionLog, past: LoggedPast, features: FeatureSet) -> pl.DataFrame:
    """Return outcomes as the events they would have been, had an interaction counted them then."""
    kinds: Sequence[str] = [
        item.of
        for item in features.definitions
        if isinstance(item, InteractionFeature) and item.of != DECISION
    ]
    customers = past.decisions.lazy().select("customer_id").unique()
    decided = log.scan(LogTable.DECISIONS).join(customers, on="customer_id", how="semi")
    outcomes = log.scan(LogTable.OUTCOMES).filter(pl.col("kind").is_in(kinds))
    place = ("decision_id", "choice", "customer_id", "action", "placement", "channel")
    found = outcomes.join(decided.select(place), on=["decision_id", "choice"], how="inner")
    rows = found.select(
        "customer_id",
        (pl.lit(INTERACTION_EVENT_PREFIX) + pl.col("kind")).alias("name"),
        pl.col("outcome_id").alias("message_id"),
        "at",
        "received_at",
        pl.struct("action", "placement", "channel").alias("said"),
    ).collect()
    properties = [msgspec.json.encode(said).decode() for said in rows["said"]]
    events = rows.drop("said").with_columns(properties=pl.Series(properties, dtype=pl.String))
    return events.join(past.events, on=["customer_id", "name", "message_id"], how="anti")
