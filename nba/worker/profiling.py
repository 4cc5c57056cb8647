"""Daily profiles: once a day is over, how every feature's values lay on it, written to the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from nba.decision.plan import Plan
from nba.domain.clock import MILLISECONDS_PER_SECOND, SECONDS_PER_DAY, Clock
from nba.ledger.delta import moment
from nba.ledger.log import SCHEMAS, DecisionLog, LogTable
from nba.measurement.feature_health import HealthReport, measure_health

WRITER = "feature-profiles"
"""Name under which the log keeps the last day written, in days since 1970."""

CATCH_UP_DAYS = 7
"""Days before yesterday that are still written where the worker was away."""

SETTLE_SECONDS = 3_600
"""How long after its end a day is profiled, when the log has the last of its decisions."""


def trained_through(plan: Plan) -> datetime | None:
    """Return the moment the live models were trained through, the latest of theirs."""
    through = [model.trained_through_ms for _, model in plan.source.models]
    return moment(max(through)) if through else None


@dataclass(frozen=True, slots=True)
class DayProfile:
    """What was measured of one day, numbered from 1970, under a plan."""

    number: int
    plan_version: str
    report: HealthReport


class DailyProfiles:
    """Writes each day's profiles once, whoever writes them and however often.

    Parameters
    ----------
    log
        Read for decisions, and written.
    clock
        Says which days are over.

    """

    def __init__(self, log: DecisionLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._through: int | None = None

    def measure(self, plan: Plan) -> list[DayProfile]:
        """Return the profiles of every day that is over and not written.

        Days without decisions are passed over. Reads much and takes long: not for an event loop.
        """
        settled_seconds = self._clock() / MILLISECONDS_PER_SECOND - SETTLE_SECONDS
        yesterday = int(settled_seconds // SECONDS_PER_DAY) - 1
        if self._through is None:
            self._through = self._log.position(LogTable.FEATURE_PROFILES, WRITER)
        measured = []
        for number in range(max(self._through + 1, yesterday - CATCH_UP_DAYS), yesterday + 1):
            since = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=number)
            report = measure_health(
                self._log,
                plan.features,
                since=since,
                until=since + timedelta(days=1),
                trained_through=trained_through(plan),
            )
            measured.append(DayProfile(number, plan.version, report))
        return measured

    def write(self, measured: Sequence[DayProfile]) -> HealthReport | None:
        """Write profiles; return that of the last day with decisions, if any."""
        latest = None
        for day in measured:
            if day.report.decisions:
                rows = profile_rows(day.plan_version, day.report)
                self._log.append(LogTable.FEATURE_PROFILES, rows, positions={WRITER: day.number})
                latest = day.report
            self._through = day.number
        return latest


def profile_rows(plan_version: str, report: HealthReport) -> pl.DataFrame:
    """Return the rows of a day's report, one a feature."""
    rows = [
        {
            "day": report.since.date(),
            "plan_version": plan_version,
            "feature": item.feature,
            "count": item.profile.count,
            "null_rate": item.profile.null_rate,
            "cardinality": item.profile.cardinality,
            "mean": item.profile.mean,
            "std": item.profile.std,
            "quantiles": list(item.profile.quantiles),
            "psi": None if item.drift is None else item.drift.psi,
            "js": None if item.drift is None else item.drift.js,
        }
        for item in report.features
    ]
    return pl.DataFrame(rows, schema=SCHEMAS[LogTable.FEATURE_PROFILES])
