"""What the log has of customers' past, and whether it has all of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import polars as pl

from nba.features import FeatureSet
from nba.features.offline import point_in_time
from nba.features.offline_frames import with_former_ids
from nba.ledger.log import SHADOW, DecisionLog, LogTable
from nba.ledger.opening import open_json


class Lack(StrEnum):
    """Why the log is not enough to know a profile from."""

    INCOMPLETE = "the log lacks changes of the profile, as where it was begun after them"
    UNVERSIONED = "entries of the customer were logged without versions: some may be lacking"


@dataclass(frozen=True, slots=True)
class LoggedPast:
    """What the log has of some customers, opened; ``entries`` is every change of a profile."""

    events: pl.DataFrame
    updates: pl.DataFrame
    decisions: pl.DataFrame
    entries: pl.DataFrame

    @classmethod
    def of(cls, log: DecisionLog, customers: pl.Series, *, source: str) -> LoggedPast:
        """Read what was sent about customers, and what ``source`` decided for them.

        What another system took beside it in shadow is a contact like any other.
        """
        everyone = with_former_ids(customers.unique(), log.scan(LogTable.UPDATES)).lazy()
        events, updates, decisions = (
            log.scan(table).join(everyone, on="customer_id", how="semi")
            for table in (LogTable.EVENTS, LogTable.UPDATES, LogTable.DECISIONS)
        )
        contacts = decisions.filter(pl.col("source").is_in([source, SHADOW]))
        happened, told = events.collect(), updates.collect()
        entry = ("customer_id", "received_at", "version")
        return cls(
            open_json(happened, "properties", log.sealer),
            open_json(told, "attributes", log.sealer),
            contacts.select("customer_id", "at", "action", "placement").collect(),
            pl.concat([happened.select(entry), told.select(entry)]).sort(entry),
        )

    def judged(self, decisions: pl.DataFrame) -> pl.DataFrame:
        """Return decisions with ``_lack``, why the log is not enough, and ``_entries`` before each.

        A profile is begun at version 1 and every change is one more: where as many entries arrived
        as the highest version says, and the next one follows on it, nothing is lacking.
        """
        life = ["customer_id", "_life"]
        known = (
            self.entries.with_columns(_life=(pl.col("version") == 1).cum_sum().over("customer_id"))
            .with_columns(
                _entries=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(life),
                _highest=pl.col("version").cum_max().over(life),
                _next=pl.col("version").shift(-1).over(life),
                _unversioned=(pl.col("version").fill_null(0) < 1).cum_max().over(life),
            )
            .sort("received_at", maintain_order=True)
        )
        placed = decisions.with_row_index("_place").sort("at")
        found = placed.join_asof(
            known.drop("version", "_life"),
            left_on="at",
            right_on="received_at",
            by="customer_id",
            check_sortedness=False,
        )
        begun = self.entries.group_by("customer_id", maintain_order=True).agg(
            pl.col("version").first().alias("_begun")
        )
        found = found.join(begun, on="customer_id", how="left")
        why = (
            pl.when(pl.col("_unversioned"))
            .then(pl.lit(Lack.UNVERSIONED.value))
            .when(
                (pl.col("_highest") != pl.col("_entries"))
                | (pl.col("_next") > pl.col("_highest") + 1)
                | (pl.col("_entries").is_null() & (pl.col("_begun") > 1))
            )
            .then(pl.lit(Lack.INCOMPLETE.value))
        )
        return found.with_columns(_lack=why).sort("_place")

    def arrivals(self, customer_id: str, at: datetime, race_ms: int) -> list[datetime]:
        """Return when something of a customer arrived close to a moment."""
        around = timedelta(milliseconds=race_ms)
        near = pl.col("received_at").is_between(at - around, at + around)
        mine = self.entries.filter((pl.col("customer_id") == customer_id) & near)
        return mine["received_at"].unique().sort().to_list()

    def recomputed(self, features: FeatureSet, asked: pl.DataFrame) -> pl.DataFrame:
        """Answer :func:`~nba.features.offline.point_in_time`."""
        return point_in_time(features, self.events, asked, self.updates, self.decisions)
