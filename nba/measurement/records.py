"""Everything the log holds of one customer, in clear: for that customer, and nobody else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import polars as pl

from nba.ledger.log import DecisionLog, LogTable

_FORMAT = "%Y-%m-%dT%H:%M:%S%.3fZ"
_OF_DECISION = ("decision_id", "at", "plan_version", "source", "holdout", "fallback")
_OF_CHOICE = (
    *("choice", "placement", "channel", "rank", "action", "content", "horizon_at"),
    *("propensity", "value", "cost", "score", "probability", "candidates", "probabilities"),
    "content_probability",
    *("shadow_action", "shadow_probability", "would_have_been_dropped"),
)
_FEATURE_PREFIX = "f_"
_CANDIDATE_PREFIXES = ("a_", "x_")


@dataclass(slots=True)
class CustomerData:
    """Records of one customer, fit for JSON; each list in the order in which they came."""

    decisions: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    resolutions: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)


def logged_data(log: DecisionLog, customer_id: str) -> CustomerData:
    """Return what the log holds of a customer, sealed values opened."""
    decisions = _decisions(log, customer_id)
    ids = [decision["decision_id"] for decision in decisions]
    theirs = pl.col("decision_id").is_in(ids)
    return CustomerData(
        decisions,
        _rows(log, LogTable.OUTCOMES, theirs, "received_at"),
        _rows(log, LogTable.RESOLUTIONS, theirs, "at"),
        [
            _opened(log, customer_id, row, "properties")
            for row in _rows(
                log, LogTable.EVENTS, pl.col("customer_id") == customer_id, "received_at"
            )
        ],
        [_opened(log, customer_id, row, "attributes") for row in logged_updates(log, customer_id)],
    )


def logged_updates(log: DecisionLog, customer_id: str) -> list[dict[str, Any]]:
    """Return a customer's profile updates; sensitive attributes are still sealed."""
    theirs = pl.col("customer_id") == customer_id
    rows = _rows(log, LogTable.UPDATES, theirs, "received_at", "version")
    for row in rows:
        row["attributes"] = msgspec.json.decode(row["attributes"])
        row["consents"] = msgspec.json.decode(row["consents"])
        row["audiences"] = msgspec.json.decode(row["audiences"] or "{}")
    return rows


def _decisions(log: DecisionLog, customer_id: str) -> list[dict[str, Any]]:
    rows = (
        log.scan(LogTable.DECISIONS)
        .filter(pl.col("customer_id") == customer_id)
        .sort("at", "decision_id", "choice")
        .collect()
    )
    opened = _as_text(log.sealer.open_columns(rows) if rows.height else rows)
    found: dict[str, dict[str, Any]] = {}
    for row in opened.iter_rows(named=True):
        decision = found.setdefault(
            row["decision_id"],
            {
                **{name: row[name] for name in _OF_DECISION},
                "features": _named(row, (_FEATURE_PREFIX,)),
                "choices": [],
            },
        )
        choice = {name: row[name] for name in _OF_CHOICE}
        decision["choices"].append({**choice, "features": _named(row, _CANDIDATE_PREFIXES)})
    return list(found.values())


def _named(row: dict[str, Any], prefixes: tuple[str, ...]) -> dict[str, Any]:
    length = len(_FEATURE_PREFIX)
    return {
        name[length:]: value
        for name, value in row.items()
        if name.startswith(prefixes) and value is not None
    }


def _rows(log: DecisionLog, table: LogTable, theirs: pl.Expr, *by: str) -> list[dict[str, Any]]:
    frame = log.scan(table).filter(theirs).sort(*by, maintain_order=True).collect()
    return _as_text(frame).to_dicts()


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Return times as RFC 3339."""
    return frame.with_columns(pl.selectors.datetime().dt.strftime(_FORMAT))


def _opened(log: DecisionLog, customer_id: str, row: dict[str, Any], part: str) -> dict[str, Any]:
    values = row[part] if isinstance(row[part], dict) else msgspec.json.decode(row[part])
    return {**row, part: log.sealer.open_named(customer_id, values)}
