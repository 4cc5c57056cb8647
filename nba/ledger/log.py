"""The port of the log: append-only tables that training, evaluation and reports read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Protocol

import polars as pl

from nba.domain.customer import ALIAS_SOURCE
from nba.errors import ConflictError
from nba.ledger.erasure import Searched
from nba.ledger.sealing import Sealer

SHADOW = "shadow"
"""The source of rows of what another system took."""

_MOMENT = pl.Datetime("us", "UTC")


class LogTable(StrEnum):
    """The tables of a log."""

    DECISIONS = "decisions"
    OUTCOMES = "outcomes"
    RESOLUTIONS = "resolutions"
    EVENTS = "events"
    FEATURE_PROFILES = "feature_profiles"
    UPDATES = "updates"


SCHEMAS: Mapping[LogTable, pl.Schema] = {
    LogTable.DECISIONS: pl.Schema(
        {
            "decision_id": pl.String(),
            "choice": pl.Int32(),
            "customer_id": pl.String(),
            "at": _MOMENT,
            "horizon_at": _MOMENT,
            "placement": pl.String(),
            "channel": pl.String(),
            "rank": pl.Int32(),
            "action": pl.String(),
            "content": pl.String(),
            "propensity": pl.Float64(),
            "value": pl.Float64(),
            "cost": pl.Float64(),
            "score": pl.Float64(),
            "probability": pl.Float64(),
            "content_probability": pl.Float64(),
            "candidates": pl.List(pl.String()),
            "probabilities": pl.List(pl.Float32()),
            "holdout": pl.Boolean(),
            "fallback": pl.Boolean(),
            "plan_version": pl.String(),
            "source": pl.String(),
            "given": pl.List(pl.String()),
            "shadow_action": pl.String(),
            "shadow_probability": pl.Float64(),
            "shadow_probabilities": pl.List(pl.Float32()),
            "would_have_been_dropped": pl.List(pl.String()),
        }
    ),
    LogTable.OUTCOMES: pl.Schema(
        {
            "outcome_id": pl.String(),
            "decision_id": pl.String(),
            "choice": pl.Int32(),
            "kind": pl.String(),
            "at": _MOMENT,
            "received_at": _MOMENT,
            "value": pl.Float64(),
        }
    ),
    LogTable.RESOLUTIONS: pl.Schema(
        {
            "decision_id": pl.String(),
            "choice": pl.Int32(),
            "action": pl.String(),
            "kind": pl.String(),
            "label": pl.Float64(),
            "reward": pl.Float64(),
            "at": _MOMENT,
            "outcome_id": pl.String(),
            "partition": pl.Int32(),
            "position": pl.Int64(),
            "goals": pl.List(pl.String()),
            "missed": pl.List(pl.String()),
            "amount": pl.Float64(),
        }
    ),
    LogTable.EVENTS: pl.Schema(
        {
            "customer_id": pl.String(),
            "name": pl.String(),
            "message_id": pl.String(),
            "at": _MOMENT,
            "received_at": _MOMENT,
            "properties": pl.String(),
            "version": pl.Int64(),
        }
    ),
    LogTable.UPDATES: pl.Schema(
        {
            "customer_id": pl.String(),
            "received_at": _MOMENT,
            "source": pl.String(),
            "attributes": pl.String(),
            "consents": pl.String(),
            "audiences": pl.String(),
            "time_zone": pl.String(),
            "locale": pl.String(),
            "version": pl.Int64(),
        }
    ),
    LogTable.FEATURE_PROFILES: pl.Schema(
        {
            "day": pl.Date(),
            "plan_version": pl.String(),
            "feature": pl.String(),
            "count": pl.Int64(),
            "null_rate": pl.Float64(),
            "cardinality": pl.Int64(),
            "mean": pl.Float64(),
            "std": pl.Float64(),
            "quantiles": pl.List(pl.Float64()),
            "psi": pl.Float64(),
            "js": pl.Float64(),
        }
    ),
}
"""Columns every table has; ``decisions`` also has one ``f_<name>`` column for each situation
feature and one ``a_<name>`` for each feature of the chosen action, as the decision used them;
``given`` names the attributes that came with the request, for that decision alone. Resolutions have
the partition and position (:mod:`nba.ledger.positions`) of their entry in the ledger, in whose
order the bandit learns; what was imported has none. ``goals`` are the kinds of outcome met that
the action prices beside the desired one, ``missed`` those that a resolution waited for in vain, and
``amount`` is what the desired one was reported to bring; all are missing in what is older.

A row whose ``source`` is ``shadow`` is of what another system took: its ``probability`` is the one
that system reported, missing where it reported none, and ``probabilities`` is missing. What would
have been chosen is in ``shadow_action``; ``candidates`` are those it would have been drawn from,
with ``shadow_probabilities``, ``shadow_probability`` being that of the action taken, 0 where
guardrails had dropped it: ``would_have_been_dropped`` has their reason codes.

Those of a sensitive feature are called ``sealed_f_<name>`` and hold text
(:mod:`nba.ledger.sealing`), so that a feature may become sensitive, or cease to be, at any time.
In ``attributes`` and ``properties``, which are JSON, a sensitive value is sealed where it stands.
"""


def is_behind(
    reached: Mapping[str, int], positions: Mapping[str, int], since: Mapping[str, int] | None
) -> bool:
    """Say whether there is anything to append; see :meth:`DecisionLog.append`.

    ``reached`` is how far each writer of ``positions`` has come in the table.
    """
    if positions and all(reached[writer] >= at for writer, at in positions.items()):
        return False
    for writer, at in (since or {}).items():
        if reached[writer] != at:
            raise ConflictError(f"{writer} was written to the log by another process meanwhile")
    return True


def of_customer(table: LogTable, customer_id: str, decision_ids: Collection[str]) -> pl.Expr:
    """Return what is true of the rows that are about a customer or one of their decisions."""
    schema = SCHEMAS[table]
    theirs = pl.lit(value=False)
    if "customer_id" in schema:
        theirs |= pl.col("customer_id") == customer_id
    if "decision_id" in schema:
        theirs |= pl.col("decision_id").is_in(list(decision_ids))
    if "source" in schema and table is LogTable.UPDATES:
        theirs |= pl.col("source") == ALIAS_SOURCE + customer_id
    return theirs


class DecisionLog(Protocol):
    """Append-only tables of one dataset."""

    @property
    def sealer(self) -> Sealer:
        """What seals and opens the sensitive values in it."""
        ...

    def append(
        self,
        table: LogTable,
        rows: pl.DataFrame,
        *,
        positions: Mapping[str, int] | None = None,
        since: Mapping[str, int] | None = None,
    ) -> bool:
        """Append rows in one commit.

        ``positions`` makes it idempotent: for each named writer, how far it has come. Where every
        writer had come that far before, nothing is written and ``False`` is returned. Otherwise
        each must be where ``since`` says, if it is given: :class:`~nba.errors.ConflictError` where
        somebody else wrote on under its name, even in this very moment.
        """
        ...

    def position(self, table: LogTable, writer: str) -> int:
        """Return how far a writer has come in a table; -1 where it never wrote."""
        ...

    def scan(self, table: LogTable) -> pl.LazyFrame:
        """Return a table lazily; with its base columns and no rows where nothing was written."""
        ...

    def erase(self, customer_id: str) -> list[str]:
        """Delete everything about a customer from every table and from its files.

        Returns the ids of their decisions.
        """
        ...

    def search(self, customer_id: str, decision_ids: Collection[str]) -> list[Searched]:
        """Search every table for a customer and their decisions."""
        ...
