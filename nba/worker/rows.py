"""Ledger entries as rows of the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.decision.answer import said_choices
from nba.decision.plan import PlacementPlan, Plan
from nba.decision.recording import is_shadow, named_features, recorded_features
from nba.domain.customer import EventEntry, UpdateEntry
from nba.domain.decision import DecisionRequest
from nba.features.sensitivity import is_sensitive, sensitive_names
from nba.ledger.delta import moment
from nba.ledger.log import SCHEMAS, SHADOW, LogTable
from nba.ledger.records import DecisionRecord, Draw, OutcomeEntry, ResolutionEntry
from nba.ledger.sealing import SEALED_COLUMN, Sealer

SITUATION_PREFIX = "f_"
CANDIDATE_PREFIX = "a_"
CROSS_PREFIX = "x_"
"""Of every candidate left, in the order of ``candidates``: the values of a cross."""

_PREFIXES = (SITUATION_PREFIX, CANDIDATE_PREFIX, CROSS_PREFIX)
_PREFIX_LENGTH = 2


def decision_rows(record: DecisionRecord, plan: Plan, *, source: str) -> list[dict[str, Any]]:
    """Return one row for each choice of a decision, with the features it used."""
    answer = msgspec.json.decode(record.answer)
    request = msgspec.msgpack.decode(record.request, type=DecisionRequest)
    row = recorded_features(record)
    named = named_features(plan.features, row)
    features = {
        SITUATION_PREFIX + name: value
        for name, value in named.items()
        if name not in plan.features.hidden
    }
    beside = is_shadow(record)
    choices = zip(said_choices(record.answer), record.draws, strict=True)
    return [
        {
            **_choice_row(record, plan, choice, draw, row),
            **(_shadow_row(choice, draw) if beside else {}),
            "choice": position,
            "holdout": answer["holdout"],
            "fallback": answer["fallback"],
            "source": SHADOW if beside else source,
            "given": sorted(request.attributes),
            **features,
        }
        for position, (choice, draw) in enumerate(choices)
    ]


def _choice_row(
    record: DecisionRecord,
    plan: Plan,
    choice: Mapping[str, Any],
    draw: Draw,
    features: NDArray[np.float32],
) -> dict[str, Any]:
    slot = plan.placements[choice["placement"]]
    row = slot.action_ids.index(choice["action"])
    kept = np.frombuffer(draw.kept, dtype="<u2").tolist()
    return {
        "decision_id": record.decision_id,
        "customer_id": record.customer_id,
        "at": moment(record.at_ms),
        "horizon_at": moment(record.at_ms + slot.horizons_ms[row]),
        "placement": slot.placement.id,
        "channel": slot.placement.channel,
        "rank": choice["rank"],
        "action": choice["action"],
        "content": choice["content"],
        "propensity": choice["propensity"],
        "value": choice["value"],
        "cost": float(slot.costs[row]),
        "score": choice["score"],
        "probability": choice["probability"],
        "content_probability": choice.get("content_probability"),
        "candidates": [slot.action_ids[other] for other in kept],
        "probabilities": np.frombuffer(draw.probabilities, dtype="<f4").tolist(),
        "plan_version": record.plan_version,
        **_candidate_features(slot, row, features),
        **{
            CROSS_PREFIX + name: _gathered(features, gather[kept])
            for name, gather in slot.table.crosses.items()
        },
    }


def _shadow_row(taken: Mapping[str, Any], draw: Draw) -> dict[str, Any]:
    """Return what a row says differently of what another system took."""
    return {
        "probabilities": None,
        "shadow_action": taken["shadow_action"],
        "shadow_probability": taken["shadow_probability"],
        "shadow_probabilities": np.frombuffer(draw.probabilities, dtype="<f4").tolist(),
        "would_have_been_dropped": taken["would_have_been_dropped"],
    }


def _gathered(features: NDArray[np.float32], gather: NDArray[np.intp]) -> list[float | None]:
    values = np.where(gather >= 0, features[gather], np.nan).tolist()
    return [None if np.isnan(value) else value for value in values]


def _candidate_features(
    slot: PlacementPlan, row: int, features: NDArray[np.float32]
) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for name, value in slot.table.values(row, features).items():
        if np.isnan(value):
            named[CANDIDATE_PREFIX + name] = None
        elif name in slot.table.categories:
            named[CANDIDATE_PREFIX + name] = slot.table.categories[name][int(value)]
        else:
            named[CANDIDATE_PREFIX + name] = value
    return named


def sealed_features(
    row: Mapping[str, Any], names: frozenset[str], sealer: Sealer
) -> dict[str, Any]:
    """Return a row of ``decisions`` with the features among ``names`` in sealed columns."""
    sealed: dict[str, Any] = {}
    for column, value in row.items():
        if not _is_sensitive(column, names):
            sealed[column] = value
        elif value is None:
            sealed[SEALED_COLUMN + column] = None
        else:
            sealed[SEALED_COLUMN + column] = sealer.seal(row["customer_id"], column, value)
    return sealed


def _is_sensitive(column: str, names: frozenset[str]) -> bool:
    return column.startswith(_PREFIXES) and is_sensitive(column[_PREFIX_LENGTH:], names)


def feature_schema(plan: Plan) -> dict[str, pl.DataType]:
    """Return the types of a plan's feature columns, the sensitive ones sealed."""
    features, names = plan.features, sensitive_names(plan.features)
    table = next(iter(plan.placements.values())).table
    columns: dict[str, pl.DataType] = {
        SITUATION_PREFIX + name: _type(name in features.categories)
        for name in features.names
        if name not in features.hidden
    }
    columns |= {
        CANDIDATE_PREFIX + name: _type(name in table.categories)
        for name in (*table.names, *table.crosses)
    }
    columns |= {CROSS_PREFIX + name: pl.List(pl.Float32()) for name in table.crosses}
    typed: dict[str, pl.DataType] = {}
    for column, kind in columns.items():
        if _is_sensitive(column, names):
            typed[SEALED_COLUMN + column] = pl.String()
        else:
            typed[column] = kind
    return typed


