"""One customer's timeline from the log: decisions, outcomes, resolutions and events."""

from __future__ import annotations

from typing import Any

import msgspec
import polars as pl

from nba.ledger.log import DecisionLog, LogTable
from nba.ledger.sealing import hide_sealed

_AT = pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").alias("at")
_CHOICE = ("placement", "rank", "action", "content", "propensity", "score", "content_probability")
_SHADOW = "shadow_action"
"""Said of what another system took: what would have been chosen."""


def logged_timeline(log: DecisionLog, customer_id: str) -> list[dict[str, Any]]:
    """Return what the log holds of a customer, in no particular order."""
    mine = pl.col("customer_id") == customer_id
    choices = (
        log.scan(LogTable.DECISIONS)
        .filter(mine)
        .select("decision_id", "choice", _AT, *_CHOICE, _SHADOW)
        .sort("decision_id", "choice")
        .collect()
    )
    timeline = [_decision(group) for group in choices.partition_by("decision_id")]
    ours = pl.col("decision_id").is_in(choices["decision_id"].unique().to_list())
    outcomes = (
        log.scan(LogTable.OUTCOMES)
        .filter(ours)
        .select(
            pl.lit("outcome").alias("type"),
            pl.col("outcome_id").alias("id"),
            _AT,
            "decision_id",
            "kind",
            "value",
        )
    )
    resolutions = (
        log.scan(LogTable.RESOLUTIONS)
        .filter(ours)
        .select(
            pl.lit("resolution").alias("type"),
            pl.concat_str(
                "decision_id",
                "choice",
                "kind",
                pl.col("outcome_id").fill_null(""),
                separator=":",
            ).alias("id"),
            _AT,
            "decision_id",
            "kind",
            "reward",
        )
    )
    timeline += outcomes.collect().to_dicts() + resolutions.collect().to_dicts()
    events = log.scan(LogTable.EVENTS).filter(mine)
    for event in events.select("message_id", _AT, "name", "properties").collect().to_dicts():
        properties = hide_sealed(msgspec.json.decode(event.pop("properties")))
        identifier = event.pop("message_id")
        timeline.append({"type": "event", "id": identifier, **event, "properties": properties})
    return timeline


def _decision(choices: pl.DataFrame) -> dict[str, Any]:
    first = choices.row(0, named=True)
    return {
        "type": "decision",
        "id": first["decision_id"],
        "at": first["at"],
        "choices": [
            {name: value for name, value in choice.items() if name != _SHADOW or value is not None}
            for choice in choices.select(*_CHOICE, _SHADOW).to_dicts()
        ],
    }