def _type(categorical: bool) -> pl.DataType:  # noqa: FBT001  # a private helper of one meaning
    return pl.String() if categorical else pl.Float32()


def outcome_row(entry: OutcomeEntry) -> dict[str, Any]:
    """Return the row of an outcome."""
    return {
        "outcome_id": entry.outcome_id,
        "decision_id": entry.decision_id,
        "choice": entry.choice,
        "kind": entry.kind,
        "at": moment(entry.at_ms),
        "received_at": moment(entry.received_at_ms),
        "value": entry.value,
    }


def resolution_row(entry: ResolutionEntry, partition: int, position: int) -> dict[str, Any]:
    """Return the row of a resolution or correction that stands at a position of the ledger."""
    return {
        "partition": partition,
        "position": position,
        "decision_id": entry.decision_id,
        "choice": entry.choice,
        "action": entry.action,
        "kind": entry.kind,
        "label": entry.label,
        "reward": entry.reward,
        "at": moment(entry.at_ms),
        "outcome_id": entry.outcome_id,
        "goals": list(entry.goals),
        "missed": list(entry.missed),
        "amount": entry.amount,
    }


def event_row(event: EventEntry) -> dict[str, Any]:
    """Return the row of an event."""
    return {
        "customer_id": event.customer_id,
        "name": event.name,
        "message_id": event.message_id,
        "at": moment(event.at_ms),
        "received_at": moment(event.received_at_ms),
        "properties": msgspec.json.encode(event.properties).decode(),
        "version": event.version,
    }


def update_row(update: UpdateEntry) -> dict[str, Any]:
    """Return the row of a profile update."""
    return {
        "customer_id": update.customer_id,
        "received_at": moment(update.received_at_ms),
        "source": update.source,
        "attributes": msgspec.json.encode(update.attributes).decode(),
        "consents": msgspec.json.encode(update.consents).decode(),
        "audiences": msgspec.json.encode(update.audiences).decode(),
        "time_zone": update.time_zone,
        "locale": update.locale,
        "version": update.version,
    }


class RowBuffer:
    """Rows waiting to be appended, by table; decisions apart by plan, as their columns differ."""

    def __init__(self) -> None:
        self._decisions: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._schemas: dict[str, dict[str, pl.DataType]] = {}
        self._rows: dict[LogTable, list[dict[str, Any]]] = defaultdict(list)
        self.size = 0

    def add_decision(self, rows: list[dict[str, Any]], plan: Plan) -> None:
        """Add the rows of a decision made under a plan."""
        if plan.digest not in self._schemas:
            self._schemas[plan.digest] = dict(SCHEMAS[LogTable.DECISIONS]) | feature_schema(plan)
        self._decisions[plan.digest] += rows
        self.size += len(rows)

    def add(self, table: LogTable, row: dict[str, Any]) -> None:
        """Add a row of another table."""
        self._rows[table].append(row)
        self.size += 1

    def frames(self) -> dict[LogTable, pl.DataFrame]:
        """Return what waits, typed; empty tables are left out.

        Decisions come first: a resolution in the log without its decision would teach nobody.
        """
        frames = {}
        decisions = [
            pl.DataFrame(rows, schema=self._schemas[digest])
            for digest, rows in self._decisions.items()
        ]
        if decisions:
            frames[LogTable.DECISIONS] = pl.concat(decisions, how="diagonal_relaxed")
        for table, rows in self._rows.items():
            frames[table] = pl.DataFrame(rows, schema=SCHEMAS[table])
        return frames
